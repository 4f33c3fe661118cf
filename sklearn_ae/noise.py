"""Noise for denoising autoencoders: what goes in, while the clean row stays the target.

A noise is a function of a batch, its level, the generator to draw from and what is typical of
each feature. A new one is a function and a line of `NOISES`. `corrupt` applies one to an array.

References
----------
Vincent, P. et al. (2010). Stacked denoising autoencoders. JMLR 11, 3371-3408.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator, Tensor


@dataclass(frozen=True)
class Typical:
    """What may stand in the place of an entry and tells nothing of it, for each feature.

    Parameters
    ----------
    mean, low, high : Tensor of shape (n_features,)
        Mean, least and greatest value, in the units of the rows that are corrupted.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.noise import Typical, masking
    >>> typical = Typical(torch.tensor([5.0, 7.0]), torch.zeros(2), torch.full((2,), 9.0))
    >>> masking(torch.ones(1, 2), 1.0, typical=typical)
    tensor([[5., 7.]])
    """

    mean: Tensor
    low: Tensor
    high: Tensor


# Of rows, level, generator and what is typical; of images also by image_shape.
Corrupt = Callable[..., Tensor]
# Of rows in the units of the data and a generator, on the CPU, to rows that are new.
OwnNoise = Callable[[Tensor, Generator], Tensor]


@dataclass(frozen=True)
class Noise:
    """A noise, and what its level is.

    Parameters
    ----------
    corrupt : callable
        From rows, level, generator and what is typical to corrupted rows, which are new.
    is_share : bool
        Whether the level is a share of the entries, in [0, 1]; else it is in the units of
        the rows.
    in_data_units : bool, default=False
        Whether it has to see rows in the units of the data, where features have a common range.
    is_of_images : bool, default=False
        Whether it needs to know the shape of the images that rows are.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.noise import Noise
    >>> doubling = Noise(lambda x, level, generator, typical: x * (1 + level), is_share=False)
    >>> doubling.corrupt(torch.ones(2), 1.0, None, None)
    tensor([2., 2.])
    """

    corrupt: Corrupt
    is_share: bool
    in_data_units: bool = False
    is_of_images: bool = False


def gaussian(
    x: Tensor,
    level: float | Tensor,
    generator: Generator | None = None,
    typical: Typical | None = None,
) -> Tensor:
    """Add normal noise.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Rows.
    level : float or Tensor of shape (n_features,)
        Standard deviation of the noise, in the units of the rows.
    generator : torch.Generator, default=None
        Where the noise is drawn from; None is torch's global generator.
    typical : Typical, default=None
        Not used; the other noises need it.

    Returns
    -------
    corrupted : Tensor of shape (n_samples, n_features)

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.noise import gaussian
    >>> gaussian(torch.zeros(2, 3), 0.5, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3])
    """
    return x + level * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)


def clipped_gaussian(
    x: Tensor,
    level: float | Tensor,
    generator: Generator | None = None,
    typical: Typical | None = None,
) -> Tensor:
    """Add normal noise, and clip it to the range of all entries, as a camera or a file does.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Rows whose features have one unit, such as pixels.
    level : float or Tensor of shape (n_features,)
        Standard deviation of the noise before it is clipped, in the units of the rows.
    generator : torch.Generator, default=None
        Where the noise is drawn from; None is torch's global generator.
    typical : Typical, default=None
        Has the extremes. None is those of the batch.

    Returns
    -------
    corrupted : Tensor of shape (n_samples, n_features)

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.noise import clipped_gaussian
    >>> x = torch.tensor([[0.0, 0.5, 1.0]])
    >>> corrupted = clipped_gaussian(x, 5.0, torch.Generator().manual_seed(0))
    >>> corrupted.min() >= 0, corrupted.max() <= 1
    (tensor(True), tensor(True))
    """
    low, high = (x, x) if typical is None else (typical.low, typical.high)
    return gaussian(x, level, generator).clamp_(low.min(), high.max())


def masking(
    x: Tensor,
    level: float | Tensor,
    generator: Generator | None = None,
    typical: Typical | None = None,
) -> Tensor:
    """Set a share of the entries to the mean of their feature.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Rows.
    level : float
        Share of the entries that are replaced, in [0, 1].
    generator : torch.Generator, default=None
        Where the entries are drawn from; None is torch's global generator.
    typical : Typical, default=None
        Has the means. None is a mean of zero.

    Returns
    -------
    corrupted : Tensor of shape (n_samples, n_features)

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.noise import masking
    >>> masking(torch.ones(2, 3), 1.0)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    kept = _uniform(x, generator) >= level
    return x * kept if typical is None else torch.where(kept, x, typical.mean)


