"""
===============
Compress images
===============

The code of an image is a few numbers, and a byte for each is enough. What an autoencoder makes of
16 bytes is set beside what PCA makes of as many, and beside the smallest file of JPEG.
"""

# %%
# The images
# ----------
# Fashion-MNIST where this machine has it, else the digits that come with scikit-learn.

import argparse
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images

parser = argparse.ArgumentParser(description="Compress images.")
parser.add_argument("--n-samples", type=int, default=10_000, help="images to train on")
parser.add_argument("--max-epochs", type=int, default=20)
parser.add_argument("--output", default="plot_compress_images.png", help="file of the picture")
args = parser.parse_args()

train, test = load_images(subset="train"), load_images(subset="test")
X_train = train.data[: args.n_samples] / np.float32(255)
X_test = test.data[:1_000] / np.float32(255)
print(f"{len(X_train)} images for training, {len(X_test)} for testing: {train.source}")

# %%
# A byte for each code
# --------------------
# The range of a code over the images for training is divided into 255 steps.

n_bytes = 16


def compress(estimator, low, step, X):
    """Give n_bytes bytes for each image."""
    codes = (estimator.transform(X) - low) / step
    return np.clip(np.round(codes), 0, 255).astype(np.uint8)


def decompress(estimator, low, step, compressed):
    """Give the images."""
    return estimator.inverse_transform(low + step * compressed)


def as_jpeg(images):
    """Give the images after JPEG at its lowest quality, and the bytes of its files."""
    found, sizes = [], []
    for image in np.round(255 * images).astype(np.uint8):
        file = BytesIO()
        Image.fromarray(image.reshape(test.image_shape)).save(file, "JPEG", quality=1)
        sizes.append(file.tell())
        found.append(np.asarray(Image.open(file), dtype=np.float32).ravel() / 255)
    return np.array(found), np.mean(sizes)


autoencoder = AutoencoderTransformer(n_bytes, max_epochs=args.max_epochs, random_state=0)
results = {"Original": X_test}
for name, estimator in {"PCA": PCA(n_bytes, random_state=0), "Autoencoder": autoencoder}.items():
    codes = estimator.fit(X_train).transform(X_train)
    low, high = codes.min(axis=0), codes.max(axis=0)
    step = (high - low) / 255
    compressed = compress(estimator, low, step, X_test)
    results[f"{name}, {n_bytes} bytes"] = decompress(estimator, low, step, compressed)
    exact = mean_squared_error(X_test, estimator.inverse_transform(estimator.transform(X_test)))
    rounded = mean_squared_error(X_test, results[f"{name}, {n_bytes} bytes"])
    print(f"{name}: mean squared error {exact:.5f}, of codes in bytes {rounded:.5f}")

images, size = as_jpeg(X_test)
results[f"JPEG, {size:.0f} bytes"] = images
print(f"JPEG, quality 1: mean squared error {mean_squared_error(X_test, images):.5f}")

# %%
# Seen at once
# ------------

n_images = 10
figure, axes = plt.subplots(len(results), n_images, figsize=(10, 4.4), layout="constrained")
for line, (name, images) in zip(axes, results.items(), strict=True):
    for ax, image in zip(line, images, strict=False):
        ax.imshow(image.reshape(test.image_shape), cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
