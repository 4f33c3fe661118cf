"""What listens to a training: skorch callbacks that the estimators add to the user's."""

import sys
from copy import copy, deepcopy
from math import inf, isinf, nan
from typing import Any, Self

from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_ae._training.shrinkage import least_loss_along, shrunk

# tol says nothing of the last epoch of a schedule that brings the rate to zero. Where the epochs
# are enough, that one gains a percent or two at most; where they are few, ten and more.
_STILL_IMPROVING = 0.03


class KeepBest(Callback):
    """Keep the weights of least loss.

    The loss is that on the validation rows where there are some, else the mean while training.
    Where the start is one of the candidates, the weights kept have no greater loss over all
    rows than it, evaluated alike: the loss of an epoch is a mean over weights that change, in
    batches, and no measure of a start.

    Parameters
    ----------
    includes_start : bool, default=True
        Whether the weights before the first epoch are a candidate. Those of a random start
        are not worth the two passes over the rows.
    """

    def __init__(self, *, includes_start: bool = True) -> None:
        self.includes_start = includes_start

    def on_train_begin(self, net: NeuralNet, X: Any = None, **kwargs: Any) -> None:
        """Take the weights before the first epoch."""
        self.split_ = X
        self.monitor_ = "train_loss" if X.validation is None else "valid_loss"
        self.first_epoch_ = self.epoch_ = net.best_epoch_
        self.first_weights_ = self.weights_ = _copy_of_weights(net)
        self.least_loss_, self.is_start_ = inf, True
        net.best_loss_, net.start_loss_ = nan, None
        if self.includes_start:
            self.first_loss_ = net.start_loss_ = net.evaluate(X.all)
            if X.validation is not None:
                self.least_loss_ = net.start_loss_ = net.evaluate(X.validation)
            net.best_loss_ = net.start_loss_

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Take the weights of the epoch where they are better."""
        loss = net.history[-1, self.monitor_]
        if loss < self.least_loss_:
            self.least_loss_, self.is_start_ = loss, False
            self.epoch_ = len(net.history)
            self.weights_ = _copy_of_weights(net)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Give the net the weights kept."""
        self.settle(net)

    def settle(self, net: NeuralNet) -> None:
        """Give a net the best weights so far, or those of the start where these are better."""
        net.module_.load_state_dict(self.weights_)
        net.best_epoch_, net.best_loss_ = self.epoch_, self.least_loss_
        if self.is_start_:
            net.best_loss_ = self._loss_of_start(net)
        elif self.includes_start:
            try:
                self._hold_against_start(net)
            except KeyboardInterrupt:  # nobody waits for the comparison: the epochs are kept
                net.interrupted_ = True
                self._take_back(net)

    def _hold_against_start(self, net: NeuralNet) -> None:
        """Take the weights back to the start as far as it serves, or all the way."""
        everything, _, validation = self.split_
        if validation is not None:
            net.shrinkage_, net.best_loss_ = least_loss_along(
                net, self.first_weights_, validation, self.least_loss_
            )
        self._take_back(net)
        loss = net.evaluate(everything)
        if not loss < self.first_loss_:
            net.module_.load_state_dict(self.first_weights_)
            net.best_epoch_, net.best_loss_ = self.first_epoch_, net.start_loss_
        elif validation is None:
            net.best_loss_ = loss

    def _take_back(self, net: NeuralNet) -> None:
        weights = shrunk(self.first_weights_, self.weights_, net.shrinkage_ or 0.0)
        net.module_.load_state_dict(weights)

    def _loss_of_start(self, net: NeuralNet) -> float:
        if self.includes_start:
            return net.start_loss_
        everything, _, validation = self.split_
        return net.evaluate(everything if validation is None else validation)


def own_copy(callback: Any, memo: dict[int, Any] | None = None) -> Any:
    """Copy a callback, or a list or pair with one, so that it keeps what it sees in itself."""
    memo = {} if memo is None else memo
    if isinstance(callback, list | tuple):
        return type(callback)(own_copy(each, memo) for each in callback)
    try:
        return deepcopy(callback, memo)
    except Exception:  # of what can't be copied, such as a connection, there is one
        memo[id(callback)] = copy(callback)
        return memo[id(callback)]


def _copy_of_weights(net: NeuralNet) -> dict[str, Any]:
    # A fifth of the time of a deep copy of all, which an epoch of small data would notice.
    state = net.module_.state_dict()
    for name, value in state.items():
        state[name] = value.clone() if isinstance(value, Tensor) else deepcopy(value)
    return state


class Convergence(Callback):
    """Stop when the loss no longer improves, and know whether the epochs ended before.

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

    def ran_out(self, net: NeuralNet) -> bool:
        """Whether all epochs were too few."""
        return self.n_epochs_ >= self.max_epochs and not self._has_converged(net)

    def _has_converged(self, net: NeuralNet) -> bool:
        if not self.scheduled:
            return self.n_stalled_ >= self.n_iter_no_change
        if self.n_epochs_ == 1:
            return False
        before, last = net.history[-2:, "train_loss"]
        return before - last <= _STILL_IMPROVING * abs(before)


class Progress(Callback):
    """Show a bar of the epochs with the loss, and that of PCA if the fit starts there.

    It shows in a terminal and in a notebook, and nowhere else, from when it is entered: what
    comes before the first epoch may take a while.
    """

    def __enter__(self) -> Self:
        """Show an empty bar."""
        in_notebook = "notebook" in tqdm.__mro__[1].__module__
        self.bar_ = tqdm(unit="epoch", disable=not (in_notebook or sys.stderr.isatty()))
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the bar as it is."""
        self.bar_.close()

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Show how many epochs there are."""
        self.bar_.reset(total=net.max_epochs)

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
