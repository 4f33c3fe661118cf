"""
=====================================
Codes as features, in a Pipeline
=====================================

An autoencoder is a transformer like any other: its codes can be what a classifier sees. A logistic
regression on 32 codes is compared with one on as many principal components, and with one on all
pixels. Neither the autoencoder nor PCA sees the classes.
"""

# %%
# The images
# ----------

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images

parser = argparse.ArgumentParser(description="Codes as features, in a Pipeline.")
parser.add_argument("--n-samples", type=int, default=5_000, help="images to train on")
parser.add_argument("--max-epochs", type=int, default=None, help="default: the estimator's")
parser.add_argument("--output", default="plot_codes_in_pipeline.png", help="file of the picture")
args = parser.parse_args()

train, test = load_images(subset="train"), load_images(subset="test")
X_train = train.data[: args.n_samples] / np.float32(255)
y_train = train.target[: args.n_samples]
X_test, y_test = test.data / np.float32(255), test.target
print(f"{len(X_train)} images for training, {len(X_test)} for testing: {train.source}")
