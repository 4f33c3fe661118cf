"""What a fit keeps, where it ends, how it goes on, and the errors that it reports."""

from functools import partial

import _testing
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.special import xlogy
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from torch import nn

DIGITS = load_digits().data
X, X_VAL = DIGITS[:240], DIGITS[240:360]

small = partial(_testing.small, max_epochs=5)


def share_lost(autoencoder, rows, of=X):
    """Give the squared error over the variance of the rows that set the units."""
    return np.square(autoencoder.reconstruct(rows) - rows).mean() / of.var(axis=0).mean()


def share_lost_by_pca(rows, of=X, n_components=4):
    pca = PCA(n_components, svd_solver="full").fit(of)
    return (
        np.square(pca.inverse_transform(pca.transform(rows)) - rows).mean() / of.var(axis=0).mean()
    )


# The error of rows

# A unit of the network in those of the data.
UNITS = {
    "global": lambda rows: np.sqrt(rows.var(axis=0).mean()),
    "standard": lambda rows: np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1),
    "range": np.ptp,
    None: lambda rows: 1.0,
}


def huber(output, target, unit):
    off = np.abs(output - target)
    return np.where(off <= unit, off**2 / 2, unit * (off - unit / 2))


def cross_entropy(output, target, unit):
    output, target = output / unit, target / unit
    return -(xlogy(target, output) + xlogy(1 - target, 1 - output))


def poisson(output, target, unit):
    return output - xlogy(target, output) + xlogy(target, target) - target


ENTRIES = {
    "squared_error": lambda output, target, unit: (output - target) ** 2,
    "absolute_error": lambda output, target, unit: np.abs(output - target),
    "huber": huber,
    "binary_cross_entropy": cross_entropy,
    "poisson": poisson,
}
COMBINATIONS = [
    (loss, scaling)
    for loss in ENTRIES
    for scaling in UNITS
    if loss not in _testing.OUTPUTS or scaling in ("range", None)  # without a centre: from 0 up
]


@pytest.mark.parametrize(("loss", "scaling"), COMBINATIONS)
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_the_error_is_that_of_numpy_in_the_units_of_the_data(container, loss, scaling):
    rows = X / 16 if loss in _testing.OUTPUTS and scaling is None else X
    fitted = small(
        loss=loss,
        scaling=scaling,
        output_activation=_testing.OUTPUTS.get(loss, "identity"),
        precision="float64",
    ).fit(container(rows))

    expected = ENTRIES[loss](fitted.reconstruct(rows), rows, UNITS[scaling](rows))

    of_entries = fitted.reconstruction_error(container(rows), per_feature=True)
    assert_allclose(of_entries, expected, rtol=1e-6, atol=1e-9)
    assert_allclose(fitted.reconstruction_error(container(rows)), expected.mean(axis=1), rtol=1e-6)
    assert_allclose(fitted.score_samples(container(rows)), -expected.mean(axis=1), rtol=1e-6)


