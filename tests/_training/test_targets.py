"""What is predicted from the code: losses against torch's, and where a head begins."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss
from torch.nn import functional

from sklearn_ae._training.labels import check_y, encoded, target_of
from sklearn_ae._training.targets import TARGET_LOSSES

RNG = np.random.default_rng(0)
N_ROWS = 50
# A y of each kind, and one whose values are partly missing.
YS = {
    "classes": RNG.choice(["ant", "bee", "cow"], N_ROWS, p=[0.6, 0.3, 0.1]),
    "labels": (RNG.random((N_ROWS, 4)) < [0.5, 0.1, 0.9, 0.0]).astype(int),
    "numbers": RNG.normal([1e3, -2.0], [30.0, 0.1], (N_ROWS, 2)),
}
PARTLY = {kind: y.astype(object) for kind, y in YS.items()}
for each in PARTLY.values():
    each[RNG.random(each.shape) < 0.4] = None

every_kind = pytest.mark.parametrize("kind", TARGET_LOSSES)
whole_or_not = pytest.mark.parametrize("ys", [YS, PARTLY], ids=["all known", "partly"])


def predicted_and_target(kind, ys):
    y = check_y(ys[kind], N_ROWS)
    target = target_of(y)
    predicted = torch.from_numpy(RNG.normal(size=(N_ROWS, len(target.start))))
    return predicted, torch.from_numpy(encoded(y, target))


# Each row by torch's own loss of one row.
OF_ONE_ROW = {
    "classes": lambda p, t: functional.cross_entropy(p, t[0].long()),
    "labels": lambda p, t: functional.binary_cross_entropy_with_logits(p, t, reduction="sum"),
    "numbers": lambda p, t: functional.mse_loss(p, t, reduction="sum"),
}


@every_kind
@whole_or_not
def test_a_row_has_torchs_loss_of_what_is_known(kind, ys):
    predicted, target = predicted_and_target(kind, ys)
    expected = []
    for p, t in zip(predicted, target, strict=True):
        known = ~t.isnan()
        if kind != "classes":
            p = p[known]
        expected.append(OF_ONE_ROW[kind](p, t[known]).item() if known.any() else 0.0)

    assert_allclose(TARGET_LOSSES[kind].rows(predicted, target), expected)


@every_kind
@whole_or_not
def test_the_derivatives_are_those_of_autograd(kind, ys):
    predicted, target = predicted_and_target(kind, ys)
    predicted.requires_grad_()
    TARGET_LOSSES[kind].rows(predicted, target).sum().backward()

    assert predicted.grad.any()
    gradient = TARGET_LOSSES[kind].gradient(predicted.detach(), target)
    assert_allclose(gradient, predicted.grad, atol=1e-15)


@every_kind
@whole_or_not
@pytest.mark.parametrize("weight", [None, RNG.random(N_ROWS)], ids=["alike", "weighted"])
def test_the_loss_is_one_before_training(kind, ys, weight):
    y = check_y(ys[kind], N_ROWS)
    target = target_of(y, weight)
    head = target.head(3, torch.float64)

    predicted = head(torch.from_numpy(RNG.normal(size=(N_ROWS, 3))))
    losses = target.row_losses(predicted, torch.from_numpy(encoded(y, target))).detach().numpy()

    # A label that all rows have or none has is given a little doubt.
    assert np.average(losses, weights=weight) == pytest.approx(1, rel=1e-12)


def test_a_head_begins_with_the_shares_of_the_classes():
    y = check_y(YS["classes"], N_ROWS)
    target = target_of(y)
    shares = np.unique(YS["classes"], return_counts=True)[1] / N_ROWS

    assert_allclose(np.exp(target.start), shares)
    entropy = log_loss(YS["classes"], np.tile(shares, (N_ROWS, 1)))
    assert target.factor == pytest.approx(1 / entropy)


def test_numbers_are_taken_to_mean_zero_and_variance_one():
    y = check_y(YS["numbers"], N_ROWS)
    labels = encoded(y, target_of(y))

    assert_allclose(labels.mean(axis=0), 0, atol=1e-9)
    assert_allclose(labels.std(axis=0), 1)


def test_a_weight_of_two_is_a_row_that_comes_twice():
    weight = np.where(np.arange(N_ROWS) < 20, 2.0, 1.0)
    twice = np.r_[np.arange(N_ROWS), np.arange(20)]
    for y in YS.values():
        weighted = target_of(check_y(y, N_ROWS), weight)
        repeated = target_of(check_y(y[twice], len(twice)))

        assert_allclose(weighted.start, repeated.start, rtol=1e-12)
        assert weighted.factor == pytest.approx(repeated.factor, rel=1e-12)


def test_classes_of_which_the_first_rows_have_none_begin_alike():
    y = check_y(["a", "a", "b"], 3)
    target = target_of(y, classes=["c", "b", "a"])

    assert target.classes.tolist() == ["a", "b", "c"]
    assert_allclose(np.exp(target.start), 1 / 3)
    assert encoded(y, target).ravel().tolist() == [0, 0, 1]


@pytest.mark.parametrize("unit", [1e-170, 1.0, 1e200])
def test_numbers_of_any_size_are_told_apart(unit):
    y = check_y(unit * YS["numbers"], N_ROWS)
    labels = encoded(y, target_of(y))

    assert_allclose(labels.std(axis=0), 1)


def test_a_column_that_is_the_same_for_all_rows_is_no_reason_to_refuse_the_others():
    y = check_y(np.c_[YS["numbers"][:, 0], np.full(N_ROWS, 0.3)], N_ROWS)
    target = target_of(y)
    losses = target.row_losses(torch.zeros(N_ROWS, 2), torch.from_numpy(encoded(y, target)))

    assert losses.mean().item() == pytest.approx(1, rel=1e-5)


def test_a_column_of_which_nothing_is_known_is_no_reason_either():
    y = check_y(np.c_[YS["numbers"][:, 0], np.full(N_ROWS, np.nan)], N_ROWS)

    assert target_of(y).factor == pytest.approx(1)
