"""One random state, one result, whatever else the process draws or trains."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn


def dropout(in_features, out_features):
    """Give layers that draw from torch's global generator while they train."""
    return nn.Sequential(
        nn.Linear(in_features, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, out_features)
    )


@pytest.fixture(params=["dense", "noise", "dropout"])
def drawing(request, autoencoder):
    """An autoencoder that draws its order alone, its noise too, or in its layers."""
    changes = {"dense": {}, "noise": {"noise": "gaussian"}, "dropout": {"encoder": dropout}}
    return autoencoder.set_params(**changes[request.param], early_stopping=True)


def weights(estimator):
    return list(estimator.net_.module_.state_dict().values())


def assert_same(one, other):
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))
    assert one.loss_curve_ == other.loss_curve_


def test_neither_global_seeds_nor_earlier_fits_change_a_fit(drawing, digits):
    first = clone(drawing).fit(digits)
    np.random.seed(7)  # noqa: NPY002 - the global generator is what is tested
    torch.manual_seed(7)
    torch.rand(3)

    assert_same(first, drawing.fit(digits))
    assert_same(first, drawing.fit(digits))


def test_four_threads_with_one_seed_give_four_equal_models(drawing, digits):
    alone = clone(drawing).fit(digits)

    with ThreadPoolExecutor(4) as pool:
        fitted = list(pool.map(lambda _: clone(drawing).fit(digits), range(4)))

    for estimator in fitted:
        assert_same(alone, estimator)


def test_another_seed_gives_another_model(drawing, digits):
    one, other = (clone(drawing).set_params(random_state=seed).fit(digits) for seed in (0, 1))

    assert not torch.equal(weights(one)[-1], weights(other)[-1])


def test_a_random_state_that_goes_on_gives_another_model_each_time(autoencoder, digits):
    autoencoder.set_params(random_state=np.random.RandomState(0))

    assert autoencoder.fit(digits).loss_curve_ != autoencoder.fit(digits).loss_curve_


@pytest.mark.parametrize("random_state", [0, None])
def test_a_fit_leaves_generators_and_threads_as_they_were(drawing, digits, random_state):
    of_torch, n_threads = torch.get_rng_state(), torch.get_num_threads()
    of_numpy = np.random.get_state()  # noqa: NPY002 - as above

    drawing.set_params(random_state=random_state).fit(digits).transform(digits)

    assert torch.equal(torch.get_rng_state(), of_torch)
    assert torch.get_num_threads() == n_threads
    after = np.random.get_state()  # noqa: NPY002 - as above
    assert all(np.array_equal(a, b) for a, b in zip(of_numpy, after, strict=True))


def test_the_fits_that_are_compared_do_train(drawing, digits):
    fitted = drawing.fit(digits)

    assert fitted.best_epoch_ > 0
    assert fitted.best_loss_ < fitted.pca_loss_


def test_threads_that_fit_different_models_do_not_meet(autoencoder, digits):
    models = [
        clone(autoencoder).set_params(random_state=seed, **changes)
        for seed in (0, 1)
        for changes in ({}, {"noise": "masking"}, {"encoder": dropout})
    ]
    alone = [clone(model).fit(digits) for model in models]
    start = Barrier(len(models))

    def fit(model):
        start.wait()
        return clone(model).fit(digits).partial_fit(digits)

    with ThreadPoolExecutor(len(models)) as pool:
        together = list(pool.map(fit, models))

    for one, other in zip(alone, together, strict=True):
        assert_same(one.partial_fit(digits), other)


def test_equal_random_states_give_equal_models(drawing, digits):
    one, other = (
        clone(drawing).set_params(random_state=np.random.RandomState(3)).fit(digits)
        for _ in range(2)
    )

    assert_same(one, other)


def test_without_a_random_state_each_fit_is_another(autoencoder, digits):
    autoencoder.set_params(random_state=None)

    np.random.seed(0)  # noqa: NPY002 - as above
    first = clone(autoencoder).fit(digits)
    np.random.seed(0)  # noqa: NPY002 - as above

    assert autoencoder.fit(digits).loss_curve_ != first.loss_curve_


def test_partial_fits_do_not_depend_on_what_is_drawn_between(drawing, digits):
    one, other = (clone(drawing).set_params(early_stopping=False) for _ in range(2))
    one.partial_fit(digits).partial_fit(digits)

    other.partial_fit(digits)
    torch.manual_seed(5)
    torch.rand(3)
    clone(drawing).fit(digits)
    other.partial_fit(digits)

    assert_same(one, other)


def test_a_fit_that_fails_leaves_the_generators_as_they_were(autoencoder, digits):
    def failing(in_features, out_features):
        torch.rand(3)
        raise RuntimeError("no layers today")

    before = torch.get_rng_state()

    with pytest.raises(RuntimeError, match="no layers today"):
        autoencoder.set_params(encoder=failing).fit(digits)

    assert torch.equal(torch.get_rng_state(), before)
