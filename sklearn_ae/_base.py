"""What all autoencoders share: using and scoring what was fitted."""

from collections.abc import Callable, Iterator
from math import isfinite, isnan, nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklearn_ae._exporting import Exportable
from sklearn_ae._fitting import _Fitting
from sklearn_ae._input import rows_that_count
from sklearn_ae._training.batches import Batch, Rows, float_dtype, rows_at_once
from sklearn_ae._training.scores import ErrorScores
from sklearn_ae._training.statistics import moments
from sklearn_ae._training.surroundings import undisturbed
from sklearn_ae._validation import check_codes
from sklearn_ae.nn import Decoder, Encoder


class _BaseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Exportable, _Fitting):
    """Base of the autoencoders: a subclass builds the module, and may have its own net."""

    # Using

    def transform(self, X: ArrayLike) -> NDArray:
        """Give the codes of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. For entries that a masked array masks, which may be NaN, the mean of the
            feature over the training rows goes in.

        Returns
        -------
        codes : ndarray of shape (n_samples, encoding_dim)
            In float32 for rows that it holds exactly, which are those of float32, float16, bool
            and integers of up to two bytes, else float64.
        """
        return self._codes(self._check_rows_to_use(X))

    def fit_transform(self, X: ArrayLike, y: object = None, **fit_params: Any) -> NDArray:
        """Fit, and give the codes of the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : object, default=None
            Ignored; present for API consistency by convention.
        **fit_params
            What `fit` takes. For entries that are not `observed` the mean of the feature goes in.

        Returns
        -------
        codes : ndarray of shape (n_samples, encoding_dim)
            As `transform` gives them.
        """
        self.fit(X, y, **fit_params)
        return self._codes(self._check_rows_to_use(X, fit_params.get("observed")))

    def inverse_transform(self, X: ArrayLike) -> NDArray:
        """Give the rows that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, encoding_dim)
            The codes.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units of the data; float32 for codes that it holds exactly, else float64.
        """
        check_is_fitted(self)
        module = self.net_.module_
        codes = Rows(check_codes(X, module.encoding_dim))
        return self._run(module.decode, codes, self.n_features_in_)

    def reconstruct(self, X: ArrayLike, *, observed: ArrayLike | None = None) -> NDArray:
        """Give what the autoencoder makes of rows: ``inverse_transform(transform(X))``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that are known. For the others, which may be NaN, the mean of the
            feature over the training rows goes in. None is all of them, but for those that a
            masked array masks.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units of the data; float32 for rows that it holds exactly, else float64.

        Raises
        ------
        ValueError
            If a row lies so far out that the network can't represent it.
        """
        rows = self._check_rows_to_use(X, observed)
        return self._run(self.net_.module_, rows, self.n_features_in_)

    def reconstruction_error(
        self, X: ArrayLike, *, per_feature: bool = False, observed: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Give the loss of each row.

        Rows beyond the range that a loss is defined for have the loss at the end of that range,
        and their distance to it: whatever lies further out has a greater one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        per_feature : bool, default=False
            Whether to give the loss of each entry instead of its mean over the features.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that are known, over which the mean is; entries of the others are NaN.
            None is all of them, but for those that a masked array masks.

        Returns
        -------
        error : ndarray of shape (n_samples,) or (n_samples, n_features)
            The fitted loss in the units of the data: for the squared error their square. It is
            float64 for rows of any dtype, since errors of rows that lie far out need it.

        Raises
        ------
        ValueError
            If nothing is observed of a row, or its error is beyond float64 or below it.
        """
        rows = self._check_rows_to_use(X, observed)
        if rows.observed is not None and not per_feature and not rows.observed.any(axis=1).all():
            row = np.flatnonzero(~rows.observed.any(axis=1))[0]
            raise ValueError(
                f"Nothing is observed throughout row {row}, which therefore has no error. Leave "
                "such rows out."
            )
        net = self.net_
        units = net.error_units
        if (units.min() if per_feature else units.max()) < np.finfo(np.float64).tiny:
            raise ValueError(
                f"X: errors in units of {units.min().item():.3g} are below float64. Fit to X "
                "times a constant."
            )
        errors = np.empty((len(rows), self.n_features_in_ if per_feature else 1))
        with undisturbed(inference=True):
            for chunk, batch in self._batches(rows):
                errors[chunk] = net.errors(batch, per_feature=per_feature).cpu().numpy()
        if not np.isfinite(errors).all():
            raise ValueError(
                f"X: the error of {(~np.isfinite(errors)).any(axis=1).sum()} rows is beyond "
                "float64. Divide them by a constant, or clip them."
            )
        if per_feature and rows.observed is not None:
            errors[~rows.observed] = nan
        return errors if per_feature else errors.ravel()

    def score_samples(self, X: ArrayLike) -> NDArray:
        """Give how typical each row is: minus its `reconstruction_error`.

        The mean of these is not what `score` gives, which is a share of the variance.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Entries that a masked array masks do not count.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Greater is more typical, 0 the greatest for the squared error.
        """
        return -self.reconstruction_error(X)

    def score(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
        observed: ArrayLike | None = None,
    ) -> float:
        """Give the share of the variance of rows that their reconstruction explains.

        It is ``r2_score(X, reconstruct(X), multioutput="variance_weighted")``, whatever the
        loss, so that a search may compare different ones; it is no mean of `score_samples`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : object, default=None
            Ignored; present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. None is a weight of 1 each.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that are known, of which the shares are. None is all of them, but for
            those that a masked array masks.

        Returns
        -------
        score : float
            1 for a perfect reconstruction, 0 for the mean of the rows, at most 1.
        """
        check_is_fitted(self)
        checked = self._check_rows(X, sample_weight, observed, min_samples=2)
        with undisturbed(inference=True):
            return self._share_explained(rows_that_count(checked, np.float64))

    def _share_explained(self, rows: Rows) -> float:
        of_rows = moments(rows)
        # Squares of the smallest numbers are none: a power of two takes no digit from them.
        unit = np.exp2(np.frexp((of_rows.high - of_rows.low).max())[1])
        module = self.net_.module_
        left, total = np.zeros(rows.n_features), np.zeros(rows.n_features)
        for _, batch in self._batches(rows):
            x, output = (part.cpu().double().numpy() for part in (batch.x, module(batch.x)))
            weight = np.ones((len(x), 1))
            if batch.weight is not None:
                weight = batch.weight.cpu().numpy()[:, None]
            if batch.observed is not None:
                weight = weight * batch.observed.cpu().numpy()
            with np.errstate(over="ignore"):  # infinite ones are told of
                left += (weight * np.square((x - output) / unit)).sum(axis=0)
                total += (weight * np.square((x - of_rows.mean) / unit)).sum(axis=0)
        varies = of_rows.deviation > 0  # a constant feature has no share of the variance
        if not varies.any():
            return float(np.mean(left == 0))
        return float(1 - checked_output(left[varies]).sum() / total[varies].sum())

    _exported = ("transform", "inverse_transform", "reconstruct", "score_samples")

    def _as_module(self, method: str) -> nn.Module:
        net = self.net_
        modules: dict[str, Callable[[], nn.Module]] = {
            "transform": lambda: Encoder(net.module_),
            "inverse_transform": lambda: Decoder(net.module_),
            "reconstruct": lambda: net.module_,
            "score_samples": self._scores_as_module,
        }
        return modules[method]()

    def _scores_as_module(self) -> nn.Module:
        return ErrorScores(self.net_)

    def _check_rows_to_use(self, X: ArrayLike, observed: ArrayLike | None = None) -> Rows:
        """Check that there is a network, and rows that it takes.

        Plain arrays of floats of the right width pass at once: for one row, all that is looked
        at otherwise takes longer than the network. What does not pass here meets the same
        checks, and errors, as ever.
        """
        if (
            type(X) is np.ndarray
            and observed is None
            and X.dtype in (np.float32, np.float64)
            and X.flags.carray
            and X.ndim == 2
            and X.size > 0
            and X.shape[1] == vars(self).get("n_features_in_")
            and not hasattr(self, "feature_names_in_")
            and hasattr(self, "net_")
            and isfinite(np.vdot(X, X))  # a huge finite number fails too, and is looked at again
        ):
            return Rows(X)
        check_is_fitted(self)
        return self._check_rows(X, observed=observed)

    def _codes(self, rows: Rows) -> NDArray:
        module = self.net_.module_
        return self._run(module.encode, rows, module.encoding_dim)

    def _run(self, function: Callable[[Tensor], Tensor], rows: Rows, width: int) -> NDArray:
        """Run a part of the network over rows, in chunks, into one array."""
        net = self.net_
        output = np.empty((len(rows), width), dtype=float_dtype(rows.source.dtype))
        n_at_once = rows_at_once(max(rows.n_features, width))
        with undisturbed(inference=True):
            fill = None if rows.observed is None else net.module_.rescale.typical[0]
            for first in range(0, len(rows), n_at_once):
                chunk = slice(first, first + n_at_once)
                output[chunk] = function(rows.read(chunk, net.device, fill).x).cpu().numpy()
        return checked_output(output)

    def _batches(self, rows: Rows) -> Iterator[tuple[slice, Batch]]:
        """Give rows in batches, and where in the results each belongs."""
        net, first = self.net_, 0
        for batch in rows.batches(
            rows_at_once(rows.n_features), device=net.device, rescale=net.module_.rescale
        ):
            last = first + len(batch.x)
            yield slice(first, last), batch
            first = last

    # What there is to know of a fitted one

    @property
    def encoder_(self) -> nn.Module:
        """Module from rows in the units of the data to codes."""
        return Encoder(self.net_.module_)

    @property
    def decoder_(self) -> nn.Module:
        """Module from codes to rows in the units of the data."""
        return Decoder(self.net_.module_)

    @property
    def encoding_dim_(self) -> int:
        """Width of the code."""
        return self.net_.module_.encoding_dim

    @property
    def n_iter_(self) -> int:
        """Number of epochs."""
        return len(self.net_.history)

    @property
    def loss_curve_(self) -> list[float]:
        """Mean objective while training, of each epoch, in the units of the network."""
        return [row["train_loss"] for row in self.net_.history]

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """Objective on the validation rows after each epoch, NaN for epochs that had none.

        None where no epoch had any.
        """
        losses = [row.get("valid_loss", nan) for row in self.net_.history]
        return None if all(map(isnan, losses)) else losses

    @property
    def loss_(self) -> float:
        """Objective of the last epoch, or before training where there was none."""
        return self.loss_curve_[-1] if self.n_iter_ else self.best_loss_

    @property
    def best_loss_(self) -> float:
        """Objective of the weights kept, on the validation rows if there are any."""
        return self.net_.best_loss_

    @property
    def best_epoch_(self) -> int:
        """Epoch whose weights are kept, from 1; 0 is the start."""
        return self.net_.best_epoch_

    @property
    def shrinkage_(self) -> float | None:
        """How far the weights kept lie on the way from those of `best_epoch_` to the start.

        From 0 to 1, chosen by the rows held out or by cross-validation; None where neither was.
        """
        return self.net_.shrinkage_

    @property
    def pca_loss_(self) -> float | None:
        """Objective of PCA on the rows of `best_loss_`; None where the fit began elsewhere."""
        return self.net_.start_loss_ if self.net_.starts_at_pca_ else None

    @property
    def _n_features_out(self) -> int:
        return self.net_.module_.encoding_dim

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = bool(self.target_weight)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def checked_output(output: NDArray) -> NDArray:
    """Give what a network gave, unless it is beyond what its numbers hold."""
    # The first is one pass without an array of bool; a huge finite number fails it too.
    if not (isfinite(np.vdot(output, output)) or np.isfinite(output).all()):
        raise ValueError(
            "X: values lie so far out that the network can't represent them. Divide X by a "
            "constant, clip it, or use precision='float64'."
        )
    return output
