"""Dense encoders and decoders, plain and tied."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init

Layer = TypeVar("Layer", nn.Linear, nn.Conv1d, nn.Conv2d)

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def dense(
    in_features: int,
    out_features: int,
    *,
    hidden_layer_sizes: Sequence[int] = (),
    activation: Callable[[], nn.Module] = nn.ReLU,
    generator: Generator | None = None,
) -> nn.Sequential:
    """Give dense layers with an activation between them and none after the last.

    Parameters
    ----------
    in_features, out_features : int
        Width of the input and of the output.
    hidden_layer_sizes : sequence of int, default=()
        Width of each layer between the two.
    activation : callable, default=torch.nn.ReLU
        Gives the activation module, as a class of `torch.nn` does.
    generator : torch.Generator, default=None
        Where weights and biases are drawn from; None is torch's global generator.

    Returns
    -------
    layers : torch.nn.Sequential
        Takes (n_samples, in_features) to (n_samples, out_features).

    Examples
    --------
    >>> from sklearn_ae.nn import dense
    >>> dense(4, 2, hidden_layer_sizes=(3,))
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=2, bias=True)
    )
    """
    sizes = [in_features, *hidden_layer_sizes, out_features]
    return _alternate([linear(*size, generator=generator) for size in pairwise(sizes)], activation)


def linear(in_features: int, out_features: int, *, generator: Generator | None = None) -> nn.Linear:
    """Give a linear layer as `torch.nn.Linear` draws it, from a generator.

    Parameters
    ----------
    in_features, out_features : int
        Width of the input and of the output.
    generator : torch.Generator, default=None
        Where weight and bias are drawn from; None is torch's global generator.

    Returns
    -------
    layer : torch.nn.Linear

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import linear
    >>> linear(4, 2, generator=torch.Generator().manual_seed(0))
    Linear(in_features=4, out_features=2, bias=True)
    """
    return drawn(nn.Linear, in_features, out_features, generator=generator)


def drawn(
    layer: type[Layer], *arguments: Any, generator: Generator | None = None, **parameters: Any
) -> Layer:
    """Give a linear layer or a convolution as torch draws it, from a generator.

    Parameters
    ----------
    layer : type
        `torch.nn.Linear` or a convolution of torch.
    *arguments
        Its sizes.
    generator : torch.Generator, default=None
        Where weight and bias are drawn from; None is torch's global generator.
    **parameters
        Its further parameters.

    Returns
    -------
    layer : torch.nn.Linear or convolution

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn.dense import drawn
    >>> drawn(nn.Conv1d, 3, 8, 5, generator=torch.Generator().manual_seed(0))
    Conv1d(3, 8, kernel_size=(5,), stride=(1,))
    """
    if generator is None:
        return layer(*arguments, **parameters)
    given: Layer = skip_init(layer, *arguments, **parameters)  # type: ignore[no-untyped-call]
    nn.init.kaiming_uniform_(given.weight, a=sqrt(5), generator=generator)
    assert given.bias is not None
    bound = 1 / sqrt(given.weight[0].numel())
    nn.init.uniform_(given.bias, -bound, bound, generator=generator)
    return given


def tied_dense(
    encoder: nn.Sequential, *, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Give the mirror of dense layers, on the transposes of their weights.

    Parameters
    ----------
    encoder : torch.nn.Sequential
        Layers that `dense` gave. The weights are shared, the biases are not.
    activation : callable, default=torch.nn.ReLU
        Gives the activation module.

    Returns
    -------
    layers : torch.nn.Sequential
        Takes (n_samples, out_features) of the encoder to its (n_samples, in_features).

    Examples
    --------
    >>> from sklearn_ae.nn import dense, tied_dense
    >>> encoder = dense(4, 2, hidden_layer_sizes=(3,))
    >>> decoder = tied_dense(encoder)
    >>> decoder[0].weight is encoder[2].weight
    True
    """
    linears = [layer for layer in encoder if isinstance(layer, nn.Linear)]
    return _alternate([TransposedLinear(linear) for linear in reversed(linears)], activation)


class TransposedLinear(nn.Module):
    """A linear layer on the transpose of another's weight, with a bias of its own.

    Parameters
    ----------
    linear : torch.nn.Linear
        The layer whose weight is shared.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn import TransposedLinear
    >>> TransposedLinear(nn.Linear(4, 2))(torch.zeros(1, 2)).shape
    torch.Size([1, 4])
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.out_features, linear.in_features
        self.weight = linear.weight
        self.bias = nn.Parameter(torch.zeros(linear.in_features, dtype=linear.weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Take (n_samples, in_features) to (n_samples, out_features)."""
        return functional.linear(x, self.weight.t(), self.bias)


def _alternate(linears: Sequence[nn.Module], activation: Callable[[], nn.Module]) -> nn.Sequential:
    layers = [linears[0]]
    for linear in linears[1:]:
        layers += [activation(), linear]
    return nn.Sequential(*layers)
