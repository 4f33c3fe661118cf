"""Each noise against the distribution that its docstring promises."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.datasets import load_digits
from torch import Generator

from sklearn_ae.noise import (
    NOISES,
    Typical,
    clipped_gaussian,
    corrupt,
    gaussian,
    masking,
    patches,
    salt_and_pepper,
)


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


# Of images


def test_a_clipped_noise_is_the_noise_clipped_to_the_range_of_all(x):
    expected = _draws(gaussian, x, 5.0).clamp(0, 16)
    torch.testing.assert_close(_draws(clipped_gaussian, x, 5.0), expected)
    typical = _typical(x)
    expected = _draws(gaussian, x, 500.0).clamp(typical.low.min(), typical.high.max())
    torch.testing.assert_close(_draws(clipped_gaussian, x, 500.0, typical=typical), expected)


@pytest.mark.parametrize("image_shape", [(8, 8), (8, 8, 1), (4, 16), (4, 4, 4), (16, 4), (64, 1)])
@pytest.mark.parametrize("level", [0.1, 0.25, 0.6, 1.0])
def test_a_patch_is_a_square_as_far_as_it_fits_and_of_the_share_asked_for(x, image_shape, level):
    hidden = patches(x + 1, level, Generator().manual_seed(0), image_shape=image_shape) == 0
    height, width, channels = (*image_shape, 1)[:3]
    images = hidden.reshape(-1, height, width, channels)
    assert (images == images[..., :1]).all()  # in all channels
    of_rows, of_columns = images[..., 0].any(dim=2).sum(dim=1), images[..., 0].any(dim=1).sum(dim=1)
    assert len(of_rows.unique()) == len(of_columns.unique()) == 1
    n_rows, n_columns = int(of_rows[0]), int(of_columns[0])
    assert (images[..., 0].sum(dim=(1, 2)) == n_rows * n_columns).all()  # without a gap
    if max(n_rows, n_columns) < min(height, width):
        assert abs(n_rows - n_columns) <= 1
    assert n_rows * n_columns / (height * width) == pytest.approx(level, abs=0.1)


def test_a_patch_is_anywhere_as_often():
    x = torch.ones(6000, 36)
    hidden = patches(x, 4 / 36, Generator().manual_seed(0), image_shape=(6, 6)) == 0
    places = hidden.reshape(-1, 36).float().argmax(dim=1)  # the first corner
    counts = torch.bincount(places, minlength=36).reshape(6, 6)[:5, :5]
    assert counts.sum() == 6000
    assert stats.chisquare(counts.ravel().numpy()).pvalue > 0.01


def test_without_a_shape_a_patch_is_a_stretch(x):
    hidden = _draws(patches, x + 1, 0.25) == 0
    assert (hidden.sum(dim=1) == 16).all()
    assert (hidden.int().diff(dim=1).abs().sum(dim=1) <= 2).all()


# Alone, on arrays


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_is_corrupted_as_training_does_it(name, dtype):
    X = load_digits().data.astype(dtype)
    before = X.copy()
    corrupted = corrupt(X, name, 0.3, random_state=0)
    assert corrupted.dtype == dtype
    assert_array_equal(X, before)
    typical = Typical(*(torch.from_numpy(part) for part in (X.mean(0), X.min(0), X.max(0))))
    expected = _draws(NOISES[name].corrupt, torch.from_numpy(X), 0.3, typical=typical)
    assert_allclose(corrupted, expected, rtol=1e-6)


def test_the_random_state_is_as_in_scikit_learn():
    X = np.zeros((5, 4))
    assert_array_equal(corrupt(X, random_state=3), corrupt(X, random_state=np.int64(3)))
    state = np.random.RandomState(3)
    first, second = corrupt(X, random_state=state), corrupt(X, random_state=state)
    assert (first != second).all()
    assert_array_equal(first, corrupt(X, random_state=np.random.RandomState(3)))
    before = np.random.get_state()  # noqa: NPY002 - what scikit-learn means by None
    try:
        np.random.seed(0)  # noqa: NPY002
        first = corrupt(X)
        np.random.seed(0)  # noqa: NPY002
        assert_array_equal(corrupt(X), first)
    finally:
        np.random.set_state(before)  # noqa: NPY002


def test_levels_by_feature_and_shapes_arrive():
    X = np.zeros((500, 2))
    assert_allclose(corrupt(X, noise_level=[0.1, 10.0], random_state=0).std(0), [0.1, 10], rtol=0.1)
    hidden = corrupt(np.ones((3, 16)) + np.eye(3, 16), "patches", 0.25, image_shape=(4, 4))
    assert (hidden != np.ones((3, 16)) + np.eye(3, 16)).sum() <= 3 * 4


@pytest.mark.parametrize("X", [[[1, 2], [3, 4]], np.array([[1, 2]], dtype=">i4")], ids=str)
def test_whole_numbers_become_floats(X):
    assert corrupt(X, "gaussian", 0.0).dtype == np.float64
    assert_array_equal(corrupt(X, "gaussian", 0.0), X)


def test_a_function_of_ones_own_sees_the_rows_and_a_generator():
    def doubled(x, generator):
        assert isinstance(generator, Generator)
        return x.mul_(2)

    X = np.ones((2, 3))
    assert_array_equal(corrupt(X, doubled), 2 * X)
    assert_array_equal(X, 1)


def test_what_is_no_noise_is_refused():
    with pytest.raises(ValueError, match="noise='speckle': must be one of"):
        corrupt(np.zeros((2, 2)), "speckle")
    with pytest.raises(ValueError, match=r"of shape \(2, 2\) to Tensor of shape \(2,\)"):
        corrupt(np.zeros((2, 2)), lambda x, generator: x[0])
