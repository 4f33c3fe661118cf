"""Which rows the weights are judged by: some that are held out, or, of few, all in turns."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, train_test_split

from sklearn_ae._building import Specification, _Building
from sklearn_ae._input import rows_that_count
from sklearn_ae._starting import new_net
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.callbacks import Convergence, KeepBest
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.shrinkage import best_shrinkage, losses_along
from sklearn_ae._training.split import Split
from sklearn_ae._training.statistics import moments
from sklearn_ae._validation import check_monitors, look_at_validation

# The tenth of fewer rows is too small to choose weights by: measured in benchmarks/defaults.py.
_MIN_ROWS_TO_HOLD_OUT = 1_000
# Of fewer, the batches of the fast pace are nearly all rows, and its epochs most of the time.
_MIN_ROWS_TO_HURRY = 100
# At two paces a fit then takes up to five times that of a plain one: benchmarks/tables.py.
_N_FOLDS = 3
# Fewer in a fold than two have no spread.
_MIN_ROWS_OF_FOLDS = 2 * _N_FOLDS


def split_rows(plain: _Building, checked: Rows, validation: Rows | None, seed: int) -> Split:
    """Hold rows out, where none are given to judge the weights by.

    Raises
    ------
    ValueError
        If no row would be left on one side.
    """
    rows = rows_that_count(checked, weight_dtype(plain))
    if validation is not None:
        return Split(rows, rows, rows_that_count(validation, weight_dtype(plain)))
    if not _holds_out(plain, len(rows)):
        check_monitors(plain.callbacks)
        return Split(rows, rows)
    n_held_out = round(plain.validation_fraction * len(rows))
    if not 1 <= n_held_out < len(rows):
        raise ValueError(
            f"validation_fraction={plain.validation_fraction} of {len(rows)} rows leaves "
            "none on one side. Change it, or use early_stopping=False."
        )
    train, held_out = train_test_split(
        np.arange(len(rows)), test_size=n_held_out, random_state=seed
    )
    return Split(rows, rows.subset(train), rows.subset(held_out))


def _holds_out(plain: _Building, n_samples: int) -> bool:
    if plain.early_stopping == "auto":
        return n_samples >= _MIN_ROWS_TO_HOLD_OUT or look_at_validation(plain.callbacks)
    return bool(plain.early_stopping)


def weight_dtype(plain: _Building) -> str:
    """Give the dtype that weights of rows are to have."""
    return "float64" if plain.precision == "float64" else "float32"


# Few rows


def is_cross_validated(plain: _Building, split: Split) -> bool:
    """Whether how far the weights go from their start is to be chosen by all rows in turns."""
    few = split.validation is None and len(split.train) >= _MIN_ROWS_OF_FOLDS
    return few and plain.early_stopping == "auto"


def cross_validated(net: AutoencoderNet, plain: _Building, rows: Rows) -> AutoencoderNet:
    """Give a net the pace at which it is best trained, and how far to take its weights back.

    For each fold nets of the same parameters are trained on the other rows, and held against
    the fold along their way. The user's callbacks do not hear of it.

    Parameters
    ----------
    net : AutoencoderNet
        Before its first epoch.
    plain : _Building
    rows : Rows
        Those that are to be trained on.

    Returns
    -------
    net : AutoencoderNet
        On the same network.
    """
    given: Specification = net.module
    paces = ("slow", "fast") if len(rows) >= _MIN_ROWS_TO_HURRY else ("slow",)
    # They are one where the user left nothing open.
    ways = {replace(given, pace=pace).steps: pace for pace in paces}
    found = [
        (*best_shrinkage(losses), pace)
        for pace in ways.values()
        if len(losses := list(_losses_of_folds(given, plain, rows, pace))) > 1
    ]
    if not found:
        return net
    _, shrinkage, pace = max(found)
    chosen = replace(given, pace=pace).build_net(net.module_)
    chosen.starts_at_pca_, chosen.shrinkage_ = net.starts_at_pca_, shrinkage
    return chosen


def _losses_of_folds(
    given: Specification, plain: _Building, rows: Rows, pace: str
) -> Iterator[NDArray[np.float64]]:
    """Give the losses of each fold along the way of a net that is trained on the others."""
    quiet = copy(plain)
    quiet.callbacks, quiet.verbose = None, 0
    quiet.encoding_dim = given.encoding_dim  # which part of the rows may give another
    for train, fold in _folds(rows, given.net_seed):
        net, start = new_net(
            quiet,
            train,
            train,
            given.module_seed,
            given.net_seed,
            target=given.target,
            pace=pace,
        )
        if start is None or start.is_lossless:
            continue
        keep_best = KeepBest()
        with net.joined_by([keep_best], [convergence_of(plain, net.max_epochs)]):
            net.partial_fit(Split(train, train))
        if net.interrupted_:  # there is no epoch of the fit to keep
            raise KeyboardInterrupt
        yield losses_along(net, keep_best.first_weights_, fold)


def _folds(rows: Rows, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Give the rows to train on, and those of a fold, as often as there is something to learn."""
    folds = KFold(_N_FOLDS, shuffle=True, random_state=seed)
    for others, fold in folds.split(np.arange(len(rows))):
        train = rows.subset(others)
        if moments(train).deviation.any():
            yield train, rows.subset(fold)


def convergence_of(plain: _Building, max_epochs: int) -> Convergence:
    """Give what ends a training."""
    scheduled = plain.lr_schedule != "constant"
    return Convergence(plain.tol, plain.n_iter_no_change, max_epochs, scheduled)
