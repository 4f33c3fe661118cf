"""An autoencoder whose code is drawn from a normal distribution that the encoder gives."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sklearn_ae.nn.autoencoder import Autoencoder
from sklearn_ae.nn.rescale import Rescale

# Of a variance: beyond, float32 has no digits left beside those of the codes.
_LEAST, _GREATEST = -14.0, 14.0


class VariationalAutoencoder(Autoencoder):
    """Rebuild rows through a code that is drawn around a mean.

    Where a code is asked for, it is the mean.

    Parameters
    ----------
    encoder : torch.nn.Module
        From (n_samples, n_features) to (n_samples, 2 * encoding_dim): means, then logarithms of
        variances.
    decoder : torch.nn.Module
        From (n_samples, encoding_dim) to (n_samples, n_features).
    rescale : Rescale
        From the units of the data, which rows come in and leave in, to those that encoder
        and decoder work in.
    encoding_dim : int
        Width of the code.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn import Rescale, VariationalAutoencoder
    >>> rescale = Rescale(torch.zeros(4), torch.tensor(2.0))
    >>> autoencoder = VariationalAutoencoder(nn.Linear(4, 2 * 2), nn.Linear(2, 4), rescale, 2)
    >>> mean, log_variance = autoencoder.posterior(torch.zeros(3, 4))
    >>> mean.shape, log_variance.shape
    (torch.Size([3, 2]), torch.Size([3, 2]))
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, rescale: Rescale, encoding_dim: int
    ) -> None:
        super().__init__(encoder, decoder, rescale, encoding_dim, head=_Means())
        # Of what is left of rows, in the units of the network, for likelihoods that have one.
        self.log_scale = nn.Parameter(torch.zeros((), dtype=rescale.dtype))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give means and logarithms of variances of codes, of rows in the units of the network."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, bounded(log_variance)

    @property
    def scale(self) -> Tensor:
        """Scale of what is left of rows, positive."""
        return (bounded(2 * self.log_scale) / 2).exp()


class _Means(nn.Module):
    def forward(self, encoded: Tensor) -> Tensor:
        """Take (n_samples, 2 * encoding_dim) to (n_samples, encoding_dim)."""
        return encoded.chunk(2, dim=1)[0]


def bounded(log_variance: Tensor) -> Tensor:
    """Keep logarithms of variances within what floats hold, with a slope everywhere.

    Parameters
    ----------
    log_variance : Tensor

    Returns
    -------
    log_variance : Tensor
        In (-14, 14); what lies well within is as it was.

    References
    ----------
    Chua, K. et al. (2018). Deep reinforcement learning in a handful of trials using probabilistic
    dynamics models. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn.variational import bounded
    >>> bounded(torch.tensor([-1000.0, -1.0, 1000.0])).round()
    tensor([-14.,  -1.,  14.])
    """
    below = _GREATEST - functional.softplus(_GREATEST - log_variance)
    return _LEAST + functional.softplus(below - _LEAST)
