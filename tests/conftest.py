"""What the tests of contracts share: real rows, and each autoencoder small and seeded."""

from contextlib import contextmanager
from inspect import signature

import pytest
from sklearn.datasets import load_digits

import sklearn_ae
from sklearn_ae._training.net import AutoencoderNet

# Every loss is content with the first epoch, so that a constant rate ends converged after
# five of them and no test has to expect a ConvergenceWarning.
SMALL = {
    "encoding_dim": 4,
    "hidden_layer_sizes": (16,),
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


@pytest.fixture
def digits():
    """200 images of 8 x 8 pixels from 0 to 16, as float64."""
    return load_digits().data[:200]


@pytest.fixture(params=AUTOENCODERS, ids=lambda Autoencoder: Autoencoder.__name__)
def autoencoder(request):
    """Each public autoencoder, small, seeded and not fitted."""
    parameters = signature(request.param).parameters
    return request.param(**{name: SMALL[name] for name in SMALL if name in parameters})


@pytest.fixture
def fail_at(monkeypatch):
    """Give a function that lets a step of all trainings, counted from 1, raise an error."""
    way_to_step, steps = AutoencoderNet._way_to_step, []

    def set_to(n_steps, error=KeyboardInterrupt):
        @contextmanager
        def failing(net):
            with way_to_step(net) as step:

                def counted(batch):
                    steps.append(1)
                    if len(steps) == n_steps:
                        raise error
                    return step(batch)

                yield counted

        monkeypatch.setattr(AutoencoderNet, "_way_to_step", failing)

    return set_to
