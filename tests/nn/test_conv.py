"""Convolutional halves: what they take and give, in which order, and how they begin."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.signal import correlate2d
from torch import nn

from sklearn_ae.nn import (
    PixelShuffle,
    ToImages,
    ToRows,
    conv_decoder,
    conv_encoder,
    stage_sizes,
    with_shortcuts,
)

SHAPES = [(28, 28, 1), (29, 29, 1), (31, 17, 3), (5, 5, 4), (2, 3, 1), (1, 30, 1), (7, 1, 2)]
every_shape = pytest.mark.parametrize("image_shape", [*SHAPES, (1, 1, 1)])


def halves(image_shape, encoding_dim=3, **parameters):
    n_features, generator = int(np.prod(image_shape)), torch.Generator().manual_seed(0)
    parameters = {"hidden_layer_sizes": (8,), "generator": generator, **parameters}
    return (
        conv_encoder(n_features, encoding_dim, image_shape=image_shape, **parameters),
        conv_decoder(encoding_dim, n_features, image_shape=image_shape, **parameters),
    )


def images(image_shape, n_samples=4):
    rows = torch.randn(n_samples, *image_shape, generator=torch.Generator().manual_seed(1))
    return rows.flatten(1)


# Sizes


@every_shape
@pytest.mark.parametrize("channels", [(4,), (4, 6), (4, 6, 8)])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_any_size_is_taken_to_a_code_and_back(image_shape, channels, kernel_size):
    encoder, decoder = halves(image_shape, channels=channels, kernel_size=kernel_size)
    x = images(image_shape)
    code = encoder(x)
    assert code.shape == (4, 3)
    assert decoder(code).shape == x.shape


@every_shape
def test_the_sizes_of_stages_are_those_of_the_convolutions(image_shape):
    encoder, _ = halves(image_shape, channels=(4, 6))
    x, seen = images(image_shape), []
    for layer in encoder:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            seen.append(tuple(x.shape[2:]))
    assert seen == stage_sizes(image_shape, 2)[1:]


def test_kernels_are_no_wider_than_an_axis_of_one_pixel():
    encoder, decoder = halves((1, 30, 1), channels=(4, 6))
    kernels = [each.kernel_size for each in (*encoder, *decoder) if isinstance(each, nn.Conv2d)]
    assert kernels == [(1, 3)] * 4


# Order


def test_rows_are_images_with_the_channels_last():
    image = np.arange(4 * 5 * 3).reshape(4, 5, 3)
    (as_torch,) = ToImages((4, 5, 3))(torch.from_numpy(image.ravel()[None]))
    assert (as_torch.numpy() == image.transpose(2, 0, 1)).all()
    assert (ToRows()(as_torch[None]).numpy() == image.ravel()).all()


def test_a_convolution_is_one_of_neighbouring_pixels():
    image_shape = (6, 7, 2)
    encoder, _ = halves(image_shape, channels=(3,))
    x = images(image_shape, 1)
    image = x.numpy().reshape(image_shape)
    conv = encoder[1]
    found = conv(encoder[0](x)).detach().numpy()[0]
    for n, kernel in enumerate(conv.weight.detach().numpy()):
        by_channel = [correlate2d(image[..., c], kernel[c], mode="same") for c in range(2)]
        expected = sum(by_channel)[::2, ::2] + conv.bias[n].item()
        assert_allclose(found[n], expected, atol=1e-5)


# Larger images


def test_equal_factors_are_those_of_torch():
    x = torch.randn(2, 12, 3, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(PixelShuffle((2, 2), (6, 10))(x), nn.PixelShuffle(2)(x))


@pytest.mark.parametrize("factors", [(2, 2), (1, 2), (2, 1), (1, 1)])
def test_each_place_of_a_pixel_has_its_channel(factors):
    vertical, horizontal = factors
    places = vertical * horizontal
    x = torch.arange(2.0 * 3 * places * 4 * 5).reshape(2, 3 * places, 4, 5)
    larger = PixelShuffle(factors, (4 * vertical, 5 * horizontal))(x)
    for c, i, j, row, column in np.ndindex(3, vertical, horizontal, 4, 5):
        place = larger[:, c, row * vertical + i, column * horizontal + j]
        channel = c * places + i * horizontal + j
        assert torch.equal(place, x[:, channel, row, column])


def test_what_an_odd_size_has_too_much_is_cut_off():
    x = torch.arange(2.0 * 4 * 3 * 3).reshape(2, 4, 3, 3)
    whole, cut = (PixelShuffle((2, 2), size)(x) for size in ((6, 6), (5, 6)))
    torch.testing.assert_close(cut, whole[:, :, :5])


# The beginning


@pytest.mark.parametrize("image_shape", [(8, 8, 3), (1, 8, 1)])
def test_the_places_of_a_pixel_are_alike_to_begin_with(image_shape):
    """A grid that the first weights draw stays in what is learnt."""
    _, decoder = halves(image_shape, channels=(4,))
    rows = decoder(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    drawn = rows.reshape(5, *image_shape)
    step = min(2, image_shape[0])
    small = drawn[:, ::step, ::2]
    again = small.repeat_interleave(step, dim=1).repeat_interleave(2, dim=2)
    torch.testing.assert_close(drawn, again)
    assert drawn.std() > 0.01


def test_layers_are_drawn_as_torch_draws_them():
    encoder, _ = halves((8, 8, 1), channels=(4, 6))
    torch.manual_seed(0)
    expected = [nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3), nn.Linear(24, 8), nn.Linear(8, 3)]
    found = [layer for layer in encoder if hasattr(layer, "weight")]
    for layer, other in zip(found, expected, strict=True):
        torch.testing.assert_close(layer.weight, other.weight)
        torch.testing.assert_close(layer.bias, other.bias)


@every_shape
def test_beside_a_linear_map_the_layers_are_silent_and_learn(image_shape):
    x = images(image_shape)
    encoder, decoder = with_shortcuts(*halves(image_shape), x.shape[1], 3)
    assert encoder.has_idle_layers
    assert decoder.has_idle_layers
    assert not encoder.layers(x).any()
    code = encoder(x)
    assert not decoder.layers(code).any()
    decoder(code).square().sum().backward()
    last = [layer for layer in decoder.layers if isinstance(layer, nn.Conv2d)][-1]
    assert last.weight.grad.any()
    with torch.no_grad():
        last.weight += 0.1
    assert not decoder.has_idle_layers
