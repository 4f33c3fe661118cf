"""Before the first epoch a network with a shortcut is PCA."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.scaling import units_for
from sklearn_ae._training.start import start_at_pca
from sklearn_ae._training.statistics import moments
from sklearn_ae.nn import (
    ACTIVATIONS,
    OUTPUT_ACTIVATIONS,
    Autoencoder,
    dense,
    shortcuts_of,
    tied_dense,
    with_shortcuts,
)

DIGITS = load_digits().data
BENT = sorted(OUTPUT_ACTIVATIONS.keys() - {"identity"})


def _mlp(in_features, out_features):
    return nn.Sequential(nn.Linear(in_features, 9), nn.Tanh(), nn.Linear(9, out_features))


def _normalised(in_features, out_features):
    return nn.Sequential(nn.BatchNorm1d(in_features), nn.Linear(in_features, out_features))


def _module(encoder, decoder, X, n_codes, *, scaling="global", output=None, gated=False):
    """Give halves with shortcuts, joined, at the start, and what is known of it."""
    output = OUTPUT_ACTIVATIONS[output or "identity"]
    units = units_for(scaling, moments(Rows(X)), data_dtype=X.dtype, output=output)
    halves = with_shortcuts(encoder, decoder, X.shape[1], n_codes, gated=(gated, gated))
    decoder = nn.Sequential(halves[1].double(), output.layer())
    module = Autoencoder(halves[0].double(), decoder, units.rescale(torch.float64), n_codes)
    start = start_at_pca(module, Rows(X), output)
    return module.eval(), start


def _dense_module(X, n_codes, **options):
    layers = dense(X.shape[1], n_codes, hidden_layer_sizes=(9,))
    return _module(
        layers, dense(n_codes, X.shape[1], hidden_layer_sizes=(9,)), X, n_codes, **options
    )


@torch.no_grad()
def _assert_rebuilds_as_pca(module, X, n_codes):
    pca = PCA(n_codes, svd_solver="full").fit(X)
    expected = pca.inverse_transform(pca.transform(X))
    np.testing.assert_allclose(module(torch.from_numpy(X)).numpy(), expected, atol=1e-5 * X.std())


@pytest.mark.parametrize(
    "X", [DIGITS, load_breast_cancer().data, load_wine().data], ids=["digits", "cancer", "wine"]
)
@pytest.mark.parametrize("n_codes", [1, 5])
def test_dense_layers_start_at_pca(X, n_codes):
    module, start = _dense_module(X, n_codes)
    _assert_rebuilds_as_pca(module, X, n_codes)
    assert start == (True, False)


@pytest.mark.parametrize("half", [nn.Linear, _mlp, _normalised])
def test_layers_of_the_user_start_at_pca(half):
    module, _ = _module(half(64, 5), half(5, 64), DIGITS, 5, gated=True)
    _assert_rebuilds_as_pca(module, DIGITS, 5)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
@pytest.mark.parametrize("hidden_layer_sizes", [(), (9,), (9, 7)])
def test_tied_layers_start_at_pca(activation, hidden_layer_sizes):
    encoder = dense(64, 5, hidden_layer_sizes=hidden_layer_sizes, activation=activation)
    decoder = tied_dense(encoder, activation=activation)
    module, _ = _module(encoder, decoder, DIGITS, 5)
    _assert_rebuilds_as_pca(module, DIGITS, 5)


@pytest.mark.parametrize("constant", [0.0, 3.0])
@pytest.mark.parametrize("shape", [(300, 40), (40, 300), (1010, 1020)])
def test_features_that_are_constant_get_no_weight_at_all(shape, constant):
    X = np.random.default_rng(0).standard_normal(shape)
    X[:, [0, 7]] = constant
    module, _ = _dense_module(X, 5)
    encoder, decoder = (half.weight.detach() for half in shortcuts_of(module))
    assert not encoder[:, [0, 7]].any()
    assert not decoder[[0, 7]].any()
    assert encoder[:, 1:7].all()


def test_codes_are_those_of_pca_up_to_the_scale():
    module, _ = _dense_module(DIGITS, 5)
    codes = module.encode(torch.from_numpy(DIGITS)).detach().numpy()
    expected = PCA(5, svd_solver="full").fit_transform(DIGITS)
    np.testing.assert_allclose(codes * module.rescale.scale.item(), expected, atol=1e-6)


def test_standard_units_start_at_pca_of_standardised_rows():
    X = load_wine().data
    scaler, pca = StandardScaler(), PCA(3, svd_solver="full")
    codes = pca.fit_transform(scaler.fit_transform(X))
    expected = scaler.inverse_transform(pca.inverse_transform(codes))
    module, _ = _dense_module(X, 3, scaling="standard")
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(X)).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("scaling", ["range", None])
def test_units_without_a_centre_start_at_pca_too(scaling):
    module, _ = _dense_module(DIGITS, 5, scaling=scaling)
    _assert_rebuilds_as_pca(module, DIGITS, 5)


@pytest.mark.parametrize("n_codes", [61, 64, 80])
def test_as_many_codes_as_the_rank_rebuild_the_rows_exactly(n_codes):
    module, start = _dense_module(DIGITS, n_codes)
    assert start.is_lossless
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(DIGITS)).numpy(), DIGITS, atol=1e-9)


def test_codes_beyond_the_rank_are_constant():
    module, _ = _dense_module(DIGITS, 70)
    with torch.no_grad():
        codes = module.encode(torch.from_numpy(DIGITS))
    assert not codes[:, 61:].any()
    assert (codes[:, :61].std(dim=0) > 0).all()


@pytest.mark.parametrize("output", BENT)
def test_with_an_output_activation_the_start_is_neither_pca_nor_lossless(output):
    _, start = _dense_module(DIGITS / 16, 64, scaling=None, output=output)
    assert start == (False, False)


@pytest.mark.parametrize("output", BENT)
@torch.no_grad()
def test_the_code_of_the_mean_stands_for_the_mean(output):
    X = load_wine().data[:, :2] / 20  # neither near an end of the output's range
    module, _ = _dense_module(X, 1, scaling=None, output=output)
    mean = torch.from_numpy(X.mean(axis=0, keepdims=True))
    torch.testing.assert_close(module(mean), mean)


@pytest.mark.parametrize("output", BENT)
def test_around_the_mean_an_output_activation_is_passed_as_if_it_were_linear(output):
    X = load_wine().data[:, :2] / 20
    module, _ = _dense_module(X, 1, scaling=None, output=output)
    jacobian = torch.func.jacrev(lambda code: module.decode(code[None])[0])(
        torch.zeros(1, dtype=torch.float64)
    )
    component = PCA(1).fit(X).components_
    np.testing.assert_allclose(jacobian.detach().numpy(), component.T, atol=1e-9)


@pytest.mark.parametrize("output", BENT)
@torch.no_grad()
def test_features_at_the_end_of_the_range_do_not_blow_up(output):
    X = DIGITS / 16  # with pixels that are never inked
    module, _ = _dense_module(X, 5, scaling=None, output=output)
    rebuilt = module(torch.from_numpy(X))
    assert torch.isfinite(rebuilt).all()
    assert (rebuilt - torch.from_numpy(X)).square().mean() < X.var(axis=0).mean()


@torch.no_grad()
def test_large_counts_of_small_spread_do_not_overflow():
    X = np.random.default_rng(0).poisson(1e6, (200, 5)).astype(float)
    module, _ = _dense_module(X, 2, scaling="auto", output="softplus")
    _assert_rebuilds_as_pca(module, X, 2)


@pytest.mark.parametrize("n_codes", [2, 12])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_estimator_knows_the_loss_of_pca_from_its_start(n_codes, precision):
    autoencoder = AutoencoderTransformer(
        n_codes,
        hidden_layer_sizes=(4,),
        max_epochs=2,
        lr_schedule="constant",
        tol=1.0,
        n_iter_no_change=1,
        early_stopping=False,
        precision=precision,
        random_state=0,
    ).fit(DIGITS)
    left = 1 - PCA(n_codes, svd_solver="full").fit(DIGITS).explained_variance_ratio_.sum()
    assert autoencoder.pca_loss_ == pytest.approx(left, rel=1e-5)


UNEVEN = {
    "a unix time": lambda n: 1.7e9 + 1e6 * np.random.default_rng(0).random(n),
    "a large feature": lambda n: 1e9 * np.random.default_rng(0).standard_normal(n),
    "an outlier": lambda n: np.where(np.arange(n) == 7, 1e12, np.linspace(0, 1, n)),
}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("column", UNEVEN.values(), ids=UNEVEN)
@pytest.mark.parametrize("position", [0, 64])
@pytest.mark.filterwarnings("error:.*codes are constant")
def test_a_fit_starts_at_pca_of_all_features_however_large_one_is(position, column, precision):
    X = np.insert(DIGITS, position, column(len(DIGITS)), axis=1)
    autoencoder = AutoencoderTransformer(
        5,
        hidden_layer_sizes=(4,),
        max_epochs=2,
        lr_schedule="constant",
        tol=1.0,
        n_iter_no_change=1,
        early_stopping=False,
        precision=precision,
        random_state=0,
    ).fit(X)
    assert autoencoder.n_iter_ > 0
    pca = PCA(5, svd_solver="full").fit(X)
    expected = pca.inverse_transform(pca.transform(X))
    small = np.arange(65) != position
    np.testing.assert_allclose(
        np.square(autoencoder.reconstruct(X) - X)[:, small].mean(),
        np.square(expected - X)[:, small].mean(),
        rtol=1e-3,
    )


@pytest.mark.parametrize("power", [-560, -100, 100, 480])
def test_a_fit_is_the_same_in_units_whose_squares_are_beyond_float64(power):
    def fitted(X):
        return AutoencoderTransformer(
            5, hidden_layer_sizes=(9,), max_epochs=30, early_stopping=False, random_state=0
        ).fit(X)

    unit = np.ldexp(1.0, power)  # by which no digit is lost
    scaled, expected = fitted(DIGITS[:200] * unit), fitted(DIGITS[:200])
    assert scaled.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(scaled.transform(DIGITS * unit), expected.transform(DIGITS))
    np.testing.assert_array_equal(
        scaled.reconstruct(DIGITS * unit), expected.reconstruct(DIGITS) * unit
    )
