"""Convolutional encoders and decoders of images, which come and leave as raveled rows.

Each stage halves height and width, rounded up; a stage of the decoder doubles them, and what an
odd size has too much is cut off. An axis of one pixel stays one: signals are images one pixel high.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from sklearn_ae.nn.dense import dense, drawn


def conv_encoder(
    in_features: int,
    out_features: int,
    *,
    image_shape: tuple[int, int, int],
    channels: Sequence[int] = (16, 16),
    kernel_size: int = 3,
    hidden_layer_sizes: Sequence[int] = (512,),
    activation: Callable[[], nn.Module] = nn.ReLU,
    generator: Generator | None = None,
) -> nn.Sequential:
    """Give strided convolutions, and dense layers after them.

    Parameters
    ----------
    in_features, out_features : int
        Width of the input, a raveled image, and of the output.
    image_shape : tuple of int
        Height, width and channels of an image, channels last.
    channels : sequence of int, default=(16, 16)
        Channels after each convolution.
    kernel_size : int, default=3
        Height and width of its kernel, odd.
    hidden_layer_sizes : sequence of int, default=(512,)
        Width of each dense layer between convolutions and output.
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
    >>> import torch
    >>> from sklearn_ae.nn import conv_encoder
    >>> conv_encoder(28 * 28, 8, image_shape=(28, 28, 1))(torch.zeros(5, 784)).shape
    torch.Size([5, 8])
    """
    sizes = stage_sizes(image_shape, len(channels))
    layers: list[nn.Module] = [ToImages(image_shape)]
    for (n_in, n_out), size in zip(pairwise((image_shape[2], *channels)), sizes, strict=False):
        stride = tuple(min(2, length) for length in size)
        layers += [_conv(n_in, n_out, kernel_size, size, stride, generator), activation()]
    flat = sizes[-1][0] * sizes[-1][1] * channels[-1]
    after = dense(
        flat,
        out_features,
        hidden_layer_sizes=hidden_layer_sizes,
        activation=activation,
        generator=generator,
    )
    return nn.Sequential(*layers, ToRows(), *after)


def conv_decoder(
    in_features: int,
    out_features: int,
    *,
    image_shape: tuple[int, int, int],
    channels: Sequence[int] = (16, 16),
    kernel_size: int = 3,
    hidden_layer_sizes: Sequence[int] = (512,),
    activation: Callable[[], nn.Module] = nn.ReLU,
    generator: Generator | None = None,
) -> nn.Sequential:
    """Give the mirror of `conv_encoder`: dense layers, and convolutions that double the size.

    Parameters
    ----------
    in_features, out_features : int
        Width of the input and of the output, a raveled image.
    image_shape : tuple of int
        Height, width and channels of an image, channels last.
    channels : sequence of int, default=(16, 16)
        Channels of the encoder, after each of its convolutions.
    kernel_size : int, default=3
        Height and width of a kernel, odd.
    hidden_layer_sizes : sequence of int, default=(512,)
        Width of each dense layer between input and convolutions.
    activation : callable, default=torch.nn.ReLU
        Gives the activation module, as a class of `torch.nn` does.
    generator : torch.Generator, default=None
        Where weights and biases are drawn from; None is torch's global generator.

    Returns
    -------
    layers : torch.nn.Sequential
        Takes (n_samples, in_features) to (n_samples, out_features).

    References
    ----------
    Shi, W. et al. (2016). Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network. CVPR.
    Aitken, A. et al. (2017). Checkerboard artifact free sub-pixel convolution. arXiv:1707.02937.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import conv_decoder
    >>> conv_decoder(8, 28 * 28, image_shape=(28, 28, 1))(torch.zeros(5, 8)).shape
    torch.Size([5, 784])
    """
    sizes = stage_sizes(image_shape, len(channels))
    inner = (*sizes[-1], channels[-1])
    layers: list[nn.Module] = [
        *dense(
            in_features,
            inner[0] * inner[1] * inner[2],
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            generator=generator,
        ),
        ToImages(inner),
    ]
    widths = (image_shape[2], *channels)[::-1]
    for (n_in, n_out), (size, larger) in zip(pairwise(widths), pairwise(sizes[::-1]), strict=True):
        factors = min(2, larger[0]), min(2, larger[1])
        n_places = factors[0] * factors[1]
        conv = _conv(n_in, n_out * n_places, kernel_size, size, (1, 1), generator)
        _draw_alike(conv, n_places)
        layers += [activation(), conv, PixelShuffle(factors, larger)]
    return nn.Sequential(*layers, ToRows())


def stage_sizes(image_shape: Sequence[int], n_stages: int) -> list[tuple[int, int]]:
    """Give height and width of an image, and after each stage.

    Parameters
    ----------
    image_shape : sequence of int
        Height and width come first.
    n_stages : int
        How often they are halved, rounded up.

    Returns
    -------
    sizes : list of tuple of int
        One more than the stages.

    Examples
    --------
    >>> from sklearn_ae.nn import stage_sizes
    >>> stage_sizes((31, 17, 3), 2)
    [(31, 17), (16, 9), (8, 5)]
    """
    sizes = [(image_shape[0], image_shape[1])]
    for _ in range(n_stages):
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


class ToImages(nn.Module):
    """From raveled images to images, as the convolutions of torch take them.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width and channels of an image, channels last.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import ToImages
    >>> ToImages((4, 5, 3))(torch.zeros(2, 60)).shape
    torch.Size([2, 3, 4, 5])
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.image_shape = image_shape

    def forward(self, x: Tensor) -> Tensor:
        """Take (n_samples, n_features) to (n_samples, channels, height, width)."""
        images = x.unflatten(1, self.image_shape)  # type: ignore[no-untyped-call]
        return images.permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        """Give the shape, for the representation."""
        return str(self.image_shape)


