"""Data at the corners: missing entries, rows far out, weights, units, ranges, noise, memory."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from _testing import NOISES_OF_TABLES, OUTPUTS, LargestTensor, small
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.losses import LOSSES
from sklearn_ae._training.scaling import SCALINGS
from sklearn_ae._training.statistics import moments
from sklearn_ae.nn import OUTPUT_ACTIVATIONS

DIGITS = load_digits().data
X, X_VAL = DIGITS[:240], DIGITS[240:300]
WEIGHT = np.random.default_rng(2).exponential(size=len(X))

every_loss = pytest.mark.parametrize("loss", LOSSES)


def for_loss(loss, **parameters):
    """Give one with an output that suits a loss, and units that suit both."""
    scaling = "range" if loss in OUTPUTS else "auto"
    output = OUTPUTS.get(loss, "identity")
    return small(**{"loss": loss, "output_activation": output, "scaling": scaling, **parameters})


def assert_same(one, other):
    """Compare units, start, weights and losses of two fitted ones bit by bit."""
    of_one, of_other = (fitted.net_.module_.state_dict() for fitted in (one, other))
    assert all(torch.equal(of_one[name], of_other[name]) for name in of_other)
    for known in ("loss_curve_", "validation_loss_curve_", "pca_loss_", "best_loss_"):
        assert getattr(one, known) == getattr(other, known)


def quartic(output, target):
    return (output - target) ** 4


def named(parameters):
    """Give parameters as the name of a test, which is the same in every process."""
    return ", ".join(f"{name}={getattr(own, '__name__', own)}" for name, own in parameters.items())


# Missing entries

OBSERVED = np.random.default_rng(0).random(X.shape) < 0.8
OBSERVED_VAL = np.random.default_rng(1).random(X_VAL.shape) < 0.8
HIDDEN = {
    "zero": 0.0,
    "a code for missing": -999.0,
    "far out": 1e6,
    "beyond float32": 1e300,
    "the mean": X.mean(axis=0),
    "nan": np.nan,
    "inf": np.inf,
}
CONTAINERS = {
    "dense": np.asarray,
    "csr_array": csr_array,
    "csr_matrix": csr_matrix,
    "frame": pd.DataFrame,
}

every_hidden = pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
every_container = pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)


def hiding(hidden, rows=X, observed=OBSERVED):
    return np.where(observed, rows, hidden)


@every_container
@every_hidden
def test_what_stands_in_unobserved_entries_does_not_change_a_fit(hidden, container):
    expected = small().fit(X, observed=OBSERVED, X_val=X_VAL, observed_val=OBSERVED_VAL)

    fitted = small().fit(
        container(hiding(hidden)),
        observed=OBSERVED,
        X_val=container(hiding(hidden, X_VAL, OBSERVED_VAL)),
        observed_val=OBSERVED_VAL,
    )

    assert_same(fitted, expected)


@every_container
@every_hidden
def test_what_stands_in_unobserved_entries_does_not_change_partial_fits(hidden, container):
    expected = small().partial_fit(X, observed=OBSERVED).partial_fit(X_VAL, observed=OBSERVED_VAL)

    fitted = small().partial_fit(container(hiding(hidden)), observed=OBSERVED)
    fitted.partial_fit(container(hiding(hidden, X_VAL, OBSERVED_VAL)), observed=OBSERVED_VAL)

    assert_same(fitted, expected)


@every_container
@every_hidden
def test_what_stands_in_unobserved_entries_does_not_change_what_is_made_of_rows(hidden, container):
    fitted = small().fit(container(X))
    rows = container(hiding(hidden))

    assert_array_equal(
        fitted.reconstruct(rows, observed=OBSERVED),
        fitted.reconstruct(container(X), observed=OBSERVED),
    )
    for per_feature in (False, True):
        assert_array_equal(
            fitted.reconstruction_error(rows, observed=OBSERVED, per_feature=per_feature),
            fitted.reconstruction_error(container(X), observed=OBSERVED, per_feature=per_feature),
        )
    assert fitted.score(rows, observed=OBSERVED, sample_weight=WEIGHT) == fitted.score(
        container(X), observed=OBSERVED, sample_weight=WEIGHT
    )


@pytest.mark.parametrize("hidden", [1e6, np.nan])
@pytest.mark.parametrize(
    "objective",
    [
        *({"loss": loss, "output_activation": OUTPUTS.get(loss, "identity")} for loss in LOSSES),
        *({"noise": noise} for noise in NOISES_OF_TABLES),
        {"loss": quartic, "lr": 1e-6},
        {"contractive_penalty": 1e-2, "sparsity_penalty": 1e-2, "trim": 0.1},
        {"early_stopping": True},
        {"linear_shortcut": False},
        {"precision": "float64"},
    ],
    ids=named,
)
def test_what_stands_in_unobserved_entries_does_not_matter_to_any_objective(objective, hidden):
    autoencoder = small(**{"noise_level": 0.3, **objective})

    fitted, expected = (
        AutoencoderTransformer(**autoencoder.get_params()).fit(rows / 16, observed=OBSERVED)
        for rows in (hiding(hidden), X)
    )

    assert_same(fitted, expected)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_what_stands_in_unobserved_entries_does_not_matter_to_any_units(scaling):
    fitted, expected = (
        small(scaling=scaling, lr=1e-4).fit(rows, observed=OBSERVED)
        for rows in (hiding(np.nan), hiding(-999))
    )

    assert_same(fitted, expected)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "longdouble"])
def test_the_greatest_number_of_a_dtype_may_stand_in_unobserved_entries(dtype):
    rows = X.astype(dtype)
    greatest = np.inf if rows.dtype.kind == "f" else np.iinfo(dtype).max

    fitted = small().fit(hiding(greatest, rows).astype(dtype), observed=OBSERVED)

    assert_same(fitted, small().fit(rows, observed=OBSERVED))


def test_the_units_are_those_of_the_observed_entries():
    fitted = small(scaling="standard").fit(hiding(np.nan), observed=OBSERVED)

    rescale, known = fitted.net_.module_.rescale, hiding(np.nan)
    deviation = np.nanstd(known, axis=0)
    assert_allclose(rescale.shift, np.nanmean(known, axis=0))
    assert_allclose(rescale.scale, np.where(deviation > 0, deviation, 1))


def test_the_start_is_pca_of_rows_with_means_for_what_was_not_observed():
    fitted = small(lr=1e-30).fit(hiding(np.nan), observed=OBSERVED)

    known = hiding(np.nan)
    filled = np.where(OBSERVED, X, np.nanmean(known, axis=0))
    pca = PCA(4, svd_solver="full").fit(filled)
    squares = (pca.inverse_transform(pca.transform(filled)) - known) ** 2
    expected = np.nanmean(squares, axis=1).mean() / np.nanvar(known, axis=0).mean()
    assert fitted.pca_loss_ == pytest.approx(expected, rel=1e-5)


def test_the_means_go_in_where_nothing_was_observed():
    fitted = small().fit(X)

    filled = np.where(OBSERVED, X, X.mean(axis=0))

    assert_allclose(
        fitted.reconstruct(hiding(np.nan), observed=OBSERVED), fitted.reconstruct(filled), atol=1e-4
    )


def with_nothing_observed(rows, observed):
    """Put rows of which nothing is observed between the others."""
    places = np.arange(0, len(rows), 4)
    return (
        np.insert(rows, places, 100.0, axis=0),
        np.insert(observed, places, False, axis=0),
        np.insert(np.ones(len(rows)), places, 3.0),
    )


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"noise": "gaussian"}])
def test_rows_with_nothing_observed_do_not_count_in_a_fit(parameters):
    rows, observed, _ = with_nothing_observed(X, OBSERVED)
    parameters = {"batch_size": "auto", **parameters}

    assert_same(
        small(**parameters).fit(rows, observed=observed),
        small(**parameters).fit(X, observed=OBSERVED),
    )


def test_rows_with_nothing_observed_do_not_count_in_partial_fits():
    rows, observed, _ = with_nothing_observed(X, OBSERVED)

    assert_same(
        small().partial_fit(rows, observed=observed).partial_fit(rows, observed=observed),
        small().partial_fit(X, observed=OBSERVED).partial_fit(X, observed=OBSERVED),
    )


def test_rows_with_nothing_observed_do_not_count_among_those_that_judge():
    X_val, observed_val, _ = with_nothing_observed(X_VAL, OBSERVED_VAL)

    assert_same(
        small().fit(X, X_val=X_val, observed_val=observed_val),
        small().fit(X, X_val=X_VAL, observed_val=OBSERVED_VAL),
    )


def test_rows_with_nothing_observed_do_not_count_in_the_score():
    fitted = small().fit(X)
    rows, observed, weight = with_nothing_observed(X, OBSERVED)

    assert fitted.score(rows, observed=observed, sample_weight=weight) == pytest.approx(
        fitted.score(X, observed=OBSERVED)
    )


@every_loss
@pytest.mark.parametrize("scaling", ["standard", "range", None])
def test_features_that_are_never_observed_leave_the_others_alone(loss, scaling):
    if scaling == "standard" and loss in OUTPUTS:
        scaling = "spread" if OUTPUTS[loss] == "softplus" else None
    unseen = [0, 20, 21, 63]
    observed = OBSERVED.copy()
    observed[:, unseen] = False
    rows = np.where(observed, X / 16, np.nan)

    fitted = for_loss(loss, scaling=scaling, lr=1e-3).fit(rows, observed=observed)

    assert np.isfinite(fitted.loss_curve_).all()
    assert fitted.best_epoch_ > 0
    error = fitted.reconstruction_error(rows, observed=observed, per_feature=True)
    assert_array_equal(np.isfinite(error), observed)
    assert np.isfinite(fitted.reconstruct(rows, observed=observed)).all()
    assert np.isfinite(fitted.score(rows, observed=observed))


def test_a_feature_that_is_never_observed_does_not_stretch_the_range():
    observed = np.ones(X.shape, dtype=bool)
    observed[:, 20] = False

    fitted = small(scaling="range").fit(X + 100, observed=observed)

    rescale = fitted.net_.module_.rescale
    assert (rescale.shift[0].item(), rescale.scale.item()) == (100, 16)


@every_container
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_what_is_observed_must_be_a_number(broken, container):
    fitted = small().fit(container(X))
    rows = X.copy()
    rows[7, 20] = broken
    everything = np.ones(X.shape, dtype=bool)
    rows, refused = container(rows), pytest.raises(ValueError, match="1 of the observed entries")

    with refused:
        small().fit(rows, observed=everything)
    with refused:
        small().fit(container(X), X_val=rows, observed_val=everything)
    for method in ("partial_fit", "reconstruct", "reconstruction_error", "score"):
        with refused:
            getattr(fitted, method)(rows, observed=everything)


@pytest.mark.parametrize("method", ["fit", "reconstruct", "reconstruction_error", "score"])
def test_without_being_told_so_a_missing_entry_is_an_error(method):
    with pytest.raises(ValueError, match="contains NaN"):
        getattr(small().fit(X), method)(hiding(np.nan))


def test_the_error_of_a_row_is_the_mean_over_what_was_observed():
    fitted = small(precision="float64").fit(X)
    rows = hiding(np.nan)

    error = fitted.reconstruction_error(rows, observed=OBSERVED)

    squares = (fitted.reconstruct(rows, observed=OBSERVED) - X) ** 2
    assert_allclose(error, [row[seen].mean() for row, seen in zip(squares, OBSERVED, strict=True)])
    of_entries = fitted.reconstruction_error(rows, observed=OBSERVED, per_feature=True)
    assert_allclose(of_entries, np.where(OBSERVED, squares, np.nan))


def test_a_row_of_which_nothing_was_observed_has_no_error():
    fitted, observed = small().fit(X), OBSERVED.copy()
    observed[7] = False

    with pytest.raises(ValueError, match=r"throughout row 7.*Leave such rows out"):
        fitted.reconstruction_error(X, observed=observed)
    of_entries = fitted.reconstruction_error(X, observed=observed, per_feature=True)
    assert_array_equal(np.isnan(of_entries), ~observed)


def share_explained(rows, output, observed, weight):
    """Give r2_score's "variance_weighted" over observed entries, in a loop."""
    left = total = 0.0
    for x, y, seen in zip(rows.T, output.T, observed.T, strict=True):
        if seen.any() and np.ptp(x[seen]) > 0:
            mean = np.average(x[seen], weights=weight[seen])
            left += weight[seen] @ (x[seen] - y[seen]) ** 2
            total += weight[seen] @ (x[seen] - mean) ** 2
    return 1 - left / total


