"""Training at the corners: what is kept, who listens, going on, interrupts, optimizers, drawing."""

import pickle
import sys
from functools import partial
from math import cos, pi
from threading import Event, Lock, Thread

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from _testing import NOISES_OF_TABLES, small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, LRScheduler
from skorch.dataset import Dataset
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._parameters import OBJECTIVE, TRAINING
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.optimizers import OPTIMIZERS
from sklearn_ae._training.random import seeded
from sklearn_ae.inspection import LossCurveDisplay

DIGITS = load_digits().data
X, X_VAL = DIGITS[:240], DIGITS[240:300]

too_few_epochs = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def weights(fitted):
    return {name: part.clone() for name, part in fitted.net_.module_.state_dict().items()}


def are_same(one, other):
    of_one, of_other = weights(one), weights(other)
    return all(torch.equal(of_one[name], of_other[name]) for name in of_other)


def assert_same(one, other):
    assert one.loss_curve_ == other.loss_curve_
    assert are_same(one, other)


def named(parameters):
    """Give parameters as the name of a test, which is the same in every process."""
    return ", ".join(f"{name}={getattr(own, '__name__', own)}" for name, own in parameters.items())


def dropout(in_features, out_features):
    """Give layers that draw from torch's global generator while they train."""
    return nn.Sequential(nn.Linear(in_features, 8), nn.Dropout(0.2), nn.Linear(8, out_features))


# What is kept


@pytest.mark.parametrize(
    "objective",
    [
        {},
        {"trim": 0.2},
        *({"noise": noise, "noise_level": 0.2, "lr": 1e-2} for noise in NOISES_OF_TABLES),
        {"noise": "salt_and_pepper", "noise_level": 0.2, "trim": 0.2, "lr": 1e-2},
        {"sparsity_penalty": 1e-3},
        {"contractive_penalty": 1e-3},
        {"encoder": dropout, "lr": 1e-2},
    ],
    ids=named,
)
def test_epochs_that_beat_their_start_are_kept(objective):
    fitted = small(**{"max_epochs": 20, **objective}).fit(X)

    assert fitted.best_epoch_ > 0
    assert fitted.best_loss_ < fitted.pca_loss_
    assert fitted.best_loss_ == pytest.approx(fitted.net_.evaluate(Rows(X)))


@pytest.mark.parametrize("trim", [0.0, 0.2])
def test_the_start_is_judged_by_the_rows_that_count(trim):
    fitted = small(trim=trim, lr=1e-30).fit(X)

    pca = PCA(4, svd_solver="full").fit(X)
    errors = np.square(pca.inverse_transform(pca.transform(X)) - X).mean(axis=1)
    expected = np.sort(errors)[: round((1 - trim) * len(X))].mean() / X.var(axis=0).mean()
    assert fitted.pca_loss_ == pytest.approx(expected, rel=1e-5)
    assert fitted.best_loss_ == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "objective", [{"trim": 0.2}, {"noise": "masking", "noise_level": 0.2}], ids=named
)
@pytest.mark.parametrize("judged", ["by all rows", "by rows held out", "by rows given"])
def test_a_fit_is_never_worse_than_its_start(judged, objective):
    parameters = {"lr": 0.5, "early_stopping": judged == "by rows held out", **objective}
    X_val = X_VAL if judged == "by rows given" else None

    fitted = small(**parameters).fit(X, X_val=X_val)

    start = small(**{**parameters, "lr": 1e-30}).fit(X, X_val=X_val)
    of_start = start.net_.evaluate(Rows(X))
    assert fitted.net_.evaluate(Rows(X)) <= of_start * (1 + 1e-6)
    assert fitted.best_loss_ <= fitted.pca_loss_ == start.pca_loss_


@too_few_epochs
@pytest.mark.parametrize("lr_schedule", ["cosine", "one_cycle"])
def test_a_schedule_is_gone_through_with_rows_held_out_too(lr_schedule):
    parameters = {"lr_schedule": lr_schedule, "lr": 0.5, "n_iter_no_change": 1, "tol": 1.0}

    fitted = small(early_stopping=True, max_epochs=8, **parameters).fit(X)

    assert fitted.n_iter_ == len(fitted.validation_loss_curve_) == 8


