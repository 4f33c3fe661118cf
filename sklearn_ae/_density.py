"""A density of codes, from which rows are drawn."""

from copy import copy
from inspect import signature
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_ae._autoencoder import AutoencoderTransformer
from sklearn_ae._compat import HasMethods, _fit_context
from sklearn_ae._exporting import Exportable, InFloat64, Raveled

# Of the mixture that is fitted without one being given: components at most, and rows for each.
_MOST_COMPONENTS, _ROWS_BY_COMPONENT = 10, 100


class LatentDensity(DensityMixin, Exportable, BaseEstimator):
    """Density of the codes of an autoencoder, by any density model of scikit-learn.

    Where codes lie says which of them stand for something: drawn there, they give rows like those
    that were fitted, whether the autoencoder has no prior or codes that do not keep to it.

    Parameters
    ----------
    estimator : estimator, default=None
        An autoencoder, or what else has `transform` and `inverse_transform`, such as
        :class:`~sklearn.decomposition.PCA`. It is cloned and fitted; one that is fitted already
        goes in as a :class:`~sklearn.frozen.FrozenEstimator`. None is `AutoencoderTransformer`.
    density : estimator, default=None
        A density model of the codes, with `score_samples` and, to draw rows, `sample`. None is
        :class:`~sklearn.mixture.GaussianMixture` with a component for each 100 rows, 1 to 10.

    Attributes
    ----------
    estimator_ : estimator
        The fitted autoencoder.
    density_ : estimator
        The fitted density model.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X has them.

    See Also
    --------
    VariationalAutoencoderTransformer : Learns codes that keep to a prior.
    sklearn.mixture.GaussianMixture : Density of the rows themselves, where they are narrow.

    References
    ----------
    Ghosh, P. et al. (2020). From variational to deterministic autoencoders. ICLR.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer, LatentDensity
    >>> X, _ = load_digits(return_X_y=True)
    >>> density = LatentDensity(AutoencoderTransformer(8, random_state=0)).fit(X)
    >>> density.sample(5, random_state=0).shape
    (5, 64)
    >>> density.score_samples(X).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "density": [HasMethods(["fit", "score_samples"]), None],
    }

    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        density: BaseEstimator | None = None,
    ) -> None:
        self.estimator = estimator
        self.density = density

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Fit the autoencoder, and the density model to its codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : object, default=None
            Passed to the autoencoder's `fit`.

        Returns
        -------
        self : object
            The fitted density.
        """
        estimator = clone(self._autoencoder()).fit(X, y)
        codes = estimator.transform(X)
        density = self.density
        if density is None:
            from sklearn.mixture import GaussianMixture  # with whom half of scikit-learn comes

            n_components = len(codes) // _ROWS_BY_COMPONENT
            density = GaussianMixture(min(_MOST_COMPONENTS, max(1, n_components)))
        density = clone(density)
        with config_context(array_api_dispatch=False):  # codes are numpy's by now
            # Rounding of float32 would leave a component of little variance none.
            density.fit(np.asarray(codes, dtype=np.float64))
        self.estimator_, self.density_ = estimator, density
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Give the log density of the code of each row.

        It is a density of codes, not of rows: an autoencoder may give a row that is unlike any the
        code of one that is like many.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Greater is more typical.
        """
        check_is_fitted(self)
        codes = np.asarray(self.estimator_.transform(X), dtype=np.float64)
        with config_context(array_api_dispatch=False):
            return self.density_.score_samples(codes)

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Give the mean log density of the codes of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : object, default=None
            Ignored; present for API consistency by convention.

        Returns
        -------
        score : float
        """
        return float(np.mean(self.score_samples(X)))

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> NDArray:
        """Draw rows: what the autoencoder makes of codes that are drawn from the density.

        Parameters
        ----------
        n_samples : int, default=1
            How many, at least 1.
        random_state : int, RandomState instance or None, default=None
            Where the codes are drawn from. None is numpy's global generator.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units of the data.

        Raises
        ------
        ValueError
            If `n_samples` is less than 1.
        AttributeError
            If the density model has no `sample`.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r}: must be at least 1.")
        density, rng = self.density_, check_random_state(random_state)
        if not hasattr(density, "sample"):
            raise AttributeError(
                f"density={density!r} has no sample. Use one that has, such as GaussianMixture or "
                "KernelDensity."
            )
        if "random_state" in signature(density.sample).parameters:
            drawn = density.sample(n_samples, random_state=rng)
        else:  # a mixture draws from its parameter, the same each time
            drawn = copy(density).set_params(random_state=rng).sample(n_samples)
        codes = drawn[0] if isinstance(drawn, tuple) else drawn  # a mixture gives components too
        # It comes to them in their order.
        return self.estimator_.inverse_transform(rng.permutation(codes))

    _exported = ("score_samples",)

    def _as_steps(self, method: str) -> list[nn.Module | BaseEstimator]:
        return [self.estimator_, InFloat64(), self.density_, Raveled()]

    def _autoencoder(self) -> BaseEstimator:
        return AutoencoderTransformer() if self.estimator is None else self.estimator

    @property
    def n_features_in_(self) -> int:
        """Number of features."""
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[np.str_]:
        """Names of the features, where X has them."""
        return self.estimator_.feature_names_in_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        of_estimator = get_tags(self._autoencoder())
        tags.input_tags = of_estimator.input_tags
        tags.target_tags.required = of_estimator.target_tags.required
        return tags