@every_loss
@pytest.mark.parametrize("weighted", [False, True])
@every_container
def test_the_score_is_the_share_of_the_variance_of_what_was_observed(container, weighted, loss):
    fitted, weight = for_loss(loss).fit(container(X)), WEIGHT if weighted else None
    observed = OBSERVED.copy()
    observed[:, 20], observed[:, 30], observed[5, 30] = False, False, True
    rows = container(hiding(np.nan, observed=observed))

    score = fitted.score(rows, observed=observed, sample_weight=weight)

    output = fitted.reconstruct(rows, observed=observed)
    weight = np.ones(len(X)) if weight is None else weight
    assert score == pytest.approx(share_explained(X, output, observed, weight), rel=1e-5)


def test_arrays_that_are_read_only_are_taken_without_a_warning():
    rows, weight, observed = X.copy(), WEIGHT.copy(), OBSERVED.copy()
    for array in (rows, weight, observed):
        array.setflags(write=False)

    fitted = small().fit(rows, sample_weight=weight, observed=observed)
    fitted.partial_fit(rows, sample_weight=weight, observed=observed)
    fitted.score(rows, sample_weight=weight, observed=observed)
    fitted.reconstruct(rows, observed=observed)
    fitted.reconstruction_error(rows, observed=observed)

    assert_same(
        fitted,
        small()
        .fit(X, sample_weight=WEIGHT, observed=OBSERVED)
        .partial_fit(X, sample_weight=WEIGHT, observed=OBSERVED),
    )


