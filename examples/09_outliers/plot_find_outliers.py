"""
=============
Find outliers
=============

An autoencoder that has learnt one kind of images does not rebuild others. A few others among those
that it learns from do not spoil that: training leaves out what it rebuilds worst.
"""

# %%
# The images
# ----------
# Fashion-MNIST where this machine has it, else the digits that come with scikit-learn. One class is
# typical; one image in twenty is of another.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from sklearn_ae import AutoencoderOutlierDetector
from sklearn_ae.datasets import load_images
from sklearn_ae.inspection import ReconstructionErrorDisplay

parser = argparse.ArgumentParser(description="Find outliers.")
parser.add_argument("--n-samples", type=int, default=20_000, help="images to choose from")
parser.add_argument("--output", default="plot_find_outliers.png", help="file of the picture")
args, _ = parser.parse_known_args()  # the gallery has arguments for all examples

train, test = load_images(subset="train"), load_images(subset="test")
X_train = train.data[: args.n_samples] / np.float32(255)
X_test = test.data[:2_000] / np.float32(255)
typical = 0
rng = np.random.default_rng(0)
inside = np.flatnonzero(train.target[: args.n_samples] == typical)
others = np.flatnonzero(train.target[: args.n_samples] != typical)
chosen = rng.permutation(np.r_[inside, rng.choice(others, len(inside) // 20, replace=False)])
is_outlier = test.target[:2_000] != typical
print(f"{len(chosen)} images of class {typical} and a few others: {train.source}")

# %%
# Two detectors
# -------------

detector = AutoencoderOutlierDetector(random_state=0).fit(X_train[chosen])
forest = IsolationForest(random_state=0).fit(X_train[chosen])
print("Area under the ROC curve, images for testing:")
for name, fitted in {"autoencoder": detector, "isolation forest": forest}.items():
    print(f"  {name:17} {roc_auc_score(is_outlier, -fitted.score_samples(X_test)):.3f}")

# %%
# Seen at once
# ------------
# The scores, with the threshold, and the images that are the least and the most typical of each
# kind. Where most is left of an image says why.

figure = plt.figure(figsize=(10, 6), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=(3, 2))
ReconstructionErrorDisplay.from_estimator(detector, X_test, is_outlier, ax=upper.subplots())

order = np.argsort(detector.score_samples(X_test))
of_class = order[~is_outlier[order]]
rows = {"Least typical\nof the class": of_class[:10], "Most typical\nof the class": of_class[-10:]}
for line, (name, shown) in zip(lower.subplots(2, 10), rows.items(), strict=True):
    for ax, image in zip(line, X_test[shown], strict=True):
        ax.imshow(image.reshape(test.image_shape), cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
