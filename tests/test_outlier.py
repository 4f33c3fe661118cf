"""Outlier detection: what is found, what a score is made of, and what it takes."""

import pickle
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from _testing import small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_ae import (
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    ConvAutoencoderTransformer,
    VariationalAutoencoderTransformer,
)

X, Y = load_digits(return_X_y=True)
ZEROS, OTHERS = X[Y == 0], X[Y != 0]
SMALL = {"hidden_layer_sizes": (32,), "max_epochs": 3, "early_stopping": False, "random_state": 0}


@pytest.fixture(scope="module")
def fitted():
    return AutoencoderOutlierDetector(novelty=True, random_state=0).fit(ZEROS[::2])


def auc(detector, typical, outliers):
    scores = detector.score_samples(np.r_[typical, outliers])
    return roc_auc_score(np.repeat([1, 0], [len(typical), len(outliers)]), scores)


# What is found


def test_other_digits_are_told_from_zeros(fitted):
    assert auc(fitted, ZEROS[1::2], OTHERS) > 0.99
    assert (fitted.predict(OTHERS) == -1).mean() > 0.95
    assert (fitted.predict(ZEROS[1::2]) == 1).mean() > 0.85


def test_a_group_of_outliers_among_the_rows_to_fit_is_found():
    """The network leaves them out, and that they are near each other does not make them typical."""
    rng = np.random.RandomState(0)
    ones = X[Y == 1]
    rows = np.r_[ZEROS, ones[:8] + rng.uniform(0, 0.1, size=(8, 64))]
    found = [
        auc(AutoencoderOutlierDetector(novelty=novelty, random_state=0).fit(rows), ZEROS, rows[-8:])
        for novelty in (False, True)
    ]
    assert found[0] > 0.99
    assert found[0] > found[1]


def test_what_breaks_a_relation_is_found_though_each_value_is_usual():
    rng = np.random.RandomState(0)
    factor = rng.standard_normal((600, 1))
    rows = factor @ [[1.0, -2.0, 0.5, 1.5]] + 0.1 * rng.standard_normal((600, 4))
    broken = rows[:100].copy()
    broken[:, 1] = rows[100:200, 1]
    detector = AutoencoderOutlierDetector(novelty=True, random_state=0).fit(rows[200:])
    assert auc(detector, rows[:100], broken) > 0.9
    of_features = detector.reconstruction_error(broken, per_feature=True)
    assert of_features.mean(axis=0).argmax() == 1


# What a score is made of


def test_scores_are_of_what_is_left_and_of_the_distance():
    """Of the first twice. Here no row counts as trained on, whose error would be raised."""
    pca = FrozenEstimator(PCA(8).fit(ZEROS[1::2]))
    detector = AutoencoderOutlierDetector(pca, novelty=True, random_state=0).fit(ZEROS[::2])
    detector._is_trained_[:] = False
    # Beyond the range of the rows that were fitted a distance is made of two, here it is one.
    rows = np.clip(np.r_[ZEROS[1::2], OTHERS[:50]], *np.percentile(ZEROS[::2], [0, 100], axis=0))
    neighbors = NearestNeighbors(n_neighbors=5).fit(ZEROS[::2])
    both = np.log([detector.reconstruction_error(rows), neighbors.kneighbors(rows)[0][:, -1] ** 2])
    expected = [2.0, 1.0] @ ((both.T - detector._usual_) / detector._spread_).T
    found = detector.score_samples(rows)
    # Of a distance the unit is a power of two, which is a constant of the logarithms.
    assert_allclose(found - found.mean(), expected.mean() - expected, rtol=1e-2, atol=1e-2)


def test_errors_of_features_have_the_error_of_a_row_for_their_mean(fitted):
    of_features = fitted.reconstruction_error(OTHERS, per_feature=True)
    assert of_features.shape == OTHERS.shape
    assert_allclose(of_features.mean(axis=1), fitted.reconstruction_error(OTHERS))


def test_without_neighbours_scores_are_those_of_the_error():
    detector = AutoencoderOutlierDetector(n_neighbors=0, random_state=0).fit(X[:300])
    rows = X[300:400]
    order = np.argsort(detector.reconstruction_error(rows))
    assert_array_equal(np.argsort(-detector.score_samples(rows)), order)


def test_decisions_follow_scores_and_offset(fitted):
    scores = fitted.score_samples(X)
    assert_allclose(fitted.decision_function(X), scores - fitted.offset_)
    assert_array_equal(fitted.predict(X), np.where(scores < fitted.offset_, -1, 1))