# Rows far out

# Of an entry that is between 0 and 16 in all rows of the fit.
FAR = [8, 16.01, 17, 20, 100, 1e3, 1e6, 1e12, 1e20, 1e30, 1e37]
BEYOND_FLOAT32 = [1e38, 1e39, 1e45, 1e60, 1e100]


def with_entry(values, entry=20):
    """Give a digit once for each value that one of its entries is to have."""
    rows = np.repeat(X[:1], len(values), axis=0)
    rows[:, entry] = values
    return rows


@every_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_entry_is_less_typical_the_further_out_it_lies(precision, dtype, loss):
    fitted = for_loss(loss, precision=precision).fit(X.astype(dtype))

    scores = fitted.score_samples(with_entry(FAR).astype(dtype))

    assert np.isfinite(scores).all()
    assert (np.diff(scores) < 0).all()
    below = fitted.score_samples(with_entry(-np.array(FAR[1:])).astype(dtype))
    assert np.isfinite(below).all()
    assert (np.diff(below) < 0).all()


@every_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_row_alone_has_the_order_that_it_has_among_others(dtype, loss):
    fitted = for_loss(loss).fit(X)

    scores = [fitted.score_samples(row[None]) for row in with_entry(FAR).astype(dtype)]

    assert (np.diff(np.ravel(scores)) < 0).all()


