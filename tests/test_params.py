"""Parameters: stored as they come, cloned, set from outside."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from _testing import having, with_parameters
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import LRScheduler
from torch import nn

from sklearn_ae.nn import dense

pytestmark = pytest.mark.every_autoencoder


def absolute_difference(output, target):
    return (output - target).abs()


def one_hidden_layer(in_features, out_features):
    return dense(in_features, out_features, hidden_layer_sizes=(8,))


@pytest.fixture
def given(autoencoder):
    """Values that could be changed, or be taken for something else, on their way."""
    values = {
        "hidden_layer_sizes": [16, 8],
        "encoder": nn.Linear,
        "decoder": one_hidden_layer,
        "loss": absolute_difference,
        "optimizer": torch.optim.Adam,
        "optimizer_params": {"betas": (0.8, 0.9)},
        "callbacks": [("rate", LRScheduler(policy="StepLR", step_size=2))],
        "random_state": np.random.RandomState(3),
        "encoding_dim": np.int64(3),
        "lr": np.float32(0.01),
    }
    return having(type(autoencoder), values)


def state(value):
    """What can be compared of a parameter before and after."""
    if isinstance(value, np.random.RandomState):
        return value.get_state()[1].tolist()
    if isinstance(value, list | tuple):
        return [state(part) for part in value]
    return deepcopy(vars(value)) if isinstance(value, LRScheduler) else deepcopy(value)


def test_parameters_are_stored_as_they_were_passed(autoencoder, given):
    stored = type(autoencoder)(**given).get_params()

    assert all(stored[name] is value for name, value in given.items())


def test_a_fit_leaves_the_parameters_as_they_were(autoencoder, given, digits):
    del given["random_state"]  # a RandomState moves on, as everywhere in scikit-learn
    autoencoder.set_params(**given)
    before = {name: state(value) for name, value in autoencoder.get_params().items()}

    autoencoder.fit(digits)

    stored = autoencoder.get_params()
    assert all(stored[name] is value for name, value in given.items())
    assert {name: state(value) for name, value in stored.items()} == before


def test_a_clone_has_the_parameters_and_no_net(autoencoder, given, digits):
    autoencoder.set_params(**given).fit(digits)

    copied = clone(autoencoder)

    assert not hasattr(copied, "net_")
    assert not hasattr(copied, "n_features_in_")
    for name, value in autoencoder.get_params().items():
        if name not in ("callbacks", "random_state"):  # copied, without a comparison
            assert copied.get_params()[name] == value
    assert copied.random_state is not autoencoder.random_state


def test_a_clone_has_callbacks_of_its_own(autoencoder, given):
    copied = clone(with_parameters(autoencoder, callbacks=given.get("callbacks")))

    assert copied.callbacks[0][1] is not autoencoder.callbacks[0][1]
    assert copied.callbacks[0][1].step_size == 2


def test_a_clone_fits_the_same_weights(autoencoder, digits):
    codes = autoencoder.fit_transform(digits)

    assert np.array_equal(clone(autoencoder).fit_transform(digits), codes)


def test_parameters_are_set_through_a_pipeline(autoencoder, digits):
    pipeline = make_pipeline(StandardScaler(), autoencoder)
    step = pipeline.steps[-1][0]

    pipeline.set_params(**{f"{step}__encoding_dim": 3}).fit(digits)

    assert pipeline.get_params()[f"{step}__encoding_dim"] == 3
    assert pipeline.transform(digits).shape == (len(digits), 3)


def test_a_parameter_that_is_set_after_a_fit_waits_for_the_next(autoencoder, digits):
    autoencoder.fit(digits).set_params(encoding_dim=2)

    assert autoencoder.transform(digits).shape == (len(digits), 4)
    assert autoencoder.fit(digits).transform(digits).shape == (len(digits), 2)


def test_an_unknown_parameter_is_refused_by_name(autoencoder):
    with pytest.raises(ValueError, match="n_components"):
        autoencoder.set_params(n_components=2)
