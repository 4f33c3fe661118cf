"""
========
Few rows
========

A network has far more weights than a table of some hundred rows has entries, and learns what other
rows do not have. Cross-validation finds how far its weights are best taken back to the start, which
rebuilds as PCA does.
"""

# %%
# The tables
# ----------

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.inspection import LossCurveDisplay

parser = argparse.ArgumentParser(description="Few rows")
parser.add_argument("--n-samples", type=int, default=600, help="rows of a table at most")
parser.add_argument("--max-epochs", type=int, default=60)
parser.add_argument("--output", default="plot_few_rows.png", help="file of the picture")
args = parser.parse_args()

loaders = {
    "iris": load_iris,
    "wine": load_wine,
    "diabetes": load_diabetes,
    "breast cancer": load_breast_cancer,
}
rng = np.random.default_rng(0)
tables = {name: load().data[: args.n_samples] for name, load in loaders.items()}
# Nothing is better than PCA on these.
tables["Gaussian"] = rng.normal(size=(200, 20)) * 0.9 ** np.arange(20)

# %%
# A plain fit and a guarded one
# -----------------------------
# ``early_stopping=False`` keeps the weights that were trained. The default goes back as far as the
# rows that each fold leaves out ask for; `shrinkage_` says how far.

errors = {"plain": [], "guarded": []}
for name, X in tables.items():
    train, test = train_test_split(StandardScaler().fit_transform(X), random_state=0)
    encoding_dim = max(1, X.shape[1] // 4)
    pca = PCA(encoding_dim).fit(train)
    of_pca = np.square(pca.inverse_transform(pca.transform(test)) - test).mean()
    for fit, early_stopping in (("plain", False), ("guarded", "auto")):
        autoencoder = AutoencoderTransformer(
            encoding_dim,
            batch_size=max(40, len(train) // 5),
            max_epochs=args.max_epochs,
            early_stopping=early_stopping,
            random_state=0,
        ).fit(train)
        error = np.square(autoencoder.reconstruct(test) - test).mean() / of_pca
        errors[fit].append(error)
        print(f"{name:14}{fit:8} error over PCA's {error:.3f} shrinkage {autoencoder.shrinkage_}")
    if name == "wine":
        shown = autoencoder

# %%
# Error of rows left out, and what was kept
# -----------------------------------------
# On the left, below the line is better than PCA. On the right, the mark is the loss over all rows
# of the weights kept, which lies above that of the last epoch where they were taken back.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
places = np.arange(len(tables))
for shift, (fit, color) in zip((-0.2, 0.2), (("plain", "0.7"), ("guarded", "C0")), strict=True):
    left.bar(places + shift, errors[fit], width=0.4, color=color, label=fit)
left.axhline(1, color="0.3", linestyle=":", label="PCA")
left.set_xticks(places, tables, rotation=20)
left.set_ylabel("Test error over PCA's")
left.legend(frameon=False)
left.spines[["top", "right"]].set_visible(False)
LossCurveDisplay.from_estimator(shown, ax=right)
right.set_title("wine")
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
