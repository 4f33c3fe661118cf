"""Batches hold the rows, whatever holds those, and no more than a chunk of them is converted."""

from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, csr_matrix
from sklearn.datasets import load_digits
from sklearn.utils._testing import create_memmap_backed_data

from sklearn_ae._training import batches
from sklearn_ae._training.batches import Batch, Rows, as_tensor, n_batches


@pytest.fixture(name="X")
def _X():
    return load_digits().data[:101]


def _joined(rows, batch_size, **options):
    return torch.cat([batch.x for batch in rows.batches(batch_size, **options)]).numpy()


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100, 101, 500])
def test_batches_hold_all_rows_in_order(X, batch_size):
    np.testing.assert_array_equal(_joined(Rows(X), batch_size), X)


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "expected"),
    [
        (10, 5, [5, 5]),
        (12, 5, [5, 5, 2]),
        (11, 5, [5, 6]),
        (3, 5, [3]),
        (6, 5, [6]),
        (1, 5, [1]),
        (3, 1, [1, 1, 1]),
        (5, 2, [2, 3]),
    ],
)
def test_a_last_batch_of_one_row_joins_the_one_before(X, n_samples, batch_size, expected):
    sizes = [len(batch.x) for batch in Rows(X[:n_samples]).batches(batch_size)]
    assert sizes == expected


@given(
    n_samples=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    entries=st.integers(1, 60),
    shuffled=st.booleans(),
)
def test_batches_do_not_depend_on_how_many_rows_are_converted_at_once(
    n_samples, batch_size, entries, shuffled
):
    rows = Rows(np.arange(3.0 * n_samples).reshape(n_samples, 3))
    order = np.random.default_rng(0).permutation(n_samples) if shuffled else None
    at_once = [batch.x.tolist() for batch in rows.batches(batch_size, order)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(batches, "_CHUNK_ENTRIES", entries)
        in_chunks = [batch.x.tolist() for batch in rows.batches(batch_size, order)]
    assert in_chunks == at_once
    assert len(at_once) == n_batches(n_samples, batch_size)
    # Never a batch of one row where there might be two, and never many more than asked for.
    sizes = [len(batch) for batch in at_once]
    assert batch_size == 1 or n_samples == 1 or min(sizes) > 1
    assert max(sizes) <= batch_size + 1
    assert len(sizes) in {ceil(n_samples / batch_size), ceil(n_samples / batch_size) - 1}


def test_rows_come_in_the_order_asked_for(X):
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(_joined(Rows(X), 8, order=order), X[order])


def test_a_subset_of_a_subset_is_of_the_same_rows(X):
    rows = Rows(X).subset(np.arange(0, 100, 2)).subset(np.array([3, 1]))
    assert len(rows) == 2
    np.testing.assert_array_equal(_joined(rows, 8), X[[6, 2]])


def test_an_order_is_within_the_subset(X):
    rows = Rows(X, index=np.array([5, 6, 7]))
    np.testing.assert_array_equal(_joined(rows, 8, order=np.array([2, 0, 1])), X[[7, 5, 6]])


def test_weights_and_observed_entries_come_with_their_rows(X):
    weight, observed = np.arange(101.0), X > 5
    rows = Rows(X, sample_weight=weight, observed=observed).subset(np.array([9, 3, 40]))
    (batch,) = rows.batches(5)
    assert batch.weight.tolist() == [9, 3, 40]
    np.testing.assert_array_equal(batch.observed.numpy(), X[[9, 3, 40]] > 5)


def test_a_batch_weighs_the_sum_of_its_weights_or_its_rows():
    x = torch.zeros(3, 2)
    assert Batch(x, x).total_weight == 3
    assert Batch(x, x, torch.tensor([1.0, 0.0, 0.5])).total_weight == 1.5


def test_a_row_is_its_own_target(X):
    x, target = Rows(X)[7]
    np.testing.assert_array_equal(x.numpy(), X[7])
    assert torch.equal(x, target)


@pytest.mark.parametrize("container", [csr_array, csr_matrix])
def test_sparse_rows_become_dense(X, container):
    np.testing.assert_array_equal(_joined(Rows(container(X)), 8), X)


def test_memory_mapped_rows_are_read(X):
    np.testing.assert_array_equal(_joined(Rows(create_memmap_backed_data(X)), 8), X)


def test_a_batch_can_be_written_to_where_the_rows_can_not(X):
    X.setflags(write=False)
    (batch,) = Rows(X).batches(500)
    batch.x.add_(1)
    np.testing.assert_array_equal(batch.x.numpy(), X + 1)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float32, torch.float32),
        (np.float64, torch.float64),
        (">f4", torch.float32),
        (">f8", torch.float64),
        (np.float16, torch.float32),
        (np.longdouble, torch.float64),
        (bool, torch.float32),
        (np.uint8, torch.float32),
        (np.int16, torch.float32),
        (np.int32, torch.float64),
        (np.int64, torch.float64),
        (np.uint64, torch.float64),
    ],
)
def test_rows_become_floats_that_hold_them_exactly(dtype, expected):
    values = np.array([[0, 1, 100]]).astype(dtype)
    tensor = as_tensor(values)
    assert tensor.dtype == expected
    np.testing.assert_array_equal(tensor.numpy(), values)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_large_integers_keep_all_their_digits(dtype):
    values = np.array([[2**31 - 1, 2**31 - 2]], dtype=dtype)
    np.testing.assert_array_equal(as_tensor(values).numpy(), values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_floats_are_not_copied(X, dtype):
    X = X.astype(dtype)
    assert np.shares_memory(as_tensor(X).numpy(), X)
    batch = next(Rows(X).batches(8))
    assert np.shares_memory(batch.x.numpy(), X)


@pytest.mark.parametrize("order", [None, np.arange(1000)[::-1]])
def test_no_more_than_a_chunk_is_converted_at_once(monkeypatch, order):
    class Counted:
        shape = (1000, 10)
        longest = 0

        def __getitem__(self, index):
            part = np.ones(self.shape, np.uint8)[index]
            self.longest = max(self.longest, len(part))
            return part

    monkeypatch.setattr(batches, "_CHUNK_ENTRIES", 400)
    X = Counted()
    assert len(_joined(Rows(X), 16, order=order)) == 1000
    assert X.longest <= 40
