"""Estimators as modules of torch, from which they leave for other programs.

An autoencoder is one already. What the detector and the imputer do around theirs in numpy is done
in torch here, in float64 and row by row.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from torch import Tensor, nn


class Exportable:
    """An estimator whose methods are modules, too."""

    # Those of which there are modules; the first is the one that is meant where none is named.
    _exported: ClassVar[tuple[str, ...]]

    def _as_module(self, method: str) -> nn.Module:
        """Give what a method does as a module that shares its parameters."""
        raise NotImplementedError

    def _as_steps(self, method: str) -> list[nn.Module | BaseEstimator]:
        """Give what a method does one after the other: modules, and estimators that go on.

        Of those it is `transform`, or, where they have none, the method itself.
        """
        return [self._as_module(method)]


def module_of(estimator: Any, method: str) -> nn.Module:
    """Give what a method of a fitted autoencoder does as a module.

    Raises
    ------
    ValueError
        If it is no autoencoder of this package.
    """
    from sklearn.frozen import FrozenEstimator  # that nothing else of an import needs

    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    if not isinstance(estimator, Exportable) or method not in estimator._exported:
        raise ValueError(
            f"estimator={estimator!r}: its {method} can't be exported. Use an autoencoder of this "
            "package, and put what comes before it, such as a scaler, before the whole."
        )
    return estimator._as_module(method)


class InFloat64(nn.Module):
    """What goes in, in float64."""

    outputs: ClassVar = {"variable": torch.float64}

    def forward(self, x: Tensor) -> Tensor:
        """Take it to float64."""
        return x.double()


class Raveled(nn.Module):
    """A column as one number a row."""

    outputs: ClassVar = {"scores": torch.float64}

    def forward(self, column: Tensor) -> Tensor:
        """Take (n_samples, 1) to (n_samples,)."""
        return column[:, 0]


class _WithArrays(nn.Module):
    """A module that holds arrays, and numbers, which torch would export as float32."""

    def _hold(self, **arrays: ArrayLike) -> None:
        for name, array in arrays.items():
            self.register_buffer(name, torch.as_tensor(np.asarray(array)))


class OutlierScores(_WithArrays):
    """How typical rows are, as `AutoencoderOutlierDetector` says.

    Parameters
    ----------
    detector : AutoencoderOutlierDetector
        A fitted one.
    weights : array-like of shape (2,)
        How much what is left of a row counts, and its distance.
    nothing, itself : float
        Squares below which there is nothing left, or no distance.
    """

    outputs: ClassVar = {"scores": torch.float64}
    low: Tensor
    high: Tensor
    trained_low: Tensor
    trained_high: Tensor
    center: Tensor
    unit: Tensor
    scale: Tensor
    references: Tensor
    squares: Tensor
    is_trained: Tensor
    usual: Tensor
    spread: Tensor
    intercept: Tensor
    slope: Tensor
    weights: Tensor
    itself: Tensor
    log_of_nothing: Tensor
    log_of_width: Tensor
    least: Tensor
    greatest: Tensor

    def __init__(self, detector: Any, *, weights: ArrayLike, nothing: float, itself: float) -> None:
        super().__init__()
        self.encode, self.decode = (
            module_of(detector.estimator_, method) for method in ("transform", "inverse_transform")
        )
        references = detector._neighbors_._fit_X
        self._hold(
            **dict(zip(("low", "high"), detector._range_, strict=True)),
            **dict(zip(("trained_low", "trained_high"), detector._trained_range_, strict=True)),
            center=detector._center_,
            unit=detector._unit_,
            scale=detector.scale_,
            references=references,
            squares=np.square(references).sum(axis=1),
            is_trained=detector._is_trained_,
            usual=detector._usual_,
            spread=detector._spread_,
            intercept=detector._intercept_,
            slope=detector._slope_,
            weights=weights,
            itself=itself * detector.n_features_in_,
            log_of_nothing=np.log(nothing),
            log_of_width=np.log(detector.n_features_in_),
            least=np.finfo(np.float64).tiny,
            greatest=np.finfo(np.float64).max,
        )
        self.n_neighbors = detector._n_neighbors_

    def forward(self, x: Tensor) -> Tensor:
        """Give the scores of rows, in float64."""
        rows = x.double()
        inside = rows.clamp(self.trained_low, self.trained_high).to(x.dtype)
        rebuilt = self.decode(self.encode(inside)).double()
        left = self._log_sum_of_squares(self._finite((rows - rebuilt) / self.scale))
        left = left - self.log_of_width
        within = rows.clamp(self.low, self.high)
        beyond = self._finite((rows - within) / self.unit)
        distances, nearest = self._distances((within - self.center) / self.unit)
        of_itself = distances[:, 0].square() + beyond.square().sum(dim=1)
        is_itself = of_itself <= self.itself
        trained = is_itself & self.is_trained[nearest]
        terms = [torch.where(trained, self.intercept + self.slope * left, left)]
        if self.n_neighbors:
            to_neighbor = torch.where(is_itself, distances[:, 2], distances[:, 1])
            terms.append(self._log_sum_of_squares(torch.cat([to_neighbor[:, None], beyond], 1)))
        columns = torch.stack(terms, dim=1)
        return -((columns - self.usual) / self.spread) @ self.weights[: len(terms)]

    def _finite(self, x: Tensor) -> Tensor:
        return x.clamp(-self.greatest, self.greatest)

    def _distances(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give distances to the first neighbour, the last but one and the last; which is first.

        They are found by products, whose rounding is that of great values, and then measured.
        """
        squares = rows.square().sum(dim=1, keepdim=True) + self.squares
        squares = squares - 2 * rows @ self.references.T
        found = squares.topk(self.n_neighbors + 1, dim=1, largest=False).indices
        of_use = found[:, [0, max(0, self.n_neighbors - 1), self.n_neighbors]]
        differences = rows[:, None] - self.references[of_use]
        return differences.square().sum(dim=2).sqrt(), of_use[:, 0]

    def _log_sum_of_squares(self, rows: Tensor) -> Tensor:
        greatest = rows.abs().amax(dim=1)
        greatest = torch.where(greatest == 0, 1.0, greatest)
        sums = (rows / greatest[:, None]).square().sum(dim=1) + self.least
        return torch.logaddexp(sums.log() + 2 * greatest.log(), self.log_of_nothing)


