"""Scores of rows, and what makes one of them an outlier, in one picture."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from _testing import small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderOutlierDetector
from sklearn_ae.inspection import ReconstructionErrorDisplay

DATA = load_wine(as_frame=True)
X = StandardScaler().set_output(transform="pandas").fit_transform(DATA.data)
IS_OUTLIER = DATA.target != 1


@pytest.fixture(scope="module")
def detector():
    return AutoencoderOutlierDetector(novelty=True, random_state=0).fit(X[~IS_OUTLIER])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def heights(bars):
    return np.array([bar.get_height() for bar in bars])


def test_shares_of_typical_rows_and_outliers_are_drawn_with_the_threshold(detector):
    display = ReconstructionErrorDisplay.from_estimator(detector, X, IS_OUTLIER)
    assert [heights(bars).sum() for bars in display.bars_] == pytest.approx([1, 1])
    assert_allclose(display.line_.get_xdata(), [detector.offset_] * 2)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["typical", "outliers", "threshold"]
    assert_array_equal(display.scores, detector.score_samples(X))
    middle = [
        np.average([bar.get_x() for bar in bars], weights=heights(bars)) for bars in display.bars_
    ]
    assert middle[1] < middle[0]


@pytest.mark.parametrize(
    "y",
    [IS_OUTLIER, IS_OUTLIER.to_numpy(), IS_OUTLIER.astype(int), np.where(IS_OUTLIER, -1, 1)],
    ids=["series", "bool", "0 and 1", "-1 and 1"],
)
def test_outliers_are_told_as_people_write_them(detector, y):
    display = ReconstructionErrorDisplay.from_estimator(detector, X, y)
    assert_array_equal(display.is_outlier, IS_OUTLIER)


@pytest.mark.parametrize(
    ("estimator", "has_threshold"),
    [(IsolationForest(random_state=0), True), (small(), False)],
    ids=["IsolationForest", "AutoencoderTransformer"],
)
def test_whatever_scores_rows_is_drawn(estimator, has_threshold):
    display = ReconstructionErrorDisplay.from_estimator(estimator.fit(X), X)
    assert (display.line_ is not None) is has_threshold
    assert len(display.bars_) == 1


def test_far_scores_share_the_first_bar(detector):
    scores = np.r_[np.linspace(-1, 1, 99), -1e9]
    display = ReconstructionErrorDisplay(scores=scores).plot()
    assert heights(display.bars_[0])[0] == pytest.approx(0.01)
    low, high = display.ax_.get_xlim()
    assert high - low < 20
    assert "less in the first bar" in display.ax_.get_xlabel()


def test_the_features_that_most_is_left_of_are_drawn(detector):
    display = ReconstructionErrorDisplay.from_estimator(detector, X, row=0, n_features=3)
    contributions = detector.reconstruction_error(X.iloc[[0]], per_feature=True)[0]
    (bars,) = display.bars_
    widths = [bar.get_width() for bar in bars]
    assert_allclose(widths, np.sort(contributions)[::-1][:3])
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == list(X.columns[np.argsort(-contributions)[:3]])


def test_pixels_are_drawn_as_an_image(digits):
    detector = AutoencoderOutlierDetector(novelty=True, random_state=0).fit(digits)
    display = ReconstructionErrorDisplay.from_estimator(detector, digits, row=3, image_shape=(8, 8))
    contributions = detector.reconstruction_error(digits[[3]], per_feature=True)
    assert_allclose(display.image_.get_array(), contributions.reshape(8, 8))


def test_it_draws_on_given_axes(detector):
    _, ax = plt.subplots()
    assert ReconstructionErrorDisplay.from_estimator(detector, X, ax=ax).ax_ is ax
    assert ReconstructionErrorDisplay.from_estimator(detector, X, row=1, ax=ax).ax_ is ax


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"row": 1000}, "row=1000: X has 178 rows"),
        ({"y": [True]}, r"y has the shape \(1,\): X has 178 rows"),
        ({"y": ["a"] * 178}, r"y has \['a'\]: it is to have -1 and 1"),
        ({"row": 0, "image_shape": (3, 3)}, r"image_shape=\(3, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(detector, keywords, match):
    with pytest.raises(ValueError, match=match):
        ReconstructionErrorDisplay.from_estimator(detector, X, **keywords)


def test_it_needs_a_fit_and_something_to_draw():
    with pytest.raises(NotFittedError):
        ReconstructionErrorDisplay.from_estimator(AutoencoderOutlierDetector(), X)
    with pytest.raises(ValueError, match="scores=None, contributions=None"):
        ReconstructionErrorDisplay().plot()


def test_rows_of_frames_keep_their_names(detector):
    display = ReconstructionErrorDisplay.from_estimator(detector, X, row=2)  # warns of nothing
    assert display.feature_names is detector.feature_names_in_


def test_rows_that_are_all_typical_are_no_outliers(detector):
    display = ReconstructionErrorDisplay.from_estimator(detector, X, np.ones(len(X), dtype=int))
    assert not display.is_outlier.any()


def test_the_threshold_of_a_pipeline_is_drawn():
    pipeline = make_pipeline(StandardScaler(), IsolationForest(random_state=0)).fit(DATA.data)
    display = ReconstructionErrorDisplay.from_estimator(pipeline, DATA.data)
    assert_allclose(display.line_.get_xdata(), [pipeline[-1].offset_] * 2)


def test_scores_that_are_mostly_the_same_keep_their_places():
    display = ReconstructionErrorDisplay(scores=[0.0] * 80 + [-5.0] * 20).plot()
    drawn = heights(display.bars_[0])
    assert drawn[[0, -1]] == pytest.approx([0.2, 0.8])


def test_what_is_usual_is_drawn_where_errors_are_in_such_units(detector):
    assert ReconstructionErrorDisplay.from_estimator(detector, X, row=0).line_ is not None
    plain = small().fit(X)
    assert ReconstructionErrorDisplay.from_estimator(plain, X, row=0).line_ is None
