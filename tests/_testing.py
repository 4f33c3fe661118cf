"""What several files of tests share: small autoencoders of each kind, and a measure of memory."""

from inspect import signature

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import sklearn_ae
from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.losses import LOSSES
from sklearn_ae.nn import OUTPUT_ACTIVATIONS
from sklearn_ae.noise import NOISES

# Every loss is content with the first epoch, so that a constant rate ends converged after
# five of them and no test has to expect a ConvergenceWarning.
SMALL = {
    "encoding_dim": 4,
    "hidden_layer_sizes": (16,),
    "channels": (2,),
    "lr": 1e-2,
    "lr_schedule": "constant",
    "batch_size": 50,
    "max_epochs": 5,
    "tol": 1.0,
    "n_iter_no_change": 4,
    "early_stopping": False,
    "random_state": 0,
}

AUTOENCODERS = [
    public
    for public in (getattr(sklearn_ae, name) for name in sklearn_ae.__all__)
    if hasattr(public, "reconstruct")
]


def output_for(loss):
    """Give the output activation of widest reach that a loss can do with."""
    within = {
        name: output.high - output.low
        for name, output in OUTPUT_ACTIVATIONS.items()
        if loss.low <= output.low and output.high <= loss.high
    }
    return max(within, key=within.get)


# The losses that are not defined for every output, with one that they are defined for.
OUTPUTS = {name: output_for(loss) for name, loss in LOSSES.items() if loss.is_bounded}


# The noises that rows of any kind can have.
NOISES_OF_TABLES = {name: noise for name, noise in NOISES.items() if not noise.is_of_images}


# Of all of them together: a name beyond these is misspelt, and no reason to leave a test out.
PARAMETERS = {name for public in AUTOENCODERS for name in signature(public).parameters}


def having(Estimator, parameters):
    """Give those of the parameters that an estimator has."""
    assert parameters.keys() <= PARAMETERS
    names = signature(Estimator).parameters
    return {name: value for name, value in parameters.items() if name in names}


def with_parameters(estimator, **parameters):
    """Set the parameters that a test is about, and skip it where an estimator lacks one."""
    lacking = parameters.keys() - having(type(estimator), parameters)
    if lacking:
        pytest.skip(f"{type(estimator).__name__} has no {', '.join(sorted(lacking))}")
    return estimator.set_params(**parameters)


def taking(estimator, metadata, method="fit"):
    """Give metadata as it is, and skip a test of what a method does not take."""
    takes = signature(getattr(estimator, method)).parameters
    lacking = [name for name in metadata if name not in takes]
    if lacking:
        pytest.skip(f"{type(estimator).__name__}.{method} takes no {', '.join(lacking)}")
    return metadata


def small(encoding_dim=4, *, max_epochs=3, **parameters):
    """Give a dense autoencoder of a constant rate whose fit ends converged after all epochs."""
    parameters = {
        "hidden_layer_sizes": (16,),
        "optimizer": "adam",
        "lr": 3e-3,
        "lr_schedule": "constant",
        "batch_size": 40,
        "tol": 1.0,
        "n_iter_no_change": max(1, max_epochs - 1),
        "early_stopping": False,
        "random_state": 0,
        **parameters,
    }
    return AutoencoderTransformer(encoding_dim, max_epochs=max_epochs, **parameters)


class LargestTensor(TorchDispatchMode):
    """Remembers the most entries that an operation gave."""

    n_entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for part in output if isinstance(output, list | tuple) else [output]:
            if isinstance(part, torch.Tensor):
                self.n_entries = max(self.n_entries, part.numel())
        return output
