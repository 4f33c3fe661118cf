"""
====================
Fill what is missing
====================

A quarter of each image is missing, another one each time. No image is known as a whole: what
belongs there is learnt from those that show it.
"""

# %%
# The images
# ----------
# The digits that come with scikit-learn.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer

from sklearn_ae import AutoencoderImputer

parser = argparse.ArgumentParser(description="Fill what is missing.")
parser.add_argument("--n-samples", type=int, default=1_000, help="images to fill")
parser.add_argument("--output", default="plot_fill_missing.png", help="file of the picture")
args, _ = parser.parse_known_args()  # the gallery has arguments for all examples

X = load_digits().data[: args.n_samples]
hidden = np.zeros((len(X), 8, 8), dtype=bool)
corners = np.random.default_rng(0).choice([0, 4], size=(len(X), 2))
for image, (row, column) in zip(hidden, corners, strict=True):
    image[row : row + 4, column : column + 4] = True
hidden = hidden.reshape(len(X), 64)
incomplete = np.where(hidden, np.nan, X)

# %%
# Three imputers
# --------------

imputers = {
    "the mean": SimpleImputer(keep_empty_features=True),
    "neighbours": KNNImputer(keep_empty_features=True),
    "autoencoders": AutoencoderImputer(keep_empty_features=True, random_state=0),
}
filled = {name: imputer.fit_transform(incomplete) for name, imputer in imputers.items()}
print("Root mean square error of what is missing:")
for name, rows in filled.items():
    print(f"  {name:12} {np.sqrt(np.square(rows - X)[hidden].mean()):.2f}, of 16")

# %%
# Seen at once
# ------------

shown = slice(12)
lines = {"what is left": np.where(hidden, 8, X), **filled, "the images": X}
figure, axes = plt.subplots(len(lines), 1, figsize=(10, 5.5), layout="constrained")
for ax, (name, rows) in zip(axes, lines.items(), strict=True):
    side_by_side = np.hstack([row.reshape(8, 8) for row in rows[shown]])
    ax.imshow(side_by_side, cmap="gray", vmin=0, vmax=16)
    ax.set(xticks=[], yticks=[])
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
