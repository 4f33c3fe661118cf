"""What a variational autoencoder minimises: minus the evidence lower bound, in nats a row."""

from dataclasses import dataclass
from math import log, pi, sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from sklearn_ae._training.batches import Batch
from sklearn_ae._training.losses import LOSSES
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae.nn import VariationalAutoencoder


@dataclass(frozen=True)
class Likelihood:
    """How rows are distributed around what the decoder gives.

    Parameters
    ----------
    loss : str
        The loss of entries that its logarithm is made of.
    output_activation : str
        What ends the decoder.
    constant : float, default=0.0
        The logarithm of what one entry is divided by, at a scale of 1.
    deviation : float or None, default=None
        The standard deviation at a scale of 1; None where there is no scale to learn.
    """

    loss: str
    output_activation: str
    constant: float = 0.0
    deviation: float | None = None

    def nats(self, losses: Tensor, n_entries: Tensor | int, scale: Tensor) -> Tensor:
        """Give minus the log-likelihood of rows, by the sums of the losses of their entries."""
        if self.deviation is None:
            return losses
        degree = LOSSES[self.loss].degree
        assert degree
        # A square is twice what the exponent of the normal distribution holds.
        return losses / (degree * scale**degree) + n_entries * (scale.log() + self.constant)


LIKELIHOODS: dict[str, Likelihood] = {
    "gaussian": Likelihood("squared_error", "identity", log(2 * pi) / 2, deviation=1.0),
    "laplace": Likelihood("absolute_error", "identity", log(2), deviation=sqrt(2)),
    "bernoulli": Likelihood("binary_cross_entropy", "sigmoid"),
}


class VariationalNet(AutoencoderNet):
    """A net whose objective is minus the evidence lower bound.

    Parameters
    ----------
    module : callable
        Gives a `VariationalAutoencoder`.
    likelihood : Likelihood
    beta : float, default=1.0
        Factor of the divergence of the codes from the prior.
    kl_warmup : int, default=0
        Epochs over which it grows from zero to that.
    free_bits : float, default=0.0
        Divergence of each code, in nats, below which it is not made less.
    **parameters
        As in `AutoencoderNet`.

    Attributes
    ----------
    active_units_ : ndarray of bool of shape (encoding_dim,)
        Whether each code varies over the rows of the last training.

    References
    ----------
    Kingma, D. P. and Welling, M. (2014). Auto-encoding variational Bayes. ICLR.
    """

    module_: VariationalAutoencoder
    active_units_: NDArray[np.bool_]

    def __init__(
        self,
        module: Any,
        *,
        likelihood: Likelihood,
        beta: float = 1.0,
        kl_warmup: int = 0,
        free_bits: float = 0.0,
        **parameters: Any,
    ) -> None:
        self.likelihood = likelihood
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.free_bits = free_bits
        super().__init__(module, **parameters)

    def row_loss(self, batch: Batch, generator: Generator) -> tuple[Tensor, Tensor]:
        """Give minus the bound of each row, and the output for a code that is drawn.

        While training its gradient is that of the objective with less weight on the divergence, as
        far as warm-up and free bits say, so that losses of all epochs are of one kind.
        """
        x = self.corrupted(batch, generator)
        with self.autocast():
            mean, log_variance = (part.to(x.dtype) for part in self.module_.posterior(x))
            noise = torch.randn(mean.shape, generator=generator, dtype=x.dtype).to(x.device)
            code = mean + (log_variance / 2).exp() * noise
            output = self.module_.decoder(code).to(x.dtype)
        misfit = self.misfit(output, batch)
        divergence = divergence_from_prior(mean, log_variance)
        bound = misfit + self.beta * divergence.sum(dim=1)
        if not self.module_.training or not (self.free_bits or self.kl_warmup):
            return bound, output
        counted = self.beta * self._warmth * divergence.clamp_min(self.free_bits)
        trained = misfit + counted.sum(dim=1)
        return trained + (bound - trained).detach(), output

    @property
    def _warmth(self) -> float:
        n_before = len(self.history) - 1
        return min(1.0, n_before / self.kl_warmup) if self.kl_warmup else 1.0

    def misfit(self, output: Tensor, batch: Batch) -> Tensor:
        """Give minus the log-likelihood of each row, given outputs, in the units of the network."""
        entries = self.criterion_.entries(self.module_, output, batch)
        n_entries: Tensor | int = entries.shape[1]
        if batch.observed is not None:
            entries, n_entries = torch.where(batch.observed, entries, 0), batch.observed.sum(dim=1)
        return self.likelihood.nats(entries.sum(dim=1), n_entries, self.module_.scale)

    def log_likelihood(self, batch: Batch, n_draws: int) -> Tensor:
        """Give a lower bound of the log-likelihood of each row, in nats, in the units of the data.

        The draws are the same for every row. It is on the CPU.

        References
        ----------
        Burda, Y., Grosse, R. and Salakhutdinov, R. (2016). Importance weighted autoencoders. ICLR.
        """
        draws = self.draws(n_draws)
        posterior = self.module_.posterior(batch.target)
        log_weights = posterior[0].new_empty(n_draws, len(batch.target))
        for log_weight, noise in zip(log_weights, draws, strict=True):
            log_weight.copy_(self.log_weights(posterior, noise, batch))
        return self.bound(log_weights) - self.log_volume(batch)

    def draws(self, n_draws: int) -> Tensor:
        """Give draws of a standard normal distribution, which every row is scored by."""
        module, generator = self.module_, Generator().manual_seed(self.seed)
        shape, dtype = module.encoding_dim, module.rescale.dtype
        draws = [torch.randn(shape, generator=generator, dtype=dtype) for _ in range(n_draws)]
        return torch.stack(draws).to(module.rescale.scale.device)

    def log_weights(self, posterior: tuple[Tensor, Tensor], noise: Tensor, batch: Batch) -> Tensor:
        """Give what each row weighs by a draw of its code."""
        mean, log_variance = posterior
        code = mean + (log_variance / 2).exp() * noise
        # Of prior and posterior, whose constants are the same.
        log_ratio = (noise.square() + log_variance - code.square()).sum(dim=1) / 2
        return log_ratio - self.misfit(self.module_.decoder(code), batch)

    def bound(self, log_weights: Tensor) -> Tensor:
        """Give the logarithms of mean weights over the draws."""
        log_weights = log_weights.cpu().double()  # mps has no float64
        return log_weights.logsumexp(dim=0) - log(len(log_weights))

    def log_volume(self, batch: Batch) -> Tensor | float:
        """Give the logarithm of what a density is divided by for the units of the data."""
        if self.likelihood.deviation is None:  # a probability has no units
            return 0.0
        scale = self.module_.rescale.scale.cpu().double()
        logarithms = scale.log().expand(batch.x.shape[1])
        if batch.observed is None:
            return logarithms.sum()
        return torch.where(batch.observed.cpu(), logarithms, 0.0).sum(dim=1)


def divergence_from_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Give the Kullback-Leibler divergence of each code from a standard normal one, in nats."""
    return (mean.square() + log_variance.exp() - log_variance - 1) / 2