@pytest.mark.parametrize("lr_schedule", ["cosine", "one_cycle"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_with_a_schedule_nothing_is_advised_that_does_nothing(early_stopping, lr_schedule):
    autoencoder = small(lr_schedule=lr_schedule, early_stopping=early_stopping, lr=1e-2)

    with pytest.warns(ConvergenceWarning, match=r"max_epochs=3.*Raise max_epochs, or lr") as told:
        autoencoder.fit(X)

    assert "tol" not in str(told[0].message)


def test_without_a_schedule_tol_is_advised():
    with pytest.warns(ConvergenceWarning, match="Raise max_epochs, or tol"):
        small(tol=1e-6).fit(X)


def test_a_fit_without_need_of_an_epoch_is_told_of():
    rows = X[:, 20:23] @ np.random.default_rng(0).normal(size=(3, 20))

    with pytest.warns(UserWarning, match="rebuild the training rows exactly"):
        fitted = small(5, callbacks=[Listener()]).fit(rows)

    assert fitted.n_iter_ == 0
    assert copy_of(Listener, fitted).heard == ["on_train_begin", "on_train_end"]


# Who listens


class Listener(Callback):
    """Remembers what it heard of, in a list that is there from the start."""

    def __init__(self):
        self.heard = []

    def on_train_begin(self, net, **kwargs):
        self.heard.append("on_train_begin")

    def on_epoch_begin(self, net, **kwargs):
        self.heard.append("on_epoch_begin")

    def on_epoch_end(self, net, **kwargs):
        self.heard.append("on_epoch_end")

    def on_train_end(self, net, **kwargs):
        self.heard.append("on_train_end")


HEARD = ["on_train_begin", *3 * ["on_epoch_begin", "on_epoch_end"], "on_train_end"]


class Remembering(Callback):
    """Remembers epochs in whatever it was given."""

    def __init__(self, seen):
        self.seen = seen

    def on_epoch_end(self, net, **kwargs):
        self.seen["epochs"].append(len(net.history))


def copy_of(kind, fitted):
    """Give the callback of a class that listened to a fit."""
    (found,) = (each for _, each in fitted.net_.callbacks_ if isinstance(each, kind))
    return found


@pytest.mark.parametrize(
    "given", [lambda own: own, lambda own: ("named", own)], ids=["callback", "pair"]
)
def test_a_callback_keeps_what_it_saw_in_the_copy_that_listened(given):
    listener, remembering = Listener(), Remembering({"epochs": []})
    autoencoder = small(callbacks=[given(listener), remembering])

    fitted = autoencoder.fit(X)

    assert listener.heard == []
    assert remembering.seen == {"epochs": []}
    assert copy_of(Listener, fitted).heard == HEARD
    assert copy_of(Remembering, fitted).seen == {"epochs": [1, 2, 3]}


def test_a_class_of_callbacks_listens_afresh_in_each_fit():
    autoencoder = small(callbacks=[Listener])

    assert copy_of(Listener, autoencoder.fit(X)).heard == HEARD
    assert copy_of(Listener, autoencoder.fit(X)).heard == HEARD


def test_a_copy_goes_on_listening_to_partial_fits_and_the_one_before_does_not_change():
    fitted = small(callbacks=[Listener()]).fit(X)
    before = copy_of(Listener, fitted)

    fitted.partial_fit(X)

    assert before.heard == HEARD
    one_more = ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"]
    assert copy_of(Listener, fitted).heard == HEARD + one_more


@pytest.mark.parametrize("given", [lambda own: own, lambda own: ("named", own)])
def test_a_callback_that_can_not_be_copied_listens_too(given):
    locked = Remembering({"epochs": []})
    locked.lock = Lock()

    fitted = small(callbacks=[given(locked)]).fit(X).partial_fit(X)

    assert copy_of(Remembering, fitted).seen["epochs"] == [1, 2, 3, 4]


def test_what_a_callback_that_can_not_be_copied_sets_is_not_set_in_the_users():
    class Setting(Callback):
        def on_epoch_end(self, net, **kwargs):
            self.n_epochs_ = len(net.history)

    setting = Setting()
    setting.lock = Lock()

    fitted = small(callbacks=[setting]).fit(X)

    assert copy_of(Setting, fitted).n_epochs_ == 3
    assert not hasattr(setting, "n_epochs_")


EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


class Waiting(Callback):
    """Waits for another thread, which fits a model that draws globally, the first time it hears."""

    def __init__(self):
        self.ended = []

    def wait(self, net, *args, **kwargs):
        if not self.ended:
            thread = Thread(target=small(encoder=dropout).fit, args=[X[:80]], daemon=True)
            thread.start()
            thread.join(timeout=10)
            self.ended.append(not thread.is_alive())


def waiting_at(event):
    return type("WaitingHere", (Waiting,), {event: Waiting.wait})()


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("validated", [False, True])
def test_a_callback_may_wait_for_a_thread_that_draws_as_the_fit_does(validated, event):
    autoencoder = small(encoder=dropout, max_epochs=2, callbacks=[waiting_at(event)])

    fitted = autoencoder.fit(X[:80], X_val=X_VAL if validated else None)

    assert copy_of(Waiting, fitted).ended == [True]


def test_what_other_threads_fit_in_a_callback_does_not_change_the_fit():
    parameters = {"encoder": dropout, "max_epochs": 2}

    waited = small(callbacks=[waiting_at("on_batch_end")], **parameters).fit(X)

    assert_same(waited, small(**parameters).fit(X))


# Going on

CHANGES = {
    "loss": "absolute_error",
    "noise": "gaussian",
    "noise_level": 3.0,
    "sparsity_penalty": 0.1,
    "contractive_penalty": 0.1,
    "trim": 0.3,
    "optimizer": "sgd",
    "optimizer_params": {"weight_decay": 0.5},
    "lr": 1e-2,
    "batch_size": 17,
}
OF_DRAWS = {"noise", "noise_level", "batch_size"}
# Heard or seen, not felt by the weights, or without a meaning for a single epoch.
WITHOUT_WEIGHTS = {"callbacks", "verbose", "device", "checkpoint", "checkpoint_every"}
# Of fits with y: tests/test_supervised.py.
OF_Y = {"target_weight"}
OF_FITS = {
    "lr_schedule": "cosine",
    "max_epochs": 7,
    "tol": 0.5,
    "n_iter_no_change": 1,
    "early_stopping": "auto",
    "validation_fraction": 0.3,
    "warm_start": True,
    "random_state": 5,
}


def test_every_parameter_that_may_change_is_tried():
    assert {*CHANGES, *WITHOUT_WEIGHTS, *OF_Y, *OF_FITS} == {*OBJECTIVE, *TRAINING}


@pytest.mark.parametrize("name", CHANGES)
def test_a_parameter_that_is_set_acts_on_the_next_partial_fit(name):
    start = {"noise": "gaussian"} if name == "noise_level" else {}
    unchanged = small(**start).partial_fit(X).partial_fit(X)

    changed = small(**start).partial_fit(X)
    changed.set_params(**{name: CHANGES[name]}).partial_fit(X)

    assert changed.loss_curve_[0] == unchanged.loss_curve_[0]
    assert not are_same(changed, unchanged)


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in OF_DRAWS])
def test_a_parameter_that_is_set_acts_as_one_that_was_there_from_the_start(name):
    """An epoch at a rate of next to nothing puts the start off, where nothing else is drawn."""
    start = {"optimizer": "sgd", "batch_size": 1000}
    changed = {**CHANGES, "optimizer": "adam"}
    parameters = {**start, "lr": 3e-3, name: changed[name]}
    at_once = small(**parameters).partial_fit(X)

    later = small(**start, lr=1e-30).partial_fit(X).set_params(**parameters).partial_fit(X)

    assert_allclose(later.transform(X), at_once.transform(X), rtol=1e-4, atol=1e-5)


