"""Imputation: what is filled, what it learns from, and what it takes."""

import pickle
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _testing import small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import scale

from sklearn_ae import (
    AutoencoderImputer,
    AutoencoderTransformer,
    ConvAutoencoderTransformer,
    VariationalAutoencoderTransformer,
    _imputer,
)

X, Y = load_wine(return_X_y=True)
FEW_EPOCHS = pytest.mark.filterwarnings("ignore:max_epochs=:sklearn.exceptions.ConvergenceWarning")
HIDDEN = np.random.RandomState(0).uniform(size=X.shape) < 0.2
INCOMPLETE = np.where(HIDDEN, np.nan, X)


@pytest.fixture
def quick(monkeypatch):
    """Fit autoencoders that have learnt something, and not much."""
    monkeypatch.setattr(_imputer, "_HIDDEN", (16,))
    monkeypatch.setattr(_imputer, "_MOST_COPIES", 2)


@pytest.fixture(scope="module")
def fitted():
    return AutoencoderImputer(random_state=0).fit(INCOMPLETE)


def error(filled, rows, hidden):
    """Give the root mean square of what was hidden, in deviations of each feature."""
    return np.sqrt(np.square((filled - rows) / rows.std(axis=0))[hidden].mean())


# What is filled


def test_half_of_a_table_is_filled_better_than_by_imputers_of_scikit_learn():
    rows = scale(load_breast_cancer().data[:300])
    hidden = np.random.RandomState(1).uniform(size=rows.shape) < 0.5
    incomplete = np.where(hidden, np.nan, rows)
    imputer = AutoencoderImputer(random_state=0).fit(incomplete)
    ours = error(imputer.transform(incomplete), rows, hidden)
    rivals = [SimpleImputer(), KNNImputer(), IterativeImputer(random_state=0)]
    assert ours < 0.9 * min(
        error(rival.fit_transform(incomplete), rows, hidden) for rival in rivals
    )
    imputer.shrinkage_ = 1.0
    assert ours < error(imputer.transform(incomplete), rows, hidden)


def test_halves_of_images_are_completed(monkeypatch):
    monkeypatch.setattr(_imputer, "_N_FOLDS", 2)
    images = load_digits().data[:600]
    hidden = np.zeros((600, 8, 8), dtype=bool)
    hidden[::3, :4] = True
    hidden[1::3, 4:] = True
    hidden[2::3, :, 4:] = True
    hidden = hidden.reshape(600, 64)
    incomplete = np.where(hidden, np.nan, images)
    imputer = AutoencoderImputer(random_state=0).fit(incomplete)
    errors = []
    for shrinkage in (imputer.shrinkage_, 1.0):
        imputer.shrinkage_ = shrinkage
        errors.append(np.square((imputer.transform(incomplete) - images)[hidden]).mean())
    by_mean = SimpleImputer().fit_transform(incomplete)
    assert errors[0] < 0.85 * np.square((by_mean - images)[hidden]).mean()
    assert errors[0] < 0.97 * errors[1]


def test_entries_that_are_observed_are_as_they_were(fitted):
    for dtype in (np.float64, np.float32):
        rows = INCOMPLETE.astype(dtype)
        before = rows.copy()
        filled = fitted.transform(rows)
        assert filled.dtype == dtype
        assert np.isfinite(filled).all()
        assert filled[~HIDDEN].tobytes() == rows[~HIDDEN].tobytes()
        assert_array_equal(rows, before)


def test_a_row_does_not_depend_on_those_beside_it(fitted):
    together = fitted.transform(INCOMPLETE[:20])
    alone = np.vstack([fitted.transform(row[None]) for row in INCOMPLETE[:20]])
    assert_allclose(together, alone, rtol=1e-4)
    assert_allclose(fitted.transform(INCOMPLETE[:20][::-1])[::-1], together, rtol=1e-4)


def test_transform_learns_nothing(fitted):
    before = fitted.transform(INCOMPLETE)
    fitted.transform(INCOMPLETE + 5)
    assert_array_equal(fitted.transform(INCOMPLETE), before)


def test_units_do_not_matter(quick):
    factor = np.exp2(np.arange(13) - 6)
    one, other = (
        AutoencoderImputer(random_state=0).fit_transform(rows)
        for rows in (INCOMPLETE, INCOMPLETE * factor)
    )
    assert_allclose(other, one * factor)


def test_nothing_is_filled_beyond_an_end_that_entries_share():
    images = load_digits().data[:200]
    hidden = np.random.RandomState(0).uniform(size=images.shape) < 0.4
    filled = AutoencoderImputer(PCA(8), random_state=0).fit_transform(
        np.where(hidden, np.nan, images)
    )
    assert filled.min() == 0
    assert filled.max() <= 16 + 16


