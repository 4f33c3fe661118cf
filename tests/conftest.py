"""What the tests of contracts share: real rows, and each autoencoder small and seeded."""

from contextlib import contextmanager

import pytest
from _testing import AUTOENCODERS, SMALL, having
from sklearn.datasets import load_digits

from sklearn_ae._training.net import AutoencoderNet


def small_ones():
    """Give each autoencoder, and let one that can't be content with few epochs say so."""
    warned = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    for Autoencoder in AUTOENCODERS:
        marks = () if having(Autoencoder, SMALL).keys() >= {"lr_schedule", "tol"} else warned
        yield pytest.param(Autoencoder, id=Autoencoder.__name__, marks=marks)


@pytest.fixture
def digits():
    """200 images of 8 x 8 pixels from 0 to 16, as float64."""
    return load_digits().data[:200]


@pytest.fixture(params=small_ones())
def autoencoder(request):
    """Each public autoencoder, small, seeded and not fitted."""
    return request.param(**having(request.param, SMALL))


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
