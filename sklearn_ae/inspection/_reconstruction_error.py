"""How typical rows are, and what makes one of them an outlier."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.inspection._cells import shape_of_images, take_rows, with_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D

_N_BINS = 40
# Scores farther below the first quartile, in distances of the quartiles, share the first bin.
_TAIL = 10.0
# Okabe and Ito's blue and vermilion, which all readers tell apart.
_TYPICAL, _OUTLIERS = "#0072B2", "#D55E00"
_WHAT = "Reconstruction error"
# In inches, of one feature's bar, and around all of them.
_BAR_HEIGHT, _BAR_MARGIN = 0.28, 0.9


class ReconstructionErrorDisplay:
    """Scores of rows with the threshold for outliers, or the features that make a row one.

    It is recommended to use
    :meth:`~sklearn_ae.inspection.ReconstructionErrorDisplay.from_estimator` to create a display.
    All parameters are stored as attributes.

    Parameters
    ----------
    scores : array-like of shape (n_samples,), default=None
        How typical each row is. None draws the contributions of the features of one.

    is_outlier : array-like of bool of shape (n_samples,), default=None
        Which rows are outliers. None draws all alike.

    offset : float, default=None
        The score below which a row is taken for an outlier.

    contributions : array-like of shape (n_features,), default=None
        What is left of each feature of a row.

    feature_names : sequence of str, default=None
        Names of the features. None is their numbers.

    image_shape : tuple of int, default=None
        The shape of a row's image: (height, width), or (height, width, channels) with 1 or 3
        channels. None draws contributions as bars.

    usual : float, default=None
        What is usually left of a feature, for a line among the bars.

    Attributes
    ----------
    bars_ : list of matplotlib Artist
        The bars: of typical rows and of outliers, or of features. Empty for an image.

    image_ : matplotlib Artist or None
        The contributions of pixels.

    line_ : matplotlib Artist or None
        The threshold, or what is usual.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    ReconstructionErrorDisplay.from_estimator : Draw the scores of an estimator.
    ReconstructionDisplay : Rows and their reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn_ae.inspection import ReconstructionErrorDisplay
    >>> display = ReconstructionErrorDisplay(
    ...     scores=[-1.2, -0.8, -1.0, -6.0], is_outlier=[False, False, False, True], offset=-4.0
    ... )
    >>> display.plot()
    <...>
    >>> plt.show()
    """

    def __init__(
        self,
        *,
        scores: ArrayLike | None = None,
        is_outlier: ArrayLike | None = None,
        offset: float | None = None,
        contributions: ArrayLike | None = None,
        feature_names: Sequence[str] | NDArray | None = None,
        image_shape: Sequence[int] | None = None,
        usual: float | None = None,
    ) -> None:
        self.scores = scores
        self.is_outlier = is_outlier
        self.offset = offset
        self.contributions = contributions
        self.feature_names = feature_names
        self.image_shape = image_shape
        self.usual = usual

    def plot(self, ax: "Axes | None" = None, *, n_features: int = 10) -> Self:
        """Draw a histogram of the scores, or the features of a row of the greatest contributions.

        Scores that are much less than others share the first bar, so that these stay readable.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; None for a new figure.

        n_features : int, default=10
            Features to draw at most. All of them where they are an image.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.ReconstructionErrorDisplay`
            The display itself.

        Raises
        ------
        ValueError
            If there are neither scores nor contributions, or `image_shape` does not fit.
        """
        self.bars_: list[Any] = []
        self.image_: AxesImage | None = None
        self.line_: Line2D | None = None
        if self.contributions is not None:
            contributions = np.asarray(self.contributions, dtype=np.float64)
            if self.image_shape is None:
                self._plot_bars(ax, contributions, n_features)
            else:
                self._plot_image(ax, contributions)
        elif self.scores is not None:
            self._plot_scores(ax, np.asarray(self.scores, dtype=np.float64))
        else:
            raise ValueError("scores=None, contributions=None: pass one of them.")
        self.ax_.spines[["top", "right"]].set_visible(False)
        self.figure_ = self.ax_.figure
        return self

    def _plot_scores(self, ax: "Axes | None", scores: NDArray) -> None:
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        first, third = np.percentile(scores, [25, 75])
        least = first - _TAIL * (third - first) if third > first else scores.min()
        if self.offset is not None:
            least = min(least, self.offset - (third - first))
        shown = np.maximum(scores, least)
        bins = np.histogram_bin_edges(shown, _N_BINS).tolist()
        groups = {"rows": (np.ones(len(scores), dtype=bool), _TYPICAL)}
        if self.is_outlier is not None:
            is_outlier = np.asarray(self.is_outlier, dtype=bool)
            groups = {"typical": (~is_outlier, _TYPICAL), "outliers": (is_outlier, _OUTLIERS)}
        for label, (chosen, color) in groups.items():
            # Shares, so that few outliers are seen beside many rows.
            share = np.full(chosen.sum(), 1 / max(chosen.sum(), 1))
            _, _, bars = ax.hist(
                shown[chosen], bins, weights=share, color=color, alpha=0.65, label=label
            )
            self.bars_.append(bars)
        if self.offset is not None:
            self.line_ = ax.axvline(self.offset, color="black", linestyle="--", label="threshold")
        at_most = " (less in the first bar)" if (scores < least).any() else ""
        ax.set(xlabel=f"Score, greater is more typical{at_most}", ylabel="Share of the rows")
        if len(groups) + (self.offset is not None) > 1:
            ax.legend(frameon=False)
        self.ax_ = ax

    def _plot_bars(self, ax: "Axes | None", contributions: NDArray, n_features: int) -> None:
        import matplotlib.pyplot as plt

        chosen = np.argsort(-contributions, kind="stable")[:n_features]
        if ax is None:
            figsize = (6.4, _BAR_MARGIN + _BAR_HEIGHT * len(chosen))
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        names = np.arange(len(contributions)) if self.feature_names is None else self.feature_names
        labels = [str(names[feature]) for feature in chosen]
        places = np.arange(len(chosen))
        self.bars_ = [ax.barh(places, contributions[chosen], color=_OUTLIERS)]
        ax.set_yticks(places, labels)
        ax.invert_yaxis()
        if self.usual is not None:
            self.line_ = ax.axvline(self.usual, color="black", linestyle=":")
        ax.set(xlabel=_WHAT)
        self.ax_ = ax

    def _plot_image(self, ax: "Axes | None", contributions: NDArray) -> None:
        import matplotlib.pyplot as plt

        shape = shape_of_images(self.image_shape or (), len(contributions))
        if ax is None:
            _, ax = plt.subplots(figsize=(4.2, 3.4), layout="constrained")
        pixels = contributions.reshape(shape).mean(axis=2)
        image = ax.imshow(pixels, cmap="magma")
        self.image_ = image
        ax.figure.colorbar(image, ax=ax, label=_WHAT)
        ax.set(xticks=[], yticks=[])
        self.ax_ = ax

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        row: int | None = None,
        n_features: int = 10,
        image_shape: Sequence[int] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the scores of rows, or what makes one of them an outlier.

        Parameters
        ----------
        estimator : estimator instance
            A fitted estimator with `score_samples`; where it has a `decision_function`, the
            threshold is drawn, of a Pipeline too. For the features of a row, one with
            ``reconstruction_error(X, per_feature=True)``, which is the last step of one.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,), default=None
            Which rows are outliers: the -1 among 1, as scikit-learn has it, or what is true of
            booleans and of 0 and 1. None draws all alike.

        row : int, default=None
            The row whose features are drawn. None draws the scores of all.

        n_features : int, default=10
            Features to draw at most. All of them where they are an image.

        image_shape : tuple of int, default=None
            The shape of a row's image: (height, width), or (height, width, channels) with 1 or 3
            channels. None draws contributions as bars.

        ax : matplotlib Axes, default=None
            The axes to draw on; None for a new figure.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.ReconstructionErrorDisplay`
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If there is no such row, or `y` or `image_shape` does not fit `X`.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.preprocessing import scale
        >>> from sklearn_ae import AutoencoderOutlierDetector
        >>> from sklearn_ae.inspection import ReconstructionErrorDisplay
        >>> X, y = load_wine(return_X_y=True)
        >>> X = scale(X)
        >>> detector = AutoencoderOutlierDetector(novelty=True, random_state=0).fit(X[y == 1])
        >>> ReconstructionErrorDisplay.from_estimator(detector, X, y != 1)
        <...>
        >>> plt.show()
        """
        check_is_fitted(estimator)
        rows: Any = with_shape(X)
        n_samples, n_columns = rows.shape
        if row is not None:
            if not -n_samples <= row < n_samples:
                raise ValueError(f"row={row}: X has {n_samples} rows.")
            if image_shape is not None:
                shape_of_images(image_shape, n_columns)
            one = take_rows(rows, np.array([row]))
            display = cls(
                contributions=np.ravel(estimator.reconstruction_error(one, per_feature=True)),
                feature_names=getattr(estimator, "feature_names_in_", None),
                image_shape=image_shape,
                # Of a detector errors are in such units.
                usual=1.0 if hasattr(estimator, "decision_function") else None,
            )
            return display.plot(ax=ax, n_features=n_features)
        scores, offset = estimator.score_samples(rows), None
        if hasattr(estimator, "decision_function"):
            first = take_rows(rows, np.array([0]))
            offset = float(scores[0] - estimator.decision_function(first)[0])
        is_outlier = None if y is None else _outliers(y, n_samples)
        display = cls(scores=scores, is_outlier=is_outlier, offset=offset)
        return display.plot(ax=ax)


def _outliers(y: ArrayLike, n_samples: int) -> NDArray[np.bool_]:
    """Tell which rows are outliers."""
    labels: Any = np.asarray(y)
    if labels.shape != (n_samples,):
        raise ValueError(f"y has the shape {labels.shape}: X has {n_samples} rows.")
    values = set(np.unique(labels).tolist())
    if labels.dtype != bool and values <= {-1, 1}:
        return labels == -1
    if values <= {0, 1}:
        return labels.astype(bool)
    raise ValueError(f"y has {sorted(values)[:5]}: it is to have -1 and 1, 0 and 1, or booleans.")
