"""What is known of a fit, which rows and entries count in it, and how it goes on."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae import AutoencoderTransformer

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


def _weights(autoencoder):
    return {name: part.clone() for name, part in autoencoder.net_.module_.state_dict().items()}


def _same_weights(one, other):
    one, other = (w if isinstance(w, dict) else _weights(w) for w in (one, other))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _share_of_variance_lost(autoencoder, X, rows=None):
    """Give the loss in units of the network, by hand: one scale for all, from X."""
    rows = X if rows is None else rows
    return np.square(autoencoder.reconstruct(rows) - rows).mean() / X.var(axis=0).mean()


# What is known of a fit


def test_the_curves_have_an_epoch_each():
    autoencoder = _autoencoder(max_epochs=5, early_stopping=True).fit(X)
    assert autoencoder.n_iter_ == 5
    assert len(autoencoder.loss_curve_) == len(autoencoder.validation_loss_curve_) == 5
    assert not np.isnan(autoencoder.validation_loss_curve_).any()
    assert autoencoder.loss_ == autoencoder.loss_curve_[-1]


def test_without_validation_rows_there_is_no_curve_of_them():
    assert _autoencoder().fit(X).validation_loss_curve_ is None


@pytest.mark.parametrize(("lr", "better_than_pca"), [(1e-2, True), (0.3, False)])
def test_the_best_loss_is_that_of_the_weights_kept_evaluated_as_the_start_is(lr, better_than_pca):
    autoencoder = _autoencoder(max_epochs=8, lr=lr, lr_schedule="constant").fit(X)
    expected = _share_of_variance_lost(autoencoder, X)
    assert autoencoder.best_loss_ == pytest.approx(expected, rel=1e-5)
    assert (autoencoder.best_loss_ < autoencoder.pca_loss_) is better_than_pca
    best = np.argmin(autoencoder.loss_curve_) + 1 if better_than_pca else 0
    assert autoencoder.best_epoch_ == best


def test_from_a_random_start_the_best_loss_is_the_least_of_the_curve():
    autoencoder = _autoencoder(max_epochs=8, linear_shortcut=False).fit(X)
    assert autoencoder.best_loss_ == min(autoencoder.loss_curve_)
    assert autoencoder.best_epoch_ == np.argmin(autoencoder.loss_curve_) + 1


def test_losses_on_validation_rows_are_those_of_the_weights_kept():
    autoencoder = _autoencoder(max_epochs=8).fit(X, X_val=DIGITS[300:400])
    assert autoencoder.best_loss_ == pytest.approx(
        _share_of_variance_lost(autoencoder, X, DIGITS[300:400]), rel=1e-5
    )


def test_the_loss_of_pca_is_over_the_rows_that_judge():
    autoencoder = _autoencoder().fit(X, X_val=DIGITS[300:400])
    pca, rows = PCA(4, svd_solver="full").fit(X), DIGITS[300:400]
    error = np.square(pca.inverse_transform(pca.transform(rows)) - rows).mean()
    assert autoencoder.pca_loss_ == pytest.approx(error / X.var(axis=0).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "parameters", [{"linear_shortcut": False}, {"output_activation": "sigmoid"}], ids=str
)
def test_there_is_no_loss_of_pca_where_the_fit_starts_elsewhere(parameters):
    autoencoder = _autoencoder(**parameters).fit(X / 16)
    assert autoencoder.pca_loss_ is None
    assert autoencoder.best_loss_ <= autoencoder.loss_curve_[0]


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("lr", [1e-2, 1.0])
def test_the_training_error_is_not_above_that_of_pca(lr, early_stopping):
    autoencoder = _autoencoder(lr=lr, early_stopping=early_stopping, max_epochs=6).fit(X)
    train = np.arange(len(X))
    if early_stopping:
        train, _ = train_test_split(train, test_size=24, random_state=autoencoder.net_.seed)
    pca = PCA(4, svd_solver="full").fit(X[train])
    of_pca = np.square(pca.inverse_transform(pca.transform(X)) - X).mean()
    assert np.square(autoencoder.reconstruct(X) - X).mean() <= of_pca * (1 + 1e-5)


# Weights and observed entries


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_without_weight_are_as_if_they_were_not_there(method):
    weight = np.ones(300)
    weight[240:] = 0
    with_them, without = _autoencoder(), _autoencoder()
    getattr(with_them, method)(DIGITS[:300], sample_weight=weight)
    getattr(without, method)(X, sample_weight=np.ones(240))
    assert _same_weights(with_them, without)


def test_weights_are_repeated_rows():
    n_times = np.random.default_rng(0).integers(1, 4, 240)
    one_batch = {"batch_size": 1000, "optimizer": "sgd", "precision": "float64", "max_epochs": 5}
    weighted = _autoencoder(**one_batch).fit(X, sample_weight=n_times)
    repeated = _autoencoder(**one_batch).fit(np.repeat(X, n_times, axis=0))
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-7)


def test_the_size_of_all_weights_does_not_matter():
    parameters = {"optimizer": "sgd", "precision": "float64"}
    weight = np.random.default_rng(0).exponential(size=240)
    small = _autoencoder(**parameters).fit(X, sample_weight=weight)
    large = _autoencoder(**parameters).fit(X, sample_weight=1024 * weight)
    np.testing.assert_allclose(large.transform(X), small.transform(X), atol=1e-9)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_observing_everything_is_as_saying_nothing(method):
    parameters = {"optimizer": "sgd", "precision": "float64"}
    said, unsaid = _autoencoder(**parameters), _autoencoder(**parameters)
    getattr(said, method)(X, observed=np.ones(X.shape, dtype=bool))
    getattr(unsaid, method)(X)
    np.testing.assert_allclose(said.transform(X), unsaid.transform(X), atol=1e-9)


def test_a_feature_that_is_never_observed_is_not_learnt():
    observed = np.ones(X.shape, dtype=bool)
    observed[:, 20] = False
    autoencoder = _autoencoder(linear_shortcut=False, max_epochs=20)
    error = autoencoder.fit(X, observed=observed).reconstruction_error(X, per_feature=True)
    learnt = autoencoder.fit(X).reconstruction_error(X, per_feature=True)
    assert error[:, 20].mean() > 0.9 * X[:, 20].var() > 1.5 * learnt[:, 20].mean()


# Going on


def test_a_partial_fit_has_the_weights_of_its_epoch():
    autoencoder = _autoencoder(lr=1.0).partial_fit(X).partial_fit(X)
    assert (autoencoder.n_iter_, autoencoder.best_epoch_) == (2, 2)
    assert autoencoder.best_loss_ == autoencoder.loss_ == autoencoder.loss_curve_[-1]


def test_a_later_partial_fit_may_have_a_single_row():
    autoencoder = _autoencoder().partial_fit(X).partial_fit(X[:1])
    assert autoencoder.n_iter_ == 2


def test_a_fit_after_partial_fits_begins_anew():
    autoencoder = _autoencoder().partial_fit(X).fit(X)
    assert autoencoder.n_iter_ == 3
    assert _same_weights(autoencoder, _autoencoder().fit(X))


def test_a_warm_start_goes_on_with_the_curve():
    autoencoder = _autoencoder(warm_start=True).fit(X)
    curve = autoencoder.loss_curve_
    autoencoder.fit(X)
    assert autoencoder.n_iter_ == 6
    assert autoencoder.loss_curve_[:3] == curve
    assert autoencoder.loss_curve_[3] < curve[0]


def test_a_warm_start_that_keeps_its_start_keeps_the_best_epoch_of_the_fit_before():
    autoencoder = _autoencoder(warm_start=True, lr=1e-3).fit(X)
    best, codes = autoencoder.best_epoch_, autoencoder.transform(X)
    assert best > 0
    autoencoder.set_params(lr=10.0, lr_schedule="constant").fit(X)
    assert (autoencoder.n_iter_, autoencoder.best_epoch_) == (6, best)
    np.testing.assert_array_equal(autoencoder.transform(X), codes)
    assert autoencoder.best_loss_ == pytest.approx(_share_of_variance_lost(autoencoder, X))


def test_a_warm_start_keeps_the_units_of_the_first_fit():
    autoencoder = _autoencoder(warm_start=True).fit(X)
    autoencoder.fit(2 * X)
    np.testing.assert_allclose(autoencoder.net_.module_.rescale.shift, X.mean(axis=0))


@pytest.mark.parametrize(
    "first", [lambda a: a.fit(X), lambda a: a.partial_fit(X)], ids=["fit", "partial_fit"]
)
def test_a_warm_start_may_be_the_first_with_validation_rows(first):
    autoencoder = first(_autoencoder(warm_start=True))
    n_before = autoencoder.n_iter_
    autoencoder.fit(X, X_val=DIGITS[300:350])
    assert autoencoder.n_iter_ == n_before + 3
    curve = autoencoder.validation_loss_curve_
    np.testing.assert_array_equal(np.isnan(curve), [True] * n_before + [False] * 3)


# Failure


def test_a_callback_that_fails_leaves_the_old_model():
    class Failing(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("inside")

    autoencoder = _autoencoder().fit(X)
    before, weights = dict(vars(autoencoder)), _weights(autoencoder)
    autoencoder.callbacks = [Failing()]
    before["callbacks"] = autoencoder.callbacks
    with pytest.raises(RuntimeError, match="inside"):
        autoencoder.fit(X[:, :30])
    assert vars(autoencoder) == before
    assert _same_weights(weights, autoencoder)


def test_an_interrupt_within_an_epoch_leaves_a_module_that_is_ready_for_use():
    class Interrupting(Callback):
        n_steps = 0

        def on_batch_end(self, net, training=None, **kwargs):
            self.n_steps += 1
            if self.n_steps == 9:  # of the second epoch, which has six
                raise KeyboardInterrupt

    def normalised(in_features, out_features):
        return nn.Sequential(nn.BatchNorm1d(in_features), nn.Linear(in_features, out_features))

    parameters = {"encoder": normalised, "lr_schedule": "constant", "lr": 1e-3}
    with pytest.warns(UserWarning, match="interrupted by user after 1 epochs, which are kept"):
        interrupted = _autoencoder(callbacks=[Interrupting()], **parameters).fit(X)
    assert not any(part.training for part in interrupted.net_.module_.modules())
    assert interrupted.n_iter_ == 1
    assert _same_weights(interrupted, _autoencoder(max_epochs=1, **parameters).fit(X))
