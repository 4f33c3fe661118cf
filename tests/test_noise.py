"""Each noise against the distribution that its docstring promises."""

from functools import partial

import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits
from torch import Generator

from sklearn_ae.noise import NOISES, Typical, gaussian, masking, salt_and_pepper


@pytest.fixture(name="x")
def _x():
    return torch.from_numpy(load_digits().data).float()


def _draws(noise, x, level, seed=0, typical=None):
    return noise(x, level, Generator().manual_seed(seed), typical)


def _typical(x):
    """Give a value for each feature that none of its entries has."""
    steps = torch.arange(x.shape[1], dtype=x.dtype)
    return Typical(100 + steps, -100 - steps, 1000 + steps)


every_noise = pytest.mark.parametrize(
    "noise", [noise.corrupt for noise in NOISES.values()], ids=NOISES
)
every_typical = pytest.mark.parametrize("knows_typical", [False, True])


@every_noise
@every_typical
def test_a_level_of_zero_changes_nothing(noise, x, knows_typical):
    typical = _typical(x) if knows_typical else None
    assert torch.equal(_draws(noise, x, 0.0, typical=typical), x)


@every_noise
@every_typical
def test_the_generator_decides_the_noise(noise, x, knows_typical):
    typical = _typical(x) if knows_typical else None
    first, second, other = (_draws(noise, x, 0.3, seed, typical) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@every_noise
def test_without_a_generator_it_draws_from_that_of_torch(noise, x):
    torch.manual_seed(0)
    first = noise(x, 0.3)
    torch.manual_seed(0)
    assert torch.equal(noise(x, 0.3), first)


@every_noise
@every_typical
def test_the_rows_themselves_stay_clean(noise, x, knows_typical):
    before, typical = x.clone(), _typical(x) if knows_typical else None
    corrupted = _draws(noise, x, 0.5, typical=typical)
    corrupted.add_(1)
    assert torch.equal(x, before)


@every_noise
@every_typical
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_kept(noise, x, dtype, knows_typical):
    x = x.to(dtype)
    typical = _typical(x) if knows_typical else None
    assert _draws(noise, x, 0.5, typical=typical).dtype == dtype


@pytest.mark.parametrize("name", NOISES)
def test_a_level_that_is_a_share_leaves_the_other_entries_as_they_are(name, x):
    noise = NOISES[name]
    corrupted = _draws(noise.corrupt, x, 0.3, typical=_typical(x))
    replaced = (corrupted != x).float().mean().item()
    assert replaced == pytest.approx(0.3 if noise.is_share else 1.0, abs=0.01)


def test_gaussian_noise_is_normal_with_the_level_as_deviation(x):
    difference = (_draws(gaussian, x.double(), 2.5) - x).ravel()
    assert stats.kstest(difference.numpy(), stats.norm(scale=2.5).cdf).pvalue > 0.01


def test_gaussian_noise_may_have_a_level_for_each_feature(x):
    level = torch.linspace(0.1, 3, 64, dtype=torch.float64)
    difference = (_draws(gaussian, x.double(), level) - x) / level
    assert stats.kstest(difference.ravel().numpy(), stats.norm.cdf).pvalue > 0.01


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_masking_sets_a_share_of_the_entries_to_zero_and_leaves_the_rest(x, level):
    shifted = x + 1  # no zeros of its own
    corrupted = _draws(masking, shifted, level)
    masked = corrupted == 0
    assert stats.binomtest(int(masked.sum()), masked.numel(), level).pvalue > 0.01
    assert torch.equal(corrupted[~masked], shifted[~masked])


def test_masking_everything_leaves_nothing(x):
    assert not _draws(masking, x, 1.0).any()


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_masking_sets_entries_to_the_mean_of_their_feature_where_it_is_known(x, level):
    typical = _typical(x)
    corrupted = _draws(masking, x, level, typical=typical)
    masked = corrupted != x
    assert stats.binomtest(int(masked.sum()), masked.numel(), level).pvalue > 0.01
    assert torch.equal(corrupted[masked], typical.mean.expand_as(x)[masked])


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_salt_and_pepper_takes_the_extremes_of_each_feature_where_they_are_known(x, level):
    typical = _typical(x)
    corrupted = _draws(salt_and_pepper, x, level, typical=typical)
    pepper, salt = (corrupted == extreme for extreme in (typical.low, typical.high))
    for replaced in (pepper, salt):
        assert stats.binomtest(int(replaced.sum()), x.numel(), level / 2).pvalue > 0.01
    assert torch.equal(corrupted[~pepper & ~salt], x[~pepper & ~salt])


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_salt_and_pepper_takes_either_extreme_as_often(level):
    x = torch.full((500, 40), 0.5)
    x[0, 0], x[0, 1] = -1.0, 3.0
    corrupted = _draws(salt_and_pepper, x, level)[1:]
    n_pepper, n_salt = (int((corrupted == extreme).sum()) for extreme in (-1, 3))
    share = partial(stats.binomtest, n=corrupted.numel(), p=level / 2)
    assert share(n_pepper).pvalue > 0.01
    assert share(n_salt).pvalue > 0.01
    assert int((corrupted == 0.5).sum()) == corrupted.numel() - n_pepper - n_salt
