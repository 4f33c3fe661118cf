"""Time of training: this package, loops written by hand, and the other tools."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import CASES, Case
from benchmarks.report import Report
from benchmarks.task import start_of
from benchmarks.timing import Ratio, matrix_products, rotated, threads, timed
from benchmarks.tools import FUSED_LOOP, LOOP, TOOLS, optional_tools

# Rounds at most of the tools that have no end.
_FEW_ROUNDS = 3

# How much of the loop's test error is allowed to the same network from the same start.
_ERROR_END = 1.01


class Measured(NamedTuple):
    """Seconds and test errors of each tool by round, and the seconds of the bare products."""

    seconds: dict[str, list[float]]
    errors: dict[str, list[float]]
    matrix_products: list[float]
    n_rows: int


def compare(report: Report, name: str, n_threads: int, n_rounds: int | None = None) -> None:
    """Train with each tool once a round, in turns, and print what it took and came to."""
    case = CASES[name]
    title = f"{name}, {n_threads} thread{'s' if n_threads > 1 else ''}"
    rounds = _rounds(report, case, n_threads, n_rounds)
    with threads(n_threads):
        measured = _measure(case, rounds)
    report.measured[title] = measured._asdict()
    _print(report, title, case, measured)

    package = measured.seconds[case.package]
    over_loop = Ratio.of(package, measured.seconds[LOOP])
    if n_threads > 1:
        report.end(f"{title}: time over {LOOP}", over_loop, 1.0, within_noise=True)
        return
    for rival, at_most in case.ends.items():
        ratio = Ratio.of(package, measured.seconds[rival])
        report.end(f"{title}: time over {rival}", ratio, at_most)
    if case.ends:
        ratio = Ratio.of(measured.errors[case.package], measured.errors[LOOP])
        report.end(f"{title}: test error over {LOOP}", ratio, _ERROR_END)
    if case.stretch is not None:
        reached = "reached" if over_loop.median <= case.stretch else "not reached"
        report.note(f"The stretch, {case.stretch:.2f} of the {LOOP}, is {reached}.")


def error(output: NDArray, X: NDArray) -> float:
    """Give the mean squared error, in the units of the data."""
    return float(np.square(output.astype(np.float64) - X).mean())


def _rounds(report: Report, case: Case, n_threads: int, n_rounds: int | None) -> dict[str, int]:
    """Give the rounds of each tool: all of them where it has an end, and a few else."""
    with_end = [case.package, LOOP, FUSED_LOOP]
    if n_threads == 1:
        most, few = case.n_rounds, _FEW_ROUNDS
        with_end.append("MLPRegressor")
    else:
        most, few = case.n_rounds_in_parallel, 1
    rounds = dict.fromkeys(with_end, n_rounds or most)
    optional = optional_tools()
    for tool in ("MLPRegressor", "PCA", "skorch", *optional):
        reason = optional.get(tool)
        if reason is not None:
            report.note(f"{tool} is left out: {reason}.")
        elif tool not in rounds:
            rounds[tool] = min(n_rounds or most, few)
    return rounds


def _measure(case: Case, rounds: Mapping[str, int]) -> Measured:
    train, test = case.load()
    task = case.task
    for tool in rounds:  # warm-up
        short = replace(task, n_epochs=1)
        TOOLS[tool](train[: 2 * task.batch_size], short, start_of(task, seed=0))

    seconds = defaultdict(list)
    errors = defaultdict(list)
    products = []
    for seed in range(max(rounds.values())):
        start = start_of(task, seed)
        for tool in rotated([tool for tool in rounds if seed < rounds[tool]], seed):
            taken, reconstruct = timed(TOOLS[tool], train, task, start)
            seconds[tool].append(taken)
            errors[tool].append(error(reconstruct(test), test))
        epoch = matrix_products(task.widths, task.batch_size, len(train))
        products.append(epoch * task.n_epochs)
    in_order = {tool: seconds[tool] for tool in rounds}
    return Measured(in_order, dict(errors), products, len(train))


def _print(report: Report, title: str, case: Case, measured: Measured) -> None:
    task = case.task
    seconds, errors, products, n_rows = measured
    references = [tool for tool in (LOOP, "MLPRegressor") if tool in seconds]
    lines = []
    for tool in seconds:
        # PCA goes over the rows once and has no layers.
        is_network = tool != "PCA"
        rows = n_rows * (task.n_epochs if is_network else 1)
        share = np.median(np.divide(products[: len(seconds[tool])], seconds[tool]))
        lines.append(
            (
                tool,
                f"{np.median(seconds[tool]):.3g}",
                *(Ratio.of(seconds[tool], seconds[reference]) for reference in references),
                f"{np.median(errors[tool]):.5f}",
                Ratio.of(errors[tool], errors[LOOP]),
                f"{rows / np.median(seconds[tool]):,.0f}",
                f"{share:.0%}" if is_network else "",
            )
        )
    report.table(
        f"{title}: {n_rows:,} rows, {task.label}, batch {task.batch_size}, epochs: "
        f"{task.n_epochs}, rounds: {len(products)}",
        (
            "tool",
            "s",
            *(f"time over {reference}" for reference in references),
            "test error",
            f"error over {LOOP}",
            "rows/s",
            "matrix products' share of the time",
        ),
        lines,
    )