def test_a_row_or_a_value_far_out_is_no_failure(fitted):
    rows = INCOMPLETE[:4].copy()
    rows[0] = np.nan
    rows[1, ~HIDDEN[1]] = 1e300
    rows[2, ~HIDDEN[2]] = -1e300
    filled = fitted.transform(rows)
    assert np.isfinite(filled).all()
    spread = np.nanmax(INCOMPLETE, axis=0) - np.nanmin(INCOMPLETE, axis=0)
    new = np.where(np.isnan(rows), filled, X.mean(axis=0))
    assert (np.abs(new - X.mean(axis=0)) < 3 * spread).all()
    assert_allclose(filled[0], np.nanmean(INCOMPLETE, axis=0), atol=0.3 * spread.max())


@pytest.mark.parametrize("scale_", [1e-150, 1e150])
def test_units_may_be_tiny_or_huge(scale_, quick):
    rows = INCOMPLETE[:60] * scale_
    filled = AutoencoderImputer(random_state=0).fit_transform(rows)
    assert np.isfinite(filled).all()
    assert error(filled / scale_, X[:60], HIDDEN[:60]) < 1.0


# What it learns from


def test_the_correction_is_left_out_where_there_is_nothing_to_learn(quick):
    noise = np.random.RandomState(0).standard_normal((300, 6))
    hidden = np.random.RandomState(1).uniform(size=noise.shape) < 0.3
    incomplete = np.where(hidden, np.nan, noise)
    imputer = AutoencoderImputer(random_state=0).fit(incomplete)
    assert len(imputer.estimators_) == 5
    found = []
    for shrinkage in (imputer.shrinkage_, 1.0, 0.0):
        imputer.shrinkage_ = shrinkage
        found.append(error(imputer.transform(incomplete), noise, hidden))
    ours, of_factors, of_all = found
    assert ours < 1.005 * of_factors
    assert of_all > 1.005 * of_factors


@pytest.mark.parametrize("rows", [INCOMPLETE[:10], INCOMPLETE[:, :1]])
def test_few_rows_or_one_feature_are_filled_by_the_factors_alone(rows):
    imputer = AutoencoderImputer(max_iter=1_000, random_state=0).fit(rows)
    assert imputer.estimators_ == []
    assert imputer.shrinkage_ == 1
    assert np.isfinite(imputer.transform(rows)).all()


def test_of_complete_rows_shares_are_hidden_at_random(quick):
    imputer = AutoencoderImputer(random_state=0).fit(X)
    assert_array_equal(imputer.transform(X), X)
    filled = imputer.transform(INCOMPLETE)
    assert error(filled, X, HIDDEN) < 0.8 * error(
        SimpleImputer().fit(X).transform(INCOMPLETE), X, HIDDEN
    )


class Watched(AutoencoderTransformer):
    """Says what it is fitted to."""

    seen: ClassVar[list] = []

    def fit(self, X, y=None, *, observed, X_corrupted, sample_weight=None):
        self.seen.append((X, observed, X_corrupted, sample_weight))
        return super().fit(X, observed=observed, X_corrupted=X_corrupted)


@pytest.fixture
def watched():
    Watched.seen.clear()
    return Watched(4, hidden_layer_sizes=(8,), max_epochs=1, early_stopping=False)


@FEW_EPOCHS
def test_what_is_hidden_has_the_patterns_of_other_rows(watched):
    rows = X.copy()
    rows[::3, :4] = np.nan
    rows[1::3, 8:] = np.nan
    AutoencoderImputer(watched, random_state=0).fit(rows)
    assert len(Watched.seen) == 5
    for targets, observed, filled, _ in Watched.seen:
        is_hidden = observed & (np.abs(filled - targets) > 1e-12)
        patterns = {tuple(one) for one in is_hidden | ~observed}
        blocks = [np.arange(13) < 4, np.arange(13) >= 8]
        assert patterns == {tuple(one) for one in (*blocks, blocks[0] | blocks[1])}


@FEW_EPOCHS
def test_what_counts_is_what_was_observed(watched):
    AutoencoderImputer(watched, random_state=0).fit(INCOMPLETE)
    deviation = np.nanstd(INCOMPLETE, axis=0)
    inside = (INCOMPLETE - np.nanmean(INCOMPLETE, axis=0)) / deviation
    known = {tuple(row) for row in np.nan_to_num(inside).round(6)}
    for targets, observed, _, _ in Watched.seen:
        assert {tuple(row) for row in np.where(observed, targets, 0.0).round(6)} <= known