def test_auto_is_a_fence(fitted):
    first, median = np.percentile(fitted.score_samples(ZEROS[::2]), [25, 50])
    assert fitted.offset_ == pytest.approx(first - 2 * (median - first))


def test_rows_that_were_fitted_have_scores_like_new_ones():
    """Else more than the share that is asked for would fall below the threshold."""
    shares, without, errors = [], [], []
    for digit in range(6):
        rows = X[digit == Y]
        detector = AutoencoderOutlierDetector(novelty=True, contamination=0.1, random_state=0)
        detector.fit(rows[::2])
        shares.append((detector.predict(rows[1::2]) == -1).mean())
        errors.append(np.median(detector.reconstruction_error(rows[1::2])))
        trained = detector._is_trained_.copy()
        detector._is_trained_[:] = False
        threshold = np.percentile(detector.score_samples(rows[::2][trained]), 10)
        without.append((detector.score_samples(rows[1::2]) < threshold).mean())
    assert np.mean(shares) < 0.16 < 0.2 < np.mean(without)
    assert 0.8 < np.mean(errors) < 1.25


def test_no_score_is_corrected_of_a_row_that_was_not_trained_on():
    """Whatever is left of all alike needs none."""
    pca = FrozenEstimator(PCA(8).fit(X))
    detector = AutoencoderOutlierDetector(pca, random_state=0).fit(X[::2])
    assert detector._slope_ < 1.3
    assert abs(detector._intercept_) < 0.3


@pytest.mark.parametrize("contamination", [0.05, 0.3])
def test_a_share_of_the_rows_is_taken_for_outliers(contamination):
    detector = AutoencoderOutlierDetector(contamination=contamination, random_state=0)
    labels = detector.fit_predict(X[:400])
    assert (labels == -1).mean() == pytest.approx(contamination, abs=0.005)


def test_a_row_that_was_fitted_is_no_neighbour_of_itself():
    detector = AutoencoderOutlierDetector(novelty=True, random_state=0).fit(ZEROS)
    measured = detector._measure(ZEROS, detector._rebuilt(ZEROS))
    others = NearestNeighbors(n_neighbors=5).fit(ZEROS).kneighbors()[0][:, -1]
    assert_allclose(np.exp(measured.distance / 2) * detector._unit_, others, rtol=1e-4)
    assert_array_equal(measured.trained, detector._is_trained_)


# Far out


@pytest.mark.parametrize("n_neighbors", [0, 5])
def test_farther_rows_are_less_typical_and_all_scores_finite(n_neighbors):
    detector = AutoencoderOutlierDetector(n_neighbors=n_neighbors, random_state=0).fit(X[:300])
    direction = np.random.RandomState(0).standard_normal(64)
    with np.errstate(over="ignore"):
        distances = 10.0 ** np.r_[1:8, 20, 50, 150, 300]
    scores = detector.score_samples(distances[:, None] * direction)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) < 0).all()
    for values in (1.7e308, -1.7e308):
        assert np.isfinite(detector.score_samples(np.full((1, 64), values))).all()
        assert np.isfinite(detector.reconstruction_error(np.full((1, 64), values))).all()


def test_rows_that_are_nearly_all_the_same_have_finite_scores():
    same = np.full((40, 3), 7.0)
    rows = np.r_[same, [[8.0, 7.0, 7.0], [7.0, 9.0, 6.0]]]
    scores = AutoencoderOutlierDetector(random_state=0).fit(rows).score_samples(rows)
    assert np.isfinite(scores).all()
    assert (scores[:40] > scores[40:].max()).all()


@pytest.mark.parametrize("novelty", [False, True])
def test_scores_of_rows_of_which_many_are_the_same_are_of_one_size(novelty):
    counts = np.random.RandomState(0).poisson(0.3, size=(500, 4)).astype(float)
    detector = AutoencoderOutlierDetector(novelty=novelty, random_state=0).fit(counts)
    scores = detector.score_samples(counts)
    assert -50 < scores.min() < scores.max() < 10
    assert scores[counts.sum(axis=1).argmax()] < np.median(scores) - 1


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (1.0, 1e4)])
def test_common_units_do_not_matter(scale, shift):
    scores = [
        AutoencoderOutlierDetector(random_state=0).fit(rows[:300]).score_samples(rows)
        for rows in (X[:400], scale * X[:400] + shift)
    ]
    assert np.corrcoef(*scores)[0, 1] > 0.99


