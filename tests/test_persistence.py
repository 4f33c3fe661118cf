"""Fitted estimators pickled and copied, and used in a process that knows nothing of the first."""

import pickle
import subprocess
import sys
from copy import copy, deepcopy
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas
import pytest
import torch
from _testing import SMALL, having, with_parameters
from numpy.testing import assert_array_equal
from sklearn.base import clone
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from skorch.exceptions import DeviceWarning
from torch import nn

from sklearn_ae.nn import dense

pytestmark = pytest.mark.every_autoencoder


def with_dropout(in_features, out_features):
    return nn.Sequential(nn.Linear(in_features, out_features), nn.Dropout(0.2))


VARIANTS = {
    "plain": {},
    "custom": {"encoder": partial(dense, hidden_layer_sizes=(8,)), "decoder": nn.Linear},
    "callbacks": {
        "callbacks": [
            LRScheduler(policy="StepLR", step_size=2),
            EpochScoring("neg_mean_squared_error", name="mse", on_train=True),
        ]
    },
    "noise": {"noise": "masking", "noise_level": 0.2, "loss": "huber", "trim": 0.1},
    "tied": {"tied_weights": True, "optimizer": torch.optim.RMSprop, "precision": "float64"},
}

LOAD_AND_GO_ON = """
import pickle, sys

with open(sys.argv[1], "rb") as file:
    estimators, X = pickle.load(file)
found = {
    name: [estimator.transform(X), estimator.reconstruct(X), estimator.partial_fit(X).transform(X)]
    for name, estimator in estimators.items()
}
with open(sys.argv[2], "wb") as file:
    pickle.dump(found, file)
"""


def all_of(estimator, X):
    """What there is to compare of a fitted estimator."""
    attributes = ["n_iter_", "loss_curve_", "validation_loss_curve_", "best_loss_", "best_epoch_"]
    return {
        "codes": estimator.transform(X),
        "rows": estimator.reconstruct(X),
        "errors": estimator.score_samples(X),
        **{name: getattr(estimator, name) for name in attributes},
    }


def assert_same(actual, expected):
    """Compare what `all_of` gave, bit for bit."""
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert_array_equal(actual[name], value, err_msg=name)


@pytest.fixture(
    params=[lambda e: pickle.loads(pickle.dumps(e)), deepcopy], ids=["pickle", "deepcopy"]
)
def duplicate(request):
    return request.param


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_duplicate_gives_the_same(autoencoder, digits, duplicate, variant):
    fitted = with_parameters(autoencoder, **VARIANTS[variant]).fit(digits, X_val=digits[:50])

    assert_same(all_of(duplicate(fitted), digits), all_of(fitted, digits))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_duplicate_goes_on_as_the_original(autoencoder, digits, duplicate, variant):
    """Moments of the optimizer, generator and learning rate are part of the net."""
    original = with_parameters(autoencoder, **VARIANTS[variant]).fit(digits).partial_fit(digits)
    other = duplicate(original)

    for _ in range(2):
        original.partial_fit(digits)
        other.partial_fit(digits)

    assert_same(all_of(other, digits), all_of(original, digits))


@pytest.mark.parametrize("copied", [deepcopy, copy], ids=["deep", "shallow"])
def test_training_a_copy_leaves_the_original_alone(autoencoder, digits, copied):
    original = autoencoder.fit(digits)
    before = all_of(original, digits)

    other = copied(original).partial_fit(digits)

    assert_same(all_of(original, digits), before)
    assert other.n_iter_ == original.n_iter_ + 1


def test_an_estimator_that_is_not_fitted_keeps_its_parameters(autoencoder, digits, duplicate):
    other = duplicate(clone(autoencoder))

    assert other.get_params() == autoencoder.get_params()
    assert_array_equal(other.fit_transform(digits), autoencoder.fit_transform(digits))


