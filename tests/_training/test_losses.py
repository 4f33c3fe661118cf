"""Losses against scikit-learn's metrics."""

import numpy as np
import pytest
import torch
from scipy.special import xlogy
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_poisson_deviance,
    mean_squared_error,
)

from sklearn_ae._training.losses import (
    LOSSES,
    Loss,
    binary_cross_entropy,
    poisson,
    resolve_loss,
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

# A metric of one target does not see that there are two classes.
LABELS = {"binary_cross_entropy": {"labels": [0, 1]}}

every_loss = pytest.mark.parametrize("name", LOSSES)


def _output_and_target(name, shape=(40, 5)):
    """Draw values from the range of a loss, its ends among the targets."""
    rng = np.random.default_rng(0)
    low, high = max(LOSSES[name].low, -5.0), min(LOSSES[name].high, 5.0)
    output = low + (high - low) * rng.uniform(0.02, 0.98, shape)
    return output, rng.integers(low, high, shape, endpoint=True).astype(float)


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
    of_half = LOSSES[name].derivative(torch.from_numpy(output), torch.from_numpy(target), 0.5)
    np.testing.assert_allclose(of_half.numpy(), SLOPES[name](output, target) / 2, rtol=1e-9)


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


# Beyond the range

BOUNDED = [name for name, loss in LOSSES.items() if loss.is_bounded]


def test_the_losses_that_have_a_range_are_found():
    assert {"binary_cross_entropy", "poisson"} <= set(BOUNDED)
    assert not LOSSES["squared_error"].is_bounded


@every_loss
def test_within_its_range_a_loss_is_that_of_its_entries(name):
    output, target = map(torch.from_numpy, _output_and_target(name))
    entries = LOSSES[name].entries(output, target)
    torch.testing.assert_close(LOSSES[name](output, target), entries, rtol=0, atol=0)


def _beyond(loss):
    """Give targets at the ends of a range, and further and further out."""
    distances = np.array([0.0, 0.1, 3.0, 1e6])
    beyond = [loss.low - distances] if np.isfinite(loss.low) else []
    beyond += [loss.high + distances] if np.isfinite(loss.high) else []
    return beyond, distances


@pytest.mark.parametrize("name", BOUNDED)
def test_beyond_its_range_a_loss_is_that_at_the_end_and_the_distance(name):
    ends, distances = _beyond(LOSSES[name])
    for targets in ends:
        output = np.full(4, 0.3)
        at_the_end = METRICS[name]([targets[0]], [0.3], **LABELS.get(name, {}))
        actual = LOSSES[name](torch.from_numpy(output), torch.from_numpy(targets))
        np.testing.assert_allclose(actual.numpy(), at_the_end + distances, rtol=1e-12)


@pytest.mark.parametrize("name", BOUNDED)
def test_targets_beyond_the_range_leave_a_finite_gradient(name):
    for targets in _beyond(LOSSES[name])[0]:
        x = torch.full((4,), 0.3, dtype=torch.float64, requires_grad=True)
        LOSSES[name](x, torch.from_numpy(targets)).sum().backward()
        expected = SLOPES[name](0.3, targets[0])
        np.testing.assert_allclose(x.grad.numpy(), np.full(4, expected), rtol=1e-9)


def test_a_name_stands_for_a_loss_and_a_function_for_itself():
    def own(output, target):
        return (output - target) ** 4

    assert resolve_loss("huber") is LOSSES["huber"]
    assert resolve_loss(own) == Loss(own, degree=None)