class Decision(_WithArrays):
    """Scores above an offset, and, where it is asked for, who is an outlier by them.

    Parameters
    ----------
    scores : torch.nn.Module
    offset : float
    is_labelled : bool
        Whether -1 for outliers and 1 for others comes before the scores.
    """

    offset: Tensor

    def __init__(self, scores: nn.Module, offset: float, *, is_labelled: bool) -> None:
        super().__init__()
        self.outputs = {"scores": torch.float64}
        if is_labelled:
            self.outputs = {"label": torch.int64, **self.outputs}
        self.scores = scores
        self._hold(offset=offset)
        self.is_labelled = is_labelled

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Give scores, or labels and scores, of rows."""
        decided = self.scores(x) - self.offset
        return (torch.where(decided < 0, -1, 1), decided) if self.is_labelled else decided


class Filled(_WithArrays):
    """Rows with nothing missing, as `AutoencoderImputer` fills them.

    Parameters
    ----------
    imputer : AutoencoderImputer
        A fitted one.
    """

    mean: Tensor
    deviation: Tensor
    low: Tensor
    high: Tensor
    weights: Tensor
    second_moments: Tensor
    noise: Tensor
    kept: Tensor
    places: Tensor
    indicated: Tensor
    missing: Tensor
    share: Tensor

    def __init__(self, imputer: Any) -> None:
        super().__init__()
        self.encoders, self.decoders = (
            nn.ModuleList(module_of(each, method) for each in imputer.estimators_)
            for method in ("transform", "inverse_transform")
        )
        factors, kept = imputer._factors_, np.flatnonzero(imputer._kept_)
        # Where each feature is among those that are kept and one more, which is 0.
        places = np.full(imputer.n_features_in_, len(kept))
        places[kept] = np.arange(len(kept))
        indicator = imputer.indicator_
        self._hold(
            **imputer._units_._asdict(),
            weights=factors.weights,
            second_moments=factors.second_moments.reshape(len(factors.noise), -1),
            noise=factors.noise,
            kept=kept,
            places=places,
            indicated=np.empty(0, dtype=int) if indicator is None else indicator.features_,
            missing=np.float64(imputer.missing_values),
            share=1 - imputer.shrinkage_,
        )
        self.is_nan, self.is_told = bool(np.isnan(imputer.missing_values)), imputer._is_told_
        self.keeps_all, self.is_indicated = imputer.keep_empty_features, indicator is not None

    def forward(self, x: Tensor) -> Tensor:
        """Give the rows, in their dtype."""
        observed = ~x.isnan() if self.is_nan else x != self.missing.to(x.dtype)
        filled = self._filled(x[:, self.kept], observed[:, self.kept])
        if self.keeps_all:
            filled = torch.cat([filled, torch.zeros_like(filled[:, :1])], 1)[:, self.places]
            # Of features that were empty what is observed is as it is.
            filled = torch.where(observed, x, filled)
        if self.is_indicated:
            filled = torch.cat([filled, (~observed[:, self.indicated]).to(x.dtype)], 1)
        return filled

    def _filled(self, x: Tensor, known: Tensor) -> Tensor:
        rows = torch.where(known, x.double(), self.mean).clamp(self.low, self.high)
        rows = torch.where(known, (rows - self.mean) / self.deviation, 0.0)
        filled = torch.where(known, rows, self._within(self._expected(rows, known)))
        corrections = [
            self._correction(*halves, filled, known)
            for halves in zip(self.encoders, self.decoders, strict=True)
        ]
        if corrections:
            filled = filled + self.share * torch.stack(corrections).mean(dim=0)
        return torch.where(known, x, self._outside(filled).to(x.dtype))

    def _expected(self, rows: Tensor, known: Tensor) -> Tensor:
        """Give the mean of each entry, given those that are known, by the factors."""
        side = self.weights.shape[1]
        by_noise = known.double() / self.noise
        precision = (by_noise @ self.second_moments).reshape(-1, side, side)
        values = (rows / self.noise) @ self.weights[:, 1:] - precision[:, 1:, 0]
        identity = torch.eye(side - 1, dtype=rows.dtype)
        values = _solved(precision[:, 1:, 1:] + identity, values)
        return self.weights[:, 0] + values @ self.weights[:, 1:].T

    def _correction(
        self, encode: nn.Module, decode: nn.Module, filled: Tensor, known: Tensor
    ) -> Tensor:
        told = torch.cat([filled, known.to(filled.dtype)], 1) if self.is_told else filled
        rebuilt = decode(encode(told)).double()[:, : filled.shape[1]]
        return torch.where(known, 0.0, self._within(rebuilt) - filled)

    def _outside(self, inside: Tensor) -> Tensor:
        return (inside * self.deviation + self.mean).clamp(self.low, self.high)

    def _within(self, inside: Tensor) -> Tensor:
        return (self._outside(inside) - self.mean) / self.deviation


def _solved(matrices: Tensor, values: Tensor) -> Tensor:
    """Give what positive definite matrices take to values, row by row, by elimination.

    ONNX has no operator for it.
    """
    side = matrices.shape[-1]
    both = torch.cat([matrices, values[:, :, None]], 2)
    for i, unit in enumerate(torch.eye(side, dtype=values.dtype)):
        pivot = both[:, i : i + 1] / both[:, i : i + 1, i : i + 1]
        both = both - (both[:, :, i : i + 1] - unit[:, None]) * pivot
    return both[:, :, side]