@every_loss
def test_whole_rows_are_less_typical_the_further_out_they_lie(loss):
    fitted = for_loss(loss).fit(X.astype(np.float32))
    factors = np.array([2, 10, 1e5, 1e10, 1e20, 1e30, 1e37], dtype=np.float32)

    errors = fitted.reconstruction_error(X[:1].astype(np.float32) * factors[:, None])

    assert np.isfinite(errors).all()
    assert (np.diff(errors) > 0).all()


@every_loss
def test_the_errors_of_float32_rows_times_1e20_are_finite(loss):
    fitted = for_loss(loss).fit(X.astype(np.float32))

    near, far = (fitted.reconstruction_error(np.float32(by) * X.astype("f4")) for by in (1, 1e20))

    assert np.isfinite(far).all()
    assert far.min() > 1e10 * near.max()


NEAR_AND_FAR = np.concatenate([X[:40], 3 * X[:40], 1000 * X[:40]])


@every_loss
def test_the_errors_of_rows_far_out_are_the_same_in_every_dtype(loss):
    fitted = for_loss(loss).fit(X)

    of_float32 = fitted.reconstruction_error(NEAR_AND_FAR.astype(np.float32))

    assert_allclose(of_float32, fitted.reconstruction_error(NEAR_AND_FAR), rtol=1e-4)


@every_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_error_of_a_row_does_not_depend_on_how_far_out_another_lies(dtype, loss):
    fitted, rows = for_loss(loss).fit(X), NEAR_AND_FAR.astype(dtype)

    beside = fitted.reconstruction_error(np.append(rows, np.full((1, 64), 1e37, dtype), axis=0))

    assert_allclose(beside[:-1], fitted.reconstruction_error(rows), rtol=1e-4)


@every_loss
@pytest.mark.parametrize("scaling", ["range", None])
def test_the_entries_of_rows_far_out_have_finite_errors(scaling, loss):
    fitted = for_loss(loss, scaling=scaling).fit(X / 16)

    errors = fitted.reconstruction_error(with_entry([-1e6, -1e-3, 1.001, 1e6]), per_feature=True)

    assert np.isfinite(errors).all()
    assert errors[[0, -1], 20].min() > errors[[1, 2], 20].max()


@every_loss
@pytest.mark.parametrize("value", BEYOND_FLOAT32)
def test_a_row_beyond_float32_is_the_least_typical_of_all(value, loss):
    fitted = for_loss(loss).fit(X)
    rows = X.copy()
    rows[7, 20] = value

    scores = fitted.score_samples(rows)

    assert np.isfinite(scores).all()
    assert scores.argmin() == 7
    others = np.arange(len(X)) != 7
    assert_allclose(scores[others], fitted.score_samples(X[others]), rtol=1e-4)


@every_loss
@pytest.mark.parametrize("method", ["transform", "reconstruct"])
def test_a_network_says_that_it_can_not_represent_a_row_beyond_float32(method, loss):
    fitted = for_loss(loss).fit(X)

    with pytest.raises(ValueError, match=r"so far out.*precision='float64'"):
        getattr(fitted, method)(with_entry([8, 1e45]))


@every_loss
def test_a_network_in_float64_can_represent_a_row_beyond_float32(loss):
    fitted = for_loss(loss, precision="float64").fit(X)
    rows = with_entry([8, 1e45])

    codes = fitted.transform(rows)

    assert np.isfinite(codes).all()
    assert np.abs(codes[1]).max() > 1e40
    assert np.isfinite(fitted.reconstruct(rows)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beyond", ["least", "greatest"])
@pytest.mark.parametrize(("loss", "output"), OUTPUTS.items())
def test_rounding_at_the_ends_of_a_range_is_taken(loss, output, beyond, dtype):
    rows = (X / 16).astype(dtype)
    if beyond == "least":
        rows[0, 20] = -5e-7
    else:
        rows[0, 20] = 1 + 5e-7
        assert rows.max() > 1

    fitted = small(loss=loss, output_activation=output, scaling=None).fit(rows)

    assert_allclose(
        fitted.loss_curve_,
        small(loss=loss, output_activation=output, scaling=None).fit(rows.clip(0, 1)).loss_curve_,
        rtol=1e-4,
    )


# Weights

# Powers of two, which no digit is lost by, from 1e-300 to 1e300 and, in float32, 1e-35 to 1e35.
POWERS = {"float64": [-996, -166, 166, 996], "float32": [-116, 116]}
every_unit = pytest.mark.parametrize(
    ("dtype", "power"), [(dtype, power) for dtype in POWERS for power in POWERS[dtype]]
)


@every_unit
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    "parameters", [{}, {"trim": 0.1}, {"early_stopping": True}, {"optimizer": "sgd"}], ids=named
)
def test_the_unit_of_the_weights_does_not_matter_to_a_fit(parameters, precision, dtype, power):
    weight = WEIGHT.astype(dtype)
    parameters = {"precision": precision, **parameters}

    scaled = small(**parameters).fit(X, sample_weight=np.ldexp(weight, power))

    assert_same(scaled, small(**parameters).fit(X, sample_weight=weight))


