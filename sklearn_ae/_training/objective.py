"""What is minimised: the loss of entries, a row's objective, and the mean over rows.

A step with autograd, the step that is written out, evaluation and scoring all ask here.
"""

import torch
from torch import Tensor, nn

from sklearn_ae._training.batches import Batch
from sklearn_ae._training.losses import Loss
from sklearn_ae._training.targets import Target
from sklearn_ae.nn import Autoencoder


class Objective(nn.Module):
    """The loss of rows with its penalties, reduced to one number.

    Parameters
    ----------
    loss : Loss
        Gives one value for each entry.
    sparsity_penalty : float, default=0.0
        What the sum of the absolute codes of a row is multiplied by.
    contractive_penalty : float, default=0.0
        What the squared Frobenius norm of a row's Jacobian is multiplied by.
    trim : float, default=0.0
        Share of the weight of a batch, in [0, 1), that the rows with the greatest loss
        make up and that does not count.
    target : Target, default=None
        What is to be predicted from the code.
    target_weight : float, default=0.0
        What the loss of that is multiplied by.

    References
    ----------
    Rousseeuw, P. J. (1984). Least median of squares regression. JASA 79, 871-880.
    """

    def __init__(
        self,
        loss: Loss,
        *,
        sparsity_penalty: float = 0.0,
        contractive_penalty: float = 0.0,
        trim: float = 0.0,
        target: Target | None = None,
        target_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.sparsity_penalty = sparsity_penalty
        self.contractive_penalty = contractive_penalty
        self.trim = trim
        self.target = target
        self.target_weight = target_weight

    @property
    def is_penalised(self) -> bool:
        """Whether more is asked of a code than the reconstruction."""
        return bool(self.sparsity_penalty or self.contractive_penalty or self.target_weight)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the mean loss of an output, as skorch asks for it."""
        return self.loss(output, target).mean()

    # Entries

    def entries(self, module: Autoencoder, output: Tensor, batch: Batch) -> Tensor:
        """Give the loss of each entry, for an output in the units of the network.

        It is in these units too, but for a loss that is to see those of the data.
        """
        if self.loss.degree is None:
            # The user's own loss may write into what it is given.
            x = batch.x.to(output.dtype, copy=True)
            return self.loss(module.rescale.inverse(output), x)
        return self.loss(output, batch.target)

    # Rows

    def row_losses(
        self,
        module: Autoencoder,
        x: Tensor,
        code: Tensor,
        output: Tensor,
        batch: Batch,
        predicted: Tensor | None = None,
    ) -> Tensor:
        """Give the objective of each row: the mean over its observed entries, and penalties.

        What is predicted from the code counts where it is given.
        """
        row_losses = self.mean_of_rows(self.entries(module, output, batch), batch.observed)
        if self.sparsity_penalty:
            codes = code.abs().sum(dim=1, dtype=row_losses.dtype)
            row_losses = row_losses + self.sparsity_penalty * codes
        if self.contractive_penalty:
            row_losses = row_losses + self.contractive_penalty * squared_jacobian(code, x)
        if predicted is not None:
            row_losses = row_losses + self.target_weight * self.losses_of_target(predicted, batch)
        return row_losses

    def losses_of_target(self, predicted: Tensor, batch: Batch) -> Tensor:
        """Give how far what is predicted is off, by row."""
        assert self.target is not None
        assert batch.labels is not None
        return self.target.row_losses(predicted, batch.labels)

    def predicts(self, batch: Batch) -> bool:
        """Whether a target is to be predicted from the codes of a batch."""
        return bool(self.target_weight) and batch.labels is not None

    def mean_of_rows(self, entries: Tensor, observed: Tensor | None) -> Tensor:
        """Give the mean of each row over its observed entries."""
        if observed is None:
            return entries.mean(dim=1)
        n_observed = observed.sum(dim=1)
        return torch.where(observed, entries, 0).sum(dim=1) / n_observed.clamp_min(1)

    # All rows

    def reduce(self, row_losses: Tensor, weight: Tensor | None = None) -> Tensor:
        """Give the weighted mean of the rows that count."""
        return (row_losses[:, None] * self.shares(row_losses.detach(), weight)).sum()

    def shares(self, row_losses: Tensor, weight: Tensor | None = None) -> Tensor | float:
        """Give the share of each row in the mean, as a column; one number if all are alike."""
        if self.trim and len(row_losses):
            weight = _without_the_greatest(row_losses, weight, self.trim)
        if weight is None:
            return 1 / max(1, len(row_losses))
        # A batch may hold no weight at all, which is no loss rather than 0 / 0.
        return (weight / weight.sum().clamp_min(torch.finfo(row_losses.dtype).tiny))[:, None]

    # Derivatives

    def with_gradients(
        self,
        module: Autoencoder,
        x: Tensor,
        code: Tensor,
        output: Tensor,
        batch: Batch,
        predicted: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Give the mean over rows, and its derivatives without autograd.

        Returns
        -------
        loss : Tensor of shape ()
        of_output : Tensor of shape (n_samples, n_features)
            Its derivative by the output.
        of_code : Tensor of shape (n_samples, encoding_dim) or None
            Its derivative by the code, those by output and prediction aside.
        of_predicted : Tensor of shape (n_samples, n_outputs) or None
            Its derivative by what is predicted.
        """
        n_samples, n_features = output.shape
        target, weight, observed = batch.target, batch.weight, batch.observed
        if weight is observed is None and not (self.trim or self.sparsity_penalty):
            # One reduction instead of two: a twentieth of a small step.
            loss = self.entries(module, output, batch).mean()
            if predicted is not None:
                loss += self.target_weight * self.losses_of_target(predicted, batch).mean()
            of_output = self.loss.derivative(output, target, 1 / (n_samples * n_features))
            return loss, of_output, None, self._of_predicted(predicted, batch, 1 / n_samples)
        row_losses = self.row_losses(module, x, code, output, batch, predicted)
        shares = self.shares(row_losses, weight)
        of_entries: Tensor | float = 1 / n_features
        if observed is not None:
            n_observed = observed.sum(dim=1, keepdim=True).clamp_min(1)
            of_entries = observed.to(row_losses.dtype) / n_observed
        of_output = self.loss.derivative(output, target, shares * of_entries)
        of_code = self.sparsity_penalty * shares * code.sign() if self.sparsity_penalty else None
        of_predicted = self._of_predicted(predicted, batch, shares)
        return (row_losses[:, None] * shares).sum(), of_output, of_code, of_predicted

    def _of_predicted(
        self, predicted: Tensor | None, batch: Batch, shares: Tensor | float
    ) -> Tensor | None:
        if predicted is None:
            return None
        assert self.target is not None
        assert batch.labels is not None
        gradient = self.target.gradient(predicted, batch.labels)
        return gradient.mul_(self.target_weight * shares)


def _without_the_greatest(row_losses: Tensor, weight: Tensor | None, share: float) -> Tensor:
    """Give the weights with those of the greatest rows, a share of them all, set to 0."""
    if weight is None:
        weight = torch.ones_like(row_losses)
    order = row_losses.argsort()
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