def salt_and_pepper(
    x: Tensor,
    level: float | Tensor,
    generator: Generator | None = None,
    typical: Typical | None = None,
) -> Tensor:
    """Set a share of the entries to the least or the greatest value of their feature.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Rows.
    level : float
        Share of the entries that are replaced, in [0, 1]; either extreme is as likely.
    generator : torch.Generator, default=None
        Where the entries are drawn from; None is torch's global generator.
    typical : Typical, default=None
        Has the extremes. None is those of all entries of the batch.

    Returns
    -------
    corrupted : Tensor of shape (n_samples, n_features)

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.noise import salt_and_pepper
    >>> x = torch.tensor([[0.0, 0.5, 1.0]])
    >>> salt_and_pepper(x, 1.0, torch.Generator().manual_seed(0)).unique()
    tensor([0., 1.])
    """
    low, high = (x.amin(), x.amax()) if typical is None else (typical.low, typical.high)
    draw = _uniform(x, generator)
    corrupted = torch.where(draw < level / 2, low, x)
    return torch.where(draw >= 1 - level / 2, high, corrupted)


def patches(
    x: Tensor,
    level: float | Tensor,
    generator: Generator | None = None,
    typical: Typical | None = None,
    *,
    image_shape: Sequence[int] | None = None,
) -> Tensor:
    """Set a square of each image, at a random place, to the means of its pixels.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Raveled images.
    level : float
        Share of the image that the square covers, in [0, 1]. Where it is larger than the shorter
        side it is a rectangle.
    generator : torch.Generator, default=None
        Where the place is drawn from; None is torch's global generator.
    typical : Typical, default=None
        Has the means. None is a mean of zero.
    image_shape : sequence of int, default=None
        Height and width, and channels, which come last. None is a signal of one channel, of which
        a stretch is set.

    Returns
    -------
    corrupted : Tensor of shape (n_samples, n_features)

    References
    ----------
    Pathak, D. et al. (2016). Context encoders: feature learning by inpainting. CVPR.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.noise import patches
    >>> image = torch.ones(1, 16)
    >>> hidden = patches(image, 0.25, torch.Generator().manual_seed(0), image_shape=(4, 4))
    >>> hidden.reshape(4, 4)
    tensor([[1., 1., 1., 1.],
            [1., 1., 0., 0.],
            [1., 1., 0., 0.],
            [1., 1., 1., 1.]])
    """
    height, width, channels = (*(image_shape or (1, x.shape[1])), 1)[:3]
    n_pixels = float(level) * height * width
    n_rows = min(height, round(n_pixels**0.5))
    n_columns = min(width, round(n_pixels / max(1, n_rows)))
    n_rows = min(height, round(n_pixels / max(1, n_columns)))
    covered = [
        _stretches(len(x), length, covered, generator)
        for length, covered in ((height, n_rows), (width, n_columns))
    ]
    hidden = covered[0][:, :, None, None] & covered[1][:, None, :, None]
    hidden = hidden.expand(-1, -1, -1, channels).flatten(1).to(x.device)
    return torch.where(hidden, 0.0 if typical is None else typical.mean, x)


def _stretches(n_samples: int, length: int, covered: int, generator: Generator | None) -> Tensor:
    """Give for each sample which places of an axis a stretch of it covers."""
    first = torch.rand(n_samples, 1, generator=generator).mul_(length - covered + 1).floor_()
    places = torch.arange(length)
    return (first <= places) & (places < first + covered)


