"""What the training listens to: the best weights, its end, and the bar."""

import io
import sys
from types import SimpleNamespace

import pytest
import torch
import tqdm.asyncio
import tqdm.notebook
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from skorch.history import History
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training import callbacks
from sklearn_ae._training.callbacks import Convergence, KeepBest
from sklearn_ae._training.split import Split

X = load_digits().data[:200]


class Net:
    """A net of one weight. The loss over rows is its squared distance to a number."""

    def __init__(self, weight, *, rows, validation=None):
        self.module_ = nn.Linear(1, 1)
        self.history = History()
        self.data = Split(rows, rows, validation)
        self.best_epoch_, self.shrinkage_ = 0, None
        self.weight = weight

    @property
    def weight(self):
        return self.module_.weight.item()

    @weight.setter
    def weight(self, value):
        nn.init.constant_(self.module_.weight, value)

    def evaluate(self, rows):
        return (self.weight - rows) ** 2

    def train(self, callback, weights):
        """Go through some weights, as if each were that of an epoch."""
        callback.on_train_begin(self, X=self.data)
        for self.weight in weights:
            self.history.new_epoch()
            self.history.record("train_loss", self.evaluate(self.data.train))
            if self.data.validation is not None:
                self.history.record("valid_loss", self.evaluate(self.data.validation))
            callback.on_epoch_end(self)
        callback.on_train_end(self)
        return self


def test_the_weights_of_least_loss_are_kept():
    net = Net(5.0, rows=0.0).train(KeepBest(), [3.0, 1.0, 2.0])
    assert net.weight == 1
    assert (net.best_epoch_, net.best_loss_) == (2, 1)


def test_the_start_is_kept_where_no_epoch_is_better():
    net = Net(1.0, rows=0.0).train(KeepBest(), [3.0, -1.5, 2.0])
    assert net.weight == 1
    assert (net.best_epoch_, net.best_loss_) == (0, 1)


def test_validation_rows_say_which_weights_are_best():
    net = Net(5.0, rows=0.0, validation=2.0).train(KeepBest(), [3.0, 2.5, 1.0])
    assert net.weight == 2.5
    assert (net.best_epoch_, net.best_loss_, net.start_loss_) == (2, 0.25, 9)


def test_weights_that_only_validation_rows_like_are_not_kept():
    net = Net(2.0, rows=0.0, validation=9.0).train(KeepBest(), [5.0, 9.0])
    assert net.weight == 2
    assert (net.best_epoch_, net.best_loss_) == (0, 49)


def test_all_rows_say_whether_the_start_is_beaten_and_not_those_trained_on():
    net = Net(2.0, rows=4.0, validation=5.0)
    net.data = net.data._replace(train=0.0)  # which like the start better
    net.train(KeepBest(), [5.0])
    assert net.weight == 5
    assert (net.best_epoch_, net.best_loss_) == (1, 0)


def test_weights_that_are_no_number_are_not_kept():
    net = Net(2.0, rows=0.0)

    class Broken(KeepBest):
        def on_epoch_end(self, net, **kwargs):
            super().on_epoch_end(net, **kwargs)
            self.weights_ = {name: w * torch.nan for name, w in self.weights_.items()}

    net.train(Broken(), [1.0])
    assert net.weight == 2
    assert net.best_epoch_ == 0


def test_what_a_module_keeps_beside_tensors_is_kept():
    class Counting(nn.Linear):
        def get_extra_state(self):
            return {"epochs": [self.weight.item()]}

        def set_extra_state(self, state):
            self.seen = state["epochs"]

    net = Net(5.0, rows=0.0)
    net.module_ = Counting(1, 1)
    net.weight = 5.0
    net.train(KeepBest(), [3.0, 1.0, 2.0])
    assert net.module_.seen == [1.0]


def test_a_start_that_does_not_count_is_not_kept_and_costs_no_pass():
    net = Net(1.0, rows=0.0)
    evaluate, passes = net.evaluate, []
    net.evaluate = lambda rows: passes.append(rows) or evaluate(rows)
    net.train(KeepBest(includes_start=False), [3.0, -2.0])
    assert net.weight == -2
    assert (net.best_epoch_, net.best_loss_) == (2, 4)
    assert len(passes) == 2  # one an epoch, of this test's own


def test_without_an_epoch_there_is_nothing_but_the_start():
    net = Net(1.0, rows=0.0, validation=3.0).train(KeepBest(includes_start=False), [])
    assert (net.weight, net.best_epoch_, net.best_loss_) == (1, 0, 4)


