"""Noise for denoising autoencoders: what goes in, while the clean row stays the target.

A noise is a function of a batch, its level and the generator to draw from. A new one is a
function and a line of `NOISES`.

References
----------
Vincent, P. et al. (2010). Stacked denoising autoencoders. JMLR 11, 3371-3408.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

Noise = Callable[[Tensor, float, Generator | None], Tensor]


def gaussian(x: Tensor, level: float, generator: Generator | None = None) -> Tensor:
    """Add normal noise.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Rows, in the units of the data.
    level : float
        Standard deviation of the noise, in the units of the data.
    generator : torch.Generator, default=None
        Where the noise is drawn from; None is torch's global generator.

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


def masking(x: Tensor, level: float, generator: Generator | None = None) -> Tensor:
    """Set a share of the entries to zero.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Rows, in the units of the data.
    level : float
        Share of the entries that are set to zero, in [0, 1].
    generator : torch.Generator, default=None
        Where the entries are drawn from; None is torch's global generator.

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
    return x * (_uniform(x, generator) >= level)


def salt_and_pepper(x: Tensor, level: float, generator: Generator | None = None) -> Tensor:
    """Set a share of the entries to the least or the greatest value of the batch.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        Rows, in the units of the data.
    level : float
        Share of the entries that are replaced, in [0, 1]; either extreme is as likely.
    generator : torch.Generator, default=None
        Where the entries are drawn from; None is torch's global generator.

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
    draw = _uniform(x, generator)
    corrupted = torch.where(draw < level / 2, x.amin(), x)
    return torch.where(draw >= 1 - level / 2, x.amax(), corrupted)


def _uniform(x: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(x.shape, generator=generator).to(x.device)


NOISES: dict[str, Noise] = {
    "gaussian": gaussian,
    "masking": masking,
    "salt_and_pepper": salt_and_pepper,
}
