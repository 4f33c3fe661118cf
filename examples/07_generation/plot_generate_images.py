"""
===============
Generate images
===============

A variational autoencoder learns a distribution of codes, so that codes can be drawn and decoded.
Its codes do not keep to that distribution exactly: drawn from a mixture of normal distributions
that is fitted to them, they give images that are more like real ones.
"""

# %%
# The images
# ----------
# Fashion-MNIST where this machine has it, else the digits that come with scikit-learn.

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture

from sklearn_ae import LatentDensity, VariationalAutoencoderTransformer, interpolate
from sklearn_ae.datasets import load_images

parser = argparse.ArgumentParser(description="Generate images.")
parser.add_argument("--n-samples", type=int, default=4_000, help="images to train on")
parser.add_argument("--max-epochs", type=int, default=30)
parser.add_argument("--output", default="plot_generate_images.png", help="file of the picture")
args = parser.parse_args()

train, test = load_images(subset="train"), load_images(subset="test")
X_train = train.data[: args.n_samples] / np.float32(255)
X_test = test.data[:1_000] / np.float32(255)
print(f"{len(X_train)} images for training, {len(X_test)} for testing: {train.source}")

# %%
# Training
# --------
# The bound of the log-likelihood starts at that of probabilistic PCA, and rises.

autoencoder = VariationalAutoencoderTransformer(
    encoding_dim=16, max_epochs=args.max_epochs, random_state=0
)
autoencoder.fit(X_train)
pca = PCA(n_components=16).fit(X_train)
print("Log-likelihood of images for testing, in nats:")
print(f"  probabilistic PCA        {pca.score_samples(X_test).mean():8.1f}")
print(f"  autoencoder, at least    {autoencoder.score_samples(X_test).mean():8.1f}")

# %%
# A density of the codes
# ----------------------
# The autoencoder is fitted already, and stays as it is.

mixture = GaussianMixture(n_components=10, random_state=0)
density = LatentDensity(FrozenEstimator(autoencoder), density=mixture).fit(X_train)

# %%
# Seen at once
# ------------
# Real images, images from the prior and from the mixture, and what lies between two.

n_images = 10
rows = {
    "real": X_test[:n_images],
    "from the prior": autoencoder.sample(n_images, random_state=0),
    "from the mixture": density.sample(n_images, random_state=0),
    "between two": interpolate(autoencoder, X_test[0], X_test[1], n_steps=n_images),
}
figure, axes = plt.subplots(len(rows), n_images, figsize=(10, 4.4), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image.reshape(test.image_shape), cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