def test_the_loss_of_an_epoch_that_is_kept_is_measured_as_that_of_the_start():
    running_mean, net = 10.0, Net(5.0, rows=0.0)

    class Running(KeepBest):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("train_loss", running_mean)  # greater than that of the weights
            super().on_epoch_end(net, **kwargs)

    net.train(Running(), [3.0])
    assert (net.weight, net.best_epoch_, net.best_loss_) == (3, 1, 9)


def test_a_net_may_be_settled_before_the_training_ends_and_the_training_goes_on():
    net, settled = Net(5.0, rows=0.0), []

    class Settling(KeepBest):
        def on_epoch_end(self, net, **kwargs):
            super().on_epoch_end(net, **kwargs)
            weight = net.weight
            self.settle(net)
            settled.append((net.weight, net.best_epoch_, net.best_loss_))
            net.weight = weight

    net.train(Settling(), [6.0, 3.0, 4.0, 1.0])
    assert settled == [(5, 0, 25), (3, 2, 9), (3, 2, 9), (1, 4, 1)]
    assert (net.weight, net.best_epoch_, net.best_loss_) == (1, 4, 1)


@pytest.mark.parametrize(("validation", "best_loss"), [(None, 1), (2.0, 1)])
def test_an_interrupt_of_the_comparison_with_the_start_keeps_the_epochs(validation, best_loss):
    class Interrupted(KeepBest):
        def on_train_end(self, net, **kwargs):
            def evaluate(rows):
                raise KeyboardInterrupt

            net.evaluate = evaluate
            super().on_train_end(net, **kwargs)

    net = Net(5.0, rows=0.0, validation=validation).train(Interrupted(), [3.0, 1.0])
    assert net.interrupted_
    assert net.best_loss_ == best_loss
    assert net.best_epoch_ == (2 if validation is None else 1)


# The end of a training


def _epochs_of(callback, losses, *, name="train_loss"):
    """Give the number of epochs that a callback lets a training with these losses have."""
    validation = None if name == "train_loss" else 0.0
    net = SimpleNamespace(history=History())
    callback.on_train_begin(net, X=Split(0.0, 0.0, validation))
    for loss in losses:
        net.history.new_epoch()
        net.history.record("train_loss", loss if validation is None else 0.0)
        net.history.record(name, loss)
        try:
            callback.on_epoch_end(net)
        except KeyboardInterrupt:
            break
    callback.on_train_end(net)
    return len(net.history), callback.ran_out(net)


@pytest.mark.parametrize("name", ["train_loss", "valid_loss"])
@pytest.mark.parametrize(
    ("losses", "n_epochs"),
    [
        ([5.0, 4.0, 4.0, 4.0, 4.0], 4),
        ([5.0, 4.0, 3.98, 3.97, 0.0], 4),
        ([5.0, 4.0, 3.97, 3.94, 3.93, 3.92, 0.0], 6),  # two small steps add up
        ([5.0, 6.0, 5.5, 0.0], 3),
        ([-1.0, -2.0, -3.0, -3.0, -3.0, -9.0], 5),
        ([0.0, 0.0, 0.0, 0.0], 3),
    ],
)
def test_a_constant_rate_ends_after_epochs_without_improvement(losses, n_epochs, name):
    callback = Convergence(tol=0.01, n_iter_no_change=2, max_epochs=100, scheduled=False)
    assert _epochs_of(callback, losses, name=name) == (n_epochs, False)


def test_a_schedule_is_gone_through_to_its_end():
    callback = Convergence(tol=0.01, n_iter_no_change=2, max_epochs=6, scheduled=True)
    assert _epochs_of(callback, [5.0, 5.0, 5.0, 5.0, 1.0, 0.999]) == (6, False)


def test_epochs_that_end_before_the_loss_stalls_were_too_few():
    callback = Convergence(tol=0.01, n_iter_no_change=2, max_epochs=3, scheduled=False)
    assert _epochs_of(callback, [5.0, 4.0, 3.0]) == (3, True)


def test_a_loss_that_stalls_in_the_last_epoch_has_converged():
    callback = Convergence(tol=0.01, n_iter_no_change=2, max_epochs=4, scheduled=False)
    assert _epochs_of(callback, [5.0, 4.0, 4.0, 4.0]) == (4, False)


@pytest.mark.parametrize("losses", [[5.0], [5.0, 4.0, 3.5]])
def test_a_schedule_that_ends_while_the_loss_improves_was_too_short(losses):
    callback = Convergence(tol=0.01, n_iter_no_change=2, max_epochs=len(losses), scheduled=True)
    assert _epochs_of(callback, losses) == (len(losses), True)


def test_a_training_that_something_else_ends_did_not_run_out():
    callback = Convergence(tol=0.01, n_iter_no_change=2, max_epochs=10, scheduled=False)
    assert _epochs_of(callback, [5.0, 4.0, 3.0]) == (3, False)


