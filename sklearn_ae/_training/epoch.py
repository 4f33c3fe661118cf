"""An epoch: rows in batches, corrupt, forward, loss, backward, step; and the evaluation of rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import inf, isfinite
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.optim.lr_scheduler import LRScheduler

from sklearn_ae._training.batches import Batch, Rows, batch_sizes, n_batches, rows_at_once
from sklearn_ae._training.labels import check_y, encoded
from sklearn_ae._training.listening import ListenedToNet
from sklearn_ae._training.objective import Objective
from sklearn_ae._training.optimizers import rates_moved, rates_of
from sklearn_ae._training.random import seeded
from sklearn_ae._training.split import Split
from sklearn_ae._training.step import ExactStep, allows_exact_step
from sklearn_ae.nn import Autoencoder
from sklearn_ae.nn.shortcut import skipping_idle_layers
from sklearn_ae.noise import Typical


class TrainedNet(ListenedToNet):
    """A net that trains on a `Split`, whole batches at a time.

    A subclass with another objective has its own `row_loss`, and one that takes batches in
    another way its own `draw_batches`.
    """

    module_: Autoencoder
    criterion_: Objective
    generator_: Generator
    # Who took the steps of the last epoch: "exact", "autograd" or "skorch".
    _steps_by: str | None = None

    # What is minimised

    def row_loss(self, batch: Batch, generator: Generator) -> tuple[Tensor, Tensor]:
        """Give the objective of each row, and the output in the units of the network."""
        x = self.corrupted(batch, generator)
        if self.criterion_.contractive_penalty:
            x = x.detach().requires_grad_()
        code, output = self.run(x)
        head = self.module_.target_head
        predicted = head(code) if head is not None and self.criterion_.predicts(batch) else None
        row_losses = self.criterion_.row_losses(self.module_, x, code, output, batch, predicted)
        return row_losses, output

    def corrupted(self, batch: Batch, generator: Generator) -> Tensor:
        """Give what goes into the network, in its units."""
        rescale = self.module_.rescale
        if self.noise is None:
            given = batch.target if batch.corrupted is None else batch.corrupted
            # An encoder in place would write into the target.
            return given.clone() if rescale.copy else given
        level = self.noise_level
        if isinstance(level, Tensor):
            level = level.to(rescale.scale)
        if self.noise.in_data_units:
            typical = Typical(*rescale.typical)
            return rescale(self.noise.corrupt(batch.x, level, generator, typical))
        if not self.noise.is_share:
            level = (level / rescale.scale).to(rescale.dtype)
        return self.noise.corrupt(batch.target, level, generator, Typical(*rescale.typical_inside))

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give code and output of rows, all in the units of the network."""
        with self.autocast():
            code, output = self.module_.run(x)
        return code.to(x.dtype), output.to(x.dtype)

    def autocast(self) -> AbstractContextManager:
        """Give where layers compute in bfloat16, if they train in it."""
        in_bfloat16 = self.bfloat16 and self.module_.training
        return torch.autocast(self.device, torch.bfloat16) if in_bfloat16 else nullcontext()

    # Epochs

    def fit_loop(
        self,
        X: object,
        y: object = None,
        epochs: int | None = None,
        *,
        scheduled: bool = True,
        n_done: int = 0,
        **fit_params: object,
    ) -> Self:
        """Train for some epochs.

        Parameters
        ----------
        X : Split, or rows as `get_dataset` takes them
            What to train on.
        y : array-like, default=None
            What a net with a target predicts, where X is no split.
        epochs : int, default=None
            How many; None is `max_epochs`.
        scheduled : bool, default=True
            Whether the learning rate follows `lr_schedule`, else it is constant.
        n_done : int, default=0
            How many of the epochs another process went through before.
        **fit_params
            Present for skorch.

        Returns
        -------
        self : TrainedNet
        """
        split = self._split_of(X, y)
        epochs = self.max_epochs if epochs is None else epochs
        with rates_moved(
            self.optimizer_,
            self.lr_schedule if scheduled and epochs else "constant",
            n_steps=n_batches(len(split.train), self.batch_size) * epochs,
        ) as scheduler:
            if scheduler is not None and (n_done or self._allows_exact_step()):
                # A step of nothing, without which the schedule would warn that none was taken.
                self.optimizer_.zero_grad()
                self.optimizer_.step(lambda: 0.0)
            if scheduler is not None:
                for _ in range(n_done * n_batches(len(split.train), self.batch_size)):
                    scheduler.step()
            for _ in range(n_done, epochs):
                self._run_epoch(split, scheduler)
        return self

    def _run_epoch(self, split: Split, scheduler: LRScheduler | None) -> None:
        datasets = {"dataset_train": split.train, "dataset_valid": split.validation}
        n_done = len(self.history)
        try:
            self.notify("on_epoch_begin", **datasets)
            self._record(self._losses_of_an_epoch(split, scheduler))
        except KeyboardInterrupt:
            del self.history[n_done:]
            self.interrupted_ = True
            raise
        self.notify("on_epoch_end", **datasets)

    def _split_of(self, X: object, y: object) -> Split:
        if isinstance(X, Split):
            return X
        rows = self.get_dataset(X, y)
        n_features = len(self.module_.rescale.shift)
        if rows.n_features != n_features:
            raise ValueError(f"X has {rows.n_features} features, but the net takes {n_features}.")
        target = self.criterion_.target
        if target is not None and self.criterion_.target_weight and rows.labels is None:
            rows.labels = encoded(check_y(y, len(rows)), target)
        if self.train_split is None:
            return Split(rows, rows)
        train, validation = self.train_split(rows, None)
        return Split(rows, self.get_dataset(train), self.get_dataset(validation))

    def _losses_of_an_epoch(self, split: Split, scheduler: LRScheduler | None) -> dict[str, float]:
        losses = {"train_loss": self.train_epoch(split.train, scheduler)}
        if split.validation is not None:
            losses["valid_loss"] = self.evaluate(split.validation, notify=True)
        return losses

    def _record(self, losses: dict[str, float]) -> None:
        """Record the losses of an epoch, and whether each is the least so far."""
        for name, loss in losses.items():
            least = self.least_.get(name, inf)
            self.history.record(name, loss)
            self.history.record(f"{name}_best", loss < least)
            self.least_[name] = min(loss, least)

    def train_epoch(self, rows: Rows, scheduler: LRScheduler | None = None) -> float:
        """Go over the rows once, and give their mean objective."""
        order, sizes = self.draw_batches(len(rows))
        losses = self._room_for_losses(len(sizes))
        weights = []
        with self._way_to_step() as step, self._telling_of_memory():
            batches = self._batches(rows, sizes, order)
            for loss, batch in zip(losses.unbind(), batches, strict=True):
                loss.copy_(step(batch))
                weights.append(batch.total_weight)
                if scheduler is not None:
                    self._move_rates(scheduler)
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
    def _telling_of_memory(self) -> Iterator[None]:
        """Say what to lower where a batch does not fit into memory."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            # On a CPU torch has no type for it.
            is_of_cpu = any(said in str(error) for said in ("allocate memory", "enough memory"))
            if not (is_of_cpu or isinstance(error, MemoryError | torch.OutOfMemoryError)):
                raise
            raise MemoryError(
                f"batch_size={self.batch_size}: a batch of so many rows of "
                f"{len(self.module_.rescale.shift)} features did not fit into the memory of "
                f"{self.device!r}. Lower batch_size, or have narrower layers. ({error})"
            ) from error

    def _move_rates(self, scheduler: LRScheduler) -> None:
        rates = rates_of(self.optimizer_)
        if rates != scheduler.get_last_lr():
            raise ValueError(
                f"callbacks={self.callbacks}: the learning rate was set to {rates[0]} while "
                f"lr_schedule={self.lr_schedule!r} moves it. Use lr_schedule='constant'."
            )
        scheduler.step()

    def draw_batches(self, n_samples: int) -> tuple[NDArray[np.intp], list[int]]:
        """Give the rows of an epoch in the order in which they come, and how many a batch has.

        A subclass may draw them in another way; there are as many batches in each epoch as
        `n_batches` says, since the learning rate goes by them, and some may be empty.
        """
        order = torch.randperm(n_samples, generator=self.generator_).numpy()
        return order, batch_sizes(n_samples, self.batch_size)

    @contextmanager
    def _way_to_step(self) -> Iterator[Callable[[Batch], Tensor]]:
        """Give the fastest function from a batch to its loss that allows all that is asked."""
        listened = self._is_listened_to()
        if not listened and self._allows_exact_step():
            self._steps_by = "exact"
            step = ExactStep(self.module_, self.criterion_, self.optimizer_, bfloat16=self.bfloat16)
            with step.running():
                yield lambda batch: step(self.corrupted(batch, self.generator_), batch)
            return
        self._steps_by = "skorch" if listened else "autograd"
        self.module_.train()
        try:
            yield self._told_step if listened else self.train_step
        finally:
            self.module_.eval()

    def _allows_exact_step(self) -> bool:
        overridden = any(
            getattr(type(self), name) is not getattr(TrainedNet, name)
            for name in ("train_step", "row_loss", "run")
        )
        return not overridden and allows_exact_step(
            self.module_, self.criterion_, self.optimizer_, self.device
        )

    def _told_step(self, batch: Batch) -> Tensor:
        """Take a step, and tell and record all of it."""
        self._batch_begins(batch, training=True)
        outputs: list[Tensor] = []
        loss = self.train_step(batch, outputs)
        self._batch_ends(batch, loss, outputs[0], training=True)
        return loss

    def train_step(self, batch: Batch, outputs: list[Tensor] | None = None) -> Tensor:
        """Corrupt, forward, loss, backward, step; give the loss before the step.

        Where a list is given, the output is appended to it and gradients are told of.
        """
        losses: list[Tensor] = []  # optimizers such as LBFGS ask several times

        def closure() -> Tensor:
            self.optimizer_.zero_grad()
            with self._randomness_of_module():
                row_losses, output = self.row_loss(batch, self.generator_)
                loss = self.criterion_.reduce(row_losses, batch.weight)
                loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            if outputs is not None:
                outputs.append(output.detach())
                self._gradient_computed(batch)
            return loss

        self.optimizer_.step(closure)
        return losses[0]

    def _randomness_of_module(self) -> AbstractContextManager[None]:
        """Seed what the module itself draws. No callback runs within, which may wait for others."""
        if not self._draws_globally:
            return nullcontext()
        return seeded(int(torch.randint(2**31, (), generator=self.generator_)))

    # Rows as they are

    def evaluate(self, rows: Rows, *, notify: bool = False) -> float:
        """Give the mean objective of rows, with the same noise each time."""
        generator = Generator().manual_seed(self.seed)
        listened = notify and self._is_listened_to()
        n_features, contractive = rows.n_features, bool(self.criterion_.contractive_penalty)
        if contractive:  # whose Jacobian is as large as so many rows
            n_features *= self.module_.encoding_dim
        losses = self._room_for_losses(len(rows))
        first = 0
        with torch.set_grad_enabled(contractive), skipping_idle_layers(self.module_):
            for batch in self._batches(rows, rows_at_once(n_features)):
                if listened:
                    self._batch_begins(batch, training=False)
                row_losses, output = self.row_loss(batch, generator)
                last = first + len(row_losses)
                losses[first:last] = row_losses.detach()
                first = last
                if listened:
                    self._batch_ends(batch, row_losses.mean().detach(), output, training=False)
        weight = None if rows.weight is None else rows.weight.to(self.device)
        return self.criterion_.reduce(losses, weight).item()

    def _room_for_losses(self, n_losses: int) -> Tensor:
        # Small tensors kept between large ones that are freed would tear up the memory.
        return torch.empty(n_losses, dtype=self.module_.rescale.dtype, device=self.device)

    def _batches(
        self, rows: Rows, sizes: int | Sequence[int], order: NDArray[np.intp] | None = None
    ) -> Iterator[Batch]:
        return rows.batches(sizes, order, device=self.device, rescale=self.module_.rescale)


def _average(losses: Tensor, weights: list[Tensor | int]) -> float:
    """Average over an epoch, which waits for the device once."""
    weighted = isinstance(weights[0], Tensor)
    stacked = torch.stack(cast(list[Tensor], weights)) if weighted else torch.tensor(weights)
    weight = stacked.cpu().double()
    # Batches that are drawn may all be empty, which is no loss.
    total = weight.sum().clamp_min(torch.finfo(torch.float64).tiny)
    return float(losses.cpu().double() @ weight / total)
