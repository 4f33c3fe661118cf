"""Displays: what an autoencoder learns, seen at once."""

from sklearn_ae.inspection._loss_curve import LossCurveDisplay
from sklearn_ae.inspection._reconstruction import ReconstructionDisplay

__all__ = ["LossCurveDisplay", "ReconstructionDisplay"]
