"""Incomplete rows: their units, and what more is hidden so that filling it can be learnt."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_ae._training.batches import Rows
from sklearn_ae._training.factors import Mask, Matrix
from sklearn_ae._training.statistics import moments

# Other rows of which what is missing is tried.
_N_PATTERNS = 4


class Units(NamedTuple):
    """Around the mean of each feature, in its deviation, and the ends that are taken for its own.

    An extreme that several entries share is an end, such as black; one of a single entry is not,
    and entries may lie beyond it by as much as all that were observed lie apart. Where most
    features have the same two ends, as pixels have, they are in one unit, and so is the deviation.
    """

    mean: Matrix
    deviation: Matrix
    low: Matrix
    high: Matrix

    @classmethod
    def of(cls, X: NDArray, observed: Mask) -> Self:
        """Give the units of rows."""
        found = moments(Rows(X, observed=observed))
        is_low, is_high = (
            (observed & (extreme == X)).sum(axis=0) > 1 for extreme in (found.low, found.high)
        )
        ends = np.column_stack([found.low, found.high])[is_low & is_high & (found.deviation > 0)]
        _, counts = np.unique(ends, axis=0, return_counts=True)
        is_common = counts.max(initial=0) > X.shape[1] / 2
        deviation = np.where(is_common, found.common_deviation, found.deviation)
        spread = found.high - found.low
        return cls(
            found.mean,
            np.where(deviation > 0, deviation, 1.0),
            np.where(is_low, found.low, found.low - spread),
            np.where(is_high, found.high, found.high + spread),
        )

    def inside(self, X: NDArray, observed: Mask) -> Matrix:
        """Take rows between the ends to the units, with 0 where nothing is observed."""
        X = np.clip(np.where(observed, X, self.mean), self.low, self.high)
        return (X - self.mean) / self.deviation

    def outside(self, inside: Matrix) -> Matrix:
        """Take rows from the units, and between the ends."""
        return np.clip(inside * self.deviation + self.mean, self.low, self.high)

    def within(self, inside: Matrix) -> Matrix:
        """Take rows in the units between the ends."""
        return (self.outside(inside) - self.mean) / self.deviation


class Hidden(NamedTuple):
    """Rows in units, which of their entries are known, and which of these are left visible.

    `filled` has what the factors say in place of those that are not.
    """

    X: Matrix
    known: Mask
    visible: Mask
    filled: Matrix

    @property
    def entries(self) -> Mask:
        """Those that were hidden."""
        return self.known & ~self.visible

    @property
    def left(self) -> Matrix:
        """What the factors leave of them."""
        return np.where(self.entries, self.X - self.filled, 0.0)


def hidden_like_others(known: Mask, patterns: Mask, rng: np.random.RandomState) -> Mask:
    """Hide of each row what is missing in another, or, where nothing is, any share of it.

    One that hides nothing of the row, or all of it, has nothing to teach: others are tried.

    Parameters
    ----------
    known : ndarray of bool of shape (n_samples, n_features)
        The entries that are known.
    patterns : ndarray of bool of shape (n_patterns, n_features)
        What is known of the rows that patterns are taken from.
    rng : RandomState

    Returns
    -------
    visible : ndarray of bool of shape (n_samples, n_features)
        The known entries that are left.
    """
    incomplete = patterns[~patterns.all(axis=1)]
    if not len(incomplete):
        return known & (rng.uniform(size=known.shape) < rng.uniform(size=(len(known), 1)))
    visible = known
    for _ in range(_N_PATTERNS):
        found = known & incomplete[rng.randint(len(incomplete), size=len(known))]
        teaches = (visible == known).all(axis=1) & found.any(axis=1)
        visible = np.where(teaches[:, None], found, visible)
    return visible
