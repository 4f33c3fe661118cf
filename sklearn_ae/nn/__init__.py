"""Modules that the estimators are made of, usable without them."""

from sklearn_ae.nn.autoencoder import Autoencoder, Decoder, Encoder
from sklearn_ae.nn.conv import (
    PixelShuffle,
    ToImages,
    ToRows,
    conv_decoder,
    conv_encoder,
    stage_sizes,
)
from sklearn_ae.nn.dense import ACTIVATIONS, TransposedLinear, dense, linear, tied_dense
from sklearn_ae.nn.output import OUTPUT_ACTIVATIONS, OutputActivation
from sklearn_ae.nn.rescale import Rescale
from sklearn_ae.nn.shortcut import LinearShortcut, shortcuts_of, with_shortcuts
from sklearn_ae.nn.variational import VariationalAutoencoder

__all__ = [
    "ACTIVATIONS",
    "OUTPUT_ACTIVATIONS",
    "Autoencoder",
    "Decoder",
    "Encoder",
    "LinearShortcut",
    "OutputActivation",
    "PixelShuffle",
    "Rescale",
    "ToImages",
    "ToRows",
    "TransposedLinear",
    "VariationalAutoencoder",
    "conv_decoder",
    "conv_encoder",
    "dense",
    "linear",
    "shortcuts_of",
    "stage_sizes",
    "tied_dense",
    "with_shortcuts",
]
