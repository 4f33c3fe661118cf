"""Rows of whatever holds them, as batches of tensors."""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import NamedTuple, Self

import numpy as np
import skorch.dataset
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Subset

from sklearn_ae._validation import Matrix

# What is converted at once: enough for one call to cost little beside its work, little
# beside the data.
_CHUNK_ENTRIES = 2**20


class Batch(NamedTuple):
    """Rows in the units of the data and in those of the network, and what counts in them."""

    x: Tensor
    target: Tensor
    weight: Tensor | None = None
    observed: Tensor | None = None

    def split(self, sizes: list[int]) -> Iterator["Batch"]:
        """Give parts of these numbers of rows."""
        parts = [repeat(None) if part is None else torch.split(part, sizes) for part in self]
        return (Batch(*part) for part in zip(*parts, strict=False))

    @property
    def total_weight(self) -> Tensor | int:
        """What the batch weighs among others: its number of rows unless they have weights."""
        return self.x.shape[0] if self.weight is None else self.weight.sum()


class Rows(Dataset):
    """Rows of an array, with what counts in them.

    Nothing is copied but the rows of a batch: sparse, integer and memory-mapped rows become
    dense floats when they are read.

    Parameters
    ----------
    X : {ndarray, CSR matrix, CSR array} of shape (n_rows, n_features)
    y : None
        Present for skorch: a row is its own target.
    index : ndarray of int of shape (n_samples,), default=None
        Which rows of X these are; None is all of them.
    sample_weight : ndarray of shape (n_rows,), default=None
        Weight of each row of X.
    observed : ndarray of bool of shape (n_rows, n_features), default=None
        Which entries of X the loss counts.
    """

    def __init__(
        self,
        X: Matrix,
        y: None = None,
        *,
        index: NDArray[np.intp] | None = None,
        sample_weight: NDArray | None = None,
        observed: NDArray[np.bool_] | None = None,
    ) -> None:
        self.X = X
        self.index = index
        self.sample_weight = sample_weight
        self.observed = observed

    def __len__(self) -> int:
        return self.X.shape[0] if self.index is None else len(self.index)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Give one row as input and target."""
        (batch,) = self.subset(np.array([position])).batches(1)
        return batch.x[0], batch.x[0]

    def as_skorch(self) -> Dataset:
        """Give the rows as what skorch's callbacks know to look into, without a copy."""
        whole = skorch.dataset.Dataset(self.X, self.X)
        return whole if self.index is None else Subset(whole, self.index.tolist())

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.X.shape[1]

    @property
    def weight(self) -> Tensor | None:
        """Weight of each row."""
        if self.sample_weight is None:
            return None
        return torch.from_numpy(self.sample_weight[... if self.index is None else self.index])

    def subset(self, positions: NDArray[np.intp]) -> Self:
        """Give the rows at some positions."""
        return type(self)(
            self.X,
            index=positions if self.index is None else self.index[positions],
            sample_weight=self.sample_weight,
            observed=self.observed,
        )

    def batches(
        self,
        batch_size: int,
        order: NDArray[np.intp] | None = None,
        *,
        device: str = "cpu",
        rescale: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[Batch]:
        """Give the rows in batches.

        Parameters
        ----------
        batch_size : int
            Rows in a batch. A last batch of one row joins the one before, since layers
            that normalise over a batch can't train on it.
        order : ndarray of int of shape (n_samples,), default=None
            The order in which the rows come.
        device : str, default="cpu"
            Where the batches are to be.
        rescale : callable, default=None
            Takes rows to the units of the network. None leaves the target in those of the data.

        Yields
        ------
        batch : Batch
        """
        index = self.index if order is None else self.subset(order).index
        a_chunk = max(1, _CHUNK_ENTRIES // (batch_size * self.n_features)) * batch_size
        for start, stop in _spans(len(self), a_chunk):
            chunk = self._read(slice(start, stop) if index is None else index[start:stop], device)
            if rescale is not None:
                chunk = chunk._replace(target=rescale(chunk.x))
            yield from chunk.split(
                [last - first for first, last in _spans(stop - start, batch_size)]
            )

    def _read(self, index: slice | NDArray[np.intp], device: str) -> Batch:
        x = on_device(as_tensor(self.X[index]), device)
        others = (
            None if other is None else on_device(torch.from_numpy(other[index]), device)
            for other in (self.sample_weight, self.observed)
        )
        return Batch(x, x, *others)


def on_device(tensor: Tensor, device: str) -> Tensor:
    """Give a tensor on a device; mps has no float64."""
    if device == "mps" and tensor.dtype == torch.float64:
        tensor = tensor.float()
    return tensor.to(device)


def as_tensor(rows: Matrix) -> Tensor:
    """Give rows as a dense tensor of floats, without a copy where they are one already.

    Small integers are exact in float32; others go through float64, so that an offset can
    be taken away before digits are lost.
    """
    dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
    dtype = dense.dtype
    if dtype in (np.float32, np.float64) and dense.flags.carray:
        return torch.from_numpy(dense)
    if dtype.kind in "iub":
        dtype = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    elif dtype.itemsize not in (4, 8):
        dtype = np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    return torch.from_numpy(np.require(dense, dtype.newbyteorder("="), ["C", "W"]))


def n_batches(n_samples: int, batch_size: int) -> int:
    """Give the number of batches that rows come in."""
    return sum(1 for _ in _spans(n_samples, batch_size))


def _spans(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Give the ends of consecutive spans, a last one of one row joined to the one before."""
    start = 0
    while start < n:
        stop = start + size
        if stop + (size > 1) >= n:
            stop = n
        yield start, stop
        start = stop