def test_a_rate_that_is_set_is_the_rate_of_the_step():
    """With plain gradient descent and one batch, twice the rate is twice the way."""
    parameters = {"optimizer": "sgd", "batch_size": 1000, "precision": "float64", "lr": 1e-3}
    first = small(**parameters).partial_fit(X)
    before, ways = weights(first), []
    for lr in (1e-3, 2e-3):
        after = weights(small(**parameters).partial_fit(X).set_params(lr=lr).partial_fit(X))
        ways.append(torch.cat([(after[name] - before[name]).ravel() for name in before]))

    torch.testing.assert_close(ways[1], 2 * ways[0])
    assert ways[0].abs().max() > 0


@pytest.mark.parametrize("name", OF_FITS)
def test_what_is_of_whole_fits_does_not_matter_to_a_partial_fit(name):
    changed = small().partial_fit(X).set_params(**{name: OF_FITS[name]}).partial_fit(X)

    assert_same(changed, small().partial_fit(X).partial_fit(X))


def test_what_is_set_is_seen_in_the_net():
    fitted = small().partial_fit(X)

    fitted.set_params(batch_size=60, noise="masking", noise_level=0.25, trim=0.1, optimizer="sgd")
    net = fitted.partial_fit(X).net_

    assert net.history[:, "train_batch_count"] == [6, 4]
    assert (net.noise, net.noise_level) == (NOISES_OF_TABLES["masking"], 0.25)
    assert net.criterion_.trim == 0.1
    assert type(net.optimizer_) is torch.optim.SGD


def test_callbacks_that_are_set_hear_of_the_next_partial_fit():
    fitted = small().partial_fit(X)

    fitted.set_params(callbacks=[Listener()]).partial_fit(X)

    assert copy_of(Listener, fitted).heard.count("on_epoch_end") == 1
    fitted.set_params(callbacks=None).partial_fit(X)
    assert not [each for _, each in fitted.net_.callbacks_ if isinstance(each, Listener)]


