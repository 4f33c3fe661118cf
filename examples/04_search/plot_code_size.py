"""
===============
How many codes?
===============

A grid search over `encoding_dim`, through the Pipeline that the codes are used in. Two curves
answer two questions: how well new rows are rebuilt, and how well a classifier does with the codes.
"""

# %%
# The digits
# ----------

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import AutoencoderTransformer

parser = argparse.ArgumentParser(description="How many codes?")
parser.add_argument("--n-samples", type=int, default=1_000, help="digits to search with")
parser.add_argument("--max-epochs", type=int, default=20)
parser.add_argument("--output", default="plot_code_size.png", help="file of the picture")
args = parser.parse_args()

X, y = (part[: args.n_samples] for part in load_digits(return_X_y=True))
sizes = [2, 4, 8, 16, 32]
print(f"{len(X)} digits, {len(sizes)} sizes, 3 folds")

# %%
# The search
# ----------
# Two scores of each candidate: the accuracy of the whole Pipeline, and the share of the variance
# that its first step loses on the rows left out.


def lost(pipeline: Pipeline, X: np.ndarray, y: np.ndarray) -> float:
    """Give the share of the variance that the first step's reconstruction loses."""
    rebuilt = pipeline[0].inverse_transform(pipeline[0].transform(X))
    return 1 - r2_score(X, rebuilt, multioutput="variance_weighted")


def search(step: object, parameter: str) -> dict[str, np.ndarray]:
    """Give the scores over the sizes of a step's code."""
    pipeline = Pipeline(
        [("codes", step), ("scale", StandardScaler()), ("clf", LogisticRegression(max_iter=5_000))]
    )
    grid = GridSearchCV(
        pipeline,
        {f"codes__{parameter}": sizes},
        scoring={"error": lost, "accuracy": "accuracy"},
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        refit=False,
        n_jobs=2,
        verbose=2,
    )
    return grid.fit(X, y).cv_results_


results = {
    "autoencoder": search(
        AutoencoderTransformer(max_epochs=args.max_epochs, random_state=0), "encoding_dim"
    ),
    "PCA": search(PCA(random_state=0), "n_components"),
}
print("codes " + "".join(f"{name + ' error':>22}{name + ' accuracy':>22}" for name in results))
for i, size in enumerate(sizes):
    columns = (
        f"{result['mean_test_error'][i]:22.3f}{result['mean_test_accuracy'][i]:22.3f}"
        for result in results.values()
    )
    print(f"{size:5} " + "".join(columns))

# %%
# Error against size
# ------------------

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
labels = {"error": "Share of the variance lost", "accuracy": "Accuracy of the classifier"}
for ax, (score, label) in zip(axes, labels.items(), strict=True):
    for (name, result), color in zip(results.items(), ("C0", "0.5"), strict=True):
        mean, std = result[f"mean_test_{score}"], result[f"std_test_{score}"]
        ax.errorbar(sizes, mean, std, marker="o", capsize=3, color=color, label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set(xlabel="Number of codes", ylabel=label)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylim(bottom=0)
axes[0].legend(frameon=False)
figure.suptitle("Digits, rows left out by 3-fold cross-validation")
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
