"""From parameters to the layers of the two halves, as functions of their widths."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Generator, nn

from sklearn_ae._training.random import seeded
from sklearn_ae._validation import check_half, check_image_shape, check_sizes
from sklearn_ae.nn import ACTIVATIONS, conv_decoder, conv_encoder, dense, stage_sizes

# Of a layer with hidden_layer_sizes="auto". 100 rows of 20,000 features have fewer entries.
_MOST_WEIGHTS = 2**20

# From the widths of its input and output to a module.
Half = Callable[[int, int], nn.Module]


def dense_halves(
    n_features: int,
    *,
    hidden_layer_sizes: int | Sequence[int] | str,
    activation: str,
    generator: Generator,
) -> tuple[Half, Half]:
    """Give what builds a dense encoder and decoder."""
    sizes = _dense_sizes(hidden_layer_sizes, n_features)
    half = partial(dense, activation=ACTIVATIONS[activation], generator=generator)
    return (
        partial(half, hidden_layer_sizes=sizes),
        partial(half, hidden_layer_sizes=sizes[::-1]),
    )


def conv_halves(
    n_features: int,
    *,
    image_shape: Sequence[int] | None,
    channels: int | Sequence[int],
    kernel_size: int,
    hidden_layer_sizes: int | Sequence[int] | str,
    activation: str,
    generator: Generator,
) -> tuple[Half, Half]:
    """Give what builds a convolutional encoder and decoder.

    Raises
    ------
    ValueError
        If rows are no images of the shape, or a size is none.
    """
    shape = (1, n_features, 1)
    if image_shape is not None:
        shape = check_image_shape(image_shape, n_features, otherwise="for signals")
    channels = check_sizes("channels", channels, least=1)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size={kernel_size}: must be odd, so that a kernel has a middle.")
    height, width = stage_sizes(shape, len(channels))[-1]
    sizes = _dense_sizes(hidden_layer_sizes, height * width * channels[-1])
    encoder, decoder = (
        partial(
            half,
            image_shape=shape,
            channels=channels,
            kernel_size=kernel_size,
            hidden_layer_sizes=in_order,
            activation=ACTIVATIONS[activation],
            generator=generator,
        )
        for half, in_order in ((conv_encoder, sizes), (conv_decoder, sizes[::-1]))
    )
    return encoder, decoder


def own_half(name: str, given: Half, generator: Generator) -> Half:
    """Give what builds an encoder or decoder of the user's, tried on two rows.

    Raises
    ------
    ValueError
        If it is a module.
    """
    if isinstance(given, nn.Module):
        raise ValueError(
            f"{name}={given!r} is a module. Pass what gives one for two widths: its class, or "
            "a function."
        )

    def half(in_features: int, out_features: int) -> nn.Module:
        # Torch's own layers draw from its global generator alone.
        with seeded(int(torch.randint(2**31, (), generator=generator))):
            return check_half(name, given, in_features, out_features)

    return half


def _dense_sizes(hidden_layer_sizes: int | Sequence[int] | str, n_inputs: int) -> tuple[int, ...]:
    """Give the widths of the dense layers after so many inputs."""
    if not isinstance(hidden_layer_sizes, str):
        return check_sizes("hidden_layer_sizes", hidden_layer_sizes)
    widest = max(2, _MOST_WEIGHTS // n_inputs)
    return min(512, widest), min(256, widest // 2)