@every_unit
def test_the_unit_of_the_weights_does_not_matter_to_partial_fits(dtype, power):
    weight, one, other = WEIGHT.astype(dtype), small(), small()
    for _ in range(2):
        one.partial_fit(X, sample_weight=np.ldexp(weight, power))
        other.partial_fit(X, sample_weight=weight)

    assert_same(one, other)


@every_unit
def test_the_unit_of_the_weights_does_not_matter_to_the_score(dtype, power):
    fitted, weight = small().fit(X), WEIGHT.astype(dtype)

    assert fitted.score(X, sample_weight=np.ldexp(weight, power)) == fitted.score(
        X, sample_weight=weight
    )


# Units


def either(one, other):
    """Give two values in turn, as a column of X."""
    return np.where(np.arange(len(X)) % 3 == 0, one, other)


ROUNDING = {
    "tenths": either(0.1 * 3, 0.3),
    "a last digit": either(1e9, np.nextafter(1e9, 2e9)),
    "a last digit of float32": either(1000, np.nextafter(np.float32(1000), np.float32(2000))),
    "a small number": either(1e-12, np.nextafter(1e-12, 1)),
    "a negative number": either(-0.1 * 3, -0.3),
}


def with_column(column, dtype=np.float64):
    return np.column_stack([X, column]).astype(dtype)


@pytest.mark.parametrize("name", ROUNDING)
def test_rounding_of_many_rows_is_no_spread(name):
    dtype = np.float32 if "float32" in name else np.float64
    rows = np.column_stack(
        [np.resize(X[:, 20:23], (100_000, 3)), np.resize(ROUNDING[name], 100_000)]
    )

    assert moments(Rows(rows.astype(dtype))).variance[-1] == 0


@pytest.mark.parametrize("name", ROUNDING)
@every_container
def test_rounding_is_no_spread(container, name):
    column = ROUNDING[name]
    dtype = np.float32 if "float32" in name else np.float64
    rows, constant = with_column(column, dtype), with_column(np.full_like(column, column[0]), dtype)
    assert np.ptp(rows[:, -1]) > 0

    fitted = small(scaling="standard").fit(container(rows))

    assert fitted.net_.module_.rescale.scale[-1] == 1
    expected = small(scaling="standard").fit(container(constant))
    assert_allclose(fitted.loss_curve_, expected.loss_curve_, rtol=1e-4)
    assert fitted.pca_loss_ == pytest.approx(expected.pca_loss_, rel=1e-4)


def test_the_mean_of_rounding_in_float32_is_none_either():
    column = np.float32(0.1) + np.zeros(len(X), dtype=np.float32)
    column[::2] = np.nextafter(column[::2], np.float32(1))

    fitted = small(scaling="standard", lr=1e-30).fit(with_column(column, np.float32))

    error = fitted.reconstruction_error(with_column(column, np.float32), per_feature=True)
    assert error[:, -1].max() < 1e-10


SPREAD = {
    "small": 1e-12 * X[:, 20],
    "small beside its offset": 1e6 + 1e-5 * X[:, 20],
    "a float of a large offset": 2.0**40 + X[:, 20],
}


@pytest.mark.parametrize("column", SPREAD.values(), ids=SPREAD)
def test_small_spread_that_is_real_is_none_of_rounding(column):
    fitted = small(scaling="standard").fit(with_column(column))

    assert fitted.net_.module_.rescale.scale[-1].item() == pytest.approx(column.std())


def test_small_spread_of_float32_is_none_of_rounding():
    column = (1e-12 * X[:, 20]).astype(np.float32)

    fitted = small(scaling="standard").fit(with_column(column, np.float32))

    assert fitted.net_.module_.rescale.scale[-1].item() == pytest.approx(column.std(), rel=1e-5)


@pytest.mark.parametrize("offset", [2**40, -(2**40), 2**52])
def test_integers_differ_however_large_they_are(offset):
    rows = X.astype(np.int64)
    rows[:, 20] = offset + np.arange(len(X)) % 2

    fitted = small(scaling="standard").fit(rows)

    assert fitted.net_.module_.rescale.scale[20].item() == pytest.approx(0.5)


@pytest.mark.parametrize("noise", [None, *NOISES_OF_TABLES])
def test_codes_that_vary_are_not_called_constant_beside_an_offset(noise):
    rows = X / 16
    rows[:, 0] += 1e4

    fitted = small(3, scaling=None, noise=noise, noise_level=0.1).fit(rows)  # without a warning

    assert np.ptp(fitted.transform(rows), axis=0).min() > 0.5


@pytest.mark.parametrize("scaling", ["global", "standard", "range"])
def test_rows_held_out_do_not_shape_the_units(scaling):
    fitted = small(scaling=scaling, early_stopping=True).fit(X)

    train, _ = train_test_split(X, test_size=24, random_state=fitted.net_.seed)
    rescale = fitted.net_.module_.rescale
    deviation = train.std(axis=0)
    shift, scale = {
        "global": (train.mean(axis=0), np.sqrt(train.var(axis=0).mean())),
        "standard": (train.mean(axis=0), np.where(deviation > 0, deviation, 1)),
        "range": (np.zeros(64), train.max()),
    }[scaling]
    assert_allclose(rescale.shift, shift, atol=1e-12)
    assert_allclose(rescale.scale, scale)


