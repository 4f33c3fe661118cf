"""Randomness of one's own: it neither depends on the global generators nor disturbs them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.random import may_draw, seeded, seeds
from sklearn_ae.nn import Autoencoder, Rescale


def test_seeds_follow_from_an_integer():
    assert seeds(3, 4) == seeds(3, 4)
    assert seeds(3, 4) != seeds(4, 4)


def test_seeds_differ_from_one_another():
    assert len(set(seeds(0, 100))) == 100


def test_seeds_advance_a_random_state():
    random_state = np.random.RandomState(0)
    assert seeds(random_state, 2) != seeds(random_state, 2)


def test_without_a_random_state_seeds_are_new_and_the_global_generator_stays():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the generator in question
    assert seeds(None, 2) != seeds(None, 2)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_draws_depend_on_the_seed_alone():
    with seeded(5):
        first = torch.rand(4)
    torch.rand(100)
    with seeded(5):
        second = torch.rand(4)
    assert torch.equal(first, second)


def test_the_global_generator_goes_on_as_if_nothing_had_been():
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    with seeded(5):
        torch.rand(7)
    assert torch.equal(torch.rand(4), expected)


def test_the_global_generator_is_put_back_after_an_error():
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    with pytest.raises(RuntimeError, match="shapes cannot be"), seeded(5):
        torch.rand(7, 2) @ torch.rand(7, 2)
    assert torch.equal(torch.rand(4), expected)


def test_threads_do_not_draw_from_one_another():
    def draw(seed):
        with seeded(seed):
            return [torch.rand(3).tolist() for _ in range(20)]

    alone = [draw(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, range(8))) == alone


def test_a_seed_may_be_set_within_another():
    with seeded(1):
        expected = torch.rand(2)
    with seeded(1):
        with seeded(2):
            torch.rand(5)
        assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [(nn.Linear(4, 4), False), (nn.Dropout(0.5), True), (nn.RReLU(), True)],
)
def test_a_layer_that_may_draw_is_found_inside_a_module(layer, expected):
    encoder = nn.Sequential(nn.Linear(4, 4), nn.Sequential(layer), nn.Linear(4, 2))
    rescale = Rescale(torch.zeros(4), torch.tensor(1.0))
    assert may_draw(Autoencoder(encoder, nn.Linear(2, 4), rescale, 2)) is expected


@pytest.mark.parametrize("tied_weights", [False, True])
@pytest.mark.parametrize("linear_shortcut", [False, True])
def test_the_modules_of_this_package_draw_nothing(tied_weights, linear_shortcut):
    autoencoder = AutoencoderTransformer(
        2, hidden_layer_sizes=(5,), tied_weights=tied_weights, linear_shortcut=linear_shortcut
    )
    X = np.random.default_rng(0).standard_normal((30, 4))
    assert not may_draw(autoencoder.partial_fit(X).net_.module_)
