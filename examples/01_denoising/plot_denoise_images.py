"""
==========================
Take the noise from images
==========================

A denoising autoencoder is given images with noise and learns to give them back without. What it
has learnt of clothes, or of digits, tells it what is image and what is noise, better than PCA with
as many components can.

The network is the textbook's: 784-400-32-400-784 for images of 28 x 28 pixels, trained by Adam on
the squared error.
"""

# %%
# The images
# ----------
# Fashion-MNIST where this machine has it, else the digits that come with scikit-learn.

import argparse
import warnings

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_squared_error

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images
from sklearn_ae.inspection import ReconstructionDisplay

parser = argparse.ArgumentParser(description="Take the noise from images.")
parser.add_argument("--n-samples", type=int, default=3_000, help="images to train on")
parser.add_argument("--max-epochs", type=int, default=50)
parser.add_argument("--output", default="plot_denoise_images.png", help="file of the picture")
args = parser.parse_args()

train, test = load_images(subset="train"), load_images(subset="test")
X_train = train.data[: args.n_samples] / np.float32(255)
X_test = test.data[:1_000] / np.float32(255)
print(f"{len(X_train)} images for training, {len(X_test)} for testing: {train.source}")

# %%
# Training
# --------
# Every image gets new noise in every epoch. Its standard deviation is half the way from black to
# white.

# Batches of 32 rows are too small to be shared between threads, which would wait for one another.
torch.set_num_threads(1)
# The number of epochs is the textbook's, whether the network has converged by then or not.
warnings.simplefilter("ignore", ConvergenceWarning)

noise_level = 0.5
autoencoder = AutoencoderTransformer(
    encoding_dim=32,
    hidden_layer_sizes=(400,),
    activation="relu",
    output_activation="sigmoid",
    linear_shortcut=False,
    scaling=None,
    noise="gaussian",
    noise_level=noise_level,
    optimizer="adam",
    lr=1e-3,
    lr_schedule="constant",
    batch_size=32,
    max_epochs=args.max_epochs,
    n_iter_no_change=args.max_epochs,
    early_stopping=False,
    random_state=0,
    verbose=1,
)
autoencoder.fit(X_train)

# %%
# How much of the noise is left?
# ------------------------------
# Neither the images for testing nor their noise was there in training.

rng = np.random.default_rng(0)
X_noisy = X_test + noise_level * rng.standard_normal(X_test.shape, dtype=np.float32)
pca = PCA(n_components=32, random_state=0).fit(X_train)

results = {
    "images with noise": X_noisy,
    "PCA, 32 components": pca.inverse_transform(pca.transform(X_noisy)),
    "autoencoder, 32 codes": autoencoder.reconstruct(X_noisy),
}
print("Mean squared error to the images without noise:")
for name, images in results.items():
    print(f"  {name:22} {mean_squared_error(X_test, images):.4f}")

# %%
# Seen at once
# ------------

display = ReconstructionDisplay.from_estimator(
    autoencoder, X_test, X_corrupted=X_noisy, image_shape=test.image_shape
)
display.ax_.set_title(f"Gaussian noise of level {noise_level}, taken away through 32 codes")
display.figure_.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
