"""Displays: what an autoencoder learns, seen at once."""

from sklearn_ae.inspection._latent import LatentDisplay
from sklearn_ae.inspection._loss_curve import LossCurveDisplay
from sklearn_ae.inspection._reconstruction import ReconstructionDisplay
from sklearn_ae.inspection._reconstruction_error import ReconstructionErrorDisplay
from sklearn_ae.inspection._traversal import TraversalDisplay

__all__ = [
    "LatentDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "ReconstructionErrorDisplay",
    "TraversalDisplay",
]
