"""
================================
Codes as features, in a Pipeline
================================

An autoencoder is a transformer like any other: its codes can be what a classifier sees. A Pipeline
hands the classes to its `fit`, and with `target_weight` the codes are to tell them apart, too,
while they still rebuild the images. A logistic regression on 32 codes is compared with one on as
many principal components, and on all pixels.
"""

# %%
# The images
# ----------

import argparse

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images

parser = argparse.ArgumentParser(description="Codes as features, in a Pipeline.")
parser.add_argument("--n-samples", type=int, default=10_000, help="images to train on")
parser.add_argument("--max-epochs", type=int, default=20)
parser.add_argument("--output", default="plot_codes_in_pipeline.png", help="file of the picture")
args = parser.parse_args()

train, test = load_images(subset="train"), load_images(subset="test")
X_train = train.data[: args.n_samples] / np.float32(255)
y_train = train.target[: args.n_samples]
X_test, y_test = test.data / np.float32(255), test.target
print(f"{len(X_train)} images for training, {len(X_test)} for testing: {train.source}")

# %%
# Four pipelines
# --------------
# They differ in their first step alone. Without `target_weight` an autoencoder does not look at the
# classes, as PCA does not. With it, a linear map that is trained beside the decoder predicts them
# from the code; a weight of 4 is what the guide recommends.

# Batches are too small to be shared between threads, which would wait for one another.
torch.set_num_threads(1)
ae = AutoencoderTransformer(32, max_epochs=args.max_epochs, random_state=0, verbose=1)
first_steps = {
    "codes that predict the class": clone(ae).set_params(target_weight=4.0),
    "codes": ae,
    "principal components": PCA(32, random_state=0),
    "all pixels": "passthrough",
}
classifier = LogisticRegression(max_iter=5_000)
pipelines = {
    name: Pipeline([("features", step), ("scale", StandardScaler()), ("clf", clone(classifier))])
    for name, step in first_steps.items()
}

# %%
# Which features tell more?
# -------------------------
# The share of new images whose class is found, and that of their variance which 32 numbers keep.

accuracies, explained = {}, {}
for name, pipeline in pipelines.items():
    pipeline.fit(X_train, y_train)
    accuracies[name] = pipeline.score(X_test, y_test)
    explained[name] = 1.0
    if name != "all pixels":
        rebuilt = pipeline[0].inverse_transform(pipeline[0].transform(X_test))
        explained[name] = r2_score(X_test, rebuilt, multioutput="variance_weighted")
    print(f"{name:30} accuracy {accuracies[name]:.3f}, variance kept {explained[name]:.3f}")

# %%
# Seen at once
# ------------

figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained", sharey=True)
shares = {"Accuracy on new images": accuracies, "Share of their variance kept": explained}
for ax, (title, values) in zip(axes, shares.items(), strict=True):
    colors = ["C0", "C0", "0.7", "0.85"]
    bars = ax.barh([*values], [*values.values()], color=colors, height=0.6)
    bars[1].set_alpha(0.5)
    ax.bar_label(bars, fmt="%.3f", padding=3)
    ax.set(title=title, xlim=(0, 1.15))
    ax.set_xticks([0, 0.5, 1])
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].invert_yaxis()
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