@FEW_EPOCHS
def test_at_most_so_many_rows_are_learnt_from_and_weights_stay_with_theirs(watched, monkeypatch):
    monkeypatch.setattr(_imputer, "_MOST_ROWS", 50)
    AutoencoderImputer(watched, random_state=0).fit(X, sample_weight=X[:, 0])
    assert len(np.unique(np.vstack([targets for targets, *_ in Watched.seen]), axis=0)) == 50
    for targets, _, _, weight in Watched.seen:
        assert_allclose(targets[:, 0], (weight - X[:, 0].mean()) / X[:, 0].std())


def test_the_autoencoders_are_told_what_is_observed(quick):
    imputer = AutoencoderImputer(random_state=0).fit(INCOMPLETE)
    rows = np.zeros((2, 26))
    rows[0, 13:] = 1
    for autoencoder in imputer.estimators_:
        codes = autoencoder.transform(rows)
        assert np.abs(codes[0] - codes[1]).max() > 1e-3


@pytest.mark.parametrize(
    "estimator",
    [
        small(4, max_epochs=2),
        VariationalAutoencoderTransformer(2, hidden_layer_sizes=(8,), max_epochs=2),
        PCA(3),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@FEW_EPOCHS
def test_any_transformer_with_an_inverse_will_do(estimator):
    given = clone(estimator).set_params(random_state=0)
    imputer = AutoencoderImputer(given, random_state=0).fit(INCOMPLETE)
    assert {type(one) for one in imputer.estimators_} == {type(estimator)}
    assert not hasattr(given, "n_features_in_")
    assert error(imputer.transform(INCOMPLETE), X, HIDDEN) < 1.0


@FEW_EPOCHS
def test_images_are_completed_by_convolutions():
    images = load_digits().data[:100]
    images = np.where(np.arange(64) // 8 < 3 + np.arange(100)[:, None] % 3, np.nan, images)
    convolutions = ConvAutoencoderTransformer(
        8, image_shape=(8, 8), channels=(4,), max_epochs=1, early_stopping=False, random_state=0
    )
    imputer = AutoencoderImputer(convolutions, keep_empty_features=True, random_state=0)
    complete = load_digits().data[100:120]
    filled = imputer.fit_transform(np.r_[complete, images])
    assert {type(one) for one in imputer.estimators_} == {ConvAutoencoderTransformer}
    by_mean = SimpleImputer().fit_transform(np.r_[complete, images])
    truth = load_digits().data[np.r_[100:120, :100]]
    assert np.square(filled - truth).sum() < np.square(by_mean - truth).sum()


# Draws


def test_draws_differ_and_lie_as_far_around_the_mean_as_what_was_hidden(fitted):
    drawing = AutoencoderImputer(sample_posterior=True, random_state=0).fit(INCOMPLETE)
    drawn = np.stack([drawing.transform(INCOMPLETE) for _ in range(100)])
    assert (drawn[0] != drawn[1])[HIDDEN].mean() > 0.9
    assert_array_equal(drawn[:, ~HIDDEN], np.broadcast_to(X[~HIDDEN], drawn[:, ~HIDDEN].shape))
    deviation = X.std(axis=0)
    away = (drawn.mean(axis=0) - fitted.transform(INCOMPLETE)) / deviation
    assert np.abs(away[HIDDEN]).mean() < 0.15
    low, high = np.percentile(drawn, [10, 90], axis=0)
    inside = (np.clip(X, low, high) == X)[HIDDEN].mean()
    assert 0.7 < inside < 0.9


def test_draws_begin_anew_with_a_fit(quick):
    drawing = AutoencoderImputer(sample_posterior=True, random_state=0)
    first = [drawing.fit(INCOMPLETE).transform(INCOMPLETE) for _ in range(2)]
    assert_array_equal(*first)


# What it takes


def test_another_number_may_stand_for_what_is_missing(quick):
    one, other = (
        AutoencoderImputer(missing_values=mark, random_state=0).fit_transform(
            np.where(HIDDEN, mark, X)
        )
        for mark in (np.nan, -1)
    )
    assert_array_equal(other, one)


def test_frames_keep_their_names(quick):
    names = load_wine().feature_names
    frame = pd.DataFrame(INCOMPLETE, columns=names)
    imputer = AutoencoderImputer(add_indicator=True, random_state=0).set_output(transform="pandas")
    filled = imputer.fit_transform(frame)
    flags = [f"missingindicator_{name}" for name in np.array(names)[HIDDEN.any(axis=0)]]
    assert list(filled.columns) == [*names, *flags]
    assert_array_equal(filled[flags], HIDDEN[:, HIDDEN.any(axis=0)])
    nullable = frame.convert_dtypes()
    assert_array_equal(imputer.transform(nullable), filled)
    of_polars = AutoencoderImputer(random_state=0).set_output(transform="polars")
    assert of_polars.fit_transform(pl.DataFrame(frame)).columns == names


@pytest.mark.parametrize("keep", [False, True])
def test_a_feature_of_which_nothing_is_observed_is_left_out_or_zero(keep, quick):
    rows = INCOMPLETE.copy()
    rows[:, [2, 5]] = np.nan
    imputer = AutoencoderImputer(keep_empty_features=keep, random_state=0)
    if keep:
        filled = imputer.fit_transform(rows)
        assert_array_equal(filled[:, [2, 5]], 0)
    else:
        with pytest.warns(UserWarning, match="nothing is observed of x2, x5"):
            filled = imputer.fit_transform(rows)
    assert filled.shape == (178, 13 if keep else 11)
    assert len(imputer.get_feature_names_out()) == filled.shape[1]
    assert np.isfinite(filled).all()
    assert_array_equal(imputer.transform(X), X if keep else np.delete(X, [2, 5], axis=1))


def test_constant_features_stay_constant(quick):
    rows = np.column_stack([INCOMPLETE, np.where(HIDDEN[:, 0], np.nan, 7.0)])
    filled = AutoencoderImputer(random_state=0).fit_transform(rows)
    assert_array_equal(filled[:, -1], 7.0)
    nothing_varies = np.where(HIDDEN[:, :4], np.nan, 7.0)
    filled = AutoencoderImputer(random_state=0).fit_transform(nothing_varies)
    assert_array_equal(filled, 7.0)


@FEW_EPOCHS
def test_it_stands_in_a_pipeline_and_in_a_search():
    pipeline = make_pipeline(
        AutoencoderImputer(small(4, max_epochs=1), random_state=0),
        LogisticRegression(max_iter=5_000),
    )
    grid = {"autoencoderimputer__estimator__encoding_dim": [2, 4]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(scale(INCOMPLETE), Y)
    assert search.best_score_ > 0.85


@FEW_EPOCHS
@pytest.mark.parametrize("routed", [False, True])
def test_weights_reach_the_autoencoders(routed):
    weights = np.random.RandomState(0).uniform(size=len(X))
    with config_context(enable_metadata_routing=routed):
        estimator = small(4, max_epochs=1)
        if routed:
            estimator.set_fit_request(sample_weight=True)
        plain, weighted = (
            AutoencoderImputer(estimator, random_state=0).fit(INCOMPLETE, **params)
            for params in ({}, {"sample_weight": weights})
        )
    code = scale(X)
    one, other = (imputer.estimators_[0].transform(code) for imputer in (plain, weighted))
    assert np.abs(one - other).max() > 1e-3


def test_one_seed_gives_one_imputer(quick):
    one, other, third = (
        AutoencoderImputer(random_state=seed).fit_transform(INCOMPLETE) for seed in (0, 0, 1)
    )
    assert_array_equal(one, other)
    assert (one != third).any()


def test_it_comes_back_from_a_file(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.transform(INCOMPLETE), fitted.transform(INCOMPLETE))


def test_a_failed_fit_keeps_the_old_imputer(quick):
    imputer = AutoencoderImputer(random_state=0).fit(INCOMPLETE)
    before = imputer.transform(INCOMPLETE)
    imputer.set_params(estimator=small(4, max_epochs=1, lr=1e30, lr_schedule="constant"))
    with pytest.raises(ValueError, match="lr"):
        imputer.fit(INCOMPLETE[:, :8])
    assert_array_equal(imputer.transform(INCOMPLETE), before)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.full((30, 3), np.nan), "nothing is observed"),
        (np.where(HIDDEN, np.inf, X), "infinity"),
        (X[:1], "minimum of 2"),
    ],
)
def test_rows_that_say_nothing_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        AutoencoderImputer().fit(rows)


@pytest.mark.parametrize(
    "parameters", [{"max_iter": 0}, {"tol": -1.0}, {"missing_values": "none"}, {"estimator": 3}]
)
def test_parameters_are_refused_by_name(parameters):
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter"):
        AutoencoderImputer(**parameters).fit(INCOMPLETE)


def test_iterations_that_end_too_early_are_told_of():
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        AutoencoderImputer(max_iter=1).fit(INCOMPLETE[:10])


def test_nothing_is_filled_before_a_fit():
    with pytest.raises(NotFittedError):
        AutoencoderImputer().transform(INCOMPLETE)
