"""skorch's callbacks, with the results that a plain skorch net gives."""

import pickle
from copy import deepcopy
from threading import Lock

import numpy as np
import pytest
import torch
from _testing import small, with_parameters
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import cross_validate
from skorch import NeuralNet
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    InputShapeSetter,
    LRScheduler,
    PrintLog,
    TrainEndCheckpoint,
)
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

pytestmark = pytest.mark.one_autoencoder

N_EPOCHS = 5
EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


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


class Batches(Callback):
    """Keeps the last batch of each event."""

    def __init__(self):
        self.heard = {}

    def on_batch_begin(self, net, batch=None, **kwargs):
        self.heard["begin"] = batch

    def on_grad_computed(self, net, named_parameters, batch=None, **kwargs):
        self.heard["gradient"] = batch

    def on_batch_end(self, net, batch=None, **kwargs):
        self.heard["end"] = batch


def test_events_of_batches_have_rows_that_are_their_own_target(autoencoder, digits):
    fitted = autoencoder.set_params(callbacks=[Batches()]).fit(digits)
    (heard,) = (each.heard for _, each in fitted.net_.callbacks_ if isinstance(each, Batches))
    assert heard.keys() == {"begin", "gradient", "end"}
    for rows, target in heard.values():
        assert rows.shape == (50, 64)
        assert target is rows


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

    Listener = type("Listener", (Callback,), {name: listening_to(name) for name in EVENTS})

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


def callback(**events):
    """Give a callback that does something at some events."""
    listeners = {
        event: lambda callback, net, do=do, **kwargs: do(net, **kwargs)
        for event, do in events.items()
    }
    return type("Own", (Callback,), listeners)()


# Who moves the learning rate


class OwnScheduler(LRScheduler):
    """A scheduler of the user's."""


@pytest.mark.parametrize("lr_schedule", ["cosine", "one_cycle"])
@pytest.mark.parametrize(
    "given",
    [
        LRScheduler,
        LRScheduler("StepLR", step_size=1),
        ("plateau", LRScheduler(ReduceLROnPlateau, monitor="train_loss")),
        ("named class", LRScheduler),
        OwnScheduler(),
    ],
    ids=["class", "instance", "named", "named class", "subclass"],
)
def test_a_scheduler_beside_a_schedule_is_refused_before_training(
    autoencoder, digits, given, lr_schedule
):
    with_parameters(
        autoencoder,
        lr_schedule=lr_schedule,
        callbacks=[callback(on_train_begin=lambda net, **_: pytest.fail("trained")), given],
    )

    message = rf"callbacks=.*Scheduler moves.*lr_schedule='{lr_schedule}'.*'constant'"
    with pytest.raises(ValueError, match=message):
        autoencoder.fit(digits)


def halve_in_groups(net, **kwargs):
    for group in net.optimizer_.param_groups:
        group["lr"] /= 2


def halve_by_parameter(net, **kwargs):
    net.set_params(lr=net.lr / 2)


def double_in_groups(net, **kwargs):
    for group in net.optimizer_.param_groups:
        group["lr"] *= 2


MOVES_OF_THE_RATE = pytest.mark.parametrize("halve", [halve_in_groups, halve_by_parameter])


@MOVES_OF_THE_RATE
@pytest.mark.parametrize(
    "event",
    ["on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end", "on_grad_computed"],
)
@pytest.mark.parametrize("lr_schedule", ["cosine", "one_cycle"])
def test_a_callback_that_moves_the_rate_of_a_schedule_is_told_of(
    autoencoder, digits, lr_schedule, event, halve
):
    moving = callback(**{event: halve})
    with_parameters(autoencoder, lr_schedule=lr_schedule, callbacks=[moving])

    message = rf"callbacks=.*learning rate was set.*lr_schedule='{lr_schedule}'.*'constant'"
    with pytest.raises(ValueError, match=message):
        autoencoder.fit(digits)
    assert not hasattr(autoencoder, "net_")


def test_a_callback_that_raises_the_rate_of_a_schedule_is_told_of(digits):
    raising = small(lr_schedule="cosine", callbacks=[callback(on_epoch_end=double_in_groups)])
    with pytest.raises(ValueError, match=r"callbacks=.*learning rate was set"):
        raising.fit(digits)


@MOVES_OF_THE_RATE
@pytest.mark.parametrize("lr_schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_rate_that_is_set_as_training_begins_is_that_of_the_fit(
    autoencoder, digits, lr_schedule, halve
):
    with_parameters(autoencoder, lr_schedule=lr_schedule)
    halved = clone(autoencoder).set_params(callbacks=[callback(on_train_begin=halve)])

    expected = autoencoder.set_params(lr=autoencoder.lr / 2).fit(digits).loss_curve_
    assert halved.fit(digits).loss_curve_ == expected


