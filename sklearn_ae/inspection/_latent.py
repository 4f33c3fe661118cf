"""Where the codes of rows lie, and what stands between them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_ae.inspection._cells import draw_images, draw_lines, shape_of_images, to_dense

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of more points than these a scatter is one blot, and a density is drawn.
_MOST_POINTS = 10_000
# Of more labels than there are colours that all tell apart, a scale is drawn.
_COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
_MOST_PAIRS = 3
# The plane is decoded between these quantiles of the codes.
_QUANTILES = 0.02, 0.98
_SIDE = 4.0


class LatentDisplay:
    """Codes in the plane, coloured by label or value, and what the plane stands for.

    It is recommended to use
    :meth:`~sklearn_ae.inspection.LatentDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    codes : array-like of shape (n_samples, encoding_dim)
        The codes, at least 2 numbers each. Of more, the first pairs are drawn.

    y : array-like of shape (n_samples,), default=None
        Labels or values by which the points are coloured.

    X_decoded : array-like of shape (n_grid, n_grid, n_features), default=None
        What the decoder makes of a grid in the plane, where there are two codes; the first row of
        it is the uppermost.

    extent : tuple of float, default=None
        Least and greatest first code, least and greatest second code of that grid.

    image_shape : tuple of int, default=None
        The shape of a row's image: (height, width), or (height, width, channels) with 1 or 3
        channels. None draws what is decoded as lines over the features.

    Attributes
    ----------
    artists_ : list of matplotlib Artist
        The points, or the density, of each pair.

    decoded_ : ndarray of shape (n_grid, n_grid) of matplotlib Artist, or None
        The images or lines of the grid; None where there is none.

    axes_ : ndarray of matplotlib Axes
        The axes of the pairs and of the grid.

    ax_ : matplotlib Axes
        The first of them.

    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    LatentDisplay.from_estimator : Encode rows by an estimator and draw their codes.
    TraversalDisplay : What each code means.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ae.inspection import LatentDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> LatentDisplay(codes=PCA(2).fit_transform(X), y=y).plot()
    <...>
    >>> plt.show()
    """

    def __init__(
        self,
        *,
        codes: ArrayLike,
        y: ArrayLike | None = None,
        X_decoded: ArrayLike | None = None,
        extent: Sequence[float] | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.codes = codes
        self.y = y
        self.X_decoded = X_decoded
        self.extent = extent
        self.image_shape = image_shape

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        scatter_kwargs: dict[str, Any] | None = None,
        image_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the codes: points, or past 10,000 of them a density, and the decoded grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes whose place is used; None for a new figure. They are parted where there is
            more than one thing to draw.

        scatter_kwargs : dict, default=None
            Keywords for matplotlib's `scatter`, such as `s`.

        image_kwargs : dict, default=None
            Keywords for matplotlib's `imshow`, such as `cmap`.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.LatentDisplay`
            The display itself.

        Raises
        ------
        ValueError
            If a code is one number, or `image_shape` does not fit the rows.
        """
        codes = np.asarray(self.codes)
        if codes.ndim != 2 or codes.shape[1] < 2:
            raise ValueError(
                f"codes have shape {codes.shape}: a plane needs two numbers a row. Fit with "
                "encoding_dim=2 or more."
            )
        firsts = range(0, min(codes.shape[1] - 1, 2 * _MOST_PAIRS), 2)
        has_grid = self.X_decoded is not None
        self.axes_ = _parted(ax, len(firsts) + has_grid)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.artists_ = []
        y = None if self.y is None else np.asarray(self.y)
        for axes, first in zip(self.axes_, firsts, strict=False):
            drawn = _draw_codes(axes, codes[:, first : first + 2], y, scatter_kwargs or {})
            self.artists_.append(drawn)
            axes.set(xlabel=f"code {first}", ylabel=f"code {first + 1}")
        self._explain(y, self.axes_[len(firsts) - 1])
        self.decoded_ = self._draw_grid(self.axes_[-1], image_kwargs or {}) if has_grid else None
        return self

    def _explain(self, y: NDArray | None, axes: "Axes") -> None:
        """Say what the colours are."""
        drawn = self.artists_[-1]
        labels, _ = _labels_and_values(y)
        if labels is not None:
            handles = [
                axes.scatter([], [], color=colour, label=str(label))
                for colour, label in zip(_COLOURS, labels, strict=False)
            ]
            axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        elif drawn.get_array() is not None:
            self.figure_.colorbar(drawn, ax=axes, label="points" if y is None else None)

    def _draw_grid(self, axes: "Axes", image_kwargs: dict[str, Any]) -> NDArray[np.object_]:
        decoded = np.asarray(self.X_decoded, dtype=np.float64)
        low, high = decoded.min(), decoded.max()
        cells = (decoded - low) / (high - low or 1)
        n_rows, n_columns, n_features = cells.shape
        if self.image_shape is None:
            # As for rows, each line has the first of its column behind it.
            drawn = draw_lines(axes, cells, 1.1 * np.arange(n_columns), np.arange(n_rows), {})
            height, width = 1.0, 1.1
        else:
            shape = shape_of_images(self.image_shape, n_features)
            height, width = shape[0] / shape[1], 1.0
            images = cells.reshape(n_rows, n_columns, *shape)
            top = height * np.arange(n_rows)
            drawn = draw_images(axes, images, np.arange(n_columns, dtype=float), top, image_kwargs)
        axes.set(xlim=(0, width * n_columns), ylim=(height * n_rows, 0), aspect="equal")
        low_x, high_x, low_y, high_y = self.extent or (0, 1, 0, 1)
        axes.set_xticks([0, width * n_columns], [f"{low_x:.2g}", f"{high_x:.2g}"])
        axes.set_yticks([0, height * n_rows], [f"{high_y:.2g}", f"{low_y:.2g}"])
        axes.set(xlabel="code 0", ylabel="code 1")
        axes.spines[:].set_visible(False)
        return drawn

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        image_shape: Sequence[int] | None = None,
        n_grid: int = 12,
        ax: "Axes | None" = None,
        scatter_kwargs: dict[str, Any] | None = None,
        image_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Encode rows by a fitted estimator and draw their codes.

        Where a code has two numbers and rows are images, the decoded plane is drawn beside them.

        Parameters
        ----------
        estimator : estimator instance
            Any fitted estimator or :class:`~sklearn.pipeline.Pipeline` with `transform` and
            `inverse_transform`.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,), default=None
            Labels or values by which the points are coloured.

        image_shape : tuple of int, default=None
            The shape of a row's image: (height, width), or (height, width, channels) with 1 or 3
            channels. None draws no plane.

        n_grid : int, default=12
            Images in a row and in a column of the plane; 0 draws none.

        ax : matplotlib Axes, default=None
            The axes whose place is used; None for a new figure.

        scatter_kwargs : dict, default=None
            Keywords for matplotlib's `scatter`, such as `s`.

        image_kwargs : dict, default=None
            Keywords for matplotlib's `imshow`, such as `cmap`.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.LatentDisplay`
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a code is one number, or `y` or `image_shape` does not fit `X`.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_ae import AutoencoderTransformer
        >>> from sklearn_ae.inspection import LatentDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> autoencoder = AutoencoderTransformer(2, random_state=0).fit(X)
        >>> LatentDisplay.from_estimator(autoencoder, X, y, image_shape=(8, 8))
        <...>
        >>> plt.show()
        """
        check_is_fitted(estimator)
        codes = np.asarray(estimator.transform(X))
        if y is not None:
            check_consistent_length(codes, y)
        decoded = extent = None
        if image_shape is not None:
            shape_of_images(image_shape, np.shape(X)[1])
            if codes.shape[1] == 2 and n_grid:
                low, high = np.quantile(codes, _QUANTILES, axis=0)
                extent = (low[0], high[0], low[1], high[1])
                across, down = np.meshgrid(
                    np.linspace(low[0], high[0], n_grid), np.linspace(high[1], low[1], n_grid)
                )
                plane = np.stack([across, down], axis=-1).reshape(-1, 2).astype(codes.dtype)
                rows = to_dense(estimator.inverse_transform(plane))
                decoded = rows.reshape(n_grid, n_grid, -1)
        display = cls(codes=codes, y=y, X_decoded=decoded, extent=extent, image_shape=image_shape)
        return display.plot(ax=ax, scatter_kwargs=scatter_kwargs, image_kwargs=image_kwargs)


