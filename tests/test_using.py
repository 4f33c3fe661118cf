"""What a fitted autoencoder gives: codes, rows, errors in the units of the data, and the score."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_poisson_deviance,
    mean_squared_error,
    r2_score,
)
from sklearn.utils.validation import validate_data
from torch import nn

from sklearn_ae import AutoencoderTransformer, _input
from sklearn_ae._training import batches

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS = load_digits().data
X = DIGITS[:240]


def _autoencoder(encoding_dim=4, **parameters):
    parameters = {
        "hidden_layer_sizes": (16,),
        "optimizer": "adam",
        "lr": 1e-2,
        "batch_size": 40,
        "max_epochs": 3,
        "early_stopping": False,
        "random_state": 0,
        **parameters,
    }
    return AutoencoderTransformer(encoding_dim, **parameters)


# Using


def test_reconstruct_is_the_inverse_transform_of_the_codes():
    autoencoder = _autoencoder().fit(X)
    np.testing.assert_allclose(
        autoencoder.inverse_transform(autoencoder.transform(X)), autoencoder.reconstruct(X)
    )


METHODS = ["transform", "reconstruct", "reconstruction_error", "score_samples"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_plain_rows_are_checked_at_once(monkeypatch, method, dtype):
    autoencoder = _autoencoder().fit(X.astype(dtype))
    rows = X[:1].astype(dtype)
    expected = getattr(autoencoder, method)(rows[::1, :].tolist())

    def refuse(*arguments, **options):
        raise AssertionError("validate_data was called")

    monkeypatch.setattr(_input, "validate_data", refuse)
    np.testing.assert_allclose(getattr(autoencoder, method)(rows), expected, rtol=1e-4, atol=1e-5)


def _read_only(rows):
    rows.setflags(write=False)
    return rows


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[:, :-1],
        lambda rows: rows[:0],
        lambda rows: rows[0],
        lambda rows: rows[None],
        lambda rows: np.where(rows == rows.max(), np.nan, rows),
        lambda rows: np.where(rows == rows.max(), -np.inf, rows),
        lambda rows: rows.astype(complex),
        lambda rows: rows.astype(object) + 0j,
    ],
    ids=["narrow", "empty", "1-D", "3-D", "nan", "inf", "complex", "object"],
)
@pytest.mark.parametrize("method", METHODS)
def test_rows_that_are_refused_are_so_in_scikit_learns_words_first(method, change):
    autoencoder = _autoencoder().fit(X)
    rows = np.ascontiguousarray(change(X[:2].copy()))
    with pytest.raises((ValueError, TypeError)) as expected:
        validate_data(autoencoder, rows, accept_sparse="csr", reset=False, dtype="numeric")
    with pytest.raises(type(expected.value)) as actual:
        getattr(autoencoder, method)(rows)
    assert str(actual.value).startswith(str(expected.value))


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda rows: np.repeat(rows, 2, axis=0)[::2],
        lambda rows: rows.astype(rows.dtype.newbyteorder()),
        lambda rows: rows.astype(np.longdouble),
        lambda rows: rows.astype(int),
        lambda rows: rows.view(np.memmap),
        _read_only,
    ],
    ids=["Fortran", "strided", "byte order", "long", "int", "subclass", "read-only"],
)
@pytest.mark.parametrize("method", METHODS)
def test_rows_of_other_kinds_give_the_same(method, change):
    autoencoder = _autoencoder().fit(X)
    rows = change(X[:3].copy())
    expected = getattr(autoencoder, method)(X[:3])
    np.testing.assert_allclose(getattr(autoencoder, method)(rows), expected, rtol=1e-4, atol=1e-4)


def test_finite_rows_whose_squares_are_not_are_taken():
    autoencoder = _autoencoder().fit(1e30 * X)
    rows = (1e30 * X[:3]).astype(np.float32)
    assert np.isinf(np.vdot(rows, rows))
    np.testing.assert_allclose(
        autoencoder.transform(rows), autoencoder.transform(1e30 * X[:3]), rtol=1e-4, atol=1e-5
    )


def test_an_array_without_the_names_of_the_fit_is_warned_of():
    names = [f"pixel {i}" for i in range(64)]
    autoencoder = _autoencoder().fit(pd.DataFrame(X, columns=names))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        autoencoder.transform(X[:1])


def test_layers_that_write_into_their_input_leave_the_rows_alone():
    def encoder(n_in, n_out):
        return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(n_in, n_out))

    rows = (X - 3).astype(np.float32)
    before = rows.copy()
    autoencoder = _autoencoder(encoder=encoder, linear_shortcut=False, scaling=None)
    autoencoder.fit(rows, X_val=rows).reconstruct(rows)
    np.testing.assert_array_equal(rows, before)


def test_layers_that_write_into_their_input_train_as_others_do():
    rows = (X - 3).astype(np.float32)
    codes = []
    for inplace in (False, True):

        def encoder(n_in, n_out, inplace=inplace):
            return nn.Sequential(nn.ReLU(inplace=inplace), nn.Linear(n_in, n_out))

        autoencoder = _autoencoder(encoder=encoder, linear_shortcut=False, scaling=None)
        codes.append(autoencoder.fit(rows).transform(rows))
    np.testing.assert_array_equal(*codes)


def test_a_loss_that_writes_into_its_target_leaves_the_rows_alone():
    rows = (X - 3).astype(np.float32)
    before = rows.copy()
    autoencoder = _autoencoder(loss=lambda o, t: (o - t.clamp_(0)).square(), scaling=None)
    autoencoder.fit(rows, X_val=rows).reconstruction_error(rows)
    np.testing.assert_array_equal(rows, before)


@pytest.mark.filterwarnings("ignore:.*codes are constant")
def test_codes_are_the_callers_own():
    autoencoder = _autoencoder(64, encoder=lambda *_: nn.Identity(), linear_shortcut=False)
    fitted = autoencoder.set_params(scaling=None, decoder=nn.Linear).fit(X)
    rows = X[:3].astype(np.float32)
    assert not np.shares_memory(fitted.transform(rows), rows)


def test_fit_transform_is_both():
    np.testing.assert_array_equal(
        _autoencoder().fit_transform(X), _autoencoder().fit(X).transform(X)
    )


def test_results_do_not_depend_on_the_rows_at_once(monkeypatch):
    autoencoder = _autoencoder().fit(X)
    weight = np.random.default_rng(0).exponential(size=240)

    def results():
        return (
            autoencoder.transform(X),
            autoencoder.reconstruct(X),
            autoencoder.reconstruction_error(X),
            autoencoder.reconstruction_error(X, per_feature=True),
            autoencoder.score(X),
            autoencoder.score(X, sample_weight=weight),
        )

    at_once = results()
    monkeypatch.setattr(batches, "_MAX_ROWS_AT_ONCE", 7)
    for chunked, whole in zip(results(), at_once, strict=True):
        np.testing.assert_allclose(chunked, whole, rtol=1e-4, atol=1e-4)


def test_a_fitted_module_is_ready_for_use():
    for autoencoder in (_autoencoder().fit(X), _autoencoder().partial_fit(X)):
        assert not any(part.training for part in autoencoder.net_.module_.modules())


@pytest.mark.parametrize(
    "method",
    [
        "transform",
        "inverse_transform",
        "reconstruct",
        "reconstruction_error",
        "score_samples",
        "score",
    ],
)
def test_nothing_can_be_asked_before_a_fit(method):
    with pytest.raises(NotFittedError, match="Call 'fit'"):
        getattr(_autoencoder(), method)(X)


def test_fitted_attributes_are_missing_before_a_fit():
    assert not hasattr(_autoencoder(), "net_")
    assert not hasattr(_autoencoder(), "loss_curve_")


# The error of rows, in the units of the data


def _huber(target, output, bend):
    distance = np.abs(target - output)
    return np.where(distance <= bend, distance**2 / 2, bend * (distance - bend / 2)).mean()


METRICS = {
    "squared_error": mean_squared_error,
    "absolute_error": mean_absolute_error,
    "poisson": lambda target, output: mean_poisson_deviance(target, output) / 2,
    "binary_cross_entropy": lambda target, output: log_loss(target, output, labels=[0, 1]),
}

CASES = [
    *[
        (loss, "identity", s)
        for loss in ("squared_error", "absolute_error")
        for s in ("global", "standard", "range", None)
    ],
    *[("squared_error", "sigmoid", "range"), ("squared_error", "softplus", "auto")],
    *[
        ("poisson", "softplus", "auto"),
        ("poisson", "softplus", None),
        ("poisson", "sigmoid", "range"),
    ],
]


def _assert_errors_are(autoencoder, X, metric):
    output = autoencoder.reconstruct(X).astype(np.float64)
    by_row = [metric(*pair) for pair in zip(X, output, strict=True)]
    by_feature = [metric(*pair) for pair in zip(X.T, output.T, strict=True)]
    error = autoencoder.reconstruction_error(X)
    entries = autoencoder.reconstruction_error(X, per_feature=True)
    assert error.shape == (len(X),)
    assert entries.shape == X.shape
    close = {"rtol": 1e-3, "atol": 1e-5 * np.mean(by_row)}
    np.testing.assert_allclose(error, by_row, **close)
    np.testing.assert_allclose(entries.mean(axis=1), by_row, **close)
    np.testing.assert_allclose(entries.mean(axis=0), by_feature, **close)


@pytest.mark.parametrize(("loss", "output", "scaling"), CASES)
def test_the_error_is_the_metric_of_scikit_learn_in_the_units_of_the_data(loss, output, scaling):
    parameters = {"loss": loss, "output_activation": output, "scaling": scaling}
    _assert_errors_are(_autoencoder(**parameters).fit(X), X, METRICS[loss])


@pytest.mark.parametrize("scaling", [None, "range"])
def test_the_error_of_shares_is_a_log_likelihood(scaling):
    rows = (X > 8).astype(float)
    autoencoder = _autoencoder(
        loss="binary_cross_entropy", output_activation="sigmoid", scaling=scaling
    )
    _assert_errors_are(autoencoder.fit(rows), rows, METRICS["binary_cross_entropy"])


@pytest.mark.parametrize("scaling", ["global", "range", None])
def test_the_bend_of_huber_is_at_one_unit_of_the_network(scaling):
    autoencoder = _autoencoder(loss="huber", scaling=scaling).fit(X)
    bend = {"global": np.sqrt(X.var(axis=0).mean()), "range": 16.0, None: 1.0}[scaling]
    _assert_errors_are(autoencoder, X, lambda target, output: _huber(target, output, bend))


def test_the_error_by_feature_knows_the_scale_of_each():
    autoencoder = _autoencoder(loss="huber", scaling="standard").fit(X)
    bend = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    output = autoencoder.reconstruct(X)
    expected = [_huber(X[:, i], output[:, i], bend[i]) for i in range(64)]
    entries = autoencoder.reconstruction_error(X, per_feature=True)
    np.testing.assert_allclose(entries.mean(axis=0), expected, rtol=1e-3, atol=1e-5)


def test_the_error_of_a_loss_of_the_user_is_that_loss():
    autoencoder = _autoencoder(loss=lambda output, target: (output - target).abs() ** 1.5).fit(X)
    _assert_errors_are(autoencoder, X, lambda x, y: (np.abs(x - y) ** 1.5).mean())


@pytest.mark.parametrize("scale", [1e-25, 1e-15, 1e15, 1e20])
def test_the_error_of_float64_rows_does_not_leave_the_range_of_float32(scale):
    rows = X * scale
    autoencoder = _autoencoder().fit(rows)
    _assert_errors_are(autoencoder, rows, METRICS["squared_error"])


def test_the_error_of_a_far_offset_has_the_digits_of_float64():
    rows = X + 1e7
    autoencoder = _autoencoder(scaling="global").fit(rows)
    _assert_errors_are(autoencoder, rows, METRICS["squared_error"])


def test_samples_are_scored_by_minus_their_error():
    autoencoder = _autoencoder(loss="absolute_error").fit(X)
    np.testing.assert_array_equal(
        autoencoder.score_samples(X), -autoencoder.reconstruction_error(X)
    )


# The score


def _r2(autoencoder, X, sample_weight=None):
    return r2_score(
        X.astype(np.float64),
        autoencoder.reconstruct(X).astype(np.float64),
        sample_weight=sample_weight,
        multioutput="variance_weighted",
    )


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("scaling", ["global", "standard", None])
def test_the_score_is_r2_whatever_the_loss(loss, scaling):
    autoencoder = _autoencoder(loss=loss, scaling=scaling).fit(X)
    assert autoencoder.score(DIGITS) == pytest.approx(_r2(autoencoder, DIGITS), rel=1e-9)


def test_the_score_takes_weights_as_r2_does():
    autoencoder = _autoencoder().fit(X)
    weight = np.random.default_rng(0).exponential(size=240)
    weight[:30] = 0
    expected = _r2(autoencoder, X, weight)
    assert autoencoder.score(X, sample_weight=weight) == pytest.approx(expected, rel=1e-9)


def test_constant_features_count_in_the_score_as_they_do_in_r2():
    autoencoder = _autoencoder(linear_shortcut=False).fit(X)
    assert (X.std(axis=0) == 0).any()
    assert autoencoder.score(X) == pytest.approx(_r2(autoencoder, X), rel=1e-9)


def test_the_score_of_rows_that_are_all_alike_is_that_of_r2():
    autoencoder = _autoencoder(scaling=None).fit(X)
    rows = np.repeat(X[:1], 3, axis=0)
    assert autoencoder.score(rows) == pytest.approx(_r2(autoencoder, rows))


def test_the_score_of_new_rows_is_far_off_where_they_are():
    autoencoder = _autoencoder().fit(X)
    rows = 100 - X
    assert autoencoder.score(rows) == pytest.approx(_r2(autoencoder, rows), rel=1e-6)
    assert autoencoder.score(rows) < 0


def test_the_score_of_a_far_offset_is_exact():
    autoencoder = _autoencoder().fit(X + 1e6)
    assert autoencoder.score(X + 1e6) == pytest.approx(_r2(autoencoder, X + 1e6), rel=1e-6)
