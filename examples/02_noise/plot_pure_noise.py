"""
======================================
What an autoencoder can learn of noise
======================================

Nothing. The pixels of these images are independent of one another, so that no 32 numbers say what
the 784 pixels of a new image are. The best answer is the same grey for all of them, and its error
is the variance of the pixels.

This is a check that data of any kind can be put to: where the error on new rows stays at their
variance, there is no structure that the network has found. What it gets below that in training, it
has learnt by heart.
"""

# %%
# Images of noise
# ---------------
# Mid-grey with normal noise of level 0.5, which has a variance of 0.25. Pixels cannot be blacker
# than black or whiter than white, though: 32 % of the values are clipped, and the variance that is
# left is 0.129.

import argparse
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_squared_error

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import make_noise_images
from sklearn_ae.inspection import LossCurveDisplay, ReconstructionDisplay

parser = argparse.ArgumentParser(description="What an autoencoder can learn of noise.")
parser.add_argument("--n-samples", type=int, default=4_000, help="images to train on")
parser.add_argument("--max-epochs", type=int, default=50)
parser.add_argument("--output", default="plot_pure_noise.png", help="file of the picture")
args = parser.parse_args()

noise_level, image_shape = 0.5, (28, 28)
X_train = make_noise_images(args.n_samples, image_shape, noise_level=noise_level, random_state=0)
X_test = make_noise_images(1_000, image_shape, noise_level=noise_level, random_state=1)
variance = norm(0.5, noise_level).expect(lambda pixel: (np.clip(pixel, 0, 1) - 0.5) ** 2)

# %%
# Training
# --------
# The network of :ref:`the example with real images
# <sphx_glr_auto_examples_01_denoising_plot_denoise_images.py>`, and as many epochs.

# The number of epochs is given: whether they were enough is what the picture shows.
warnings.simplefilter("ignore", ConvergenceWarning)
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
    tol=0,
    n_iter_no_change=args.max_epochs,
    early_stopping=False,
    random_state=0,
    verbose=1,
)
autoencoder.fit(X_train, X_val=X_test)

# %%
# The error stays at the variance
# -------------------------------

pca = PCA(n_components=32, random_state=0).fit(X_train)
print(f"Variance of the noise: {noise_level**2:.4f}, and {variance:.4f} clipped to [0, 1]")
print("Mean squared error on    training images  new images")
for name, estimator in {"autoencoder, 32 codes": autoencoder, "PCA, 32 components": pca}.items():
    errors = [
        mean_squared_error(X, estimator.inverse_transform(estimator.transform(X)))
        for X in (X_train, X_test)
    ]
    print(f"  {name:22} {errors[0]:15.4f} {errors[1]:11.4f}")

# %%
# Seen at once
# ------------

figure, (top, bottom) = plt.subplots(2, figsize=(8, 6), layout="constrained")
ReconstructionDisplay.from_estimator(autoencoder, X_test, image_shape=image_shape, ax=top)
top.set_title("New images of noise, through 32 codes")
LossCurveDisplay.from_estimator(autoencoder, ax=bottom)
bottom.axhline(variance, color="black", linewidth=1, label="variance of the pixels")
bottom.legend()
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
