"""skorch's callbacks, with the results that a plain skorch net gives."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNet
from skorch.callbacks import (
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
    PrintLog,
)
from torch import nn
from torch.optim.lr_scheduler import StepLR

N_EPOCHS = 5


@pytest.fixture
def X(digits):
    return (digits / 16).astype(np.float32)


@pytest.fixture
def fit_both(autoencoder, X):
    """Fit an autoencoder and a plain skorch net on one batch an epoch, from the same weights."""

    def fit(callback, **changes):
        parameters = {"scaling": None, "optimizer": "adam", "batch_size": 1000, **changes}
        ours = clone(autoencoder).set_params(
            **parameters, max_epochs=N_EPOCHS, linear_shortcut=False, callbacks=[callback]
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
            train_split=None,
            callbacks=[deepcopy(callback)],
            verbose=0,
        )
        return ours.fit(X), plain.fit(X, X)

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

    autoencoder.set_params(callbacks=[log]).fit(digits)

    assert len(lines) == 2 + autoencoder.n_iter_
    assert "train_loss" in lines[0]
    assert not hasattr(log, "first_iteration_")
    assert autoencoder.callbacks == [log]


def test_batches_are_recorded_where_a_callback_listens(autoencoder, digits):
    scoring = EpochScoring("neg_mean_squared_error", on_train=True)
    fitted = autoencoder.set_params(callbacks=[("mse", scoring)]).fit(digits)

    sizes = fitted.net_.history[-1, "batches", :, "train_batch_size"]
    assert sum(sizes) == len(digits)
    assert dict(fitted.net_.callbacks_)["mse"].best_score_ is not None
