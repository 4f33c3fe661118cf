"""Noise for denoising autoencoders: what goes in, while the clean row stays the target.

A noise is a function of a batch, its level, the generator to draw from and what is typical of
each feature. A new one is a function and a line of `NOISES`.

References
----------
Vincent, P. et al. (2010). Stacked denoising autoencoders. JMLR 11, 3371-3408.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
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


Corrupt = Callable[[Tensor, "float | Tensor", Generator | None, Typical | None], Tensor]


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


def _uniform(x: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(x.shape, generator=generator, dtype=torch.float32).to(x.device)


NOISES: dict[str, Noise] = {
    "gaussian": Noise(gaussian, is_share=False),
    "masking": Noise(masking, is_share=True),
    "salt_and_pepper": Noise(salt_and_pepper, is_share=True),
}
