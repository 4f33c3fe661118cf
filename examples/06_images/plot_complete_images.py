"""
===============
Complete images
===============

A network that has seen images with a piece missing learns what belongs there. Convolutions see
which pixels are neighbours, and training hides a square of each image, at another place each time.
"""

# %%
# The images
# ----------
# Fashion-MNIST where this machine has it, else the digits that come with scikit-learn. A square in
# the middle of the images for testing is missing: the mean of the images stands there instead.

import argparse

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error

from sklearn_ae import ConvAutoencoderTransformer
from sklearn_ae.datasets import load_images
from sklearn_ae.inspection import ReconstructionDisplay

parser = argparse.ArgumentParser(description="Complete images.")
parser.add_argument("--n-samples", type=int, default=4_000, help="images to train on")
parser.add_argument("--max-epochs", type=int, default=20)
parser.add_argument("--output", default="plot_complete_images.png", help="file of the picture")
args = parser.parse_args()

train, test = load_images(subset="train"), load_images(subset="test")
X_train = train.data[: args.n_samples] / np.float32(255)
X_test = test.data[:1_000] / np.float32(255)
print(f"{len(X_train)} images for training, {len(X_test)} for testing: {train.source}")

height, width = test.image_shape
hole = np.zeros((height, width), dtype=bool)
hole[height // 4 : height * 5 // 8, width // 4 : width * 5 // 8] = True
hole = hole.ravel()
X_hidden = np.where(hole, X_train.mean(axis=0), X_test)

# %%
# Training
# --------
# One autoencoder sees whole images, the other images of which a seventh is hidden.

parameters = {
    "encoding_dim": 48,
    "image_shape": test.image_shape,
    "max_epochs": args.max_epochs,
    "random_state": 0,
}
plain = ConvAutoencoderTransformer(**parameters).fit(X_train)
completing = ConvAutoencoderTransformer(noise="patches", noise_level=0.14, **parameters)
completing.fit(X_train)

# %%
# What stands in the hole?
# ------------------------

pca = PCA(n_components=48, random_state=0).fit(X_train)
results = {
    "the mean": X_hidden,
    "PCA": pca.inverse_transform(pca.transform(X_hidden)),
    "trained on whole images": plain.reconstruct(X_hidden),
    "trained on images with holes": completing.reconstruct(X_hidden),
}
print("Mean squared error within the hole:")
for name, images in results.items():
    print(f"  {name:29} {mean_squared_error(X_test[:, hole], images[:, hole]):.4f}")

# %%
# Seen at once
# ------------

display = ReconstructionDisplay.from_estimator(
    completing, X_test, X_corrupted=X_hidden, image_shape=test.image_shape
)
display.ax_.set_title("A piece is missing, and filled in")
display.figure_.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
