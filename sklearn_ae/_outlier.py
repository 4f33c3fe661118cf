"""Outliers: rows that an autoencoder of the others does not rebuild, and far from them."""

from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from sklearn_ae._autoencoder import AutoencoderTransformer
from sklearn_ae._compat import (
    HasMethods,
    Interval,
    StrOptions,
    _check_method_params,
    _fit_context,
)
from sklearn_ae._exporting import Decision, Exportable, OutlierScores
from sklearn_ae._fitting import unchanged_on_failure
from sklearn_ae._routing import RoutingToFit
from sklearn_ae._training.statistics import beyond_float64

# Of the autoencoder that is fitted without one being given: codes at most, the noise in deviations,
# the share of rows that it leaves out where some may be outliers; units of its layer, of which more
# follow the rows closer, wanted where all are typical, as far as time allows.
_MOST_CODES, _NOISE, _TRIM = 128, 0.15, 0.2
_LEAST_HIDDEN, _MOST_HIDDEN, _MOST_WEIGHTS = 128, 512, 2**16
# Its epochs, and its batches, whose number is by whether all rows are typical.
_EPOCHS = 20
_LEAST_BATCH, _GREATEST_BATCH, _BATCHES = 8, 256, {True: 40, False: 25}
# With fewer rows than these, the most units, and epochs, which are more overhead than arithmetic;
# and with more features than these, whose epochs take long and gain little.
_FEW_ROWS, _MOST_HIDDEN_OF_FEW, _EPOCHS_OF_FEW = 400, 256, 10
_MANY_FEATURES, _EPOCHS_OF_MANY = 512, 12
# Rows that it is not fitted to: a share, how many at most, and how many have a deviation.
_HELD_OUT, _MOST_HELD_OUT, _LEAST_FOR_DEVIATION = 0.2, 200, 10
# How much what is left of a row counts, and its distance.
_WEIGHTS = np.array([2.0, 1.0])
# What is left of a feature counts as usual where it is less than this share of a mean variance.
_LEAST_USUAL = 0.01
# Neighbours by whether all rows are typical, and rows among which they are looked for.
_NEIGHBORS, _MOST_REFERENCES = {True: 5, False: 50}, 5_000
# Squares, of a mean variance: less is nothing, of what is left and of a distance, so that a little
# is not much where rows are all alike; and what rounding may leave of a row's distance to itself.
_NOTHING, _ITSELF = 1e-4, 1e-12
# The least distance between quartiles that logarithms of squares are divided by, and the least and
# greatest ratio of deviations of these.
_LEAST_SPREAD = 0.5
_LEAST_DEVIATION, _MOST_STRETCH = 0.1, 3.0
_NONE = np.finfo(np.float64).tiny


class _Denoiser(AutoencoderTransformer):
    """The autoencoder that is fitted without one being given, whose epochs no user can raise."""

    def _warn_of_epochs(self, *about: object) -> None:
        pass