# The bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(name="fit_in_terminal")
def _fit_in_terminal(monkeypatch):
    """Give a function that fits, and gives the estimator and what a terminal shows of it."""

    def fit_in_terminal(**parameters):
        terminal = Terminal()
        # Not when the fixture is set up: pytest would then capture over it.
        monkeypatch.setattr(sys, "stderr", terminal)
        return _fitted(**parameters), terminal.getvalue()

    return fit_in_terminal


def _fitted(**parameters):
    parameters = {
        "hidden_layer_sizes": (8,),
        "lr_schedule": "constant",
        "tol": 0.0,
        "max_epochs": 4,
        "early_stopping": False,
        "random_state": 0,
        **parameters,
    }
    with pytest.warns(ConvergenceWarning):
        return AutoencoderTransformer(3, **parameters).fit(X)


def test_a_terminal_shows_a_bar_with_the_loss_and_that_of_pca(fit_in_terminal):
    autoencoder, shown = fit_in_terminal(verbose=1)
    last = shown.split("\r")[-1]
    assert "4/4" in last
    assert f"loss={autoencoder.loss_:.4g}" in last
    assert f"PCA={autoencoder.pca_loss_:.4g}" in last


def test_the_bar_shows_the_validation_loss_where_there_is_one(fit_in_terminal):
    autoencoder, shown = fit_in_terminal(verbose=1, early_stopping=True)
    last = shown.split("\r")[-1]
    assert f"validation={autoencoder.validation_loss_curve_[-1]:.4g}" in last


def test_the_bar_shows_no_loss_of_pca_where_the_fit_starts_elsewhere(fit_in_terminal):
    _, shown = fit_in_terminal(verbose=1, linear_shortcut=False)
    assert "4/4" in shown
    assert "PCA" not in shown


def test_the_bar_shows_before_the_first_epoch_and_ends_where_a_fit_fails(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(ValueError, match="NaN"):
        AutoencoderTransformer(3, verbose=1).fit([[1.0, float("nan")]] * 9)
    assert "epoch" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")


def test_the_bar_ends_with_its_line(fit_in_terminal):
    _, shown = fit_in_terminal(verbose=1)
    assert shown.endswith("\n")


@pytest.mark.parametrize("verbose", [0, False])
def test_a_terminal_shows_nothing_unless_asked(fit_in_terminal, capsys, verbose):
    _, shown = fit_in_terminal(verbose=verbose)
    assert shown == ""
    assert capsys.readouterr().out == ""


def test_true_is_a_bar(fit_in_terminal):
    _, shown = fit_in_terminal(verbose=True)
    assert "4/4" in shown


def test_a_log_file_stays_silent(monkeypatch, capsys, tmp_path):
    with (tmp_path / "log").open("w+") as log:
        monkeypatch.setattr(sys, "stderr", log)
        _fitted(verbose=1)
        log.seek(0)
        assert log.read() == ""
    assert capsys.readouterr().out == ""


class Widget:
    """Stands in for those of ipywidgets."""

    def __init__(self, children=(), **traits):
        self.children = children
        self.layout = SimpleNamespace()
        self.style = SimpleNamespace()
        self.bar_style = ""
        self.__dict__.update(traits)


def test_a_notebook_shows_a_bar_with_the_loss_and_that_of_pca(monkeypatch, capsys):
    shown = []
    for name in ("IProgress", "HTML", "TqdmHBox"):
        monkeypatch.setattr(tqdm.notebook, name, Widget, raising=False)
    monkeypatch.setattr(tqdm.notebook, "display", shown.append, raising=False)
    # What tqdm.auto gives in a kernel, whose stderr is no terminal.
    in_kernel = type("tqdm", (tqdm.notebook.tqdm, tqdm.asyncio.tqdm), {})
    monkeypatch.setattr(callbacks, "tqdm", in_kernel)

    autoencoder = _fitted(verbose=1)
    (container,) = shown
    _, bar, text = container.children
    assert (bar.value, bar.max) == (4, 4)
    assert f"loss={autoencoder.loss_:.4g}" in text.value
    assert f"PCA={autoencoder.pca_loss_:.4g}" in text.value
    assert capsys.readouterr() == ("", "")


def test_a_line_an_epoch_is_printed_at_verbose_2(fit_in_terminal, capsys):
    autoencoder, bar = fit_in_terminal(verbose=2)
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert "train_loss" in head
    assert len(lines) == autoencoder.n_iter_
    assert f"{autoencoder.loss_curve_[2]:.4f}" in lines[2]
    assert bar == ""
