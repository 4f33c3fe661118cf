"""The pictures of the benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7")
_LOW, _HIGH = 0.5, 1.6
# The least distance of two labels, in units of the error.
_GAP = 0.05
# In inches: the side of an image, and the width of a letter before a line of them.
_CELL, _LETTER = 0.6, 0.09


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


def plot_images(
    panels: Mapping[str, Mapping[str, NDArray]], image_shape: Sequence[int], path: Path
) -> None:
    """Draw panels side by side: each has lines of images, with a name before each line."""
    n_lines = max(map(len, panels.values()))
    widths = [
        _LETTER * max(map(len, lines)) + _CELL * len(next(iter(lines.values())))
        for lines in panels.values()
    ]
    height = _CELL * n_lines + (0.3 if any(panels) else 0.0)
    figure = plt.figure(figsize=(sum(widths), height), layout="constrained")
    parts = figure.subfigures(1, len(panels), width_ratios=widths, squeeze=False)[0]
    for part, (title, lines) in zip(parts, panels.items(), strict=True):
        part.suptitle(title)
        for ax, (name, images) in zip(part.subplots(n_lines), lines.items(), strict=False):
            side_by_side = np.concatenate([image.reshape(image_shape) for image in images], axis=1)
            ax.imshow(side_by_side, cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.set_ylabel(name, rotation=0, ha="right", va="center")
        for ax in part.axes[len(lines) :]:
            ax.remove()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def plot_compression(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], path: Path
) -> None:
    """Draw PSNR by bytes a picture, a panel for each kind of pictures and a line a method."""
    figure, axes = plt.subplots(1, len(panels), figsize=(9, 4), sharey=True, layout="constrained")
    for ax, (title, curves) in zip(axes, panels.items(), strict=True):
        for (method, points), colour in zip(curves.items(), _COLOURS, strict=False):
            own = not method.startswith(("JPEG", "PCA"))
            style = {"linewidth": 2.5 if own else 1.2, "linestyle": "-" if own else "--"}
            ax.plot(*np.transpose(points), color=colour, label=method, **style)
        ax.set(xscale="log", xlabel="bytes a picture", title=title)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("peak signal-to-noise ratio, dB")
    axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _apart(levels: Sequence[float]) -> list[float]:
    """Give heights for labels, close to their levels and a gap apart."""
    order = np.argsort(levels)
    steps = _GAP * np.arange(len(levels))
    # In steps of a gap the heights have to rise, from the mean level of those that collide.
    heights = IsotonicRegression().fit_transform(steps, np.take(levels, order) - steps) + steps
    return heights[np.argsort(order)].tolist()
