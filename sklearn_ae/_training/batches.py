"""Rows of whatever holds them, as batches of tensors."""

from collections.abc import Iterator, Sequence
from copy import copy
from itertools import repeat
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from skorch.dataset import Dataset
from torch import Tensor

from sklearn_ae._validation import Matrix
from sklearn_ae.nn import Rescale

# What is converted at once: enough for one call to cost little beside its work, little
# beside the data.
_CHUNK_ENTRIES = 2**20
# What a half of the network is run on at once: no layer is much wider than a row.
_MAX_ROWS_AT_ONCE, _MAX_ENTRIES_AT_ONCE = 2048, 2**21


class Batch(NamedTuple):
    """Rows in the units of the data and in those of the network, and what counts in them.

    What goes into the network instead of them, if anything does, is in its units.
    """

    x: Tensor
    target: Tensor
    weight: Tensor | None = None
    observed: Tensor | None = None
    labels: Tensor | None = None
    corrupted: Tensor | None = None

    def split(self, sizes: list[int]) -> Iterator["Batch"]:
        """Give parts of these numbers of rows."""
        parts = [repeat(None) if part is None else torch.split(part, sizes) for part in self]
        return (Batch(*part) for part in zip(*parts, strict=False))

    @property
    def total_weight(self) -> Tensor | int:
        """What the batch weighs among others: its number of rows unless they have weights."""
        return self.x.shape[0] if self.weight is None else self.weight.sum()


