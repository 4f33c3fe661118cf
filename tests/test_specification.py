"""What a net is built from: it needs no rows, and records what it was fitted with."""

import pickle
from copy import deepcopy
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from _testing import having, with_parameters
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import EarlyStopping
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split

from sklearn_ae.nn import dense

pytestmark = pytest.mark.every_autoencoder


def weights(module):
    return [value.numpy() for value in module.state_dict().values()]


def assert_same_weights(one, other):
    for own, theirs in zip(weights(one), weights(other), strict=True):
        assert_array_equal(own, theirs)


@pytest.fixture
def fitted(autoencoder, digits):
    noise = having(type(autoencoder), {"noise": "gaussian", "noise_level": 0.5})
    return autoencoder.set_params(**noise).fit(digits)


def test_it_records_the_parameters_of_the_fit(fitted):
    recorded = fitted.net_.module.parameters
    fitted.set_params(encoding_dim=7, lr=0.5)

    assert recorded["encoding_dim"] == 4
    assert recorded["lr"] == 1e-2
    assert recorded.keys() == fitted.get_params(deep=False).keys()


def test_it_is_frozen(fitted):
    with pytest.raises(FrozenInstanceError):
        fitted.net_.module.n_features = 3


def test_it_gives_the_network_before_it_started_anywhere(autoencoder, digits):
    # A rate of which not even a weight of zero notices anything in float32.
    fitted = with_parameters(autoencoder, linear_shortcut=False, lr=1e-60).fit(digits)

    assert_same_weights(fitted.net_.module(), fitted.net_.module_)


def test_it_gives_the_same_network_each_time(fitted):
    one, other = fitted.net_.module(), fitted.net_.module()

    assert one is not other
    assert_same_weights(one, other)
    assert {id(p) for p in one.parameters()}.isdisjoint(id(p) for p in other.parameters())


def test_it_knows_the_units_of_the_rows(fitted, digits):
    rescale = fitted.net_.module().rescale

    assert_allclose(rescale.shift, digits.mean(axis=0))
    assert_allclose(rescale.scale, np.sqrt(digits.var(axis=0).mean()))


def test_it_knows_what_is_typical_where_noise_asks(autoencoder, digits):
    fitted = with_parameters(autoencoder, noise="masking").fit(digits)

    rescale = fitted.net_.module().rescale
    expected = [digits.mean(axis=0), digits.min(axis=0), digits.max(axis=0)]
    assert_allclose(rescale.typical, np.stack(expected))


def test_training_a_network_leaves_the_record_of_its_units_alone(fitted, digits):
    module = fitted.net_.module()
    with torch.no_grad():
        module.rescale.shift.zero_()
        module.rescale.typical.zero_()

    assert_allclose(fitted.net_.module().rescale.shift, digits.mean(axis=0))


# skorch's own verbs on the net


def rebuilt_by(verb, net, digits):
    if verb == "clone":
        return clone(net).initialize()
    if verb == "initialize":
        return deepcopy(net).initialize()
    return pickle.loads(pickle.dumps(net)).initialize()


@pytest.mark.parametrize("verb", ["clone", "initialize", "pickle"])
def test_the_net_is_built_anew_without_rows(fitted, digits, verb):
    net = rebuilt_by(verb, fitted.net_, digits)

    assert len(net.history) == 0
    assert not net.optimizer_.state
    assert_same_weights(net.module_, fitted.net_.module())
    assert net.get_params(deep=False).keys() == fitted.net_.get_params(deep=False).keys()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_skorchs_verbs_take_rows(fitted, digits, method, dtype):
    net, n_before = deepcopy(fitted.net_), len(fitted.net_.history)
    before = net.evaluate(net.get_dataset(digits))

    getattr(net, method)(digits.astype(dtype))

    assert len(net.history) == fitted.max_epochs + (n_before if method == "partial_fit" else 0)
    losses = net.history[:, "train_loss"]
    assert losses[-1] < (losses[0] if method == "fit" else losses[n_before - 1])
    if method == "partial_fit":
        assert net.evaluate(net.get_dataset(digits)) < before
    assert not any(part.training for part in net.module_.modules())


def test_a_fit_by_skorch_is_that_of_the_estimator(autoencoder, digits):
    with_parameters(autoencoder, linear_shortcut=False).fit(digits)

    net = clone(autoencoder.net_).fit(digits)

    assert net.history[:, "train_loss"] == autoencoder.loss_curve_


def test_a_net_of_ones_own_layers_is_built_anew_too(autoencoder, digits):
    def own(in_features, out_features):
        return dense(in_features, out_features, hidden_layer_sizes=(9,))

    net = with_parameters(autoencoder, encoder=own).fit(digits).net_

    assert_same_weights(clone(net).initialize().module_, net.module())


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_net_holds_rows_out_where_it_is_told_to(fitted, digits, method):
    splits = {"a share": ValidSplit(5), "given rows": predefined_split(Dataset(digits[:50], None))}
    for train_split in splits.values():
        net = clone(fitted.net_).set_params(
            train_split=train_split, callbacks=[("stop", EarlyStopping())]
        )
        getattr(net, method)(digits)

        rows = net.get_dataset(train_split(Dataset(digits), None)[1])
        assert net.history[-1, "valid_loss"] == pytest.approx(net.evaluate(rows))


def test_the_net_says_which_width_it_takes(fitted, digits):
    with pytest.raises(ValueError, match=r"X has 9 features.*takes 64"):
        fitted.net_.partial_fit(digits[:, :9])


def test_the_net_says_what_its_network_is_built_from(fitted):
    with pytest.raises(ValueError, match=r"module__width.*parameters of .*Autoencoder"):
        fitted.net_.set_params(module__width=3)


@pytest.mark.parametrize("lr_schedule", ["constant", "one_cycle"])
def test_a_loop_of_the_net_begins_with_its_rate_each_time(autoencoder, digits, lr_schedule):
    net = with_parameters(autoencoder, lr_schedule=lr_schedule).partial_fit(digits).net_
    for _ in range(2):
        net.fit_loop(digits, epochs=2)

    losses = net.history[:, "train_loss"]
    assert losses[4] < losses[3] < losses[2] < losses[1]
    assert {group["lr"] for group in net.optimizer_.param_groups} == {autoencoder.lr}


def test_a_search_over_the_net_finds_its_parameters(fitted, digits):
    grid = {"lr": [1e-30, 1e-2], "max_epochs": [2]}
    search = GridSearchCV(clone(fitted.net_), grid, cv=2, scoring="neg_mean_squared_error")

    search.fit(digits, digits)

    assert search.best_params_["lr"] == 1e-2
    assert len(search.best_estimator_.history) == 2


def test_the_net_says_what_it_predicts(fitted, digits):
    assert_allclose(fitted.net_.predict(digits), fitted.reconstruct(digits), rtol=1e-6)


def test_the_weights_are_in_a_pickle_once(autoencoder, digits):
    fitted = with_parameters(autoencoder, hidden_layer_sizes=(500,), optimizer="sgd").fit(digits)

    n_bytes = sum(value.nbytes for value in weights(fitted.net_.module_))
    assert len(pickle.dumps(fitted)) < 1.2 * n_bytes
