"""Errors that say what is wrong where, and the whole state of a fitted one that a failure keeps.

Each parameter out of range, and rows that can't be learnt from, are in test_bad_input.py.
"""

import re
from copy import deepcopy

import numpy as np
import pytest
import torch
from _testing import small
from scipy.sparse import csr_array
from scipy.special import xlogy
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae.noise import NOISES

X = load_digits().data[:120]
IMAGES = X / 16


def with_nan(rows):
    rows = rows.copy()
    rows[7, 20] = np.nan
    return rows


# Parameters

NUMBERS = [
    "noise_level",
    "sparsity_penalty",
    "contractive_penalty",
    "target_weight",
    "trim",
    "lr",
    "tol",
    "validation_fraction",
]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_not_finite_is_named_with_its_value(name, value):
    with pytest.raises(ValueError, match=f"'{name}'.*Got {value}"):
        small(**{name: value}).fit(X)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoding_dim", 0),
        ("hidden_layer_sizes", (8, 0)),
        ("activation", "swish"),
        ("loss", "mse"),
        ("noise", "speckle"),
        ("trim", 1.0),
        ("optimizer", "rmsprop"),
        ("lr", -0.5),
        ("lr_schedule", "step"),
        ("batch_size", 0),
        ("validation_fraction", 1.0),
        ("scaling", "minmax"),
        ("device", "tpu"),
        ("precision", "float16"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_value_out_of_range_is_in_the_message(method, name, value):
    with pytest.raises(ValueError, match=f"{name}.*{re.escape(repr(value))}"):
        getattr(small(**{name: value}), method)(X)


@pytest.mark.parametrize("sizes", [np.int64(8), np.array([8]), [np.int32(8)]], ids=repr)
def test_layer_sizes_may_be_integers_of_numpy(sizes):
    assert small(hidden_layer_sizes=sizes).fit(X).n_iter_ == 3


@pytest.mark.parametrize("noise", [name for name, noise in NOISES.items() if noise.is_share])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_share_of_entries_above_one_is_refused(method, noise):
    with pytest.raises(ValueError, match=rf"noise_level=1\.01.*{noise}.*\[0, 1\]"):
        getattr(small(noise=noise, noise_level=1.01), method)(X)


def test_a_deviation_of_noise_may_be_above_one():
    assert small(noise="gaussian", noise_level=1.01).fit(X).n_iter_ == 3


@pytest.mark.parametrize(
    ("optimizer", "parameters", "message"),
    [
        ("adam", {"betas": (2, 2)}, r"Adam does not take.*'betas': \(2, 2\)"),
        ("adamw", {"weight_decay": -1.0}, r"AdamW does not take.*'weight_decay': -1\.0"),
        ("sgd", {"nesterov": True}, "SGD does not take.*'nesterov': True.*momentum"),
        (torch.optim.RMSprop, {"rho": 0.9}, r"RMSprop does not take.*'rho': 0\.9"),
        (torch.optim.LBFGS, {"momentum": 0.9}, r"LBFGS does not take.*'momentum': 0\.9"),
    ],
)
def test_what_the_optimizer_refuses_is_named(optimizer, parameters, message):
    with pytest.raises(ValueError, match=f"optimizer_params: {message}"):
        small(optimizer=optimizer, optimizer_params=parameters).fit(X)


def test_a_callback_of_scikit_learn_is_sent_to_set_callbacks():
    ours = pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")
    with pytest.raises(ValueError, match=r"callbacks=.*no skorch callback.*set_callbacks"):
        small(callbacks=[ours.ScoringMonitor(scoring="r2")]).fit(X)


@pytest.mark.parametrize("callback", [("print", print), int, "PrintLog", ("alone",)], ids=repr)
def test_what_is_no_callback_of_skorch_is_named(callback):
    with pytest.raises(ValueError, match=r"callbacks=.*no skorch callback"):
        small(callbacks=[callback]).fit(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_device_that_is_not_there_is_named_with_the_way_out(monkeypatch, method):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device='cuda'.*Use device='auto'"):
        getattr(small(device="cuda"), method)(X)


# Parts of one's own


@pytest.mark.parametrize("name", ["encoder", "decoder"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_tied_weights_refuse_a_part_of_ones_own(method, name):
    autoencoder = small(tied_weights=True, **{name: nn.Linear})
    with pytest.raises(ValueError, match=r"tied_weights=True.*Use tied_weights=False"):
        getattr(autoencoder, method)(X)


def test_a_module_in_place_of_what_gives_one_is_named():
    with pytest.raises((TypeError, ValueError), match=r"encoder=Linear\("):
        small(encoder=nn.Linear(64, 3)).fit(X)


def test_an_encoder_that_gives_more_than_codes_is_named():
    with pytest.raises(ValueError, match=r"encoder=.*LSTM.*tuple"):
        small(encoder=nn.LSTM).fit(X)


@pytest.mark.parametrize("shortcut", [True, False])
def test_an_encoder_whose_codes_have_another_width_is_named_with_both_widths(shortcut):
    def wide(n_features, encoding_dim):
        return nn.Linear(n_features, encoding_dim + 1)

    with pytest.raises(ValueError, match=r"encoder=.*wide.*\(2, 5\).*must be \(2, 4\)"):
        small(encoder=wide, linear_shortcut=shortcut).fit(X)


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: (output - target).square().mean(),
        lambda output, target: (output - target).square().mean(dim=1),
        lambda output, target: 1.0,
    ],
    ids=["one number", "one a row", "no tensor"],
)
def test_a_loss_of_ones_own_that_gives_no_value_an_entry_is_named(loss):
    with pytest.raises((TypeError, ValueError), match="loss="):
        small(loss=loss).fit(X)


# Rows


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_sparse_rows_are_finite(method, value):
    rows = X.copy()
    rows[3, 10] = value
    with pytest.raises(ValueError, match="NaN" if np.isnan(value) else "infinity"):
        getattr(small(), method)(csr_array(rows))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_one_row_is_no_first_lesson(method):
    with pytest.raises(ValueError, match=r"1 sample.*minimum of 2"):
        getattr(small(), method)(X[:1])


def test_one_row_is_enough_to_go_on():
    assert small().partial_fit(X).partial_fit(X[:1]).n_iter_ == 2


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_rows_that_are_all_the_same_are_nothing_to_learn(container):
    rows = container(np.tile(X[:1], (30, 1)))
    with pytest.raises(ValueError, match=r"all 64 features are constant over 30 rows.*Pass rows"):
        small().fit(rows)


def test_rows_that_differ_only_where_they_have_no_weight_are_nothing_to_learn():
    weight = np.zeros(len(X))
    weight[4] = 1
    with pytest.raises(ValueError, match="constant over 1 rows"):
        small().fit(X, sample_weight=weight)


def test_constant_columns_among_others_are_rebuilt():
    assert (np.ptp(X[:, [0, 32]], axis=0) == 0).all()
    np.testing.assert_allclose(small().fit(X).reconstruct(X)[:, [0, 32]], 0, atol=1e-5)


BOUNDED = {
    "sigmoid": {"output_activation": "sigmoid", "scaling": None},
    "cross-entropy": {
        "output_activation": "sigmoid",
        "loss": "binary_cross_entropy",
        "scaling": "range",
    },
    "poisson": {"output_activation": "softplus", "loss": "poisson", "scaling": None},
}


# An entry of the loss at the nearest target that it is defined for, and the distance to that.
LOSSES = {
    "sigmoid": lambda output, target: (output - target) ** 2,
    "cross-entropy": lambda output, target: (
        -xlogy(target.clip(0, 1), output)
        - xlogy(1 - target.clip(0, 1), 1 - output)
        + np.abs(target - target.clip(0, 1))
    ),
    "poisson": lambda output, target: (
        output
        - xlogy(target.clip(0), output)
        + xlogy(target.clip(0), target.clip(0))
        - target.clip(0)
        + np.abs(target - target.clip(0))
    ),
}


@pytest.mark.parametrize("bounded", BOUNDED)
def test_validation_rows_beyond_the_reach_judge_by_a_loss_that_grows_with_their_distance(bounded):
    unit = 16 if BOUNDED[bounded]["scaling"] else 1
    rows = IMAGES * unit
    losses = []
    for distance in (0, 1, 3):
        X_val = rows - distance * unit
        fitted = small(**BOUNDED[bounded]).fit(rows, X_val=X_val)
        entries = LOSSES[bounded](fitted.reconstruct(X_val) / unit, X_val / unit)
        assert fitted.best_loss_ == pytest.approx(entries.mean(), rel=1e-4)
        losses.append(fitted.best_loss_)
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("bounded", BOUNDED)
def test_rows_to_go_on_with_lie_where_the_output_reaches(bounded):
    rows = X if BOUNDED[bounded]["scaling"] else IMAGES
    autoencoder = small(**BOUNDED[bounded]).partial_fit(rows)
    with pytest.raises(ValueError, match=r"output_activation='(sigmoid|softplus)' needs values in"):
        autoencoder.partial_fit(rows - 1)


def test_the_range_of_sparse_rows_is_seen():
    with pytest.raises(ValueError, match=r"output_activation='sigmoid'.*from 0 to 16"):
        small(**BOUNDED["sigmoid"]).fit(csr_array(X))


@pytest.mark.parametrize(
    ("rows", "message"),
    [(with_nan(X), "NaN"), (X[:0], r"0 sample\(s\)"), (X[:, :9], "9 features.*64 features")],
    ids=["NaN", "none", "other width"],
)
def test_validation_rows_are_checked_as_rows(rows, message):
    with pytest.raises(ValueError, match=message):
        small().fit(X, X_val=rows)


# What comes with them


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(len(X)), "sample_weight: all weights are zero.*positive"),
        (np.where(np.arange(len(X)) == 5, -0.5, 1.0), r"sample_weight: negative.*-0\.5"),
        (np.full(len(X), np.nan), "sample_weight contains NaN"),
        (np.ones(len(X) - 1), "sample_weight"),
    ],
    ids=["zero", "negative", "NaN", "short"],
)
def test_weights_of_rows_are_checked(method, weight, message):
    fitted = small().partial_fit(X)
    with pytest.raises(ValueError, match=message):
        getattr(fitted, method)(X, sample_weight=weight)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "observed",
    [
        np.ones((len(X), 63), dtype=bool),
        np.ones((len(X) - 1, 64), dtype=bool),
        np.ones(len(X), dtype=bool),
        np.ones(X.shape, dtype=int),
        np.where(X > 0, 1.0, np.nan),
        csr_array(X > 0),
        "all",
    ],
    ids=["columns", "rows", "one dimension", "integer", "NaN", "sparse", "text"],
)
def test_observed_entries_of_another_form_are_named(method, observed):
    with pytest.raises((TypeError, ValueError), match="observed"):
        getattr(small(), method)(X, observed=observed)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 5)), r"X has 5 features.*encoding_dim=4.*Pass what transform gives"),
        (np.zeros((2, 64)), r"X has 64 features.*encoding_dim=4"),
        (np.zeros(3), "2D array"),
        (np.full((2, 3), np.nan), "NaN"),
    ],
    ids=["wide", "rows", "one dimension", "NaN"],
)
def test_codes_are_checked(codes, message):
    with pytest.raises(ValueError, match=message):
        small().fit(X).inverse_transform(codes)


