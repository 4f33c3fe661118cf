"""Each noise against the distribution that its docstring promises."""

from functools import partial

import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits
from torch import Generator

from sklearn_ae.noise import NOISES, gaussian, masking, salt_and_pepper


@pytest.fixture(name="x")
def _x():
    return torch.from_numpy(load_digits().data).float()


def _draws(noise, x, level, seed=0):
    return noise(x, level, Generator().manual_seed(seed))


every_noise = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)


@every_noise
def test_a_level_of_zero_changes_nothing(noise, x):
    assert torch.equal(_draws(noise, x, 0.0), x)


@every_noise
def test_the_generator_decides_the_noise(noise, x):
    assert torch.equal(_draws(noise, x, 0.3), _draws(noise, x, 0.3))
    assert not torch.equal(_draws(noise, x, 0.3), _draws(noise, x, 0.3, seed=1))


@every_noise
def test_without_a_generator_it_draws_from_that_of_torch(noise, x):
    torch.manual_seed(0)
    first = noise(x, 0.3)
    torch.manual_seed(0)
    assert torch.equal(noise(x, 0.3), first)


@every_noise
def test_the_rows_themselves_stay_clean(noise, x):
    before = x.clone()
    _draws(noise, x, 0.5)
    assert torch.equal(x, before)


@every_noise
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_kept(noise, x, dtype):
    assert _draws(noise, x.to(dtype), 0.5).dtype == dtype


def test_gaussian_noise_is_normal_with_the_level_as_deviation(x):
    difference = (_draws(gaussian, x.double(), 2.5) - x).ravel()
    assert stats.kstest(difference.numpy(), stats.norm(scale=2.5).cdf).pvalue > 0.01


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
def test_salt_and_pepper_takes_either_extreme_as_often(level):
    x = torch.full((500, 40), 0.5)
    x[0, 0], x[0, 1] = -1.0, 3.0
    corrupted = _draws(salt_and_pepper, x, level)[1:]
    n_pepper, n_salt = (int((corrupted == extreme).sum()) for extreme in (-1, 3))
    share = partial(stats.binomtest, n=corrupted.numel(), p=level / 2)
    assert share(n_pepper).pvalue > 0.01
    assert share(n_salt).pvalue > 0.01
    assert int((corrupted == 0.5).sum()) == corrupted.numel() - n_pepper - n_salt
