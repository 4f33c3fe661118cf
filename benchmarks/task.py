"""What every tool is given: a network, how it is trained, and where it starts."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae import AutoencoderTransformer

LR = 1e-3

_MODULES = {"relu": nn.ReLU, "gelu": nn.GELU, "sigmoid": nn.Sigmoid, "identity": nn.Identity}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A network and how it is trained.

    `sizes` are the widths from the features to the code, which the decoder mirrors.
    """

    sizes: tuple[int, ...]
    activation: str = "relu"
    output_activation: str = "sigmoid"
    batch_size: int
    n_epochs: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of all layers, from features to features."""
        return self.sizes + self.sizes[-2::-1]

    @property
    def label(self) -> str:
        """Give them as they are written in a table."""
        return "-".join(map(str, self.widths))

    @property
    def encoding_dim(self) -> int:
        """Width of the code."""
        return self.sizes[-1]

    def module(self) -> nn.Sequential:
        """Give the layers: the code is linear, and the output has its own activation."""
        halves = []
        for sizes in (self.sizes, self.sizes[::-1]):
            for size in pairwise(sizes):
                halves += [nn.Linear(*size), _MODULES[self.activation]()]
            halves.pop()
        return nn.Sequential(*halves, _MODULES[self.output_activation]())


class Start(NamedTuple):
    """Where a training starts: a seed, and what sklearn_ae makes of it.

    That is the layers and the seed of the order of rows: a loop that takes both sees the same
    batches, so that its test error differs by the arithmetic alone.
    """

    seed: int
    module: nn.Sequential
    order_seed: int


class Listener(Callback):
    """Hands the module of a skorch net to a function, before the first epoch and after each."""

    def __init__(self, listen: Callable[[nn.Module], None]) -> None:
        self.listen = listen

    def on_train_begin(self, net: NeuralNet, **kwargs: object) -> None:
        self.listen(net.module_)

    def on_epoch_end(self, net: NeuralNet, **kwargs: object) -> None:
        self.listen(net.module_)


def start_of(task: Task, seed: int) -> Start:
    """Give the start of sklearn_ae's textbook network, for the other tools to start there."""
    seen: list[nn.Module] = []
    estimator = textbook_network(replace(task, n_epochs=1), seed)
    estimator.set_params(callbacks=[Listener(lambda module: seen.append(deepcopy(module)))])
    # The layers follow from the seed: which rows these are does not matter.
    estimator.fit(np.random.RandomState(seed).uniform(size=(64, task.sizes[0])))
    module = task.module()
    with torch.no_grad():
        for own, first in zip(module.parameters(), seen[0].parameters(), strict=True):
            own.copy_(first)
    return Start(seed, module, estimator.net_.seed)


def textbook_network(task: Task, seed: int) -> AutoencoderTransformer:
    """Give the plain autoencoder: neither PCA's start nor a scale, schedule or early stop."""
    return AutoencoderTransformer(
        task.encoding_dim,
        hidden_layer_sizes=task.sizes[1:-1],
        activation=task.activation,
        output_activation=task.output_activation,
        linear_shortcut=False,
        scaling=None,
        optimizer="adam",
        lr=LR,
        lr_schedule="constant",
        batch_size=task.batch_size,
        max_epochs=task.n_epochs,
        tol=0,
        n_iter_no_change=task.n_epochs,
        early_stopping=False,
        random_state=seed,
    )
