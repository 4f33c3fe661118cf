"""Autoencoders as scikit-learn estimators."""

from sklearn_ae._autoencoder import AutoencoderTransformer

__all__ = ["AutoencoderTransformer"]
__version__ = "0.1.0"
