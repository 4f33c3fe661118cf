"""Time of using what is fitted: many rows at once, and one."""

from collections.abc import Callable
from copy import deepcopy
from timeit import Timer

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data
from torch import nn

from benchmarks.cases import CASES
from benchmarks.report import Report
from benchmarks.task import Task, textbook_network
from benchmarks.timing import Ratio, in_pairs, threads, timed
from sklearn_ae import AutoencoderTransformer

_N_ROWS, _CHUNK = 60_000, 2_048
_CALLS_A_BLOCK = 200


def many_rows(report: Report, n_threads: int, n_rounds: int | None = None) -> None:
    """Compare `transform` with the bare encoder in chunks, and time the other methods."""
    task = CASES["fashion-256"].task
    estimator, encoder = _fitted(task)
    X = np.random.default_rng(0).random((_N_ROWS, task.sizes[0]), dtype=np.float32)
    output = np.empty((_N_ROWS, task.encoding_dim), dtype=np.float32)
    chunked = torch.from_numpy(output)

    def bare() -> None:
        x = torch.from_numpy(X)
        with torch.inference_mode():
            for first in range(0, _N_ROWS, _CHUNK):
                chunked[first : first + _CHUNK] = encoder(x[first : first + _CHUNK])

    with threads(n_threads):
        codes = estimator.transform(X)  # the warm-up
        bare()
        np.testing.assert_allclose(output, codes, rtol=1e-4, atol=1e-5)
        ours, reference = in_pairs(
            lambda: timed(estimator.transform, X)[0], lambda: timed(bare)[0], n_rounds or 9
        )
        seconds = {"transform": ours, "bare encoder": reference}
        for name, argument in (
            ("inverse_transform", codes),
            ("reconstruct", X),
            ("score_samples", X),
        ):
            seconds[name] = [timed(getattr(estimator, name), argument)[0] for _ in range(3)]
    report.measured[f"many rows, threads: {n_threads}"] = seconds
    ratio = Ratio.of(ours, reference)
    report.table(
        f"Using: {_N_ROWS:,} rows, {task.label}, threads: {n_threads}, pairs: {len(ours)}",
        ("method", "s", "rows/s", "over the bare encoder"),
        (
            (
                name,
                f"{np.median(taken):.3f}",
                f"{_N_ROWS / np.median(taken):,.0f}",
                ratio if name == "transform" else "",
            )
            for name, taken in seconds.items()
        ),
    )
    if n_threads == 1:
        what = f"transform of {_N_ROWS:,} rows: time over the bare encoder in chunks"
        report.end(what, ratio, 1.10)


def one_row(report: Report, n_rounds: int | None = None) -> None:
    """Compare `transform` of one row with what checks it and runs the encoder."""
    lines = []
    for task in (CASES["fashion-256"].task, CASES["digits"].task):
        estimator, encoder = _fitted(task)
        row = np.random.default_rng(0).random((1, task.sizes[0]), dtype=np.float32)
        plain = _plain(estimator, encoder)
        np.testing.assert_allclose(estimator.transform(row), plain(row), rtol=1e-4, atol=1e-5)
        with threads(1):
            ours, reference = in_pairs(
                _block(estimator.transform, row), _block(plain, row), n_rounds or 15
            )
        ratio = Ratio.of(ours, reference)
        report.measured[f"one row, {task.label}"] = {"transform": ours, "plain": reference}
        lines.append(
            (
                task.label,
                *(f"{1e6 * np.median(seconds):.1f}" for seconds in (ours, reference)),
                ratio,
            )
        )
        report.end(
            f"transform of one row, {task.label}: time over validate_data and encoder", ratio, 0.5
        )
    report.table(
        f"Using: one row, one thread, pairs: {len(ours)}, of {_CALLS_A_BLOCK} calls",
        ("network", "transform, µs", "validate_data and encoder, µs", "ratio"),
        lines,
    )


def _fitted(task: Task) -> tuple[AutoencoderTransformer, nn.Sequential]:
    """Give a fitted estimator and a copy of its encoder as plain layers."""
    rows = np.random.default_rng(0).random((512, task.sizes[0]), dtype=np.float32)
    estimator = textbook_network(task, seed=0).set_params(max_epochs=1).fit(rows)
    encoder = estimator.encoder_.encoder  # scaling=None: the units do nothing
    return estimator, deepcopy(encoder)


def _plain(
    estimator: AutoencoderTransformer, encoder: nn.Sequential
) -> Callable[[NDArray], NDArray]:
    def transform(row: NDArray) -> NDArray:
        row = validate_data(estimator, row, reset=False)
        with torch.inference_mode():
            return encoder(torch.from_numpy(row)).numpy()

    return transform


def _block(transform: Callable[[NDArray], NDArray], row: NDArray) -> Callable[[], float]:
    """Give a measurement: the seconds of a call, over a block of them."""
    timer = Timer(lambda: transform(row))
    return lambda: timer.timeit(_CALLS_A_BLOCK) / _CALLS_A_BLOCK
