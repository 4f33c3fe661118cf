"""Memory that a fit takes above what is resident before it, each tool in a process of its own.

python -m benchmarks.memory TOOL    # the bytes, of one tool
"""

import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.cases import CASES
from benchmarks.report import Report
from benchmarks.task import start_of
from benchmarks.timing import Ratio, threads
from benchmarks.tools import LOOP, TOOLS

_TOOLS = ("sklearn_ae", "sklearn_ae, defaults", LOOP, "skorch", "MLPRegressor", "PCA")
_SHAPE = (60_000, 784)
_STATUS = Path("/proc/self/status")


def peak_memory(report: Report, n_rounds: int | None = None) -> None:
    """Print the memory of each tool, in units of the array that it is fitted on."""
    if not is_measurable():
        report.note("Memory is left out: it is read from /proc, which only Linux has.")
        return
    size = np.prod(_SHAPE) * np.dtype(np.float32).itemsize
    growth = {}
    for tool in _TOOLS:
        command = (sys.executable, "-m", "benchmarks.memory", tool)
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        growth[tool] = int(done.stdout)
        if tool.startswith("sklearn_ae"):
            copies = Ratio.of([growth[tool]], [size])
            report.end(f"{tool}: copies of the data that a fit takes", copies, 1.0)
    report.measured["memory in bytes"] = growth
    report.table(
        f"Peak memory of fit above what was resident before, {_SHAPE[0]:,} x {_SHAPE[1]} float32 "
        f"({size / 1e6:.0f} MB), 2 epochs, one thread",
        ("tool", "MB", "copies of the data"),
        ((tool, f"{taken / 1e6:.0f}", f"{taken / size:.2f}") for tool, taken in growth.items()),
    )


def growth_of_fit(tool: str) -> int:
    """Give the bytes by which the greatest resident set exceeds that before the fit."""
    task = replace(CASES["fashion-256"].task, n_epochs=2)
    start = start_of(task, seed=0)
    X = np.random.default_rng(0).random(_SHAPE, dtype=np.float32)
    with threads(1):
        return growth_of(
            lambda rows: TOOLS[tool](rows, task, start), X, warm_up=X[: 2 * task.batch_size]
        )


def is_measurable() -> bool:
    """Whether memory can be read."""
    return _STATUS.exists()


def growth_of(function: Callable[[Any], object], X: Any, *, warm_up: Any) -> int:
    """Give the bytes by which the greatest resident set of a call exceeds that before it."""
    function(warm_up)  # what libraries allocate when they are first used belongs to no fit
    before = kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    function(X)
    return 1024 * (kilobytes("VmHWM") - before)


def kilobytes(name: str) -> int:
    """Give a figure of this process, as Linux has it."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"{_STATUS} does not give {name}.")


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(growth_of_fit(sys.argv[1]))
