"""Few rows: all of them, in turns, say how far the weights go from their start."""

import numpy as np
import pytest
import torch
from _testing import small
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_ae import AutoencoderTransformer, _holding_out
from sklearn_ae._training.shrinkage import SHRINKAGES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS = load_digits().data
X = DIGITS[:200]


def guarded(**parameters):
    return small(**{"early_stopping": "auto", "max_epochs": 10, **parameters})


def gaussian(n_samples, n_features=20):
    """Give rows that PCA rebuilds as well as anything can."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, n_features)) * 0.9 ** np.arange(n_features)


def error_over_that_of_pca(autoencoder, train, test):
    pca = PCA(autoencoder.encoding_dim_).fit(train)
    of_pca = np.square(pca.inverse_transform(pca.transform(test)) - test).mean()
    return np.square(autoencoder.reconstruct(test) - test).mean() / of_pca


def test_where_there_is_nothing_but_linear_structure_the_fit_stays_at_pca():
    rows = gaussian(3_200)
    train, test = rows[:200], rows[200:]
    parameters = {"hidden_layer_sizes": (64,), "max_epochs": 20}
    plain = guarded(**parameters, early_stopping=False).fit(train)
    fitted = guarded(**parameters).fit(train)

    assert error_over_that_of_pca(plain, train, test) > 1.05
    assert error_over_that_of_pca(fitted, train, test) < 1.02
    assert fitted.shrinkage_ > 0.7


@pytest.mark.parametrize(
    "load", [load_iris, load_wine, load_diabetes], ids=lambda load: load.__name__
)
def test_a_table_of_few_rows_is_rebuilt_no_worse_than_by_pca(load):
    train, test = train_test_split(StandardScaler().fit_transform(load().data), random_state=0)
    fitted = AutoencoderTransformer(random_state=0).fit(train)

    assert error_over_that_of_pca(fitted, train, test) < 1.02
    assert 0 <= fitted.shrinkage_ <= 1


def test_the_weights_kept_lie_on_the_way_back_to_the_start():
    rows = DIGITS[:60]
    parameters = {"hidden_layer_sizes": (64,), "lr": 1e-2, "max_epochs": 20}
    start = guarded(**{**parameters, "lr": 1e-30}, early_stopping=False).fit(rows)
    trained = guarded(**parameters, early_stopping=False).fit(rows)
    fitted = guarded(**parameters).fit(rows)

    assert 0 < fitted.shrinkage_ < 1
    states = [each.net_.module_.state_dict() for each in (start, trained, fitted)]
    for name, kept in states[2].items():
        line = torch.lerp(states[1][name], states[0][name], fitted.shrinkage_)
        torch.testing.assert_close(kept, line)


@pytest.mark.parametrize("encoding_dim", ["auto", 0.9])
def test_the_folds_have_codes_as_wide_as_those_of_the_fit(encoding_dim, monkeypatch):
    rows = np.hstack([DIGITS[:60, 20:30], np.zeros((60, 1))])
    rows[7, 10] = 1e3  # which one fold is trained without
    widths, losses_along = [], _holding_out.losses_along

    def spy(net, *arguments):
        widths.append(net.module_.encoding_dim)
        return losses_along(net, *arguments)

    monkeypatch.setattr(_holding_out, "losses_along", spy)
    fitted = guarded(encoding_dim=encoding_dim).fit(rows)
    assert set(widths) == {fitted.encoding_dim_}


def test_the_loss_kept_is_that_of_the_weights_kept():
    fitted = guarded(encoding_dim=8).fit(gaussian(300))

    unit = gaussian(300).var(axis=0).mean()
    rows = gaussian(300)
    expected = np.square(fitted.reconstruct(rows) - rows).mean() / unit
    assert fitted.best_loss_ == pytest.approx(expected, rel=1e-5)
    assert fitted.best_loss_ <= fitted.pca_loss_


@pytest.mark.parametrize(
    "parameters", [{"early_stopping": False}, {"linear_shortcut": False}], ids=["plain", "random"]
)
def test_a_plain_fit_and_one_from_a_random_start_keep_what_was_trained(parameters):
    assert guarded(**parameters).fit(X).shrinkage_ is None


def test_rows_are_held_out_where_they_are_enough():
    fitted = guarded(max_epochs=1).fit(DIGITS[:1000])

    assert fitted.validation_loss_curve_ is not None
    assert (
        fitted.loss_curve_
        == guarded(max_epochs=1, early_stopping=True).fit(DIGITS[:1000]).loss_curve_
    )


def test_a_warm_start_has_seen_all_rows_and_is_not_cross_validated():
    fitted = guarded(warm_start=True).fit(X)
    assert fitted.shrinkage_ is not None
    assert fitted.fit(X).shrinkage_ is None


def test_a_partial_fit_leaves_nothing_shrunk():
    fitted = guarded().fit(gaussian(300))
    assert fitted.shrinkage_ > 0
    assert fitted.partial_fit(gaussian(300)).shrinkage_ is None


def test_the_same_rows_give_the_same_weights():
    one, other = (guarded().fit(X) for _ in range(2))

    assert one.shrinkage_ == other.shrinkage_
    assert_array_equal(one.transform(X), other.transform(X))


def test_the_training_is_that_of_a_plain_fit():
    assert guarded().fit(X).loss_curve_ == guarded(early_stopping=False).fit(X).loss_curve_


@pytest.mark.parametrize("n_samples", [3, 5, 6, 9])
def test_a_handful_of_rows_is_fitted(n_samples):
    fitted = guarded(encoding_dim=1).fit(gaussian(n_samples))
    assert (fitted.shrinkage_ is None) == (n_samples < 6)


def test_rows_of_which_one_differs_are_fitted():
    rows = np.zeros((30, 4))
    rows[3] = 1, 2, 3, 4
    with pytest.warns(UserWarning, match="exactly"):
        guarded(encoding_dim=1).fit(rows)
    noisy = guarded(encoding_dim=1, noise="gaussian").fit(rows)
    assert noisy.n_iter_ == 10


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
def test_weights_and_gaps_count_in_the_folds(loss):
    output = "softplus" if loss == "poisson" else "identity"
    rng = np.random.default_rng(0)
    weight, observed = rng.integers(0, 3, size=200), rng.random(X.shape) > 0.2
    autoencoder = guarded(loss=loss, output_activation=output)
    fitted = autoencoder.fit(X, sample_weight=weight, observed=observed)
    rows = np.where(observed, X, np.nan)[weight > 0]
    same = clone(autoencoder).fit(
        rows, sample_weight=weight[weight > 0], observed=observed[weight > 0]
    )

    assert fitted.shrinkage_ == same.shrinkage_ is not None
    assert_array_equal(fitted.transform(X), same.transform(X))


# How fast


@pytest.fixture(name="gains_by_pace")
def _gains_by_pace(monkeypatch):
    """Give a function that says what folds gain at each pace, and what was asked for."""

    def set_to(**gains):
        asked = []

        def losses_of_folds(given, plain, rows, pace):
            asked.append(pace)
            start_and_others = 1 - gains[pace] * (np.array(SHRINKAGES) < 1)
            return iter([start_and_others] * 3)

        monkeypatch.setattr(_holding_out, "_losses_of_folds", losses_of_folds)
        return asked

    return set_to


def left_open(**parameters):
    return AutoencoderTransformer(4, hidden_layer_sizes=(16,), random_state=0, **parameters)


@pytest.mark.parametrize(
    ("slow", "fast", "steps"), [(0.2, 0.1, (1e-3, 16, 20)), (0.1, 0.2, (3e-3, 40, 45))]
)
def test_a_fit_has_the_pace_at_which_the_folds_gain_more(gains_by_pace, slow, fast, steps):
    gains_by_pace(slow=slow, fast=fast)
    net = left_open().fit(X).net_

    assert (net.lr, net.batch_size, net.max_epochs) == steps
    assert len(net.history) == steps[2]


def test_where_nothing_is_left_open_there_is_one_pace(gains_by_pace):
    asked = gains_by_pace(slow=0.1, fast=0.2)
    left_open(lr=1e-3, max_epochs=2, batch_size=40).fit(X)
    assert len(asked) == 1


def test_below_a_hundred_rows_there_is_the_slow_pace_alone(gains_by_pace):
    asked = gains_by_pace(slow=0.1, fast=0.2)
    assert left_open().fit(X[:99]).net_.module.pace == "slow"
    assert asked == ["slow"]


@pytest.mark.parametrize("parameters", [{"early_stopping": False}, {"linear_shortcut": False}])
def test_what_is_not_cross_validated_has_a_steady_pace(parameters):
    net = left_open(**parameters).fit(X).net_
    assert (net.lr, net.batch_size, net.max_epochs) == (3e-3, 8, 20)


def test_a_partial_fit_has_a_steady_pace():
    fitted = left_open().fit(X).partial_fit(X)
    assert (fitted.net_.lr, fitted.net_.batch_size) == (3e-3, 8)


class Heard(Callback):
    """Remembers how many rows each training had."""

    def __init__(self):
        self.n_rows = []

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.n_rows.append(len(X))


def test_callbacks_of_the_user_hear_of_the_fit_alone():
    fitted = guarded(callbacks=[Heard()]).fit(X)

    heard = next(each for _, each in fitted.net_.callbacks_ if isinstance(each, Heard))
    assert heard.n_rows == [200]


def test_an_interrupt_of_the_folds_leaves_the_estimator_as_it_was(fail_at):
    fitted = guarded().fit(X)
    before = fitted.net_
    fail_at(7)

    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X[:100])
    assert fitted.net_ is before


def test_a_sigmoid_and_a_bounded_loss_are_cross_validated_too():
    images = DIGITS[:200].astype(np.uint8)
    fitted = guarded(output_activation="sigmoid", loss="binary_cross_entropy").fit(images)
    assert fitted.shrinkage_ is not None


# Rows that are held out


def test_rows_held_out_say_how_far_the_weights_go_from_their_start():
    train, held_out = DIGITS[:80], DIGITS[200:500]
    fitted = guarded(hidden_layer_sizes=(128,), lr=1e-2).fit(train, X_val=held_out)

    unit = train.var(axis=0).mean()
    error = np.square(fitted.reconstruct(held_out) - held_out).mean() / unit
    assert fitted.shrinkage_ > 0
    assert fitted.best_loss_ < min(fitted.validation_loss_curve_)
    assert fitted.best_loss_ == pytest.approx(error, rel=1e-5)


def test_weights_that_rows_held_out_want_as_they_are_are_not_taken_back():
    fitted = guarded(early_stopping=True).fit(DIGITS)

    assert fitted.shrinkage_ == 0
    assert fitted.best_loss_ == min(fitted.validation_loss_curve_)