def _uniform(x: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(x.shape, generator=generator, dtype=torch.float32).to(x.device)


NOISES: dict[str, Noise] = {
    "gaussian": Noise(gaussian, is_share=False),
    "clipped_gaussian": Noise(clipped_gaussian, is_share=False, in_data_units=True),
    "masking": Noise(masking, is_share=True),
    "salt_and_pepper": Noise(salt_and_pepper, is_share=True),
    "patches": Noise(patches, is_share=True, is_of_images=True),
}


def resolve_noise(
    noise: str | OwnNoise | None, image_shape: Sequence[int] | None = None
) -> Noise | None:
    """Give the noise of a name, or the one that a callable stands for.

    Parameters
    ----------
    noise : str, callable or None
        One of `NOISES`, or a function of rows in the units of the data and a generator.
    image_shape : sequence of int, default=None
        Of the images that rows are.

    Returns
    -------
    noise : Noise or None

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.noise import resolve_noise
    >>> noise = resolve_noise(lambda x, generator: x.flip(1))
    >>> noise.corrupt(torch.tensor([[1.0, 2.0]]), 0.0, torch.Generator(), None)
    tensor([[2., 1.]])
    """
    if noise is None:
        return None
    if not isinstance(noise, str):
        return Noise(partial(_by_own, noise), is_share=False, in_data_units=True)
    found = NOISES[noise]
    if not found.is_of_images:
        return found
    return replace(found, corrupt=partial(found.corrupt, image_shape=image_shape))


def _by_own(
    noise: OwnNoise, x: Tensor, level: object, generator: Generator, typical: object
) -> Tensor:
    corrupted: object = noise(x.clone(), generator)  # which it may write into
    if not isinstance(corrupted, Tensor) or corrupted.shape != x.shape:
        shape = tuple(getattr(corrupted, "shape", ()))
        raise ValueError(
            f"noise={noise!r} takes rows of shape {tuple(x.shape)} to "
            f"{type(corrupted).__name__} of shape {shape}; it must give a tensor of their shape."
        )
    return corrupted


def corrupt(
    X: ArrayLike,
    noise: str | OwnNoise = "gaussian",
    noise_level: float | ArrayLike = 0.5,
    *,
    image_shape: Sequence[int] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray:
    """Corrupt rows of an array, as training does batch by batch.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows.
    noise : {"gaussian", "clipped_gaussian", "masking", "salt_and_pepper", "patches"} or \
            callable, default="gaussian"
        What corrupts them. A callable takes a tensor of the rows and a `torch.Generator`, and
        gives a tensor of the same shape.
    noise_level : float or array-like of shape (n_features,), default=0.5
        Its level: a standard deviation in the units of the rows for Gaussian noise, a share of the
        entries for the others. A callable does without.
    image_shape : sequence of int, default=None
        Shape of the images that rows are, for "patches": (height, width), or (height, width,
        channels). None is signals.
    random_state : int, RandomState instance or None, default=None
        Where the noise is drawn from. None is numpy's global generator.

    Returns
    -------
    corrupted : ndarray of shape (n_samples, n_features)
        In float32 for rows in float32, else float64.

    Raises
    ------
    ValueError
        If there is no noise of that name.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae.noise import corrupt
    >>> X = load_digits().data
    >>> corrupted = corrupt(X, "clipped_gaussian", 8.0, random_state=0)
    >>> float(corrupted.min()), float(corrupted.max())
    (0.0, 16.0)
    """
    if isinstance(noise, str) and noise not in NOISES:
        raise ValueError(f"noise={noise!r}: must be one of {sorted(NOISES)}, or a callable.")
    found = resolve_noise(noise, image_shape)
    assert found is not None
    rows = np.asarray(X)
    rows = np.require(rows, np.float32 if rows.dtype == np.float32 else np.float64, ["C", "W"])
    x = torch.from_numpy(rows)
    low, high = torch.aminmax(x, dim=0)
    level = torch.as_tensor(np.asarray(noise_level), dtype=x.dtype)
    # scikit-learn's check_random_state, without scikit-learn.
    if random_state is None:
        random_state = np.random.randint(2**31)  # noqa: NPY002 - as None means there
    elif isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    generator = Generator().manual_seed(int(random_state))
    typical = Typical(x.mean(dim=0), low, high)
    return found.corrupt(x, level if level.ndim else level.item(), generator, typical).numpy()