def test_a_log_that_is_asked_for_later_is_printed(capsys):
    fitted = small().partial_fit(X)
    assert capsys.readouterr().out == ""

    fitted.set_params(verbose=2).partial_fit(X)

    assert "train_loss" in capsys.readouterr().out
    fitted.set_params(verbose=0).partial_fit(X)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("optimizer", "optimizer_params"),
    [
        ("adam", {"amsgrad": True}),
        ("sgd", {"momentum": 0.9}),
        (torch.optim.RMSprop, {"momentum": 0.9}),
        (torch.optim.RMSprop, {"centered": True}),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_an_optimizer_may_be_set_to_keep_other_moments(first, optimizer, optimizer_params):
    one, other = ({}, optimizer_params) if first else (optimizer_params, {})
    fitted = small(optimizer=optimizer, optimizer_params=one, lr=1e-4).partial_fit(X)

    fitted.set_params(optimizer_params=other).partial_fit(X)

    assert fitted.n_iter_ == 2
    assert fitted.loss_curve_[1] < fitted.loss_curve_[0]


def test_a_callback_that_joins_the_list_hears_of_the_next_partial_fit():
    fitted = small(callbacks=[]).partial_fit(X)

    fitted.callbacks.append(Listener())

    assert copy_of(Listener, fitted.partial_fit(X)).heard.count("on_epoch_end") == 1


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_size_that_joins_the_list_is_another_network(method):
    fitted = small(hidden_layer_sizes=[16], warm_start=True).fit(X)

    fitted.hidden_layer_sizes.append(8)

    with pytest.raises(ValueError, match=r"hidden_layer_sizes=\[16, 8\] asks for other layers"):
        getattr(fitted, method)(X)


def test_what_is_set_and_set_back_changes_nothing():
    fitted = small().partial_fit(X)

    fitted.set_params(lr=1.0, encoding_dim=7, trim=0.3)
    fitted.set_params(lr=3e-3, encoding_dim=4, trim=0.0).partial_fit(X)

    assert_same(fitted, small().partial_fit(X).partial_fit(X))


FIXED = {
    "encoding_dim": 5,
    "hidden_layer_sizes": (16, 8),
    "activation": "relu",
    "output_activation": "softplus",
    "linear_shortcut": False,
    "tied_weights": True,
    "encoder": nn.Linear,
    "decoder": nn.Linear,
    "scaling": "standard",
    "precision": "float64",
}

every_fixed = pytest.mark.parametrize("name", FIXED)


def test_every_parameter_that_may_not_change_is_tried():
    assert set(FIXED) == set(small().get_params()) - {*OBJECTIVE, *TRAINING}


@every_fixed
@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_a_partial_fit_refuses_another_network_by_name(first, name):
    fitted = getattr(small(), first)(X).set_params(**{name: FIXED[name]})
    before, of_before = dict(vars(fitted)), weights(fitted)

    with pytest.raises(ValueError, match=rf"^{name}=.*other layers or units.*Use fit, or set it"):
        fitted.partial_fit(X)

    assert vars(fitted) == before
    assert all(torch.equal(weights(fitted)[part], of_before[part]) for part in of_before)


@every_fixed
def test_a_warm_start_refuses_another_network_by_name(name):
    fitted = small(warm_start=True).fit(X).set_params(**{name: FIXED[name]})
    before, of_before = dict(vars(fitted)), weights(fitted)

    with pytest.raises(
        ValueError, match=rf"^warm_start=True: {name}=.*layers or units.*Use warm_start=False\.$"
    ):
        fitted.fit(X)

    assert vars(fitted) == before
    assert all(torch.equal(weights(fitted)[part], of_before[part]) for part in of_before)
    assert fitted.set_params(warm_start=False).fit(X).n_iter_ == 3


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_of_another_width_are_refused(method):
    fitted = small(warm_start=True).fit(X)

    with pytest.raises(ValueError, match="30 features"):
        getattr(fitted, method)(X[:, :30])

    assert fitted.n_features_in_ == 64
    assert fitted.n_iter_ == 3


@pytest.mark.parametrize(
    "equal",
    [
        {"hidden_layer_sizes": [16]},
        {"hidden_layer_sizes": np.array([16])},
        {"hidden_layer_sizes": (np.int64(16),)},
        {"hidden_layer_sizes": 16},
        {"encoding_dim": np.int64(4)},
        {"linear_shortcut": np.True_, "tied_weights": np.False_},
        {"encoder": None, "scaling": "auto"},
    ],
    ids=named,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_equal_value_of_another_type_is_no_other_network(method, equal):
    fitted = getattr(small(warm_start=True).fit(X).set_params(**equal), method)(X)

    assert_same(fitted, getattr(small(warm_start=True).fit(X), method)(X))


def squares(output, target):
    return (output - target) ** 2


def linear(bias, in_features, out_features):
    return nn.Linear(in_features, out_features, bias=bias)


def test_one_that_was_pickled_goes_on_as_the_same_network():
    parameters = {"encoder": partial(linear, True), "loss": squares, "callbacks": [Listener()]}
    fitted = small(**parameters).fit(X)

    loaded = pickle.loads(pickle.dumps(fitted)).partial_fit(X)

    assert_same(loaded, fitted.partial_fit(X))


@pytest.mark.parametrize(
    "rows", [X[:1].repeat(10, axis=0), np.zeros((10, 64))], ids=["row", "zero"]
)
def test_a_warm_start_takes_rows_that_are_constant(rows):
    fitted = small(warm_start=True).fit(X)

    fitted.fit(rows)

    assert fitted.n_iter_ == 6
    assert np.isfinite(fitted.loss_curve_).all()


def test_a_partial_fit_takes_rows_that_are_constant():
    fitted = small().partial_fit(X).partial_fit(X[:1].repeat(10, axis=0))

    assert fitted.n_iter_ == 2


def calls(function, *args):
    """Give how many Python functions a call calls."""
    n_calls = 0

    def count(frame, event, arg):
        nonlocal n_calls
        n_calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function(*args)
    finally:
        sys.setprofile(before)
    return n_calls


class Counting(Callback):
    n_batches_ = 0

    def on_batch_end(self, net, **kwargs):
        self.n_batches_ += 1


@pytest.mark.parametrize(
    "parameters", [{}, {"callbacks": [Counting]}, {"encoder": nn.Linear}], ids=named
)
def test_partial_fits_do_not_become_slower(parameters):
    autoencoder = small(**parameters)

    n_calls = [calls(autoencoder.partial_fit, X[:40]) for _ in range(60)]

    assert n_calls[59] <= 1.05 * n_calls[4]


# Interrupts


def interrupting(event, at):
    """Give a callback that raises KeyboardInterrupt when it hears of an event so often."""

    class Interrupting(Callback):
        n_heard = 0

        def interrupt(self, net, *args, training=True, **kwargs):
            self.n_heard += training
            if training and self.n_heard == at:
                raise KeyboardInterrupt

    setattr(Interrupting, event, Interrupting.interrupt)
    return Interrupting()


BATCH_EVENTS = ["on_batch_begin", "on_grad_computed", "on_batch_end"]
# Six batches an epoch: in the third each.
IN_THE_THIRD_EPOCH = [("on_epoch_begin", 3), *((event, 15) for event in BATCH_EVENTS)]


@pytest.mark.parametrize(("event", "at"), IN_THE_THIRD_EPOCH)
@pytest.mark.parametrize("validated", [False, True])
def test_an_interrupt_within_an_epoch_leaves_the_losses_of_the_others(validated, event, at):
    X_val = X_VAL if validated else None
    callbacks = [Listener(), interrupting(event, at)]

    with pytest.warns(UserWarning, match="interrupted by user after 2 epochs, which are kept"):
        fitted = small(max_epochs=5, callbacks=callbacks).fit(X, X_val=X_val)

    two = small(max_epochs=2).fit(X, X_val=X_val)
    assert_allclose(fitted.loss_curve_, two.loss_curve_, rtol=1e-5)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 2
    assert fitted.best_epoch_ == two.best_epoch_
    if validated:
        assert_allclose(fitted.validation_loss_curve_, two.validation_loss_curve_, rtol=1e-5)
    assert np.isfinite(fitted.transform(X)).all()


@pytest.mark.parametrize("validated", [False, True])
def test_an_interrupt_of_the_last_evaluation_keeps_the_epochs(monkeypatch, validated):
    X_val = X_VAL if validated else None
    expected = small().fit(X, X_val=X_val)
    evaluate, n_evaluations = AutoencoderNet.evaluate, []

    def count(net, rows, **options):
        n_evaluations.append(1)
        return evaluate(net, rows, **options)

    monkeypatch.setattr(AutoencoderNet, "evaluate", count)
    small().fit(X, X_val=X_val)
    last = len(n_evaluations)

    def interrupt(net, rows, **options):
        n_evaluations.append(1)
        if len(n_evaluations) == 2 * last:
            raise KeyboardInterrupt
        return evaluate(net, rows, **options)

    monkeypatch.setattr(AutoencoderNet, "evaluate", interrupt)
    with pytest.warns(UserWarning, match="interrupted by user after 3 epochs, which are kept"):
        fitted = small().fit(X, X_val=X_val)

    assert len(n_evaluations) == 2 * last
    assert fitted.best_epoch_ == expected.best_epoch_ > 0
    assert_same(fitted, expected)
    assert np.isfinite(fitted.best_loss_)


@pytest.mark.parametrize(
    ("event", "at"), [("on_epoch_begin", 1), *((event, 3) for event in BATCH_EVENTS)]
)
@pytest.mark.parametrize("first", [True, False])
def test_an_interrupt_of_a_partial_fit_is_raised_and_nothing_is_kept(first, event, at):
    autoencoder = small()
    if not first:
        autoencoder.partial_fit(X)
    autoencoder.set_params(callbacks=[interrupting(event, at)])
    before = dict(vars(autoencoder))
    of_before = None if first else weights(autoencoder)

    with pytest.raises(KeyboardInterrupt):  # and no warning
        autoencoder.partial_fit(X)

    assert vars(autoencoder) == before
    if not first:
        assert autoencoder.n_iter_ == 1
        assert all(torch.equal(weights(autoencoder)[name], of_before[name]) for name in of_before)


@pytest.mark.parametrize("step", [1, 4])
def test_an_interrupt_of_a_partial_fit_that_nobody_hears_is_raised_too(fail_at, step):
    fitted = small().partial_fit(X)
    of_before = weights(fitted)
    fail_at(step)

    with pytest.raises(KeyboardInterrupt):
        fitted.partial_fit(X)

    assert fitted.n_iter_ == 1
    assert all(torch.equal(weights(fitted)[name], of_before[name]) for name in of_before)


# Numbers of numpy

OF_PYTHON = {
    # Each is the same number in float32.
    "lr": 2.0**-8,
    "noise_level": 0.25,
    "sparsity_penalty": 2.0**-6,
    "contractive_penalty": 2.0**-6,
    "target_weight": 0.0,
    "trim": 0.125,
    "tol": 0.5,
    "validation_fraction": 0.25,
    "encoding_dim": 4,
    "hidden_layer_sizes": 16,
    "batch_size": 40,
    "max_epochs": 2,
    "n_iter_no_change": 1,
    "random_state": 0,
    "checkpoint_every": 1,
    "verbose": 0,
    "early_stopping": True,
    "linear_shortcut": True,
    "tied_weights": False,
    "warm_start": False,
}


def as_numpy(value, of_float):
    if isinstance(value, bool):
        return np.bool_(value)
    return np.int64(value) if isinstance(value, int) else of_float(value)


def test_every_number_is_tried():
    numbers = {
        name
        for name, value in AutoencoderTransformer().get_params().items()
        if isinstance(value, int | float)
    }

    assert numbers <= set(OF_PYTHON)


@too_few_epochs
@pytest.mark.parametrize("of_float", [np.float32, np.float64])
@pytest.mark.parametrize("lr_schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("names", [*([name] for name in OF_PYTHON), list(OF_PYTHON)], ids=",".join)
def test_a_number_of_numpy_is_one_of_python(names, lr_schedule, of_float):
    parameters = {**OF_PYTHON, "noise": "masking", "lr_schedule": lr_schedule, "optimizer": "adamw"}
    of_numpy = {name: as_numpy(OF_PYTHON[name], of_float) for name in names}
    fitted = AutoencoderTransformer(**{**parameters, **of_numpy}).fit(X)

    assert_same(fitted, AutoencoderTransformer(**parameters).fit(X))
    assert {name: fitted.get_params()[name] for name in names} == of_numpy  # as they were given


@pytest.mark.parametrize("early_stopping", [False, "auto"])
def test_a_number_of_numpy_is_one_of_python_in_partial_fits(early_stopping):
    parameters = {**OF_PYTHON, "early_stopping": early_stopping}
    of_numpy = {
        name: value if isinstance(value, str) else as_numpy(value, np.float32)
        for name, value in parameters.items()
    }

    one, other = (AutoencoderTransformer(**each) for each in (of_numpy, parameters))

    assert_same(one.partial_fit(X).partial_fit(X), other.partial_fit(X).partial_fit(X))


def test_a_partial_fit_refuses_the_true_of_numpy_as_that_of_python():
    with pytest.raises(ValueError, match="early_stopping=True: partial_fit is one epoch"):
        small(early_stopping=np.True_).partial_fit(X)


@too_few_epochs
def test_a_search_over_ranges_of_numpy_finds_what_one_over_lists_does():
    grid = {
        "max_epochs": np.arange(1, 3),
        "encoding_dim": np.arange(2, 4),
        "lr": np.array([1e-3, 1e-2]),
        "early_stopping": np.array([True, False]),
    }
    autoencoder = small(lr_schedule="one_cycle")

    of_numpy, of_python = (
        GridSearchCV(autoencoder, each, cv=2, error_score="raise").fit(X)
        for each in (grid, {name: values.tolist() for name, values in grid.items()})
    )

    assert_array_equal(
        of_numpy.cv_results_["mean_test_score"], of_python.cv_results_["mean_test_score"]
    )


# Optimizers

OWN_LR = 1e-4


class Rates(Callback):
    """Remembers the rates of each step, of the encoder's weights and of the others."""

    def __init__(self):
        self.of_encoder, self.of_others = [], []

    def on_batch_begin(self, net, training, **kwargs):
        of_encoder = {id(parameter) for parameter in net.module_.encoder.parameters()}
        for group in net.optimizer_.param_groups:
            for parameter in group["params"]:
                is_of_encoder = id(parameter) in of_encoder
                (self.of_encoder if is_of_encoder else self.of_others).append(group["lr"])


@too_few_epochs
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", torch.optim.RMSprop])
@pytest.mark.parametrize("lr_schedule", ["constant", "cosine", "one_cycle"])
def test_the_own_rate_of_a_group_is_the_greatest_of_its_schedule(lr_schedule, optimizer):
    # Nine steps, of which the third is the summit of one_cycle.
    fitted = small(
        optimizer=optimizer,
        optimizer_params={"param_groups": [("encoder*", {"lr": OWN_LR})]},
        lr_schedule=lr_schedule,
        batch_size=80,
        callbacks=[Rates()],
    ).fit(X)

    rates = copy_of(Rates, fitted)
    of_encoder, of_others = (np.reshape(of, (9, -1)) for of in (rates.of_encoder, rates.of_others))
    assert of_encoder.max() == pytest.approx(OWN_LR)
    assert of_others.max() == pytest.approx(3e-3)
    assert_allclose(of_encoder[:, 0] / OWN_LR, of_others[:, 0] / 3e-3)
    if lr_schedule == "cosine":
        expected = [OWN_LR * (1 + cos(pi * step / 9)) / 2 for step in range(9)]
        assert_allclose(of_encoder, np.repeat([expected], of_encoder.shape[1], axis=0).T)
    if lr_schedule == "constant":
        assert np.ptp(of_encoder) == 0


@too_few_epochs
@pytest.mark.parametrize("lr_schedule", ["constant", "cosine", "one_cycle"])
def test_the_own_rate_of_a_group_holds_in_the_exact_step(lr_schedule):
    parameters = {
        "optimizer_params": {"param_groups": [("encoder*", {"lr": OWN_LR})]},
        "lr_schedule": lr_schedule,
    }

    exact, listened = small(**parameters).fit(X), small(callbacks=[Rates()], **parameters).fit(X)

    assert exact.net_._steps_by == "exact"
    assert listened.net_._steps_by == "skorch"
    assert_allclose(exact.loss_curve_, listened.loss_curve_, rtol=1e-4)


def test_the_own_rate_of_a_group_holds_in_partial_fits():
    parameters = {
        "optimizer_params": {"param_groups": [("encoder*", {"lr": 1e-30})]},
        "lr_schedule": "one_cycle",
    }
    fitted = small(**parameters).partial_fit(X)
    before = weights(fitted)

    after = weights(fitted.partial_fit(X))

    moved = {name for name in before if not torch.allclose(before[name], after[name], atol=1e-20)}
    assert moved
    assert not [name for name in moved if name.startswith("encoder")]


class Residual(nn.Module):
    """A block whose own linear map has the name of those that start at PCA."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.layers = nn.Linear(in_features, out_features)
        self.shortcut = nn.Linear(in_features, out_features)

    def forward(self, x):
        return self.shortcut(x) + torch.relu(self.layers(x))


def decays(fitted):
    """Give the weight decay of each parameter by its name."""
    decay = {
        id(parameter): group["weight_decay"]
        for group in fitted.net_.optimizer_.param_groups
        for parameter in group["params"]
    }
    return {name: decay[id(own)] for name, own in fitted.net_.module_.named_parameters()}


@pytest.mark.parametrize("linear_shortcut", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", torch.optim.AdamW, "sgd"])
def test_nothing_but_the_maps_that_start_at_pca_is_spared_from_decay(optimizer, linear_shortcut):
    fitted = small(
        encoder=Residual,
        decoder=lambda *widths: nn.Sequential(Residual(*widths)),
        linear_shortcut=linear_shortcut,
        optimizer=optimizer,
        optimizer_params={"weight_decay": 0.5},
    ).fit(X)

    decay = decays(fitted)
    halves = (
        ["encoder.layers", "decoder.0.layers.0"] if linear_shortcut else ["encoder", "decoder.0.0"]
    )
    layers = {f"{half}.{layer}.weight" for half in halves for layer in ("layers", "shortcut")}
    assert {name for name in decay if decay[name]} == layers
    assert set(decay.values()) == {0.0, 0.5}


def test_a_users_shortcut_does_decay():
    """Without a gradient, a step of AdamW takes a share of lr times decay off each weight."""
    parameters = {
        "encoder": Residual,
        "linear_shortcut": False,
        "optimizer": "adamw",
        "batch_size": 1000,
        "trim": 0.0,
    }
    without, decayed = (
        small(optimizer_params={"weight_decay": decay}, **parameters).partial_fit(X)
        for decay in (0.0, 10.0)
    )
    start = small(lr=1e-30, **parameters).partial_fit(X)

    name = "encoder.shortcut.weight"
    expected = weights(without)[name] - 3e-3 * 10 * weights(start)[name]
    torch.testing.assert_close(weights(decayed)[name], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "register", [register_optimizer_step_post_hook, register_optimizer_step_pre_hook]
)
def test_hooks_on_every_optimizer_hear_of_every_step(register):
    n_steps = []
    hook = register(lambda optimizer, args, kwargs: n_steps.append(1))
    try:
        heard = small().fit(X)
    finally:
        hook.remove()

    assert len(n_steps) == 3 * 6
    unheard = small().fit(X)
    assert len(n_steps) == 3 * 6
    assert (heard.net_._steps_by, unheard.net_._steps_by) == ("autograd", "exact")
    assert_allclose(heard.loss_curve_, unheard.loss_curve_, rtol=1e-4)


@too_few_epochs
@pytest.mark.parametrize("lr_schedule", ["constant", "one_cycle"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_class_of_an_optimizer_takes_the_steps_of_its_name(name, lr_schedule):
    optimizer, defaults = OPTIMIZERS[name]
    named = small(optimizer=name, lr_schedule=lr_schedule).fit(X)

    classed = small(
        optimizer=optimizer,
        lr_schedule=lr_schedule,
        optimizer_params={"weight_decay": defaults.get("weight_decay", 0.0)},
    ).fit(X)

    assert classed.net_._steps_by == named.net_._steps_by
    assert_same(classed, named)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
def test_a_class_with_its_own_defaults_takes_the_exact_step(optimizer):
    fitted = small(optimizer=optimizer).fit(X)

    assert fitted.net_._steps_by == "exact"
    by_autograd = small(optimizer=optimizer, optimizer_params={"fused": False}).fit(X)
    assert by_autograd.net_._steps_by == "autograd"
    assert_allclose(fitted.loss_curve_, by_autograd.loss_curve_, rtol=1e-4)


def test_a_class_may_be_asked_for_another_way_to_step():
    fitted = small(optimizer=torch.optim.Adam, optimizer_params={"foreach": True}).fit(X)

    assert fitted.net_._steps_by == "autograd"


# Displays


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


GOING_ON = {
    "partial_fit": lambda fitted: fitted.partial_fit(X),
    "warm start": lambda fitted: fitted.fit(X),
    "warm start with rows to judge by": lambda fitted: fitted.fit(X, X_val=X_VAL),
}


@pytest.mark.parametrize("go_on", GOING_ON.values(), ids=GOING_ON)
@pytest.mark.parametrize("n_before", [1, 2])
def test_the_losses_of_one_that_went_on_without_rows_held_out_are_drawn(n_before, go_on):
    fitted = small(early_stopping=True, warm_start=True).fit(X)
    fitted.set_params(early_stopping=False)
    for _ in range(n_before):
        go_on(fitted)

    display = LossCurveDisplay.from_estimator(fitted)

    epochs = np.arange(1, fitted.n_iter_ + 1)
    assert_array_equal(display.line_.get_xdata(), epochs)
    assert_array_equal(display.line_.get_ydata(), fitted.loss_curve_)
    assert_array_equal(display.validation_line_.get_xdata(), epochs)
    assert_array_equal(display.validation_line_.get_ydata(), fitted.validation_loss_curve_)
    assert np.isfinite(display.validation_line_.get_ydata()[:3]).all()
    assert_array_equal(display.best_.get_xydata(), [[fitted.best_epoch_, fitted.best_loss_]])


def test_epochs_without_rows_to_judge_by_have_no_validation_loss():
    fitted = small(early_stopping=True, warm_start=True).fit(X)
    fitted.set_params(early_stopping=False).fit(X).partial_fit(X)

    assert_array_equal(np.isnan(fitted.validation_loss_curve_), [False] * 3 + [True] * 4)


def test_a_warm_start_that_keeps_its_start_marks_the_epoch_that_it_is_of():
    fitted = small(warm_start=True).fit(X)
    best_epoch, of_before = fitted.best_epoch_, weights(fitted)
    assert best_epoch > 0

    fitted.set_params(lr=1.0).fit(X)

    display = LossCurveDisplay.from_estimator(fitted)
    assert fitted.n_iter_ == 6
    assert all(torch.equal(weights(fitted)[name], of_before[name]) for name in of_before)
    assert fitted.best_epoch_ == best_epoch
    assert_array_equal(display.best_.get_xydata(), [[best_epoch, fitted.best_loss_]])
    assert fitted.best_loss_ == pytest.approx(fitted.net_.evaluate(Rows(X)))


# Random state


@pytest.fixture
def drawing_thread():
    """Draw from torch's global generator all the time, in another thread."""
    ended = Event()

    def draw():
        while not ended.is_set():
            torch.rand(3)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = Thread(target=draw, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join()
    sys.setswitchinterval(interval)


@pytest.mark.parametrize(
    "parameters", [{}, {"noise": "gaussian"}, {"tied_weights": True}, {"early_stopping": True}]
)
def test_a_thread_that_draws_does_not_change_a_fit(drawing_thread, parameters):
    first, *others = (small(**parameters).fit(X) for _ in range(4))

    for other in others:
        assert_same(first, other)


class GlobalDraws(TorchDispatchMode):
    """Counts what is drawn from torch's global generators."""

    n_draws = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags and not output.is_meta:
            self.n_draws += (kwargs or {}).get("generator") is None
        return output


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        *({"noise": noise} for noise in NOISES_OF_TABLES),
        {"tied_weights": True},
        {"early_stopping": True},
        {"linear_shortcut": False},
        {"encoder": dropout},
    ],
    ids=named,
)
def test_own_layers_never_draw_from_the_global_generators(monkeypatch, parameters):
    n_seeded, manual_seed = [], torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda seed: n_seeded.append(manual_seed(seed)))

    with GlobalDraws() as counted:
        small(**{"noise_level": 0.2, **parameters}).fit(X, X_val=X_VAL)

    is_own = "encoder" not in parameters
    assert (counted.n_draws == 0) == is_own
    assert (len(n_seeded) == 0) == is_own


class GlobalState(Callback):
    """Remembers torch's global state at each event."""

    def __init__(self):
        self.states = []


for _event in EVENTS:
    setattr(
        GlobalState,
        _event,
        lambda self, net, *args, **kwargs: self.states.append(torch.get_rng_state()),
    )


@pytest.mark.parametrize("parameters", [{}, {"noise": "masking"}, {"encoder": dropout}], ids=named)
def test_the_global_generator_of_torch_stands_still_throughout_a_fit(parameters):
    torch.manual_seed(3)
    before = torch.get_rng_state()

    fitted = small(callbacks=[GlobalState()], **parameters).fit(X, X_val=X_VAL).partial_fit(X)

    states = [before, *copy_of(GlobalState, fitted).states, torch.get_rng_state()]
    assert len(states) > 50
    assert all(torch.equal(state, before) for state in states)


def is_same_state(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def state_of_numpy():
    return np.random.get_state()  # noqa: NPY002 - the global generator is what is tested


@pytest.fixture
def seed_numpy():
    """Give a function that seeds numpy's global generator, and put it back at the end."""
    before = state_of_numpy()
    yield np.random.seed
    np.random.set_state(before)  # noqa: NPY002 - as above


@pytest.mark.parametrize("parameters", [{}, {"encoder": dropout}, {"early_stopping": True}])
def test_without_a_random_state_a_fit_follows_the_seed_of_numpy(seed_numpy, parameters):
    generator = np.random.RandomState(3)
    expected = small(random_state=generator, **parameters).fit(X)

    seed_numpy(3)
    fitted = small(random_state=None, **parameters).fit(X)

    assert_same(fitted, expected)
    assert is_same_state(state_of_numpy(), generator.get_state())


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_fit_draws_once_however_much_it_needs(seed_numpy, method):
    """What the next fit gets must not depend on the size of the one before."""
    states = []
    for parameters in ({}, {"noise": "gaussian", "batch_size": 7, "max_epochs": 9}):
        seed_numpy(3)
        getattr(small(random_state=None, **parameters), method)(X)
        states.append(state_of_numpy())

    assert is_same_state(*states)
    once = np.random.RandomState(3)
    once.randint(2**31 - 1, size=2)
    assert is_same_state(states[0], once.get_state())


def test_going_on_draws_nothing(seed_numpy):
    fitted = small(random_state=None).fit(X)
    before = state_of_numpy()

    fitted.partial_fit(X)
    fitted.transform(X)
    fitted.score(X)

    assert is_same_state(state_of_numpy(), before)


@pytest.mark.parametrize("random_state", [5, np.int64(5), np.random.RandomState(5)])
def test_a_random_state_leaves_the_generator_of_numpy_alone(random_state):
    before = state_of_numpy()

    small(random_state=random_state).fit(X).partial_fit(X)

    assert is_same_state(state_of_numpy(), before)


class FunctionalDropout(nn.Module):
    """Draws without any layer that says so."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, x):
        return nn.functional.dropout(self.linear(x), 0.2, training=self.training)


class OwnNoise(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return y + torch.randn_like(y) if self.training else y


class OwnGenerator(nn.Linear):
    """Draws, but from a generator of its own."""

    def forward(self, x):
        y = super().forward(x)
        return y + torch.rand(1, generator=torch.Generator().manual_seed(0))


def convolution(in_features, out_features):
    return nn.Sequential(
        nn.Unflatten(1, (1, in_features)),
        nn.Conv1d(1, 2, 3, stride=2, padding=1),
        nn.BatchNorm1d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(in_features, out_features),
    )


def with_layer(layer, in_features, out_features):
    return nn.Sequential(nn.Linear(in_features, 8), layer(), nn.Linear(8, out_features))


DRAWING = {
    "Dropout": partial(with_layer, nn.Dropout),
    "AlphaDropout": partial(with_layer, nn.AlphaDropout),
    "RReLU": partial(with_layer, nn.RReLU),
    "functional dropout": FunctionalDropout,
    "randn_like": OwnNoise,
}
STILL = {
    "own layers": None,
    "convolution": convolution,
    "Linear": nn.Linear,
    "LayerNorm": partial(with_layer, partial(nn.LayerNorm, 8)),
    "a generator of its own": OwnGenerator,
}


@pytest.mark.parametrize("encoder", DRAWING.values(), ids=DRAWING)
def test_a_network_that_draws_is_known_and_seeded(encoder):
    torch.manual_seed(0)
    first = small(encoder=encoder).fit(X)
    torch.manual_seed(1)

    assert first.net_._draws_globally
    assert_same(small(encoder=encoder).fit(X), first)


@pytest.mark.parametrize("name", STILL)
def test_a_network_that_does_not_draw_is_not_taken_for_one_that_does(name):
    assert not small(encoder=STILL[name]).fit(X).net_._draws_globally


@pytest.mark.parametrize("name", STILL)
def test_a_network_that_does_not_draw_waits_for_nobody(name):
    """Where it took the lock of the global generator, it would wait for this thread."""
    autoencoder = small(encoder=STILL[name]).fit(X)
    thread = Thread(target=autoencoder.partial_fit, args=[X], daemon=True)
    with seeded(0):
        thread.start()
        thread.join(timeout=10)
        assert not thread.is_alive()


# After the last epoch


class InterruptedAtTheEnd(Callback):
    def on_train_end(self, net, **kwargs):
        raise KeyboardInterrupt


@pytest.mark.parametrize("validated", [False, True])
def test_an_interrupt_at_the_end_of_a_training_keeps_it(validated):
    X_val = X_VAL if validated else None
    expected = small().fit(X, X_val=X_val)

    with pytest.warns(UserWarning, match="interrupted by user after 3 epochs, which are kept"):
        fitted = small(callbacks=[InterruptedAtTheEnd()]).fit(X, X_val=X_val)

    assert_same(fitted, expected)


def test_an_interrupt_at_the_end_of_a_partial_fit_keeps_its_epoch():
    assert small(callbacks=[InterruptedAtTheEnd()]).partial_fit(X).n_iter_ == 1


# A refusal names one thing


def test_rows_out_of_range_are_refused_in_one_sentence_when_going_on():
    bounded = {"loss": "binary_cross_entropy", "output_activation": "sigmoid", "scaling": "range"}
    fitted = small(warm_start=True, **bounded).partial_fit(X)

    for method in (fitted.partial_fit, fitted.fit):
        with pytest.raises(ValueError, match=r"needs values in.*another loss\.$"):
            method(2 * X)


def test_parameters_that_may_change_need_not_be_compared():
    betas = {"betas": np.array([0.9, 0.99])}
    fitted = small(optimizer_params=betas).partial_fit(X)

    assert fitted.set_params(optimizer_params=dict(betas)).partial_fit(X).n_iter_ == 2


# skorch's own


@pytest.mark.parametrize(
    "container",
    [pd.DataFrame, torch.from_numpy, lambda X: Dataset(X, X)],
    ids=["frame", "tensor", "dataset"],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_net_takes_rows_in_every_container(container, method):
    net, expected = (small().fit(X).net_ for _ in range(2))

    getattr(net, method)(container(X))

    getattr(expected, method)(X)
    assert net.history[:, "train_loss"] == expected.history[:, "train_loss"]
    assert_allclose(net.predict(container(X)), net.predict(X))


def test_the_first_rate_of_a_users_scheduler_counts():
    rates = []

    class Rates(Callback):
        def on_epoch_begin(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    scheduler = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.01 * (epoch + 1))
    small(lr=1e-3, callbacks=[scheduler, Rates()]).fit(X)

    assert_allclose(rates, [1e-5, 2e-5, 3e-5])
