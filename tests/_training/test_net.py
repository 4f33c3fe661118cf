"""The net's objective, gradients and steps against plain torch code."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from _testing import OUTPUTS
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from skorch.callbacks import Callback
from torch import Generator, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from sklearn_ae._training import batches as batches_file
from sklearn_ae._training.batches import Batch, Rows
from sklearn_ae._training.losses import LOSSES, resolve_loss
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.objective import Objective
from sklearn_ae._training.split import Split
from sklearn_ae.nn import (
    OUTPUT_ACTIVATIONS,
    Autoencoder,
    Rescale,
    dense,
    tied_dense,
    with_shortcuts,
)
from sklearn_ae.noise import NOISES, gaussian

X = load_digits().data[:83] / 16


def _module(seed=0, *, output=None, rescale=None, shortcut=False, extra=()):
    torch.manual_seed(seed)
    encoder = dense(64, 3, hidden_layer_sizes=(8,), activation=nn.Tanh)
    decoder = dense(3, 64, hidden_layer_sizes=(8,), activation=nn.Tanh)
    encoder.extend(extra)
    if shortcut:
        encoder, decoder = with_shortcuts(encoder, decoder, 64, 3)
    if rescale is None:
        rescale = Rescale(torch.zeros(64, dtype=torch.float64), torch.tensor(1.0))
    decoder = nn.Sequential(decoder, nn.Identity() if output is None else output)
    return Autoencoder(encoder, decoder, rescale, 3).double()


def _net(module, *, loss="squared_error", sparsity=0.0, contractive=0.0, trim=0.0, **parameters):
    parameters = {
        "optimizer": torch.optim.SGD,
        "lr": 0.1,
        "batch_size": 16,
        "dataset": Rows,
        "predict_nonlinearity": None,
        "callbacks": [],
        "verbose": 0,
        **parameters,
    }
    return AutoencoderNet(
        lambda: module,
        criterion=Objective,
        criterion__loss=resolve_loss(loss),
        criterion__sparsity_penalty=sparsity,
        criterion__contractive_penalty=contractive,
        criterion__trim=trim,
        **parameters,
    ).initialize()


def _batch(net, x, weight=None, observed=None):
    return Batch(x, net.module_.rescale(x), weight, observed)


def _state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def _assert_equal_states(actual, expected, **tolerance):
    assert actual.keys() == expected.keys()
    for name, value in actual.items():
        torch.testing.assert_close(value, expected[name], **tolerance)


# The objective and its gradient

# By hand, an entry each, from output and target.
PLAIN_LOSSES = {
    "squared_error": lambda o, t: (o - t) ** 2,
    "absolute_error": lambda o, t: (o - t).abs(),
    "huber": lambda o, t: torch.where((o - t).abs() <= 1, (o - t) ** 2 / 2, (o - t).abs() - 0.5),
    "binary_cross_entropy": lambda o, t: -(t * o.log() + (1 - t) * (1 - o).log()),
    "poisson": lambda o, t: o - t * o.log() + torch.xlogy(t, t) - t,
}


def _plain_objective(module, x, entries, *, sparsity=0.0, contractive=0.0):
    """Give the mean over rows, written out a row at a time."""
    objective = 0
    for row in x:
        inside = module.rescale(row)
        code = module.encoder(inside)
        objective = objective + entries(module.decoder(code), inside).mean()
        objective = objective + sparsity * code.abs().sum()
        if contractive:
            jacobian = torch.func.jacrev(module.encoder)(inside)
            objective = objective + contractive * (jacobian**2).sum()
    return objective / len(x)


def _gradient(objective, module):
    module.zero_grad()
    objective.backward()
    return {name: p.grad.clone() for name, p in module.named_parameters()}


def _gradient_of(net, batch):
    rows, _ = net.row_loss(batch, Generator())
    return _gradient(net.criterion_.reduce(rows, batch.weight), net.module_)


@pytest.mark.parametrize("penalties", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2), (0.3, 0.2)], ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_that_of_plain_autograd(loss, penalties):
    output = OUTPUT_ACTIVATIONS[OUTPUTS.get(loss, "identity")].layer()
    module = _module(output=output)
    sparsity, contractive = penalties
    net = _net(module, loss=loss, sparsity=sparsity, contractive=contractive)
    x = torch.from_numpy(X[:12])
    expected = _plain_objective(
        module, x, PLAIN_LOSSES[loss], sparsity=sparsity, contractive=contractive
    )
    rows, _ = net.row_loss(_batch(net, x), Generator())
    torch.testing.assert_close(rows.mean(), expected)
    _assert_equal_states(_gradient_of(net, _batch(net, x)), _gradient(expected, module))


@pytest.mark.parametrize("scale", [torch.tensor(3.0), torch.linspace(0.5, 2.0, 64)])
def test_losses_and_penalties_are_in_the_units_of_the_network(scale):
    rescale = Rescale(torch.full((64,), 0.3, dtype=torch.float64), scale.double())
    module = _module(rescale=rescale)
    net = _net(module, sparsity=0.3, contractive=0.2)
    x = torch.from_numpy(X[:12])
    expected = _plain_objective(
        module, x, PLAIN_LOSSES["squared_error"], sparsity=0.3, contractive=0.2
    )
    _assert_equal_states(_gradient_of(net, _batch(net, x)), _gradient(expected, module))


def test_a_loss_of_the_user_sees_the_units_of_the_data():
    rescale = Rescale(torch.full((64,), 0.3, dtype=torch.float64), torch.tensor(3.0))
    module = _module(rescale=rescale)
    net = _net(module, loss=lambda output, target: (output - target).abs() ** 1.5)
    x = torch.from_numpy(X[:12])
    rows, _ = net.row_loss(_batch(net, x), Generator())
    torch.testing.assert_close(rows, ((module(x) - x).abs() ** 1.5).mean(dim=1))


def test_weights_observed_entries_and_trim_act_as_in_a_loop():
    module = _module()
    net = _net(module, trim=0.25)
    rng = np.random.default_rng(0)
    x, observed = torch.from_numpy(X[:12]), torch.from_numpy(rng.random((12, 64)) < 0.5)
    weight = torch.from_numpy(rng.integers(1, 5, 12).astype(float))

    losses = []
    for row, mask in zip(x, observed, strict=True):
        losses.append(((module(row[None])[0] - row) ** 2)[mask].mean())
    counted, mass = 0, 0
    for i in sorted(range(12), key=lambda i: losses[i].item()):
        if mass + weight[i] > 0.75 * weight.sum():
            break
        mass, counted = mass + weight[i], counted + weight[i] * losses[i]
    expected = _gradient(counted / mass, module)
    _assert_equal_states(_gradient_of(net, _batch(net, x, weight, observed)), expected)


def test_noise_goes_in_and_the_clean_row_is_the_target():
    rescale = Rescale(torch.full((64,), 0.3, dtype=torch.float64), torch.tensor(2.0))
    module = _module(rescale=rescale)
    net = _net(module, noise=NOISES["gaussian"], noise_level=0.7)
    x = torch.from_numpy(X[:12])
    rows, _ = net.row_loss(_batch(net, x), Generator().manual_seed(5))
    noisy = gaussian(x, 0.7, Generator().manual_seed(5))
    expected = ((module.decoder(module.encoder((noisy - 0.3) / 2)) - (x - 0.3) / 2) ** 2).mean(1)
    torch.testing.assert_close(rows, expected)


def test_the_level_of_gaussian_noise_is_in_the_units_of_each_feature():
    scale = torch.linspace(0.5, 2.0, 64, dtype=torch.float64)
    rescale = Rescale(torch.full((64,), 0.3, dtype=torch.float64), scale)
    net = _net(_module(rescale=rescale), noise=NOISES["gaussian"], noise_level=0.7)
    x = torch.from_numpy(X[:12])
    noisy = net.corrupted(_batch(net, x), Generator().manual_seed(5))
    expected = gaussian(x, 0.7, Generator().manual_seed(5))
    torch.testing.assert_close(rescale.inverse(noisy), expected)


@pytest.mark.parametrize("name", ["masking", "salt_and_pepper"])
def test_what_replaces_an_entry_is_typical_of_its_feature_in_the_units_of_the_data(name):
    typical = torch.from_numpy(np.stack([X.mean(axis=0), X.min(axis=0) - 1, X.max(axis=0) + 1]))
    scale = torch.linspace(0.5, 2.0, 64, dtype=torch.float64)
    rescale = Rescale(torch.full((64,), 0.3, dtype=torch.float64), scale, typical=typical)
    net = _net(_module(rescale=rescale), noise=NOISES[name], noise_level=1.0)
    batch = _batch(net, torch.from_numpy(X[:12]))
    corrupted = rescale.inverse(net.corrupted(batch, Generator().manual_seed(5)))
    allowed = typical[:1] if name == "masking" else typical[1:]
    for part in allowed:
        assert torch.isclose(corrupted, part).any(dim=0).all()
    assert torch.isclose(corrupted[None], allowed[:, None]).any(dim=0).all()


# Training


@pytest.mark.parametrize("noise", [None, "gaussian"])
@pytest.mark.parametrize("lr_schedule", ["constant", "cosine", "one_cycle"])
def test_training_is_the_loop_that_one_would_write(lr_schedule, noise):
    module, twin = _module(), _module()
    net = _net(
        module,
        optimizer=torch.optim.Adam,
        lr=0.01,
        lr_schedule=lr_schedule,
        noise=noise and NOISES[noise],
        noise_level=0.2,
        seed=3,
    )
    net.partial_fit(Split(Rows(X), Rows(X)), epochs=4)

    x, generator = torch.from_numpy(X), Generator().manual_seed(3)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01)
    scheduler = {
        "constant": lambda: None,
        "cosine": lambda: CosineAnnealingLR(optimizer, 4 * 6),
        "one_cycle": lambda: OneCycleLR(
            optimizer, 0.01, total_steps=4 * 6 + 1, cycle_momentum=False
        ),
    }[lr_schedule]()
    curve = []
    for _ in range(4):
        order, total = torch.randperm(83, generator=generator), 0.0
        for batch in order.split(16):
            target = x[batch]
            output = twin(target if noise is None else gaussian(target, 0.2, generator))
            loss = ((output - target) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            total += loss.item() * len(batch)
        curve.append(total / 83)
    np.testing.assert_allclose([row["train_loss"] for row in net.history], curve, rtol=1e-9)
    _assert_equal_states(module.state_dict(), twin.state_dict(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_of_an_epoch_is_the_mean_over_its_rows(weighted):
    weight = np.random.default_rng(0).exponential(size=83) if weighted else None
    rows = Rows(X, sample_weight=weight)
    module = _module()
    net = _net(module, lr=1e-15)
    net.partial_fit(Split(rows, rows), epochs=1)
    with torch.no_grad():
        of_rows = ((module(torch.from_numpy(X)) - torch.from_numpy(X)) ** 2).mean(dim=1)
    expected = np.average(of_rows.numpy(), weights=weight)
    assert net.history[-1, "train_loss"] == pytest.approx(expected)
    assert net.evaluate(rows) == pytest.approx(expected)


def test_an_optimizer_may_compute_the_loss_several_times_a_step():
    module = _module()
    net = _net(module, optimizer=torch.optim.LBFGS, lr=1.0, batch_size=83)
    before = net.evaluate(Rows(X))
    net.partial_fit(Split(Rows(X), Rows(X)), epochs=1)
    # What is reported is the loss that the step started from.
    assert net.history[-1, "train_loss"] == pytest.approx(before)
    assert net.evaluate(Rows(X)) < 0.9 * before


class Rates(Callback):
    """Remember the learning rate of every step."""

    def __init__(self):
        self.rates = []

    def on_grad_computed(self, net, **kwargs):
        self.rates.append(net.optimizer_.param_groups[0]["lr"])


def _rates(lr_schedule, *, n_samples=83, epochs=5, **options):
    rates = Rates()
    net = _net(_module(), lr=0.1, lr_schedule=lr_schedule, callbacks=[rates])
    rows = Rows(X[:n_samples])
    net.partial_fit(Split(rows, rows), epochs=epochs, **options)
    return np.array(rates.rates)


def _rates_of_torch(scheduler, n_steps, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler, rates = scheduler(optimizer, **options), []
    for _ in range(n_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_the_cosine_schedule_is_that_of_torch_over_all_steps():
    expected = _rates_of_torch(CosineAnnealingLR, 30, T_max=30)
    np.testing.assert_allclose(_rates("cosine"), expected)


def test_the_one_cycle_schedule_is_that_of_torch_over_all_steps():
    expected = _rates_of_torch(OneCycleLR, 30, max_lr=0.1, total_steps=31)
    np.testing.assert_allclose(_rates("one_cycle"), expected)


def test_one_cycle_goes_up_to_the_rate_and_then_down_to_zero():
    rates = _rates("one_cycle", epochs=20)
    peak = rates.argmax()
    assert rates[peak] == pytest.approx(0.1, rel=1e-3)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("n_samples", [80, 81, 82])
def test_a_schedule_ends_with_the_last_step_however_the_rows_divide(n_samples):
    rates = _rates("cosine", n_samples=n_samples, epochs=20)
    assert rates[0] == pytest.approx(0.1)
    assert 0 < rates[-1] < 1e-4


def test_without_a_schedule_the_rate_is_constant():
    assert set(_rates("constant")) == {0.1}
    assert set(_rates("one_cycle", scheduled=False)) == {0.1}


def test_going_on_without_a_schedule_returns_to_the_rate():
    net = _net(_module(), lr_schedule="cosine")
    data = Split(Rows(X), Rows(X))
    net.partial_fit(data, epochs=2)
    net.partial_fit(data, epochs=1, scheduled=False)
    assert net.optimizer_.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("tied", [False, True])
def test_weight_decay_is_of_the_weights_of_layers_alone(tied):
    torch.manual_seed(0)
    encoder = dense(64, 3, hidden_layer_sizes=(8,))
    decoder = tied_dense(encoder) if tied else dense(3, 64, hidden_layer_sizes=(8,))
    halves = with_shortcuts(encoder, decoder, 64, 3)
    rescale = Rescale(torch.zeros(64, dtype=torch.float64), torch.tensor(1.0))
    module = Autoencoder(halves[0], nn.Sequential(halves[1]), rescale, 3).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    net = _net(module, lr=0.5, optimizer__weight_decay=0.2, batch_size=83)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    batch = _batch(net, torch.from_numpy(X))
    gradient = _gradient_of(net, batch)
    net.train_step(batch)
    for name, parameter in module.named_parameters():
        decay = 0.2 if name.endswith("weight") and "shortcut" not in name else 0.0
        expected = before[name] - 0.5 * (gradient[name] + decay * before[name])
        torch.testing.assert_close(parameter.detach(), expected)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
def test_weight_decay_of_a_group_of_the_user_is_of_weights_alone(optimizer):
    groups = [("encoder*", {"weight_decay": 0.1})]
    net = _net(_module(), optimizer=optimizer, optimizer__param_groups=groups)
    decayed = {
        id(p) for g in net.optimizer_.param_groups if g["weight_decay"] == 0.1 for p in g["params"]
    }
    assert decayed == {id(net.module_.encoder[i].weight) for i in (0, 2)}


def test_weight_decay_spares_the_factor_of_gated_layers():
    halves = with_shortcuts(nn.Linear(64, 3), nn.Linear(3, 64), 64, 3, gated=(True, True))
    rescale = Rescale(torch.zeros(64), torch.tensor(1.0))
    module = Autoencoder(halves[0], nn.Sequential(halves[1]), rescale, 3)
    groups = _net(module, optimizer__weight_decay=0.2).optimizer_.param_groups
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert decayed == {id(halves[0].layers.weight), id(halves[1].layers.weight)}


def test_an_optimizer_without_weight_decay_gets_all_parameters_at_once():
    (group,) = _net(_module(), optimizer=torch.optim.LBFGS).optimizer_.param_groups
    assert len(group["params"]) == 8


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_rate():
    net = _net(_module(), lr=1e200)
    with pytest.raises(ValueError, match=r"lr=1e\+200: the loss became (nan|inf).*Lower lr"):
        net.partial_fit(Split(Rows(X), Rows(X)), epochs=3)


@pytest.mark.parametrize("container", [np.asarray, csr_array, Rows])
def test_a_net_trains_on_rows_of_its_own_split_and_on_whatever_holds_rows(container):
    states = []
    for data in (Split(Rows(X), Rows(X)), container(X)):
        net = _net(_module())
        net.fit_loop(data, epochs=1)
        states.append(net.module_.state_dict())
    _assert_equal_states(*states, rtol=0, atol=0)


def test_the_module_is_left_ready_for_use():
    net = _net(_module())
    net.partial_fit(Split(Rows(X), Rows(X)), epochs=1)
    assert not any(part.training for part in net.module_.modules())


def test_an_interrupt_keeps_the_epochs_done_and_is_remembered(fail_at):
    net = _net(_module())
    assert not net.interrupted_
    fail_at(15)  # in the third epoch of six steps
    net.partial_fit(Split(Rows(X), Rows(X)), epochs=5)
    assert net.interrupted_
    assert len(net.history) == 2
    assert not any(part.training for part in net.module_.modules())


# Evaluation


def test_rows_are_evaluated_with_the_same_noise_each_time():
    net = _net(_module(), noise=NOISES["gaussian"], noise_level=0.5)
    assert net.evaluate(Rows(X)) == net.evaluate(Rows(X))


def test_evaluating_changes_nothing_of_the_training():
    net = _net(_module(), noise=NOISES["gaussian"], noise_level=0.5)
    state, generator = _state(net.module_), net.generator_.get_state()
    net.evaluate(Rows(X))
    _assert_equal_states(net.module_.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(net.generator_.get_state(), generator)


def test_evaluating_does_not_depend_on_the_rows_at_once(monkeypatch):
    weight = np.random.default_rng(0).exponential(size=83)
    net = _net(_module(), trim=0.1, sparsity=0.3, contractive=0.2)
    rows = Rows(X, sample_weight=weight)
    at_once = net.evaluate(rows)
    monkeypatch.setattr(batches_file, "_MAX_ROWS_AT_ONCE", 10)
    assert net.evaluate(rows) == pytest.approx(at_once, rel=1e-12)


def test_evaluating_gives_the_objective_with_its_penalties():
    module = _module()
    net = _net(module, sparsity=0.3, contractive=0.2)
    x = torch.from_numpy(X[:12])
    expected = _plain_objective(
        module, x, PLAIN_LOSSES["squared_error"], sparsity=0.3, contractive=0.2
    )
    assert net.evaluate(Rows(X[:12])) == pytest.approx(expected.item())


def test_validation_rows_are_evaluated_after_every_epoch():
    net = _net(_module())
    net.partial_fit(Split(Rows(X), Rows(X[:50]), Rows(X[50:])), epochs=3)
    assert len(net.history[:, "valid_loss"]) == 3
    assert net.history[-1, "valid_loss"] == pytest.approx(net.evaluate(Rows(X[50:])))


def test_the_best_epochs_are_marked_as_skorch_marks_them():
    net = _net(_module())
    net.partial_fit(Split(Rows(X), Rows(X)), epochs=4)
    losses = net.history[:, "train_loss"]
    best = [loss == min(losses[: i + 1]) for i, loss in enumerate(losses)]
    assert net.history[:, "train_loss_best"] == best


# What skorch and its callbacks see


class Batches(Callback):
    """Remember what there is to see of every batch."""

    def __init__(self):
        self.begun, self.ended, self.names = [], [], []

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.begun.append((len(batch[0]), training))

    def on_grad_computed(self, net, named_parameters=None, **kwargs):
        self.names.append([name for name, p in named_parameters if p.grad is not None])

    def on_batch_end(self, net, batch=None, training=None, loss=None, y_pred=None, **kwargs):
        self.ended.append((batch[0], training, loss, y_pred))


def _listened():
    rescale = Rescale(torch.full((64,), 0.3, dtype=torch.float64), torch.tensor(3.0))
    batches = Batches()
    net = _net(_module(rescale=rescale), callbacks=[batches], lr=1e-15)
    net.partial_fit(Split(Rows(X), Rows(X[:49]), Rows(X[49:])), epochs=2)
    return net, batches


def test_batches_are_told_of_to_those_who_listen():
    net, batches = _listened()
    assert batches.begun == [(16, True), (16, True), (17, True), (34, False)] * 2
    assert len(batches.names) == 6
    assert batches.names[0] == [name for name, _ in net.get_all_learnable_params()]


def test_batches_come_with_their_loss_and_output_in_the_units_of_the_data():
    net, batches = _listened()
    for x, _, loss, output in batches.ended:
        torch.testing.assert_close(output.detach(), net.module_(x).detach())
        inside = (output - x) / 3
        torch.testing.assert_close(loss, inside.square().mean().detach())


def test_batches_are_in_the_history_of_those_who_listen():
    net, _ = _listened()
    assert net.history[-1, "batches", :, "train_batch_size"][:3] == [16, 16, 17]
    losses = net.history[-1, "batches", :, "train_loss"][:3]
    assert np.average(losses, weights=[16, 16, 17]) == pytest.approx(net.history[-1, "train_loss"])


def test_one_record_stands_for_all_batches_where_nobody_listens():
    net = _net(_module())
    net.partial_fit(Split(Rows(X), Rows(X)), epochs=1)
    loss = net.history[-1, "train_loss"]
    assert net.history[-1]["batches"] == [{"train_loss": loss, "train_batch_size": len(X)}]
    assert net.history[-1, "train_batch_count"] == 6


def test_the_net_can_be_asked_as_any_net_of_skorch():
    net = _net(_module())
    expected = net.module_(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(net.predict(Rows(X)), expected)


class Counted(Callback):
    """Count epochs."""

    n_epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1


def test_callbacks_join_for_a_while():
    net, first = _net(_module()), Counted()
    own = list(net.callbacks_)
    with net.joined_by([first], []):
        net.partial_fit(Split(Rows(X), Rows(X)), epochs=2)
    assert first.n_epochs == 2
    assert net.callbacks_ == own


def test_callbacks_leave_after_an_error_too():
    net = _net(_module())
    own = list(net.callbacks_)
    with pytest.raises(RuntimeError, match="inside"), net.joined_by([Counted()], [Counted()]):
        raise RuntimeError("inside")
    assert net.callbacks_ == own


def test_a_snapshot_has_its_own_weights_and_goes_on_by_itself():
    module = _module()
    net = _net(module)
    data = Split(Rows(X), Rows(X))
    first = deepcopy(_state(module))
    net.partial_fit(data, epochs=1)
    snapshot = net.snapshot(first)
    _assert_equal_states(snapshot.module_.state_dict(), first, rtol=0, atol=0)

    last, generator = _state(module), net.generator_.get_state()
    snapshot.partial_fit(data, epochs=1)
    _assert_equal_states(module.state_dict(), last, rtol=0, atol=0)
    assert torch.equal(net.generator_.get_state(), generator)
    assert (len(net.history), len(snapshot.history)) == (1, 2)
    assert snapshot.module_.state_dict().keys() == last.keys()
    assert not torch.equal(next(snapshot.module_.parameters()), first["encoder.0.weight"])


@pytest.mark.parametrize("seeds", [(1, 1), (1, 2)])
def test_dropout_draws_from_the_generator_of_the_net(seeds):
    states = []
    for seed in seeds:
        torch.manual_seed(99)
        module = _module(extra=[nn.Dropout(0.5)])
        # The order of the rows is of one batch, so that dropout alone differs.
        net = _net(module, seed=seed, batch_size=83)
        torch.rand(seed)  # whatever the global generator has been through
        before = torch.get_rng_state()
        net.partial_fit(Split(Rows(X), Rows(X)), epochs=1)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(module.state_dict()["encoder.0.weight"])
    assert torch.equal(*states) == (seeds[0] == seeds[1])
