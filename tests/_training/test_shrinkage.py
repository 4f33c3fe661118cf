"""The way back from trained weights to their start, and where on it folds say to stay."""

import numpy as np
import pytest
import torch
from _testing import small
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from torch import nn

from sklearn_ae._training.batches import Rows
from sklearn_ae._training.shrinkage import (
    SHRINKAGES,
    best_shrinkage,
    least_loss_along,
    losses_along,
    shrunk,
)

X = load_digits().data[:200]
START = {"weight": torch.tensor([0.0, 4.0]), "n_batches": torch.tensor(0), "extra": "start"}
TRAINED = {"weight": torch.tensor([1.0, 0.0]), "n_batches": torch.tensor(9), "extra": "trained"}


@pytest.mark.parametrize(
    ("shrinkage", "weight"), [(0.0, [1.0, 0.0]), (0.25, [0.75, 1.0]), (1.0, [0.0, 4.0])]
)
def test_weights_lie_on_the_line_between_trained_and_start(shrinkage, weight):
    found = shrunk(START, TRAINED, shrinkage)

    assert found["weight"].tolist() == weight
    assert (found["n_batches"].item(), found["extra"]) == (9, "trained")


def test_the_places_that_are_tried_lie_evenly():
    assert_allclose(SHRINKAGES, np.linspace(1, 0, 11), atol=1e-15)


@pytest.mark.parametrize("shrinkage", SHRINKAGES)
def test_what_did_not_move_stays_to_the_last_bit(shrinkage):
    same = {"shift": torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 1e9}

    assert torch.equal(shrunk(same, same, shrinkage)["shift"], same["shift"])


def test_the_losses_along_the_way_go_from_that_of_the_start_to_that_of_the_trained_weights():
    fitted = small(max_epochs=3).fit(X)
    net = fitted.net_
    start = net.module()  # as it was built: nothing set to the components
    losses = losses_along(net, start.state_dict(), Rows(X))

    unit = X.var(axis=0).mean()
    with torch.no_grad():
        of_start = start(torch.from_numpy(X)).numpy()
    assert_allclose(losses[0], np.square(of_start - X).mean() / unit, rtol=1e-5)
    assert_allclose(losses[-1], fitted.best_loss_, rtol=1e-6)
    assert len(losses) == len(SHRINKAGES)


class Line:
    """A net of one weight, from 0 at the start to 1, whose loss is least at a place between."""

    def __init__(self, least_at):
        self.least_at = least_at
        self.module_ = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.module_.weight)

    def evaluate(self, rows):
        """Give the squared distance to that place."""
        return (self.module_.weight.item() - self.least_at) ** 2


@pytest.mark.parametrize("shrinkage", SHRINKAGES)
def test_rows_held_out_choose_the_nearest_place_to_the_least_loss(shrinkage):
    net = Line(1 - shrinkage)
    start = {"weight": torch.zeros(1, 1)}

    found, loss = least_loss_along(net, start, None, net.evaluate(None))

    assert found == shrinkage
    assert loss == pytest.approx(0, abs=1e-12)


def test_the_way_back_ends_where_the_loss_rises():
    """Rows that are few may like a place far back by chance."""
    net = Line(0.8)
    net.evaluate = lambda rows: (
        abs(net.module_.weight.item() - 0.8) - (1.0 if net.module_.weight.item() < 0.3 else 0.0)
    )

    found, _ = least_loss_along(net, {"weight": torch.zeros(1, 1)}, None, net.evaluate(None))

    assert found == 0.2


def losses_of(*gains):
    """Give losses of a fold that begins at 2 and falls by these shares of it, by shrinkage."""
    of = dict(zip((1.0, 0.5, 0.2, 0.0), gains, strict=True))
    return np.array([2 * (1 - of.get(shrinkage, -1.0)) for shrinkage in SHRINKAGES])


def test_the_shrinkage_of_greatest_gain_is_chosen():
    folds = [losses_of(0.0, 0.1, 0.3, 0.2), losses_of(0.0, 0.1, 0.3, 0.2)]
    assert best_shrinkage(folds)[1] == 0.2


def test_a_gain_of_one_fold_alone_counts_for_less_than_the_same_in_all():
    folds = [losses_of(0.0, 0.1, 0.33, 0.0), losses_of(0.0, 0.1, 0.0, 0.0)]
    assert best_shrinkage(folds)[1] == 0.5


def test_where_nothing_gains_the_start_is_chosen():
    assert best_shrinkage([losses_of(0.0, -0.1, -0.2, 0.0)] * 3) == (0.0, 1.0)


def test_a_fold_of_great_losses_counts_as_much_as_one_of_small_ones():
    gains, others = losses_of(0.0, 0.2, 0.0, 0.0), losses_of(0.0, 0.0, 0.1, 0.0)
    assert best_shrinkage([gains * 1e-9, gains * 1e-9, others * 1e9])[1] == 0.5


@pytest.mark.parametrize("offset", [-100.0, -2.0])
def test_losses_below_zero_are_the_better_the_lower(offset):
    folds = [losses_of(0.0, 0.1, 0.3, 0.2) + offset] * 2
    assert best_shrinkage(folds)[1] == 0.2


def test_a_loss_that_is_no_number_is_never_chosen():
    folds = [losses_of(0.0, np.nan, 0.1, -np.inf)] * 2
    assert best_shrinkage(folds)[1] == 0.2
