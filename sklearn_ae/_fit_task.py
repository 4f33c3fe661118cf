"""Telling scikit-learn's callbacks of a fit and of its epochs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from skorch import NeuralNet
from skorch.callbacks import Callback

from sklearn_ae._compat import init_callback_context
from sklearn_ae._training.callbacks import KeepBest
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._validation import Matrix


@contextmanager
def fit_task(
    estimator: BaseEstimator,
    net: AutoencoderNet,
    keep_best: KeepBest,
    *,
    X: Matrix,
    y: object,
    sample_weight: ArrayLike | None,
) -> Iterator[tuple[list[Callback], list[Callback]]]:
    """Tell of a fit as a task, where somebody listens.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted.
    net : AutoencoderNet
        Its net to be.
    keep_best : KeepBest
        Knows the weights that the estimator would have if the fit stopped at an epoch.
    X, y, sample_weight
        What the user passed, checked.

    Yields
    ------
    first, last : lists of Callback
        What is to hear of the training before and after all others.
    """
    context = init_callback_context(estimator, max_subtasks=net.max_epochs)
    if context is None:
        yield [], []
        return
    task = {
        "X": X,
        "y": X if y is None else y,  # a row is its own target
        "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
    }
    context.call_on_fit_task_begin(estimator=estimator, **task)
    tasks = EpochTasks(estimator, context, keep_best, task)
    yield [tasks], [StopWhenAsked(tasks)]
    context.call_on_fit_task_end(
        estimator=estimator, reconstruction_attributes=lambda: {"net_": net}, **task
    )


class EpochTasks(Callback):
    """Tell scikit-learn's callbacks of each epoch as a task of the fit.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted.
    context : sklearn.callback.CallbackContext
        The context of the whole fit.
    keep_best : KeepBest
        Knows the weights that the estimator would have if the fit stopped here.
    task : dict
        X, y and metadata of the fit.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        context: Any,
        keep_best: KeepBest,
        task: dict[str, Any],
    ) -> None:
        self.estimator = estimator
        self.context = context
        self.keep_best = keep_best
        self.task = task

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Begin a task."""
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(estimator=self.estimator, **self.task)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """End the task, and remember who asks to stop."""
        self.stop_ = self.epoch_.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: {"net_": self._net_if_stopped(net)},
            **self.task,
        )

    def _net_if_stopped(self, net: AutoencoderNet) -> AutoencoderNet:
        net = net.snapshot(self.keep_best.weights_)
        self.keep_best.settle(net)
        return net


class StopWhenAsked(Callback):
    """Stop when scikit-learn's callbacks ask, once every other callback has seen the epoch.

    Parameters
    ----------
    tasks : EpochTasks
        Knows whether one asked.
    """

    def __init__(self, tasks: EpochTasks) -> None:
        self.tasks = tasks

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Stop the training."""
        if self.tasks.stop_:
            raise KeyboardInterrupt
