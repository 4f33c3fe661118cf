"""One row, and a thousand, through the estimator, its graph in onnxruntime, and bare torch.

    python -m benchmarks.deployment                 # three minutes
    python -m benchmarks.deployment --rounds 1      # a glimpse

Each is fitted to 2,000 images of Fashion-MNIST, or to the digits, and used on others, as float32,
at one thread. A measurement is the time of a call, over a block of them; all three take turns.
Bare torch is the fitted module on a tensor, which checks nothing. The graph has to give what the
estimator does, to 1e-5 of the greatest value; exits with 1 where it does not. It needs
``pip install 'sklearn-ae[onnx]'`` and Debian's `dataset-fashion-mnist`.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from timeit import Timer
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from benchmarks.defaults import fashion_mnist
from benchmarks.report import Report
from benchmarks.timing import rotated, threads
from sklearn_ae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    ConvAutoencoderTransformer,
    LatentDensity,
    VariationalAutoencoderTransformer,
    to_onnx,
)

_ROUNDS, _SECONDS_OF_A_BLOCK = 9, 0.1
_N_TRAIN, _N_ROWS = 2_000, 1_000
_BOUND = 1e-5

Call = Callable[[NDArray], Any]


class Deployed(NamedTuple):
    """What is deployed: what gives its result, and its graph; and, of halves, its module."""

    estimator: Any
    method: str
    rows: NDArray
    module: nn.Module | None = None

    def ways(self) -> dict[str, Call]:
        """Give the ways to its result."""
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        method = None if self.method == "predict_proba" else self.method
        graph = to_onnx(self.estimator, method).SerializeToString()
        session = InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        name = session.get_outputs()[-1].name
        ways: dict[str, Call] = {
            "estimator": getattr(self.estimator, self.method),
            "ONNX": lambda rows: session.run([name], {"X": rows})[0],
        }
        module = self.module
        if module is not None:
            ways["torch"] = lambda rows: _bare(module, rows)
        return ways


@torch.inference_mode()
def _bare(module: nn.Module, rows: NDArray) -> NDArray:
    return module(torch.from_numpy(rows)).numpy()


def deployed() -> Iterator[tuple[str, Deployed]]:
    """Give what is compared, each fitted."""
    train, test = fashion_mnist(seed=0)
    train, test = train[:_N_TRAIN], test[:_N_ROWS]
    dense = AutoencoderTransformer(32, random_state=0).fit(train)
    yield "dense, 784: transform", Deployed(dense, "transform", test, dense.encoder_)
    yield "dense, 784: reconstruct", Deployed(dense, "reconstruct", test, dense.net_.module_)
    yield "dense, 784: score_samples", Deployed(dense, "score_samples", test)
    images = ConvAutoencoderTransformer(32, image_shape=(28, 28), random_state=0).fit(train)
    yield "convolutional, 784: transform", Deployed(images, "transform", test, images.encoder_)

    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    train, test = X[:-_N_ROWS], X[-_N_ROWS:]
    small = AutoencoderTransformer(8, random_state=0).fit(train)
    yield "dense, 64: transform", Deployed(small, "transform", test, small.encoder_)
    codes = small.transform(test)
    yield (
        "dense, 64: inverse_transform",
        Deployed(small, "inverse_transform", codes, small.decoder_),
    )
    variational = VariationalAutoencoderTransformer(8, random_state=0).fit(train)
    yield "variational, 64: score_samples", Deployed(variational, "score_samples", test)
    detector = AutoencoderOutlierDetector(random_state=0).fit(train)
    yield "detector, 64: score_samples", Deployed(detector, "score_samples", test)
    density = LatentDensity(AutoencoderTransformer(8, random_state=0)).fit(train)
    yield "density, 64: score_samples", Deployed(density, "score_samples", test)
    hidden = np.random.RandomState(0).uniform(size=X.shape) < 0.1
    incomplete = np.where(hidden, np.nan, X)
    imputer = AutoencoderImputer(random_state=0).fit(incomplete[:-_N_ROWS])
    yield "imputer, 64: transform", Deployed(imputer, "transform", incomplete[-_N_ROWS:])
    autoencoder = AutoencoderTransformer(16, random_state=0)
    classifier = LogisticRegression(max_iter=2_000)
    pipeline = make_pipeline(StandardScaler(), autoencoder, classifier)
    pipeline.fit(train, y[:-_N_ROWS])
    yield "Pipeline with a classifier, 64: predict_proba", Deployed(pipeline, "predict_proba", test)


def compare(report: Report, n_rounds: int) -> None:
    """Print the times of all ways, and hold what they give against each other."""
    worst = 0.0

    def lines() -> Iterator[tuple[object, ...]]:
        nonlocal worst
        for name, what in deployed():
            ways = what.ways()
            expected = ways["estimator"](what.rows)
            difference = np.abs(ways["ONNX"](what.rows) - expected).max()
            difference /= np.abs(expected).max()
            worst = max(worst, difference)
            seconds = [times(ways, what.rows[:n], n_rounds) for n in (1, len(what.rows))]
            report.measured[name] = dict(zip(("1 row", "all rows"), seconds, strict=True))
            yield (
                name,
                *(
                    f"{1e6 * np.median(taken[way]):,.0f}" if way in taken else "-"
                    for taken in seconds
                    for way in ("estimator", "ONNX", "torch")
                ),
                f"{difference:.1e}",
            )

    columns = [
        f"{way}, {rows}"
        for rows in ("1 row", f"{_N_ROWS:,}")
        for way in ("estimator", "ONNX", "torch")
    ]
    report.table(
        f"One row, and {_N_ROWS:,}: µs of a call, median of {n_rounds} rounds, one thread",
        ("what", *columns, "difference"),
        lines(),
    )
    report.end("ONNX: greatest difference, over the greatest value, in 1e-5", worst / _BOUND, 1.0)


def times(ways: dict[str, Call], rows: NDArray, n_rounds: int) -> dict[str, list[float]]:
    """Give the seconds of a call by each way, which take turns."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    n_calls = {}
    for way, call in ways.items():
        call(rows)
        once = Timer(lambda call=call: call(rows)).timeit(3) / 3
        n_calls[way] = max(1, int(_SECONDS_OF_A_BLOCK / once))
    for n in range(n_rounds):
        for way in rotated(list(ways), n):
            timer = Timer(lambda way=way: ways[way](rows))
            taken[way].append(timer.timeit(n_calls[way]) / n_calls[way])
    return taken


def main() -> int:
    """Compare all, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    report = Report("deployment")
    with threads(1):
        compare(report, arguments.rounds)
    return report.close(is_glimpse=arguments.rounds < _ROUNDS)


if __name__ == "__main__":
    sys.exit(main())
