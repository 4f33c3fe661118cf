"""What a fit measures, holds out and steps by: small choices that nothing else shows."""

import numpy as np
import pytest
import torch
from _testing import small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_ae._training.batches import Rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS = load_digits().data
X, X_VAL = DIGITS[:240], DIGITS[240:360]


# Evaluation


def test_each_epoch_is_evaluated_under_the_same_noise():
    """With a rate that changes nothing, so that other noise would be all that differs."""
    fitted = small(noise="gaussian", noise_level=4.0, lr=1e-30).fit(X, X_val=X_VAL)

    assert len(fitted.validation_loss_curve_) == 3
    assert set(fitted.validation_loss_curve_) == {fitted.pca_loss_}
    assert len(set(fitted.loss_curve_)) == 3


@pytest.mark.filterwarnings("ignore:precision='bfloat16'")
def test_bfloat16_evaluates_in_float32():
    fitted = small(precision="bfloat16").fit(X, X_val=X_VAL)

    unit = X.var(axis=0).mean()
    error = np.square(fitted.reconstruct(X_VAL) - X_VAL).mean() / unit
    assert fitted.best_loss_ == pytest.approx(error, rel=1e-5)


def test_the_score_is_computed_in_float64():
    rows = DIGITS.astype(np.float32)
    fitted = small(max_epochs=1).fit(rows)

    expected = r2_score(
        rows.astype(np.float64),
        fitted.reconstruct(rows).astype(np.float64),
        multioutput="variance_weighted",
    )
    assert fitted.score(rows) == pytest.approx(expected, rel=1e-13)


# What is held out


def held_out_of(fitted, n_samples, n_held_out):
    return train_test_split(
        np.arange(n_samples), test_size=n_held_out, random_state=fitted.net_.seed
    )


def test_the_rows_held_out_follow_from_the_random_state():
    seeds = [small(early_stopping=True, random_state=seed).fit(X).net_.seed for seed in (0, 1, 0)]

    assert seeds[0] == seeds[2] != seeds[1]


@pytest.mark.parametrize("seed", [0, 1])
def test_pca_is_judged_on_the_rows_that_are_held_out(seed):
    fitted = small(early_stopping=True, validation_fraction=0.25, lr=1e-30, random_state=seed)
    fitted.fit(X)

    _, held_out = held_out_of(fitted, 240, 60)
    module, net = fitted.net_.module_, fitted.net_
    assert fitted.pca_loss_ == net.evaluate(Rows(X, index=held_out))
    assert_allclose(module.rescale.shift, np.delete(X, held_out, axis=0).mean(axis=0))


@pytest.mark.parametrize(("n_samples", "n_held_out"), [(96, 10), (94, 9), (240, 24)])
def test_the_number_held_out_is_rounded(n_samples, n_held_out):
    fitted = small(early_stopping=True, batch_size=1).fit(X[:n_samples])

    assert fitted.net_.history[-1, "train_batch_count"] == n_samples - n_held_out


# Which weights


def test_a_warm_start_without_shortcut_keeps_its_start_where_no_epoch_is_better():
    fitted = small(linear_shortcut=False, warm_start=True, max_epochs=30).fit(X)
    codes, best_epoch = fitted.transform(X), fitted.best_epoch_

    fitted.set_params(lr=1.0, max_epochs=2).fit(X)

    assert_array_equal(fitted.transform(X), codes)
    assert fitted.best_epoch_ == best_epoch
    assert fitted.n_iter_ == 32


# Steps


@pytest.mark.parametrize(("n_samples", "batch_size"), [(240, 8), (400, 10), (1000, 25), (1797, 44)])
def test_a_batch_is_a_fortieth_of_the_rows(n_samples, batch_size):
    fitted = small(batch_size="auto", max_epochs=1).fit(DIGITS[:n_samples])

    assert fitted.net_.batch_size == batch_size


def test_a_batch_is_256_rows_at_most():
    fitted = small(batch_size="auto", max_epochs=1).fit(np.tile(DIGITS[:, 20:30], (10, 1)))

    assert fitted.net_.batch_size == 256


def test_adamw_takes_the_rate_off_the_weights_of_layers_with_each_step():
    """At a rate at which Adam's own step is nothing beside it."""

    def one(in_features, out_features):
        layer = nn.Linear(in_features, out_features)
        nn.init.constant_(layer.weight, 1.0)
        return layer

    layers = {"linear_shortcut": False, "encoder": one, "decoder": one}
    fitted = small(optimizer="adamw", optimizer_params={"eps": 1e12}, lr=0.01, **layers)
    weight = fitted.partial_fit(X).net_.module_.encoder.weight

    torch.testing.assert_close(weight, torch.full_like(weight, (1 - 0.01 * 0.3) ** 6))
