"""The step that is written out: against autograd, when it is taken, and what it leaves."""

import pickle
from collections import Counter
from copy import deepcopy

import numpy as np
import pytest
import torch
from _testing import NOISES_OF_TABLES, OUTPUTS
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.utils._testing import create_memmap_backed_data
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)
from torch import Generator, nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.batches import Batch
from sklearn_ae._training.losses import LOSSES
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.scaling import SCALINGS
from sklearn_ae._training.step import _ACTIVATIONS, ExactStep
from sklearn_ae.nn import ACTIVATIONS, OUTPUT_ACTIVATIONS, LinearShortcut, Rescale

# Epochs are few by intent.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = load_digits().data[:203] / 16  # the last of seven batches is shorter
DIGIT = load_digits().target[:203]
_rng = np.random.default_rng(0)
WEIGHT = _rng.integers(0, 4, len(X)).astype(float)
OBSERVED = _rng.random(X.shape) < 0.7


def one_layer_twice(n_in, n_out):
    layer = nn.Linear(n_in, n_in)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.ReLU(), nn.Linear(n_in, n_out))


def one_gate_twice(n_in, n_out):
    block = LinearShortcut(nn.Sequential(nn.Linear(n_in, n_in), nn.Tanh()), nn.Linear(n_in, n_in))
    gated = LinearShortcut(nn.Linear(n_in, n_in), nn.Linear(n_in, n_in), gated=True)
    nn.init.constant_(gated.gate, 0.3)
    return nn.Sequential(nn.Sequential(block, gated), nn.Tanh(), gated, nn.Linear(n_in, n_out))


def unusual_activations(n_in, n_out):
    activations = [nn.LeakyReLU(0.3), nn.ELU(2.0), nn.GELU("tanh"), nn.Softplus(2, 5), nn.Sigmoid()]
    layers = [layer for activation in activations for layer in (nn.Linear(n_in, n_in), activation)]
    return nn.Sequential(nn.Tanh(), *layers, nn.Linear(n_in, n_out))


LAYERS = {
    "plain": {"linear_shortcut": False, "scaling": None},
    "deep": {"linear_shortcut": False, "hidden_layer_sizes": (20, 12, 8)},
    "linear": {"linear_shortcut": False, "hidden_layer_sizes": ()},
    "shortcut": {},
    "tied": {"linear_shortcut": False, "tied_weights": True},
    "tied with shortcut": {"tied_weights": True},
    "own encoder": {"encoder": nn.Linear},
    "own decoder with one gate twice": {"decoder": one_gate_twice},
    "own decoder of unusual activations": {"decoder": unusual_activations},
    "own decoder with one layer twice": {"decoder": one_layer_twice},
    "own decoder ends in an activation": {
        "decoder": lambda n_in, n_out: nn.Sequential(nn.Linear(n_in, n_out), nn.Tanh())
    },
}

# Others train by autograd.
WRITTEN_OUT = [
    name for name, output in OUTPUT_ACTIVATIONS.items() if type(output.layer()) in _ACTIVATIONS
]

every_network = pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
every_loss = pytest.mark.parametrize("loss", LOSSES)


def estimator(**parameters):
    parameters = {
        "hidden_layer_sizes": (12,),
        "batch_size": 32,
        "max_epochs": 8,
        "lr": 3e-3,
        "tol": 1.0,
        "n_iter_no_change": 7,
        "early_stopping": False,
        "random_state": 0,
        **parameters,
    }
    return AutoencoderTransformer(4, **parameters)


class Optimizer(Callback):
    """Keeps the state that a training ends with, of which a fit forgets the moments."""

    def on_train_end(self, net, **kwargs):
        """Look."""
        self.state = deepcopy(net.optimizer_.state_dict())


