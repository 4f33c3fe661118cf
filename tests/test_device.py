"""What is fitted on a GPU is what the CPU gives, up to rounding. Needs one."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from _testing import NOISES_OF_TABLES, having, with_parameters
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from torch import nn

from sklearn_ae import AutoencoderTransformer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture
def on_both(autoencoder):
    """Give a function that fits an autoencoder on the CPU and on the GPU.

    It is in float64, since Adam takes steps of full length along gradients that are rounding.
    """

    def fit(X, observed=None, y=None, **parameters):
        given = {"y": y} if observed is None else {"observed": observed, "y": y}
        parameters = {"precision": "float64", **parameters}
        on_cpu = clone(with_parameters(autoencoder, **parameters, device="cpu"))
        on_gpu = clone(on_cpu).set_params(device="cuda")
        return on_cpu.fit(X, **given), on_gpu.fit(X, **given)

    return fit


def assert_alike(estimator, on_cpu, X, rtol=1e-6):
    """Compare what two estimators make of rows, and what they tell of their training."""
    for method in ("transform", "reconstruct", "score_samples"):
        expected = getattr(on_cpu, method)(X)
        actual = getattr(estimator, method)(X)
        assert isinstance(actual, np.ndarray)
        assert actual.dtype == expected.dtype
        assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    assert_allclose(estimator.score(X), on_cpu.score(X), rtol=rtol)
    assert_allclose(estimator.loss_curve_, on_cpu.loss_curve_, rtol=rtol)
    assert estimator.n_iter_ == on_cpu.n_iter_
    assert estimator.shrinkage_ == on_cpu.shrinkage_


def is_on_gpu(estimator):
    tensors = [*estimator.net_.module_.parameters(), *estimator.net_.module_.buffers()]
    return {tensor.device.type for tensor in tensors} == {"cuda"}


@pytest.mark.parametrize(
    "rows",
    [np.float64, np.float32, np.uint8, csr_array],
    ids=["float64", "float32", "uint8", "sparse"],
)
def test_rows_of_each_kind(on_both, digits, rows):
    X = csr_array(digits) if rows is csr_array else digits.astype(rows)

    on_cpu, estimator = on_both(X)

    assert is_on_gpu(estimator)
    assert_alike(estimator, on_cpu, X)


@pytest.mark.parametrize("noise", NOISES_OF_TABLES)
def test_noise_is_drawn_as_on_the_cpu(on_both, digits, noise):
    on_cpu, estimator = on_both(digits, noise=noise)

    assert_alike(estimator, on_cpu, digits)


@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "lr": 1e-3},
        {"lr_schedule": "one_cycle"},
        {"loss": "poisson", "output_activation": "softplus"},
        {"sparsity_penalty": 1e-2},
        {"contractive_penalty": 1e-2},
        {"tied_weights": True},
        {"trim": 0.1},
        {"linear_shortcut": False},
        {"early_stopping": True},
        {"scaling": "standard"},
    ],
    ids=str,
)
def test_what_may_be_chosen(on_both, digits, parameters):
    on_cpu, estimator = on_both(digits, **parameters)

    assert_alike(estimator, on_cpu, digits)


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_codes_predict(on_both, digits, kind):
    digit = load_digits().target[: len(digits)]
    y = {"classes": digit, "labels": digit[:, None] < [3, 6], "numbers": digits.mean(axis=1)}[kind]

    on_cpu, estimator = on_both(digits, y=y, target_weight=4.0)

    assert estimator.net_.module.target.kind == kind
    assert_alike(estimator, on_cpu, digits)


def test_few_rows_choose_the_same_weights(digits):
    on_cpu, estimator = (
        AutoencoderTransformer(
            8, hidden_layer_sizes=(64,), device=name, precision="float64", random_state=0
        ).fit(digits)
        for name in ("cpu", "cuda")
    )

    assert on_cpu.shrinkage_ > 0
    assert_alike(estimator, on_cpu, digits)


def test_what_is_not_observed_does_not_matter(on_both, digits):
    observed = np.random.default_rng(0).random(digits.shape) < 0.8
    X = np.where(observed, digits, np.nan)

    on_cpu, estimator = on_both(X, observed)

    assert_allclose(
        estimator.reconstruct(X, observed=observed),
        on_cpu.reconstruct(X, observed=observed),
        rtol=1e-6,
        atol=1e-6,
    )
    assert_allclose(estimator.loss_curve_, on_cpu.loss_curve_, rtol=1e-6)


def test_it_goes_on(on_both, digits):
    on_cpu, estimator = on_both(digits)

    for fitted in (on_cpu, estimator):
        fitted.partial_fit(digits)
        fitted.set_params(**having(type(fitted), {"warm_start": True})).fit(digits)

    assert is_on_gpu(estimator)
    assert_alike(estimator, on_cpu, digits)


def test_it_is_repeated_bit_for_bit(autoencoder, digits):
    autoencoder = with_parameters(autoencoder, device="cuda")

    one, other = (clone(autoencoder).fit(digits) for _ in range(2))

    assert_array_equal(one.transform(digits), other.transform(digits))
    assert one.loss_curve_ == other.loss_curve_


def dropout(in_features, out_features):
    """Give layers that draw for themselves while they train."""
    return nn.Sequential(
        nn.Linear(in_features, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, out_features)
    )


def test_layers_that_draw_are_repeated_and_leave_the_generator_alone(autoencoder, digits):
    autoencoder = with_parameters(autoencoder, encoder=dropout, device="cuda")
    generator = torch.cuda

    one = clone(autoencoder).fit(digits)
    generator.manual_seed(7)
    state = generator.get_rng_state()
    other = clone(autoencoder).fit(digits)

    assert_array_equal(one.transform(digits), other.transform(digits))
    assert torch.equal(generator.get_rng_state(), state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_less_precision_trains_as_well(on_both, digits, precision):
    on_cpu, estimator = on_both(digits)
    rounded = clone(estimator).set_params(precision=precision).fit(digits)

    assert {weights.dtype for weights in rounded.net_.module_.parameters()} == {torch.float32}
    assert rounded.best_loss_ < 1.02 * on_cpu.best_loss_


@pytest.mark.parametrize("copied", [deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))])
def test_a_copy_is_where_it_was_and_goes_on(on_both, digits, copied):
    _, estimator = on_both(digits)

    other = copied(estimator)

    assert is_on_gpu(other)
    assert_array_equal(other.transform(digits), estimator.transform(digits))
    assert_array_equal(
        other.partial_fit(digits).transform(digits),
        estimator.partial_fit(digits).transform(digits),
    )


def test_the_net_takes_rows_of_the_user(on_both, digits):
    on_cpu, estimator = on_both(digits)

    assert_allclose(
        estimator.net_.predict(digits), on_cpu.net_.predict(digits), rtol=1e-6, atol=1e-6
    )
    code = torch.as_tensor(estimator.transform(digits[:5]))
    rebuilt = estimator.decoder_(code.to(estimator.net_.device)).detach().cpu().numpy()
    assert_allclose(rebuilt, estimator.inverse_transform(code.numpy()), rtol=1e-4, atol=1e-4)


def test_an_interrupt_keeps_what_was_trained(autoencoder, digits, fail_at):
    autoencoder = with_parameters(autoencoder, device="cuda")
    fail_at(10)

    with pytest.warns(UserWarning, match="interrupted"):
        autoencoder.fit(digits)

    assert np.isfinite(autoencoder.transform(digits)).all()