class AutoencoderOutlierDetector(OutlierMixin, Exportable, RoutingToFit, BaseEstimator):
    """Outlier detection by what an autoencoder leaves of a row, and by its neighbours.

    An autoencoder that has learnt the rows it was given rebuilds others that are like them. What
    is left of each feature is held against what is usual for it; that, and the distance to the
    rows that were given, say how far a row is from being typical. Columns that are not in
    comparable units are scaled first, as for all that looks at distances.

    Parameters
    ----------
    estimator : estimator, default=None
        An autoencoder, or what else has `transform` and `inverse_transform`, such as
        :class:`~sklearn.decomposition.PCA`. It is cloned and fitted to all rows but a fifth, at
        most 200. None is an `AutoencoderTransformer` that takes noise from rows, with as many
        codes as features, at most 128, and without `linear_shortcut`, which would rebuild what
        lies far out.
    novelty : bool, default=False
        Whether all rows to fit are known to be typical. Else the autoencoder that is fitted
        without one being given leaves a fifth of the rows of each batch, those of the greatest
        loss, out of training, and its layers are narrower.
    n_neighbors : int or "auto", default="auto"
        Which neighbour the distance is to, among the rows that were fitted, or 5,000 of them.
        "auto" is the fifth with `novelty`, and else the fiftieth, beyond the groups that outliers
        may form; at most half of the rows. 0 leaves distances out.
    contamination : float or "auto", default="auto"
        Share of outliers among the rows to fit, in (0, 0.5], which sets `offset_`. "auto" sets it
        at a fence: below the first quartile of their scores by twice its distance to the median,
        where 2 % of normally distributed scores fall below.
    random_state : int, RandomState instance or None, default=None
        Of the autoencoder that is fitted without one being given, and of the choice of rows.

    Attributes
    ----------
    estimator_ : estimator
        The fitted autoencoder.
    offset_ : float
        Score below which a row is an outlier.
    scale_ : ndarray of shape (`n_features_in_`,)
        What is usually left of each feature, in its units, of rows that were not trained on.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X has them.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Faster, where outliers lie far out in single features.
    sklearn.neighbors.LocalOutlierFactor : Outliers by the density of their neighbours.

    Notes
    -----
    Rows beyond the range of those that were fitted are taken back to it before they are rebuilt,
    so that the farther out a row lies, the more is left of it.

    Rows that were fitted have scores like new ones of their kind: none is a neighbour of itself,
    and what is left of one that the autoencoder was trained on is raised by as much as more is
    left of the rows that it was not (their median and deviation, as logarithms). It is known by
    its values; beyond 5,000 rows, of which training takes next to nothing away, only some are.

    Units are of the variance of all entries: a value that is thousands of deviations out, such as
    -999 for one that is missing, hides whatever else is strange. Clip or replace it first.

    References
    ----------
    Hawkins, S. et al. (2002). Outlier detection using replicator neural networks. DaWaK.

    Ramaswamy, S., Rastogi, R. and Shim, K. (2000). Efficient algorithms for mining outliers from
    large data sets. SIGMOD.

    Kimber, A. C. (1990). Exploratory data analysis for possibly censored data from skewed
    distributions. Applied Statistics.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderOutlierDetector
    >>> X, y = load_digits(return_X_y=True)
    >>> detector = AutoencoderOutlierDetector(novelty=True, random_state=0).fit(X[y == 0])
    >>> bool((detector.predict(X[y == 1]) == -1).mean() > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "novelty": ["boolean"],
        "n_neighbors": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        novelty: bool = False,
        n_neighbors: int | str = "auto",
        contamination: float | str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.novelty = novelty
        self.n_neighbors = n_neighbors
        self.contamination = contamination
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: object = None, **fit_params: Any) -> Self:
        """Fit the autoencoder, and find what is usual.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : object, default=None
            Passed to the autoencoder's `fit`.
        **fit_params
            What the autoencoder's `fit` takes, such as `sample_weight`; where metadata are
            routed, what it requests. What has as many values as there are rows is given for those
            that it is fitted to. It counts there alone: what is usual, and the threshold, are of
            all rows.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If `n_neighbors` is not less than the number of rows, or the autoencoder does not take
            them. The detector is then as it was.
        """
        fit_params = self._of_estimator(fit_params)
        with unchanged_on_failure(self):
            X = self._check(X, reset=True, ensure_min_samples=2)
            rng = check_random_state(self.random_state)
            self._n_neighbors_ = self._which_neighbor(len(X))
            trained = self._choose_rows(len(X), rng)
            params = _check_method_params(X, {"y": y, **fit_params}, indices=trained)
            self.estimator_ = self._autoencoder(X[trained], rng).fit(X[trained], **params)
            self._range_, self._trained_range_ = _range(X), _range(X[trained])
            rebuilt = self._rebuilt(X)
            self._find_usual(X, rebuilt)
            self._keep_references(X, trained, rng)
            measured = self._measure(X, rebuilt)
            self._find_optimism(measured)
            measured = measured._replace(left=self._log_left(X, rebuilt))
            self._find_threshold(self._terms(measured))
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Give how typical each row is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Greater is more typical. It is minus twice the logarithm of what is left of a row, and
            minus that of its distance from others, each less its median over the rows that were
            fitted and in units of the distance between their quartiles.
        """
        check_is_fitted(self)
        rows = self._check(X)
        return self._scores(self._terms(self._measure(rows, self._rebuilt(rows))))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Give how much more typical than an outlier each row is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``: negative ones are outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int_]:
        """Tell outliers from others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,)
            -1 for outliers and 1 for others.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def reconstruction_error(
        self, X: ArrayLike, *, per_feature: bool = False
    ) -> NDArray[np.float64]:
        """Give what is left of each row, and which of its features it is left of.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        per_feature : bool, default=False
            Whether to give what is left of each entry, whose mean over the features it is else.

        Returns
        -------
        error : ndarray of shape (n_samples,) or (n_samples, n_features)
            Squares, each in units of what is usual: about 1 for a typical row, and less for one
            that was trained on. `score_samples` falls with the mean.
        """
        check_is_fitted(self)
        rows = self._check(X)
        with np.errstate(over="ignore"):
            error = np.square(self._left(rows, self._rebuilt(rows)))
        error = np.minimum(error, np.finfo(np.float64).max / self.n_features_in_)
        return error if per_feature else error.mean(axis=1)

    _exported = ("predict", "decision_function", "score_samples")

    def _as_module(self, method: str) -> nn.Module:
        scores = OutlierScores(self, weights=_WEIGHTS, nothing=_NOTHING, itself=_ITSELF)
        if method == "score_samples":
            return scores
        return Decision(scores, self.offset_, is_labelled=method == "predict")

    def _check(self, X: ArrayLike, **options: Any) -> NDArray:
        """Give checked rows in their own type, which says something to an autoencoder."""
        return validate_data(self, X, **{"reset": False, **options})

    # Fitting

    def _which_neighbor(self, n_samples: int) -> int:
        if self.n_neighbors == "auto":
            return min(_NEIGHBORS[bool(self.novelty)], n_samples // 2)
        n_neighbors = cast(int, self.n_neighbors)
        if n_neighbors >= n_samples:
            raise ValueError(
                f"n_neighbors={n_neighbors}: there are {n_samples} rows, so that the most is "
                f"{n_samples - 1}."
            )
        return n_neighbors

    def _choose_rows(self, n_samples: int, rng: np.random.RandomState) -> NDArray[np.intp]:
        """Give the rows to fit the autoencoder to; others say how much training took from these."""
        n_held_out = min(int(_HELD_OUT * n_samples), _MOST_HELD_OUT)
        return np.sort(rng.permutation(n_samples)[n_held_out:])

    def _autoencoder(self, X: NDArray, rng: np.random.RandomState) -> BaseEstimator:
        if self.estimator is not None:
            return clone(self.estimator)
        n_samples, n_features = X.shape
        are_few = n_samples < _FEW_ROWS
        if are_few:
            most_hidden, max_epochs = _MOST_HIDDEN_OF_FEW, _EPOCHS_OF_FEW
        else:
            is_wide = n_features > _MANY_FEATURES
            most_hidden, max_epochs = _MOST_HIDDEN, _EPOCHS_OF_MANY if is_wide else _EPOCHS
        n_hidden, n_batches = _LEAST_HIDDEN, _BATCHES[bool(self.novelty)]
        if self.novelty:
            n_hidden = int(np.clip(_MOST_WEIGHTS // n_features, _LEAST_HIDDEN, most_hidden))
        return _Denoiser(
            min(n_features, _MOST_CODES),
            hidden_layer_sizes=(n_hidden,),
            activation="relu",
            linear_shortcut=False,
            noise="gaussian",
            noise_level=_NOISE * _deviation(X),
            trim=0.0 if self.novelty else _TRIM,
            early_stopping=False,
            max_epochs=max_epochs,
            batch_size=int(np.clip(n_samples // n_batches, _LEAST_BATCH, _GREATEST_BATCH)),
            # Of few rows so little is left that float32 has few digits of it.
            precision="float64" if are_few else "float32",
            random_state=rng.randint(np.iinfo(np.int32).max),
        )

    def _find_usual(self, X: NDArray, rebuilt: NDArray) -> None:
        """Find units, and what is usually left of each feature."""
        self._center_ = X.mean(axis=0, dtype=np.float64)
        # A power of two takes no digit from what is divided by it.
        self._unit_ = np.exp2(np.round(np.log2(_deviation(X) or 1.0)))
        squares = np.square((X - rebuilt) / self._unit_)
        usual = np.maximum(np.median(squares, axis=0), _LEAST_USUAL)
        # Features count alike, and by what is usual for each: both are 1 of a typical row.
        typical = np.median([(squares / of).mean(axis=1) for of in (1.0, usual)], axis=1)
        typical = np.maximum(typical, _NOTHING)
        self.scale_ = self._unit_ / np.sqrt((1 / typical[0] + 1 / (usual * typical[1])) / 2)

    def _keep_references(
        self, X: NDArray, trained: NDArray[np.intp], rng: np.random.RandomState
    ) -> None:
        """Keep the rows that neighbours are looked for among, and by which others are known."""
        from sklearn.neighbors import NearestNeighbors  # with whom half of scikit-learn comes

        kept = np.arange(len(X))
        if len(X) > _MOST_REFERENCES:
            n_kept = max(_MOST_REFERENCES, self._n_neighbors_ + 1)
            kept = rng.choice(len(X), n_kept, replace=False)
        self._neighbors_: NearestNeighbors = NearestNeighbors(n_neighbors=self._n_neighbors_ + 1)
        references = self._inside(X[kept]) + 0.0  # of which -0 is 0
        self._neighbors_.fit(references)
        # Of rows that are alike all count as trained on if one was, whichever is found first.
        contents = [row.tobytes() for row in references]
        of_trained = {contents[i] for i in np.flatnonzero(np.isin(kept, trained))}
        self._is_trained_ = np.array([content in of_trained for content in contents])

    def _find_optimism(self, measured: "_Measured") -> None:
        """Find how much less is left of rows that were trained on than of others of their kind."""
        self._intercept_, self._slope_ = 0.0, 1.0
        others, trained = measured.left[~measured.trained], measured.left[measured.trained]
        if not (len(others) and len(trained)):
            return
        typical = np.median(trained)
        rise = max(np.median(others) - typical, 0.0)
        if len(others) >= _LEAST_FOR_DEVIATION:
            stretch = others.std() / max(trained.std(), _LEAST_DEVIATION)
            self._slope_ = float(np.clip(stretch, 1.0, _MOST_STRETCH))
        self._intercept_ = float(typical - self._slope_ * (typical - rise))
        self.scale_ *= np.exp(rise / 2)  # what is usually left of others

    def _find_threshold(self, terms: NDArray) -> None:
        """Find the units of scores, and below which one a row is an outlier."""
        first, self._usual_, third = np.percentile(terms, [25, 50, 75], axis=0)
        self._spread_ = np.maximum(third - first, _LEAST_SPREAD)
        scores = self._scores(terms)
        if self.contamination == "auto":
            first, median = np.percentile(scores, [25, 50])
            self.offset_ = float(first - 2.0 * (median - first))
        else:
            self.offset_ = float(np.percentile(scores, 100.0 * cast(float, self.contamination)))

    # In common units

    def _inside(self, rows: NDArray) -> NDArray[np.float64]:
        """Take rows back to the range of those that were fitted, around zero."""
        return (np.clip(rows, *self._range_) - self._center_) / self._unit_

    def _rebuilt(self, rows: NDArray) -> NDArray[np.float64]:
        inside = np.clip(rows, *self._trained_range_).astype(rows.dtype)
        rebuilt = self.estimator_.inverse_transform(self.estimator_.transform(inside))
        return np.asarray(rebuilt, dtype=np.float64)

    def _left(self, rows: NDArray, rebuilt: NDArray) -> NDArray[np.float64]:
        """Give what is left of each entry, in units of what usually is."""
        with np.errstate(over="ignore"):
            left = (rows - rebuilt) / self.scale_
        return np.nan_to_num(left)  # beyond float64 is its greatest number

    def _log_left(self, rows: NDArray, rebuilt: NDArray) -> NDArray[np.float64]:
        return _log_sum_of_squares(self._left(rows, rebuilt)) - np.log(rows.shape[1])

    def _measure(self, rows: NDArray, rebuilt: NDArray) -> "_Measured":
        """Give the logarithms of what a score is made of: squares, of which none is beyond it."""
        left = self._log_left(rows, rebuilt)
        with np.errstate(over="ignore"):
            beyond = np.nan_to_num((rows - np.clip(rows, *self._range_)) / self._unit_)
        with config_context(array_api_dispatch=False):
            distances, neighbors = self._neighbors_.kneighbors(self._inside(rows))
        with np.errstate(over="ignore"):
            of_itself = np.square(distances[:, 0]) + np.square(beyond).sum(axis=1)
        is_itself = of_itself <= _ITSELF * rows.shape[1]
        trained = is_itself & self._is_trained_[neighbors[:, 0]]
        if self._n_neighbors_ == 0:
            return _Measured(left, None, trained)
        to_neighbor = np.where(is_itself, distances[:, -1], distances[:, -2])
        distance = _log_sum_of_squares(np.hstack([to_neighbor[:, None], beyond]))
        return _Measured(left, distance, trained)

    def _terms(self, measured: "_Measured") -> NDArray[np.float64]:
        """Give what scores are the sums of, of rows that were trained on as if they were not."""
        left = self._intercept_ + self._slope_ * measured.left
        terms = [np.where(measured.trained, left, measured.left)]
        if measured.distance is not None:
            terms.append(measured.distance)
        return np.transpose(terms)

    def _scores(self, terms: NDArray) -> NDArray[np.float64]:
        return -((terms - self._usual_) / self._spread_) @ _WEIGHTS[: terms.shape[1]]


class _Measured(NamedTuple):
    """Logarithms of what is left of rows and of their distances, and which were trained on."""

    left: NDArray[np.float64]
    distance: NDArray[np.float64] | None
    trained: NDArray[np.bool_]


def _range(X: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)


def _deviation(X: NDArray) -> float:
    """Give the root of the mean variance."""
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(np.sqrt(X.var(axis=0, dtype=np.float64).mean()))
    if not np.isfinite(deviation):
        raise beyond_float64(np.abs(X).max())
    return deviation


def _log_sum_of_squares(rows: NDArray) -> NDArray[np.float64]:
    """Give logarithms of sums that may be beyond float64, and of none that of nearly none."""
    greatest = np.abs(rows).max(axis=1)
    greatest[greatest == 0] = 1.0
    sums = np.square(rows / greatest[:, None]).sum(axis=1)
    return np.logaddexp(np.log(sums + _NONE) + 2 * np.log(greatest), np.log(_NOTHING))
