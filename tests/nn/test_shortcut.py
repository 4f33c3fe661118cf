"""A linear map beside the layers: what it adds, and what it starts from."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from sklearn_ae.nn import (
    ACTIVATIONS,
    LinearShortcut,
    TransposedLinear,
    dense,
    tied_dense,
    with_shortcuts,
)
from sklearn_ae.nn.shortcut import skipping_idle_layers


@pytest.fixture(name="x")
def _x():
    return torch.randn(20, 6, generator=torch.Generator().manual_seed(0))


def _tied(activation, hidden_layer_sizes=(5, 4)):
    encoder = dense(6, 2, hidden_layer_sizes=hidden_layer_sizes, activation=activation)
    return with_shortcuts(encoder, tied_dense(encoder, activation=activation), 6, 2)


def test_it_adds_a_linear_map_to_layers(x):
    layers, shortcut = nn.Linear(6, 2), nn.Linear(6, 2)
    torch.testing.assert_close(LinearShortcut(layers, shortcut)(x), layers(x) + shortcut(x))


def test_a_factor_weighs_the_layers(x):
    layers, shortcut = nn.Linear(6, 2), nn.Linear(6, 2)
    both = LinearShortcut(layers, shortcut, gated=True)
    with torch.no_grad():
        both.gate.fill_(0.25)
    torch.testing.assert_close(both(x), 0.25 * layers(x) + shortcut(x))


def test_a_factor_starts_at_zero_and_learns(x):
    both = LinearShortcut(nn.Linear(6, 2), nn.Linear(6, 2), gated=True)
    torch.testing.assert_close(both(x), both.shortcut(x), rtol=0, atol=0)
    both(x).square().sum().backward()
    assert both.gate.grad != 0


@pytest.mark.parametrize("hidden_layer_sizes", [(), (5,), (5, 4)])
def test_dense_layers_give_zero_at_the_start(x, hidden_layer_sizes):
    encoder, decoder = with_shortcuts(
        dense(6, 2, hidden_layer_sizes=hidden_layer_sizes),
        dense(2, 6, hidden_layer_sizes=hidden_layer_sizes[::-1]),
        6,
        2,
    )
    assert not encoder.layers(x).any()
    assert not decoder.layers(x[:, :2]).any()


def test_layers_that_give_zero_have_a_gradient(x):
    half, _ = with_shortcuts(dense(6, 2, hidden_layer_sizes=(5,)), dense(2, 6), 6, 2)
    half(x).square().sum().backward()
    assert half.layers[-1].weight.grad.any()


@pytest.mark.parametrize("hidden_layer_sizes", [(), (5,), (5, 4)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_tied_halves_are_their_shortcuts_at_the_start(x, activation, hidden_layer_sizes):
    encoder, decoder = _tied(ACTIVATIONS[activation], hidden_layer_sizes)
    assert torch.equal(encoder(x), encoder.shortcut(x))
    assert torch.equal(decoder(x[:, :2]), decoder.shortcut(x[:, :2]))
    assert encoder.layers(x).any()  # or PCA would be a saddle of the tied weights


def test_tied_halves_have_tied_shortcuts():
    encoder, decoder = _tied(nn.GELU)
    assert isinstance(decoder.shortcut, TransposedLinear)
    assert decoder.shortcut.weight is encoder.shortcut.weight


def test_halves_that_are_not_tied_have_shortcuts_of_their_own():
    encoder, decoder = with_shortcuts(dense(6, 2), dense(2, 6), 6, 2)
    assert encoder.shortcut.weight is not decoder.shortcut.weight
    assert decoder.shortcut.weight.shape == (6, 2)


def test_gated_layers_keep_their_weights():
    layers = nn.Sequential(nn.Linear(6, 2), nn.Tanh())
    weight = layers[0].weight.detach().clone()
    encoder, decoder = with_shortcuts(layers, dense(2, 6), 6, 2, gated=(True, False))
    assert torch.equal(encoder.layers[0].weight, weight)
    assert encoder.gate is not None
    assert decoder.gate is None


def test_layers_that_give_zero_all_learn_in_a_training(x):
    encoder, decoder = with_shortcuts(
        dense(6, 2, hidden_layer_sizes=(5,)), dense(2, 6, hidden_layer_sizes=(5,)), 6, 2
    )
    model = nn.Sequential(encoder, decoder)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        loss = (model(x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(after < before for before, after in pairwise(losses))
    assert encoder.layers[-1].weight.any()
    assert decoder.layers[-1].weight.any()


# Layers that add nothing

HALVES = {
    "dense": lambda: with_shortcuts(
        dense(6, 2, hidden_layer_sizes=(5,)), dense(2, 6, hidden_layer_sizes=(5,)), 6, 2
    ),
    "tied": lambda: _tied(nn.GELU),
    "gated": lambda: with_shortcuts(nn.Linear(6, 2), nn.Linear(2, 6), 6, 2, gated=(True, True)),
}

every_half = pytest.mark.parametrize("half", [(name, i) for name in HALVES for i in (0, 1)])


def _half_of(half, x):
    """Give a half, rows that it takes, and a list that grows when its layers run."""
    name, position = half
    half, runs = HALVES[name]()[position], []
    half.layers.register_forward_hook(lambda *arguments: runs.append(1))
    return half, x[:, : half.shortcut.in_features], runs


@every_half
@torch.no_grad()
def test_layers_that_add_nothing_are_skipped_where_it_is_asked_for(x, half):
    half, x, runs = _half_of(half, x)
    expected = half(x)
    with skipping_idle_layers(half):
        torch.testing.assert_close(half(x), expected, rtol=0, atol=0)
    assert len(runs) == 1
    half(x)
    assert len(runs) == 2


@every_half
@torch.no_grad()
def test_one_weight_that_is_not_zero_is_enough_for_layers_to_be_run(x, half):
    half, x, runs = _half_of(half, x)
    weight = half.layers[-1].weight if half.gate is None else half.gate
    weight.view(-1)[-1] = 0.5
    expected = half(x)
    with skipping_idle_layers(half):
        torch.testing.assert_close(half(x), expected, rtol=0, atol=0)
    assert len(runs) == 2


def test_layers_run_again_after_an_error(x):
    half, x, runs = _half_of(("dense", 0), x)
    with pytest.raises(ZeroDivisionError), skipping_idle_layers(half):
        raise ZeroDivisionError
    half(x)
    assert len(runs) == 1
