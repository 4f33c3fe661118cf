"""
======================================
What an autoencoder can learn of noise
======================================

Next to nothing. The pixels of these images are independent of one another, so that 32 numbers hold
32 of the 784 pixels, or as many mixtures of them, and say nothing of the others. For these the best
answer is the same grey in every image, and its error is the variance of the pixels. All in all, 32
numbers that are taken linearly from an image lower the error by the share 32/784, which is 4 %.

This is a check that data of any kind can be put to: where the error on new rows stays near their
variance, there is no structure that the network has found. What it gets below that on the training
rows alone, it has learnt by heart.
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
import torch
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_squared_error

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import make_noise_images
from sklearn_ae.inspection import LossCurveDisplay, ReconstructionDisplay

parser = argparse.ArgumentParser(description="What an autoencoder can learn of noise.")
parser.add_argument("--n-samples", type=int, default=3_000, help="images to train on")
parser.add_argument("--max-epochs", type=int, default=50)
parser.add_argument("--output", default="plot_pure_noise.png", help="file of the picture")
args = parser.parse_args()

noise_level, image_shape = 0.5, (28, 28)
X_train = make_noise_images(args.n_samples, image_shape, noise_level=noise_level, random_state=0)
X_val = make_noise_images(1_000, image_shape, noise_level=noise_level, random_state=1)
X_test = make_noise_images(1_000, image_shape, noise_level=noise_level, random_state=2)
variance = norm(0.5, noise_level).expect(lambda pixel: (np.clip(pixel, 0, 1) - 0.5) ** 2)

# %%
# Training
# --------
# The network of the example with real images, and as many epochs. Images that are not trained on
# show when it begins to learn by heart.

# Batches of 32 rows are too small to be shared between threads, which would wait for one another.
torch.set_num_threads(1)
# The number of epochs is the textbook's, whether the network has converged by then or not.
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
    n_iter_no_change=args.max_epochs,
    early_stopping=False,
    random_state=0,
    verbose=1,
)
autoencoder.fit(X_train, X_val=X_val)

# %%
# The error stays near the variance
# ---------------------------------

pca = PCA(n_components=32, random_state=0).fit(X_train)
print(f"Variance of the noise: {noise_level**2:.4f}, and {variance:.4f} clipped to [0, 1]")
print(f"Less the share that 32 of 784 numbers hold: {variance * (1 - 32 / 784):.4f}")
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

figure, (top, bottom) = plt.subplots(
    2, figsize=(8, 5), height_ratios=[1, 1.2], layout="constrained"
)
ReconstructionDisplay.from_estimator(autoencoder, X_test, image_shape=image_shape, ax=top)
top.set_title("New images of noise, through 32 codes")
LossCurveDisplay.from_estimator(autoencoder, ax=bottom)
bottom.axhline(variance, color="0.7", linewidth=4, zorder=0, label="variance of the pixels")
bottom.set(ylim=(0, 1.2 * variance), ylabel="Mean squared error")
bottom.legend(loc="lower left", ncols=2)
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")
