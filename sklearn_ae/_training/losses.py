"""How far an output is from its row, and which entries and rows count.

A loss gives one value for each entry, and `ReconstructionLoss` is the one place where they
are reduced. A new loss is a function, its derivative and a line of `LOSSES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn
from torch.nn import functional

EntryLoss = Callable[[Tensor, Tensor], Tensor]
# Of output, target and a factor, to the factor times the derivative by the output.
EntryGradient = Callable[[Tensor, Tensor, "Tensor | float"], Tensor]


@dataclass(frozen=True)
class Loss:
    """A loss and what it asks for.

    Parameters
    ----------
    entries : callable
        From output and target, each (n_samples, n_features), to one value an entry.
    degree : int or None
        The power of a common factor of output and target that the loss grows by, which
        takes it from the units of the network to those of the data. None for a loss that
        is to see the units of the data itself.
    low, high : float
        Range of the targets.
    output_activations : tuple of str
        Those that keep the output where the loss is defined; empty for any.
    gradient : callable or None
        From output, target and a factor to the factor times the derivative of each entry by
        the output. None leaves it to autograd.
    """

    entries: EntryLoss
    degree: int | None
    low: float = -inf
    high: float = inf
    output_activations: tuple[str, ...] = ()
    gradient: EntryGradient | None = None


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Give the squared difference."""
    difference = output - target
    return difference * difference  # autograd takes three times as long for square()


def squared_error_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give twice the difference."""
    return (output - target).mul_(2 * factor)


def absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """Give the absolute difference."""
    return (output - target).abs()


def absolute_error_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give the sign of the difference."""
    return (output - target).sign_().mul_(factor)


def huber(output: Tensor, target: Tensor) -> Tensor:
    """Give half the squared difference up to 1 (one `scaling` unit), linear beyond.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Ann. Math. Statist. 35.
    """
    return functional.huber_loss(output, target, reduction="none")


def huber_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give the difference, or its sign where it is beyond 1."""
    return (output - target).clamp_(-1, 1).mul_(factor)


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Give minus the Bernoulli log-likelihood, natural logarithm, of targets in [0, 1]."""
    return functional.binary_cross_entropy(output, target, reduction="none")


def binary_cross_entropy_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give the difference over the variance of the output, as torch bounds it."""
    variance = (output * (1 - output)).clamp_min_(1e-12)
    return (output - target).div_(variance).mul_(factor)


def poisson(output: Tensor, target: Tensor) -> Tensor:
    """Give half the Poisson deviance: zero where the output is the target."""
    likelihood = output - target * output.clamp_min(torch.finfo(output.dtype).tiny).log()
    return likelihood + torch.xlogy(target, target) - target


def poisson_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give 1 less the ratio of target and output."""
    least = torch.finfo(output.dtype).tiny
    return factor - torch.where(output < least, 0, target * factor / output.clamp_min(least))


LOSSES: dict[str, Loss] = {
    "squared_error": Loss(squared_error, degree=2, gradient=squared_error_gradient),
    "absolute_error": Loss(absolute_error, degree=1, gradient=absolute_error_gradient),
    "huber": Loss(huber, degree=2, gradient=huber_gradient),
    "binary_cross_entropy": Loss(
        binary_cross_entropy,
        degree=0,
        low=0,
        high=1,
        output_activations=("sigmoid",),
        gradient=binary_cross_entropy_gradient,
    ),
    "poisson": Loss(
        poisson,
        degree=1,
        low=0,
        output_activations=("softplus", "sigmoid"),
        gradient=poisson_gradient,
    ),
}


def resolve_loss(loss: str | EntryLoss) -> Loss:
    """Give the loss of a name, or the one that a callable stands for."""
    return LOSSES[loss] if isinstance(loss, str) else Loss(loss, degree=None)