def test_codes_have_the_width_of_the_fitted_net():
    fitted = small(3).fit(X).set_params(encoding_dim=5)
    with pytest.raises(ValueError, match="encoding_dim=3"):
        fitted.inverse_transform(np.zeros((2, 5)))


# What a failure leaves


class FailsAt(Callback):
    """Fail at one of the moments that a callback is told of."""

    def __init__(self, moment):
        self.moment = moment

    def on_train_begin(self, net, **kwargs):
        self.fail("on_train_begin")

    def on_batch_end(self, net, **kwargs):
        self.fail("on_batch_end")

    def on_epoch_end(self, net, **kwargs):
        self.fail("on_epoch_end")

    def on_train_end(self, net, **kwargs):
        self.fail("on_train_end")

    def fail(self, moment):
        if moment == self.moment:
            raise RuntimeError(f"failed at {moment}")


def everything(estimator):
    """Copy all that a fitted one is made of: attributes, weights, steps, draws, history."""
    net = estimator.net_
    inside = {
        "module": net.module_.state_dict(),
        "training": [part.training for part in net.module_.modules()],
        "optimizer": net.optimizer_.state_dict(),
        "generator": net.generator_.get_state(),
        "history": net.history.to_list(),
        "best": (net.best_epoch_, net.best_loss_, net.start_loss_, net.starts_at_pca_),
    }
    return {"attributes": dict(vars(estimator)), **deepcopy(inside)}