def test_any_callback_may_move_the_rate_of_partial_fit_which_has_no_schedule(autoencoder, digits):
    scheduler = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 1e-20)
    with_parameters(autoencoder, lr_schedule="one_cycle", linear_shortcut=False)
    rebuilt = autoencoder.partial_fit(digits).reconstruct(digits)

    autoencoder.set_params(callbacks=[scheduler]).partial_fit(digits)

    assert_array_equal(autoencoder.reconstruct(digits), rebuilt)


@pytest.mark.parametrize("again", ["fit", "partial_fit"])
@pytest.mark.parametrize("joins_later", [False, True])
def test_a_scheduler_goes_on_by_the_epochs_done(autoencoder, digits, again, joins_later):
    scheduler = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 1 / (1 + epoch), event_name="rate")
    with_parameters(autoencoder, warm_start=True, callbacks=None if joins_later else [scheduler])
    fitted = autoencoder.fit(digits)
    before = fitted.n_iter_

    getattr(fitted.set_params(callbacks=[scheduler]), again)(digits)

    rates = [autoencoder.lr / (1 + epoch) for epoch in range(before, fitted.n_iter_)]
    np.testing.assert_allclose(fitted.net_.history[before:, "rate"], rates)


# Who looks at validation rows


def is_best(net):
    return net.history[-1, "valid_loss_best"]


LOOKING = {
    "class": lambda path: EarlyStopping,
    "stopping": lambda path: EarlyStopping(),
    "named": lambda path: ("stop", EarlyStopping()),
    "checkpoint": lambda path: Checkpoint(dirname=path),
    "plateau": lambda path: LRScheduler(ReduceLROnPlateau, monitor="valid_loss"),
    "function": lambda path: Checkpoint(is_best, dirname=path),
    "score": lambda path: EpochScoring("neg_mean_squared_error"),
}
NOT_LOOKING = {
    "stopping": EarlyStopping("train_loss"),
    "scheduler": LRScheduler("StepLR", step_size=2),
    "score": EpochScoring("neg_mean_squared_error", on_train=True),
    "log": PrintLog(sink=len),
}


@pytest.mark.parametrize("given", LOOKING.values(), ids=LOOKING)
def test_rows_are_held_out_for_callbacks_that_look_at_them(autoencoder, digits, tmp_path, given):
    callbacks = [given(tmp_path)]
    with_parameters(autoencoder, early_stopping="auto", callbacks=callbacks)

    assert autoencoder.fit(digits).validation_loss_curve_ is not None


@pytest.mark.parametrize("given", NOT_LOOKING.values(), ids=NOT_LOOKING)
def test_no_rows_are_held_out_for_others(autoencoder, digits, given):
    with_parameters(autoencoder, early_stopping="auto", callbacks=[given])

    assert autoencoder.fit(digits).validation_loss_curve_ is None


def test_a_cross_validation_stops_early_as_the_fit_does(autoencoder, digits):
    rows = np.tile(digits, (6, 1))
    with_parameters(autoencoder, early_stopping="auto", callbacks=[EarlyStopping()])

    autoencoder.fit(rows)

    folds = cross_validate(autoencoder, rows, cv=2, error_score="raise", return_estimator=True)
    assert all(fitted.validation_loss_curve_ for fitted in folds["estimator"])


@pytest.mark.parametrize("given", sorted(LOOKING.keys() - {"function", "score"}))
def test_a_callback_that_monitors_no_rows_is_refused_before_training(
    autoencoder, digits, tmp_path, given
):
    callbacks = [
        callback(on_train_begin=lambda net, **_: pytest.fail("trained")),
        LOOKING[given](tmp_path),
    ]
    with_parameters(autoencoder, early_stopping=False, callbacks=callbacks)

    for method in (autoencoder.fit, autoencoder.partial_fit):
        with pytest.raises(ValueError, match=r"monitors 'valid_loss.*early_stopping=True or X_val"):
            method(digits)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "given",
    [
        callback(on_epoch_end=lambda net, **_: is_best(net)),
        Checkpoint(is_best),
        LRScheduler(ReduceLROnPlateau, monitor=is_best),
    ],
    ids=["own", "checkpoint", "plateau"],
)
def test_a_callback_that_finds_no_validation_loss_is_told_how_to_have_one(
    autoencoder, digits, method, given
):
    with_parameters(autoencoder, early_stopping=False, warm_start=True)
    n_before = autoencoder.fit(digits, X_val=digits[:50]).n_iter_
    autoencoder.set_params(callbacks=[given])

    with pytest.raises(ValueError, match=r"valid_loss_best.*early_stopping=True or X_val"):
        getattr(autoencoder, method)(digits)
    assert autoencoder.n_iter_ == n_before


