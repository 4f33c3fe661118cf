"""Dtypes and containers of rows: what goes in decides what comes out, and no whole copy is made."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
import torch
from _testing import OUTPUTS, LargestTensor, having, with_parameters
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import r2_score

from sklearn_ae._training.losses import LOSSES

METHODS = ["transform", "reconstruct"]
# By what holds them exactly: float32, or float64 at least to its own rounding.
NARROW = ["bool", "uint8", "int8", "uint16", "int16", "float16", "float32", ">i2", ">f4"]
WIDE = ["int32", "uint32", "int64", "uint64", ">i8", "float64", ">f8", "longdouble", "object"]
ERRORS = ["reconstruction_error", "score_samples"]
SPARSE = [
    getattr(scipy.sparse, f"{name}_{kind}")
    for name in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    for kind in ("array", "matrix")
]


def memory(function, *args):
    """Give the bytes that numpy held at most in a call, and the entries of the largest tensor."""
    tracemalloc.start()
    try:
        with LargestTensor() as largest:
            function(*args)
        return tracemalloc.get_traced_memory()[1], largest.n_entries
    finally:
        tracemalloc.stop()


# Dtypes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_keep_their_dtype(autoencoder, digits, dtype, precision, method):
    X = digits.astype(dtype)
    fitted = with_parameters(autoencoder, precision=precision).fit(X)

    assert getattr(fitted, method)(X).dtype == dtype


@pytest.mark.parametrize("method", ERRORS)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "float64"])
def test_errors_are_in_float64_for_rows_of_every_dtype(autoencoder, digits, dtype, method):
    X = digits.astype(dtype)

    assert getattr(autoencoder.fit(X), method)(X).dtype == np.float64


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [*NARROW, *WIDE])
def test_what_float32_holds_gives_float32_and_all_else_float64(autoencoder, digits, dtype, method):
    X = (digits > 8 if dtype == "bool" else digits).astype(dtype)

    given = getattr(autoencoder.fit(X), method)(X)

    assert given.dtype == (np.float32 if dtype in NARROW else np.float64)
    assert given.dtype.isnative


@pytest.mark.parametrize("dtype", [*NARROW, *WIDE])
def test_codes_keep_to_the_rule_of_rows(autoencoder, digits, dtype):
    codes = autoencoder.fit(digits).transform(digits).clip(0, 9).astype(dtype)

    rows = autoencoder.inverse_transform(codes)

    assert rows.dtype == (np.float32 if dtype in NARROW else np.float64)
    assert_array_equal(rows, autoencoder.inverse_transform(codes.astype(rows.dtype)))


def test_float64_loses_nothing_in_float64(autoencoder, digits):
    """An offset of 1e9 leaves seven digits in float64 and none in float32."""
    fitted = with_parameters(autoencoder, precision="float64").fit(digits + 1e9)

    expected = clone(autoencoder).fit(digits).score(digits)
    assert fitted.score(digits + 1e9) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("dtype", NARROW)
def test_small_numbers_are_read_as_float32(autoencoder, digits, dtype):
    X = (digits > 8 if dtype == "bool" else digits).astype(dtype)

    codes = autoencoder.fit_transform(X)

    assert_array_equal(codes, clone(autoencoder).fit_transform(X.astype(np.float32)))


@pytest.mark.parametrize("dtype", WIDE)
def test_large_numbers_are_read_as_float64(autoencoder, digits, dtype):
    codes = autoencoder.fit_transform(digits.astype(dtype))

    assert_array_equal(codes, clone(autoencoder).fit_transform(digits))


@pytest.mark.parametrize("dtype", WIDE)
def test_digits_that_float32_has_not_are_in_what_is_rebuilt(autoencoder, digits, dtype):
    """Julian dates, a day apart: float32 has a quarter of a day left of them."""
    dates = 2_460_000 + digits
    fitted = autoencoder.fit(dates)

    assert_array_equal(fitted.reconstruct(dates.astype(dtype)), fitted.reconstruct(dates))


def test_large_integers_keep_digits_that_float32_has_not(autoencoder, digits):
    X = digits.astype(np.int64) + 2**40

    expected = clone(autoencoder).fit(digits).score(digits)
    assert autoencoder.fit(X).score(X) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32"])
def test_a_fitted_one_gives_the_same_codes_in_every_dtype(autoencoder, digits, dtype):
    fitted = autoencoder.fit(digits)

    assert_allclose(
        fitted.transform(digits.astype(dtype)), fitted.transform(digits), rtol=1e-4, atol=1e-5
    )


# The smallest and the greatest

# Powers of two, which take no digit from digits: 1e-29, 1e20 and 1e36 in float32, 1e-140 and
# 1e140 in float64.
POWERS = [("float32", -96), ("float32", 66), ("float32", 120), ("float64", -465), ("float64", 465)]
every_power = pytest.mark.parametrize(("dtype", "power"), POWERS)


@every_power
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_unit_of_rows_does_not_matter_to_what_is_made_of_them(
    autoencoder, digits, precision, dtype, power
):
    X = digits.astype(dtype)
    expected = with_parameters(clone(autoencoder), precision=precision).fit(X)

    fitted = with_parameters(autoencoder, precision=precision).fit(np.ldexp(X, power))

    scaled = np.ldexp(X, power)
    near = {"rtol": 1e-4, "atol": 1e-3}
    assert_allclose(fitted.transform(scaled), expected.transform(X), **near)
    assert_allclose(np.ldexp(fitted.reconstruct(scaled), -power), expected.reconstruct(X), **near)
    assert fitted.score(scaled) == pytest.approx(expected.score(X), rel=1e-4)


@every_power
@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_errors_have_the_unit_of_rows_as_the_loss_has(
    autoencoder, digits, loss, per_feature, dtype, power
):
    X, degree = digits.astype(dtype), LOSSES[loss].degree
    output = OUTPUTS.get(loss, "identity")
    scaling = "range" if loss in OUTPUTS else "global"
    with_parameters(autoencoder, loss=loss, output_activation=output, scaling=scaling)
    expected = clone(autoencoder).fit(X).reconstruction_error(X, per_feature=per_feature)

    scaled = np.ldexp(X, power)
    errors = autoencoder.fit(scaled).reconstruction_error(scaled, per_feature=per_feature)

    assert_allclose(np.ldexp(errors, -degree * power), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore:.*of the codes are of no use:UserWarning")
@every_power
def test_a_network_in_the_units_of_rows_has_their_errors_too(autoencoder, digits, dtype, power):
    """Squares of 1e-29 are none in float32, where the network works."""
    with_parameters(autoencoder, scaling=None)
    X = np.ldexp(digits, power).astype(dtype)
    if power > 0:
        pytest.skip("training is in float32, which does not hold the squares")

    errors = autoencoder.fit(X).reconstruction_error(X)

    rebuilt = autoencoder.reconstruct(X).astype(np.float64)
    assert_allclose(errors, np.square(rebuilt - X).mean(axis=1), rtol=1e-4)
    assert errors.min() > 0


@pytest.mark.parametrize("power", [-96, 61])
def test_a_loss_of_ones_own_has_errors_that_float32_does_not_hold(autoencoder, digits, power):
    X = digits.astype(np.float32)
    fitted = with_parameters(autoencoder, loss=lambda output, target: (output - target) ** 2)
    scaled = np.ldexp(X, power)
    fitted.fit(X if power > 0 else scaled)  # it trains in float32, in the units of the data

    errors = fitted.reconstruction_error(scaled)

    rebuilt = fitted.reconstruct(scaled).astype(np.float64)
    assert_allclose(errors, np.square(rebuilt - scaled).mean(axis=1), rtol=1e-3)
    assert errors.min() > 0


@pytest.mark.parametrize("power", [-480, 480])
def test_the_score_is_that_of_r2_score_where_that_has_squares(autoencoder, digits, power):
    X = np.ldexp(digits, power)
    fitted = autoencoder.fit(X)

    expected = r2_score(X, fitted.reconstruct(X), multioutput="variance_weighted")

    assert fitted.score(X) == pytest.approx(expected)


def test_the_score_is_one_of_rows_and_not_of_their_squares(autoencoder, digits):
    """Of 1e-160, whose squares have three digits left, and r2_score six of its own."""
    fitted = autoencoder.fit(np.ldexp(digits, -532))

    rebuilt = np.ldexp(fitted.reconstruct(np.ldexp(digits, -532)), 532)
    expected = r2_score(digits, rebuilt, multioutput="variance_weighted")
    assert fitted.score(np.ldexp(digits, -532)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("method", ERRORS)
def test_errors_below_float64_are_told_of(autoencoder, digits, method):
    X = np.ldexp(digits, -532)
    if method == "score_samples":
        with_parameters(autoencoder, loss="squared_error")  # of which it is made

    with pytest.raises(ValueError, match=r"below float64.*times a constant"):
        getattr(autoencoder.fit(X), method)(X)


# Containers


@pytest.mark.filterwarnings("ignore:Constructing a DIA matrix")
@pytest.mark.parametrize("container", SPARSE, ids=lambda container: container.__name__)
def test_sparse_rows_give_the_same_as_dense_ones(autoencoder, digits, container):
    X = container(digits)
    codes = clone(autoencoder).fit_transform(digits)

    fitted = autoencoder.fit(X)

    assert_array_equal(fitted.transform(X), codes)
    assert_array_equal(fitted.transform(digits), codes)
    assert fitted.score(X) == fitted.score(digits)
    assert_array_equal(fitted.score_samples(X), fitted.score_samples(digits))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_sparse_rows_keep_the_rule_of_dtypes(autoencoder, digits, dtype):
    X = scipy.sparse.csr_array(digits.astype(dtype))

    codes = autoencoder.fit_transform(X)

    assert codes.dtype == (np.float64 if dtype == "float64" else np.float32)


def test_sparse_rows_may_have_long_indices(autoencoder, digits):
    X = scipy.sparse.csr_array(digits)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)

    codes = autoencoder.fit_transform(X)

    assert_array_equal(codes, clone(autoencoder).fit_transform(digits))


def test_sparse_rows_serve_as_validation_rows(autoencoder, digits):
    sparse, dense = (
        clone(autoencoder).fit(digits, X_val=X_val)
        for X_val in (scipy.sparse.csr_array(digits[:40]), digits[:40])
    )

    assert sparse.validation_loss_curve_ == dense.validation_loss_curve_


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_a_read_only_memmap_gives_the_same_as_memory(autoencoder, digits, tmp_path, dtype, method):
    X = digits.astype(dtype)
    np.save(tmp_path / "digits.npy", X)
    mapped = np.load(tmp_path / "digits.npy", mmap_mode="r")

    fitted = getattr(autoencoder, method)(mapped)

    expected = getattr(clone(autoencoder), method)(X)
    assert_array_equal(fitted.transform(mapped), expected.transform(X))


@pytest.mark.parametrize("arrange", [np.asfortranarray, lambda X: np.repeat(X, 2, axis=0)[::2]])
def test_the_order_in_memory_does_not_matter(autoencoder, digits, arrange):
    codes = autoencoder.fit_transform(arrange(digits))

    assert_array_equal(codes, clone(autoencoder).fit_transform(digits))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_the_rows_are_left_as_they_were(autoencoder, digits, dtype):
    X = digits.astype(dtype)

    noise = {"noise": "salt_and_pepper", "noise_level": 0.5}
    autoencoder.set_params(**having(type(autoencoder), noise)).fit(X).partial_fit(X)
    autoencoder.score(X)

    assert_array_equal(X, digits)


# Memory


def many(digits):
    """32,000 rows of 512 features from 0 to 16: 16 times what is converted at once."""
    return np.tile(digits.astype(np.uint8), (160, 8))


def use(autoencoder, X):
    autoencoder.fit(X).transform(X)
    autoencoder.score(X)
    autoencoder.set_params(**having(type(autoencoder), {"early_stopping": False})).partial_fit(X)


@pytest.fixture(
    params=["uint8", "int64", "float32", "float64", "memmap", "csr_array", "csr_matrix"]
)
def rows(request, digits, tmp_path):
    X = many(digits)
    if request.param == "memmap":
        np.save(tmp_path / "rows.npy", X.astype(np.float64))
        return np.load(tmp_path / "rows.npy", mmap_mode="r")
    if request.param.startswith("csr"):
        return getattr(scipy.sparse, request.param)(X.astype(np.float32))
    return X.astype(request.param)


@pytest.mark.one_autoencoder
def test_no_whole_copy_of_the_rows_is_made(autoencoder, rows):
    changed = {"batch_size": 1000, "early_stopping": True, "max_epochs": 2, "n_iter_no_change": 1}
    autoencoder.set_params(**having(type(autoencoder), changed))
    n_entries = rows.shape[0] * rows.shape[1]

    n_bytes, largest = memory(use, autoencoder, rows)

    assert largest < n_entries / 4
    assert n_bytes < 4 * n_entries / 2  # half of what they take in float32


def test_the_measure_of_memory_sees_a_whole_copy(digits):
    X = many(digits)

    n_bytes, largest = memory(lambda: torch.from_numpy(X.astype(np.float32)).double())

    assert n_bytes >= 4 * X.size
    assert largest == X.size
