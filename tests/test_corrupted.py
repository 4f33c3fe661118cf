"""Rows with a corruption of the user's: a function that makes it, or the corrupted rows."""

import numpy as np
import pandas as pd
import pytest
import torch
from _testing import small, taking, with_parameters
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import uniform_filter
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklearn_ae import AutoencoderTransformer, ConvAutoencoderTransformer
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae.noise import patches

X = load_digits().data[:400]
BLURRED = uniform_filter(X.reshape(-1, 8, 8), (0, 3, 3)).reshape(X.shape)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.every_autoencoder,
]


def error(fitted, rows, target):
    return np.square(fitted.reconstruct(rows) - target).mean()


# Pairs of rows


def test_clean_rows_are_made_of_those_they_are_met_with_as():
    train, test = slice(None, 300), slice(300, None)
    parameters = {"max_epochs": 60, "lr": 1e-2, "hidden_layer_sizes": (64,)}
    plain = small(16, **parameters).fit(X[train])
    paired = small(16, **parameters).fit(X[train], X_corrupted=BLURRED[train])
    assert error(paired, BLURRED[test], X[test]) < 0.5 * error(plain, BLURRED[test], X[test])
    pca = PCA(16).fit(X[train])
    of_pca = pca.inverse_transform(pca.transform(BLURRED[test]))
    assert error(paired, BLURRED[test], X[test]) < 0.6 * np.square(of_pca - X[test]).mean()


def test_each_autoencoder_takes_pairs(autoencoder):
    fitted = autoencoder.fit(X, **taking(autoencoder, {"X_corrupted": BLURRED}))
    assert np.isfinite(fitted.reconstruct(BLURRED)).all()
    other = clone(autoencoder).fit(X)
    assert (fitted.transform(X) != other.transform(X)).any()


def test_rows_that_are_not_corrupted_are_as_none(autoencoder):
    pairs = taking(autoencoder, {"X_corrupted": X})
    one, other = clone(autoencoder).fit(X), clone(autoencoder).fit(X, **pairs)
    assert_array_equal(one.transform(X), other.transform(X))
    one.partial_fit(X)
    other.partial_fit(X, **pairs)
    assert_array_equal(one.transform(X), other.transform(X))


def test_the_units_are_those_of_the_clean_rows(autoencoder):
    fitted = autoencoder.fit(X, **taking(autoencoder, {"X_corrupted": BLURRED + 100}))
    rescale = fitted.net_.module_.rescale
    assert_allclose(rescale.typical[0], X.mean(axis=0))


@pytest.mark.parametrize("early_stopping", [True, False, "auto"])
def test_the_losses_are_of_the_corrupted_rows(early_stopping):
    fitted = small(max_epochs=2, early_stopping=early_stopping).fit(X, X_corrupted=BLURRED)
    if early_stopping is not True:
        rebuilt = np.square(fitted.reconstruct(BLURRED) - X).mean() / X.var(axis=0).mean()
        assert fitted.best_loss_ == pytest.approx(rebuilt, rel=1e-4)
    else:
        assert fitted.net_.start_loss_ > 1.2 * small().fit(X).pca_loss_


def test_rows_to_judge_by_have_their_own():
    given = {"X_val": X[300:], "X_corrupted_val": BLURRED[300:]}
    fitted = small(max_epochs=3).fit(X[:300], X_corrupted=BLURRED[:300], **given)
    expected = np.square(fitted.reconstruct(BLURRED[300:]) - X[300:]).mean()
    assert fitted.best_loss_ == pytest.approx(expected / X[:300].var(axis=0).mean(), rel=1e-4)


def test_weights_are_of_the_pair():
    weight = np.r_[np.ones(300), np.zeros(100)]
    wrong = BLURRED.copy()
    wrong[300:] = 1e3
    one, other = (
        small().fit(X, X_corrupted=rows, sample_weight=weight) for rows in (BLURRED, wrong)
    )
    assert_array_equal(one.transform(X), other.transform(X))


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
def test_where_nothing_is_observed_what_is_finite_goes_in_and_else_the_mean(unknown):
    observed = np.random.RandomState(0).rand(*X.shape) > 0.2
    rows = np.where(observed, X, np.nan)
    mean = np.nanmean(rows, axis=0)
    of_unknown, of_mean, of_guess = (
        small().fit(rows, X_corrupted=np.where(observed, BLURRED, other), observed=observed)
        for other in (unknown, mean, BLURRED)
    )
    assert_allclose(of_unknown.transform(X), of_mean.transform(X), rtol=1e-4, atol=1e-4)
    assert np.abs(of_guess.transform(X) - of_mean.transform(X)).max() > 0.1


@pytest.mark.parametrize(
    "container", [csr_array, pd.DataFrame, np.ndarray.tolist, np.float32], ids=str
)
def test_they_come_in_any_container(container):
    fitted = small().fit(container(X), X_corrupted=container(BLURRED))
    expected = small().fit(X, X_corrupted=BLURRED)
    assert_allclose(fitted.transform(container(X)), expected.transform(X), rtol=1e-3, atol=1e-3)


