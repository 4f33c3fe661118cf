"""Who hears of a training: skorch's callbacks, of batches only where one listens to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

from sklearn_ae._training.batches import Batch
from sklearn_ae._training.split import Split

_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class ListenedToNet(NeuralNet):
    """A net that tells and records batches only where it is worth the time of a small step."""

    callbacks_: list[tuple[str, Callback]]
    # Who hears before and after them, and is in no copy or pickle: they hold the rows.
    guests_: tuple[list[Callback], list[Callback]] = ([], [])

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Tell the net, its guests and its callbacks, whose X is the array, as in skorch."""
        first, last = self.guests_
        shown = kwargs
        if isinstance(kwargs.get("X"), Split):
            shown = {**kwargs, "X": kwargs["X"].all.source}
        for listener in (self, *first):
            getattr(listener, method_name)(self, **kwargs)
        for _, callback in self.callbacks_:
            getattr(callback, method_name)(self, **shown)
        for guest in last:
            getattr(guest, method_name)(self, **kwargs)

    def _is_listened_to(self) -> bool:
        """Whether a callback is to hear of batches."""
        first, last = self.guests_
        return any(
            getattr(type(callback), event) is not getattr(Callback, event)
            for callback in (*first, *dict(self.callbacks_).values(), *last)
            for event in _BATCH_EVENTS
        )

    def _batch_begins(self, batch: Batch, *, training: bool) -> None:
        self.notify("on_batch_begin", batch=batch[:1] * 2, training=training)

    def _gradient_computed(self, batch: Batch) -> None:
        self.notify(
            "on_grad_computed",
            named_parameters=list(self.get_all_learnable_params()),
            batch=batch[:1] * 2,
            training=True,
        )

    def _batch_ends(self, batch: Batch, loss: Tensor, output: Tensor, *, training: bool) -> None:
        prefix = "train" if training else "valid"
        self.history.record_batch(f"{prefix}_loss", loss.item())
        self.history.record_batch(f"{prefix}_batch_size", len(batch.x))
        self.notify(
            "on_batch_end",
            batch=batch[:1] * 2,
            training=training,
            loss=loss,
            y_pred=self.module_.rescale.inverse(output),
        )

    @contextmanager
    def joined_by(self, first: list[Callback], last: list[Callback]) -> Iterator[None]:
        """Let callbacks listen, before and after the user's, that are not part of the net."""
        self.guests_ = (first, last)
        try:
            yield
        finally:
            self.guests_ = ([], [])