def test_a_fresh_process_gives_the_same_and_goes_on_the_same(autoencoder, digits, tmp_path):
    fitted = {
        name: clone(autoencoder).set_params(**having(type(autoencoder), parameters)).fit(digits)
        for name, parameters in VARIANTS.items()
    }
    fitted["one epoch"] = clone(autoencoder).partial_fit(digits)
    fitted["an epoch more"] = clone(autoencoder).fit(digits).partial_fit(digits)
    (tmp_path / "estimators").write_bytes(pickle.dumps((fitted, digits)))

    subprocess.run(
        [sys.executable, "-c", LOAD_AND_GO_ON, tmp_path / "estimators", tmp_path / "found"],
        check=True,
        timeout=300,
    )

    found = pickle.loads((tmp_path / "found").read_bytes())
    for name, estimator in fitted.items():
        codes, rows, later = found[name]
        assert_array_equal(codes, estimator.transform(digits), err_msg=name)
        assert_array_equal(rows, estimator.reconstruct(digits), err_msg=name)
        assert_array_equal(later, estimator.partial_fit(digits).transform(digits), err_msg=name)


@pytest.mark.one_autoencoder
def test_what_a_notebook_defines_is_copied_and_sent_to_other_processes(autoencoder):
    script = (Path(__file__).parent / "_notebook.py").read_text()
    parameters = repr(having(type(autoencoder), SMALL))

    subprocess.run(
        [sys.executable, "-c", script, type(autoencoder).__name__, parameters],
        check=True,
        timeout=300,
    )


def test_dropout_goes_on_as_the_original(autoencoder, digits, duplicate):
    original = with_parameters(autoencoder, encoder=with_dropout).partial_fit(digits)

    other = duplicate(original).partial_fit(digits)

    assert_same(all_of(other, digits), all_of(original.partial_fit(digits), digits))


def test_joblib_restores_what_it_dumped(autoencoder, digits, tmp_path):
    fitted = autoencoder.fit(digits)
    joblib.dump(fitted, tmp_path / "autoencoder.joblib", compress=3)

    restored = joblib.load(tmp_path / "autoencoder.joblib")
    assert_same(all_of(restored, digits), all_of(fitted, digits))


@pytest.mark.parametrize(
    ("method", "optimizer"), [("fit", "adamw"), ("fit", "sgd"), ("partial_fit", torch.optim.SGD)]
)
def test_a_pickle_holds_no_rows_and_each_weight_once(autoencoder, digits, method, optimizer):
    rows = np.tile(digits, (20, 1))
    scheduler = LRScheduler("StepLR", step_size=2)  # which holds the optimizer
    with_parameters(
        autoencoder, hidden_layer_sizes=(1000,), optimizer=optimizer, callbacks=[scheduler]
    )

    fitted = getattr(autoencoder, method)(rows)

    weights = sum(weight.nbytes for weight in fitted.net_.module_.state_dict().values())
    assert len(pickle.dumps(fitted)) < 1.1 * weights
    assert len(pickle.dumps(fitted)) < 0.5 * rows.nbytes


class Moments(Callback):
    """Counts the parameters that the optimizer keeps something of, as a training ends."""

    def on_train_end(self, net, **kwargs):
        self.n_kept = len(net.optimizer_.state)


def test_a_fit_leaves_no_moments_which_are_of_other_weights_than_those_kept(autoencoder, digits):
    with_parameters(autoencoder, optimizer="adam", callbacks=[("moments", Moments())])

    net = autoencoder.fit(digits).net_

    n_parameters = len(list(net.module_.parameters()))
    assert dict(net.callbacks_)["moments"].n_kept == n_parameters
    assert not net.optimizer_.state
    assert len(autoencoder.partial_fit(digits).net_.optimizer_.state) == n_parameters


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device here")
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_net_is_loaded_where_its_device_is_lacking(autoencoder, digits, variant):
    """One on the CPU says that it is elsewhere."""
    fitted = with_parameters(autoencoder, **VARIANTS[variant]).partial_fit(digits)
    fitted.net_.device = "cuda"
    pickled = pickle.dumps(fitted)

    with pytest.warns(DeviceWarning):
        other = pickle.loads(pickled)

    assert other.net_.device == "cpu"
    fitted.net_.device = "cpu"
    assert_same(all_of(other, digits), all_of(fitted, digits))
    later = fitted.partial_fit(digits)
    assert_same(all_of(other.partial_fit(digits), digits), all_of(later, digits))


def test_a_pickle_keeps_the_names_of_a_frame(autoencoder, digits, duplicate):
    frame = pandas.DataFrame(digits).add_prefix("pixel")

    other = duplicate(autoencoder.fit(frame))

    assert_array_equal(other.feature_names_in_, frame.columns)