def _parted(ax: "Axes | None", n_parts: int) -> NDArray[np.object_]:
    """Give axes side by side, in a new figure or in the place of others."""
    import matplotlib.pyplot as plt

    if ax is None:
        size = (_SIDE * n_parts + 1, _SIDE)
        _, axes = plt.subplots(1, n_parts, figsize=size, layout="constrained", squeeze=False)
        return axes[0]
    if n_parts == 1:
        return np.array([ax])
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax: axes that were placed by hand can't be parted. Pass those of subplots."
        )
    ax.set_axis_off()
    grid = place.subgridspec(1, n_parts)
    return np.array([ax.figure.add_subplot(grid[i]) for i in range(n_parts)])


def _draw_codes(
    axes: "Axes", codes: NDArray, y: NDArray | None, scatter_kwargs: dict[str, Any]
) -> Any:
    """Draw a pair of codes."""
    from matplotlib.colors import ListedColormap

    labels, values = _labels_and_values(y)
    colours: dict[str, Any] = {"cmap": "viridis"}
    if labels is not None:
        n_labels = len(labels)
        of_labels = ListedColormap(_COLOURS[:n_labels])
        colours = {"cmap": of_labels, "vmin": -0.5, "vmax": n_labels - 0.5}
    if len(codes) > _MOST_POINTS:
        keywords = {"gridsize": 60, "linewidths": 0.1, "mincnt": 1, **colours}
        if values is None:
            return axes.hexbin(*codes.T, bins="log", **keywords)
        keywords["reduce_C_function"] = np.mean if labels is None else _most_frequent
        return axes.hexbin(codes[:, 0], codes[:, 1], values, **keywords)
    colours = {"color": _COLOURS[0]} if values is None else {"c": values, **colours}
    size = max(4, 2_000 / len(codes) ** 0.8)
    return axes.scatter(*codes.T, **{"s": size, "linewidths": 0, **colours, **scatter_kwargs})


def _labels_and_values(y: NDArray | None) -> tuple[NDArray | None, NDArray | None]:
    """Give labels and the number of each, or values alone where there are no labels, or many."""
    if y is None:
        return None, None
    labels, index = np.unique(y, return_inverse=True)
    is_labelled = type_of_target(y) in ("binary", "multiclass") and len(labels) <= len(_COLOURS)
    if is_labelled:
        return labels, index
    return None, y if y.dtype.kind in "biuf" else index


def _most_frequent(index: NDArray | list[float]) -> float:
    return float(np.bincount(np.asarray(index, dtype=int)).argmax())
