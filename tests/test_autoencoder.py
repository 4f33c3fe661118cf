"""Answers that are known from elsewhere: PCA's, those in other units, those of other containers."""

import numpy as np
import pytest
import scipy.sparse
import torch
from _testing import small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_ae import AutoencoderTransformer

X = load_digits().data[:400]


def pca_error(rows, n_components):
    pca = PCA(n_components, svd_solver="full").fit(rows)
    return np.square(pca.inverse_transform(pca.transform(rows)) - rows).mean()


def test_a_linear_autoencoder_without_shortcut_finds_pca():
    rows = load_digits().data
    linear = AutoencoderTransformer(
        8,
        hidden_layer_sizes=(),
        linear_shortcut=False,
        optimizer="adam",
        lr=0.01,
        batch_size=256,
        max_epochs=200,
        early_stopping=False,
        random_state=0,
    ).fit(rows)

    error = np.square(linear.reconstruct(rows) - rows).mean()

    assert pca_error(rows, 8) < error < 1.01 * pca_error(rows, 8)


def test_the_start_is_pca():
    exact = small(4, lr=1e-12).fit(X)

    components = PCA(4, svd_solver="full").fit(X)
    codes, scores = exact.transform(X), components.transform(X)
    scale = np.sqrt(X.var(axis=0).mean())
    assert_allclose(np.abs(codes), np.abs(scores) / scale, atol=1e-4)
    assert exact.pca_loss_ * scale**2 == pytest.approx(pca_error(X, 4), rel=1e-5)


def test_other_units_give_the_same_codes_and_relative_error():
    one, other = small().fit(X), small().fit(1000 * X + 5)

    assert_allclose(other.transform(1000 * X + 5), one.transform(X), atol=1e-3)
    ratio = other.reconstruction_error(1000 * X + 5) / one.reconstruction_error(X)
    assert_allclose(ratio, 1e6, rtol=1e-3)


def test_a_far_offset_changes_nothing_that_matters():
    rows = load_wine().data
    one, other = small(2).fit(rows), small(2).fit(rows + 10_000)

    assert other.score(rows + 10_000) == pytest.approx(one.score(rows), abs=1e-5)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("container", ["matrix", "array"])
def test_sparse_rows_give_the_fit_of_dense_ones(kind, container):
    sparse = getattr(scipy.sparse, f"{kind}_{container}")(X)

    fitted, dense = small().fit(sparse), small().fit(X)

    assert_array_equal(fitted.transform(sparse), dense.transform(X))
    assert fitted.score(sparse) == dense.score(X)


def test_torch_linear_serves_as_encoder_and_decoder():
    fitted = small(encoder=nn.Linear, decoder=nn.Linear).fit(X)

    assert fitted.best_loss_ <= fitted.pca_loss_


def test_a_module_that_a_function_gives_again_stays_the_users():
    encoder = nn.Linear(64, 4)
    before = encoder.weight.detach().clone()

    small(encoder=lambda n_features, encoding_dim: encoder, linear_shortcut=False).fit(X)

    assert torch.equal(encoder.weight, before)


def normalising(in_features, out_features):
    return nn.Sequential(
        nn.Linear(in_features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, out_features)
    )


@pytest.mark.parametrize("n_samples", [21, 101])
def test_a_last_batch_of_one_row_and_fewer_rows_than_a_batch_work(n_samples):
    fitted = small(encoder=normalising, batch_size=25).fit(X[:n_samples])

    assert_allclose(fitted.transform(X[:2])[:1], fitted.transform(X[:1]), atol=1e-5)


@pytest.mark.parametrize("encoding_dim", [5, 9])
def test_more_codes_than_the_rank_need_no_epoch(encoding_dim):
    rows = X[:, 2:6] @ np.random.default_rng(0).standard_normal((4, 12))

    with pytest.warns(UserWarning, match=f"{encoding_dim - 4} of the {encoding_dim} codes"):
        fitted = small(encoding_dim).fit(rows)

    assert fitted.n_iter_ == fitted.best_epoch_ == 0
    assert fitted.loss_curve_ == []
    assert fitted.loss_ < 1e-10
    assert_allclose(fitted.reconstruct(rows), rows, atol=1e-4)


def test_codes_that_a_penalty_makes_constant_are_counted():
    with pytest.warns(UserWarning, match="of the 4 codes are constant"):
        small(
            linear_shortcut=False,
            sparsity_penalty=1e3,
            optimizer="sgd",
            optimizer_params={"weight_decay": 0.0},
            encoder=lambda i, o: nn.Sequential(nn.Linear(i, o), nn.Threshold(1e6, 0.0)),
        ).fit(X)


def test_denoising_brings_noisy_rows_nearer_to_clean_ones():
    images = X / 16
    noisy = images + np.random.default_rng(0).normal(0, 0.3, images.shape)
    parameters = {"max_epochs": 60, "tol": 0, "n_iter_no_change": 60, "lr": 3e-3}

    errors = {}
    for noise in (None, "gaussian"):
        with pytest.warns(ConvergenceWarning, match="max_epochs=60"):
            fitted = small(8, noise=noise, noise_level=0.3, **parameters).fit(images)
        errors[noise] = np.square(fitted.reconstruct(noisy) - images).mean()

    assert errors["gaussian"] < errors[None]


def test_the_halves_work_in_the_units_of_the_data():
    fitted = small().fit(X)

    with torch.inference_mode():
        codes = fitted.encoder_(torch.from_numpy(X))
        rows = fitted.decoder_(codes)
    assert_allclose(codes, fitted.transform(X), rtol=1e-6)
    assert_allclose(rows, fitted.reconstruct(X), atol=1e-4)


def test_unobserved_entries_do_not_count():
    observed = np.random.default_rng(0).random(X.shape) < 0.5
    spoilt = np.where(observed, X, 16 - X)
    parameters = {"early_stopping": False, "linear_shortcut": False, "scaling": None, "lr": 1e-2}

    blind = small(**parameters).fit(spoilt, observed=observed)
    seeing = small(**parameters).fit(spoilt)

    def error_of_observed(fitted):
        return np.square(fitted.reconstruct(spoilt) - X)[observed].mean()

    assert error_of_observed(blind) < error_of_observed(seeing)


def test_too_few_epochs_give_a_warning():
    with pytest.warns(ConvergenceWarning, match="max_epochs=1"):
        small(max_epochs=1).fit(X)
    with pytest.warns(ConvergenceWarning, match="max_epochs=2"):
        small(max_epochs=2, lr_schedule="one_cycle", lr=1e-2).fit(X)
