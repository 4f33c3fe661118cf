"""What ends a decoder: what it reaches, and its expansion around the mean."""

import pytest
import torch

from sklearn_ae.nn import OUTPUT_ACTIVATIONS

every_output = pytest.mark.parametrize(
    "output", OUTPUT_ACTIVATIONS.values(), ids=OUTPUT_ACTIVATIONS
)


@every_output
def test_an_output_reaches_its_range_and_not_beyond(output):
    x = torch.linspace(-1e4, 1e4, 20_001, dtype=torch.float64)
    y = output.layer()(x)
    assert output.low <= y.min() <= max(output.low, -1e4) + 1e-9
    assert min(output.high, 1e4) - 1e-9 <= y.max() <= output.high


@every_output
@pytest.mark.parametrize("mean", [0.05, 0.2, 0.5, 0.95])
def test_an_expansion_gives_what_the_activation_takes_to_the_mean_and_the_slope_there(output, mean):
    mean = torch.tensor([mean], dtype=torch.float64)
    before, slope = output.expand(mean)
    before = before.requires_grad_()
    after = output.layer()(before)
    torch.testing.assert_close(after, mean)
    torch.testing.assert_close(slope, *torch.autograd.grad(after, before))


@every_output
@pytest.mark.parametrize("mean", [-3.0, 0.0, 1.0, 1e6])
def test_an_expansion_is_finite_and_not_flat_wherever_the_mean_lies(output, mean):
    before, slope = output.expand(torch.tensor([mean], dtype=torch.float64))
    assert before.isfinite().all()
    assert slope.item() > 0.04