# What it takes


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(8),
        small(),
        make_pipeline(StandardScaler(), small()),
        ConvAutoencoderTransformer(8, image_shape=(8, 8), channels=(4,), **SMALL),
        VariationalAutoencoderTransformer(4, **SMALL),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*of the codes are of no use:UserWarning")
def test_any_of_them_serves(estimator):
    detector = AutoencoderOutlierDetector(estimator, random_state=0).fit(ZEROS)
    assert auc(detector, ZEROS, OTHERS) > 0.8
    assert not hasattr(estimator, "n_features_in_")


def test_one_that_is_fitted_stays_fitted():
    pca = PCA(8).fit(ZEROS)
    detector = AutoencoderOutlierDetector(FrozenEstimator(pca)).fit(X[:500])
    assert_array_equal(detector.estimator_.transform(X), pca.transform(X))


class Recorded(PCA):
    """What was fitted, and with what."""

    seen: ClassVar[dict] = {}

    def fit(self, X, y=None, sample_weight=None):
        self.seen.update(X=X, y=y, sample_weight=sample_weight)
        return super().fit(X)


@pytest.mark.parametrize(("n_rows", "n_trained"), [(4, 4), (30, 24), (400, 320), (1500, 1300)])
def test_some_rows_are_kept_from_the_autoencoder(n_rows, n_trained):
    told = {"y": np.arange(n_rows), "sample_weight": np.arange(n_rows) + 0.5}
    AutoencoderOutlierDetector(Recorded(2), random_state=0).fit(X[:n_rows], **told)
    assert len(Recorded.seen["X"]) == n_trained == len(np.unique(Recorded.seen["y"]))
    assert_array_equal(Recorded.seen["X"], X[Recorded.seen["y"]])
    assert_array_equal(Recorded.seen["sample_weight"], Recorded.seen["y"] + 0.5)


@pytest.fixture
def nothing_held_out(monkeypatch):
    monkeypatch.setattr("sklearn_ae._outlier._HELD_OUT", 0.0)


@pytest.mark.usefixtures("nothing_held_out")
def test_a_y_and_types_reach_the_autoencoder():
    told = AutoencoderOutlierDetector(small(target_weight=4)).fit(X, Y)
    assert_array_equal(told.estimator_.transform(X), small(target_weight=4).fit(X, Y).transform(X))
    images = X.astype(np.uint8)  # whose range a sigmoid takes from their type
    estimator = small(output_activation="sigmoid", loss="binary_cross_entropy")
    detector = AutoencoderOutlierDetector(estimator).fit(images)
    assert_array_equal(detector.estimator_.transform(images), estimator.fit_transform(images))
    assert np.isfinite(detector.score_samples(images)).all()
    assert np.isfinite(detector.score_samples(X + 0.5)).all()


def test_the_default_says_nothing_of_epochs():
    AutoencoderOutlierDetector().fit(StandardScaler().fit_transform(load_iris().data))


def test_one_of_the_user_warns_of_its_epochs():
    hasty = small(max_epochs=2, tol=0, n_iter_no_change=10)
    with pytest.warns(ConvergenceWarning, match="max_epochs=2"):
        AutoencoderOutlierDetector(hasty).fit(X[:200])


def test_the_default_trims_where_rows_may_be_outliers():
    trims = [
        AutoencoderOutlierDetector(novelty=novelty, random_state=0).fit(X[:100]).estimator_.trim
        for novelty in (False, True)
    ]
    assert trims == [0.2, 0.0]


def test_many_rows_are_compared_with_some(monkeypatch):
    monkeypatch.setattr("sklearn_ae._outlier._MOST_REFERENCES", 60)
    detector = AutoencoderOutlierDetector(novelty=True, random_state=0).fit(ZEROS)
    assert detector._neighbors_.n_samples_fit_ == 60
    assert auc(detector, ZEROS, OTHERS) > 0.95


def test_the_same_seed_gives_the_same_scores():
    scores = [
        AutoencoderOutlierDetector(random_state=seed).fit(X[:200]).score_samples(X)
        for seed in (0, 0, 1)
    ]
    assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()


