"""The skorch net that trains an autoencoder."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy, deepcopy
from inspect import signature
from math import inf, isfinite, nan
from typing import Any, NamedTuple, Self, cast

import numpy as np
import skorch.callbacks
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochScoring, EpochTimer, PrintLog
from skorch.utils import data_from_dataset, is_dataset
from torch import Generator, Tensor
from torch.optim.lr_scheduler import LRScheduler

from sklearn_ae._training.batches import Batch, Rows, n_batches
from sklearn_ae._training.losses import squared_jacobian
from sklearn_ae._training.optimizers import decaying_layers_alone, start_schedule
from sklearn_ae._training.random import seeded
from sklearn_ae._training.step import ExactStep, allows_exact_step
from sklearn_ae.noise import Noise

# Rows that a half of the network is run on at once.
INFERENCE_BATCH_SIZE = 2048

_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class TrainingRows(NamedTuple):
    """All rows, those of them that are trained on, and those to judge the weights by."""

    rows: Rows
    train: Rows
    validation: Rows | None = None


class AutoencoderNet(NeuralNet):
    """A skorch net whose rows are their own target.

    It trains on `TrainingRows`, whole batches at a time. skorch's parameters, callbacks,
    history and attributes are there; batches are recorded and told of only where a callback
    listens to them.

    Parameters
    ----------
    module : callable
        Gives an `Autoencoder`.
    noise : callable, default=None
        What corrupts the input.
    noise_level, sparsity_penalty, contractive_penalty, lr_schedule
        As in the estimators.
    degree : int or None, default=None
        That of the loss; with None it sees output and target in the units of the data.
    bfloat16 : bool, default=False
        Whether the layers train in bfloat16.
    draws_globally : bool, default=False
        Whether the module may draw from torch's global generators, as dropout does.
    seed : int, default=0
        Where the net's own generator starts.
    **skorch_parameters
        As in `skorch.NeuralNet`.

    Attributes
    ----------
    generator_ : torch.Generator
        Shuffles and corrupts; part of the net, so that training can go on from it.
    best_epoch_ : int
        The epoch whose weights are kept, 0 for those before the first.
    best_loss_ : float
        Their loss, on the validation rows if there are any.
    start_loss_ : float or None
        The loss before the first epoch, on the same rows.
    starts_at_pca_ : bool
        Whether that is the loss of PCA.
    """

    callbacks_: list[tuple[str, Callback]]

    def __init__(
        self,
        module: Any,
        *,
        noise: Noise | None = None,
        noise_level: float = 0.0,
        sparsity_penalty: float = 0.0,
        contractive_penalty: float = 0.0,
        degree: int | None = None,
        bfloat16: bool = False,
        draws_globally: bool = False,
        lr_schedule: str = "constant",
        seed: int = 0,
        **skorch_parameters: Any,
    ) -> None:
        self.noise = noise
        self.noise_level = noise_level
        self.sparsity_penalty = sparsity_penalty
        self.contractive_penalty = contractive_penalty
        self.degree = degree
        self.bfloat16 = bfloat16
        self.draws_globally = draws_globally
        self.lr_schedule = lr_schedule
        self.seed = seed
        super().__init__(module, **skorch_parameters)

    # What skorch asks for

    def get_default_callbacks(self) -> list[tuple[str, Callback]]:
        """Give skorch's, less those that average over recorded batches."""
        timer: list[tuple[str, Callback]] = [("epoch_timer", EpochTimer())]
        # PrintLog formats its line whether it prints it or not.
        return [*timer, ("print_log", PrintLog())] if self.verbose else timer

    def initialize(self) -> Self:
        """Build module, criterion, optimizer and callbacks."""
        self.generator_ = Generator().manual_seed(self.seed)
        self.best_epoch_, self.best_loss_ = 0, nan
        self.start_loss_: float | None = None
        self.starts_at_pca_ = False
        # Who took the steps of the last epoch: "exact", "autograd" or "skorch".
        self._steps_by: str | None = None
        return super().initialize()

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Any
    ) -> tuple[tuple, dict[str, Any]]:
        """Keep weight decay to the weights of the layers."""
        (groups,), parameters = super().get_params_for_optimizer(prefix, named_parameters)
        known = signature(self.optimizer).parameters
        if "weight_decay" in known:
            default = parameters.get("weight_decay", known["weight_decay"].default)
            groups = decaying_layers_alone(groups, self.module_, default)
        return (groups,), parameters

    def initialize_optimizer(self, triggered_directly: Any = None) -> Self:
        """Build the optimizer; what it refuses is said in the words of the estimators."""
        try:
            return super().initialize_optimizer(triggered_directly)
        except (TypeError, ValueError, RuntimeError) as error:
            given = self.get_params_for("optimizer")
            raise ValueError(
                f"optimizer_params: {self.optimizer.__name__} does not take {given}: {error}"
            ) from error

    def get_dataset(self, X: Any, y: None = None) -> Rows:
        """Give the rows of an array, or of what callbacks are handed."""
        if isinstance(X, Rows):
            return X
        return Rows(data_from_dataset(X)[0] if is_dataset(X) else X)

    def get_iterator(self, dataset: Rows, training: bool = False) -> Iterator:
        """Give input and target of whole batches."""
        size = self.batch_size if training else INFERENCE_BATCH_SIZE
        return ((batch.x, batch.x) for batch in dataset.batches(size))

    # Training

    def fit_loop(
        self,
        X: TrainingRows,
        y: None = None,
        epochs: int | None = None,
        *,
        scheduled: bool = True,
        **fit_params: Any,
    ) -> Self:
        """Train for some epochs.

        Parameters
        ----------
        X : TrainingRows
            What to train on.
        y : None
            Present for skorch.
        epochs : int, default=None
            How many; None is `max_epochs`.
        scheduled : bool, default=True
            Whether the learning rate follows `lr_schedule`, else it is constant.
        **fit_params
            Present for skorch.

        Returns
        -------
        self : AutoencoderNet
        """
        epochs = self.max_epochs if epochs is None else epochs
        n_steps = n_batches(len(X.train), self.batch_size) * epochs
        lr_schedule = self.lr_schedule if scheduled else "constant"
        scheduler = start_schedule(self.optimizer_, lr_schedule, lr=self.lr, n_steps=n_steps)
        datasets = {
            "dataset_train": X.train.as_skorch(),
            "dataset_valid": None if X.validation is None else X.validation.as_skorch(),
        }
        for _ in range(epochs):
            self.notify("on_epoch_begin", **datasets)
            try:
                self.record("train_loss", self.train_epoch(X.train, scheduler))
                if X.validation is not None:
                    self.record("valid_loss", self.evaluate(X.validation, notify=True))
            except KeyboardInterrupt:
                self.module_.eval()
                self.history.pop()
                warnings.warn(
                    f"Training interrupted by user after {len(self.history)} epochs, which "
                    "are kept.",
                    stacklevel=2,
                )
                break
            self.notify("on_epoch_end", **datasets)
        return self

    def train_epoch(self, rows: Rows, scheduler: LRScheduler | None = None) -> float:
        """Go over the rows once, in a random order, and give their mean objective."""
        order = torch.randperm(len(rows), generator=self.generator_).numpy()
        losses = self._room_for_losses(n_batches(len(rows), self.batch_size))
        weights = []
        with self._module_randomness(), self._way_to_step() as step:
            batches = self._batches(rows, self.batch_size, order)
            for loss, batch in zip(losses.unbind(), batches, strict=True):
                loss.copy_(step(batch))
                weights.append(batch.total_weight)
                if scheduler is not None:
                    scheduler.step()
        self.history.record("train_batch_count", len(losses))
        mean_loss = _average(losses, weights)
        if not isfinite(mean_loss):
            raise ValueError(
                f"lr={self.lr}: the loss became {mean_loss} in epoch {len(self.history)}. Lower "
                "lr, scale the data (scaling='auto'), or look into a loss of your own."
            )
        if self._steps_by != "skorch":
            # Callbacks such as Checkpoint read the last batch whether they listened or not.
            self.history.new_batch()
            self.history.record_batch("train_loss", mean_loss)
            self.history.record_batch("train_batch_size", len(rows))
        return mean_loss

    @contextmanager
    def _way_to_step(self) -> Iterator[Callable[[Batch], Tensor]]:
        """Give the fastest function from a batch to its loss that allows all that is asked."""
        listened = self._is_listened_to(training=True)
        if not listened and self._allows_exact_step():
            self._steps_by = "exact"
            self.optimizer_._opt_called = True  # else schedulers warn that step was not called
            step = ExactStep(
                self.module_,
                self.criterion_,
                self.optimizer_,
                sparsity_penalty=self.sparsity_penalty,
                bfloat16=self.bfloat16,
            )
            with step.running():
                yield lambda batch: step(self._input(batch, self.generator_), batch)
            return
        self._steps_by = "skorch" if listened else "autograd"
        self.module_.train()
        yield self._told_step if listened else self._step
        self.module_.eval()

    def _allows_exact_step(self) -> bool:
        overridden = any(
            getattr(type(self), name) is not getattr(AutoencoderNet, name)
            for name in ("train_step", "row_loss")
        )
        return (
            not overridden
            and not self.contractive_penalty
            and self.degree is not None
            and allows_exact_step(self.module_, self.criterion_, self.optimizer_, self.device)
        )

    def _step(self, batch: Batch) -> Tensor:
        return self.train_step(batch)["loss"]

    def _told_step(self, batch: Batch) -> Tensor:
        """Take a step, and tell and record all of it."""
        self.notify("on_batch_begin", batch=batch[:1] * 2, training=True)
        step = self.train_step(batch, listened=True)
        self._batch_ends(batch, step, training=True)
        return step["loss"]

    def train_step(self, batch: Batch, *, listened: bool = False) -> dict[str, Tensor]:
        """Corrupt, forward, loss, backward, step."""
        first_step: dict[str, Tensor] = {}

        def closure() -> Tensor:
            self.optimizer_.zero_grad()
            rows, output = self.row_loss(batch, self.generator_)
            loss = self.criterion_.reduce(rows, batch.weight)
            loss.backward()
            if not first_step:  # optimizers such as LBFGS ask again
                first_step.update(loss=loss.detach(), output=output.detach())
            if listened:
                self.notify(
                    "on_grad_computed",
                    named_parameters=list(self.get_all_learnable_params()),
                    batch=batch[:1] * 2,
                    training=True,
                )
            return loss

        self.optimizer_.step(closure)
        return first_step

    def row_loss(self, batch: Batch, generator: Generator) -> tuple[Tensor, Tensor]:
        """Give the objective of each row, and the output in the units of the network."""
        module = self.module_
        x = self._input(batch, generator)
        if self.contractive_penalty:
            x = x.detach().requires_grad_()
        in_bfloat16 = self.bfloat16 and module.training
        with torch.autocast(self.device, torch.bfloat16) if in_bfloat16 else nullcontext():
            code = module.encoder(x)
            output = module.decoder(code)
        code, output = code.to(x.dtype), output.to(x.dtype)
        compared = output, batch.target
        if self.degree is None:
            compared = module.rescale.inverse(output), module.rescale.inverse(batch.target)
        rows = self.criterion_.rows(*compared, batch.observed)
        if self.sparsity_penalty:
            rows = rows + self.sparsity_penalty * code.abs().sum(dim=1)
        if self.contractive_penalty:
            rows = rows + self.contractive_penalty * squared_jacobian(code, x)
        return rows, output

    def evaluate(self, rows: Rows, *, notify: bool = False) -> float:
        """Give the mean objective of rows, with the same noise each time."""
        generator = Generator().manual_seed(self.seed)
        listened = notify and self._is_listened_to(training=False)
        losses = self._room_for_losses(len(rows))
        first = 0
        with torch.set_grad_enabled(bool(self.contractive_penalty)):
            for batch in self._batches(rows, INFERENCE_BATCH_SIZE):
                if listened:
                    self.notify("on_batch_begin", batch=batch[:1] * 2, training=False)
                loss, output = self.row_loss(batch, generator)
                last = first + len(loss)
                losses[first:last] = loss.detach()
                first = last
                if listened:
                    step = {"loss": loss.mean().detach(), "output": output}
                    self._batch_ends(batch, step, training=False)
        weight = None if rows.weight is None else rows.weight.to(self.device)
        return self.criterion_.reduce(losses, weight).item()

    def _room_for_losses(self, n_losses: int) -> Tensor:
        # Small tensors kept between large ones that are freed would tear up the memory.
        return torch.empty(n_losses, dtype=self.module_.rescale.dtype, device=self.device)

    def _batches(
        self, rows: Rows, size: int, order: NDArray[np.intp] | None = None
    ) -> Iterator[Batch]:
        return rows.batches(size, order, device=self.device, rescale=self.module_.rescale)

    def _input(self, batch: Batch, generator: Generator) -> Tensor:
        """Give what goes into the network, in its units."""
        if self.noise is None:
            return batch.target
        return self.module_.rescale(self.noise(batch.x, self.noise_level, generator))

    def record(self, name: str, loss: float) -> None:
        """Record the loss of an epoch, and whether it is the least so far."""
        past = [row[name] for row in self.history[:-1] if name in row]
        self.history.record(name, loss)
        self.history.record(f"{name}_best", loss < min(past, default=inf))

    @contextmanager
    def joined_by(self, first: list[Callback], last: list[Callback]) -> Iterator[None]:
        """Let callbacks listen, before and after the user's, that are not part of the net."""
        callbacks: list[tuple[str, Callback]] = self.callbacks_
        named = [[(type(callback).__name__, callback) for callback in own] for own in (first, last)]
        self.callbacks_ = named[0] + callbacks + named[1]
        try:
            yield
        finally:
            self.callbacks_ = callbacks

    def snapshot(self, weights: dict[str, Tensor]) -> Self:
        """Give a net of its own that goes on from here, with other weights."""
        net = copy(self)
        net.callbacks_ = []
        parts = (self.module_, self.optimizer_, self.generator_, self.history_)
        net.module_, net.optimizer_, net.generator_, net.history_ = deepcopy(parts)
        net.module_.load_state_dict(weights)
        return net

    @contextmanager
    def _module_randomness(self) -> Iterator[None]:
        if not self.draws_globally:
            yield
            return
        with seeded(int(torch.randint(2**31, (), generator=self.generator_))):
            yield

    # Batches are told of only to those who listen: it costs more than a small step.

    def _is_listened_to(self, *, training: bool) -> bool:
        return any(self._listens(callback, training) for _, callback in self.callbacks_)

    def _listens(self, callback: Callback, training: bool) -> bool:
        """Whether a callback is to hear of each batch, of training or of validation rows."""
        if type(callback) is EpochScoring:
            caches = callback.use_caching if self.use_caching == "auto" else self.use_caching
            return caches and callback.on_train == training
        if type(callback) is skorch.callbacks.LRScheduler:
            return training and callback.step_every == "batch"
        return any(
            getattr(type(callback), event) is not getattr(Callback, event)
            for event in _BATCH_EVENTS
        )

    def _batch_ends(self, batch: Batch, step: dict[str, Tensor], *, training: bool) -> None:
        prefix = "train" if training else "valid"
        self.history.record_batch(f"{prefix}_loss", step["loss"].item())
        self.history.record_batch(f"{prefix}_batch_size", len(batch.x))
        output = self.module_.rescale.inverse(step["output"])
        self.notify(
            "on_batch_end",
            batch=batch[:1] * 2,
            training=training,
            loss=step["loss"],
            y_pred=output,
        )


def _average(losses: Tensor, weights: list[Tensor | int]) -> float:
    """Average over an epoch, which waits for the device once."""
    weighted = isinstance(weights[0], Tensor)
    stacked = torch.stack(cast(list[Tensor], weights)) if weighted else torch.tensor(weights)
    weight = stacked.cpu().double()
    return float(losses.cpu().double() @ weight / weight.sum())
