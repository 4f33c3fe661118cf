"""What is minimised: the reduction against loops, and derivatives against torch's."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from _testing import OUTPUTS
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sklearn_ae._training.batches import Batch
from sklearn_ae._training.labels import check_y, encoded, target_of
from sklearn_ae._training.losses import LOSSES, Loss
from sklearn_ae._training.objective import Objective, squared_jacobian
from sklearn_ae._training.targets import TARGET_LOSSES
from sklearn_ae.nn import OUTPUT_ACTIVATIONS, Autoencoder, Rescale

# From entries to rows, and from rows to one number


@pytest.fixture(name="entries")
def _entries():
    return np.random.default_rng(1).exponential(size=(23, 6))


def _objective(loss="squared_error", **options):
    return Objective(LOSSES[loss], **options)


def test_a_row_is_the_mean_of_its_entries(entries):
    rows = _objective().mean_of_rows(torch.from_numpy(entries), None)
    np.testing.assert_allclose(rows.numpy(), entries.mean(axis=1))


def test_a_row_is_the_mean_of_its_observed_entries(entries):
    observed = np.random.default_rng(2).random(entries.shape) < 0.4
    observed[3] = False
    expected = []
    for row, mask in zip(entries, observed, strict=True):
        counted = [entry for entry, counts in zip(row, mask, strict=True) if counts]
        expected.append(sum(counted) / len(counted) if counted else 0)
    rows = _objective().mean_of_rows(*map(torch.from_numpy, (entries, observed)))
    np.testing.assert_allclose(rows.numpy(), expected)


def test_an_entry_that_is_not_observed_has_no_gradient():
    output = torch.zeros(2, 3, requires_grad=True)
    observed = torch.tensor([[True, False, True], [False, False, False]])
    objective = _objective()
    rows = objective.mean_of_rows(objective.loss(output, torch.ones(2, 3)), observed)
    objective.reduce(rows).backward()
    assert (output.grad != 0).tolist() == observed.tolist()


def test_without_weights_rows_are_averaged(entries):
    rows = torch.from_numpy(entries[:, 0])
    assert _objective().reduce(rows).item() == pytest.approx(entries[:, 0].mean())


def test_weights_are_those_of_an_average(entries):
    weight = np.random.default_rng(3).exponential(size=23)
    rows = torch.from_numpy(entries.mean(axis=1))
    loss = _objective().reduce(rows, torch.from_numpy(weight))
    assert loss.item() == pytest.approx(np.average(entries.mean(axis=1), weights=weight))


def test_a_batch_without_weight_is_no_loss_and_no_gradient():
    output = torch.ones(2, 3, requires_grad=True)
    loss = _objective().reduce(output.square().mean(dim=1), torch.zeros(2))
    loss.backward()
    assert loss == 0
    assert not output.grad.any()


@given(n_rows=st.integers(1, 60), n_trimmed=st.integers(0, 59), seed=st.integers(0, 5))
def test_trimming_leaves_out_the_rows_of_greatest_loss(n_rows, n_trimmed, seed):
    n_trimmed = min(n_trimmed, n_rows - 1)
    rows = np.random.default_rng(seed).exponential(size=n_rows)
    trimmed = _objective(trim=n_trimmed / n_rows).reduce(torch.from_numpy(rows))
    assert trimmed.item() == pytest.approx(np.sort(rows)[: n_rows - n_trimmed].mean())


@pytest.mark.parametrize(("n_rows", "trim", "n_kept"), [(10, 0.25, 7), (3, 0.1, 2), (1, 0.9, 1)])
def test_a_share_that_does_not_come_out_even_leaves_out_a_row_more(n_rows, trim, n_kept):
    rows = torch.arange(float(n_rows)) ** 2
    loss = _objective(trim=trim).reduce(rows)
    assert loss.item() == pytest.approx(rows[:n_kept].mean().item())


def _trimmed_by_a_loop(rows, weight, trim):
    kept, mass = [], Fraction(0)
    allowed = (1 - Fraction(trim)) * sum(map(Fraction, weight))
    for loss, of_row in sorted(zip(rows, weight, strict=True)):
        mass += Fraction(of_row)
        if not kept or mass <= allowed:
            kept.append((loss, of_row))
    return sum(loss * w for loss, w in kept) / sum(w for _, w in kept)


@pytest.mark.parametrize("trim", [0.125, 0.25, 0.5, 0.875])
def test_trimming_takes_a_share_of_the_weight(entries, trim):
    rows = entries.mean(axis=1)
    weight = np.random.default_rng(4).integers(1, 9, size=23).astype(float)
    loss = _objective(trim=trim).reduce(*map(torch.from_numpy, (rows, weight)))
    assert loss.item() == pytest.approx(_trimmed_by_a_loop(rows, weight, trim))


def test_a_row_that_is_trimmed_has_no_gradient():
    output = torch.tensor([[1.0], [9.0], [2.0], [8.0]], requires_grad=True)
    _objective(trim=0.5).reduce(output.square().mean(dim=1)).backward()
    assert output.grad.ravel().tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("trim", [0.0, 0.5])
def test_a_batch_without_rows_is_no_loss(trim):
    assert _objective(trim=trim).reduce(torch.zeros(0)) == 0


def test_skorch_is_given_the_mean_of_an_output():
    output, target = torch.randn(5, 3), torch.randn(5, 3)
    expected = nn.functional.l1_loss(output, target)
    torch.testing.assert_close(_objective("absolute_error")(output, target), expected)


# In which units


def _module(output=None):
    torch.manual_seed(0)
    rescale = Rescale(
        torch.full((4,), 0.3, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    )
    decoder = nn.Sequential(nn.Linear(2, 4), nn.Identity() if output is None else output)
    return Autoencoder(nn.Linear(4, 2), decoder, rescale, 2).double()


def _batch(module, x, weight=None, observed=None):
    return Batch(x, module.rescale(x), weight, observed)


def test_a_loss_by_name_sees_the_units_of_the_network():
    module, x = _module(), torch.rand(7, 4, dtype=torch.float64)
    _, output = module.run(module.rescale(x))
    entries = _objective().entries(module, output, _batch(module, x))
    torch.testing.assert_close(entries, (module(x) - x).square() / 2**2)


def test_a_loss_of_the_user_sees_the_units_of_the_data_and_may_write_into_them():
    def own(output, target):
        return output.sub(target.sub_(1)).abs()

    module, x = _module(), torch.rand(7, 4, dtype=torch.float64)
    before = x.clone()
    _, output = module.run(module.rescale(x))
    entries = Objective(Loss(own, degree=None)).entries(module, output, _batch(module, x))
    torch.testing.assert_close(entries, (module(x) - before + 1).abs())
    assert torch.equal(x, before)


# Derivatives


@pytest.mark.parametrize("sparsity_penalty", [0.0, 0.3])
@pytest.mark.parametrize("trim", [0.0, 0.4])
@pytest.mark.parametrize("counts", ["all", "weight", "observed", "both"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_derivatives_are_those_of_autograd(loss, counts, trim, sparsity_penalty):
    module = _module(OUTPUT_ACTIVATIONS[OUTPUTS.get(loss, "identity")].layer())
    objective = _objective(loss, trim=trim, sparsity_penalty=sparsity_penalty)
    rng = np.random.default_rng(0)
    # Targets from -0.2 to 1.2: beyond the ranges of losses, too.
    x = torch.from_numpy(0.3 + 2 * rng.uniform(-0.2, 1.2, (11, 4)))
    weight = torch.from_numpy(rng.exponential(size=11)) if counts in ("weight", "both") else None
    observed = (
        torch.from_numpy(rng.random((11, 4)) < 0.6) if counts in ("observed", "both") else None
    )
    batch = _batch(module, x, weight, observed)
    code = module.code(batch.target).detach().requires_grad_()
    output = module.decoder(code).detach().requires_grad_()

    expected = objective.reduce(
        objective.row_losses(module, batch.target, code, output, batch), batch.weight
    )
    expected.backward()
    with torch.no_grad():
        actual, of_output, of_code, of_predicted = objective.with_gradients(
            module, batch.target, code, output, batch
        )
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(of_output, output.grad)
    if sparsity_penalty:
        torch.testing.assert_close(of_code, code.grad)
    else:
        assert of_code is None
    assert of_predicted is None


@pytest.mark.parametrize("trim", [0.0, 0.4])
@pytest.mark.parametrize("counts", ["all", "weight"])
@pytest.mark.parametrize("kind", TARGET_LOSSES)
def test_so_are_those_of_what_is_predicted(kind, counts, trim):
    module, rng = _module(), np.random.default_rng(0)
    y = {"classes": rng.integers(0, 3, 11), "labels": rng.integers(0, 2, (11, 2))}
    y = check_y(y.get(kind, rng.normal(size=(11, 2))), 11)
    target = target_of(y)
    objective = _objective(trim=trim, target=target, target_weight=0.7)
    x = torch.from_numpy(rng.random((11, 4)))
    weight = torch.from_numpy(rng.exponential(size=11)) if counts == "weight" else None
    batch = _batch(module, x, weight)._replace(labels=torch.from_numpy(encoded(y, target)))
    code, output = (part.detach().requires_grad_() for part in module.run(batch.target))
    predicted = torch.from_numpy(rng.normal(size=(11, len(target.start)))).requires_grad_()
    assert objective.predicts(batch)

    of_rows = objective.row_losses(module, batch.target, code, output, batch, predicted)
    expected = objective.reduce(of_rows, batch.weight)
    expected.backward()
    with torch.no_grad():
        actual, of_output, of_code, of_predicted = objective.with_gradients(
            module, batch.target, code, output, batch, predicted
        )
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(of_output, output.grad)
    torch.testing.assert_close(of_predicted, predicted.grad)
    assert of_code is None


# The contractive penalty


@pytest.fixture(name="encoder")
def _encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3), nn.GELU()).double()


def _penalty_by_torch_func(encoder, parameters, x):
    def one(row):
        return torch.func.functional_call(encoder, parameters, (row,))

    return torch.func.vmap(torch.func.jacrev(one))(x).square().sum(dim=(1, 2))


def test_the_squared_jacobian_is_that_of_torch_func(encoder):
    x = torch.randn(11, 7, dtype=torch.float64, requires_grad=True)
    expected = _penalty_by_torch_func(encoder, dict(encoder.named_parameters()), x)
    torch.testing.assert_close(squared_jacobian(encoder(x), x), expected)


def test_the_gradient_of_the_squared_jacobian_is_that_of_torch_func(encoder):
    x = torch.randn(11, 7, dtype=torch.float64, requires_grad=True)
    squared_jacobian(encoder(x), x).mean().backward()
    parameters = {name: p.detach() for name, p in encoder.named_parameters()}
    expected = torch.func.grad(
        lambda given: _penalty_by_torch_func(encoder, given, x.detach()).mean()
    )(parameters)
    for name, parameter in encoder.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])


def test_the_squared_jacobian_of_a_linear_map_is_that_of_its_matrix():
    linear = nn.Linear(4, 2)
    x = torch.zeros(3, 4, requires_grad=True)
    expected = linear.weight.square().sum().expand(3)
    torch.testing.assert_close(squared_jacobian(linear(x), x), expected)
