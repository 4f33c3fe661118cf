"""What is set of torch outside changes nothing inside, and is as it was afterwards."""

from contextlib import contextmanager
from copy import deepcopy
from threading import Thread

import numpy as np
import pytest
import torch
from _testing import NOISES_OF_TABLES, small, with_parameters
from numpy.testing import assert_array_equal
from sklearn.base import clone
from torch import nn

pytestmark = pytest.mark.one_autoencoder


@contextmanager
def by_default(kind, value, usual):
    """Set torch's default device or dtype."""
    set_default = getattr(torch, f"set_default_{kind}")
    set_default(value)
    try:
        yield
    finally:
        set_default(usual)


SURROUNDINGS = {
    "default float64": lambda: by_default("dtype", torch.float64, torch.float32),
    "default bfloat16": lambda: by_default("dtype", torch.bfloat16, torch.float32),
    "default device meta": lambda: by_default("device", "meta", None),
    "default device cpu": lambda: by_default("device", "cpu", None),
    "device meta": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}
USES = ["transform", "reconstruct", "reconstruction_error", "score_samples", "score"]


@pytest.fixture(params=SURROUNDINGS.values(), ids=SURROUNDINGS)
def surroundings(request):
    """What a user may have set, as a function that gives a context."""
    return request.param


def settings():
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_rng_state().tolist(),
    )


def assert_same(one, other):
    weights, others = (fitted.net_.module_.state_dict() for fitted in (one, other))
    assert all(torch.equal(weights[name], others[name]) for name in others)
    assert one.loss_curve_ == other.loss_curve_
    assert one.best_loss_ == other.best_loss_


class WithDropout(nn.Sequential):
    """Layers of a user, who makes tensors of the default dtype while they run."""

    def __init__(self, in_features, out_features):
        super().__init__(
            nn.Linear(in_features, 16),
            nn.BatchNorm1d(16),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(16, out_features),
        )

    def forward(self, x):
        return super().forward(x) * torch.tensor(0.5)


def quartic(output, target):
    return ((output - target) / torch.tensor(16.0)) ** 4


PARAMETERS = [
    {"encoder": WithDropout, "decoder": nn.Linear},
    {"tied_weights": True, "linear_shortcut": False, "optimizer": "sgd"},
    {"optimizer": "adam", "optimizer_params": {"fused": False}, "lr_schedule": "one_cycle"},
    *({"noise": noise, "noise_level": 0.3} for noise in NOISES_OF_TABLES),
    {"loss": quartic},
    {"contractive_penalty": 1e-2, "sparsity_penalty": 1e-2, "trim": 0.1},
    {"precision": "float64", "noise": "masking", "noise_level": 0.3},
    {"early_stopping": True, "scaling": "standard"},
]


def test_a_fit_is_the_same(autoencoder, digits, surroundings):
    expected = clone(autoencoder).fit(digits)

    with surroundings():
        fitted = autoencoder.fit(digits)

    assert_same(fitted, expected)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda parameters: ", ".join(parameters))
def test_a_fit_of_any_parameters_is_the_same(autoencoder, digits, surroundings, parameters):
    expected = with_parameters(clone(autoencoder), **parameters).fit(digits)

    with surroundings():
        fitted = with_parameters(autoencoder, **parameters).fit(digits)

    assert_same(fitted, expected)


def test_a_fit_to_weighted_and_observed_entries_is_the_same(autoencoder, digits, surroundings):
    random = np.random.default_rng(0)
    counting = {
        "sample_weight": random.exponential(size=len(digits)),
        "observed": random.random(digits.shape) < 0.8,
        "X_val": digits[:50],
    }
    expected = clone(autoencoder).fit(digits, **counting)

    with surroundings():
        fitted = autoencoder.fit(digits, **counting)

    assert_same(fitted, expected)


def test_partial_fits_are_the_same(autoencoder, digits, surroundings):
    expected = clone(autoencoder).partial_fit(digits).partial_fit(digits)

    with surroundings():
        autoencoder.partial_fit(digits)
        fitted = deepcopy(autoencoder)
    fitted.partial_fit(digits)

    assert_same(fitted, expected)


def test_a_copy_that_is_made_within_goes_on_outside(autoencoder, digits, surroundings):
    with_parameters(autoencoder, warm_start=True).fit(digits)
    with surroundings():
        copy = deepcopy(autoencoder)

    assert_same(copy.fit(digits), autoencoder.fit(digits))
    assert_same(copy.partial_fit(digits), autoencoder.partial_fit(digits))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("method", USES)
def test_what_is_made_of_rows_is_the_same(autoencoder, digits, surroundings, method, dtype):
    X = digits.astype(dtype)
    use = getattr(autoencoder.fit(X), method)
    expected = use(X)

    with surroundings():
        given = use(X)

    assert_array_equal(given, expected)


@pytest.mark.parametrize("method", ["reconstruct", "reconstruction_error", "score"])
def test_what_is_made_of_observed_entries_is_the_same(autoencoder, digits, surroundings, method):
    observed = np.random.default_rng(0).random(digits.shape) < 0.8
    use = getattr(autoencoder.fit(digits), method)
    expected = use(digits, observed=observed)

    with surroundings():
        given = use(digits, observed=observed)

    assert_array_equal(given, expected)


def test_what_codes_stand_for_is_the_same(autoencoder, digits, surroundings):
    codes = autoencoder.fit_transform(digits)
    expected = autoencoder.inverse_transform(codes)

    with surroundings():
        assert_array_equal(autoencoder.inverse_transform(codes), expected)


def test_a_network_of_ones_own_is_used_in_the_same_way(digits, surroundings):
    fitted = small(encoder=WithDropout, loss=quartic).fit(digits)
    expected = [getattr(fitted, method)(digits) for method in USES]

    with surroundings():
        given = [getattr(fitted, method)(digits) for method in USES]

    for one, other in zip(given, expected, strict=True):
        assert_array_equal(one, other)


def test_all_is_set_as_it_was_afterwards(autoencoder, digits, surroundings):
    with surroundings():
        before = settings()
        autoencoder.fit(digits).partial_fit(digits)
        for method in USES:
            getattr(autoencoder, method)(digits)
        assert settings() == before


@pytest.mark.parametrize("method", ["fit", "partial_fit", *USES])
def test_all_is_set_as_it_was_where_something_fails(digits, surroundings, method):
    def failing(output, target):
        if fails:
            raise ValueError("a loss that fails")
        return (output - target) ** 2

    fails = False
    fitted = small(loss=failing, encoder=lambda *widths: Failing(*widths, lambda: fails)).fit(
        digits
    )
    with surroundings():
        before = settings()
        fails = True
        try:
            getattr(fitted, method)(digits)
        except ValueError:  # whose traceback holds all frames that were run
            assert settings() == before
        else:
            pytest.fail("nothing failed")


class Failing(nn.Linear):
    """A layer that fails when it is told to."""

    def __init__(self, in_features, out_features, fails):
        super().__init__(in_features, out_features)
        self.fails = fails

    def forward(self, x):
        if self.fails():
            raise ValueError("a layer that fails")
        return super().forward(x)


def test_threads_with_another_default_dtype_are_the_same(digits):
    expected = small(encoder=nn.Linear).fit(digits)
    fitted = [small(encoder=nn.Linear) for _ in range(4)]

    with by_default("dtype", torch.float64, torch.float32):
        threads = [Thread(target=each.fit, args=(digits,)) for each in fitted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert torch.get_default_dtype() == torch.float64

    for each in fitted:
        assert_same(each, expected)
