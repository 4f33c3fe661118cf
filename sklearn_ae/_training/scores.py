"""Scores of rows as modules of torch, which leave for other programs as the halves do."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from sklearn_ae._training.batches import Batch
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.variational import VariationalNet


class ErrorScores(nn.Module):
    """Minus the error of each row, in float64.

    Parameters
    ----------
    net : AutoencoderNet
        Its module is shared.
    """

    outputs: ClassVar = {"scores": torch.float64}

    def __init__(self, net: AutoencoderNet) -> None:
        super().__init__()
        self.module = net.module_
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Give the scores of rows in the units of the data."""
        return -self.net.errors_in_float64(Batch(x, x), per_feature=False)[:, 0]


class LikelihoodScores(nn.Module):
    """A lower bound of the log-likelihood of each row, in float64.

    Parameters
    ----------
    net : VariationalNet
        Its module is shared.
    n_draws : int
        Draws of the code, the same for every row, which become part of the module.
    """

    outputs: ClassVar = {"scores": torch.float64}
    draws: Tensor

    def __init__(self, net: VariationalNet, n_draws: int) -> None:
        super().__init__()
        self.module = net.module_
        self.net = net
        self.register_buffer("draws", net.draws(n_draws))

    def forward(self, x: Tensor) -> Tensor:
        """Give the scores of rows in the units of the data."""
        n_draws = len(self.draws)
        target = self.module.rescale(x)
        mean, log_variance = (part.repeat(n_draws, 1) for part in self.module.posterior(target))
        # len would make a constant of the number of rows.
        noise = self.draws[:, None].expand(-1, x.shape[0], -1).reshape(-1, mean.shape[1])
        each = Batch(x.repeat(n_draws, 1), target.repeat(n_draws, 1))
        log_weights = self.net.log_weights((mean, log_variance), noise, each)
        bound = self.net.bound(log_weights.reshape(n_draws, -1))
        return bound - self.net.log_volume(Batch(x, target))
