"""Seconds, ratios of seconds, and what they are held against."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple, Self, TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ratio(NamedTuple):
    """Median of the ratios of pairs, with the least and the greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float], reference: Sequence[float]) -> Self:
        """Compare values with those of the same round; a tool may have run in fewer."""
        ratios = np.divide(values, reference[: len(values)])
        return cls(float(np.median(ratios)), float(ratios.min()), float(ratios.max()))

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.least:.3f}-{self.greatest:.3f})"


def timed(function: Callable[..., Result], *arguments: object) -> tuple[float, Result]:
    """Give the seconds of a call and what it gave."""
    gc.collect()
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def in_pairs(
    measure: Callable[[], float], reference: Callable[[], float], n_pairs: int
) -> tuple[list[float], list[float]]:
    """Give what two measurements give, taken in turns, each first every other time."""
    seconds: dict[Callable[[], float], list[float]] = {measure: [], reference: []}
    for pair in range(n_pairs):
        for each in rotated((measure, reference), pair):
            seconds[each].append(each())
    return seconds[measure], seconds[reference]


def rotated(items: Sequence[Item], n: int) -> list[Item]:
    """Give items from the n-th on, then those before it, so that none is always first."""
    n %= len(items)
    return [*items[n:], *items[:n]]


@contextmanager
def threads(n_threads: int) -> Iterator[None]:
    """Compute with a number of threads: torch, and the BLAS of numpy."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with threadpool_limits(n_threads):
            yield
    finally:
        torch.set_num_threads(before)


def matrix_products(widths: Sequence[int], batch_size: int, n_rows: int) -> float:
    """Give the seconds of the matrix products of one epoch, and of nothing else.

    A layer has one forward, one for the gradient of its weights and, unless it is the first,
    one for the gradient of its input.
    """
    layers = []
    for in_features, out_features in pairwise(widths):
        x, gradient = torch.randn(batch_size, in_features), torch.randn(batch_size, out_features)
        weight = torch.randn(out_features, in_features)
        buffers = torch.empty_like(gradient), torch.empty_like(weight), torch.empty_like(x)
        layers.append((x, gradient, weight, *buffers))
    n_batches = max(1, n_rows // batch_size)
    start = time.perf_counter()
    for _ in range(n_batches):
        for x, _, weight, output, _, _ in layers:
            torch.mm(x, weight.t(), out=output)
        for i, (x, gradient, weight, _, of_weight, of_x) in enumerate(layers):
            torch.mm(gradient.t(), x, out=of_weight)
            if i > 0:
                torch.mm(gradient, weight, out=of_x)
    return (time.perf_counter() - start) * n_rows / (n_batches * batch_size)
