"""From what a user passes to rows."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.utils.validation import validate_data

from sklearn_ae._building import _Building
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.labels import check_y, encoded, target_of
from sklearn_ae._training.targets import Target
from sklearn_ae._validation import (
    Matrix,
    check_finite_where_observed,
    check_observed,
    check_sample_weight,
    saying_what_to_do,
    with_dtype,
    without_mask,
)


class _Input(_Building):
    """How autoencoders check rows and what comes with them."""

    def _check_X(self, X: ArrayLike, **options: Any) -> Matrix:
        with saying_what_to_do():
            X, dtype = with_dtype(X)
            return validate_data(self, X, accept_sparse="csr", dtype=dtype, **options)

    def _check_rows(
        self,
        X: ArrayLike,
        sample_weight: ArrayLike | None = None,
        observed: ArrayLike | None = None,
        *,
        reset: bool = False,
        min_samples: int = 1,
    ) -> Rows:
        """Give checked rows, with what counts in them; all of them, in their order."""
        X, observed = without_mask(X, observed)
        X = self._check_X(
            X,
            reset=reset,
            ensure_min_samples=min_samples,
            ensure_all_finite=observed is None,
        )
        if observed is not None:
            observed = check_observed(observed, X)
            check_finite_where_observed(X, observed)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        return Rows(X, sample_weight=sample_weight, observed=observed)

    def _with_corrupted(
        self, rows: Rows, X_corrupted: ArrayLike | None, name: str = "X_corrupted"
    ) -> Rows:
        """Give rows with what is to go into the network instead of them, if anything is."""
        if X_corrupted is None:
            return rows
        if self.noise is not None:
            raise ValueError(
                f"noise={self.noise!r}: {name} says what goes in. Use noise=None, or leave it out."
            )
        corrupted = self._check_X(X_corrupted, reset=False, ensure_all_finite=rows.observed is None)
        if corrupted.shape[0] != len(rows):
            raise ValueError(
                f"{name} has {corrupted.shape[0]} rows, but there are {len(rows)} clean ones: pass "
                "the same rows, corrupted."
            )
        if rows.observed is not None:
            check_finite_where_observed(corrupted, rows.observed)
        return rows.having(corrupted=corrupted)

    def _with_labels(
        self,
        rows: Rows,
        y: object,
        target: Target | None = None,
        *,
        classes: ArrayLike | None = None,
        name: str = "y",
    ) -> tuple[Rows, Target | None]:
        """Give rows with what is to be predicted of them, and what that is, if it is asked for."""
        if not self.target_weight:
            return rows, target
        checked = check_y(y, len(rows), name)
        if rows.sample_weight is not None:
            checked = checked.of(rows.sample_weight > 0)
        if target is None:
            target = target_of(checked, rows.sample_weight, classes)
        labels = encoded(checked, target, name)
        return rows.having(labels=labels), target


def rows_that_count(rows: Rows, weight_dtype: DTypeLike) -> Rows:
    """Leave out rows without weight, or of which nothing is observed.

    They would still set the units, the batches and the noise.
    """
    counts: list[Any] = []
    weight = rows.sample_weight
    if weight is not None:
        weight = weight.astype(weight_dtype)
        counts.append(weight > 0)
    if rows.observed is not None:
        counts.append(rows.observed.any(axis=1))
    index = np.flatnonzero(np.all(counts, axis=0)) if counts else None
    if index is not None and not len(index):
        raise ValueError(
            "sample_weight and observed leave no row: none with a weight has an entry that is "
            "observed. Give such a row a positive weight."
        )
    return rows.having(index=index, sample_weight=weight)
