"""Rows and their reconstructions, drawn one above the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.inspection._cells import (
    CELL_WIDTH,
    IMAGE_GAP,
    LINE_GAP,
    LINE_HEIGHT,
    MARGINS,
    draw_images,
    draw_lines,
    shape_of_images,
    take_rows,
    to_dense,
    with_shape,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ReconstructionDisplay:
    """Originals, corrupted inputs if there are any, and reconstructions, a column for each sample.

    It is recommended to use
    :meth:`~sklearn_ae.inspection.ReconstructionDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The original rows.

    X_reconstructed : array-like of shape (n_samples, n_features)
        Their reconstructions.

    X_corrupted : array-like of shape (n_samples, n_features), default=None
        The rows that were reconstructed, where they differ from the originals.

    errors : array-like of shape (n_samples,), default=None
        The error of each reconstruction, written below it.

    image_shape : tuple of int, default=None
        The shape of a row's image: (height, width), or (height, width, channels) with 1 or 3
        channels. None draws each row as a line over its features.

    Attributes
    ----------
    images_ : ndarray of shape (2 or 3, n_samples) of matplotlib Artist, or None
        The images, a row of the array for each kind; None where `image_shape` is None.

    lines_ : ndarray of shape (2 or 3, n_samples) of matplotlib Artist, or None
        The lines; None where `image_shape` is given.

    ax_ : matplotlib Axes
        The axes that hold all samples.

    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    ReconstructionDisplay.from_estimator : Reconstruct rows by an estimator and draw them.
    LossCurveDisplay : The losses of each epoch.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ae.inspection import ReconstructionDisplay
    >>> X = load_digits().data[:10]
    >>> pca = PCA(n_components=8).fit(X)
    >>> display = ReconstructionDisplay(
    ...     X=X, X_reconstructed=pca.inverse_transform(pca.transform(X)), image_shape=(8, 8)
    ... )
    >>> display.plot()
    <...>
    >>> plt.show()
    """

    def __init__(
        self,
        *,
        X: ArrayLike,
        X_reconstructed: ArrayLike,
        X_corrupted: ArrayLike | None = None,
        errors: Sequence[float] | NDArray[np.floating] | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.X = X
        self.X_reconstructed = X_reconstructed
        self.X_corrupted = X_corrupted
        self.errors = errors
        self.image_shape = image_shape

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        image_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the samples.

        All images of a display have one range of grey, that of the originals; values beyond it,
        which corrupted images often have, are drawn black or white. All lines have one range too.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; None for a new figure of the size that the samples need.

        image_kwargs : dict, default=None
            Keywords for matplotlib's `imshow`, such as `cmap`.

        line_kwargs : dict, default=None
            Keywords for matplotlib's `plot`, such as `linewidth`.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.ReconstructionDisplay`
            The display itself.

        Raises
        ------
        ValueError
            If `image_shape` does not fit the rows.
        """
        import matplotlib.pyplot as plt

        kinds = {"Original": np.asarray(self.X)}
        if self.X_corrupted is not None:
            kinds["Corrupted"] = np.asarray(self.X_corrupted)
        kinds["Reconstruction"] = np.asarray(self.X_reconstructed)
        rows = np.stack([*kinds.values()])
        n_kinds, n_samples, n_features = rows.shape

        if self.image_shape is None:
            cell_shape: tuple[int, ...] = (n_features,)
            height, gap, range_of = LINE_HEIGHT, LINE_GAP, rows
        else:
            cell_shape = shape_of_images(self.image_shape, n_features)
            height, gap, range_of = cell_shape[0] / cell_shape[1], IMAGE_GAP, rows[0]
        low, high = range_of.min(), range_of.max()
        # Constant rows have no range: with any divisor but zero they are drawn in one grey.
        rows = np.clip((rows - low) / (high - low or 1), 0, 1)
        cells = rows.reshape(n_kinds, n_samples, *cell_shape)

        left = (1 + gap) * np.arange(n_samples)
        top = (height + gap) * np.arange(n_kinds)
        right, bottom = left[-1] + 1, top[-1] + height
        if ax is None:
            figsize = CELL_WIDTH * np.array([right, bottom]) + MARGINS
            _, ax = plt.subplots(figsize=figsize, layout="compressed")

        self.images_ = self.lines_ = None
        if self.image_shape is None:
            self.lines_ = draw_lines(ax, cells, left, top, line_kwargs or {})
        else:
            self.images_ = draw_images(ax, cells, left, top, image_kwargs or {})

        ax.set(xlim=(0, right), ylim=(bottom, 0), aspect="equal")
        ax.set_xticks([])
        ax.set_yticks(top + height / 2, [*kinds])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        if self.errors is not None:
            ax.set_xticks(left + 0.5, [f"{error:#.3g}".rstrip(".") for error in self.errors])
            ax.set_xlabel("Mean squared error")

        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        *,
        X_corrupted: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        n_samples: int = 10,
        indices: ArrayLike | None = None,
        ax: "Axes | None" = None,
        image_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Reconstruct rows by a fitted estimator and draw them.

        The mean squared error of each reconstruction, always against the original, is written
        below it, in the squared units of `X`.

        Parameters
        ----------
        estimator : estimator instance
            Any fitted estimator or :class:`~sklearn.pipeline.Pipeline` with `transform` and
            `inverse_transform`: an autoencoder, or :class:`~sklearn.decomposition.PCA` to
            compare it with.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The original rows.

        X_corrupted : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            The same rows with noise, to see how a denoising estimator removes it: these are
            reconstructed. None reconstructs `X`, even where the estimator was fitted with noise.

        image_shape : tuple of int, default=None
            The shape of a row's image: (height, width), or (height, width, channels) with 1 or 3
            channels. None draws each row as a line over its features.

        n_samples : int, default=10
            How many rows to draw, from the first on, at least 1. Ignored if `indices` is given.

        indices : array-like of int, default=None
            The rows to draw.

        ax : matplotlib Axes, default=None
            The axes to draw on; None for a new figure of the size that the samples need.

        image_kwargs : dict, default=None
            Keywords for matplotlib's `imshow`, such as `cmap`.

        line_kwargs : dict, default=None
            Keywords for matplotlib's `plot`, such as `linewidth`.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.ReconstructionDisplay`
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `image_shape` or `X_corrupted` does not fit `X`, or `n_samples` is less than 1.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_ae import AutoencoderTransformer
        >>> from sklearn_ae.inspection import ReconstructionDisplay
        >>> X = load_digits().data
        >>> autoencoder = AutoencoderTransformer(8, random_state=0).fit(X)
        >>> ReconstructionDisplay.from_estimator(autoencoder, X, image_shape=(8, 8))
        <...>
        >>> plt.show()
        """
        check_is_fitted(estimator)
        rows = with_shape(X)
        inputs = rows if X_corrupted is None else with_shape(X_corrupted)
        if inputs.shape != rows.shape:
            raise ValueError(
                f"X_corrupted has shape {inputs.shape}, but X has shape {rows.shape}: pass the "
                "same rows, with noise."
            )
        if image_shape is not None:
            shape_of_images(image_shape, rows.shape[1])
        if indices is None:
            if n_samples < 1:
                raise ValueError(f"n_samples={n_samples!r}: must be at least 1.")
            indices = np.arange(min(n_samples, rows.shape[0]))

        inputs = take_rows(inputs, np.asarray(indices))
        originals = to_dense(take_rows(rows, np.asarray(indices)))
        reconstructed = to_dense(estimator.inverse_transform(estimator.transform(inputs)))
        display = cls(
            X=originals,
            X_reconstructed=reconstructed,
            X_corrupted=None if X_corrupted is None else to_dense(inputs),
            errors=np.mean((reconstructed - originals) ** 2, axis=1),
            image_shape=image_shape,
        )
        return display.plot(ax=ax, image_kwargs=image_kwargs, line_kwargs=line_kwargs)
