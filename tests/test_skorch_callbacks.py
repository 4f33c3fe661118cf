"""skorch's callbacks, with the results that a plain skorch net gives."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from _testing import with_parameters
from sklearn.base import clone
from skorch import NeuralNet
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
    PrintLog,
)
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn
from torch.optim.lr_scheduler import StepLR

N_EPOCHS = 5


@pytest.fixture
def X(digits):
    return (digits / 16).astype(np.float32)


@pytest.fixture
def fit_both(autoencoder, X):
    """Fit an autoencoder and a plain skorch net on one batch an epoch, from the same weights."""

    def fit(callback, *, X_val=None, **changes):
        parameters = {"scaling": None, "optimizer": "adam", "batch_size": 1000, **changes}
        ours = with_parameters(
            clone(autoencoder),
            **parameters,
            max_epochs=N_EPOCHS,
            linear_shortcut=False,
            callbacks=[callback],
        )
        start = clone(ours).set_params(max_epochs=2, lr=1e-30, n_iter_no_change=1, callbacks=None)
        module = deepcopy(start.fit(X).net_.module_)
        plain = NeuralNet(
            lambda: module,
            criterion=nn.MSELoss,
            optimizer=torch.optim.Adam,
            lr=ours.lr,
            max_epochs=N_EPOCHS,
            batch_size=-1,
            train_split=None if X_val is None else predefined_split(Dataset(X_val, X_val)),
            callbacks=[deepcopy(callback)],
            verbose=0,
        )
        return ours.fit(X, X_val=X_val), plain.fit(X, X)

    return fit


def assert_same_losses(ours, plain):
    np.testing.assert_allclose(ours.loss_curve_, plain.history[:, "train_loss"], rtol=1e-4)


def test_gradients_are_clipped(fit_both):
    ours, plain = fit_both(GradientNormClipping(1e-4))
    free, _ = fit_both(PrintLog(sink=len))

    assert_same_losses(ours, plain)
    assert ours.loss_ != free.loss_


def test_a_scheduler_sets_the_rate(fit_both):
    ours, plain = fit_both(LRScheduler(policy=StepLR, step_size=2, gamma=0.1, event_name="rate"))

    assert_same_losses(ours, plain)
    assert ours.net_.history[:, "rate"] == plain.history[:, "rate"]
    assert len(set(ours.net_.history[:, "rate"])) == 3


def test_a_score_is_recorded_each_epoch(fit_both):
    scoring = EpochScoring("neg_mean_squared_error", lower_is_better=False, on_train=True)
    ours, plain = fit_both(scoring)

    name = "neg_mean_squared_error"
    np.testing.assert_allclose(ours.net_.history[:, name], plain.history[:, name], rtol=1e-4)
    np.testing.assert_allclose(ours.net_.history[:, name], -np.array(ours.loss_curve_), rtol=1e-4)


def test_early_stopping_ends_the_fit(fit_both):
    ours, plain = fit_both(EarlyStopping("train_loss", patience=2, threshold=0.9))

    assert ours.n_iter_ == len(plain.history) < N_EPOCHS
    assert_same_losses(ours, plain)


def test_a_checkpoint_holds_the_weights_of_the_best_epoch(fit_both, tmp_path):
    ours, plain = fit_both(Checkpoint("train_loss_best", dirname=tmp_path / "ours"))

    saved = torch.load(tmp_path / "ours" / "params.pt", weights_only=True)
    for name, weight in plain.module_.state_dict().items():
        torch.testing.assert_close(saved[name], weight, rtol=1e-3, atol=1e-5)
    assert ours.net_.history[:, "train_loss_best"] == [True] * N_EPOCHS


def test_a_log_has_a_line_an_epoch_and_the_parameter_is_left_alone(autoencoder, digits):
    lines = []
    log = PrintLog(sink=lines.append)

    with_parameters(autoencoder, callbacks=[log]).fit(digits)

    assert len(lines) == 2 + autoencoder.n_iter_
    assert "train_loss" in lines[0]
    assert not hasattr(log, "first_iteration_")
    assert autoencoder.callbacks == [log]


def test_batches_are_recorded_where_a_callback_listens(autoencoder, digits):
    scoring = EpochScoring("neg_mean_squared_error", on_train=True)
    fitted = with_parameters(autoencoder, callbacks=[("mse", scoring)]).fit(digits)

    sizes = fitted.net_.history[-1, "batches", :, "train_batch_size"]
    assert sum(sizes) == len(digits)
    assert dict(fitted.net_.callbacks_)["mse"].best_score_ is not None


def assert_same_weights(ours, plain):
    for name, weight in plain.module_.state_dict().items():
        torch.testing.assert_close(ours.module_.state_dict()[name], weight, rtol=1e-3, atol=1e-5)


def test_the_losses_of_validation_rows_are_the_same(fit_both, X):
    ours, plain = fit_both(EpochScoring("neg_mean_squared_error"), X_val=X[::3] + 0.1)

    for name in ("train_loss", "valid_loss", "neg_mean_squared_error"):
        found, expected = ours.net_.history[:, name], plain.history[:, name]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert ours.net_.history[:, "valid_loss_best"] == plain.history[:, "valid_loss_best"]


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("on_train", [True, False])
def test_a_score_is_the_same_with_and_without_what_was_predicted_already(
    fit_both, X, on_train, use_caching
):
    def largest_error(net, X, y=None):
        return float(np.abs(net.predict(X) - np.asarray(y)).max())

    scoring = EpochScoring(largest_error, on_train=on_train, use_caching=use_caching)
    ours, plain = fit_both(scoring, X_val=X[::3] + 0.1)

    found = ours.net_.history[:, "largest_error"]
    np.testing.assert_allclose(found, plain.history[:, "largest_error"], rtol=1e-4)


def test_early_stopping_by_validation_rows_brings_back_the_best_weights(fit_both, X):
    """Pixels of one, which were seldom seen, are told apart worse and worse."""
    stopping = EarlyStopping(patience=2, threshold=0.5, load_best=True)
    ours, plain = fit_both(stopping, X_val=1 - X[:50], lr=0.1)

    assert ours.n_iter_ == len(plain.history) < N_EPOCHS
    assert_same_weights(ours.net_, plain)


def test_a_checkpoint_of_validation_rows_brings_back_the_best_weights(fit_both, X, tmp_path):
    checkpoint = Checkpoint(dirname=tmp_path, load_best=True)
    ours, plain = fit_both(checkpoint, X_val=1 - X[:50], lr=0.1)

    assert ours.net_.history[:, "event_cp"] == plain.history[:, "event_cp"]
    assert not all(plain.history[:, "event_cp"])
    assert_same_weights(ours.net_, plain)


def test_a_scheduler_can_step_with_every_batch(autoencoder, digits):
    scheduler = LRScheduler(policy=StepLR, step_size=4, gamma=0.5, step_every="batch")
    with_parameters(autoencoder, callbacks=[scheduler], optimizer="sgd")

    fitted = autoencoder.fit(digits)  # four batches an epoch

    (group,) = {group["lr"] for group in fitted.net_.optimizer_.param_groups}
    assert group == pytest.approx(autoencoder.lr * 0.5**5)


def test_a_log_reads_as_that_of_skorch(fit_both, X):
    lines = {}

    class Log(PrintLog):
        def on_train_begin(self, net, **kwargs):
            self.sink = lines.setdefault(type(net) is NeuralNet, []).append

    fit_both(Log(keys_ignored="dur"), X_val=X[::3] + 0.1)

    assert len(lines[True]) == 2 + N_EPOCHS
    assert lines[False] == lines[True]


def test_a_callback_hears_of_the_same_in_the_same_order(fit_both, X):
    heard = {}

    def listening_to(event):
        def listen(self, net, *args, **kwargs):
            heard.setdefault(type(net) is NeuralNet, []).append((event, kwargs.get("training")))

        return listen

    events = [name for name in vars(Callback) if name.startswith("on_")]
    Listener = type("Listener", (Callback,), {name: listening_to(name) for name in events})

    fit_both(Listener(), X_val=X[:50])

    assert ("on_grad_computed", True) in heard[True]
    assert heard[False] == heard[True]


def test_a_fit_that_needs_no_epoch_is_told_of_all_the_same(autoencoder, digits):
    heard = []

    def listening_to(event):
        return lambda callback, net, **kwargs: heard.append(event)

    events = ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"]
    Listener = type("Listener", (Callback,), {name: listening_to(name) for name in events})
    with_parameters(autoencoder, encoding_dim=64, callbacks=[Listener()])

    with pytest.warns(UserWarning, match="no epoch was needed"):
        fitted = autoencoder.fit(digits)

    assert fitted.n_iter_ == 0
    assert heard == ["on_train_begin", "on_train_end"]


@pytest.mark.parametrize(
    "given",
    [EarlyStopping, EarlyStopping(), ("stop", EarlyStopping), ("stop", EarlyStopping())],
    ids=["class", "instance", "named class", "named instance"],
)
def test_a_callback_comes_in_every_form_that_skorch_takes(autoencoder, digits, given):
    with_parameters(autoencoder, callbacks=[given])

    fitted = autoencoder.fit(digits, X_val=digits[:50])

    assert [name for name, _ in fitted.net_.callbacks_ if name in ("stop", "EarlyStopping")]


def test_a_callback_starts_afresh_with_each_fit(autoencoder, digits):
    with_parameters(autoencoder, callbacks=[EarlyStopping("train_loss", patience=2, threshold=0.9)])

    first = autoencoder.fit(digits).n_iter_

    assert first < autoencoder.max_epochs
    assert autoencoder.fit(digits).n_iter_ == first


def test_a_callback_ends_the_fit_as_in_skorch(autoencoder, digits):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    fitted = with_parameters(autoencoder, callbacks=[Stop()]).fit(digits)

    assert fitted.n_iter_ == 3
