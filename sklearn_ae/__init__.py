"""Autoencoders as scikit-learn estimators."""

from sklearn_ae._autoencoder import AutoencoderTransformer
from sklearn_ae._conv import ConvAutoencoderTransformer
from sklearn_ae._density import LatentDensity
from sklearn_ae._imputer import AutoencoderImputer
from sklearn_ae._interpolate import interpolate
from sklearn_ae._onnx import register_onnx_converters, to_onnx
from sklearn_ae._outlier import AutoencoderOutlierDetector
from sklearn_ae._persistence import load, save
from sklearn_ae._variational import VariationalAutoencoderTransformer

__all__ = [
    "AutoencoderImputer",
    "AutoencoderOutlierDetector",
    "AutoencoderTransformer",
    "ConvAutoencoderTransformer",
    "LatentDensity",
    "VariationalAutoencoderTransformer",
    "interpolate",
    "load",
    "register_onnx_converters",
    "save",
    "to_onnx",
]
__version__ = "0.1.0"
