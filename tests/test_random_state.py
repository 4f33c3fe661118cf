"""One random state, one result, whatever else the process draws or trains."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from _testing import having, with_parameters
from sklearn.base import clone
from torch import nn

pytestmark = pytest.mark.every_autoencoder


def dropout(in_features, out_features):
    """Give layers that draw from torch's global generator while they train."""
    return nn.Sequential(
        nn.Linear(in_features, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, out_features)
    )


@pytest.fixture(params=["dense", "noise", "dropout"])
def drawing(request, autoencoder):
    """An autoencoder that draws its order alone, its noise too, or in its layers."""
    changes = {"dense": {}, "noise": {"noise": "gaussian"}, "dropout": {"encoder": dropout}}
    drawing = with_parameters(autoencoder, **changes[request.param])
    return drawing.set_params(**having(type(drawing), {"early_stopping": True}))


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


@pytest.fixture(name="_global_generator_is_put_back")
def _put_back():
    state = np.random.get_state()  # noqa: NPY002 - as above
    yield
    np.random.set_state(state)  # noqa: NPY002 - as above


def numpy_would_draw():
    """Give what the global generator would give next, and leave it as it is."""
    state = np.random.get_state()  # noqa: NPY002 - as above
    random_state = np.random.RandomState()
    random_state.set_state(state)
    return random_state.randint(2**31 - 1, size=4).tolist()


def test_a_fit_leaves_generators_and_threads_as_they_were(drawing, digits):
    of_torch, n_threads = torch.get_rng_state(), torch.get_num_threads()
    of_numpy = numpy_would_draw()

    drawing.set_params(random_state=0).fit(digits).transform(digits)

    assert torch.equal(torch.get_rng_state(), of_torch)
    assert torch.get_num_threads() == n_threads
    assert numpy_would_draw() == of_numpy


@pytest.mark.usefixtures("_global_generator_is_put_back")
def test_without_a_random_state_a_fit_draws_once_from_numpys_global_generator(drawing, digits):
    of_torch, (_, _, *others) = torch.get_rng_state(), numpy_would_draw()

    drawing.set_params(random_state=None).fit(digits).transform(digits)

    assert torch.equal(torch.get_rng_state(), of_torch)
    assert numpy_would_draw()[:2] == others  # two seeds were drawn


def test_the_fits_that_are_compared_do_train(drawing, digits):
    fitted = drawing.fit(digits)

    assert fitted.best_epoch_ > 0
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


def test_threads_that_fit_different_models_do_not_meet(autoencoder, digits):
    changes = [{}, {"noise": "masking"}, {"encoder": dropout}]
    models = [
        clone(autoencoder).set_params(random_state=seed, **having(type(autoencoder), change))
        for seed in (0, 1)
        for change in changes
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


@pytest.mark.usefixtures("_global_generator_is_put_back")
def test_without_a_random_state_each_fit_is_another_that_numpys_seed_repeats(drawing, digits):
    drawing.set_params(random_state=None)

    np.random.seed(0)  # noqa: NPY002 - as above
    first, second = clone(drawing).fit(digits), clone(drawing).fit(digits)
    np.random.seed(0)  # noqa: NPY002 - as above

    assert second.loss_curve_ != first.loss_curve_
    assert_same(drawing.fit(digits), first)


def test_partial_fits_do_not_depend_on_what_is_drawn_between(drawing, digits):
    drawing.set_params(**having(type(drawing), {"early_stopping": False}))
    one, other = clone(drawing), clone(drawing)
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
        with_parameters(autoencoder, encoder=failing).fit(digits)

    assert torch.equal(torch.get_rng_state(), before)