# What a callback gets and keeps


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_callback_gets_the_rows_that_were_passed(autoencoder, digits, method, container):
    seen = []
    look = callback(
        on_train_begin=lambda net, X, y: seen.append(X),
        on_train_end=lambda net, X, y: seen.append(X),
    )
    with_parameters(autoencoder, callbacks=[look])
    weight = np.arange(len(digits)) % 3  # some rows don't count

    getattr(autoencoder, method)(container(digits), sample_weight=weight)

    for X in seen:
        assert X.shape == digits.shape
        assert_array_equal(X[3:7].toarray() if container is csr_array else X[3:7], digits[3:7])
    assert len(seen) == 2


def set_width(net, X, y):
    net.set_params(module__input_dim=X.shape[-1])


@pytest.mark.parametrize(
    "given", [InputShapeSetter(), callback(on_train_begin=set_width)], ids=["skorch's", "own"]
)
def test_a_callback_that_sets_a_width_is_told_what_the_network_is_built_from(
    autoencoder, digits, given
):
    with_parameters(autoencoder, callbacks=[given])

    with pytest.raises(ValueError, match=r"module__input_dim.*64 features"):
        autoencoder.fit(digits)


class Saving(Callback):
    """Pickles the net, and a copy of it, at each event."""

    def __init__(self):
        self.saved = []

    def save(self, net, **kwargs):
        pickles = [pickle.dumps(net), pickle.dumps(deepcopy(net))]
        loaded = pickle.loads(pickles[0])
        self.saved.append((max(map(len, pickles)), [name for name, _ in loaded.callbacks_]))


for event in EVENTS:
    setattr(Saving, event, Saving.save)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_is_saved_of_a_net_in_training_has_neither_rows_nor_guests(digits, method):
    rows = np.tile(digits, (20, 1))

    fitted = getattr(small(max_epochs=2, batch_size=2000, callbacks=[Saving()]), method)(rows)

    saved = dict(fitted.net_.callbacks_)["Saving"].saved
    assert len(saved) == 2 + 2 * fitted.n_iter_ + 3 * 2 * fitted.n_iter_
    # Beside the weights there are two moments of each.
    weights = sum(weight.nbytes for weight in fitted.net_.module_.state_dict().values())
    assert max(size for size, _ in saved) < 3 * weights + 50_000 < rows.nbytes / 4
    assert all(names == [name for name, _ in fitted.net_.callbacks_] for _, names in saved)


@pytest.mark.parametrize("Kind", [Checkpoint, TrainEndCheckpoint])
def test_a_checkpoint_of_the_whole_net_is_of_the_net_alone_and_can_be_used(
    autoencoder, digits, tmp_path, Kind
):
    rows = np.tile(digits, (20, 1))
    options = {"monitor": None} if Kind is Checkpoint else {}
    checkpoint = Kind(dirname=str(tmp_path), f_pickle="net.pkl", **options)

    fitted = with_parameters(autoencoder, callbacks=[checkpoint]).fit(rows)

    (path,) = tmp_path.glob("*net.pkl")
    assert path.stat().st_size < 5 * len(pickle.dumps(fitted.net_.module_)) < rows.nbytes
    net = pickle.loads(path.read_bytes())
    assert net.predict(digits).shape == digits.shape
    assert len(net.fit(digits).history) == fitted.max_epochs


class Locked(Callback):
    """Holds what can't be copied or pickled while, and after, it listens."""

    def on_train_begin(self, net, **kwargs):
        self.net_, self.lock_ = net, Lock()


def test_a_callback_that_cannot_be_copied_stands_in_nobodys_way(autoencoder, digits):
    with_parameters(autoencoder, callbacks=[Locked()], warm_start=True)

    autoencoder.fit(digits).partial_fit(digits).partial_fit(digits).fit(digits)

    copied = deepcopy(autoencoder)
    assert_array_equal(copied.transform(digits), autoencoder.transform(digits))
    assert_array_equal(
        copied.partial_fit(digits).transform(digits),
        autoencoder.partial_fit(digits).transform(digits),
    )


class Mistaken(Callback):
    """Looks for what is nowhere."""

    def on_epoch_end(self, net, **kwargs):
        """Look."""
        raise KeyError("my own key")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_mistake_in_a_callback_is_told_in_its_own_words(autoencoder, digits, early_stopping):
    parameters = {"callbacks": [Mistaken()], "early_stopping": early_stopping}

    with pytest.raises(KeyError, match=r"^'my own key'$"):
        with_parameters(autoencoder, **parameters).fit(digits)