class Rows(Dataset):
    """Rows of an array, with what counts in them; for skorch, a dataset.

    Nothing is copied but the rows of a batch: sparse, integer and memory-mapped rows become
    dense floats when they are read.

    Parameters
    ----------
    source : {ndarray, CSR matrix, CSR array} of shape (n_rows, n_features)
    y : None
        Present for skorch: a row is its own target.
    index : ndarray of int of shape (n_samples,), default=None
        Which rows of the source these are; None is all of them.
    sample_weight : ndarray of shape (n_rows,), default=None
        Weight of each row of the source.
    observed : ndarray of bool of shape (n_rows, n_features), default=None
        Which entries of the source are known. It does not matter what stands in the others.
    labels : ndarray of shape (n_rows, n_columns), default=None
        What is to be predicted of each row of the source, NaN where that is not known.
    corrupted : {ndarray, CSR matrix, CSR array} of shape (n_rows, n_features), default=None
        What goes into the network instead of each row of the source, which stays the target. It is
        not finite only where nothing is observed.
    """

    def __init__(
        self,
        source: Matrix,
        y: None = None,
        *,
        index: NDArray[np.intp] | None = None,
        sample_weight: NDArray | None = None,
        observed: NDArray[np.bool_] | None = None,
        labels: NDArray | None = None,
        corrupted: Matrix | None = None,
    ) -> None:
        self.source = source
        self.index = index
        self.sample_weight = sample_weight
        self.observed = observed
        self.labels = labels
        self.corrupted = corrupted

    def __len__(self) -> int:
        return self.source.shape[0] if self.index is None else len(self.index)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Give one row as input and target."""
        (batch,) = self.subset(np.array([position])).batches(1)
        return batch.x[0], batch.x[0]

    # What skorch's callbacks look at; a copy where these are some of the rows.

    @property
    def X(self) -> Matrix:
        """The rows, in the container that they came in."""
        return self.source if self.index is None else self.source[self.index]

    @property
    def y(self) -> Matrix:
        """Their targets: themselves."""
        return self.X

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.source.shape[1]

    @property
    def weight(self) -> Tensor | None:
        """Weight of each row."""
        if self.sample_weight is None:
            return None
        return torch.from_numpy(self.sample_weight[... if self.index is None else self.index])

    def having(self, **attributes: object) -> Self:
        """Give the same rows with other attributes."""
        rows = copy(self)
        rows.__dict__.update(attributes)
        return rows

    def subset(self, positions: NDArray[np.intp]) -> Self:
        """Give the rows at some positions."""
        return self.having(index=positions if self.index is None else self.index[positions])

    def batches(
        self,
        sizes: int | Sequence[int],
        order: NDArray[np.intp] | None = None,
        *,
        device: str = "cpu",
        rescale: Rescale | None = None,
        fill: Tensor | None = None,
    ) -> Iterator[Batch]:
        """Give the rows in batches.

        Parameters
        ----------
        sizes : int or sequence of int
            Rows in each batch, as `batch_sizes` gives them for one number.
        order : ndarray of int of shape (n_drawn,), default=None
            The positions of the rows in the order in which they come.
        device : str, default="cpu"
            Where the batches are to be.
        rescale : Rescale, default=None
            Takes rows to the units of the network. None leaves the target in those of the data.
        fill : Tensor of shape () or (n_features,), default=None
            What stands where nothing was observed, in the units of the data. None is the mean
            that `rescale` knows.

        Yields
        ------
        batch : Batch
        """
        if isinstance(sizes, int):
            sizes = batch_sizes(len(self), sizes)
        if fill is None and rescale is not None:
            fill = rescale.typical[0]
        index = self.index if order is None else self.subset(order).index
        start = 0
        for chunk_sizes in _chunks(sizes, self.n_features):
            stop = start + sum(chunk_sizes)
            chunk = self.read(
                slice(start, stop) if index is None else index[start:stop], device, fill
            )
            if rescale is not None:
                corrupted = None if chunk.corrupted is None else rescale(chunk.corrupted)
                chunk = chunk._replace(target=rescale(chunk.x), corrupted=corrupted)
            yield from chunk.split(chunk_sizes)
            del chunk  # before the next is read beside it
            start = stop

    def read(
        self, index: slice | NDArray[np.intp], device: str = "cpu", fill: Tensor | None = None
    ) -> Batch:
        """Give rows of the source, in the units of the data, as `batches` does."""
        x = on_device(as_tensor(self.source[index]), device)
        corrupted = None
        if self.corrupted is not None:
            corrupted = on_device(as_tensor(self.corrupted[index]), device)
        weight, observed, labels = (
            None if other is None else on_device(_from_numpy(other[index]), device)
            for other in (self.sample_weight, self.observed, self.labels)
        )
        if observed is not None and fill is not None:
            x = torch.where(observed, x, fill.to(x))
            if corrupted is not None:
                corrupted = torch.where(corrupted.isfinite(), corrupted, fill.to(corrupted))
        return Batch(x, x, weight, observed, labels, corrupted)


def on_device(tensor: Tensor, device: str) -> Tensor:
    """Give a tensor on a device; mps has no float64."""
    if device == "mps" and tensor.dtype == torch.float64:
        tensor = tensor.float()
    return tensor.to(device)


def float_dtype(dtype: DTypeLike) -> type[np.floating]:
    """Give the dtype that numbers of a dtype are read in: float32 where it holds all of them.

    Others are read in float64, so that an offset can be taken away before digits are lost.
    """
    return np.float32 if np.can_cast(dtype, np.float32) else np.float64


def as_tensor(rows: Matrix) -> Tensor:
    """Give rows as a dense tensor of floats, without a copy where they are one already."""
    dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
    if dense.dtype in (np.float32, np.float64) and dense.flags.carray:
        return torch.from_numpy(dense)
    return _from_numpy(dense, float_dtype(dense.dtype))


def _from_numpy(array: NDArray, dtype: DTypeLike | None = None) -> Tensor:
    # Torch warns of arrays that are read-only.
    return torch.from_numpy(np.require(array, dtype, ["C", "W"]))


def rows_at_once(n_features: int) -> int:
    """Give how many rows of a width are looked at, or run through a network, at once."""
    return max(1, min(_MAX_ROWS_AT_ONCE, _MAX_ENTRIES_AT_ONCE // n_features))


def n_batches(n_samples: int, batch_size: int) -> int:
    """Give the number of batches that rows come in."""
    return len(batch_sizes(n_samples, batch_size))


def batch_sizes(n_samples: int, batch_size: int) -> list[int]:
    """Give how many rows each batch has.

    A last one of one row joins the one before, since layers that normalise over a batch can't
    train on it.
    """
    n_full, left = divmod(n_samples, batch_size)
    sizes = [batch_size] * n_full
    if left == 1 and n_full:
        sizes[-1] += 1
    elif left:
        sizes.append(left)
    return sizes


def _chunks(sizes: Sequence[int], n_features: int) -> Iterator[list[int]]:
    """Give the sizes of the batches that are read at once."""
    chunk: list[int] = []
    n_entries = 0
    for size in sizes:
        if chunk and n_entries + size * n_features > _CHUNK_ENTRIES:
            yield chunk
            chunk, n_entries = [], 0
        chunk.append(size)
        n_entries += size * n_features
    if chunk:
        yield chunk
