"""Fits that go on where another process was killed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

import joblib
import numpy as np
import torch
from scipy.sparse import issparse
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor
from torch.jit import ScriptFunction, ScriptModule

from sklearn_ae._building import _Building
from sklearn_ae._compat import warn
from sklearn_ae._description import own_of
from sklearn_ae._file import read_file, require_safetensors, write_file
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.start import Start
from sklearn_ae._training.targets import Target
from sklearn_ae.exceptions import LoadError

# What says where a checkpoint is and what is shown meanwhile, and not what the fit comes to.
_NOT_COMPARED = {"checkpoint", "checkpoint_every", "verbose"}
_KIND = "checkpoint"
# Whose classes are what their names say.
_OF_OTHERS = {"builtins", "numpy", "scipy", "skorch", "sklearn", "sklearn_ae", "torch"}
# What a fit is given, by the names that `Rows` has for it.
_DATA = {
    "X": "source",
    "y": "labels",
    "sample_weight": "sample_weight",
    "observed": "observed",
    "X_corrupted": "corrupted",
}


@dataclass
class Checkpoint:
    """Where a fit leaves what it has come to, and what another left there.

    Parameters
    ----------
    path : Path
        The file.
    every : int
        Epochs from one to the next.
    identity : dict of list of str
        What a fit is of: the digests of its parameters and of its data, by their names.
    left : dict or None
        What was left there by a fit of the same.
    """

    path: Path
    every: int
    identity: dict[str, list[str]]
    left: dict[str, Any] | None

    @property
    def net(self) -> AutoencoderNet | None:
        """The net that was left there."""
        return None if self.left is None else self.left["net"]

    @property
    def n_done(self) -> int:
        """How many epochs were gone through."""
        return 0 if self.left is None else self.left["n_done"]

    @property
    def start(self) -> Start | None:
        """What is known of the weights that it started from."""
        return Start() if self.left and "first_loss_" in self.left["keep_best"] else None


def checkpoint_of(
    plain: _Building, rows: Rows, validation: Rows | None, target: Target | None
) -> Checkpoint | None:
    """Give the checkpoint of a fit, if one is asked for.

    Raises
    ------
    ValueError
        If parameters do not go with it, or the file is of another fit, or none that can be read.
    """
    if plain.checkpoint is None:
        return None
    for name in ("callbacks", "warm_start"):
        if getattr(plain, name):
            raise ValueError(
                f"{name}={getattr(plain, name)!r}: a checkpoint does not hold what a fit with it "
                "needs to go on. Use checkpoint=None."
            )
    require_safetensors()
    path = Path(plain.checkpoint)
    if path.is_dir():
        raise ValueError(f"checkpoint={str(path)!r}: it is a folder. Name a file.")
    if not path.parent.is_dir():
        raise ValueError(f"checkpoint={str(path)!r}: there is no folder {str(path.parent)!r}.")
    identity, own, left = _identity(plain, rows, validation, target), own_of(plain), None
    if path.exists():
        try:
            left = read_file(path, _KIND, own=own)
        except LoadError as error:
            raise ValueError(
                f"checkpoint={str(path)!r}: the file can't be gone on from: {error} Remove it, or "
                "name another."
            ) from error
        _check_identity(path, identity, left["identity"])
    # Absolute, since what a fit calls may change the folder.
    return Checkpoint(path.absolute(), plain.checkpoint_every, identity, left)


class KeepCheckpoint(Callback):
    """Leaves what a training has come to in a file, every few epochs.

    Parameters
    ----------
    checkpoint : Checkpoint
    listeners : dict of Callback
        Those whose state is part of it; they hear of everything before.
    """

    def __init__(self, checkpoint: Checkpoint, listeners: dict[str, Callback]) -> None:
        self.checkpoint = checkpoint
        self.listeners = listeners

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Have everything as it was left."""
        self.has_failed_ = False
        left = self.checkpoint.left
        if left is not None:
            for name, listener in self.listeners.items():
                vars(listener).update(left[name])
            net.__dict__.update(left["found"])

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Leave everything as it is."""
        if len(net.history) % self.checkpoint.every:
            return
        left = {
            "identity": self.checkpoint.identity,
            "net": net,
            "n_done": len(net.history),
            "found": net.state(steps=False)["found"],
            **{name: dict(_state(of)) for name, of in self.listeners.items()},
        }
        try:
            write_file(self.checkpoint.path, _KIND, left, steps=True)
        except OSError as error:
            if not self.has_failed_:
                warn(
                    f"checkpoint={str(self.checkpoint.path)!r}: it could not be written after "
                    f"epoch {len(net.history)}: {error}. The last one stays, and the fit goes on."
                )
            self.has_failed_ = True


def _state(listener: Callback) -> Iterator[tuple[str, Any]]:
    """Give what a listener found, but for the rows, which are at hand."""
    return (
        (name, value)
        for name, value in vars(listener).items()
        if name.endswith("_") and name != "split_"
    )


def _identity(
    plain: _Building, rows: Rows, validation: Rows | None, target: Target | None
) -> dict[str, list[str]]:
    """Give what a fit is of: the digest of each parameter and each part of the data.

    A parameter has its text beside it, to tell of it.
    """
    kind = type(plain).__name__
    found = {"estimator": [kind, kind]} | {
        name: [_digest(value), repr(value)]
        for name, value in plain.get_params(deep=False).items()
        if name not in _NOT_COMPARED
    }
    for suffix, of in (("", rows), ("_val", validation)):
        parts = {} if of is None else vars(of)
        for name, attribute in _DATA.items():
            found[f"{name}{suffix}"] = [_digest(parts.get(attribute))]
    if target is not None:  # which names the classes
        found["y"] = [_digest([rows.labels, target.kind, target.classes])]
    return found


def _digest(value: Any) -> str:
    return joblib.hash(_contents(value))


def _contents(value: Any, around: tuple[object, ...] = ()) -> Any:
    """Give what makes a value that one: of arrays the numbers, and of code what it does.

    What a function calls is not looked at, and what holds itself is gone round once.
    """
    if any(value is each for each in around):
        return "again"

    def contents(part: Any) -> Any:
        return _contents(part, (*around, value))

    if issparse(value):
        value = value.tocsr()
        return [value.shape, *map(contents, (value.data, value.indices, value.indptr))]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return np.ascontiguousarray(value)  # a view of a file is one of an array
    if isinstance(value, list | tuple):
        return [contents(each) for each in value]
    if isinstance(value, set | frozenset):  # whose order is another in each process
        return ["set", *sorted(map(joblib.hash, map(contents, value)))]
    if isinstance(value, dict):
        return [[contents(name), contents(each)] for name, each in value.items()]
    if isinstance(value, CodeType):
        return [value.co_code, value.co_names, contents(value.co_consts)]
    if isinstance(value, FunctionType):
        kept = [_in_cell(cell) for cell in value.__closure__ or ()]
        given = [value.__defaults__, value.__kwdefaults__, kept]
        return contents([value.__module__, value.__qualname__, value.__code__, *given])
    if isinstance(value, MethodType):
        return contents([value.__func__, value.__self__])
    if isinstance(value, staticmethod | classmethod):
        return contents(value.__func__)
    if isinstance(value, property):
        return contents([value.fget, value.fset])
    if isinstance(value, type):
        return [value.__module__, value.__qualname__, *_code_of(value, contents)]
    if isinstance(value, partial):
        return contents([value.func, value.args, value.keywords])
    if isinstance(value, ScriptModule | ScriptFunction):
        file = BytesIO()
        torch.jit.save(value, file)
        return file.getvalue()
    if isinstance(value, Tensor):
        of_bytes = value.detach().cpu().to_dense().contiguous().reshape(-1).view(torch.uint8)
        return [str(value.dtype), value.shape, of_bytes.numpy()]
    if callable(value) and hasattr(value, "__dict__"):
        return contents([type(value), vars(value)])
    try:
        joblib.hash(value)
    except Exception:  # of what pickle does not know there is what it holds
        return contents([type(value), getattr(value, "__dict__", None)])
    return value


def _in_cell(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # as long as what it is for is not there
        return None


def _code_of(kind: type, contents: Callable[[Any], Any]) -> list[Any]:
    """Give what a class does, and those that it is derived from, where the user wrote it."""
    if kind.__module__.split(".")[0] in _OF_OTHERS:
        return []
    parts = {
        name: contents(part)
        for name, part in vars(kind).items()
        if callable(part) or not name.startswith("__")
    }
    return [parts, *map(contents, kind.__bases__)]


def _check_identity(path: Path, now: dict[str, list[str]], then: dict[str, list[str]]) -> None:
    for name, said in now.items():
        before = then.get(name)
        if before is not None and before[0] == said[0]:
            continue
        was = "other data" if len(said) == 1 else f"{name}={before[1] if before else None}"
        what = name if len(said) == 1 else f"{name}={said[1]}"
        if before is not None and before[1:] == said[1:] and len(said) > 1:
            was += " of other contents"
        raise ValueError(
            f"{what}: the checkpoint {str(path)!r} is of a fit with {was}. Remove it to begin "
            "anew, or name another."
        )
