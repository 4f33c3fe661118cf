"""Randomness of one's own: it neither depends on the global generators nor disturbs them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.random import draws, seeded, seeds, writes
from sklearn_ae.nn import Autoencoder, Rescale


def test_seeds_follow_from_an_integer():
    assert seeds(3, 4) == seeds(3, 4)
    assert seeds(3, 4) != seeds(4, 4)


def test_seeds_differ_from_one_another():
    assert len(set(seeds(0, 100))) == 100


def test_seeds_advance_a_random_state():
    random_state = np.random.RandomState(0)
    assert seeds(random_state, 2) != seeds(random_state, 2)


# numpy's global generator is the one in question: scikit-learn's glossary says None draws from it.


@pytest.fixture(name="_global_generator_is_put_back")
def _put_back():
    state = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


@pytest.mark.usefixtures("_global_generator_is_put_back")
def test_without_a_random_state_seeds_follow_from_numpys_global_generator():
    np.random.seed(0)  # noqa: NPY002
    first, second = seeds(None, 2), seeds(None, 2)
    assert first != second
    np.random.seed(0)  # noqa: NPY002
    assert [seeds(None, 2), seeds(None, 2)] == [first, second]


def test_an_integer_leaves_numpys_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    seeds(0, 2)
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


class Own(nn.Module):
    """A layer of the user: what it does is known from doing it alone."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x, self)


def _around(layer, dtype=torch.float32):
    encoder = nn.Sequential(nn.Linear(4, 4), nn.Sequential(layer), nn.Linear(4, 2))
    rescale = Rescale(torch.zeros(4), torch.tensor(1.0))
    return Autoencoder(encoder, nn.Linear(2, 4), rescale, 2).to(dtype)


GENERATOR = torch.Generator()


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(4, 4), False),
        (nn.BatchNorm1d(4), False),
        (nn.Hardswish(), False),
        (nn.Dropout(0.5), True),
        (nn.RReLU(), True),
        (Own(lambda x, layer: functional.dropout(x, 0.5, layer.training)), True),
        (Own(lambda x, layer: x + torch.randn_like(x)), True),
        (Own(lambda x, layer: x + torch.rand(4, generator=GENERATOR)), False),
        (Own(lambda x, layer: x.view(7, 7)), True),  # whatever it would do with other rows
    ],
    ids=[
        "linear",
        "normalised",
        "activation",
        "dropout",
        "rrelu",
        "function",
        "noise",
        "own generator",
        "fails",
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_layer_that_draws_is_found_inside_a_module_without_a_draw(layer, expected, dtype):
    module = _around(layer, dtype).eval()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    before = torch.get_rng_state()
    assert draws(module, 4, dtype) is expected
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(part.training for part in module.modules())
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name])


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Linear(4, 2)], False),
        ([nn.ReLU(), nn.Linear(4, 2)], False),
        ([nn.Linear(4, 4), nn.ReLU(inplace=True)], False),  # not into the rows
        ([nn.ReLU(inplace=True), nn.Linear(4, 2)], True),
        ([nn.Flatten(), nn.ReLU(inplace=True)], True),
        ([Own(lambda x, layer: x.mul_(1.0)), nn.Linear(4, 2)], True),
        ([Own(lambda x, layer: x.mul_(1.0) if layer.training else x)], True),
        ([Own(lambda x, layer: x if layer.training else x.mul_(1.0))], True),
        ([Own(lambda x, layer: x.view(7, 7))], True),
    ],
)
def test_layers_that_write_into_the_rows_are_found(layers, expected):
    assert writes(nn.Sequential(*layers), 4, torch.float32) is expected


@pytest.mark.parametrize("tied_weights", [False, True])
@pytest.mark.parametrize("linear_shortcut", [False, True])
def test_the_modules_of_this_package_neither_draw_nor_write(tied_weights, linear_shortcut):
    autoencoder = AutoencoderTransformer(
        2, hidden_layer_sizes=(5,), tied_weights=tied_weights, linear_shortcut=linear_shortcut
    )
    X = np.random.default_rng(0).standard_normal((30, 4))
    module = autoencoder.partial_fit(X).net_.module_
    assert not draws(module, 4, torch.float32)
    assert not writes(module.encoder, 4, torch.float32)