def test_the_step_without_autograd_is_that_of_autograd(monkeypatch):
    exact = small(precision="float64").fit(X, X_corrupted=BLURRED)
    monkeypatch.setattr(AutoencoderNet, "_allows_exact_step", lambda net: False)
    other = small(precision="float64").fit(X, X_corrupted=BLURRED)
    assert (exact.net_._steps_by, other.net_._steps_by) == ("exact", "autograd")
    assert_allclose(exact.loss_curve_, other.loss_curve_, rtol=1e-9)
    assert_allclose(exact.transform(X), other.transform(X), rtol=1e-6, atol=1e-8)


def test_components_that_rebuild_all_are_no_end_where_rows_are_corrupted():
    rows = X[:, :20] @ np.ones((20, 3)) * [1.0, 2.0, 3.0]
    fitted = small(1).fit(rows, X_corrupted=rows + np.random.RandomState(0).rand(*rows.shape))
    assert fitted.n_iter_ == 3


# Refused


@pytest.mark.parametrize(
    ("given", "parameters", "match"),
    [
        ({"X_corrupted": BLURRED[:5]}, {}, "X_corrupted has 5 rows, but there are 400 clean"),
        ({"X_corrupted": BLURRED[:, :5]}, {}, "5 features"),
        ({"X_corrupted": np.full_like(X, np.nan)}, {}, "NaN"),
        ({"X_corrupted": BLURRED}, {"noise": "gaussian"}, "noise='gaussian': X_corrupted says"),
        ({"X_corrupted_val": BLURRED}, {}, "X_corrupted_val: it says"),
        ({"X_val": X, "X_corrupted_val": BLURRED[:5]}, {}, "X_corrupted_val has 5 rows"),
    ],
)
def test_rows_that_are_no_pairs_are_refused(given, parameters, match):
    fitted = small().fit(X)
    before = fitted.transform(X)
    fitted.set_params(**parameters)
    with pytest.raises(ValueError, match=match):
        fitted.fit(X, **given)
    assert_array_equal(fitted.transform(X), before)


# A function


def darkened(x, generator):
    """Darken each row by a factor of its own, into the memory that it is given."""
    return x.mul_(torch.rand(len(x), 1, generator=generator).to(x))


def test_a_function_corrupts_in_the_units_of_the_data(autoencoder):
    seen = []

    def noise(x, generator):
        seen.append((x.min().item(), x.max().item()))
        return darkened(x, generator)

    before = X.copy()
    fitted = with_parameters(autoencoder, noise=noise).fit(X)
    assert np.isfinite(fitted.reconstruct(X)).all()
    assert max(high for _, high in seen) == 16
    assert_array_equal(X, before)


def test_it_is_repeated_bit_for_bit(autoencoder):
    with_parameters(autoencoder, noise=darkened)
    one, other = (clone(autoencoder).fit(X) for _ in range(2))
    assert_array_equal(one.transform(X), other.transform(X))


def test_it_is_what_pairs_of_it_are():
    """Of a function that draws nothing, so that both are the same rows."""
    given = {"max_epochs": 3, "precision": "float64"}
    fitted = small(noise=lambda x, generator: x.flip(1), **given).fit(X)
    pairs = small(**given).fit(X, X_corrupted=X[:, ::-1].copy())
    assert_allclose(fitted.transform(X), pairs.transform(X), rtol=1e-9, atol=1e-12)
    assert fitted.best_loss_ == pytest.approx(pairs.best_loss_, rel=1e-12)


def test_patches_teach_completion():
    parameters = {
        "image_shape": (8, 8),
        "channels": (8,),
        "hidden_layer_sizes": (64,),
        "max_epochs": 20,
        "early_stopping": False,
        "random_state": 0,
    }
    hidden = patches(
        torch.from_numpy(X), 0.25, torch.Generator().manual_seed(1), image_shape=(8, 8)
    )
    mean = X[:300].mean(axis=0)
    hole = hidden.numpy() == 0
    test = np.where(hole, mean, X)[300:]
    plain = ConvAutoencoderTransformer(16, **parameters).fit(X[:300])
    taught = ConvAutoencoderTransformer(16, noise="patches", noise_level=0.25, **parameters)
    taught.fit(X[:300])
    assert error(taught, test, X[300:]) < 0.85 * error(plain, test, X[300:])


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"noise": lambda x, generator: x[0]}, r"failed on two rows"),
        ({"noise": lambda x, generator: x.numpy()}, r"failed on two rows.*ndarray"),
        ({"noise": lambda x: x}, r"failed on two rows"),
        ({"noise": "patches"}, "AutoencoderTransformer does not know which features"),
    ],
)
def test_what_can_not_corrupt_is_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        AutoencoderTransformer(4, **parameters).fit(X)


def test_a_patch_has_one_size():
    estimator = ConvAutoencoderTransformer(4, noise="patches", noise_level=np.full(64, 0.2))
    with pytest.raises(ValueError, match="noise='patches' takes one number"):
        estimator.fit(X)


def test_a_function_that_gives_no_numbers_is_told_of_by_the_loss():
    with pytest.raises(ValueError, match="the loss became nan"):
        small(noise=lambda x, generator: x + torch.nan).fit(X)
