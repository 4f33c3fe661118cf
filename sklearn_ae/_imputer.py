"""Missing entries: what the others of a row say of them, on a line and beside it."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import (
    FLOAT_DTYPES,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)
from torch import nn

from sklearn_ae._autoencoder import AutoencoderTransformer
from sklearn_ae._compat import (
    HasMethods,
    Interval,
    MissingValues,
    _check_feature_names_in,
    _check_method_params,
    _fit_context,
    is_scalar_nan,
    warn,
)
from sklearn_ae._exporting import Exportable, Filled
from sklearn_ae._fitting import unchanged_on_failure
from sklearn_ae._routing import RoutingToFit
from sklearn_ae._training.factors import Mask, Matrix, fit_factors
from sklearn_ae._training.incomplete import Hidden, Units, hidden_like_others

# Factors at most, rows for each of them, and rows that all is fitted on at most.
_MOST_FACTORS, _ROWS_BY_FACTOR, _MOST_ROWS = 32, 12, 10_000
# Of the autoencoders that are fitted without one being given: codes at most, and their layers.
_MOST_CODES, _HIDDEN = 64, (256, 256)
# Parts of the rows, of which each is held out from one autoencoder, and rows from which on.
_N_FOLDS, _LEAST_ROWS = 5, 20
# Rows for each autoencoder, about: fewer are taken several times, with other entries hidden, but
# no more often.
_ROWS_TO_LEARN, _MOST_COPIES = 10_000, 10
# Rows that are filled at a time.
_ROWS_AT_ONCE = 1_000


class _Completer(AutoencoderTransformer):
    """The autoencoder that is fitted without one being given, of which no user hears."""

    def _warn_of_epochs(self, *about: object) -> None:
        pass

    def _warn_of_codes(self, *about: object, **more: object) -> None:
        pass


class AutoencoderImputer(TransformerMixin, Exportable, RoutingToFit, BaseEstimator):
    """Imputation of missing entries by autoencoders that correct a linear model.

    A factor analysis of the entries that are observed says what those of a row that are missing
    are likely to be. Autoencoders learn what it leaves: they rebuild rows of which further
    entries were hidden, by what is missing in other rows, and then filled by the factors. How much
    of their correction is taken is chosen on rows that they were not trained on.

    Parameters
    ----------
    estimator : estimator, default=None
        An autoencoder, of which clones are fitted to rows that the factors have filled, in units
        of each feature's deviation. `fit` gets the rows as X, what is known of them as `observed`
        and filled ones as `X_corrupted`; what takes neither, such as
        :class:`~sklearn.decomposition.PCA`, gets filled rows. None is an
        `AutoencoderTransformer` with two layers of 256 units and as many codes as features, or 64
        and no `linear_shortcut`, which is told beside the row which entries are observed.
    missing_values : int, float or nan, default=nan
        What stands where nothing is observed.
    sample_posterior : bool, default=False
        Whether entries are drawn from what they may be, not set to its mean. Each `transform`
        draws anew, for multiple imputation.
    max_iter : int, default=300
        Iterations of the factor analysis at most.
    tol : float, default=1e-2
        It ends where no feature's own variance moves by more than this share of itself.
    add_indicator : bool, default=False
        Whether columns that say what was missing follow the features, as
        :class:`~sklearn.impute.MissingIndicator` gives them.
    keep_empty_features : bool, default=False
        Whether features of which `fit` observes nothing are kept, and filled with zeros.
    random_state : int, RandomState instance or None, default=None
        Of the entries that are hidden, of the rows that are held out, of the autoencoders that are
        fitted without one being given, and of draws.

    Attributes
    ----------
    estimators_ : list of estimators
        Five fitted autoencoders, each of which did not see a fifth of the rows. Their mean is the
        correction. It is empty where there is nothing to learn: fewer than 20 rows, or none with
        two entries.
    shrinkage_ : float
        How far the correction is taken back to the factors, from 0 to 1, which leaves none of it.
    n_iter_ : int
        Iterations of the factor analysis.
    indicator_ : MissingIndicator or None
        What adds the columns of `add_indicator`.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X has them.

    Warns
    -----
    ConvergenceWarning
        If the iterations end before the factor analysis converged.
    UserWarning
        If features of which nothing is observed are left out.

    See Also
    --------
    sklearn.impute.IterativeImputer : A regression for each feature, of few.
    sklearn.impute.KNNImputer : Means of neighbours.

    Notes
    -----
    An extreme that several of a feature's entries share, such as black, is taken for its end, and
    no entry is filled beyond it; beyond other extremes by at most what the observed ones lie apart.
    What a row is filled with depends on no other row of `transform`, and entries that are observed
    are as they were.

    The patterns of what is missing should be those of the rows to come: of rows that are
    complete, random shares of entries are hidden. At most 10,000 rows, drawn at random, are learnt
    from.

    References
    ----------
    Rubin, D. B. and Thayer, D. T. (1982). EM algorithms for ML factor analysis. Psychometrika 47.

    Vincent, P. et al. (2010). Stacked denoising autoencoders. Journal of Machine Learning Research
    11, 3371-3408.

    Mattei, P.-A. and Frellsen, J. (2019). MIWAE: deep generative modelling and imputation of
    incomplete data sets. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderImputer
    >>> X, _ = load_wine(return_X_y=True)
    >>> incomplete = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    >>> filled = AutoencoderImputer(random_state=0).fit_transform(incomplete)
    >>> bool(np.isfinite(filled).all())
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "missing_values": [MissingValues(numeric_only=True)],
        "sample_posterior": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        missing_values: float = np.nan,
        sample_posterior: bool = False,
        max_iter: int = 300,
        tol: float = 1e-2,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.missing_values = missing_values
        self.sample_posterior = sample_posterior
        self.max_iter = max_iter
        self.tol = tol
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: object = None, **fit_params: Any) -> Self:
        """Learn what the observed entries of a row say of the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,), default=None
            Passed to the autoencoders' `fit`.
        **fit_params
            What the autoencoders' `fit` takes, such as `sample_weight`; where metadata are routed,
            what it requests. It counts there alone.

        Returns
        -------
        self : object
            The fitted imputer.

        Raises
        ------
        ValueError
            If no entry is observed, or the autoencoder does not take the rows. The imputer is then
            as it was.
        """
        fit_params = self._of_estimator(fit_params)
        with unchanged_on_failure(self):
            X, observed = self._check(X, reset=True)
            self._fit_indicator(X)
            self._choose_features(observed)
            X, observed = X[:, self._kept_], observed[:, self._kept_]
            self._units_ = Units.of(X, observed)
            rng = check_random_state(self.random_state)
            some = rng.permutation(len(X))[:_MOST_ROWS]
            params = _check_method_params(X, {"y": y, **fit_params}, indices=some)
            observed = observed[some]
            inside = self._units_.inside(X[some], observed)
            n_factors = int(np.clip(len(inside) // _ROWS_BY_FACTOR, 1, _MOST_FACTORS))
            self._factors_ = fit_factors(
                inside, observed, n_factors, max_iter=self.max_iter, tol=self.tol
            )
            self.n_iter_ = self._factors_.n_iter
            self._learn_corrections(inside, observed, params, rng)
            self.random_state_ = rng
        if self.n_iter_ == self.max_iter:
            warn(
                f"max_iter={self.max_iter}: the iterations of the factor analysis ended before it "
                "converged. Raise max_iter, or tol to be content with less.",
                ConvergenceWarning,
            )
        return self

    def transform(self, X: ArrayLike) -> NDArray:
        """Fill the missing entries of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features_out)
            The same rows with nothing missing, and the columns of `add_indicator`.
        """
        check_is_fitted(self)
        X, observed = self._check(X)
        filled = self._filled(X[:, self._kept_], observed[:, self._kept_])
        if self.keep_empty_features:
            kept, filled = filled, np.where(observed, X, X.dtype.type(0))
            filled[:, self._kept_] = kept
        if self.indicator_ is not None:
            filled = np.hstack([filled, self.indicator_.transform(X).astype(filled.dtype)])
        return filled

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Give the names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the features. None is those of the fit, or x0, x1 and so on.

        Returns
        -------
        feature_names_out : ndarray of str objects
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        kept = names if self.keep_empty_features else names[self._kept_]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = is_scalar_nan(self.missing_values)
        return tags

    _exported = ("transform",)

    def _as_module(self, method: str) -> nn.Module:
        if self.sample_posterior:
            raise ValueError(
                "sample_posterior=True: draws can't be exported. Set it to False, which gives "
                "their mean."
            )
        return Filled(self)

    def _check(self, X: ArrayLike, *, reset: bool = False) -> tuple[NDArray, NDArray[np.bool_]]:
        """Give checked rows, and which of their entries are observed."""
        is_nan = is_scalar_nan(self.missing_values)
        rows: NDArray = validate_data(
            self,
            X,
            reset=reset,
            dtype=FLOAT_DTYPES,
            ensure_all_finite="allow-nan" if is_nan else True,
            ensure_min_samples=2 if reset else 1,
        )
        return rows, ~np.isnan(rows) if is_nan else rows != self.missing_values

    def _fit_indicator(self, X: NDArray) -> None:
        self.indicator_ = None
        if self.add_indicator:
            from sklearn.impute import MissingIndicator  # with whom scipy.stats comes

            indicator = MissingIndicator(missing_values=self.missing_values, error_on_new=False)
            self.indicator_ = indicator.fit(X)

    def _choose_features(self, observed: Mask) -> None:
        """Find the features of which something is observed."""
        self._kept_: Mask = np.any(observed, axis=0)
        n_empty = int(np.count_nonzero(~self._kept_))
        if n_empty == len(self._kept_):
            raise ValueError(
                f"missing_values={self.missing_values}: nothing is observed in X. Pass rows of "
                "which something is."
            )
        if n_empty and not self.keep_empty_features:
            names = _check_feature_names_in(self)[~self._kept_]
            warn(
                f"keep_empty_features=False: nothing is observed of {', '.join(names[:10])}"
                f"{', …' if n_empty > 10 else ''}, left out. Use keep_empty_features=True to keep "
                "them as zeros."
            )

    def _filled(self, X: NDArray, observed: Mask) -> NDArray:
        """Give rows of kept features with nothing missing."""
        X = X.copy()
        incomplete = np.flatnonzero(~observed.all(axis=1))
        for first in range(0, len(incomplete), _ROWS_AT_ONCE):
            rows = incomplete[first : first + _ROWS_AT_ONCE]
            known = observed[rows]
            inside = self._units_.inside(X[rows], known)
            filled = self._on_line(inside, known)
            filled += (1 - self.shrinkage_) * self._correction(filled, known)
            if self.sample_posterior:
                expected, drawn = self._factors_.drawn(inside, known, self.random_state_)
                filled += self._spread_ * (drawn - expected)
            X[rows] = np.where(known, X[rows], self._units_.outside(filled))
        return X

    def _on_line(self, inside: Matrix, visible: Mask) -> Matrix:
        """Give rows with what the factors say in place of what is not visible."""
        expected = self._factors_.expected(np.where(visible, inside, 0.0), visible)
        return np.where(visible, inside, self._units_.within(expected))

    def _correction(self, filled: Matrix, visible: Mask) -> Matrix:
        """Give what the autoencoders add, in the mean, to entries that are not visible."""
        corrections = [
            self._correction_of(estimator, filled, visible) for estimator in self.estimators_
        ]
        return np.mean(corrections or np.zeros((1, *filled.shape)), axis=0)

    def _correction_of(self, estimator: BaseEstimator, filled: Matrix, visible: Mask) -> Matrix:
        code = estimator.transform(self._input(filled, visible))
        rebuilt: Matrix = np.asarray(estimator.inverse_transform(code), dtype=np.float64)
        rebuilt = self._units_.within(rebuilt[:, : filled.shape[1]])
        return np.where(visible, 0.0, rebuilt - filled)

    def _input(self, rows: Matrix, visible: Mask) -> Matrix:
        """Give what an autoencoder gets: ours is told which entries are visible."""
        return np.hstack([rows, visible]) if self._is_told_ else rows

    # Learning

    def _learn_corrections(
        self, X: Matrix, known: Mask, params: dict[str, Any], rng: np.random.RandomState
    ) -> None:
        """Fit autoencoders, and find how much of what they add is taken."""
        self._is_told_ = self.estimator is None
        self.estimators_: list[BaseEstimator] = []
        tried: list[tuple[Hidden, Matrix]] = []
        for train, held_out in self._folds(X, known, rng):
            estimator = self._autoencoder(X.shape[1], rng)
            rows = np.tile(train, np.clip(round(_ROWS_TO_LEARN / len(train)), 1, _MOST_COPIES))
            self._fit_on(
                estimator,
                self._hide(X[rows], known[rows], known, rng),
                _check_method_params(X, params, indices=rows),
            )
            self.estimators_.append(estimator)
            hidden = self._hide(X[held_out], known[held_out], known, rng)
            tried.append((hidden, self._correction_of(estimator, hidden.filled, hidden.visible)))
        self.shrinkage_ = self._shrinkage(tried)
        self._spread_ = self._spread(tried, rng)

    def _folds(
        self, X: Matrix, known: Mask, rng: np.random.RandomState
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Give rows to train on and rows to hold out, as often as there is something to learn."""
        if len(X) < _LEAST_ROWS or not (known.sum(axis=1) > 1).any():
            return
        folds = KFold(_N_FOLDS, shuffle=True, random_state=rng)
        for train, held_out in folds.split(X):
            if X[train].any():  # constant features are 0
                yield train, held_out

    def _autoencoder(self, n_features: int, rng: np.random.RandomState) -> BaseEstimator:
        if self.estimator is not None:
            return clone(self.estimator)
        return _Completer(
            min(n_features, _MOST_CODES),
            hidden_layer_sizes=_HIDDEN,
            linear_shortcut=n_features <= _MOST_CODES,
            early_stopping=False,
            random_state=rng.randint(np.iinfo(np.int32).max),
        )

    def _fit_on(self, estimator: BaseEstimator, hidden: Hidden, params: dict[str, Any]) -> None:
        """Fit an autoencoder to make of filled rows what is known of them."""
        filled = self._input(hidden.filled, hidden.visible)
        if not has_fit_parameter(estimator, "X_corrupted"):
            estimator.fit(filled, **params)
            return
        X, known = hidden.X, hidden.known
        if self._is_told_:  # and is not to rebuild what it is told
            X, known = np.hstack([X, known]), np.hstack([known, np.zeros_like(known)])
        estimator.fit(X, observed=known, X_corrupted=filled, **params)

    def _hide(self, X: Matrix, known: Mask, patterns: Mask, rng: np.random.RandomState) -> Hidden:
        """Hide of each row what is missing in another."""
        visible = hidden_like_others(known, patterns, rng)
        return Hidden(X, known, visible, self._on_line(X, visible))

    def _shrinkage(self, tried: list[tuple[Hidden, Matrix]]) -> float:
        """Find how much of the autoencoders' mean is to be left out.

        Each was tried alone, on rows that it did not see. Of their mean less is chance, which is
        what it is smaller by.
        """
        agreeing = alone = each = together = 0.0
        for hidden, added in tried:
            agreeing += float(np.vdot(hidden.left, added))
            alone += float(np.square(added[hidden.entries]).sum())
            of_all = [
                self._correction_of(estimator, hidden.filled, hidden.visible)
                for estimator in self.estimators_
            ]
            each += float(np.mean([np.square(one).sum() for one in of_all]))
            together += float(np.square(np.mean(of_all, axis=0)).sum())
        if not agreeing > 0:
            return 1.0
        return 1 - min(1.0, agreeing * each / (alone * together))

    def _spread(self, tried: list[tuple[Hidden, Matrix]], rng: np.random.RandomState) -> float:
        """Find the share of what the factors leave that is still left of what was held out."""
        left = drawn = 0.0
        for hidden, added in tried:
            left += float(
                np.square(hidden.left - (1 - self.shrinkage_) * added)[hidden.entries].sum()
            )
            visible = np.where(hidden.visible, hidden.X, 0.0)
            expected, draw = self._factors_.drawn(visible, hidden.visible, rng)
            drawn += float(np.square(draw - expected)[hidden.entries].sum())
        return float(np.sqrt(left / drawn)) if drawn else 1.0