def test_the_start_is_pca_of_the_rows_that_are_not_held_out():
    fitted = small(early_stopping=True, lr=1e-30).fit(X)

    train, held_out = train_test_split(X, test_size=24, random_state=fitted.net_.seed)
    pca = PCA(4, svd_solver="full").fit(train)
    squares = (pca.inverse_transform(pca.transform(held_out)) - held_out) ** 2
    assert fitted.pca_loss_ == pytest.approx(squares.mean() / train.var(axis=0).mean(), rel=1e-5)
    assert_allclose(fitted.reconstruct(X), pca.inverse_transform(pca.transform(X)), atol=1e-3)


def assert_same_start(one, other):
    """Compare units and weights of two that were trained at a rate of next to nothing."""
    of_one, of_other = (fitted.net_.module_.state_dict() for fitted in (one, other))
    for name, part in of_other.items():
        torch.testing.assert_close(of_one[name], part, rtol=0, atol=1e-25, msg=name)


@pytest.mark.parametrize("output_activation", ["identity", "softplus"])
def test_other_rows_held_out_leave_units_and_first_weights_as_they_were(output_activation):
    parameters = {"output_activation": output_activation, "early_stopping": True, "lr": 1e-30}
    fitted = small(**parameters).fit(X)
    _, held_out = train_test_split(np.arange(240), test_size=24, random_state=fitted.net_.seed)
    rows = X.copy()
    rows[held_out] = 5 * rows[held_out] + 7

    changed = small(**parameters).fit(rows)

    assert changed.best_loss_ > 2 * fitted.best_loss_
    assert_same_start(changed, fitted)


