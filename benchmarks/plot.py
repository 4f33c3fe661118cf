"""The plot of test error by time of training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.isotonic import IsotonicRegression

# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7")
_LOW, _HIGH = 0.5, 1.6
# The least distance of two labels, in units of the error.
_GAP = 0.05


def plot_time_to_error(curves: Mapping[str, Sequence[tuple[float, float]]], path: Path) -> None:
    """Draw a line a tool, and PCA's error as a point and the level that it is."""
    figure, ax = plt.subplots(figsize=(9, 5), layout="constrained")
    lines = {tool: np.array(points).T for tool, points in curves.items() if tool != "PCA"}
    last = max(seconds[-1] for seconds, _ in lines.values())
    heights = _apart([ratios[-1] for _, ratios in lines.values()])
    for (tool, (seconds, ratios)), colour, height in zip(
        lines.items(), _COLOURS, heights, strict=True
    ):
        width = 2.5 if tool.startswith("sklearn_ae") else 1.2
        ax.plot(seconds, ratios, ".-", color=colour, linewidth=width)
        ax.plot([seconds[-1], 1.2 * last], [ratios[-1], height], ":", color=colour)
        ax.text(1.25 * last, height, tool, va="center")

    ((pca_seconds, pca_ratio),) = curves["PCA"]
    ax.axhline(pca_ratio, color="0.5", linestyle="--", linewidth=1, zorder=0)
    ax.plot(pca_seconds, pca_ratio, "D", color="black")
    ax.annotate("PCA", (pca_seconds, pca_ratio), (0, 8), textcoords="offset points", ha="center")
    ax.set(
        xscale="log",
        xlim=(0.5 * pca_seconds, 1.2 * last),
        ylim=(_LOW, _HIGH),
        xlabel="seconds since the start of fit, one thread",
        ylabel="test error over that of PCA",
        title="Fashion-MNIST, 20,000 images, 32 codes: a point an epoch",
    )
    ax.xaxis.set_major_formatter("{x:g}")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _apart(levels: Sequence[float]) -> list[float]:
    """Give heights for labels, close to their levels and a gap apart."""
    order = np.argsort(levels)
    steps = _GAP * np.arange(len(levels))
    # In steps of a gap the heights have to rise, from the mean level of those that collide.
    heights = IsotonicRegression().fit_transform(steps, np.take(levels, order) - steps) + steps
    return heights[np.argsort(order)].tolist()
