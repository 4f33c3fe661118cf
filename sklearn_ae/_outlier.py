"""Outliers: rows that an autoencoder of the others does not rebuild, and far from them."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_ae._autoencoder import AutoencoderTransformer
from sklearn_ae._compat import HasMethods, Interval, StrOptions, _fit_context
from sklearn_ae._fitting import unchanged_on_failure
from sklearn_ae._routing import RoutingToFit

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors

# Of the autoencoder that is fitted without one being given: codes at most, its layer, the noise in
# deviations, the share of rows that it leaves out where some may be outliers, and its batches.
_MOST_CODES, _HIDDEN, _NOISE, _TRIM = 128, (128,), 0.15, 0.2
_LEAST_BATCH, _GREATEST_BATCH, _BATCHES = 32, 256, 25
# What is left of a feature counts as usual where it is less than this share of a mean variance.
_LEAST_USUAL = 0.01
# Neighbours by whether all rows are typical, and rows among which they are looked for.
_NEIGHBORS, _MOST_REFERENCES = {True: 5, False: 50}, 5_000
# Squares, of a mean variance: less is nothing, of what is left and of a distance, so that a little
# is not much where rows are all alike; and what rounding may leave of a row's distance to itself.
_NOTHING, _ITSELF = 1e-4, 1e-12
# The least distance between quartiles that logarithms of squares are divided by.
_LEAST_SPREAD = 0.5
_NONE = np.finfo(np.float64).tiny


class _Denoiser(AutoencoderTransformer):
    """The autoencoder that is fitted without one being given, whose epochs no user can raise."""

    def _warn_of_epochs(self, *about: object) -> None:
        pass


class AutoencoderOutlierDetector(OutlierMixin, RoutingToFit, BaseEstimator):
    """Outlier detection by what an autoencoder leaves of a row, and by its neighbours.

    An autoencoder that has learnt the rows it was given rebuilds others that are like them. What
    is left of each feature is held against what is usual for it; that, and the distance to the
    rows that were given, say how far a row is from being typical. Columns that are not in
    comparable units are scaled first, as for all that looks at distances.

    Parameters
    ----------
    estimator : estimator, default=None
        An autoencoder, or what else has `transform` and `inverse_transform`, such as
        :class:`~sklearn.decomposition.PCA`. It is cloned and fitted. None is an
        `AutoencoderTransformer` that takes noise from rows, with as many codes as features, at
        most 128, and without `linear_shortcut`, which would rebuild what lies far out.
    novelty : bool, default=False
        Whether all rows to fit are known to be typical. Else the autoencoder that is fitted
        without one being given leaves a fifth of the rows of each batch, those of the greatest
        loss, out of training.
    n_neighbors : int or "auto", default="auto"
        Which neighbour the distance is to, among the rows that were fitted, or 5,000 of them.
        "auto" is the fifth with `novelty`, and else the fiftieth, beyond the groups that outliers
        may form; at most half of the rows. 0 leaves distances out.
    contamination : float or "auto", default="auto"
        Share of outliers among the rows to fit, in (0, 0.5], which sets `offset_`. "auto" sets it
        at Tukey's fence: 1.5 times the distance between the quartiles of their scores below the
        first.
    random_state : int, RandomState instance or None, default=None
        Of the autoencoder that is fitted without one being given, and of the choice of 5,000 rows.

    Attributes
    ----------
    estimator_ : estimator
        The fitted autoencoder.
    offset_ : float
        Score below which a row is an outlier.
    scale_ : ndarray of shape (`n_features_in_`,)
        What is usually left of each feature, in its units.
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
    so that the farther out a row lies, the more is left of it. A row that was fitted is no
    neighbour of itself, but it was trained on: where rows are few, or features many, less is left
    of those that were fitted than of new ones of their kind, more of which then fall below the
    threshold than `contamination` or the fence say.

    Units are of the variance of all entries: a value that is thousands of deviations out, such as
    -999 for one that is missing, hides whatever else is strange. Clip or replace it first.

    References
    ----------
    Hawkins, S. et al. (2002). Outlier detection using replicator neural networks. DaWaK.

    Ramaswamy, S., Rastogi, R. and Shim, K. (2000). Efficient algorithms for mining outliers from
    large data sets. SIGMOD.

    Tukey, J. W. (1977). Exploratory data analysis. Addison-Wesley.

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
            routed, what it requests. It counts there alone: what is usual, and the threshold, are
            of all rows.

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
            self.estimator_ = self._autoencoder(X, rng).fit(X, y, **fit_params)
            self._range_ = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
            rebuilt = self._rebuilt(X)
            self._find_usual(X, rebuilt)
            self._neighbors_ = self._references(X, rng)
            self._find_threshold(self._terms(X, rebuilt))
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
            Greater is more typical. It is minus the logarithms of what is left of a row and of its
            distance from others, each less its median over the rows that were fitted and in units
            of the distance between their quartiles.
        """
        check_is_fitted(self)
        rows = self._check(X)
        return self._scores(self._terms(rows, self._rebuilt(rows)))

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
            Squares, each in units of what is usual: about 1 for a typical row. `score_samples`
            falls with the mean.
        """
        check_is_fitted(self)
        rows = self._check(X)
        with np.errstate(over="ignore"):
            error = np.square(self._left(rows, self._rebuilt(rows)))
        error = np.minimum(error, np.finfo(np.float64).max / self.n_features_in_)
        return error if per_feature else error.mean(axis=1)

    def _check(self, X: ArrayLike, **options: Any) -> NDArray:
        """Give checked rows in their own type, which says something to an autoencoder."""
        return validate_data(self, X, **{"reset": False, **options})

    def _autoencoder(self, X: NDArray, rng: np.random.RandomState) -> BaseEstimator:
        if self.estimator is not None:
            return clone(self.estimator)
        n_samples, n_features = X.shape
        return _Denoiser(
            min(n_features, _MOST_CODES),
            hidden_layer_sizes=_HIDDEN,
            linear_shortcut=False,
            noise="gaussian",
            noise_level=_NOISE * _deviation(X),
            trim=0.0 if self.novelty else _TRIM,
            early_stopping=False,
            batch_size=int(np.clip(n_samples // _BATCHES, _LEAST_BATCH, _GREATEST_BATCH)),
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

    def _find_threshold(self, terms: NDArray) -> None:
        """Find the units of scores, and below which one a row is an outlier."""
        first, self._usual_, third = np.percentile(terms, [25, 50, 75], axis=0)
        self._spread_ = np.maximum(third - first, _LEAST_SPREAD)
        scores = self._scores(terms)
        if self.contamination == "auto":
            first, third = np.percentile(scores, [25, 75])
            self.offset_ = float(first - 1.5 * (third - first))
        else:
            self.offset_ = float(np.percentile(scores, 100.0 * cast(float, self.contamination)))

    def _references(self, X: NDArray, rng: np.random.RandomState) -> "NearestNeighbors | None":
        """Give the rows that neighbours are looked for among."""
        from sklearn.neighbors import NearestNeighbors  # with whom half of scikit-learn comes

        if self.n_neighbors == "auto":
            n_neighbors = min(_NEIGHBORS[bool(self.novelty)], len(X) // 2)
        else:
            n_neighbors = cast(int, self.n_neighbors)
        if n_neighbors == 0:
            return None
        if n_neighbors >= len(X):
            raise ValueError(
                f"n_neighbors={n_neighbors}: there are {len(X)} rows, so that the most is "
                f"{len(X) - 1}."
            )
        if len(X) > _MOST_REFERENCES:
            X = X[rng.choice(len(X), max(_MOST_REFERENCES, n_neighbors + 1), replace=False)]
        return NearestNeighbors(n_neighbors=n_neighbors + 1).fit(self._inside(X))

    # In common units

    def _inside(self, rows: NDArray) -> NDArray[np.float64]:
        """Take rows back to the range of those that were fitted, around zero."""
        return (np.clip(rows, *self._range_) - self._center_) / self._unit_

    def _rebuilt(self, rows: NDArray) -> NDArray[np.float64]:
        inside = np.clip(rows, *self._range_).astype(rows.dtype)
        rebuilt = self.estimator_.inverse_transform(self.estimator_.transform(inside))
        return np.asarray(rebuilt, dtype=np.float64)

    def _left(self, rows: NDArray, rebuilt: NDArray) -> NDArray[np.float64]:
        """Give what is left of each entry, in units of what usually is."""
        with np.errstate(over="ignore"):
            left = (rows - rebuilt) / self.scale_
        return np.nan_to_num(left)  # beyond float64 is its greatest number

    def _terms(self, rows: NDArray, rebuilt: NDArray) -> NDArray[np.float64]:
        """Give the logarithms of what a score is made of: squares, of which none is beyond it."""
        terms = [_log_sum_of_squares(self._left(rows, rebuilt)) - np.log(rows.shape[1])]
        if self._neighbors_ is not None:
            with np.errstate(over="ignore"):
                beyond = np.nan_to_num((rows - np.clip(rows, *self._range_)) / self._unit_)
            distances = self._distances(rows)[:, None]
            terms.append(_log_sum_of_squares(np.hstack([distances, beyond])))
        return np.transpose(terms)

    def _distances(self, rows: NDArray) -> NDArray[np.float64]:
        with config_context(array_api_dispatch=False):
            distances, _ = cast("NearestNeighbors", self._neighbors_).kneighbors(self._inside(rows))
        is_itself = np.square(distances[:, 0]) <= _ITSELF * rows.shape[1]
        return np.where(is_itself, distances[:, -1], distances[:, -2])

    def _scores(self, terms: NDArray) -> NDArray[np.float64]:
        return -((terms - self._usual_) / self._spread_).sum(axis=1)


def _deviation(X: NDArray) -> float:
    """Give the root of the mean variance."""
    return float(np.sqrt(X.var(axis=0, dtype=np.float64).mean()))


def _log_sum_of_squares(rows: NDArray) -> NDArray[np.float64]:
    """Give logarithms of sums that may be beyond float64, and of none that of nearly none."""
    greatest = np.abs(rows).max(axis=1)
    greatest[greatest == 0] = 1.0
    sums = np.square(rows / greatest[:, None]).sum(axis=1)
    return np.logaddexp(np.log(sums + _NONE) + 2 * np.log(greatest), np.log(_NOTHING))
