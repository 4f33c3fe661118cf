"""Units of the network, there and back."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sklearn_ae.nn import Rescale


@pytest.fixture(name="table")
def _table():
    return load_breast_cancer().data


def test_it_standardises_as_standard_scaler_does(table):
    scaler = StandardScaler().fit(table)
    rescale = Rescale(torch.from_numpy(scaler.mean_), torch.from_numpy(scaler.scale_))
    expected = scaler.transform(table)
    np.testing.assert_allclose(rescale(torch.from_numpy(table)).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("scale", [torch.tensor(3.0), torch.linspace(0.1, 100, 30)])
def test_inverse_undoes_it(table, scale):
    rescale = Rescale(torch.from_numpy(table.mean(axis=0)), scale.double())
    x = torch.from_numpy(table)
    torch.testing.assert_close(rescale.inverse(rescale(x)), x)


def test_a_large_offset_costs_no_digits_of_float64_rows(table):
    offset = 1e8
    far = Rescale(torch.from_numpy(table.mean(axis=0) + offset), torch.tensor(7.0))
    near = Rescale(torch.from_numpy(table.mean(axis=0)), torch.tensor(7.0))
    x = torch.from_numpy(table)
    torch.testing.assert_close(far(x + offset), near(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", [torch.float32, torch.float64])
@pytest.mark.parametrize("network", [torch.float32, torch.float64])
def test_rows_arrive_in_the_dtype_of_the_network(rows, network):
    rescale = Rescale(torch.zeros(3, dtype=torch.float64), torch.tensor(2.0, dtype=network))
    assert rescale(torch.ones(2, 3, dtype=rows)).dtype == network


def test_the_units_are_part_of_the_state():
    rescale = Rescale(torch.tensor([1.0, 2.0]), torch.tensor(3.0))
    other = Rescale(torch.zeros(2), torch.tensor(1.0))
    other.load_state_dict(rescale.state_dict())
    assert other.scale == 3
    assert other.shift.tolist() == [1, 2]


def test_rows_are_new_ones_even_where_nothing_changes(table):
    table = torch.from_numpy(table)
    rescale = Rescale(torch.zeros(30, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))
    for given in (rescale(table), rescale.inverse(table)):
        assert torch.equal(given, table)
        assert given.data_ptr() != table.data_ptr()


def test_without_copies_nothing_is_done_where_nothing_changes(table):
    table = torch.from_numpy(table)
    zeros, one = torch.zeros(30, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    rescale = Rescale(zeros, one, copy=False)
    assert rescale(table) is table
    assert rescale.inverse(table) is table
    assert torch.equal(Rescale(zeros, 2 * one, copy=False)(table), table / 2)
    assert torch.equal(Rescale(zeros + 1, one, copy=False)(table), table - 1)


def test_a_loaded_state_decides_whether_something_changes(table):
    table = torch.from_numpy(table)
    zeros, one = torch.zeros(30, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    does, does_not = Rescale(zeros, 2 * one, copy=False), Rescale(zeros, one, copy=False)
    states = does.state_dict(), does_not.state_dict()
    first, second = ({name: v.clone() for name, v in state.items()} for state in states)
    does.load_state_dict(second)
    does_not.load_state_dict(first)
    assert torch.equal(does(table), table)
    assert torch.equal(does_not(table), table / 2)


@pytest.mark.parametrize("network", [torch.float32, torch.float64])
def test_rows_may_keep_their_own_dtype_inside(network):
    rescale = Rescale(torch.ones(3, dtype=torch.float64), torch.tensor(2.0), network)
    x = torch.full((2, 3), 1 + 1e-12, dtype=torch.float64)
    assert rescale.inside(x).dtype == torch.float64
    torch.testing.assert_close(rescale.inside(x), (x - 1) / 2, rtol=0, atol=0)


def test_what_is_typical_is_known_in_both_units(table):
    typical = np.stack([table.mean(axis=0), table.min(axis=0), table.max(axis=0)])
    scaler = StandardScaler().fit(table)
    rescale = Rescale(
        torch.from_numpy(scaler.mean_),
        torch.from_numpy(scaler.scale_),
        typical=torch.from_numpy(typical),
    )
    np.testing.assert_array_equal(rescale.typical.numpy(), typical)
    expected = scaler.transform(typical)
    np.testing.assert_allclose(rescale.typical_inside.numpy(), expected, atol=1e-12)


def test_the_shift_is_typical_where_nothing_else_is_known():
    rescale = Rescale(torch.tensor([1.0, 2.0]), torch.tensor(3.0))
    assert rescale.typical.tolist() == [[1, 2]] * 3
    assert not rescale.typical_inside.any()


def test_a_loaded_state_says_what_is_typical():
    of_rows = torch.tensor([[1.0, 2.0], [0.0, 0.0], [4.0, 8.0]])
    rescale = Rescale(torch.tensor([1.0, 2.0]), torch.tensor(2.0), typical=of_rows)
    other = Rescale(torch.zeros(2), torch.tensor(1.0))
    other.load_state_dict(rescale.state_dict())
    assert torch.equal(other.typical, of_rows)
    assert other.typical_inside.tolist() == [[0, 0], [-0.5, -1], [1.5, 3]]


@pytest.mark.parametrize("power", [-140, -120, 60, 122])
def test_units_that_float32_does_not_hold_serve_float32_rows(power):
    """Down to its last numbers, which have fewer digits, and up to differences beyond it."""
    rows = torch.tensor([[-16.0, 0.0, 3.0], [16.0, 8.0, 5.0]])
    near = Rescale(torch.tensor([16.0, 2.0, 4.0]).double(), torch.tensor(3.0).double())
    far = Rescale(near.shift * 2.0**power, near.scale * 2.0**power)
    scaled = (rows.double() * 2.0**power).float()

    inside = far(scaled).float()

    torch.testing.assert_close(inside, near(rows).float(), rtol=1e-6, atol=0)
    torch.testing.assert_close(far.inverse(inside), scaled, rtol=1e-6, atol=2.0 ** (power - 20))


def test_units_beyond_the_dtype_of_rows_leave_nothing_of_them():
    rescale = Rescale(torch.zeros(2).double(), torch.tensor(1e-170, dtype=torch.float64))
    rows = torch.tensor([[1.0, -1.0]])

    assert rescale(rows.double() * 1e-170).tolist() == [[1, -1]]
    assert rescale(torch.zeros(1, 2)).tolist() == [[0, 0]]
    assert rescale.inverse(rows).tolist() == [[0, 0]]
