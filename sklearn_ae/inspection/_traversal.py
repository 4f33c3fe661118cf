"""What each code means: one varied at a time, and what the decoder makes of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.inspection._cells import (
    CELL_WIDTH,
    IMAGE_GAP,
    MARGINS,
    draw_images,
    one_row,
    shape_of_images,
    to_dense,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Between these quantiles of the rows a code is varied.
_QUANTILES = 0.02, 0.98
# Of a table, in inches: the height of a feature, the width of a step, and the least of all.
_FEATURE_HEIGHT, _STEP_WIDTH, _LEAST_HEIGHT = 0.2, 0.28, 0.8


class TraversalDisplay:
    """Codes varied one at a time: images, or how much each column of a table changes.

    It is recommended to use
    :meth:`~sklearn_ae.inspection.TraversalDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    values : array-like of shape (n_codes, n_steps)
        The values that each code takes.

    X_decoded : array-like of shape (n_codes, n_steps, n_features)
        What the decoder makes of them, the other codes left as they were.

    codes : sequence of int, default=None
        Which codes these are. None is the first ones.

    image_shape : tuple of int, default=None
        The shape of a row's image: (height, width), or (height, width, channels) with 1 or 3
        channels. None draws the change of each column.

    unit : array-like of shape (n_features,), default=None
        What a change of each column is divided by, such as its deviation. None is 1.

    feature_names : sequence of str, default=None
        Names of the columns. None is their numbers.

    Attributes
    ----------
    images_ : ndarray of shape (n_codes, n_steps) or (n_codes,) of matplotlib Artist
        The images: of a table one for each code, columns by steps.

    ax_ : matplotlib Axes
        The axes that hold all codes.

    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    TraversalDisplay.from_estimator : Vary the codes of an estimator and draw them.
    LatentDisplay : Where the codes of rows lie.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ae.inspection import TraversalDisplay
    >>> pca = PCA(2).fit(load_digits().data)
    >>> values = np.linspace([-20, -20], [20, 20], 5, axis=1)
    >>> codes = [np.outer(value, code) for value, code in zip(values, np.eye(2))]
    >>> decoded = [pca.inverse_transform(each) for each in codes]
    >>> TraversalDisplay(values=values, X_decoded=decoded, image_shape=(8, 8)).plot()
    <...>
    >>> plt.show()
    """

    def __init__(
        self,
        *,
        values: ArrayLike,
        X_decoded: ArrayLike,
        codes: Sequence[int] | NDArray[np.integer] | None = None,
        image_shape: Sequence[int] | None = None,
        unit: ArrayLike | None = None,
        feature_names: Sequence[str] | NDArray | None = None,
    ) -> None:
        self.values = values
        self.X_decoded = X_decoded
        self.codes = codes
        self.image_shape = image_shape
        self.unit = unit
        self.feature_names = feature_names

    def plot(self, ax: "Axes | None" = None, *, image_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw a line of images for each code, or a field of columns by steps.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; None for a new figure of the size that the codes need.

        image_kwargs : dict, default=None
            Keywords for matplotlib's `imshow`, such as `cmap`.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.TraversalDisplay`
            The display itself.

        Raises
        ------
        ValueError
            If `image_shape` does not fit the rows.
        """
        decoded = np.asarray(self.X_decoded, dtype=np.float64)
        codes = range(len(decoded)) if self.codes is None else self.codes
        names = [f"code {code}" for code in codes]
        if self.image_shape is None:
            self._plot_columns(ax, decoded, names, image_kwargs or {})
        else:
            self._plot_images(ax, decoded, names, image_kwargs or {})
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        self.figure_ = self.ax_.figure
        return self

    def _plot_images(
        self, ax: "Axes | None", decoded: NDArray, names: list[str], image_kwargs: dict[str, Any]
    ) -> None:
        """Draw a line of images for each code."""
        import matplotlib.pyplot as plt

        n_codes, n_steps, n_features = decoded.shape
        shape = shape_of_images(cast(Sequence[int], self.image_shape), n_features)
        low, high = decoded.min(), decoded.max()
        cells = ((decoded - low) / (high - low or 1)).reshape(n_codes, n_steps, *shape)
        height = shape[0] / shape[1]
        left = (1 + IMAGE_GAP) * np.arange(n_steps)
        top = (height + IMAGE_GAP) * np.arange(n_codes)
        right, bottom = left[-1] + 1, top[-1] + height
        if ax is None:
            figsize = CELL_WIDTH * np.array([right, bottom]) + MARGINS
            _, ax = plt.subplots(figsize=figsize, layout="compressed")
        self.images_ = draw_images(ax, cells, left, top, image_kwargs)
        ax.set(xlim=(0, right), ylim=(bottom, 0), aspect="equal")
        ax.set_yticks(top + height / 2, names)
        ax.set_xticks(left[[0, -1]] + 0.5, ["low", "high"])
        self.ax_ = ax

    def _plot_columns(
        self, ax: "Axes | None", decoded: NDArray, names: list[str], image_kwargs: dict[str, Any]
    ) -> None:
        """Draw a field for each code: how much each column changes from the middle step."""
        import matplotlib.pyplot as plt

        n_codes, n_steps, n_features = decoded.shape
        unit = 1.0 if self.unit is None else np.asarray(self.unit)
        changes = (decoded - decoded[:, [n_steps // 2]]) / unit
        greatest = np.abs(changes).max() or 1.0
        left = (n_steps + 1) * np.arange(n_codes)
        if ax is None:
            width = _STEP_WIDTH * (left[-1] + n_steps) + 3.0
            height = max(_LEAST_HEIGHT, _FEATURE_HEIGHT * n_features) + 0.8
            _, ax = plt.subplots(figsize=(width, height), layout="constrained")
        # Blue and red are told apart by all, and no change is white.
        keywords = {"cmap": "RdBu_r", "vmin": -greatest, "vmax": greatest, **image_kwargs}
        self.images_ = np.empty(n_codes, dtype=object)
        for i, change in enumerate(changes):
            extent = (left[i], left[i] + n_steps, n_features, 0)
            self.images_[i] = ax.imshow(change.T, extent=extent, aspect="auto", **keywords)
        ax.set(xlim=(0, left[-1] + n_steps), ylim=(n_features, 0))
        ax.set_xticks(left + n_steps / 2, names)
        of_features = range(n_features) if self.feature_names is None else self.feature_names
        ax.set_yticks(np.arange(n_features) + 0.5, [str(name) for name in of_features])
        ax.figure.colorbar(
            self.images_[0],
            ax=ax,
            label="change" if self.unit is None else "change, in deviations",
        )
        self.ax_ = ax

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        *,
        codes: ArrayLike | None = None,
        n_codes: int = 6,
        n_steps: int = 7,
        row: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        ax: "Axes | None" = None,
        image_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Vary the codes of a fitted estimator and draw what it makes of them.

        Each code goes from low to high among those of the rows, between their quantiles of 2 and
        98 %, while the others stay as they are.

        Parameters
        ----------
        estimator : estimator instance
            Any fitted estimator or :class:`~sklearn.pipeline.Pipeline` with `transform` and
            `inverse_transform`.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, whose codes say how far each is varied.

        codes : array-like of int, default=None
            The codes to vary. None is those that change the rows most, the greatest first.

        n_codes : int, default=6
            How many of those at most. Ignored if `codes` is given.

        n_steps : int, default=7
            Values of each code, at least 2.

        row : array-like of shape (n_features,), default=None
            The row to start from. None is the mean of the codes.

        image_shape : tuple of int, default=None
            The shape of a row's image: (height, width), or (height, width, channels) with 1 or 3
            channels. None draws the change of each column, in its deviation over the rows.

        ax : matplotlib Axes, default=None
            The axes to draw on; None for a new figure of the size that the codes need.

        image_kwargs : dict, default=None
            Keywords for matplotlib's `imshow`, such as `cmap`.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.TraversalDisplay`
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `image_shape` or `row` does not fit `X`, or a number is too small.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_wine
        >>> from sklearn_ae import AutoencoderTransformer
        >>> from sklearn_ae.inspection import TraversalDisplay
        >>> X = load_wine(as_frame=True).data
        >>> autoencoder = AutoencoderTransformer(3, scaling="standard", random_state=0).fit(X)
        >>> TraversalDisplay.from_estimator(autoencoder, X)
        <...>
        >>> plt.show()
        """
        check_is_fitted(estimator)
        for name, value, least in (("n_codes", n_codes, 1), ("n_steps", n_steps, 2)):
            if value < least:
                raise ValueError(f"{name}={value!r}: must be at least {least}.")
        of_rows = np.asarray(estimator.transform(X))
        if image_shape is not None:
            shape_of_images(image_shape, np.shape(X)[1])
        start = of_rows.mean(axis=0)
        if row is not None:
            start = np.asarray(estimator.transform(one_row(X, row)))[0]
        low, high = np.quantile(of_rows, _QUANTILES, axis=0)
        chosen = np.arange(of_rows.shape[1]) if codes is None else np.asarray(codes)
        values = np.linspace(low, high, n_steps, axis=1)[chosen].astype(of_rows.dtype)
        varied = np.tile(start, (len(chosen), n_steps, 1))
        np.put_along_axis(varied, chosen[:, None, None], values[:, :, None], axis=2)
        decoded = to_dense(estimator.inverse_transform(varied.reshape(-1, len(start))))
        decoded = decoded.reshape(len(chosen), n_steps, -1)
        unit = np.std(to_dense(X), axis=0) if image_shape is None else None
        if unit is not None:
            unit[unit == 0] = 1.0
        if codes is None:
            effects = np.square(np.diff(decoded, axis=1) / (1.0 if unit is None else unit))
            order = np.argsort(-effects.sum(axis=(1, 2)), kind="stable")[:n_codes]
            chosen, values, decoded = chosen[order], values[order], decoded[order]
        display = cls(
            values=values,
            X_decoded=decoded,
            codes=chosen,
            image_shape=image_shape,
            unit=unit,
            feature_names=getattr(estimator, "feature_names_in_", None),
        )
        return display.plot(ax=ax, image_kwargs=image_kwargs)
