"""What the tests of contracts share: real rows, and each autoencoder small and seeded."""

from contextlib import contextmanager

import pytest
from _testing import AUTOENCODERS, SMALL, having
from hypothesis import settings
from sklearn.datasets import load_digits

from sklearn_ae._checkpoint import KeepCheckpoint
from sklearn_ae._training.net import AutoencoderNet

# No test is timed: the first call of all may take longer on a machine that is busy.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")


def small_ones(Autoencoders):
    """Give autoencoders, and let one that can't be content with few epochs say so."""
    warned = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    for Autoencoder in Autoencoders:
        marks = () if having(Autoencoder, SMALL).keys() >= {"lr_schedule", "tol"} else warned
        yield pytest.param(Autoencoder, id=Autoencoder.__name__, marks=marks)


def pytest_generate_tests(metafunc):
    """Run a contract on those that it could differ for: each net, and where it is said all, or one.

    The others run the same code, and their tests would take the time of all.
    """
    if "autoencoder" not in metafunc.fixturenames:
        return
    of_each_net = {public._net_class: public for public in reversed(AUTOENCODERS)}
    Autoencoders = [public for public in AUTOENCODERS if public in of_each_net.values()]
    if metafunc.definition.get_closest_marker("one_autoencoder"):
        Autoencoders = AUTOENCODERS[:1]
    elif metafunc.definition.get_closest_marker("every_autoencoder"):
        Autoencoders = AUTOENCODERS
    metafunc.parametrize("autoencoder", list(small_ones(Autoencoders)), indirect=True)


@pytest.fixture
def digits():
    """200 images of 8 x 8 pixels from 0 to 16, as float64."""
    return load_digits().data[:200]


@pytest.fixture
def autoencoder(request):
    """Each public autoencoder that a test is for, small, seeded and not fitted."""
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


class Killed(BaseException):
    """Stands for a signal, where the test is not of the signal."""


@pytest.fixture
def killed_after(monkeypatch):
    """Give a function that fits until some epochs are in the checkpoint."""

    def fit(estimator, n_epochs, *data, **metadata):
        write = KeepCheckpoint.on_epoch_end

        def dying(self, net, **kwargs):
            write(self, net, **kwargs)
            if len(net.history) == n_epochs:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(KeepCheckpoint, "on_epoch_end", dying)
            with pytest.raises(Killed):
                estimator.fit(*data, **metadata)
        assert not hasattr(estimator, "net_")

    return fit