class ReconstructionLoss(nn.Module):
    """The loss of rows, reduced to one number.

    Parameters
    ----------
    entries : callable
        From output and target to one value an entry.
    trim : float, default=0.0
        Share of the weight of a batch, in [0, 1), that the rows with the greatest loss
        make up and that does not count.
    gradient : callable, default=None
        From output, target and a factor to the factor times the derivative of each entry by
        the output, for a step without autograd.

    References
    ----------
    Rousseeuw, P. J. (1984). Least median of squares regression. JASA 79, 871-880.
    """

    def __init__(
        self, entries: EntryLoss, trim: float = 0.0, gradient: EntryGradient | None = None
    ) -> None:
        super().__init__()
        self.entries = entries
        self.trim = trim
        self.gradient = gradient

    def forward(
        self,
        output: Tensor,
        target: Tensor,
        observed: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Give the weighted mean over the rows of their loss."""
        return self.reduce(self.rows(output, target, observed), weight)

    def rows(self, output: Tensor, target: Tensor, observed: Tensor | None = None) -> Tensor:
        """Give the mean over the features, or the observed ones, of each row."""
        entries = self.entries(output, target)
        if observed is None:
            return entries.mean(dim=1)
        n_observed = observed.sum(dim=1)
        return torch.where(observed, entries, 0).sum(dim=1) / n_observed.clamp_min(1)

    def reduce(self, rows: Tensor, weight: Tensor | None = None) -> Tensor:
        """Give the weighted mean of the rows that count."""
        return (rows[:, None] * self.shares(rows.detach(), weight)).sum()

    def shares(self, rows: Tensor, weight: Tensor | None = None) -> Tensor | float:
        """Give the share of each row in the mean, as a column; one number if all are alike."""
        if self.trim:
            weight = _without_the_greatest(rows, weight, self.trim)
        if weight is None:
            return 1 / len(rows)
        # A batch may hold no weight at all, which is no loss rather than 0 / 0.
        return (weight / weight.sum().clamp_min(torch.finfo(rows.dtype).tiny))[:, None]

    def with_gradient(
        self,
        output: Tensor,
        target: Tensor,
        observed: Tensor | None = None,
        weight: Tensor | None = None,
        penalties: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | float]:
        """Give the mean over rows of their loss and penalty, and derivatives without autograd.

        Returns
        -------
        loss : Tensor of shape ()
        gradient : Tensor of shape (n_samples, n_features)
            Its derivative by the output.
        shares : Tensor of shape (n_samples, 1) or float
            Its derivative by the penalties.
        """
        assert self.gradient is not None
        n_samples, n_features = output.shape
        if observed is weight is penalties is None and not self.trim:
            # One reduction instead of two: a twentieth of a small step.
            loss = self.entries(output, target).mean()
            return loss, self.gradient(output, target, 1 / (n_samples * n_features)), 1 / n_samples
        rows = self.rows(output, target, observed)
        if penalties is not None:
            rows += penalties
        shares = self.shares(rows, weight)
        of_entries: Tensor | float = 1 / n_features
        if observed is not None:
            n_observed = observed.sum(dim=1, keepdim=True).clamp_min(1)
            of_entries = observed.to(rows.dtype) / n_observed
        gradient = self.gradient(output, target, shares * of_entries)
        return (rows[:, None] * shares).sum(), gradient, shares


def _without_the_greatest(rows: Tensor, weight: Tensor | None, share: float) -> Tensor:
    """Give the weights with those of the greatest rows, a share of them all, set to 0."""
    if weight is None:
        weight = torch.ones_like(rows)
    order = rows.argsort()
    mass = weight[order].cumsum(0)
    # Rounding of the sums must not cost a row where the share comes out even.
    kept = mass <= (1 - share) * mass[-1] * (1 + 1e-6)
    kept[0] = True
    return torch.zeros_like(weight).scatter(0, order, weight[order] * kept)


def squared_jacobian(code: Tensor, x: Tensor) -> Tensor:
    """Give the squared Frobenius norm of each row's Jacobian of code with respect to input.

    Parameters
    ----------
    code : Tensor of shape (n_samples, encoding_dim)
        Computed from `x`, each row from its own.
    x : Tensor of shape (n_samples, n_features)
        Requires a gradient.

    Returns
    -------
    norms : Tensor of shape (n_samples,)
        With the graph, to be differentiated again.

    References
    ----------
    Rifai, S. et al. (2011). Contractive auto-encoders. ICML.
    """
    n_samples, encoding_dim = code.shape
    directions = torch.eye(encoding_dim, dtype=code.dtype, device=code.device)
    (jacobian,) = torch.autograd.grad(
        code,
        x,
        directions[:, None].expand(encoding_dim, n_samples, encoding_dim),
        create_graph=True,
        is_grads_batched=True,
    )
    return jacobian.square().sum(dim=(0, 2))
