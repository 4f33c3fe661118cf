"""The losses of each epoch, drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Training, validation, the epoch kept, PCA.
_CURVES_OF_ONE = 4


class LossCurveDisplay:
    """The losses of each epoch, PCA's as a line, and the epoch whose weights were kept.

    It is recommended to use
    :meth:`~sklearn_ae.inspection.LossCurveDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    loss_curve : sequence of float
        The training loss of each epoch.

    validation_loss_curve : sequence of float, default=None
        The loss of the validation rows after each epoch.

    pca_loss : float, default=None
        The loss of PCA at the same dimension.

    best_epoch : int, default=None
        The epoch whose weights were kept, counted from 1; 0 is the start.

    best_loss : float, default=None
        The loss of the weights that were kept.

    shrinkage : float, default=None
        How far these lie on the way from those of the epoch back to the start, from 0 to 1.

    name : str, default=None
        The name of the estimator in the legend.

    Attributes
    ----------
    line_ : matplotlib Artist
        The training loss.

    validation_line_ : matplotlib Artist or None
        The validation loss.

    pca_line_ : matplotlib Artist or None
        PCA's loss.

    best_ : matplotlib Artist or None
        The mark of the epoch that was kept.

    ax_ : matplotlib Axes
        The axes of the curves.

    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    LossCurveDisplay.from_estimator : Draw the losses of a fitted estimator.
    ReconstructionDisplay : Rows and their reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn_ae.inspection import LossCurveDisplay
    >>> display = LossCurveDisplay(
    ...     loss_curve=[0.4, 0.3, 0.25],
    ...     validation_loss_curve=[0.42, 0.33, 0.35],
    ...     pca_loss=0.5,
    ...     best_epoch=2,
    ...     best_loss=0.33,
    ... )
    >>> display.plot()
    <...>
    >>> plt.show()
    """

    def __init__(
        self,
        *,
        loss_curve: Sequence[float],
        validation_loss_curve: Sequence[float] | None = None,
        pca_loss: float | None = None,
        best_epoch: int | None = None,
        best_loss: float | None = None,
        shrinkage: float | None = None,
        name: str | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.pca_loss = pca_loss
        self.best_epoch = best_epoch
        self.best_loss = best_loss
        self.shrinkage = shrinkage
        self.name = name

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        name: str | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the losses, in one colour an estimator.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on, such as `ax_` of another display; None for a new figure.

        name : str, default=None
            The name of the estimator in the legend; None for that of the display.

        line_kwargs : dict, default=None
            Keywords for matplotlib's `plot`, for the training and the validation loss.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.LossCurveDisplay`
            The display itself.
        """
        import matplotlib.pyplot as plt
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        name = self.name if name is None else name
        prefix = "" if name is None else f"{name}: "
        line_kwargs = normalize_kwargs(line_kwargs or {}, Line2D)
        epochs = np.arange(1, len(self.loss_curve) + 1)

        self.validation_line_ = self.pca_line_ = self.best_ = None
        # Where there is a validation loss, that is the one that the eye should follow.
        linestyle = "-" if self.validation_loss_curve is None else "--"
        kwargs = {"linestyle": linestyle, "label": f"{prefix}training", **line_kwargs}
        (self.line_,) = ax.plot(epochs, self.loss_curve, **kwargs)
        color = self.line_.get_color()
        if self.validation_loss_curve is not None:
            kwargs = {"color": color, "label": f"{prefix}validation", **line_kwargs}
            (self.validation_line_,) = ax.plot(epochs, self.validation_loss_curve, **kwargs)
        if self.best_epoch is not None and self.best_loss is not None:
            (self.best_,) = ax.plot(
                self.best_epoch,
                self.best_loss,
                marker="o",
                linestyle="none",
                color=color,
                label=f"{prefix}{self._kept()}",
            )
        if self.pca_loss is not None:
            self.pca_line_ = ax.axhline(
                self.pca_loss, color=color, linestyle=":", label=f"{prefix}PCA"
            )

        ax.set(xlabel="Epoch", ylabel="Loss")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        # The curves of one estimator leave room for the legend, those of several do not.
        n_curves = len(ax.get_legend_handles_labels()[1])
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        ax.legend(**beside if n_curves > _CURVES_OF_ONE else {})

        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _kept(self) -> str:
        """Say which weights were kept."""
        kept = f"kept, epoch {self.best_epoch}"
        return f"{kept}, {self.shrinkage:.0%} back to the start" if self.shrinkage else kept

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted estimator with `loss_curve_`. Of `validation_loss_curve_`, `pca_loss_`,
            `best_epoch_`, `best_loss_` and `shrinkage_`, those that it has and that are not None
            are drawn.

        name : str, default=None
            The name of the estimator in the legend; None for none.

        ax : matplotlib Axes, default=None
            The axes to draw on, such as `ax_` of another display, to compare several estimators;
            None for a new figure.

        line_kwargs : dict, default=None
            Keywords for matplotlib's `plot`, for the training and the validation loss.

        Returns
        -------
        display : :class:`~sklearn_ae.inspection.LossCurveDisplay`
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator has no `loss_curve_`.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_ae import AutoencoderTransformer
        >>> from sklearn_ae.inspection import LossCurveDisplay
        >>> X = load_digits().data
        >>> small = AutoencoderTransformer(4, random_state=0).fit(X)
        >>> large = AutoencoderTransformer(8, random_state=0).fit(X)
        >>> display = LossCurveDisplay.from_estimator(small, name="4 codes")
        >>> LossCurveDisplay.from_estimator(large, name="8 codes", ax=display.ax_)
        <...>
        >>> plt.show()
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "loss_curve_"):
            raise TypeError(
                f"{type(estimator).__name__} has no loss_curve_: pass an estimator that keeps the "
                "loss of each epoch, such as the autoencoder step of a fitted Pipeline."
            )
        display = cls(
            loss_curve=estimator.loss_curve_,
            validation_loss_curve=getattr(estimator, "validation_loss_curve_", None),
            pca_loss=getattr(estimator, "pca_loss_", None),
            best_epoch=getattr(estimator, "best_epoch_", None),
            best_loss=getattr(estimator, "best_loss_", None),
            shrinkage=getattr(estimator, "shrinkage_", None),
            name=name,
        )
        return display.plot(ax=ax, line_kwargs=line_kwargs)
