"""What all autoencoders share: using and scoring what was fitted."""

from collections.abc import Callable
from math import isfinite

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklearn_ae._fitting import _Fitting
from sklearn_ae._training.batches import Rows, as_tensor, on_device
from sklearn_ae._training.net import INFERENCE_BATCH_SIZE
from sklearn_ae._training.statistics import moments
from sklearn_ae._validation import Matrix, check_codes, check_sample_weight


class _BaseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Fitting):
    """Base of the autoencoders: a subclass builds the module, and may have its own net."""

    # Using

    def transform(self, X: ArrayLike) -> NDArray:
        """Give the codes of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        codes : ndarray of shape (n_samples, encoding_dim)
            Their dtype is float64 for float64 rows, else float32.
        """
        X = self._check_rows_to_use(X)
        module = self.net_.module_
        return self._run(module.encode, X, module.encoding_dim)

    def inverse_transform(self, X: ArrayLike) -> NDArray:
        """Give the rows that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, encoding_dim)
            The codes.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units of the data; float64 for float64 codes, else float32.
        """
        check_is_fitted(self)
        module = self.net_.module_
        return self._run(module.decode, check_codes(X, module.encoding_dim), self.n_features_in_)

    def reconstruct(self, X: ArrayLike) -> NDArray:
        """Give what the autoencoder makes of rows: ``inverse_transform(transform(X))``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units of the data; float64 for float64 rows, else float32.
        """
        X = self._check_rows_to_use(X)
        return self._run(self.net_.module_, X, self.n_features_in_)

    def reconstruction_error(self, X: ArrayLike, *, per_feature: bool = False) -> NDArray:
        """Give the loss of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        per_feature : bool, default=False
            Whether to give the loss of each entry instead of its mean over the features.

        Returns
        -------
        error : ndarray of shape (n_samples,) or (n_samples, n_features)
            The fitted loss in the units of the data: for the squared error their square.
        """
        X = self._check_rows_to_use(X)
        if per_feature:
            return self._run(self._entry_loss, X, self.n_features_in_)
        return self._run(lambda x: self._entry_loss(x).mean(dim=1, keepdim=True), X, 1).ravel()

    def score_samples(self, X: ArrayLike) -> NDArray:
        """Give how typical each row is: minus its `reconstruction_error`.

        The mean of these is not what `score` gives, which is a share of the variance.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Greater is more typical, 0 the greatest for the squared error.
        """
        return -self.reconstruction_error(X)

    def score(
        self, X: ArrayLike, y: object = None, *, sample_weight: ArrayLike | None = None
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

        Returns
        -------
        score : float
            1 for a perfect reconstruction, 0 for the mean of the rows, at most 1.
        """
        check_is_fitted(self)
        X = self._check_X(X, ensure_min_samples=2)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        rows = Rows(X, sample_weight=sample_weight)
        left = np.zeros(self.n_features_in_)
        for batch in rows.batches(INFERENCE_BATCH_SIZE):
            with torch.inference_mode():
                output = self.net_.module_(on_device(batch.x, self.net_.device)).cpu()
            squares = (batch.x.double() - output.double()).square().numpy()
            left += squares.sum(axis=0) if batch.weight is None else batch.weight.numpy() @ squares
        variance = moments(rows).variance
        varies = variance > 0  # a constant feature has no share of the variance
        if not varies.any():
            return float(np.mean(left == 0))
        n_samples = len(rows) if sample_weight is None else sample_weight.sum()
        return float(1 - left[varies].sum() / (variance[varies].sum() * n_samples))

    def _check_rows_to_use(self, X: ArrayLike) -> Matrix:
        """Check that there is a network, and rows that it takes.

        Plain arrays of floats of the right width pass at once: for one row, all that is looked
        at otherwise takes longer than the network. What does not pass here meets the same
        checks, and errors, as ever.
        """
        if (
            type(X) is np.ndarray
            and X.dtype in (np.float32, np.float64)
            and X.flags.carray
            and X.ndim == 2
            and X.size > 0
            and X.shape[1] == vars(self).get("n_features_in_")
            and not hasattr(self, "feature_names_in_")
            and hasattr(self, "net_")
            and isfinite(np.vdot(X, X))  # a huge finite number fails too, and is looked at again
        ):
            return X
        check_is_fitted(self)
        return self._check_X(X)

    def _run(self, function: Callable[[Tensor], Tensor], X: Matrix, width: int) -> NDArray:
        """Run a part of the network over rows, in chunks, into one array."""
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        output = np.empty((X.shape[0], width), dtype=dtype)
        with torch.inference_mode():
            for first in range(0, X.shape[0], INFERENCE_BATCH_SIZE):
                chunk = slice(first, first + INFERENCE_BATCH_SIZE)
                x = on_device(as_tensor(X[chunk]), self.net_.device)
                output[chunk] = function(x).cpu().numpy()
        return output

    def _entry_loss(self, x: Tensor) -> Tensor:
        """Give the loss of each entry of rows, in the units of the data."""
        module, entries = self.net_.module_, self.net_.criterion_.entries
        if self.net_.degree is None:
            return entries(module(x), x.clone())  # which the user's loss may write into
        target = module.rescale(x)
        loss = entries(module.decoder(module.encoder(target)), target)
        # In the dtype of the rows, whose squares may lie beyond what float32 holds.
        return loss.to(x.dtype) * module.rescale.scale.to(x.dtype) ** self.net_.degree

    # What there is to know of a fitted one

    @property
    def encoder_(self) -> nn.Module:
        """Module from rows in the units of the data to codes."""
        return self.net_.module_.halves()[0]

    @property
    def decoder_(self) -> nn.Module:
        """Module from codes to rows in the units of the data."""
        return self.net_.module_.halves()[1]

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
        """Objective on the validation rows after each epoch; None where there are none."""
        losses = [row["valid_loss"] for row in self.net_.history if "valid_loss" in row]
        return losses or None

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
    def pca_loss_(self) -> float | None:
        """Objective of PCA on the rows of `best_loss_`; None where the fit began elsewhere."""
        return self.net_.start_loss_ if self.net_.starts_at_pca_ else None

    @property
    def _n_features_out(self) -> int:
        return self.net_.module_.encoding_dim

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