def test_the_error_of_a_loss_of_ones_own_is_what_it_gives():
    def quartic(output, target):
        return (output - target) ** 4

    fitted = small(loss=quartic, lr=1e-4, precision="float64").fit(X)

    expected = (fitted.reconstruct(X) - X) ** 4
    assert_allclose(fitted.reconstruction_error(X, per_feature=True), expected, atol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_the_score_is_the_share_of_variance_whatever_the_loss(loss):
    fitted, weight = small(loss=loss).fit(X), np.arange(len(X_VAL), dtype=float)

    expected = r2_score(
        X_VAL, fitted.reconstruct(X_VAL), multioutput="variance_weighted", sample_weight=weight
    )

    assert fitted.score(X_VAL, sample_weight=weight) == pytest.approx(expected, rel=1e-6)
    assert fitted.score(csr_array(X_VAL), sample_weight=weight) == pytest.approx(expected, rel=1e-6)


# The weights that are kept


def test_where_no_epoch_is_better_the_weights_of_pca_are_kept():
    fitted = small(lr=0.3).fit(X)

    assert min(fitted.loss_curve_) > fitted.pca_loss_
    assert fitted.best_epoch_ == 0
    assert fitted.best_loss_ == fitted.pca_loss_
    assert share_lost(fitted, X) == pytest.approx(share_lost_by_pca(X), rel=1e-4)


def test_the_weights_are_those_of_the_best_epoch_and_not_of_the_last():
    noisy = {"linear_shortcut": False, "lr": 0.03, "batch_size": 5}
    fitted = small(max_epochs=12, n_iter_no_change=11, **noisy).fit(X)

    best = int(np.argmin(fitted.loss_curve_)) + 1
    assert 1 < best < fitted.n_iter_
    assert fitted.best_epoch_ == best
    assert fitted.best_loss_ == min(fitted.loss_curve_)
    again = small(max_epochs=best, n_iter_no_change=best - 1, **noisy).fit(X)
    assert_array_equal(fitted.transform(X), again.transform(X))


@pytest.mark.parametrize("lr_schedule", ["constant", "cosine"])
def test_validation_losses_are_those_of_the_rows_given(lr_schedule):
    # As many epochs as to be settled by either rule.
    fitted = small(lr_schedule=lr_schedule, lr=1e-3, max_epochs=20, n_iter_no_change=19).fit(
        X, X_val=X_VAL
    )

    assert len(fitted.validation_loss_curve_) == len(fitted.loss_curve_) == fitted.n_iter_ == 20
    assert fitted.best_loss_ == fitted.validation_loss_curve_[fitted.best_epoch_ - 1]
    assert fitted.best_loss_ == pytest.approx(share_lost(fitted, X_VAL), rel=1e-4)
    assert fitted.pca_loss_ == pytest.approx(share_lost_by_pca(X_VAL), rel=1e-4)


def test_rows_held_out_are_the_share_asked_for_and_not_trained_on():
    fitted = small(early_stopping=True, validation_fraction=0.25).fit(X)

    assert len(fitted.validation_loss_curve_) == fitted.n_iter_
    assert fitted.net_.history[-1, "train_batch_count"] == 5  # 180 rows in batches of 40


def test_rows_to_validate_by_take_the_place_of_those_held_out():
    given = small(early_stopping=True).fit(X, X_val=X_VAL)
    neither = small(early_stopping=False).fit(X)

    assert given.net_.history[-1, "train_batch_count"] == 6
    assert given.loss_curve_ == neither.loss_curve_
    assert neither.validation_loss_curve_ is None


@pytest.mark.parametrize(("n_samples", "held_out"), [(999, False), (1000, True)])
def test_auto_holds_rows_out_from_a_thousand_up(n_samples, held_out):
    fitted = small(early_stopping="auto", batch_size=200).fit(DIGITS[:n_samples])

    assert (fitted.validation_loss_curve_ is not None) == held_out


def test_units_and_pca_are_of_the_rows_trained_on_and_the_loss_of_pca_of_those_held_out():
    fitted = small(early_stopping=True, lr=1e-12).fit(X)

    train, held_out = train_test_split(X, test_size=24, random_state=fitted.net_.seed)
    assert_allclose(fitted.net_.module_.rescale.shift, train.mean(axis=0), rtol=1e-12)
    assert share_lost(fitted, X, train) == pytest.approx(share_lost_by_pca(X, train), rel=1e-4)
    assert fitted.pca_loss_ == pytest.approx(share_lost_by_pca(held_out, train), rel=1e-4)


def test_as_many_codes_as_the_rank_of_the_rows_trained_on_need_no_epoch_whatever_is_held_out():
    rows = np.vstack([X[:30], DIGITS[1000:1009]])
    seed = small(early_stopping=True).fit(rows).net_.seed
    _, held_out = train_test_split(np.arange(39), test_size=4, random_state=seed)
    rank = np.linalg.matrix_rank(np.delete(rows, held_out, axis=0) - rows.mean(axis=0))

    with pytest.warns(UserWarning, match="rebuild the training rows exactly, so no epoch"):
        fitted = small(int(rank), early_stopping=True).fit(rows)

    assert fitted.n_iter_ == 0
    assert fitted.pca_loss_ > 0.01


# The end of a fit


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize(("tol", "n_iter_no_change"), [(0.05, 1), (0.02, 2), (0.01, 4)])
def test_a_constant_rate_ends_when_the_loss_has_stalled(tol, n_iter_no_change, validated):
    fitted = small(max_epochs=200, tol=tol, n_iter_no_change=n_iter_no_change).fit(
        X, X_val=X_VAL if validated else None
    )

    least, stalled, end = np.inf, 0, None
    losses = fitted.validation_loss_curve_ if validated else fitted.loss_curve_
    for epoch, loss in enumerate(losses, start=1):
        stalled = 0 if loss < (1 - tol) * least else stalled + 1
        least = loss if stalled == 0 else least
        if stalled == n_iter_no_change:
            end = epoch
            break
    assert fitted.n_iter_ == end < 200


def test_the_warning_of_too_few_epochs_says_how_many():
    with pytest.warns(ConvergenceWarning, match=r"max_epochs=3.*Raise max_epochs"):
        small(max_epochs=3, tol=1e-4).fit(X)


def test_a_schedule_is_gone_through_whatever_tol_says():
    assert (
        small(lr_schedule="one_cycle", lr=1e-6, max_epochs=8, n_iter_no_change=1).fit(X).n_iter_
        == 8
    )


# Going on


@pytest.mark.parametrize("optimizer", ["adam", torch.optim.RMSprop])
def test_epochs_one_by_one_are_a_fit_of_a_constant_rate(optimizer):
    one_by_one = small(optimizer=optimizer, lr=1e-3)
    for _ in range(5):
        one_by_one.partial_fit(X)
    at_once = small(optimizer=optimizer, lr=1e-3).fit(X)

    assert at_once.best_epoch_ == 5
    assert one_by_one.loss_curve_ == at_once.loss_curve_
    assert_array_equal(one_by_one.transform(X), at_once.transform(X))


def test_a_partial_fit_starts_at_pca_and_takes_no_notice_of_a_schedule():
    first = small(lr_schedule="one_cycle", max_epochs=100, lr=1e-12).partial_fit(X)

    assert first.loss_curve_ == [pytest.approx(share_lost_by_pca(X), rel=1e-4)]
    constant = small(lr=1e-3).partial_fit(X)
    scheduled = small(lr=1e-3, lr_schedule="one_cycle").partial_fit(X)
    assert_array_equal(scheduled.transform(X), constant.transform(X))


def test_a_partial_fit_goes_on_in_the_units_of_the_first_rows():
    fitted = small().partial_fit(X)
    before = fitted.net_.module_.rescale.scale.clone()

    fitted.partial_fit(10 * X_VAL + 3)

    assert torch.equal(fitted.net_.module_.rescale.scale, before)


def test_a_partial_fit_goes_on_from_a_fit():
    fitted = small().fit(X)
    losses = fitted.loss_curve_

    fitted.partial_fit(X)

    assert fitted.loss_curve_[:5] == losses
    assert fitted.n_iter_ == fitted.best_epoch_ == 6
    assert fitted.loss_ == fitted.best_loss_ == fitted.loss_curve_[-1]


@pytest.mark.parametrize("early_stopping", [False, "auto"])
def test_a_partial_fit_holds_nothing_out(early_stopping):
    fitted = small(early_stopping=early_stopping, batch_size=100).partial_fit(DIGITS[:1200])

    assert fitted.net_.history[-1, "train_batch_count"] == 12
    assert fitted.validation_loss_curve_ is None


def test_a_warm_start_begins_with_the_weights_kept():
    fitted = small(warm_start=True).fit(X)
    codes = fitted.transform(X)

    fitted.set_params(lr=1e-12).fit(X)

    assert_allclose(fitted.transform(X), codes, atol=1e-6)
    assert fitted.n_iter_ == 10


def test_a_warm_start_has_no_loss_of_pca_to_be_held_against():
    fitted = small(warm_start=True).fit(X)
    assert fitted.pca_loss_ is not None
    assert fitted.fit(X).pca_loss_ is None


def test_without_a_warm_start_a_fit_begins_anew():
    fitted = small().fit(X)
    codes = fitted.transform(X)

    assert_array_equal(fitted.fit(X).transform(X), codes)
    assert fitted.n_iter_ == 5


OTHER_NETWORKS = [
    {"hidden_layer_sizes": (16, 8)},
    {"encoding_dim": 5},
    {"linear_shortcut": False},
    {"activation": "tanh"},
    {"tied_weights": True},
    {"encoder": nn.Linear},
    {"output_activation": "softplus"},
    {"scaling": "standard"},
    {"precision": "float64"},
]


@pytest.mark.parametrize(
    "parameters", OTHER_NETWORKS, ids=lambda parameters: next(iter(parameters))
)
def test_going_on_refuses_other_layers_and_units_by_name(parameters):
    fitted = small(warm_start=True).fit(X).set_params(**parameters)
    codes = fitted.transform(X)
    asks = f"{next(iter(parameters))}=.*other layers or units"
    with pytest.raises(ValueError, match=rf"warm_start=True: {asks}.*Use warm_start=False"):
        fitted.fit(X)
    with pytest.raises(ValueError, match=asks):
        fitted.partial_fit(X)
    assert_array_equal(fitted.transform(X), codes)


OTHER_TRAININGS = [
    {"loss": "huber"},
    {"noise": "masking", "noise_level": 0.3},
    {"sparsity_penalty": 0.1},
    {"contractive_penalty": 0.1},
    {"trim": 0.2},
    {"optimizer": "sgd"},
    {"optimizer_params": {"betas": (0.5, 0.9)}},
    {"lr": 1e-4},
    {"batch_size": 60},
]


@pytest.mark.parametrize(
    "parameters", OTHER_TRAININGS, ids=lambda parameters: next(iter(parameters))
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_objective_or_training_acts_where_one_goes_on(method, parameters):
    one, other = (small(warm_start=True, linear_shortcut=False).fit(X) for _ in range(2))

    getattr(one, method)(X)
    getattr(other.set_params(**parameters), method)(X)

    assert other.n_iter_ == one.n_iter_
    assert other.loss_curve_[:5] == one.loss_curve_[:5]
    assert not np.array_equal(other.transform(X), one.transform(X))


# Interrupts


@pytest.mark.parametrize("validated", [False, True])
def test_an_interrupt_keeps_the_weights_of_the_epochs_done(fail_at, validated):
    X_val = X_VAL if validated else None
    three = small(max_epochs=3, n_iter_no_change=2).fit(X, X_val=X_val)
    fail_at(3 * 6 + 4)

    with pytest.warns(UserWarning, match="interrupted by user after 3 epochs, which are kept"):
        interrupted = small(max_epochs=50, n_iter_no_change=49).fit(X, X_val=X_val)

    assert interrupted.n_iter_ == 3
    assert interrupted.loss_curve_ == three.loss_curve_
    assert interrupted.best_epoch_ == three.best_epoch_
    assert_array_equal(interrupted.transform(X), three.transform(X))


@pytest.mark.parametrize("step", [1, 4])
def test_an_interrupt_in_the_first_epoch_keeps_pca(fail_at, step):
    fail_at(step)

    with pytest.warns(UserWarning, match="interrupted by user after 0 epochs"):
        fitted = small().fit(X)

    assert fitted.n_iter_ == fitted.best_epoch_ == 0
    assert fitted.loss_ == fitted.best_loss_ == fitted.pca_loss_
    assert share_lost(fitted, X) == pytest.approx(share_lost_by_pca(X), rel=1e-4)


def test_an_interrupt_in_the_first_epoch_without_pca_keeps_the_start(fail_at):
    fail_at(2)

    with pytest.warns(UserWarning, match="interrupted by user after 0 epochs"):
        fitted = small(linear_shortcut=False).fit(X)

    assert fitted.n_iter_ == fitted.best_epoch_ == 0
    assert fitted.pca_loss_ is None
    assert fitted.loss_ == fitted.best_loss_ == pytest.approx(share_lost(fitted, X), rel=1e-4)


def test_an_interrupt_of_a_partial_fit_is_raised_and_leaves_what_there_was(fail_at):
    fitted = small().partial_fit(X)
    net, codes = fitted.net_, fitted.transform(X)
    fail_at(3)

    with pytest.raises(KeyboardInterrupt):  # a warning would be an error
        fitted.partial_fit(X)

    assert fitted.net_ is net
    assert fitted.n_iter_ == 1
    assert_array_equal(fitted.transform(X), codes)


def test_what_was_interrupted_can_go_on(fail_at):
    fail_at(9)
    with pytest.warns(UserWarning, match="after 1 epochs"):
        fitted = small().fit(X)

    assert fitted.partial_fit(X).n_iter_ == 2


def test_an_interrupt_of_a_warm_start_keeps_what_there_was(fail_at):
    fitted = small(warm_start=True).fit(X)
    codes = fitted.transform(X)
    fail_at(3)

    with pytest.warns(UserWarning, match="interrupted by user after 5 epochs"):
        fitted.fit(X)

    assert_array_equal(fitted.transform(X), codes)
    assert fitted.n_iter_ == 5