def assert_same(actual, expected):
    """Compare bit for bit."""
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for name, value in expected.items():
            assert_same(actual[name], value)
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(actual, expected)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(actual, expected)
    else:
        assert actual == expected


FAILURES = {
    "NaN in rows": (with_nan(X), {}, {}),
    "another width, and all-zero weights": (X[:, :9], {}, {"sample_weight": np.zeros(len(X))}),
    "constant rows": (np.ones((20, 9)), {}, {}),
    "all-zero weights": (X, {}, {"sample_weight": np.zeros(len(X))}),
    "observed of another shape": (X, {}, {"observed": np.ones((3, 3), dtype=bool)}),
    "validation rows": (X, {}, {"X_val": with_nan(X)}),
    "no device": (X, {"device": "mps"}, {}),
    "an optimizer that refuses": (X, {"optimizer_params": {"no_such": 1}}, {}),
    "an optimizer that fails at a step": (X, {"optimizer": torch.optim.SparseAdam}, {}),
    "NaN while training": (X, {"optimizer": "sgd", "lr": 1e30}, {}),
    "too few rows to hold out": (X[:4], {"early_stopping": True}, {}),
    "a warning that is an error": (X, {"max_epochs": 1}, {}),
    **{
        moment: (X, {"callbacks": [FailsAt(moment)]}, {})
        for moment in ("on_train_begin", "on_batch_end", "on_epoch_end", "on_train_end")
    },
}