def test_it_is_cloned_pickled_and_searched(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.score_samples(X), fitted.score_samples(X))
    assert not hasattr(clone(fitted), "offset_")
    search = GridSearchCV(
        AutoencoderOutlierDetector(small(), random_state=0),
        {"estimator__encoding_dim": [2, 4], "n_neighbors": [0, 5]},
        scoring=lambda estimator, X, y: roc_auc_score(y, estimator.score_samples(X)),
        cv=2,
    ).fit(X[:400], Y[:400] == 0)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_it_ends_a_pipeline_of_frames():
    frame = pd.DataFrame(X[:200]).add_prefix("pixel ")
    pipeline = make_pipeline(StandardScaler(), AutoencoderOutlierDetector(random_state=0))
    labels = pipeline.set_output(transform="pandas").fit_predict(frame)
    assert set(labels) <= {-1, 1}
    assert_array_equal(pipeline[-1].feature_names_in_, frame.columns)


@pytest.mark.usefixtures("nothing_held_out")
@pytest.mark.parametrize("routed", [False, True])
def test_weights_reach_the_autoencoder(routed):
    weight = np.r_[np.ones(100), np.zeros(100)]
    with config_context(enable_metadata_routing=routed):
        estimator = small()
        if routed:
            estimator.set_fit_request(sample_weight=True)
        detector = AutoencoderOutlierDetector(estimator).fit(X[:200], sample_weight=weight)
        alone = small().fit(X[:200], sample_weight=weight)
    assert_array_equal(detector.estimator_.transform(X), alone.transform(X))


@pytest.mark.filterwarnings("ignore::RuntimeWarning:sklearn.decomposition")
@pytest.mark.parametrize("estimator", [None, PCA(2)])
def test_numbers_of_a_variance_beyond_float64_are_refused(estimator):
    with pytest.raises(ValueError, match=r"X: values up to 1\.\de\+201 .*Divide X by a constant"):
        AutoencoderOutlierDetector(estimator).fit(-1e200 * ZEROS)


def test_a_failed_fit_keeps_the_old_detector(fitted):
    detector = pickle.loads(pickle.dumps(fitted))
    before = detector.score_samples(X)
    with pytest.raises(ValueError, match="n_neighbors=100: there are 50 rows"):
        detector.set_params(n_neighbors=100).fit(X[:50, :8])
    assert_array_equal(detector.score_samples(X), before)
    assert detector.n_features_in_ == 64


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"estimator": IsolationForest()}, "'estimator' parameter"),
        ({"contamination": 0.7}, "'contamination' parameter"),
        ({"contamination": 0}, "'contamination' parameter"),
        ({"n_neighbors": -1}, "'n_neighbors' parameter"),
        ({"novelty": "yes"}, "'novelty' parameter"),
    ],
)
def test_what_is_no_parameter_is_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        AutoencoderOutlierDetector(**parameters).fit(X[:50])


def test_scores_need_a_fit():
    detector = AutoencoderOutlierDetector()
    for method in ("score_samples", "decision_function", "predict", "reconstruction_error"):
        with pytest.raises(NotFittedError):
            getattr(detector, method)(X)


@pytest.mark.usefixtures("nothing_held_out")
def test_the_default_has_no_shortcut_and_takes_noise():
    detector = AutoencoderOutlierDetector(novelty=True, random_state=0).fit(X[:100])
    estimator = detector.estimator_
    assert isinstance(estimator, AutoencoderTransformer)
    assert not estimator.linear_shortcut
    assert estimator.noise == "gaussian"
    assert estimator.noise_level == pytest.approx(0.15 * np.sqrt(X[:100].var(axis=0).mean()))


def test_rows_that_are_alike_are_all_trained_on_if_one_was():
    """Which of them is found as the nearest is chance, and the score hangs on whether it was."""
    rows = np.repeat(load_digits().data[:60, 20:30], 5, axis=0)
    detector = AutoencoderOutlierDetector(small(), random_state=0).fit(rows)
    references = detector._neighbors_._fit_X
    _, alike = np.unique(references, axis=0, return_inverse=True)
    n_trained = np.bincount(alike.ravel(), weights=detector._is_trained_)
    assert set(n_trained / np.bincount(alike.ravel())) <= {0.0, 1.0}


def test_a_row_that_rounding_took_out_of_the_range_is_still_itself():
    rows = scale(load_breast_cancer().data)
    detector = AutoencoderOutlierDetector(small(), random_state=0).fit(rows)
    rounded = detector.score_samples(rows.astype(np.float32))
    assert_allclose(rounded, detector.score_samples(rows), rtol=1e-5, atol=1e-5)
