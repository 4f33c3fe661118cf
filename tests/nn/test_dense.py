"""Dense layers against scikit-learn's, and tied ones against the transposes by hand."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.neural_network import MLPRegressor
from torch import nn

from sklearn_ae.nn import ACTIVATIONS, OUTPUT_ACTIVATIONS, TransposedLinear, dense, tied_dense

# Written out, not taken from torch.
FORMULAS = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "gelu": lambda x: x * np.vectorize(_normal_cdf)(x),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
}


def _normal_cdf(x):
    return 0.5 * torch.special.erfc(torch.tensor(-x / np.sqrt(2), dtype=torch.float64)).item()


LAYERS = {name: output.layer for name, output in OUTPUT_ACTIVATIONS.items()}


@pytest.mark.parametrize(("name", "layer"), [*ACTIVATIONS.items(), *LAYERS.items()])
def test_an_activation_is_the_function_of_its_name(name, layer):
    x = np.linspace(-4, 4, 41)
    module = layer()
    np.testing.assert_allclose(module(torch.from_numpy(x)).numpy(), FORMULAS[name](x), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "of_sklearn"),
    [("relu", "relu"), ("tanh", "tanh"), ("sigmoid", "logistic"), ("identity", "identity")],
)
def test_layers_compute_what_mlp_regressor_does_with_the_same_weights(name, of_sklearn):
    X, y = load_diabetes(return_X_y=True)
    regressor = MLPRegressor(
        hidden_layer_sizes=(7, 5), activation=of_sklearn, max_iter=3, random_state=0
    )
    with warnings.catch_warnings(action="ignore"):
        regressor.fit(X, y)
    layers = dense(10, 1, hidden_layer_sizes=(7, 5), activation=ACTIVATIONS[name]).double()
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for linear, weight, bias in zip(
            linears, regressor.coefs_, regressor.intercepts_, strict=True
        ):
            linear.weight.copy_(torch.from_numpy(weight.T))
            linear.bias.copy_(torch.from_numpy(bias))
        output = layers(torch.from_numpy(X))
    np.testing.assert_allclose(output[:, 0].numpy(), regressor.predict(X), rtol=1e-10)


def test_without_hidden_layers_there_is_one_linear_map():
    (layer,) = dense(4, 2)
    assert (layer.in_features, layer.out_features) == (4, 2)


def test_nothing_follows_the_last_layer():
    layers = dense(4, 2, hidden_layer_sizes=(3,), activation=nn.Sigmoid)
    assert [type(layer) for layer in layers] == [nn.Linear, nn.Sigmoid, nn.Linear]


def test_tied_layers_mirror_widths_and_share_weights():
    encoder = dense(6, 2, hidden_layer_sizes=(5, 3))
    decoder = tied_dense(encoder)
    linears = [layer for layer in decoder if isinstance(layer, TransposedLinear)]
    widths = [(layer.in_features, layer.out_features) for layer in linears]
    assert widths == [(2, 3), (3, 5), (5, 6)]
    assert all(a.weight is b.weight for a, b in zip(linears, encoder[::-2], strict=True))


def test_a_tied_layer_multiplies_by_the_weight_itself():
    linear = nn.Linear(4, 2)
    layer = TransposedLinear(linear)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
        expected = x.numpy() @ linear.weight.numpy() + [1, 2, 3, 4]
        np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5)


def test_biases_of_tied_layers_are_their_own():
    encoder = dense(4, 2, hidden_layer_sizes=(3,))
    decoder = tied_dense(encoder)
    assert not {id(layer.bias) for layer in encoder[::2]} & {
        id(layer.bias) for layer in decoder[::2]
    }


def test_the_gradient_of_a_tied_weight_is_the_sum_of_both_uses():
    linear = nn.Linear(3, 2).double()
    tied = TransposedLinear(linear)
    x = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]], dtype=torch.float64)
    tied(linear(x)).square().sum().backward()

    into, back = linear.weight.detach().clone(), linear.weight.detach().clone()
    into.requires_grad_()
    back.requires_grad_()
    ((x @ into.t() + linear.bias.detach()) @ back).square().sum().backward()
    torch.testing.assert_close(linear.weight.grad, into.grad + back.grad)
