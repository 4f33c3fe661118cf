"""What a fit is asked for: losses, noise, penalties, trimming, and the step that is taken."""

import numpy as np
import pytest
import torch
from _testing import NOISES_OF_TABLES, OUTPUTS, small
from numpy.testing import assert_array_equal
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.losses import LOSSES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS = load_digits().data
X = DIGITS[:240]
TABLE = load_breast_cancer().data


def _autoencoder(encoding_dim=4, **parameters):
    parameters = {
        "hidden_layer_sizes": (16,),
        "optimizer": "adam",
        "lr": 1e-2,
        "batch_size": 40,
        "max_epochs": 10,
        "early_stopping": False,
        "random_state": 0,
        **parameters,
    }
    return AutoencoderTransformer(encoding_dim, **parameters)


# Steps without a normalised gradient, in float64, so that rounding does not grow.
EXACT = {"optimizer": "sgd", "precision": "float64", "max_epochs": 5}


def test_other_units_give_the_same_codes_to_rounding():
    near, far = _autoencoder(**EXACT), _autoencoder(**EXACT)
    np.testing.assert_allclose(far.fit_transform(1000 * X + 5), near.fit_transform(X), atol=1e-9)
    assert far.score(1000 * X + 5) == pytest.approx(near.score(X), rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_an_offset_of_ten_thousand_changes_nothing_that_matters(dtype):
    far = (X + 10_000).astype(dtype)
    near, shifted = _autoencoder().fit(X), _autoencoder().fit(far)
    assert shifted.score(far) == pytest.approx(near.score(X), abs=0.01)
    # The start is the same to rounding, whatever Adam then makes of it.
    assert shifted.pca_loss_ == pytest.approx(near.pca_loss_, rel=1e-5)


@pytest.mark.parametrize("offset", [0, 10_000])
def test_columns_of_very_different_size_end_below_pca(offset):
    assert TABLE.std(axis=0).max() > 1e5 * TABLE.std(axis=0).min()
    rows = TABLE + offset
    left = 1 - PCA(2, svd_solver="full").fit(TABLE).explained_variance_ratio_.sum()
    assert 1 - _autoencoder(2, lr=3e-3, max_epochs=20).fit(rows).score(rows) < left


def test_scaling_standard_is_standard_scaler_before():
    inside = StandardScaler().fit_transform(TABLE)
    outside = _autoencoder(scaling="standard", **EXACT).fit(TABLE)
    by_hand = _autoencoder(scaling=None, **EXACT).fit(inside)
    np.testing.assert_allclose(outside.transform(TABLE), by_hand.transform(inside), atol=1e-9)
    np.testing.assert_allclose(
        (outside.reconstruct(TABLE) - TABLE.mean(axis=0)) / TABLE.std(axis=0),
        by_hand.reconstruct(inside),
        atol=1e-9,
    )


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_rows_may_be_tiny_or_huge(scale):
    near, far = _autoencoder(**EXACT).fit(X), _autoencoder(**EXACT).fit(X * scale)
    assert far.score(X * scale) == pytest.approx(near.score(X), rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_improves_on_its_start(loss):
    output = OUTPUTS.get(loss, "identity")
    autoencoder = _autoencoder(loss=loss, output_activation=output).fit(X / 16)
    assert autoencoder.best_epoch_ > 0
    assert autoencoder.score(X / 16) > 0.5


def test_absolute_errors_are_least_where_they_are_the_loss():
    rows = np.vstack([X, X[:20] * 10])  # some that a square would follow
    absolute, squared = (
        _autoencoder(loss=loss, lr=3e-3, max_epochs=60, linear_shortcut=False).fit(rows)
        for loss in ("absolute_error", "squared_error")
    )

    def median_error(autoencoder):
        return np.abs(autoencoder.reconstruct(X) - X).mean()

    assert median_error(absolute) < median_error(squared)


def test_a_loss_of_the_user_is_the_one_of_its_name_where_it_computes_the_same():
    def absolute(output, target):
        return (output - target).abs()

    own = _autoencoder(loss=absolute, scaling=None, **EXACT).fit(X)
    named = _autoencoder(loss="absolute_error", scaling=None, **EXACT).fit(X)
    np.testing.assert_allclose(own.transform(X), named.transform(X), atol=1e-9)
    np.testing.assert_allclose(own.reconstruction_error(X), named.reconstruction_error(X))


def test_the_textbook_network_learns_from_noisy_images():
    images = DIGITS / 16
    autoencoder = _autoencoder(
        32,
        hidden_layer_sizes=(64,),
        activation="relu",
        output_activation="sigmoid",
        linear_shortcut=False,
        scaling=None,
        lr_schedule="constant",
        noise="gaussian",
        noise_level=0.5,
        max_epochs=20,
    ).fit(images)
    assert autoencoder.pca_loss_ is None
    assert autoencoder.score(images) > 0.6


def test_a_sparsity_penalty_makes_codes_smaller():
    mean = [
        np.abs(_autoencoder(sparsity_penalty=penalty).fit_transform(X)).mean()
        for penalty in (0.0, 0.1)
    ]
    assert mean[1] < 0.7 * mean[0]


def _squared_jacobian(autoencoder):
    module = autoencoder.net_.module_
    inside = module.rescale(torch.from_numpy(X))
    return (
        torch.func.vmap(torch.func.jacrev(module.encoder))(inside).square().sum(dim=(1, 2)).mean()
    )


def test_a_contractive_penalty_makes_codes_depend_less_on_rows():
    plain, contractive = (
        _autoencoder(contractive_penalty=penalty).fit(X) for penalty in (0.0, 0.1)
    )
    assert _squared_jacobian(contractive) < 0.5 * _squared_jacobian(plain)


@pytest.mark.parametrize(
    "parameters",
    [
        {"noise": "gaussian"},
        {"sparsity_penalty": 0.1},
        {"contractive_penalty": 0.1},
        {"loss": lambda output, target: (output - target).square()},
    ],
    ids=["noise", "sparsity_penalty", "contractive_penalty", "loss"],
)
def test_an_exact_start_is_trained_where_more_is_asked_for_than_to_rebuild(parameters):
    autoencoder = _autoencoder(4, **parameters).fit(X[:, 18:22])
    assert autoencoder.n_iter_ == 10
    assert autoencoder.best_loss_ <= autoencoder.pca_loss_


@pytest.mark.parametrize("linear_shortcut", [True, False])
def test_trimming_keeps_outliers_from_being_learnt(linear_shortcut):
    outliers = np.random.default_rng(0).uniform(0, 100, (24, 64))
    trimmed, plain = (
        _autoencoder(trim=trim, max_epochs=30, linear_shortcut=linear_shortcut).fit(
            np.vstack([X, outliers])
        )
        for trim in (0.15, 0.0)
    )

    def error(autoencoder, rows):
        return autoencoder.reconstruction_error(rows).mean()

    assert error(trimmed, X) < error(plain, X)
    assert error(trimmed, outliers) > error(plain, outliers)


@pytest.mark.parametrize(
    ("optimizer", "lr"),
    [
        ("adam", 3e-3),
        ("adamw", 3e-3),
        ("sgd", 0.1),
        (torch.optim.RMSprop, 1e-3),
        (torch.optim.NAdam, 3e-3),
        (torch.optim.LBFGS, 0.1),
    ],
)
def test_every_optimizer_improves_on_pca(optimizer, lr):
    autoencoder = _autoencoder(
        optimizer=optimizer, lr=lr, batch_size=240, lr_schedule="constant", max_epochs=20
    ).fit(X)
    assert autoencoder.best_loss_ < 0.99 * autoencoder.pca_loss_


@pytest.mark.parametrize(
    ("name", "optimizer", "parameters"),
    [
        ("adam", torch.optim.Adam, {"amsgrad": True}),
        ("adamw", torch.optim.AdamW, {"weight_decay": 0.5}),
        ("sgd", torch.optim.SGD, {"momentum": 0.9}),
    ],
)
def test_an_optimizer_by_name_is_that_of_torch(name, optimizer, parameters):
    steps = {"precision": "float64", "max_epochs": 2, "optimizer_params": parameters}
    by_name = _autoencoder(optimizer=name, **steps).fit(X)
    by_class = _autoencoder(optimizer=optimizer, **steps).fit(X)
    assert isinstance(by_name.net_.optimizer_, optimizer)
    np.testing.assert_allclose(by_name.transform(X), by_class.transform(X), atol=1e-8)


def test_parameters_of_the_optimizer_arrive_there():
    autoencoder = _autoencoder(optimizer="adam", optimizer_params={"betas": (0.5, 0.9)}).fit(X)
    assert all(group["betas"] == (0.5, 0.9) for group in autoencoder.net_.optimizer_.param_groups)


def test_a_rate_among_the_parameters_of_the_optimizer_is_an_error_since_it_would_not_act():
    with pytest.raises(ValueError, match=r"optimizer_params.*lr"):
        _autoencoder(optimizer_params={"lr": 0.5}).fit(X)


def test_weight_decay_shrinks_layers_and_spares_the_shortcut():
    strong, weak = (
        _autoencoder(optimizer="adamw", optimizer_params={"weight_decay": decay}).fit(X)
        for decay in (10.0, 0.0)
    )

    def norms(autoencoder):
        encoder = autoencoder.net_.module_.encoder
        return encoder.layers[0].weight.norm().item(), encoder.shortcut.weight.norm().item()

    assert norms(strong)[0] < 0.8 * norms(weak)[0]
    assert norms(strong)[1] > 0.95 * norms(weak)[1]


@pytest.mark.parametrize("lr_schedule", ["constant", "cosine", "one_cycle"])
def test_every_schedule_improves_on_pca(lr_schedule):
    autoencoder = _autoencoder(lr_schedule=lr_schedule, max_epochs=20).fit(X)
    assert autoencoder.best_loss_ < 0.9 * autoencoder.pca_loss_


# A level for each feature


@pytest.mark.parametrize("noise", NOISES_OF_TABLES)
def test_one_level_for_each_feature_is_that_level_for_all(noise):
    parameters = {"noise": noise, "max_epochs": 2}
    one = small(noise_level=0.25, **parameters).fit(X)
    each = small(noise_level=[0.25] * 64, **parameters).fit(X)

    assert_array_equal(each.transform(X), one.transform(X))


@pytest.mark.parametrize("noise", NOISES_OF_TABLES)
def test_a_feature_without_a_level_goes_in_as_it_is(noise):
    level = np.full(64, 0.5)
    level[20] = 0
    net = small(noise=noise, noise_level=level).fit(X).net_

    (batch,) = Rows(X).batches(len(X), rescale=net.module_.rescale)
    changed = net.corrupted(batch, torch.Generator().manual_seed(0)) != batch.target
    assert not changed[:, 20].any()
    assert changed[:, 21].any()


@pytest.mark.parametrize("scaling", ["global", "standard"])
def test_a_level_is_in_the_units_of_its_feature(scaling):
    rows = DIGITS[:, 20:30] * np.logspace(-2, 2, 10)
    level = rows.std(axis=0)
    net = small(noise="gaussian", noise_level=level, scaling=scaling).fit(rows).net_

    (batch,) = Rows(rows).batches(len(rows), rescale=net.module_.rescale)
    drawn = net.corrupted(batch, torch.Generator().manual_seed(0)) - batch.target
    scale = net.module_.rescale.scale.numpy()
    np.testing.assert_allclose((drawn.numpy() * scale).std(axis=0), level, rtol=0.1)


@pytest.mark.parametrize(
    ("noise", "noise_level"),
    [
        ("gaussian", [0.5] * 9),
        ("gaussian", [[0.5] * 64]),
        ("gaussian", [-0.5] + [0.5] * 63),
        ("gaussian", [np.nan] * 64),
        ("gaussian", ["much"] * 64),
        ("masking", [1.5] + [0.5] * 63),
        ("salt_and_pepper", 1.5),
    ],
)
def test_levels_that_no_noise_can_have_are_refused(noise, noise_level):
    with pytest.raises(ValueError, match="noise_level="):
        small(noise=noise, noise_level=noise_level).fit(X)