def test_the_rows_to_validate_by_do_not_shape_units_and_start():
    assert_same_start(small(lr=1e-30).fit(X, X_val=3 * X_VAL + 1), small(lr=1e-30).fit(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("scaling", ["global", None])
def test_the_decoder_takes_the_codes_that_transform_gives(scaling, precision, dtype):
    fitted = small(precision=precision, scaling=scaling).fit(X.astype(dtype))
    codes = fitted.transform(X.astype(dtype))

    with torch.no_grad():
        rows = fitted.decoder_(torch.from_numpy(codes)).numpy()

    assert rows.dtype == dtype
    assert_array_equal(rows, fitted.inverse_transform(codes))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_encoder_gives_what_transform_gives(dtype):
    fitted = small().fit(X)

    with torch.no_grad():
        codes = fitted.encoder_(torch.from_numpy(X.astype(dtype))).numpy()

    assert_array_equal(codes, fitted.transform(X.astype(dtype)))


# Ranges

SIGMOID = {"output_activation": "sigmoid", "scaling": None}
OUTSIDE = np.full((10, 64), 5.0)


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_without_weight_may_lie_outside_of_what_an_output_reaches(method, loss):
    rows = np.concatenate([X / 16, OUTSIDE, -OUTSIDE])
    weight = np.repeat([1.0, 0.0], [len(X), 20])

    fitted = getattr(small(loss=loss, **SIGMOID), method)(rows, sample_weight=weight)

    expected = getattr(small(loss=loss, **SIGMOID), method)(X / 16, sample_weight=np.ones(240))
    assert_same(fitted, expected)


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("hidden", [-5.0, 5.0])
def test_unobserved_entries_may_lie_outside_of_what_an_output_reaches(hidden, loss):
    fitted = small(loss=loss, **SIGMOID)
    for _ in range(2):
        fitted.partial_fit(hiding(hidden, X / 16), observed=OBSERVED)

    expected = small(loss=loss, **SIGMOID)
    for _ in range(2):
        expected.partial_fit(X / 16, observed=OBSERVED)
    assert_same(fitted, expected)


@pytest.mark.parametrize(("loss", "output"), OUTPUTS.items())
def test_rows_that_judge_may_lie_anywhere(loss, output):
    fitted = small(loss=loss, output_activation=output, scaling="range").fit(X, X_val=100 * X_VAL)

    assert np.isfinite(fitted.validation_loss_curve_).all()
    assert np.isfinite(fitted.score(1e6 * X_VAL))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("loss", "output"), OUTPUTS.items())
def test_later_rows_outside_of_the_range_of_the_first_are_not_told_to_use_what_they_use(
    loss, output, method
):
    fitted = small(loss=loss, output_activation=output, scaling="range", warm_start=True).fit(X)

    with pytest.raises(ValueError, match="Use a fit to rows of the whole range") as refused:
        getattr(fitted, method)(-2 * X)

    assert "Use scaling" not in str(refused.value)
    assert "scaling='range' X has values from -2 to" in str(refused.value)
    assert fitted.n_iter_ == 3


def with_duplicates(rows, container):
    """Give sparse rows each of whose entries is stored as two halves, the last column first."""
    sparse = csr_array(rows[:, ::-1])
    parts = (
        np.repeat(sparse.data / 2, 2),
        np.repeat(rows.shape[1] - 1 - sparse.indices, 2),
        2 * sparse.indptr,
    )
    return container(parts, shape=rows.shape)


USES = {
    "fit": lambda model, rows: model.fit(rows),
    "fit, observed": lambda model, rows: model.fit(rows, observed=OBSERVED),
    "fit, X_val": lambda model, rows: model.fit(X / 16, X_val=rows),
    "partial_fit": lambda model, rows: model.partial_fit(rows),
    "transform": lambda model, rows: model.transform(rows),
    "reconstruct": lambda model, rows: model.reconstruct(rows),
    "reconstruct, observed": lambda model, rows: model.reconstruct(rows, observed=OBSERVED),
    "reconstruction_error": lambda model, rows: model.reconstruction_error(rows),
    "score_samples": lambda model, rows: model.score_samples(rows),
    "score": lambda model, rows: model.score(rows),
    "score, observed": lambda model, rows: model.score(rows, observed=OBSERVED),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("container", [csr_array, csr_matrix])
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_sparse_rows_with_duplicates_are_left_as_they_were(loss, container, use):
    fitted = for_loss(loss).fit(X / 16)
    rows = with_duplicates(X / 16, container)
    before = [part.copy() for part in (rows.data, rows.indices, rows.indptr)]
    assert not rows.has_canonical_format
    assert not rows.has_sorted_indices

    use(fitted, rows)

    for part, copy in zip((rows.data, rows.indices, rows.indptr), before, strict=True):
        assert_array_equal(part, copy)
    assert not rows.has_canonical_format
    assert not rows.has_sorted_indices


@pytest.mark.parametrize("container", [csr_array, csr_matrix])
def test_sparse_rows_with_duplicates_give_the_same_as_dense_ones(container):
    rows = with_duplicates(X / 16, container)

    assert_same(small(**SIGMOID).fit(rows), small(**SIGMOID).fit(X / 16))


# Noise

OFFSETS = {
    "one for all": np.full(64, 1e4),
    "one a feature": np.random.default_rng(3).normal(scale=1e3, size=64).round(),
}


@pytest.mark.parametrize("noise", NOISES_OF_TABLES)
@pytest.mark.parametrize("scaling", ["global", "standard"])
@pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS)
def test_denoising_does_not_depend_on_where_zero_is(offset, scaling, noise):
    if np.ptp(offset) and NOISES_OF_TABLES[noise].in_data_units:
        pytest.skip("it is clipped to the range of all features, which an offset of each changes")
    parameters = {"noise": noise, "noise_level": 0.3, "scaling": scaling}

    moved = small(**parameters).fit(X + offset, X_val=X_VAL + offset)

    expected = small(**parameters).fit(X, X_val=X_VAL)
    assert_allclose(moved.loss_curve_, expected.loss_curve_, rtol=1e-4)
    assert_allclose(moved.validation_loss_curve_, expected.validation_loss_curve_, rtol=1e-4)
    assert_allclose(moved.transform(X + offset), expected.transform(X), atol=1e-2)


@pytest.mark.parametrize("noise", NOISES_OF_TABLES)
@pytest.mark.parametrize("output_activation", OUTPUT_ACTIVATIONS)
def test_denoising_in_a_range_does_not_depend_on_where_it_begins(output_activation, noise):
    parameters = {"noise": noise, "noise_level": 0.3, "scaling": "range"}
    parameters["output_activation"] = output_activation

    moved, expected = (small(**parameters).fit(rows) for rows in (X + 1e4, X))

    assert_allclose(moved.loss_curve_, expected.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize(
    "noise", [name for name, noise in NOISES_OF_TABLES.items() if noise.is_share]
)
@pytest.mark.parametrize("scaling", ["global", "standard"])
def test_denoising_by_replacing_does_not_depend_on_the_unit(scaling, noise):
    parameters = {"noise": noise, "noise_level": 0.3, "scaling": scaling}

    scaled, expected = (small(**parameters).fit(rows) for rows in (1024 * X, X))

    assert_allclose(scaled.loss_curve_, expected.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_masking_puts_the_mean_in_and_salt_and_pepper_the_extremes(scaling):
    rows = X + np.arange(64)
    x = torch.from_numpy(rows)

    inside = {}
    for noise in ("masking", "salt_and_pepper"):
        net = small(noise=noise, noise_level=1.0, scaling=scaling, lr=1e-6).fit(rows).net_
        rescale = net.module_.rescale
        batch = next(net.get_dataset(rows).batches(len(rows), rescale=rescale))
        inside[noise] = rescale.inverse(net.corrupted(batch, torch.Generator()).double())

    assert_allclose(inside["masking"], np.tile(rows.mean(axis=0), (240, 1)), rtol=1e-4)
    extremes = inside["salt_and_pepper"]
    assert_allclose(extremes.amin(dim=0), x.amin(dim=0), rtol=1e-4)
    assert_allclose(extremes.amax(dim=0), x.amax(dim=0), rtol=1e-4)
    nearest = torch.minimum((extremes - x.amin(0)).abs(), (extremes - x.amax(0)).abs())
    assert nearest.max() < 1e-3


@pytest.mark.parametrize("offset", [0, 1e4])
def test_a_row_that_is_masked_throughout_is_rebuilt_as_the_mean(offset):
    fitted = small(noise="masking", noise_level=1.0, lr=1e-30).fit(X + offset)

    assert_allclose(fitted.loss_curve_, 1, rtol=1e-4)
    assert fitted.pca_loss_ == pytest.approx(1, rel=1e-4)


# Memory

WIDE = {"hidden_layer_sizes": (16,), "optimizer": "sgd", "lr": 1e-6, "batch_size": 50}


def wide(n_samples):
    return csr_array(scipy.sparse.random(n_samples, 20_000, density=0.01, random_state=0))


def use(autoencoder, rows, observed=None):
    autoencoder.fit(rows, observed=observed)
    autoencoder.score(rows, observed=observed)
    autoencoder.reconstruction_error(rows, observed=observed)
    autoencoder.transform(rows)
    autoencoder.partial_fit(rows, observed=observed)


@pytest.mark.parametrize("parameters", [{}, {"scaling": "standard", "noise": "masking"}], ids=named)
def test_no_tensor_holds_many_rows_of_many_features(parameters):
    rows = wide(200)

    with LargestTensor() as largest:
        use(small(**{**WIDE, **parameters}), rows)

    assert largest.n_entries <= 2**21 < rows.shape[0] * rows.shape[1]


def test_contractive_batches_are_as_large_as_their_jacobians():
    rows = wide(60)

    with LargestTensor() as largest:
        small(**{**WIDE, "contractive_penalty": 1e-3, "batch_size": 5}).fit(rows)

    assert largest.n_entries <= 2**21


def test_wide_sparse_rows_are_never_dense_at_once():
    rows, autoencoder = wide(1000), small(**WIDE)
    use(autoencoder, rows[:10])  # what is imported on the way is not counted
    tracemalloc.start()
    try:
        use(autoencoder, rows)
        n_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert n_bytes < 8 * rows.shape[0] * rows.shape[1] / 2


# Numbers that lie close


@pytest.mark.parametrize("offset", [0.0, 1e5, 1e6, 1e7])
def test_small_numbers_beside_an_offset_that_float32_holds_exactly_are_spread(offset):
    rows = (X + offset).astype(np.float32)
    assert_array_equal(rows.astype(np.float64) - offset, X)

    found = moments(Rows(rows))

    varied = np.ptp(X, axis=0) > 1
    assert_allclose(found.variance[varied], X.var(axis=0)[varied], rtol=1e-6)


def test_rows_of_a_coarse_dtype_are_never_called_constant_as_a_whole():
    rows = (X + 1e8).astype(np.float32)
    assert np.ptp(rows, axis=0).max() == 16

    assert small().fit(rows).n_iter_ == 3


# Layers in place


class InPlace(torch.nn.Module):
    """Doubles what it is given, in place or not, and goes on with a layer."""

    def __init__(self, in_features, out_features, in_place=True):
        super().__init__()
        self.layer = torch.nn.Linear(in_features, out_features)
        self.in_place = in_place

    def forward(self, x):
        return self.layer(x.mul_(2) if self.in_place else x * 2)


@pytest.mark.parametrize("half", ["encoder", "decoder"])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"linear_shortcut": False, "scaling": None}, {"noise": "gaussian"}],
    ids=named,
)
def test_layers_in_place_change_neither_target_nor_code(half, parameters):
    def beside(in_features, out_features):
        return InPlace(in_features, out_features, in_place=False)

    rows, options = X.astype(np.float32), {"sparsity_penalty": 0.1, **parameters}
    in_place = small(**{half: InPlace}, **options).fit(rows)
    expected = small(**{half: beside}, **options).fit(rows)

    assert_same(in_place, expected)
    assert_array_equal(rows, X)
    error = np.square(in_place.reconstruct(rows) - rows).mean(axis=1)
    assert_allclose(in_place.reconstruction_error(rows), error, rtol=1e-3)


