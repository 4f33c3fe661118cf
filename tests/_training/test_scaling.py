"""Units of the network against scikit-learn's scalers."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.preprocessing import StandardScaler, minmax_scale

from sklearn_ae._training.batches import Rows
from sklearn_ae._training.scaling import units_for
from sklearn_ae._training.statistics import moments
from sklearn_ae.nn import OUTPUT_ACTIVATIONS


@pytest.fixture(name="table")
def _table():
    return load_breast_cancer().data


def _units(X, scaling, *, output_activation="identity"):
    output = OUTPUT_ACTIVATIONS[output_activation]
    return units_for(scaling, moments(Rows(X)), data_dtype=X.dtype, output=output)


def _inside(X, scaling, *, output_activation="identity"):
    """Give rows in the units of the network."""
    rescale = _units(X, scaling, output_activation=output_activation).rescale(torch.float64)
    return rescale(torch.from_numpy(X.astype(float))).numpy()


def test_global_centres_each_feature_and_keeps_their_proportions(table):
    inside = _inside(table, "global")
    np.testing.assert_allclose(inside.mean(axis=0), 0, atol=1e-9)
    proportions = inside.std(axis=0) / table.std(axis=0)
    np.testing.assert_allclose(proportions, proportions[0])


def test_global_makes_the_mean_variance_one(table):
    assert _inside(table, "global").var(axis=0).mean() == pytest.approx(1)


def test_global_units_do_not_depend_on_those_of_the_data(table):
    np.testing.assert_allclose(
        _inside(1000 * table + 5, "global"), _inside(table, "global"), atol=1e-9
    )


def test_standard_is_standard_scaler(table):
    expected = StandardScaler().fit_transform(table)
    np.testing.assert_allclose(_inside(table, "standard"), expected, atol=1e-9)


def test_standard_leaves_a_constant_feature_at_zero(table):
    X = np.column_stack([table, np.full(len(table), 0.1)])
    np.testing.assert_allclose(_inside(X, "standard"), StandardScaler().fit_transform(X), atol=1e-9)


def test_standard_leaves_a_constant_feature_of_many_rows_at_zero():
    X = np.random.default_rng(0).standard_normal((5000, 2))
    X[:, 1] = 0.1
    assert np.abs(_inside(X, "standard")[:, 1]).max() < 1e-9


@pytest.mark.parametrize("offset", [-7.0, 0.0, 1e3])
def test_range_is_one_map_of_all_features_to_zero_and_one(table, offset):
    expected = minmax_scale(table.ravel()).reshape(table.shape)
    np.testing.assert_allclose(_inside(table + offset, "range"), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_range_of_unsigned_images_is_that_of_their_type(dtype):
    X = load_digits().data.astype(dtype)
    np.testing.assert_allclose(_inside(X, "range"), X / np.iinfo(dtype).max)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint32])
def test_range_of_other_integers_is_that_of_their_values(dtype):
    X = load_digits().data.astype(dtype)
    np.testing.assert_allclose(_inside(X, "range"), X / 16)


def test_none_leaves_rows_as_they_are(table):
    np.testing.assert_array_equal(_inside(table, None), table)


@pytest.mark.parametrize(
    ("output_activation", "dtype", "scaling"),
    [
        ("identity", np.float64, "global"),
        ("identity", np.uint8, "global"),
        ("sigmoid", np.float32, None),
        ("sigmoid", np.uint8, "range"),
        ("sigmoid", np.int64, "range"),
    ],
)
def test_auto_follows_from_output_and_data(output_activation, dtype, scaling):
    X = load_digits().data.astype(dtype)
    np.testing.assert_array_equal(
        _inside(X, "auto", output_activation=output_activation), _inside(X, scaling)
    )


@pytest.mark.parametrize(
    ("scaling", "output_activation"), [("spread", "identity"), ("auto", "softplus")]
)
def test_spread_and_auto_for_positive_outputs_keep_zero(table, scaling, output_activation):
    inside = _inside(table, scaling, output_activation=output_activation)
    np.testing.assert_allclose(inside, table / np.sqrt(table.var(axis=0).mean()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_scale_has_the_dtype_of_the_network_and_the_shift_all_digits(table, dtype):
    rescale = _units(table, "global").rescale(dtype)
    assert rescale.dtype == dtype
    np.testing.assert_allclose(rescale.shift.numpy(), table.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("scaling", ["global", "standard", "range", "spread", None])
def test_units_know_what_is_typical_of_each_feature_in_the_units_of_the_data(table, scaling):
    expected = [table.mean(axis=0), table.min(axis=0), table.max(axis=0)]
    typical = _units(table, scaling).rescale(torch.float32).typical
    np.testing.assert_allclose(typical.numpy(), expected, rtol=1e-12)
