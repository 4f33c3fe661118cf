"""Modules that the estimators are made of, usable without them."""

from sklearn_ae.nn.autoencoder import Autoencoder
from sklearn_ae.nn.dense import (
    ACTIVATIONS,
    OUTPUT_ACTIVATIONS,
    TransposedLinear,
    dense,
    tied_dense,
)
from sklearn_ae.nn.rescale import Rescale, Restore
from sklearn_ae.nn.shortcut import LinearShortcut, with_shortcuts

__all__ = [
    "ACTIVATIONS",
    "OUTPUT_ACTIVATIONS",
    "Autoencoder",
    "LinearShortcut",
    "Rescale",
    "Restore",
    "TransposedLinear",
    "dense",
    "tied_dense",
    "with_shortcuts",
]
