"""
=====================
Codes of mixed tables
=====================

Numbers, categories, ordered categories and missing values go into one Pipeline. The codes of an
autoencoder then stand for whole rows, and what a code means can be read from the columns that it
changes. It needs pandas.
"""

# %%
# The table
# ---------
# Patients with diabetes. Sex is a category, weight an ordered one, and a twentieth of all entries
# are taken out.

import argparse

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.inspection import TraversalDisplay

parser = argparse.ArgumentParser(description="Codes of mixed tables.")
parser.add_argument("--n-samples", type=int, default=442, help="patients at most")
parser.add_argument("--max-epochs", type=int, default=45)
parser.add_argument("--output", default="plot_mixed_table.png", help="file of the picture")
args = parser.parse_args()

WEIGHTS = ["under", "normal", "over", "obese"]
X = load_diabetes(as_frame=True, scaled=False).data[: args.n_samples]
X = X.assign(sex=X["sex"].map({1.0: "a", 2.0: "b"}))
X["weight"] = pd.cut(X.pop("bmi"), [0, 18.5, 25, 30, 100], labels=WEIGHTS).astype(object)
X = X.mask(np.random.default_rng(0).uniform(size=X.shape) < 0.05)
print(X.head())

# %%
# The Pipeline
# ------------
# What is missing is filled first, so that encoding, the second step, can be undone.

fill = make_column_transformer(
    (SimpleImputer(strategy="most_frequent"), ["sex", "weight"]),
    (SimpleImputer(), make_column_selector(dtype_include=float)),
    verbose_feature_names_out=False,
)


def nearest(codes):
    """Give the orders that are nearest to decoded ones."""
    return np.clip(np.round(codes), 0, len(WEIGHTS) - 1)


encode = make_column_transformer(
    (make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler()), ["sex"]),
    (
        make_pipeline(
            OrdinalEncoder(categories=[WEIGHTS]),
            FunctionTransformer(inverse_func=nearest, feature_names_out="one-to-one"),
            StandardScaler(),
        ),
        ["weight"],
    ),
    (StandardScaler(), make_column_selector(dtype_include=float)),
    verbose_feature_names_out=False,
)
autoencoder = AutoencoderTransformer(4, max_epochs=args.max_epochs, random_state=0)
pipeline = make_pipeline(fill, encode, autoencoder).set_output(transform="pandas")
codes = pipeline.fit_transform(X)

# %%
# Back to columns
# ---------------

rows = pipeline[-1].inverse_transform(codes)
rebuilt = pd.concat(
    [
        pd.DataFrame(
            fitted.inverse_transform(rows[:, encode.output_indices_[name]]), codes.index, columns
        )
        for name, fitted, columns in encode.transformers_
    ],
    axis=1,
)
print(rebuilt[X.columns].head())
for column in ("sex", "weight"):
    known = X[column].notna()
    print(f"{column} as it was: {(rebuilt[column] == X[column])[known].mean():.0%}")

# %%
# What each code means
# --------------------

display = TraversalDisplay.from_estimator(pipeline[-1], pipeline[:-1].transform(X), codes=range(4))
display.figure_.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
