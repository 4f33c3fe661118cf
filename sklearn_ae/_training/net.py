"""The skorch net that trains an autoencoder."""

import copyreg
from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from inspect import signature
from math import nan
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from skorch.callbacks import Callback, EpochTimer, PrintLog
from skorch.exceptions import SkorchException
from skorch.history import History
from skorch.utils import data_from_dataset, get_map_location, is_dataset
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Subset

from sklearn_ae._training.batches import Batch, Rows, rows_at_once
from sklearn_ae._training.callbacks import own_copy
from sklearn_ae._training.epoch import TrainedNet
from sklearn_ae._training.optimizers import (
    check_steps,
    decaying_layers_alone,
    set_rates,
    take_state,
)
from sklearn_ae._training.random import draws
from sklearn_ae._validation import with_dtype, without_mask
from sklearn_ae.noise import Noise

# What training finds besides the weights; the last is of a variational net.
_FOUND = {
    "best_epoch_",
    "best_loss_",
    "start_loss_",
    "starts_at_pca_",
    "shrinkage_",
    "interrupted_",
    "least_",
    "active_units_",
}
# The parts of a state that tensors are in.
_OF_TENSORS = ("weights", "generator", "steps")


class AutoencoderNet(TrainedNet):
    """A skorch net whose rows are their own target.

    It trains on a `Split` or on rows, whole batches at a time. skorch's parameters, callbacks,
    history and attributes are there; batches are recorded and told of only where a callback
    listens to them.

    Parameters
    ----------
    module : callable
        Gives an `Autoencoder`: in a fitted estimator its `Specification`.
    noise : Noise, default=None
        What corrupts the input.
    noise_level : float or Tensor of shape (n_features,)
        Its level, in the units of the data unless it is a share.
    lr_schedule
        As in the estimators.
    bfloat16 : bool, default=False
        Whether the layers train in bfloat16.
    seed : int, default=0
        Where the net's own generator starts.
    **skorch_parameters
        As in `skorch.NeuralNet`. The criterion is an `Objective`, and no rows are held out
        unless `train_split` does it.

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
    shrinkage_ : float or None
        How far the weights of `best_epoch_` are taken back to the start, where that is chosen.
    interrupted_ : bool
        Whether the last training ended within an epoch, which is not kept.
    least_ : dict of float
        The least of each loss so far.
    """

    def __init__(
        self,
        module: Any,
        *,
        noise: Noise | None = None,
        noise_level: float | Tensor = 0.0,
        bfloat16: bool = False,
        lr_schedule: str = "constant",
        seed: int = 0,
        **skorch_parameters: Any,
    ) -> None:
        self.noise = noise
        self.noise_level = noise_level
        self.bfloat16 = bfloat16
        self.lr_schedule = lr_schedule
        self.seed = seed
        super().__init__(module, **{"train_split": None, **skorch_parameters})

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
        self.shrinkage_: float | None = None
        self.interrupted_ = False
        self.least_: dict[str, float] = {}
        self._steps_by = None
        return super().initialize()

    def initialize_module(self) -> Self:
        """Build the module, and see whether it draws while it trains."""
        super().initialize_module()
        self.module_.eval()
        rescale = self.module_.rescale
        self._draws_globally = draws(
            self.module_, len(rescale.shift), rescale.dtype, rescale.shift.device
        )
        return self

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Any
    ) -> tuple[tuple, dict[str, Any]]:
        """Keep weight decay to the weights of the layers, and rates to the groups they are of."""
        (groups,), parameters = super().get_params_for_optimizer(prefix, named_parameters)
        groups = [{**group, "own_lr": group["lr"]} if "lr" in group else group for group in groups]
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

    def get_dataset(self, X: Any, y: Any = None) -> Rows:
        """Give the rows of an array, or of what callbacks are handed."""
        if isinstance(X, Rows):
            return X
        if isinstance(X, Subset) and isinstance(X.dataset, Rows):  # of a train_split
            return X.dataset.subset(np.asarray(X.indices))
        X, observed = without_mask(data_from_dataset(X)[0] if is_dataset(X) else X, None)
        X, dtype = with_dtype(X)
        rows = X if issparse(X) else np.asarray(X, dtype)
        return Rows(rows, observed=None if observed is None else np.asarray(observed))

    def on_train_begin(self, net: Self, X: Any = None, y: None = None, **kwargs: Any) -> None:
        """Set the learning rates, before a scheduler of the user's does."""
        set_rates(self.optimizer_, self.lr)

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Tell callbacks; an interrupt after the last epoch no longer costs anything."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            if method_name != "on_train_end":
                raise
            self.interrupted_ = True
        except (KeyError, ValueError, SkorchException) as error:  # as skorch's callbacks differ
            has_rows = any("valid_loss" in row for row in self.history[-1:])
            if has_rows or "valid_loss" not in str(error):
                raise
            raise ValueError(
                f"callbacks={self.callbacks}: {error.args[0]} It is recorded where rows are held "
                "out. Use fit with early_stopping=True or X_val."
            ) from error

    def get_iterator(self, dataset: Rows, training: bool = False) -> Iterator:
        """Give input and target of whole batches."""
        size = self.batch_size if training else rows_at_once(dataset.n_features)
        return ((batch.x, batch.x) for batch in dataset.batches(size))

    # Copies

    def remember(self, other: "AutoencoderNet") -> None:
        """Take the history of another net, whose weights this one begins with."""
        self.history_: History = History(other.history_)  # whose rows no longer change
        self.best_epoch_, self.least_ = other.best_epoch_, dict(other.least_)

    def resume(self, other: "AutoencoderNet", *, callbacks: bool) -> None:
        """Go on as if another net, whose weights this one has, had not stopped.

        That one stays as it is: nothing that training changes is shared.

        Parameters
        ----------
        other : AutoencoderNet
        callbacks : bool
            Whether its callbacks go on too.
        """
        self.remember(other)
        self.best_loss_, self.start_loss_ = other.best_loss_, other.start_loss_
        self.starts_at_pca_ = other.starts_at_pca_
        self.generator_.set_state(other.generator_.get_state())
        take_state(self.optimizer_, self.module_, other.optimizer_, other.module_)
        if callbacks:
            self.callbacks_ = own_copy(other.callbacks_)

    def forget_steps(self) -> None:
        """Let the optimizer begin anew, since what it keeps is of weights that are not kept.

        With Adam that is twice the size of the weights.
        """
        self.optimizer_.state.clear()

    def snapshot(self, weights: dict[str, Tensor]) -> Self:
        """Give a net of its own that goes on from other weights."""
        net = copy(self)
        net.callbacks_ = []
        parts = (self.module_, self.optimizer_, self.generator_, self.history_, self.least_)
        net.module_, net.optimizer_, net.generator_, net.history_, net.least_ = deepcopy(parts)
        net.module_.load_state_dict(weights)
        net.forget_steps()
        return net

    # What a file holds of a net: what its parameters do not say.

    def state(self, *, steps: bool) -> dict[str, Any]:
        """Give what training has made, in Python's own types and tensors.

        Parameters
        ----------
        steps : bool
            Whether that of the optimizer, twice as long as the weights with Adam, is part of it.
        """
        return {
            "device": self.device,
            "weights": dict(self.module_.state_dict()),
            "history": [dict(row) for row in self.history_],
            "generator": self.generator_.get_state(),
            "found": {name: vars(self)[name] for name in sorted(_FOUND & vars(self).keys())},
            "steps": self.optimizer_.state_dict()["state"] if steps else {},
        }

    def take(self, state: dict[str, Any]) -> None:
        """Take a state, and go to its device where there is one; skorch warns where not."""
        self.module_.load_state_dict(state["weights"])
        self.history_ = History(state["history"])
        self.generator_.set_state(state["generator"])
        self.__dict__.update(
            {name: state["found"][name] for name in _FOUND & state["found"].keys()}
        )
        check_steps(self.optimizer_, state["steps"])
        kept = self.optimizer_.state_dict()
        self.optimizer_.load_state_dict({**kept, "state": state["steps"]})
        self.__setstate__({"device": state["device"]})

    # skorch pickles and copies by bytes that plain pickle writes, which knows nothing of what a
    # notebook or a function defines, and hides it from cloudpickle.

    def __copy__(self) -> Self:
        """Give a net of the same parts, without guests."""
        net = type(self).__new__(type(self))
        net.__dict__.update(self.__dict__, guests_=([], []))
        return net

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Give a net of its own; of what a callback holds that can't be copied there is one."""
        net = memo[id(self)] = copy(self)
        for name, part in list(net.__dict__.items()):
            copied = own_copy if name.startswith("callbacks") else deepcopy
            net.__dict__[name] = copied(part, memo)
        return net

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Give pickle the parts, on the CPU, since who loads them may have no other device."""
        parts = copy(self).__dict__
        if self.device != "cpu":
            # A callback may hold the net. What it is built from has no tensors of the device, and
            # names the very layers and losses that the estimator has as parameters.
            parts = deepcopy(parts, {id(self): self, id(self.module): self.module})
            _move(parts, "cpu")
        return copyreg.__newobj__, (type(self),), parts  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        """Give what skops takes: what it is built from, and what training has made, as arrays."""
        state = self.state(steps=True)
        arrays = {part: _each_tensor(state[part], _as_array) for part in _OF_TENSORS}
        return {"built_from": self.module, "state": {**state, **arrays}}

    def __setstate__(self, parts: dict[str, Any]) -> None:
        """Take what either gave, to the device where there is one; skorch warns where not."""
        if "built_from" in parts:
            state = parts["state"]
            tensors = {part: _each_tensor(state[part], torch.as_tensor) for part in _OF_TENSORS}
            self.__dict__.update(vars(parts["built_from"].restored({**state, **tensors})))
            return
        self.__dict__.update(parts)
        if parts["device"] != "cpu":
            found = get_map_location(parts["device"])
            self.device = str(self._check_device(parts["device"], found))
            _move(self.__dict__, self.device)

    # Using

    @property
    def error_units(self) -> Tensor:
        """What takes an error from the units of the network to those of the data, in float64."""
        degree = self.criterion_.loss.degree
        # A loss of the user's own sees the units of the data.
        return self.module_.rescale.scale.cpu().double() ** (degree or 0)

    def errors(self, batch: Batch, *, per_feature: bool) -> Tensor:
        """Give the loss of rows, as a column, or of their entries, in the units of the data.

        They are in float64, and computed in it where the dtype of the network may not hold them.
        Where it can't hold a row that lies far out, the row in float64 is held against what the
        network makes of the nearest one that it can.
        """
        rescale = self.module_.rescale
        limit = torch.finfo(rescale.dtype).max ** 0.5
        low, high = torch.aminmax(batch.target)
        is_near = limit**-0.5 < max(-low, high) < limit**0.5
        is_own = self.criterion_.loss.degree is None  # which sees the units of the data
        if (is_near and not is_own) or self.device == "mps":  # which has no float64
            errors = self._errors(batch, batch.target, per_feature)
            if errors.isfinite().all() or self.device == "mps":
                return errors
        return self.errors_in_float64(batch, per_feature=per_feature)

    def errors_in_float64(self, batch: Batch, *, per_feature: bool) -> Tensor:
        """Give the same where the dtype of the network may hold neither rows nor errors.

        Entries that it holds are rounded to it, as the network sees them: where next to nothing is
        left, their rounding would be all of it.
        """
        rescale, x = self.module_.rescale, batch.x.double()
        # As a tensor, since ONNX has numbers of float32 alone.
        limit = x.new_tensor(torch.finfo(rescale.dtype).max ** 0.5)
        inside = rescale.inside(x)
        held = inside.clamp(-limit, limit).to(rescale.dtype)
        size = inside.abs()
        target = torch.where((size > limit) | (size < 1 / limit), inside, held.double())
        return self._errors(batch._replace(x=x, target=target), held, per_feature)

    def _errors(self, batch: Batch, inside: Tensor, per_feature: bool) -> Tensor:
        objective, dtype = self.criterion_, batch.x.dtype
        _, output = self.module_.run(inside.clone() if self.module_.rescale.copy else inside)
        batch = batch._replace(target=batch.target.to(dtype))
        errors = objective.entries(self.module_, output.to(dtype), batch)
        if self.device == "mps":
            errors = errors.cpu()
        errors = errors.double() * self.error_units.to(errors.device)
        if per_feature:
            return errors
        observed = None if batch.observed is None else batch.observed.to(errors.device)
        return objective.mean_of_rows(errors, observed)[:, None]


def _as_array(tensor: Tensor) -> NDArray:
    return tensor.cpu().numpy()


def _each_tensor(tree: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert the tensors, or arrays, that dicts hold, at any depth."""
    if isinstance(tree, dict):
        return {name: _each_tensor(part, convert) for name, part in tree.items()}
    return convert(tree) if isinstance(tree, Tensor | np.ndarray) else tree


def _move(parts: dict[str, Any], device: str) -> None:
    for part in parts.values():
        if isinstance(part, nn.Module):
            part.to(device)
    for part in parts.values():
        if isinstance(part, Optimizer):
            part.load_state_dict(part.state_dict())  # to where the parameters are now
