"""What can't be learnt from or used: an error that names it, and a fitted model left alone."""

import numpy as np
import pytest
import torch
from _testing import small
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from torch import nn

from sklearn_ae._training.net import AutoencoderNet

X = load_digits().data[:120]


def with_entry(value):
    rows = X.copy()
    rows[5, 3] = value
    return rows


BAD_PARAMETERS = {
    "encoding_dim": [0, 2.5, "3"],
    "hidden_layer_sizes": [(8, 0), (8, -1), 2.5, (8, "a")],
    "activation": ["swish", None],
    "output_activation": ["relu"],
    "linear_shortcut": ["yes"],
    "tied_weights": ["yes"],
    "encoder": [nn.Linear(64, 3).weight, "dense"],
    "decoder": ["dense"],
    "loss": ["mse"],
    "noise": ["speckle"],
    "noise_level": [-0.1],
    "sparsity_penalty": [-1],
    "contractive_penalty": [-1],
    "target_weight": [-1],
    "trim": [-0.1, 1.0],
    "optimizer": ["rmsprop"],
    "optimizer_params": ["weight_decay", {"no_such": 1}],
    "lr": [0, -1e-3],
    "lr_schedule": ["step"],
    "batch_size": [0, "full"],
    "max_epochs": [0],
    "tol": [-1e-4],
    "n_iter_no_change": [0],
    "early_stopping": ["always"],
    "validation_fraction": [0.0, 1.0],
    "warm_start": ["yes"],
    "random_state": [-1, "seed"],
    "scaling": ["minmax"],
    "device": ["tpu"],
    "precision": ["float16"],
    "callbacks": ["print", [print]],
    "checkpoint": [3, "no/such/folder"],
    "checkpoint_every": [0, 1.5],
    "verbose": [-1, "much"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in BAD_PARAMETERS for value in BAD_PARAMETERS[name]]
)
def test_a_parameter_out_of_range_is_named(name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        small().set_params(**{name: value}).fit(X)


def test_every_parameter_has_a_bad_value_above():
    assert set(BAD_PARAMETERS) == set(small().get_params(deep=False))


BAD_ROWS = {
    "NaN": (with_entry(np.nan), {}, "NaN"),
    "infinite": (with_entry(np.inf), {}, "infinity"),
    "one row": (X[:1], {}, "1 sample"),
    "no column": (X[:, :0], {}, r"0 feature\(s\)"),
    "constant": (np.full((20, 4), 3.0), {}, "constant"),
    "denormal": (1e-310 * X, {}, "Multiply X by a constant"),
    "of a variance beyond float64": (-1e200 * X, {}, r"X: values up to 1.6e\+201 .* Divide X by"),
    "integers that float64 can't tell apart": (
        X.astype(np.uint64) + np.uint64(2**63),
        {},
        "constant.*take away what large numbers have in common",
    ),
    "beyond a sigmoid": (X, {"output_activation": "sigmoid"}, "output_activation='sigmoid'"),
    "beyond binary_cross_entropy": (
        X / 8,
        {"output_activation": "sigmoid", "loss": "binary_cross_entropy"},
        r"\[0, 1\].*scaling='range'",
    ),
    "negative with poisson": (
        -X,
        {"output_activation": "softplus", "loss": "poisson"},
        "output_activation='softplus'|loss='poisson'",
    ),
    "negative with poisson and a sigmoid": (
        X - 5,
        {"output_activation": "sigmoid", "loss": "poisson", "scaling": None},
        "needs values",
    ),
    "loss not defined": (X, {"loss": "binary_cross_entropy"}, "output_activation='identity'"),
    "too few to hold out": (
        X[:4],
        {"early_stopping": True},
        "validation_fraction=0.1 of 4 rows|early_stopping=True",
    ),
    "a share above one": (X, {"noise": "masking", "noise_level": 1.5}, "noise_level=1.5"),
    "an encoder of another width": (
        X,
        {"encoder": lambda n_features, encoding_dim: nn.Linear(n_features, 5)},
        r"encoder=.*\(2, 5\).*\(2, 4\)",
    ),
    "a decoder of another width": (
        X,
        {"decoder": lambda encoding_dim, n_features: nn.Linear(encoding_dim, 5)},
        r"decoder=.*\(2, 5\).*\(2, 64\)",
    ),
    "an encoder that takes another width": (
        X,
        {"encoder": lambda n_features, encoding_dim: nn.Linear(7, encoding_dim)},
        "encoder=.*failed on two rows of 64 features",
    ),
    "an encoder that is no module": (
        X,
        {"encoder": lambda n_features, encoding_dim: np.eye(3)},
        r"no torch.nn.Module",
    ),
    "tied parts of one's own": (
        X,
        {"tied_weights": True, "encoder": nn.Linear},
        "tied_weights=True",
    ),
    "a loss that becomes NaN": (X, {"optimizer": "sgd", "lr": 1e30}, r"lr=1e\+30.*epoch"),
    "a loss that is NaN": (X, {"loss": lambda output, target: output / 0 * 0}, "loss"),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_cannot_be_learnt_from_are_an_error(case, method):
    rows, parameters, message = BAD_ROWS[case]
    with pytest.raises(ValueError, match=message):
        getattr(small(**parameters), method)(rows)


@pytest.mark.parametrize(
    ("fit_params", "message"),
    [
        ({"sample_weight": np.zeros(len(X))}, "sample_weight: all weights are zero"),
        ({"sample_weight": -np.ones(len(X))}, "sample_weight: negative"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
        ({"observed": np.ones(X.shape)}, "observed has dtype float64"),
        ({"observed": np.ones((3, 64), dtype=bool)}, r"observed.*\(3, 64\)"),
        ({"observed": np.zeros(X.shape, dtype=bool)}, "observed is False everywhere"),
        ({"X_val": X[:, :5]}, "5 features"),
    ],
)
def test_what_comes_with_the_rows_is_checked(fit_params, message):
    with pytest.raises(ValueError, match=message):
        small().fit(X, **fit_params)


@pytest.mark.parametrize(
    ("method", "rows", "message"),
    [
        ("transform", X[:, :5], "5 features"),
        ("reconstruct", with_entry(np.nan), "NaN"),
        ("inverse_transform", X[:, :5], "X has 5 features.*encoding_dim=4"),
        ("reconstruction_error", X[0], "2D array"),
        ("score", X[:, :5], "5 features"),
    ],
)
def test_rows_that_cannot_be_used_are_an_error(method, rows, message):
    with pytest.raises(ValueError, match=message):
        getattr(small().fit(X), method)(rows)


def state(estimator):
    """Give all that an estimator holds, with its weights as bytes."""
    weights = {name: part.clone() for name, part in estimator.net_.module_.state_dict().items()}
    return {name: id(value) for name, value in vars(estimator).items()}, weights


FAILURES = {
    "bad rows": (with_entry(np.nan), {}),
    "other features": (X[:1, :5], {}),
    "other features, then NaN in training": (X[:, :9], {"lr": 1e30, "optimizer": "sgd"}),
    "bad weights": (X, {"noise": "masking", "noise_level": 2.0}),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_fit_keeps_the_old_model(case):
    estimator = small().fit(X)
    codes = estimator.transform(X)
    rows, parameters = FAILURES[case]
    estimator.set_params(**parameters)
    before, weights = state(estimator)

    with pytest.raises(ValueError, match=r"."):
        estimator.fit(rows)

    after, kept = state(estimator)
    assert after == before
    assert all(torch.equal(weights[name], kept[name]) for name in weights)
    assert_array_equal(estimator.transform(X), codes)


@pytest.mark.filterwarnings("ignore:Training interrupted by user")
@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt])
def test_a_partial_fit_that_fails_half_way_keeps_the_old_model(fail_at, error):
    estimator = small().fit(X)
    before, weights = state(estimator)
    fail_at(2, error)
    with pytest.raises(error):
        estimator.partial_fit(X)

    after, kept = state(estimator)
    assert after == before
    assert all(torch.equal(weights[name], kept[name]) for name in weights)


@pytest.mark.parametrize("n_done", [0, 2])
def test_an_interrupt_keeps_the_epochs_done(monkeypatch, n_done):
    epoch = AutoencoderNet.train_epoch

    def interrupted(net, rows, scheduler=None):
        if len(net.history) == n_done + 1:
            raise KeyboardInterrupt
        return epoch(net, rows, scheduler)

    monkeypatch.setattr(AutoencoderNet, "train_epoch", interrupted)
    with pytest.warns(UserWarning, match=f"interrupted by user after {n_done} epochs"):
        estimator = small(max_epochs=10, n_iter_no_change=9).fit(X)
    assert estimator.n_iter_ == n_done
    assert estimator.score(X) > 0
