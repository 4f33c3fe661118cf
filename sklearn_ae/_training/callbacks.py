"""What listens to a training: skorch callbacks that the estimators add to the user's."""

import sys
import warnings
from copy import deepcopy
from math import inf, isinf
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor
from tqdm.auto import tqdm

# tol says nothing of the last epoch of a schedule that brings the rate to zero. Where the epochs
# are enough, that one gains a percent or two at most; where they are few, ten and more.
_STILL_IMPROVING = 0.03


class KeepBest(Callback):
    """Keep the weights of least loss.

    The loss is that on the validation rows where there are some. Where the start is one of the
    candidates, the weights kept have no greater loss over all rows than it, whatever the
    validation rows said.

    Parameters
    ----------
    includes_start : bool, default=True
        Whether the weights before the first epoch are a candidate. Those of a random start
        are not worth the two passes over the rows.

    Attributes
    ----------
    weights_ : dict of Tensor
        State of the module with the least loss so far.
    """

    def __init__(self, *, includes_start: bool = True) -> None:
        self.includes_start = includes_start

    def on_train_begin(self, net: NeuralNet, X: Any = None, **kwargs: Any) -> None:
        """Take the weights before the first epoch."""
        self.data_ = X
        self.monitor_ = "train_loss" if X.validation is None else "valid_loss"
        self.weights_ = self.first_weights_ = _copy_of_weights(net)
        net.best_epoch_, net.best_loss_ = 0, inf
        if self.includes_start:
            self.first_loss_ = net.evaluate(X.rows)
            net.start_loss_ = net.best_loss_ = (
                self.first_loss_ if X.validation is None else net.evaluate(X.validation)
            )

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Take the weights of the epoch where they are better."""
        loss = net.history[-1, self.monitor_]
        if loss < net.best_loss_:
            net.best_epoch_, net.best_loss_ = len(net.history), loss
            self.weights_ = _copy_of_weights(net)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Give the net the weights kept."""
        net.module_.load_state_dict(self.weights_)
        if not self.includes_start:
            if not net.best_epoch_:  # no epoch gave a loss
                rows, _, validation = self.data_
                net.best_loss_ = net.evaluate(rows if validation is None else validation)
            return
        # The loss while training is a mean over weights that change, and the validation
        # rows are few: whether the start is beaten is seen on all rows.
        if net.best_epoch_ and not net.evaluate(self.data_.rows) <= self.first_loss_:
            net.best_epoch_, net.best_loss_ = 0, net.start_loss_
            self.weights_ = self.first_weights_
            net.module_.load_state_dict(self.weights_)


def _copy_of_weights(net: NeuralNet) -> dict[str, Any]:
    # A fifth of the time of a deep copy of all, which an epoch of small data would notice.
    state = net.module_.state_dict()
    for name, value in state.items():
        state[name] = value.clone() if isinstance(value, Tensor) else deepcopy(value)
    return state


class Convergence(Callback):
    """Stop when the loss no longer improves, and warn when the epochs end before.

    Parameters
    ----------
    tol : float
        Share of the least loss that an improvement has to exceed.
    n_iter_no_change : int
        Epochs without one that end the training.
    max_epochs : int
        Epochs after which it ends at the latest.
    scheduled : bool
        Whether the learning rate is brought to zero over these epochs: then the loss is to
        stall and to improve again, and the training goes on to their end.
    """

    def __init__(self, tol: float, n_iter_no_change: int, max_epochs: int, scheduled: bool):
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.max_epochs = max_epochs
        self.scheduled = scheduled

    def on_train_begin(self, net: NeuralNet, X: Any = None, **kwargs: Any) -> None:
        """Begin to count."""
        self.monitor_ = "train_loss" if X.validation is None else "valid_loss"
        self.best_, self.n_stalled_, self.n_epochs_ = inf, 0, 0

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Stop the training after too many epochs without improvement."""
        loss = net.history[-1, self.monitor_]
        self.n_epochs_ += 1
        self.n_stalled_ += 1
        if isinf(self.best_) or self.best_ - loss > self.tol * abs(self.best_):
            self.best_, self.n_stalled_ = loss, 0
        if not self.scheduled and self.n_stalled_ >= self.n_iter_no_change:
            raise KeyboardInterrupt  # as skorch's callbacks end a training

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Warn when the epochs were too few."""
        if self.n_epochs_ < self.max_epochs or self._has_converged(net):
            return
        warnings.warn(
            f"max_epochs={self.max_epochs}: the epochs ended before the training converged. "
            "Raise max_epochs, or tol to be content with less.",
            ConvergenceWarning,
            stacklevel=2,
        )

    def _has_converged(self, net: NeuralNet) -> bool:
        if not self.scheduled:
            return self.n_stalled_ >= self.n_iter_no_change
        if self.n_epochs_ == 1:
            return False
        before, last = net.history[-2:, "train_loss"]
        return before - last <= _STILL_IMPROVING * abs(before)


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
            reconstruction_attributes=lambda: {"net_": net.snapshot(self.keep_best.weights_)},
            **self.task,
        )


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


class Progress(Callback):
    """Show a bar of the epochs with the loss, and that of PCA if the fit starts there.

    It shows in a terminal and in a notebook, and nowhere else.

    Parameters
    ----------
    max_epochs : int
        Length of the bar.
    """

    def __init__(self, max_epochs: int) -> None:
        self.max_epochs = max_epochs

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Show an empty bar."""
        in_notebook = "notebook" in tqdm.__mro__[1].__module__
        self.bar_ = tqdm(
            total=self.max_epochs, unit="epoch", disable=not (in_notebook or sys.stderr.isatty())
        )

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Move the bar by an epoch."""
        row = net.history[-1]
        shown = {"loss": row["train_loss"]}
        if "valid_loss" in row:
            shown["validation"] = row["valid_loss"]
        if net.starts_at_pca_:
            shown["PCA"] = net.start_loss_
        self.bar_.set_postfix({name: f"{loss:.4g}" for name, loss in shown.items()})
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Leave the bar as it is."""
        self.bar_.close()