def by_autograd(estimator, method="fit", **options):
    """Train without the written out step, whatever allows it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoencoderNet, "_allows_exact_step", lambda net: False)
        getattr(estimator, method)(X, **options)
    assert estimator.net_._steps_by == "autograd"
    return estimator


def exactly(estimator, method="fit", **options):
    """Train with it, and see that it was taken."""
    getattr(estimator, method)(X, **options)
    assert estimator.net_._steps_by == "exact"
    return estimator


def assert_equal_curves(actual, expected, rtol):
    assert len(actual.loss_curve_) == len(expected.loss_curve_) == 8
    assert np.ptp(expected.loss_curve_) > 1e-3 * expected.loss_curve_[0]
    assert_allclose(actual.loss_curve_, expected.loss_curve_, rtol=rtol)


# In float64: rounding in float32 can turn the sign of an absolute error that is nearly zero.


@every_network
@every_loss
def test_the_loss_curve_is_that_of_autograd(loss, layers):
    network = estimator(
        loss=loss,
        output_activation=OUTPUTS.get(loss, "identity"),
        optimizer="adam",
        lr_schedule="constant",
        precision="float64",
        **layers,
    )
    assert_equal_curves(exactly(deepcopy(network)), by_autograd(network), rtol=1e-9)


@every_network
@every_loss
def test_so_it_is_with_noise_penalty_weights_trim_and_schedule(loss, layers):
    network = estimator(
        loss=loss,
        output_activation=OUTPUTS.get(loss, "identity"),
        noise="gaussian",
        noise_level=0.1,
        sparsity_penalty=0.01,
        trim=0.1,
        precision="float64",
        **layers,
    )
    data = {"sample_weight": WEIGHT, "observed": OBSERVED}
    exact = exactly(deepcopy(network), **data)
    assert_equal_curves(exact, by_autograd(network, **data), rtol=1e-9)


# Of 203 digits: which it is, three labels of it, and a number; a third of each is missing.
YS = {
    "classes": DIGIT,
    "labels": np.stack([DIGIT < 5, DIGIT % 2, DIGIT == 3], axis=1),
    "numbers": X.mean(axis=1),
}
PARTLY = {kind: np.array(y, dtype=float) for kind, y in YS.items()}
for _each in PARTLY.values():
    _each[_rng.random(_each.shape) < 1 / 3] = np.nan


@every_network
@pytest.mark.parametrize("kind", YS)
def test_so_it_is_with_something_to_predict(kind, layers):
    network = estimator(target_weight=2.0, precision="float64", **layers)
    exact = exactly(deepcopy(network), y=YS[kind])
    assert exact.net_.module.target.kind == kind
    assert_equal_curves(exact, by_autograd(network, y=YS[kind]), rtol=1e-8)


@pytest.mark.parametrize("kind", YS)
def test_so_it_is_with_something_to_predict_of_some_rows_and_all_else(kind):
    network = estimator(
        target_weight=2.0,
        noise="gaussian",
        noise_level=0.1,
        sparsity_penalty=0.01,
        trim=0.1,
        precision="float64",
    )
    data = {"y": PARTLY[kind], "sample_weight": WEIGHT, "observed": OBSERVED}
    exact = exactly(deepcopy(network), **data)
    assert_equal_curves(exact, by_autograd(network, **data), rtol=1e-8)


@pytest.mark.parametrize("noise", NOISES_OF_TABLES)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_so_it_is_with_every_noise_and_scaling(noise, scaling):
    network = estimator(noise=noise, noise_level=0.2, scaling=scaling, precision="float64")
    assert_equal_curves(exactly(deepcopy(network)), by_autograd(network), rtol=1e-9)


@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "adam", "optimizer_params": {"weight_decay": 0.1}},
        {"optimizer": "adam", "optimizer_params": {"betas": (0.5, 0.9), "eps": 1e-3}},
        {"optimizer": "adamw", "optimizer_params": {"maximize": True}, "lr": 1e-5},
        {"optimizer_params": {"param_groups": [("encoder*", {"weight_decay": 0.0, "lr": 1e-4})]}},
        {"batch_size": 1, "max_epochs": 2},
        {"batch_size": 1000},
    ],
    ids=str,
)
def test_so_it_is_with_every_setting_of_the_optimizer_and_size_of_batches(parameters):
    network = estimator(precision="float64", callbacks=[Optimizer()], **parameters)
    exact, expected = exactly(deepcopy(network)), by_autograd(network)
    assert_allclose(exact.loss_curve_, expected.loss_curve_, rtol=1e-9)
    assert_equal_states(exact, expected)


@pytest.mark.parametrize(
    "container",
    [csr_array, create_memmap_backed_data, lambda X: (16 * X).astype(np.uint8)],
    ids=["sparse", "memmap", "integers"],
)
def test_so_it_is_with_rows_of_other_kinds(container):
    rows = container(X)
    dense = rows.toarray() if isinstance(rows, csr_array) else np.array(rows)
    dense = dense.astype(np.float32) if dense.dtype == np.uint8 else dense
    exact, expected = estimator().fit(rows), estimator().fit(dense)
    assert exact.net_._steps_by == "exact"
    assert exact.loss_curve_ == expected.loss_curve_


@every_network
def test_so_it_is_in_float32(layers):
    assert_equal_curves(exactly(estimator(**layers)), by_autograd(estimator(**layers)), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*codes are constant")
@pytest.mark.parametrize("output_activation", WRITTEN_OUT)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@every_network
def test_gradients_are_those_of_autograd(activation, output_activation, layers):
    network = estimator(
        activation=activation,
        output_activation=output_activation,
        sparsity_penalty=0.01,
        max_epochs=1,
        **{"scaling": "range", **layers},
    )
    # After an epoch no layer is at zero.
    net = exactly(network).net_
    x = torch.from_numpy(X[:32].astype(np.float32))
    batch = Batch(
        x,
        net.module_.rescale(x),
        torch.from_numpy(WEIGHT[:32].astype(np.float32)),
        torch.from_numpy(OBSERVED[:32]),
    )
    net.module_.zero_grad()
    rows, _ = net.row_loss(batch, Generator())
    loss = net.criterion_.reduce(rows, batch.weight)
    loss.backward()

    step = ExactStep(net.module_, net.criterion_, net.optimizer_, bfloat16=False)
    with step.running():
        exact_loss = step.gradient(batch.target, batch)
        gradients = {p: gradient.clone() for p, (_, gradient) in step.flat.views.items()}

    torch.testing.assert_close(exact_loss, loss.detach())
    assert gradients.keys() == set(net.module_.parameters())
    for parameter, gradient in gradients.items():
        scale = parameter.grad.abs().max().item()
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-5, atol=1e-5 * scale)


# In bfloat16


@pytest.mark.filterwarnings("ignore:precision='bfloat16'")
@every_network
def test_bfloat16_trains_as_well_and_keeps_float32(layers):
    network = estimator(precision="bfloat16", noise="gaussian", noise_level=0.05, **layers)
    exact = exactly(deepcopy(network))
    assert_allclose(exact.loss_curve_, by_autograd(deepcopy(network)).loss_curve_, rtol=0.02)
    full = exactly(network.set_params(precision="float32"))
    assert_allclose(exact.loss_curve_, full.loss_curve_, rtol=0.02)
    assert {p.dtype for p in exact.net_.module_.parameters()} == {torch.float32}
    assert exact.transform(X.astype(np.float32)).dtype == np.float32
    assert exact.reconstruct(X).dtype == np.float64


@pytest.mark.filterwarnings("ignore:precision='bfloat16'")
@pytest.mark.parametrize("penalty", ["sparsity_penalty", "contractive_penalty"])
def test_bfloat16_takes_penalties(penalty):
    network = estimator(precision="bfloat16", **{penalty: 0.01})
    full = estimator(**{penalty: 0.01}).fit(X)
    assert_allclose(network.fit(X).loss_curve_, full.loss_curve_, rtol=0.03)


def test_bfloat16_warns_where_the_processor_gains_nothing(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    with pytest.warns(UserWarning, match="bfloat16.*Use precision='float32'"):
        estimator(precision="bfloat16", max_epochs=1).fit(X)


@pytest.mark.parametrize("loss", OUTPUTS)
def test_bfloat16_refuses_losses_that_it_is_too_coarse_for(loss):
    network = estimator(precision="bfloat16", loss=loss, output_activation=OUTPUTS[loss])
    with pytest.raises(ValueError, match=r"precision='bfloat16': loss=.*Use precision='float32'"):
        network.fit(X)


@pytest.mark.parametrize("capability", ["amx_bf16", "avx512_bf16", "bf16"])
def test_bfloat16_is_silent_where_it_gains(monkeypatch, capability):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    estimator(precision="bfloat16", max_epochs=1).fit(X)


# When it is taken


def rescale(n_features):
    return Rescale(torch.zeros(n_features), torch.tensor(2.0))


class Listener(Callback):
    """Listens to batches."""

    def on_batch_end(self, net, **kwargs):
        """See one."""


class Freezer(Callback):
    """Stops the training of a parameter after the second epoch, and keeps what it is."""

    def on_train_begin(self, net, **kwargs):
        """Begin."""
        self.values, self.ways = [], []

    def on_epoch_end(self, net, **kwargs):
        """Freeze, and look."""
        parameter = next(net.module_.parameters())
        if len(net.history) == 2:
            parameter.requires_grad_(False)
        self.values.append(parameter.detach().clone())
        self.ways.append(net._steps_by)


@pytest.mark.parametrize(
    "parameters",
    [
        {"contractive_penalty": 0.1},
        {"loss": lambda output, target: (output - target).abs()},
        {"optimizer": "sgd"},
        {"optimizer": torch.optim.RMSprop},
        {"optimizer": torch.optim.Adam, "optimizer_params": {"foreach": True}},
        {"optimizer_params": {"fused": False}},
        {"optimizer_params": {"amsgrad": True}},
        {"encoder": lambda n_in, n_out: nn.Sequential(nn.Linear(n_in, n_out), nn.Dropout())},
        {"encoder": lambda n_in, n_out: nn.Linear(n_in, n_out, bias=False)},
        {
            "decoder": lambda n_in, n_out: nn.utils.parametrizations.weight_norm(
                nn.Linear(n_in, n_out)
            )
        },
        {
            "encoder": lambda n_in, n_out: nn.Sequential(
                nn.Linear(n_in, n_out), nn.ELU(inplace=True)
            )
        },
        {
            "decoder": lambda n_in, n_out: nn.Sequential(
                nn.ReLU(inplace=True), nn.Linear(n_in, n_out)
            )
        },
        {"encoder": lambda n_in, n_out: nn.Sequential(rescale(n_in), nn.Linear(n_in, n_out))},
    ],
    ids=[
        "contractive",
        "own loss",
        "sgd",
        "own optimizer",
        "foreach",
        "not fused",
        "amsgrad",
        "dropout",
        "no bias",
        "weight norm",
        "in place",
        "in place first",
        "units within",
    ],
)
def test_what_is_not_written_out_goes_by_autograd(parameters):
    assert estimator(max_epochs=2, **parameters).fit(X).net_._steps_by == "autograd"


HOOKS = {
    "forward": lambda net, hook: net.module_.encoder.register_forward_hook(hook),
    "forward of a layer": lambda net, hook: net.module_.encoder.layers[0].register_forward_hook(
        hook
    ),
    "forward of all": lambda net, hook: nn.modules.module.register_module_forward_hook(hook),
    "before forward": lambda net, hook: net.module_.decoder.register_forward_pre_hook(hook),
    "backward": lambda net, hook: net.module_.decoder.register_full_backward_hook(hook),
    "before backward": lambda net, hook: net.module_.decoder.register_full_backward_pre_hook(hook),
    "parameter": lambda net, hook: next(net.module_.parameters()).register_hook(hook),
    "gradient": lambda net, hook: next(net.module_.parameters()).register_post_accumulate_grad_hook(
        hook
    ),
    "optimizer": lambda net, hook: net.optimizer_.register_step_post_hook(hook),
    "before optimizer": lambda net, hook: net.optimizer_.register_step_pre_hook(hook),
}


@pytest.mark.parametrize("register", HOOKS.values(), ids=HOOKS)
def test_hooks_of_the_user_are_called(register):
    calls, handles = [], []

    class Hooked(Callback):
        def on_train_begin(self, net, **kwargs):
            """Register."""
            handles.append(register(net, lambda *arguments: calls.append(1)))

        def on_epoch_end(self, net, **kwargs):
            """Remove."""
            handles[0].remove()

    fitted = estimator(max_epochs=1, callbacks=[Hooked()]).fit(X)
    assert fitted.net_._steps_by == "autograd"
    assert len(calls) >= 7


def test_autocast_of_the_user_goes_by_autograd():
    with torch.autocast("cpu", torch.bfloat16):
        assert estimator(max_epochs=1).fit(X).net_._steps_by == "autograd"


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
def test_an_optimizer_that_has_a_name_goes_like_it_when_given_as_a_class(optimizer):
    network = estimator(optimizer=optimizer, precision="float64")
    assert_equal_curves(exactly(deepcopy(network)), by_autograd(network), rtol=1e-9)


@pytest.mark.parametrize("name", ["row_loss", "run", "train_step"])
def test_a_net_with_an_objective_of_its_own_goes_by_autograd(name):
    def own(net, *arguments):
        return getattr(AutoencoderNet, name)(net, *arguments)

    OwnNet = type("OwnNet", (AutoencoderNet,), {name: own})

    class Own(AutoencoderTransformer):
        _net_class = OwnNet

    fitted = Own(4, hidden_layer_sizes=(12,), max_epochs=2, random_state=0).fit(X)
    assert fitted.net_._steps_by == "autograd"


def test_who_listens_to_batches_gets_skorchs_loop():
    fitted = estimator(max_epochs=2, callbacks=[Listener()]).fit(X)
    assert fitted.net_._steps_by == "skorch"
    assert_allclose(fitted.loss_curve_, exactly(estimator(max_epochs=2)).loss_curve_, rtol=1e-6)


@pytest.mark.parametrize("lr_schedule", ["constant", "cosine", "one_cycle"])
def test_schedules_keep_it(lr_schedule):
    exactly(estimator(lr_schedule=lr_schedule))


def test_callbacks_of_scikit_learn_keep_it():
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")
    scores = callback.ScoringMonitor(scoring=lambda estimator, X, y: {"score": estimator.score(X)})
    exactly(estimator(max_epochs=3).set_callbacks(scores))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_what_a_step_leaves_out_is_done_once_an_epoch(weight):
    calls = Counter()

    def counted(owner, name):
        function = getattr(owner, name)

        def count(*arguments, **options):
            calls[name] += 1
            return function(*arguments, **options)

        return count

    def calls_with(batch_size):
        calls.clear()
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in (
                (AutoencoderNet, "notify"),
                (nn.Module, "named_modules"),
                (torch.Tensor, "item"),
                (torch.Tensor, "__float__"),
                (torch.Tensor, "__bool__"),
                (torch.Tensor, "cpu"),
            ):
                patch.setattr(owner, name, counted(owner, name))
            exactly(estimator(max_epochs=3, batch_size=batch_size), sample_weight=weight)
        return dict(calls)

    few, many = calls_with(100), calls_with(8)
    assert few == many
    assert few["notify"] > 0
    assert few["named_modules"] > 0


def minus_error(net, X, y):
    return -np.square(net.predict(X) - y).mean()


@pytest.mark.parametrize(
    ("callback", "way"),
    [
        (EpochScoring(minus_error, name="score"), "skorch"),
        (EpochScoring(minus_error, name="score", on_train=True), "skorch"),
        (EpochScoring(minus_error, name="score", use_caching=False), "skorch"),
        (LRScheduler("StepLR", step_size=1), "skorch"),
        (LRScheduler("StepLR", step_size=1, step_every="batch"), "skorch"),
        (EarlyStopping(monitor="train_loss"), "exact"),
        (GradientNormClipping(1.0), "skorch"),
        (Listener(), "skorch"),
    ],
)
def test_callbacks_that_override_no_event_of_batches_keep_it(callback, way):
    fitted = estimator(max_epochs=2, lr_schedule="constant", callbacks=[callback])
    fitted.fit(X, X_val=X[:50])
    assert fitted.net_._steps_by == way


def test_scores_of_cached_validation_batches_are_those_of_the_rows():
    scores = []
    for use_caching in (True, False):
        scoring = EpochScoring(minus_error, name="score", use_caching=use_caching)
        fitted = estimator(max_epochs=3, callbacks=[scoring]).fit(X, X_val=X[:50])
        scores.append(fitted.net_.history[:, "score"])
    assert_allclose(*scores, rtol=1e-6)


def test_a_parameter_that_is_frozen_on_the_way_stays_as_it_was():
    network = estimator(max_epochs=4, callbacks=[Freezer()]).fit(X)
    ((_, freezer),) = network.net_.callbacks_[-1:]
    first, *others = freezer.values[1:]
    assert freezer.ways == ["exact", "exact", "autograd", "autograd"]
    assert not torch.equal(freezer.values[0], first)
    assert all(torch.equal(first, other) for other in others)


# What it leaves


def assert_equal_states(actual, expected):
    left, expected_left = (
        dict(fitted.net_.callbacks_)["Optimizer"].state for fitted in (actual, expected)
    )
    assert left["param_groups"] == expected_left["param_groups"]
    own, other = left["state"], expected_left["state"]
    assert own.keys() == other.keys() == set(range(len(list(actual.net_.module_.parameters()))))
    for i, state in own.items():
        assert list(state) == list(other[i])
        for name, value in state.items():
            torch.testing.assert_close(value, other[i][name], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@every_network
def test_the_state_of_the_optimizer_is_whole(optimizer, layers):
    parameters = {"max_epochs": 3, "precision": "float64", "callbacks": [Optimizer()], **layers}
    network = estimator(optimizer=optimizer, **parameters)
    assert_equal_states(exactly(deepcopy(network)), by_autograd(network))


def test_the_last_gradients_are_left_as_autograd_leaves_them():
    exact = exactly(estimator(max_epochs=2, precision="float64")).net_.module_
    expected = by_autograd(estimator(max_epochs=2, precision="float64")).net_.module_
    for own, other in zip(exact.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("first", [exactly, by_autograd])
@pytest.mark.parametrize("then", [exactly, by_autograd])
@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_either_way_goes_on_from_the_other(method, first, then):
    parameters = {"warm_start": True, "callbacks": [Optimizer()]}
    network = estimator(max_epochs=3, precision="float64", **parameters)
    expected = by_autograd(by_autograd(deepcopy(network)), method)

    actual = then(first(network), method)

    assert_allclose(actual.loss_curve_, expected.loss_curve_, rtol=1e-9)
    assert_equal_states(actual, expected)
    assert_allclose(actual.transform(X), expected.transform(X), rtol=1e-6, atol=1e-9)


def test_an_epoch_that_fails_half_way_leaves_module_and_optimizer_at_one_step(fail_at):
    net = exactly(estimator(precision="float64"), "partial_fit").net_
    fail_at(4, MemoryError)
    rows = net.get_dataset(X)
    before = deepcopy(net.module_.state_dict())
    with pytest.raises(MemoryError):
        net.train_epoch(rows)
    steps = {state["step"].item() for state in net.optimizer_.state.values()}
    assert steps == {7 + 3}
    assert not torch.equal(before["encoder.shortcut.weight"], net.module_.encoder.shortcut.weight)


def test_a_pickle_is_of_ordinary_size_and_goes_on():
    exact, expected = exactly(estimator(max_epochs=3)), by_autograd(estimator(max_epochs=3))
    pickled = pickle.dumps(exact)
    assert len(pickled) <= 1.01 * len(pickle.dumps(expected))
    assert len(pickle.dumps(exact.encoder_)) <= 1.01 * len(pickle.dumps(expected.encoder_))
    loaded = exactly(pickle.loads(pickled), "partial_fit")
    assert_allclose(loaded.loss_curve_, exactly(exact, "partial_fit").loss_curve_, rtol=0)


def test_no_parameter_shares_memory_with_another():
    net = exactly(estimator(), "partial_fit").net_
    tensors = [*net.module_.parameters()]
    for state in net.optimizer_.state.values():
        tensors += state.values()
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    assert len(storages) == len(tensors)
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors)
    assert not any(tensor.is_inference() for tensor in tensors)
