"""What the parameters of autoencoders may be, in tables of which each takes what it has."""

from numbers import Integral, Real
from os import PathLike

import torch

from sklearn_ae._compat import Interval, RealNotInt, StrOptions
from sklearn_ae._training.losses import LOSSES
from sklearn_ae._training.optimizers import OPTIMIZERS
from sklearn_ae._training.scaling import SCALINGS
from sklearn_ae.nn import ACTIVATIONS, OUTPUT_ACTIVATIONS
from sklearn_ae.noise import NOISES

# What the weights are kept in.
PRECISIONS = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.float32,
}

# What the network is: fixed once it is fitted.
NETWORK: dict[str, list] = {
    "encoding_dim": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0, 1, closed="neither"),
        StrOptions({"auto"}),
    ],
    "output_activation": [StrOptions(set(OUTPUT_ACTIVATIONS))],
    "linear_shortcut": ["boolean"],
    "scaling": [StrOptions({"auto", *filter(None, SCALINGS)}), None],
    "precision": [StrOptions(set(PRECISIONS))],
}

# How its layers are, where it draws them itself. Fixed too.
LAYERS: dict[str, list] = {
    "hidden_layer_sizes": ["array-like", Integral, StrOptions({"auto"})],
    "activation": [StrOptions(set(ACTIVATIONS))],
}
CONVOLUTIONS: dict[str, list] = {
    "image_shape": ["array-like", None],
    "channels": ["array-like", Integral],
    "kernel_size": [Interval(Integral, 1, None, closed="left")],
}

# What is asked of it. This and those below may change from one partial_fit to another.
OBJECTIVE: dict[str, list] = {
    "loss": [StrOptions(set(LOSSES)), callable],
    "noise": [StrOptions(set(NOISES)), callable, None],
    "noise_level": [Interval(Real, 0, None, closed="left"), "array-like"],
    "sparsity_penalty": [Interval(Real, 0, None, closed="left")],
    "contractive_penalty": [Interval(Real, 0, None, closed="left")],
    "target_weight": [Interval(Real, 0, None, closed="left")],
    "trim": [Interval(Real, 0, 1, closed="left")],
}

VARIATIONAL: dict[str, list] = {
    "beta": [Interval(Real, 0, None, closed="left")],
    "kl_warmup": [Interval(Integral, 0, None, closed="left")],
    "free_bits": [Interval(Real, 0, None, closed="left")],
    "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
}

# How it is found.
TRAINING: dict[str, list] = {
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    "optimizer_params": [dict, None],
    "lr": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    "lr_schedule": [StrOptions({"constant", "cosine", "one_cycle"})],
    "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "tol": [Interval(Real, 0, None, closed="left")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean", StrOptions({"auto"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "device": [StrOptions({"cpu", "cuda", "mps", "auto"})],
    "callbacks": [list, None],
    "checkpoint": [str, PathLike, None],
    "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
    "verbose": ["verbose"],
}
