"""A fit on the CPU beside one on a GPU, by the widths of the layers and the rows of a batch.

    python -m benchmarks.devices                # two minutes, on a machine with a GPU
    python -m benchmarks.devices --rounds 1     # a glimpse

20,000 rows of 784 features, which are products of Gaussian ones, through autoencoders of 32 codes
for one epoch, as float32; both take turns, after a fit of each that is not counted. The CPU has the
threads that torch takes.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.report import Report
from benchmarks.timing import Ratio, in_pairs, timed
from sklearn_ae import AutoencoderTransformer

_N_ROWS, _N_FEATURES, _ROUNDS = 20_000, 784, 3
_SIZES = [(400,), (2_048, 512), (4_096, 1_024)]
_BATCHES = [32, 256, 2_048]


def seconds_of(device: str, sizes: tuple[int, ...], batch_size: int, X: NDArray) -> float:
    """Give what a fit takes, of an epoch, with all that is before and after it."""
    autoencoder = AutoencoderTransformer(
        32,
        hidden_layer_sizes=sizes,
        batch_size=batch_size,
        max_epochs=1,
        early_stopping=False,
        device=device,
        random_state=0,
    )
    return timed(autoencoder.fit, X)[0]  # which reads the loss, and so waits for the GPU


def lines(X: NDArray, n_rounds: int) -> Iterator[tuple[object, ...]]:
    """Give a line of each network and batch."""
    for sizes in _SIZES:
        for batch_size in _BATCHES:

            def measure(device: str, sizes: tuple[int, ...] = sizes, n: int = batch_size) -> float:
                return seconds_of(device, sizes, n, X)

            for device in ("cuda", "cpu"):
                seconds_of(device, sizes, batch_size, X[: 2 * batch_size])
            on_gpu, on_cpu = in_pairs(lambda: measure("cuda"), lambda: measure("cpu"), n_rounds)
            widths = "-".join(map(str, (_N_FEATURES, *sizes, 32)))
            medians = (f"{np.median(seconds):.2f}" for seconds in (on_cpu, on_gpu))
            yield widths, batch_size, *medians, Ratio.of(on_gpu, on_cpu)


def main() -> int:
    """Measure it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("torch finds no GPU here")
    warnings.simplefilter("ignore")
    report = Report("devices")
    report.machine["gpu"] = torch.cuda.get_device_name()
    report.note(", ".join(f"{of}: {value}" for of, value in report.machine.items()))
    rng = np.random.RandomState(0)
    mixed = rng.standard_normal((_N_FEATURES, _N_FEATURES)) / np.sqrt(_N_FEATURES)
    X = (rng.standard_normal((_N_ROWS, _N_FEATURES)) @ mixed).astype(np.float32)
    report.table(
        f"An epoch on {torch.get_num_threads()} cores, and on one GPU: seconds",
        ("widths to the code", "rows a batch", "CPU", "GPU", "GPU over CPU"),
        lines(X, arguments.rounds),
    )
    return report.close(is_glimpse=arguments.rounds < _ROUNDS)


if __name__ == "__main__":
    sys.exit(main())
