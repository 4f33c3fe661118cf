"""Fits that go on where a process was killed, and end as if none had been."""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from threading import Lock

import numpy as np
import pytest
import torch
from _testing import small, with_parameters
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from sklearn.datasets import load_digits
from skorch.callbacks import EpochTimer
from torch import nn
from torch.nn.functional import huber_loss
from torch.optim import LBFGS, RMSprop

from sklearn_ae import AutoencoderTransformer, VariationalAutoencoderTransformer, save
from sklearn_ae._checkpoint import KeepCheckpoint

X, Y = load_digits(return_X_y=True)
FEW = X[:200]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.skae"


def assert_same(actual, expected):
    weights = [each.net_.module_.state_dict() for each in (actual, expected)]
    for name, weight in weights[1].items():
        assert_array_equal(weights[0][name], weight, err_msg=name)
    names = ("loss_curve_", "validation_loss_curve_", "best_loss_", "best_epoch_", "shrinkage_")
    for name in (*names, "pca_loss_"):
        assert getattr(actual, name) == getattr(expected, name), name


# It ends as if nothing had been between

PLAIN = {"tol": 0, "n_iter_no_change": 10, "max_epochs": 6}
VARIANTS = {
    "constant": {},
    "one cycle": {"lr_schedule": "one_cycle"},
    "cosine, autograd": {"lr_schedule": "cosine", "optimizer": RMSprop},
    "LBFGS": {"lr_schedule": "cosine", "optimizer": LBFGS, "lr": 0.1},
    "held out": {"early_stopping": True, "validation_fraction": 0.3},
    "cross-validated": {"early_stopping": "auto", "lr_schedule": "one_cycle"},
    "noise": {"noise": "masking", "trim": 0.1, "target_weight": 1.0},
    "warm-up": {"kl_warmup": 4, "free_bits": 0.1},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_was_killed_ends_as_the_whole_one(autoencoder, path, killed_after, variant):
    parameters = {**PLAIN, **VARIANTS[variant]}
    whole = with_parameters(autoencoder, **parameters).fit(FEW, Y[:200])
    for n_epochs in (1, 4, 6):
        again = type(autoencoder)(**{**autoencoder.get_params(), "checkpoint": path})
        killed_after(again, n_epochs, FEW, Y[:200])
        assert_same(again.fit(FEW, Y[:200]), whole)
        path.unlink()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_that_stops_early_stops_where_it_would(path, killed_after):
    parameters = {"max_epochs": 30, "tol": 0.02, "n_iter_no_change": 2}
    whole = small(**parameters).fit(FEW)
    assert 2 < whole.n_iter_ < 30
    again = small(**parameters, checkpoint=path)
    killed_after(again, whole.n_iter_ - 1, FEW)
    assert_same(again.fit(FEW), whole)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_without_a_seed_it_goes_on_with_that_of_the_first(path, killed_after):
    fit = small(checkpoint=path, random_state=None, noise="masking", max_epochs=5)
    killed_after(fit, 2, FEW)
    seed = small(checkpoint=path, random_state=None, noise="masking", max_epochs=5).fit(FEW)
    again = small(checkpoint=path, random_state=None, noise="masking", max_epochs=5).fit(FEW)
    assert seed.net_.module.net_seed == again.net_.module.net_seed
    assert_same(again, seed)


def test_a_fit_that_had_ended_is_there_at_once(path, monkeypatch):
    parameters = {"checkpoint": path, "lr_schedule": "one_cycle", "max_epochs": 20}
    first = small(**parameters).fit(FEW)
    monkeypatch.setattr(type(first.net_), "train_epoch", None)
    assert_same(small(**parameters).fit(FEW), first)


def test_it_is_kept_every_few_epochs(path, killed_after):
    fit = small(checkpoint=path, checkpoint_every=3, max_epochs=8)
    killed_after(fit, 5, FEW)
    read = []
    train_epoch = type(small().fit(FEW).net_).train_epoch

    def counted(net, *args):
        read.append(len(net.history))
        return train_epoch(net, *args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sklearn_ae._training.net.AutoencoderNet.train_epoch", counted)
        fit.fit(FEW)
    assert read == [4, 5, 6, 7, 8]


def test_nothing_is_written_where_none_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small().fit(FEW)
    assert not list(tmp_path.iterdir())


# Killed by the system

FIT_AND_BE_KILLED = """
import os, random, signal, sys, time, warnings
import numpy as np
from sklearn.datasets import load_digits
from sklearn_ae import AutoencoderTransformer, load, save

warnings.simplefilter("ignore")
folder, n_kills = sys.argv[1], int(sys.argv[2])
X = load_digits().data
autoencoder = AutoencoderTransformer(
    8, hidden_layer_sizes=(64,), max_epochs=120, noise="masking", random_state=0
)
clock = time.perf_counter()
autoencoder.fit(X)
# Half of that is all that the kills take: by its checkpoints, and anew each time, it takes longer.
duration = time.perf_counter() - clock
random.seed(0)
kept, n_killed = autoencoder.set_params(checkpoint=os.path.join(folder, "training.skae")), 0
while True:
    child = os.fork()
    if child == 0:
        kept.fit(X)
        save(kept.set_params(checkpoint=None), os.path.join(folder, "model.skae"))
        os._exit(0)
    if n_killed < n_kills:
        time.sleep(random.uniform(0, duration / n_kills))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        n_killed += 1
        continue
    assert status == 0, status
    break
assert n_killed == n_kills, n_killed
whole = autoencoder.net_.module_.state_dict()
found = load(os.path.join(folder, "model.skae")).net_.module_.state_dict()
assert all((found[name] == weight).all() for name, weight in whole.items())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_is_killed_twenty_times_loses_nothing(tmp_path):
    arguments = [sys.executable, "-c", FIT_AND_BE_KILLED, tmp_path, "20"]
    subprocess.run(arguments, check=True, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"})


FIT_ON_A_FULL_DISK = """
import resource, signal, sys, warnings
from sklearn.datasets import load_digits
from sklearn_ae import AutoencoderTransformer

X, path = load_digits().data[:200], sys.argv[1]
parameters = dict(hidden_layer_sizes=(16,), tol=1.0, n_iter_no_change=5, random_state=0)
parameters |= dict(early_stopping=False, lr_schedule="constant")
whole = AutoencoderTransformer(4, max_epochs=6, **parameters).fit(X)
kept = AutoencoderTransformer(4, max_epochs=6, checkpoint=path, **parameters)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
write = __import__("sklearn_ae._checkpoint")._checkpoint.write_file

def full_after_two(path, *args, **kwargs):
    if len(args[1]["net"].history) == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    write(path, *args, **kwargs)

sys.modules["sklearn_ae._checkpoint"].write_file = full_after_two
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    kept.fit(X)
(told,) = [each for each in told if "could not be written" in str(each.message)]
assert "after epoch 3" in str(told.message), told
assert (kept.transform(X) == whole.transform(X)).all()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
read = sys.modules["sklearn_ae._checkpoint"].read_file
from pathlib import Path
assert len(read(Path(path), "checkpoint", own={})["net"].history) == 2
sys.modules["sklearn_ae._checkpoint"].write_file = write
again = AutoencoderTransformer(4, max_epochs=6, checkpoint=path, **parameters).fit(X)
assert (again.transform(X) == whole.transform(X)).all()
"""


@pytest.mark.skipif(os.name != "posix", reason="files have no limit of size")
def test_where_nothing_more_can_be_written_the_last_checkpoint_stays_and_the_fit_goes_on(path):
    subprocess.run([sys.executable, "-c", FIT_ON_A_FULL_DISK, path], check=True, timeout=300)
    assert list(path.parent.iterdir()) == [path]


def test_it_is_said_once_that_it_can_not_be_written(path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sklearn_ae._checkpoint.write_file", full)
    with pytest.warns(UserWarning, match="after epoch 1: .*No space left.* The last one") as told:
        fitted = small(checkpoint=path).fit(FEW)
    assert len(told) == 1
    assert_array_equal(fitted.transform(FEW), small().fit(FEW).transform(FEW))


# What is refused

OF_DATA = {
    "sample_weight": np.arange(200) + 1.0,
    "observed": FEW < 20,
    "X_corrupted": FEW + 1,
    "X_val": X[200:300],
}


@pytest.mark.parametrize("name", ["X", "y", *OF_DATA])
def test_other_data_are_refused_by_name(path, name):
    weight = 0.0 if name == "X_val" else 1.0
    first = small(checkpoint=path, target_weight=weight).fit(FEW, Y[:200])
    before = first.transform(FEW)
    rows, labels, more = FEW, Y[:200], {}
    if name == "X":
        rows = np.where(np.arange(64) == 63, FEW + 1e-6, FEW)
    elif name == "y":
        labels = labels[::-1]
    else:
        more = {name: OF_DATA[name]}
    with pytest.raises(
        ValueError, match=rf"^{name}: the checkpoint .* is of a fit with other data"
    ):
        first.fit(rows, labels, **more)
    assert_array_equal(first.transform(FEW), before)


@pytest.mark.parametrize(
    "other",
    [
        {"max_epochs": 7},
        {"lr": 1e-2},
        {"random_state": 1},
        {"noise_level": np.linspace(0, 1, 64)},
        {"optimizer": RMSprop},
        {"precision": "float64"},
        {"encoding_dim": 3},
    ],
    ids=lambda other: next(iter(other)),
)
def test_other_parameters_are_refused_by_name(path, other):
    small(checkpoint=path).fit(FEW)
    (name,) = other
    with pytest.raises(ValueError, match=rf"(?s)^{name}=.* is of a fit with {name}="):
        small(checkpoint=path).set_params(**other).fit(FEW)


class Powers:
    def __init__(self, power):
        self.power = power

    def loss(self, output, target):
        return (output - target).abs() ** self.power


class Powered(nn.Module):
    def __init__(self, power, weight=1.0):
        super().__init__()
        self.power = power
        self.register_buffer("weight", torch.tensor(weight))

    def forward(self, output, target):
        return self.weight * (output - target).abs() ** self.power


def by_default(power):
    def loss(output, target, *, power=power):
        return (output - target).abs() ** power

    return loss


def in_a_cell(power):
    def loss(output, target):
        return (output - target).abs() ** power

    return loss


def calling_itself(power):
    def loss(output, target, n_times=2):
        return loss(output, target, n_times - 1) if n_times else (output - target).abs() ** power

    return loss


def with_an_empty_cell(power):
    def loss(output, target):
        return (output - target).abs() ** power if power else later

    if not power:
        later = None
    return loss


def with_what_can_not_be_pickled(power):
    class Locked(Powers):
        __call__ = Powers.loss

    loss = Locked(power)
    loss.lock = Lock()
    return loss


def with_a_sparse_tensor(weight):
    loss = Powered(2.0)
    loss.register_buffer("sparse", weight * torch.eye(3).to_sparse())
    return loss


def of_a_record(power):
    @dataclass
    class Record:
        power: float

    record = Record(power)

    def loss(output, target):
        return (output - target).abs() ** record.power

    return loss


def in_code(is_steep):
    if is_steep:

        def loss(output, target):
            return (output - target) ** 4
    else:

        def loss(output, target):
            return (output - target).abs()

    return loss


def layers(function):
    class Layers(nn.Linear):
        def forward(self, rows):
            return function(super().forward(rows))

    return Layers


def derived(function):
    class Derived(layers(function)):
        pass

    return Derived


def with_all_kinds(number):
    class Layers(nn.Linear):
        hidden = 3

        @staticmethod
        def twice(rows):
            return 2 * rows

        @classmethod
        def number(cls):
            return number

        @property
        def half(self):
            return number / 2

        def forward(self, rows):
            return self.half * self.number() * self.twice(super().forward(rows))

    return Layers


POWERS = 1.5, 4.0
WITH_CODE = {
    "functions of one name": ("loss", in_code, (True, False)),
    "defaults": ("loss", by_default, POWERS),
    "cells": ("loss", in_a_cell, POWERS),
    "a function that calls itself": ("loss", calling_itself, POWERS),
    "empty cells": ("loss", with_an_empty_cell, POWERS),
    "locks": ("loss", with_what_can_not_be_pickled, POWERS),
    "partials": ("loss", lambda delta: partial(huber_loss, reduction="none", delta=delta), POWERS),
    "methods": ("loss", lambda power: Powers(power).loss, POWERS),
    "modules": ("loss", Powered, POWERS),
    "modules that hold tensors": ("loss", lambda weight: Powered(2.0, weight), POWERS),
    "modules that hold sparse tensors": ("loss", with_a_sparse_tensor, (1.0, 2.0)),
    "what a cell holds": ("loss", of_a_record, POWERS),
    "scripts": ("loss", lambda power: torch.jit.script(Powered(power)), POWERS),
    "classes": ("encoder", layers, (torch.tanh, torch.sigmoid)),
    "what classes are derived from": ("encoder", derived, (torch.tanh, torch.sigmoid)),
    "properties": ("encoder", with_all_kinds, (2.0, 3.0)),
}


@pytest.mark.parametrize("name", WITH_CODE)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_other_code_of_the_same_name_is_refused(path, name):
    parameter, make, (one, other) = WITH_CODE[name]
    small(checkpoint=path, **{parameter: make(one)}).fit(FEW)
    small(checkpoint=path, **{parameter: make(one)}).fit(FEW)
    with pytest.raises(ValueError, match=rf"(?s)^{parameter}="):
        small(checkpoint=path, **{parameter: make(other)}).fit(FEW)


def test_it_stays_where_it_was_whatever_folder_a_fit_goes_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    other.mkdir()

    write = KeepCheckpoint.on_epoch_end

    def wandering(self, net, **kwargs):
        os.chdir(other)
        write(self, net, **kwargs)

    monkeypatch.setattr(KeepCheckpoint, "on_epoch_end", wandering)
    small(checkpoint="training.skae").fit(FEW)
    assert (tmp_path / "training.skae").exists()
    assert not list(other.iterdir())


FIT_WITH_A_SET = """
import sys, warnings
from sklearn.datasets import load_digits
from sklearn_ae import AutoencoderTransformer

warnings.simplefilter("ignore")

def loss(output, target, kind="one"):
    return (output - target) ** (2 if kind in {"one", "two", "three"} else 4)

parameters = dict(hidden_layer_sizes=(16,), early_stopping=False, random_state=0, max_epochs=2)
X = load_digits().data[:200]
AutoencoderTransformer(4, loss=loss, checkpoint=sys.argv[1], **parameters).fit(X)
"""


def test_code_is_the_same_in_another_process(path):
    """Where sets have another order."""
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", FIT_WITH_A_SET, path]
        subprocess.run(command, check=True, timeout=300, env=environment)


def test_other_names_of_classes_are_refused(path):
    of_numbers = small(checkpoint=path, target_weight=1.0)
    of_numbers.fit(FEW, Y[:200] % 2)
    words = np.array(["ham", "spam"])[Y[:200] % 2]
    with pytest.raises(ValueError, match=r"^y: the checkpoint"):
        small(checkpoint=path, target_weight=1.0).fit(FEW, words)


SAME = {
    "in Fortran's order": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "lists": lambda X: X.tolist(),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_rows_are_the_same_however_they_lie(path, name):
    small(checkpoint=path).fit(FEW)
    small(checkpoint=path).fit(SAME[name](FEW))


def test_sparse_rows_are_the_same_whatever_scipy_has_looked_at(path):
    rows = csr_matrix(FEW)
    small(checkpoint=path).fit(rows)
    assert rows.has_sorted_indices
    small(checkpoint=path).fit(csr_matrix(FEW))
    small(checkpoint=path).fit(csr_array(FEW))


def test_a_random_state_that_has_drawn_is_another(path):
    random_state = np.random.RandomState(0)
    small(checkpoint=path, random_state=random_state).fit(FEW)
    with pytest.raises(ValueError, match="of other contents"):
        small(checkpoint=path, random_state=random_state).fit(FEW)
    small(checkpoint=path, random_state=np.random.RandomState(0)).fit(FEW)


def test_what_is_only_shown_may_differ(path, killed_after):
    killed_after(small(checkpoint=path), 1, FEW)
    small(checkpoint=path, checkpoint_every=2, verbose=1).fit(FEW)


def test_another_estimator_is_refused(path):
    small(checkpoint=path).fit(FEW)
    other = VariationalAutoencoderTransformer(4, checkpoint=path)
    with pytest.raises(ValueError, match="estimator=VariationalAutoencoderTransformer: "):
        other.fit(FEW)


def test_files_that_are_no_checkpoints_are_refused_and_left(path):
    for content in (b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="can't be gone on from"):
            small(checkpoint=path).fit(FEW)
        assert path.read_bytes() == content
    save(small(), path)
    with pytest.raises(ValueError, match="describes no checkpoint"):
        small(checkpoint=path).fit(FEW)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"warm_start": True}, "warm_start=True: a checkpoint"),
        ({"callbacks": [("timer", EpochTimer())]}, "callbacks=.*: a checkpoint"),
        ({"checkpoint": "nowhere/at/all"}, "there is no folder 'nowhere/at'"),
        ({"checkpoint": "."}, "it is a folder"),
        ({"checkpoint": 3}, "'checkpoint' parameter"),
        ({"checkpoint_every": 0}, "'checkpoint_every' parameter"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_go_with_it_is_refused(path, parameters, match):
    with pytest.raises(ValueError, match=match):
        AutoencoderTransformer(**{"checkpoint": path, **parameters}).fit(FEW)