FAILURES_TO_GO_ON = {
    "NaN after a warm start": (X, {"optimizer": "sgd", "lr": 1e30, "warm_start": True}, {}),
    "other layers": (X, {"hidden_layer_sizes": (5,), "warm_start": True}, {}),
    "other codes": (X, {"encoding_dim": 5, "warm_start": True}, {}),
    "other features": (X[:, :9], {"warm_start": True}, {}),
}


@pytest.mark.parametrize("case", FAILURES | FAILURES_TO_GO_ON)
def test_a_failed_fit_leaves_a_fitted_one_as_it_was(monkeypatch, case):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    rows, parameters, fit_params = (FAILURES | FAILURES_TO_GO_ON)[case]
    fitted = small().fit(X).partial_fit(X).set_params(**parameters)
    before, net = everything(fitted), fitted.net_

    with pytest.raises(Exception, match=r"\w"):
        fitted.fit(rows, **fit_params)

    assert fitted.net_ is net
    assert_same(everything(fitted), before)


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_first_fit_leaves_nothing_behind(monkeypatch, case):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    rows, parameters, fit_params = FAILURES[case]
    autoencoder = small(**parameters)
    before = dict(vars(autoencoder))

    with pytest.raises(Exception, match=r"\w"):
        autoencoder.fit(rows, **fit_params)

    assert vars(autoencoder) == before
    with pytest.raises(NotFittedError):
        check_is_fitted(autoencoder)


FAILURES_OF_PARTIAL_FIT = {
    "NaN in rows": (with_nan(X), {}, {}),
    "another width": (X[:, :9], {}, {}),
    "negative weights": (X, {}, {"sample_weight": -np.ones(len(X))}),
    "observed of another dtype": (X, {}, {"observed": np.ones(X.shape)}),
    "held-out rows": (X, {"early_stopping": True}, {}),
    "an overflow while training": (X * 1e300, {}, {}),
}


@pytest.mark.parametrize("case", FAILURES_OF_PARTIAL_FIT)
def test_a_failed_partial_fit_leaves_a_fitted_one_as_it_was(case):
    rows, parameters, fit_params = FAILURES_OF_PARTIAL_FIT[case]
    fitted = small().fit(X).partial_fit(X).set_params(**parameters)
    before, net = everything(fitted), fitted.net_

    with pytest.raises(ValueError, match=r"\w"):
        fitted.partial_fit(rows, **fit_params)

    assert fitted.net_ is net
    assert_same(everything(fitted), before)


@pytest.mark.parametrize("moment", ["on_train_begin", "on_batch_end", "on_epoch_end"])
def test_a_callback_that_fails_in_a_partial_fit_leaves_the_fitted_one_as_it_was(moment):
    fitted = small(callbacks=[FailsAt(None)]).fit(X)
    fitted.net_.callbacks_[-1][1].moment = moment
    before = everything(fitted)

    with pytest.raises(RuntimeError, match=f"failed at {moment}"):
        fitted.partial_fit(X)

    assert_same(everything(fitted), before)


def test_a_fitted_one_goes_on_after_a_failure_as_if_there_had_been_none():
    one, other = small().fit(X), small().fit(X)
    with pytest.raises(ValueError, match="NaN"):
        one.partial_fit(with_nan(X))

    np.testing.assert_array_equal(
        one.partial_fit(X).transform(X), other.partial_fit(X).transform(X)
    )


def test_names_of_columns_stay_those_of_the_fitted_one_after_a_failure():
    pandas = pytest.importorskip("pandas", reason="pandas names the columns")
    frame = pandas.DataFrame(X).add_prefix("pixel")
    fitted = small().fit(frame)

    with pytest.raises(ValueError, match="NaN"):
        fitted.fit(pandas.DataFrame(with_nan(X)).add_prefix("other"))

    assert fitted.feature_names_in_.tolist() == frame.columns.tolist()