# What is left


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
def test_weights_and_observed_entries_that_leave_no_row_are_refused(method):
    weight, observed = np.zeros(len(X)), np.ones(X.shape, dtype=bool)
    weight[0], observed[0] = 1, False
    fitted = small().partial_fit(X)

    with pytest.raises(ValueError, match="sample_weight and observed leave no row"):
        getattr(fitted, method)(X, sample_weight=weight, observed=observed)


@pytest.mark.parametrize("row", [0, 7, 60, 239])
@pytest.mark.parametrize(
    ("loss", "value"), [("poisson", -1.0), ("binary_cross_entropy", 7.0)], ids=["poisson", "bce"]
)
def test_a_row_out_of_range_is_refused_whether_it_is_held_out_or_not(loss, value, row):
    rows = X / 16
    rows[row] = value
    network = small(loss=loss, output_activation=OUTPUTS[loss], scaling=None, early_stopping=True)

    with pytest.raises(ValueError, match="needs values in"):
        network.fit(rows)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_the_halves_take_integers(dtype):
    fitted = small().fit(X)
    rows = torch.from_numpy(X).to(dtype)

    codes = fitted.encoder_(rows)

    assert codes.dtype == torch.float32
    expected = fitted.encoder_(rows.float())
    assert torch.equal(codes, expected)
    assert fitted.decoder_(codes.round().long()).dtype == torch.float32
