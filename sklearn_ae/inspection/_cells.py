"""What several displays draw: rows side by side, each an image or a line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from sklearn_ae._validation import check_image_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# In widths of a cell: the height of a cell that holds a line, and the gaps between cells.
LINE_HEIGHT, LINE_GAP, IMAGE_GAP = 0.7, 0.15, 0.08
# In inches, of a new figure: the width of a cell, and the margins that hold the labels.
CELL_WIDTH, MARGINS = 0.85, (1.25, 0.6)


def shape_of_images(image_shape: Sequence[int], n_features: int) -> tuple[int, int, int]:
    """Give height, width and channels, of which there are 1 or 3."""
    return check_image_shape(
        image_shape, n_features, otherwise="to draw rows as lines", n_channels=(1, 3)
    )


def with_shape(X: Any) -> Any:
    """Leave arrays, sparse arrays and frames as they are, and make an array of a list."""
    return X if hasattr(X, "shape") else np.asarray(X)


def take_rows(X: Any, indices: NDArray[np.integer]) -> Any:
    """Take rows and leave them in their container, whose feature names the estimator may need."""
    return X.iloc[indices] if hasattr(X, "iloc") else X[indices]


def to_dense(rows: Any) -> NDArray[np.float64]:
    """Give rows as an array of floats."""
    return np.asarray(rows.toarray() if issparse(rows) else rows, dtype=np.float64)


def one_row(X: Any, row: Any) -> Any:
    """Give a row in the container that others are in, whose feature names may be needed."""
    values = np.reshape(row, (1, -1))
    return type(X)(values, columns=X.columns) if hasattr(X, "columns") else values


def draw_images(
    ax: "Axes",
    images: NDArray[np.floating],
    left: NDArray[np.floating],
    top: NDArray[np.floating],
    image_kwargs: dict[str, Any],
) -> NDArray[np.object_]:
    """Draw each image, its values in [0, 1], from its own left and top on."""
    height = images.shape[2] / images.shape[3]
    image_kwargs = {"cmap": "gray", "vmin": 0, "vmax": 1, **image_kwargs}
    artists = np.empty(images.shape[:2], dtype=object)
    for i, j in np.ndindex(artists.shape):
        extent = (float(left[j]), float(left[j] + 1), float(top[i] + height), float(top[i]))
        artists[i, j] = ax.imshow(images[i, j], extent=extent, **image_kwargs)
    return artists


def draw_lines(
    ax: "Axes",
    rows: NDArray[np.floating],
    left: NDArray[np.floating],
    top: NDArray[np.floating],
    line_kwargs: dict[str, Any],
) -> NDArray[np.object_]:
    """Draw each row, its values in [0, 1], as a line over the original in grey."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    line_kwargs = {"color": "C0", "linewidth": 1, **normalize_kwargs(line_kwargs, Line2D)}
    x = np.linspace(0, 1, rows.shape[2])
    heights = LINE_HEIGHT * (1 - rows)
    artists = np.empty(rows.shape[:2], dtype=object)
    for i, j in np.ndindex(artists.shape):
        ax.plot(left[j] + x, top[i] + heights[0, j], color="0.75", linewidth=1)
        artists[i, j] = ax.plot(left[j] + x, top[i] + heights[i, j], **line_kwargs)[0]
    return artists
