"""Losses against scikit-learn's metrics, and their one reduction against loops."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import xlogy
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_poisson_deviance,
    mean_squared_error,
)
from torch import nn

from sklearn_ae._training.losses import (
    LOSSES,
    Loss,
    ReconstructionLoss,
    binary_cross_entropy,
    poisson,
    resolve_loss,
    squared_error,
    squared_jacobian,
)


def _mean_huber(target, output):
    distance = np.abs(target - output)
    return np.where(distance <= 1, distance**2 / 2, distance - 1 / 2).mean()


# What the mean of a loss is, by an answer of its own, and its derivative by the output.
METRICS = {
    "squared_error": mean_squared_error,
    "absolute_error": mean_absolute_error,
    "huber": _mean_huber,
    "binary_cross_entropy": log_loss,
    "poisson": lambda target, output: mean_poisson_deviance(target, output) / 2,
}
SLOPES = {
    "squared_error": lambda output, target: 2 * (output - target),
    "absolute_error": lambda output, target: np.sign(output - target),
    "huber": lambda output, target: np.clip(output - target, -1, 1),
    "binary_cross_entropy": lambda output, target: (output - target) / (output * (1 - output)),
    "poisson": lambda output, target: 1 - target / output,
}

every_loss = pytest.mark.parametrize("name", LOSSES)


def _output_and_target(name, shape=(40, 5)):
    """Draw values from the range of a loss, zeros and ones among the targets."""
    rng = np.random.default_rng(0)
    if name == "binary_cross_entropy":
        return rng.uniform(0.01, 0.99, shape), rng.integers(0, 2, shape).astype(float)
    if name == "poisson":
        return rng.uniform(0.1, 5, shape), rng.poisson(2.0, shape).astype(float)
    return rng.normal(0, 2, shape), rng.normal(0, 2, shape)


@every_loss
def test_the_mean_of_a_loss_is_the_metric_of_scikit_learn(name):
    output, target = _output_and_target(name)
    entries = LOSSES[name].entries(torch.from_numpy(output), torch.from_numpy(target))
    expected = METRICS[name](target.ravel(), output.ravel())
    assert entries.shape == target.shape
    assert entries.mean().item() == pytest.approx(expected, rel=1e-12)


@every_loss
def test_the_gradient_of_a_loss_is_its_derivative(name):
    output, target = _output_and_target(name)
    x = torch.from_numpy(output).requires_grad_()
    LOSSES[name].entries(x, torch.from_numpy(target)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), SLOPES[name](output, target), rtol=1e-9)


@every_loss
def test_no_output_is_better_than_the_target(name):
    _, target = _output_and_target(name)
    target = torch.from_numpy(target)
    entries = LOSSES[name].entries(target, target)
    assert entries.abs().max() < 1e-12


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.degree])
def test_a_common_factor_takes_a_loss_to_other_units_by_its_degree(name):
    output, target = map(torch.from_numpy, _output_and_target(name))
    if name == "huber":  # its bend is at one unit, whatever the factor
        output, target = output / 10, target / 10
    torch.testing.assert_close(
        LOSSES[name].entries(0.5 * output, 0.5 * target),
        0.5 ** LOSSES[name].degree * LOSSES[name].entries(output, target),
    )


def test_a_likelihood_of_shares_has_no_unit():
    assert LOSSES["binary_cross_entropy"].degree == 0


def test_cross_entropy_takes_targets_between_zero_and_one():
    rng = np.random.default_rng(0)
    output, target = rng.uniform(0.01, 0.99, (2, 30, 4))
    expected = -xlogy(target, output) - xlogy(1 - target, 1 - output)
    entries = binary_cross_entropy(torch.from_numpy(output), torch.from_numpy(target))
    np.testing.assert_allclose(entries.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("output", [0.0, 1.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_cross_entropy_is_finite_at_the_ends(output, target):
    x = torch.tensor([[output]], requires_grad=True)
    loss = binary_cross_entropy(x, torch.tensor([[target]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad)


@pytest.mark.parametrize("target", [0.0, 3.0])
def test_poisson_is_finite_where_the_output_is_zero(target):
    x = torch.zeros(1, 1, requires_grad=True)
    loss = poisson(x, torch.tensor([[target]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad)


def test_a_name_stands_for_a_loss_and_a_function_for_itself():
    def own(output, target):
        return (output - target) ** 4

    assert resolve_loss("huber") is LOSSES["huber"]
    assert resolve_loss(own) == Loss(own, degree=None)


# The reduction


@pytest.fixture(name="entries")
def _entries():
    return np.random.default_rng(1).exponential(size=(23, 6))


def _loss_of(entries, *, trim=0.0):
    """Give a loss whose entries are these, whatever the output."""
    return ReconstructionLoss(lambda output, target: torch.from_numpy(entries), trim)


def test_a_row_is_the_mean_of_its_entries(entries):
    rows = _loss_of(entries).rows(None, None)
    np.testing.assert_allclose(rows.numpy(), entries.mean(axis=1))


def test_a_row_is_the_mean_of_its_observed_entries(entries):
    observed = np.random.default_rng(2).random(entries.shape) < 0.4
    observed[3] = False
    expected = []
    for row, mask in zip(entries, observed, strict=True):
        counted = [entry for entry, counts in zip(row, mask, strict=True) if counts]
        expected.append(sum(counted) / len(counted) if counted else 0)
    rows = _loss_of(entries).rows(None, None, torch.from_numpy(observed))
    np.testing.assert_allclose(rows.numpy(), expected)


def test_an_entry_that_is_not_observed_has_no_gradient():
    output = torch.zeros(2, 3, requires_grad=True)
    observed = torch.tensor([[True, False, True], [False, False, False]])
    ReconstructionLoss(squared_error)(output, torch.ones(2, 3), observed).backward()
    assert (output.grad != 0).tolist() == observed.tolist()


def test_without_weights_rows_are_averaged(entries):
    rows = torch.from_numpy(entries[:, 0])
    assert _loss_of(entries).reduce(rows).item() == pytest.approx(entries[:, 0].mean())


def test_weights_are_those_of_an_average(entries):
    weight = np.random.default_rng(3).exponential(size=23)
    loss = _loss_of(entries)(None, None, None, torch.from_numpy(weight))
    assert loss.item() == pytest.approx(np.average(entries.mean(axis=1), weights=weight))


def test_a_batch_without_weight_is_no_loss_and_no_gradient():
    output = torch.ones(2, 3, requires_grad=True)
    loss = ReconstructionLoss(squared_error)(output, torch.zeros(2, 3), weight=torch.zeros(2))
    loss.backward()
    assert loss == 0
    assert not output.grad.any()


@given(n_rows=st.integers(1, 60), n_trimmed=st.integers(0, 59), seed=st.integers(0, 5))
def test_trimming_leaves_out_the_rows_of_greatest_loss(n_rows, n_trimmed, seed):
    n_trimmed = min(n_trimmed, n_rows - 1)
    rows = np.random.default_rng(seed).exponential(size=n_rows)
    trimmed = ReconstructionLoss(squared_error, n_trimmed / n_rows).reduce(torch.from_numpy(rows))
    assert trimmed.item() == pytest.approx(np.sort(rows)[: n_rows - n_trimmed].mean())


@pytest.mark.parametrize(("n_rows", "trim", "n_kept"), [(10, 0.25, 7), (3, 0.1, 2), (1, 0.9, 1)])
def test_a_share_that_does_not_come_out_even_leaves_out_a_row_more(n_rows, trim, n_kept):
    rows = torch.arange(float(n_rows)) ** 2
    loss = ReconstructionLoss(squared_error, trim).reduce(rows)
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
    loss = ReconstructionLoss(squared_error, trim).reduce(*map(torch.from_numpy, (rows, weight)))
    assert loss.item() == pytest.approx(_trimmed_by_a_loop(rows, weight, trim))


def test_a_row_that_is_trimmed_has_no_gradient():
    output = torch.tensor([[1.0], [9.0], [2.0], [8.0]], requires_grad=True)
    ReconstructionLoss(squared_error, 0.5)(output, torch.zeros(4, 1)).backward()
    assert output.grad.ravel().tolist() == [1, 0, 2, 0]


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
