"""Time until a tool is as good as PCA, and until it has 0.7 of PCA's error, on images."""

import time
from dataclasses import replace

from numpy.typing import NDArray

from benchmarks.cases import CASES
from benchmarks.report import Report
from benchmarks.task import start_of
from benchmarks.timing import threads, timed
from benchmarks.tools import FUSED_LOOP, LOOP, TOOLS, Reconstruct
from benchmarks.training import error

_TOOLS = ("sklearn_ae, defaults", "sklearn_ae", LOOP, FUSED_LOOP, "skorch", "MLPRegressor")
_N_EPOCHS = 20
_TARGETS = (1.0, 0.7)


class Curve:
    """Test error over PCA's by seconds of training; the clock stands while it evaluates."""

    def __init__(self, test: NDArray, pca_error: float) -> None:
        self.test = test
        self.pca_error = pca_error
        self.points: list[tuple[float, float]] = []
        self.evaluating = 0.0
        self.start = time.perf_counter()

    def __call__(self, reconstruct: Reconstruct) -> None:
        """Add a point."""
        now = time.perf_counter()
        ratio = error(reconstruct(self.test), self.test) / self.pca_error
        self.points.append((now - self.start - self.evaluating, ratio))
        self.evaluating += time.perf_counter() - now

    def seconds_to(self, target: float) -> float | None:
        """Give when the ratio, in three decimals, first was at most a target."""
        for seconds, ratio in self.points:
            if round(ratio, 3) <= target:
                return seconds
        return None


def time_to_error(report: Report, n_rounds: int | None = None) -> None:
    """Follow the test error of each tool, and print when it passes the targets."""
    case = CASES["fashion-256"]
    train, test = case.load()
    task = replace(case.task, n_epochs=_N_EPOCHS)
    start = start_of(task, seed=0)
    curves = {}
    with threads(1):
        pca_seconds, reconstruct = timed(TOOLS["PCA"], train, task, start)
        pca_error = error(reconstruct(test), test)
        for tool in _TOOLS:
            TOOLS[tool](train[: 2 * task.batch_size], replace(task, n_epochs=1), start)
            curves[tool] = Curve(test, pca_error)
            TOOLS[tool](train, task, start, curves[tool])
    report.measured["time to error"] = {
        "PCA": [(pca_seconds, 1.0)],
        **{tool: curve.points for tool, curve in curves.items()},
    }
    lines = [("PCA", f"{pca_seconds:.2f}", "never", "1.000")]
    for tool, curve in curves.items():
        times = (curve.seconds_to(target) for target in _TARGETS)
        lines.append(
            (
                tool,
                *(f"not in {_N_EPOCHS} epochs" if t is None else f"{t:.2f}" for t in times),
                f"{curve.points[-1][1]:.3f}",
            )
        )
    report.table(
        f"Seconds to a share of PCA's test error: {len(train):,} images, {task.encoding_dim} "
        f"codes, batch {task.batch_size}, {_N_EPOCHS} epochs, one thread",
        ("tool", *(f"to {target} of PCA's error" for target in _TARGETS), "error at the end"),
        lines,
    )
