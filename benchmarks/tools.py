"""The tools that are timed: each is a function that trains on X and gives the reconstruction.

All are given the same layers, start, batch size, epochs and learning rate, as far as they let
themselves be told; what a tool does otherwise is said at its function.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from importlib import import_module

import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor
from skorch import NeuralNetRegressor
from torch import nn

from benchmarks.task import LR, Listener, Start, Task, textbook_network
from sklearn_ae import AutoencoderTransformer

Reconstruct = Callable[[NDArray], NDArray]
# Called with the reconstruction as it is after an epoch.
Watch = Callable[[Reconstruct], None]

LOOP, FUSED_LOOP = "torch loop", "torch loop, fused Adam"


def forward(module: nn.Module) -> Reconstruct:
    """Give the reconstruction by a module."""

    def reconstruct(X: NDArray) -> NDArray:
        with torch.inference_mode():
            return module(torch.from_numpy(X)).numpy()

    return reconstruct


def sklearn_ae(X: NDArray, task: Task, start: Start, watch: Watch | None = None) -> Reconstruct:
    return _fit(textbook_network(task, start.seed), X, watch)


def sklearn_ae_defaults(
    X: NDArray, task: Task, start: Start, watch: Watch | None = None
) -> Reconstruct:
    """Train at the defaults: other layers, PCA's start, and rows held out of the training."""
    estimator = AutoencoderTransformer(
        task.encoding_dim, max_epochs=task.n_epochs, random_state=start.seed
    )
    return _fit(estimator, X, watch)


def _fit(estimator: AutoencoderTransformer, X: NDArray, watch: Watch | None) -> Reconstruct:
    if watch is not None:
        estimator.set_params(callbacks=[Listener(lambda module: watch(forward(module)))])
    return estimator.fit(X).reconstruct


def torch_loop(
    X: NDArray,
    task: Task,
    start: Start,
    watch: Watch | None = None,
    *,
    fused: bool | None = None,
) -> Reconstruct:
    """Train as one does by hand: resident rows, sliced batches, no wait within an epoch."""
    module = deepcopy(start.module)
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=fused)
    generator = torch.Generator().manual_seed(start.order_seed)
    x = torch.from_numpy(X)
    for _ in range(task.n_epochs):
        order = torch.randperm(len(x), generator=generator)
        for first in range(0, len(x), task.batch_size):
            batch = x[order[first : first + task.batch_size]]
            optimizer.zero_grad()
            criterion(module(batch), batch).backward()
            optimizer.step()
        if watch is not None:
            watch(forward(module))
    return forward(module)


def skorch(X: NDArray, task: Task, start: Start, watch: Watch | None = None) -> Reconstruct:
    torch.manual_seed(start.seed)
    net = NeuralNetRegressor(
        deepcopy(start.module),
        optimizer=torch.optim.Adam,
        lr=LR,
        batch_size=task.batch_size,
        max_epochs=task.n_epochs,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[] if watch is None else [Listener(lambda module: watch(forward(module)))],
        verbose=0,
    )
    return net.fit(X, X).predict


def mlp_regressor(X: NDArray, task: Task, start: Start, watch: Watch | None = None) -> Reconstruct:
    """Train with scikit-learn: its code has an activation, its output none, and no GELU."""
    model = MLPRegressor(
        hidden_layer_sizes=task.widths[1:-1],
        learning_rate_init=LR,
        batch_size=task.batch_size,
        max_iter=task.n_epochs,
        tol=0,
        n_iter_no_change=task.n_epochs + 1,
        random_state=start.seed,
    )
    if watch is None:
        return model.fit(X, X).predict
    for _ in range(task.n_epochs):
        model.partial_fit(X, X)
        watch(model.predict)
    return model.predict


def pca(X: NDArray, task: Task, start: Start) -> Reconstruct:
    model = PCA(task.encoding_dim, random_state=start.seed).fit(X)
    return lambda X: model.inverse_transform(model.transform(X))


def encdr(X: NDArray, task: Task, start: Start) -> Reconstruct:
    """Train with Lightning: it starts elsewhere, and its output has no activation."""
    model = import_module("encdr").ENCDR(
        hidden_dims=list(task.sizes[1:-1]),
        latent_dim=task.encoding_dim,
        learning_rate=LR,
        activation=task.activation,
        batch_size=task.batch_size,
        max_epochs=task.n_epochs,
        validation_split=0.0,
        standardize=False,
        random_state=start.seed,
        trainer_kwargs={
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
    )
    return model.fit(X).predict


def pyod(X: NDArray, task: Task, start: Start) -> Reconstruct:
    """Train the outlier detector, without what it adds by default.

    It starts elsewhere, its code has an activation, its output none, it knows no GELU, and its
    fit scores the training rows, which is what it is for.
    """
    model = import_module("pyod.models.auto_encoder").AutoEncoder(
        preprocessing=False,
        lr=LR,
        epoch_num=task.n_epochs,
        batch_size=task.batch_size,
        device="cpu",
        random_state=start.seed,
        verbose=0,
        optimizer_params={},
        hidden_neuron_list=list(task.sizes[1:]),
        batch_norm=False,
        dropout_rate=0,
    )
    return forward(model.fit(X).model)


TOOLS: dict[str, Callable[..., Reconstruct]] = {
    "sklearn_ae": sklearn_ae,
    "sklearn_ae, defaults": sklearn_ae_defaults,
    LOOP: torch_loop,
    FUSED_LOOP: partial(torch_loop, fused=True),
    "skorch": skorch,
    "MLPRegressor": mlp_regressor,
    "PCA": pca,
    "encdr": encdr,
    "pyod": pyod,
}

# Tools that need not be here, and what they are imported from.
_OPTIONAL = {"encdr": "encdr", "pyod": "pyod.models.auto_encoder"}


def optional_tools() -> dict[str, str | None]:
    """Give for each optional tool why it can't be imported, None where it can."""
    reasons: dict[str, str | None] = {}
    for name, module in _OPTIONAL.items():
        try:
            import_module(module)
            reasons[name] = None
        except ImportError as error:
            reasons[name] = str(error)
    return reasons