class ToRows(nn.Module):
    """From images, as the convolutions of torch give them, to raveled ones, channels last.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import ToRows
    >>> ToRows()(torch.zeros(2, 3, 4, 5)).shape
    torch.Size([2, 60])
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, images: Tensor) -> Tensor:
        """Take (n_samples, channels, height, width) to (n_samples, n_features)."""
        return images.permute(0, 2, 3, 1).flatten(1)


class PixelShuffle(nn.Module):
    """From several channels for each place to larger images, cut to a size.

    Parameters
    ----------
    factors : tuple of int
        By which height and width grow, at the cost of as many channels.
    size : tuple of int
        Height and width to cut to.

    References
    ----------
    Shi, W. et al. (2016). Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network. CVPR.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import PixelShuffle
    >>> PixelShuffle((2, 2), (7, 8))(torch.zeros(5, 12, 4, 4)).shape
    torch.Size([5, 3, 7, 8])
    """

    def __init__(self, factors: tuple[int, int], size: tuple[int, int]) -> None:
        super().__init__()
        self.factors = factors
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Take as many channels for each place to images of the size."""
        vertical, horizontal = self.factors
        if vertical == horizontal:
            images = functional.pixel_shuffle(images, vertical)
        else:  # which torch has for equal factors alone
            n_samples, n_channels, height, width = images.shape
            n_channels //= vertical * horizontal
            images = images.reshape(n_samples, n_channels, vertical, horizontal, height, width)
            images = images.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        return images[:, :, : self.size[0], : self.size[1]]

    def extra_repr(self) -> str:
        """Give factors and size, for the representation."""
        return f"{self.factors}, {self.size}"


# They put entries elsewhere and change none: of zeros they make zeros.
REARRANGING = (ToImages, ToRows, PixelShuffle)


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    size: tuple[int, int],
    stride: tuple[int, ...],
    generator: Generator | None,
) -> nn.Conv2d:
    """Give a convolution of images of a size, with zeros around them."""
    # All but the middle of a kernel would lie on zeros.
    kernel = tuple(1 if length == 1 else kernel_size for length in size)
    padding = tuple(length // 2 for length in kernel)
    return drawn(
        nn.Conv2d,
        in_channels,
        out_channels,
        kernel,
        generator=generator,
        stride=stride,
        padding=padding,
    )


@torch.no_grad()
def _draw_alike(conv: nn.Conv2d, n_places: int) -> None:
    """Let the places of a pixel be alike to begin with: else their differences are a grid."""
    for parameter in (conv.weight, conv.bias):
        assert parameter is not None
        parameter.copy_(parameter[::n_places].repeat_interleave(n_places, dim=0))
