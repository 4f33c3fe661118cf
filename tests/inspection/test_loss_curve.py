"""The losses of each epoch in one picture."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPRegressor

from sklearn_ae.inspection import LossCurveDisplay


class Trained(BaseEstimator):
    """What the display asks of an estimator, and nothing else."""

    def __init__(self, validation=True, pca=True):
        self.validation = validation
        self.pca = pca

    def fit(self, X=None, y=None):
        self.loss_curve_ = [0.5, 0.3, 0.2, 0.1]
        self.validation_loss_curve_ = [0.6, 0.4, 0.35, 0.38] if self.validation else None
        self.pca_loss_ = 0.7 if self.pca else None
        self.best_epoch_ = 3
        self.best_loss_ = 0.35
        return self


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("shrinkage", "label"),
    [
        (0.3, "kept, epoch 3, 30% back to the start"),
        (0.0, "kept, epoch 3"),
        (None, "kept, epoch 3"),
    ],
)
def test_how_far_back_to_the_start_the_weights_kept_lie_is_said(shrinkage, label):
    trained = Trained().fit()
    trained.shrinkage_ = shrinkage
    assert label in legend(LossCurveDisplay.from_estimator(trained))


def test_each_loss_is_drawn_over_its_epoch():
    display = LossCurveDisplay.from_estimator(Trained().fit())

    assert_array_equal(display.line_.get_xdata(), [1, 2, 3, 4])
    assert_array_equal(display.line_.get_ydata(), [0.5, 0.3, 0.2, 0.1])
    assert_array_equal(display.validation_line_.get_ydata(), [0.6, 0.4, 0.35, 0.38])


def test_the_loss_of_pca_is_a_horizontal_line():
    display = LossCurveDisplay.from_estimator(Trained().fit())
    assert_array_equal(display.pca_line_.get_ydata(), [0.7, 0.7])


def test_the_epoch_that_was_kept_is_marked():
    display = LossCurveDisplay.from_estimator(Trained().fit())
    assert_array_equal(display.best_.get_xydata(), [[3, 0.35]])
    assert legend(display) == ["training", "validation", "kept, epoch 3", "PCA"]


def test_a_start_that_was_kept_is_marked_at_epoch_zero():
    display = LossCurveDisplay(loss_curve=[0.9, 0.8], best_epoch=0, best_loss=0.7).plot()
    assert_array_equal(display.best_.get_xydata(), [[0, 0.7]])


def test_what_an_estimator_does_not_have_is_not_drawn():
    display = LossCurveDisplay.from_estimator(Trained(validation=False, pca=False).fit())
    assert display.validation_line_ is None
    assert display.pca_line_ is None
    assert legend(display) == ["training", "kept, epoch 3"]


def test_any_estimator_with_a_loss_curve_is_drawn():
    X, y = load_digits(return_X_y=True)
    network = MLPRegressor(hidden_layer_sizes=4, max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        network.fit(X[:100], y[:100])

    display = LossCurveDisplay.from_estimator(network)
    assert_array_equal(display.line_.get_ydata(), network.loss_curve_)


def test_several_estimators_are_drawn_over_one_another_in_their_colours():
    first = LossCurveDisplay.from_estimator(Trained().fit(), name="8 codes")
    second = LossCurveDisplay.from_estimator(Trained().fit(), name="16 codes", ax=first.ax_)

    assert second.ax_ is first.ax_
    assert first.line_.get_color() != second.line_.get_color()
    for display in (first, second):
        color = display.line_.get_color()
        assert display.validation_line_.get_color() == color
        assert display.pca_line_.get_color() == color
        assert display.best_.get_color() == color
    assert legend(second)[:2] == ["8 codes: training", "8 codes: validation"]
    assert legend(second)[-1] == "16 codes: PCA"


def test_a_name_given_when_drawing_comes_before_that_of_the_display():
    display = LossCurveDisplay.from_estimator(Trained().fit(), name="old")
    assert legend(display.plot(name="new"))[0] == "new: training"


def test_training_is_dashed_only_beside_a_validation_loss():
    alone = LossCurveDisplay.from_estimator(Trained(validation=False).fit())
    beside = LossCurveDisplay.from_estimator(Trained().fit())
    assert alone.line_.get_linestyle() == "-"
    assert beside.line_.get_linestyle() == "--"
    assert beside.validation_line_.get_linestyle() == "-"


def test_both_curves_take_the_keywords_of_matplotlib():
    display = LossCurveDisplay.from_estimator(Trained().fit(), line_kwargs={"c": "red", "lw": 3})
    for line in (display.line_, display.validation_line_):
        assert line.get_color() == "red"
        assert line.get_linewidth() == 3


def test_epochs_are_whole_numbers_on_the_axis():
    display = LossCurveDisplay.from_estimator(Trained().fit())
    ticks = display.ax_.get_xticks()
    assert_array_equal(ticks, np.round(ticks))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Epoch", "Loss")


def test_plot_gives_the_display_and_its_figure():
    display = LossCurveDisplay(loss_curve=[0.5, 0.3])
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure


def test_an_estimator_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError, match="Trained instance is not fitted"):
        LossCurveDisplay.from_estimator(Trained())


def test_an_estimator_without_losses_is_refused():
    pca = PCA().fit(np.eye(3))
    with pytest.raises(TypeError, match=r"PCA has no loss_curve_.*Pipeline"):
        LossCurveDisplay.from_estimator(pca)
