"""How parameters become a network and the net that trains it."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from sklearn_ae._parameters import OBJECTIVE, PRECISIONS, TRAINING, VARIATIONAL
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.callbacks import own_copy
from sklearn_ae._training.devices import resolve_device
from sklearn_ae._training.losses import EntryLoss, resolve_loss
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.objective import Objective
from sklearn_ae._training.optimizers import with_defaults
from sklearn_ae._training.random import writes
from sklearn_ae._training.scaling import Units
from sklearn_ae._training.start import Start, start_at_pca
from sklearn_ae._training.surroundings import float32_by_default
from sklearn_ae._training.targets import Target
from sklearn_ae.nn import OUTPUT_ACTIVATIONS, Autoencoder, with_shortcuts
from sklearn_ae.noise import OwnNoise, resolve_noise


class Pace(NamedTuple):
    """What "auto" stands for: the rate, the epochs, and the batches that an epoch has."""

    lr: float
    max_epochs: int
    n_batches: int
    least_batch: int


# Few rows are gone over slowly or fast, as cross-validation says: measured in benchmarks/tables.py.
PACES = {
    "steady": Pace(lr=3e-3, max_epochs=20, n_batches=40, least_batch=8),
    "slow": Pace(lr=1e-3, max_epochs=20, n_batches=20, least_batch=16),
    "fast": Pace(lr=3e-3, max_epochs=45, n_batches=5, least_batch=40),
}


class _Building(BaseEstimator, metaclass=ABCMeta):
    """What an autoencoder answers about its network: a subclass says what is special to it.

    The attributes below are the values of parameters that a subclass does not have.
    """

    _module_class: ClassVar[type[Autoencoder]] = Autoencoder
    _net_class: ClassVar[type[AutoencoderNet]] = AutoencoderNet

    encoding_dim: int | float | str
    image_shape: Sequence[int] | None = None
    output_activation: str = "identity"
    linear_shortcut: bool = False
    scaling: str | None = "auto"
    precision: str = "float32"
    loss: str | EntryLoss = "squared_error"
    noise: str | OwnNoise | None = None
    noise_level: float | ArrayLike = 0.0
    sparsity_penalty: float = 0.0
    contractive_penalty: float = 0.0
    target_weight: float = 0.0
    trim: float = 0.0
    optimizer: str | type[Optimizer] = "adam"
    optimizer_params: dict[str, Any] | None = None
    lr: float | str = "auto"
    lr_schedule: str = "constant"
    batch_size: int | str = "auto"
    max_epochs: int | str = "auto"
    tol: float = 1e-4
    n_iter_no_change: int = 10
    early_stopping: bool | str = False
    validation_fraction: float = 0.1
    warm_start: bool = False
    random_state: int | np.random.RandomState | None = None
    device: str = "cpu"
    callbacks: list[Callback] | None = None
    checkpoint: str | PathLike[str] | None = None
    checkpoint_every: int = 1
    verbose: int = 0

    @abstractmethod
    def _build_module(self, n_features: int, generator: Generator) -> tuple[nn.Module, nn.Module]:
        """Give encoder and decoder, in the units of the network, drawn from a generator.

        By then `encoding_dim` is the number that was found, whatever the user left open.
        """

    def _joined(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        n_features: int,
        generator: Generator,
        *,
        n_encoded: int | None = None,
        gated: tuple[bool, bool] = (False, False),
    ) -> tuple[nn.Module, nn.Module]:
        """Give layers with the linear maps beside them, and what ends the decoder."""
        if self.linear_shortcut:
            encoder, decoder = with_shortcuts(
                encoder,
                decoder,
                n_features,
                cast(int, self.encoding_dim),
                n_encoded=n_encoded,
                gated=gated,
                generator=generator,
            )
        return encoder, nn.Sequential(decoder, OUTPUT_ACTIVATIONS[self.output_activation].layer())

    def _net_parameters(self) -> dict[str, Any]:
        """Give further parameters of the net, or others in the place of those it would have."""
        return {}

    def _start(self, module: Autoencoder, rows: Rows) -> Start | None:
        """Set the weights that training starts from. None leaves them random."""
        if not self.linear_shortcut:
            return None
        return start_at_pca(module, rows, OUTPUT_ACTIVATIONS[self.output_activation])

    def _ranges(self) -> dict[str, tuple[float, float]]:
        """Give where rows have to lie, by the parameters that ask for it."""
        output, loss = OUTPUT_ACTIVATIONS[self.output_activation], resolve_loss(self.loss)
        return {
            f"output_activation={self.output_activation!r}": (output.low, output.high),
            f"loss={self.loss!r}": (loss.low, loss.high),
        }

    def _plain(self) -> Self:
        """Give an estimator that is not fitted, whose numbers are Python's and lists its own."""
        parameters = self.get_params(deep=False)
        return type(self)(**{name: _plain_value(value) for name, value in parameters.items()})


def _level(noise_level: ArrayLike) -> float | Tensor:
    levels = np.asarray(noise_level, dtype=np.float64)
    return torch.from_numpy(levels.copy()) if levels.ndim else levels.item()


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return copy(value) if isinstance(value, list | dict) else value


@dataclass(frozen=True, repr=False, eq=False)
class Specification:
    """What a network and its net are built from, taken at fit. It needs no rows.

    Parameters
    ----------
    estimator_class : type
        Builds the halves.
    parameters : dict
        Those that the estimator was fitted with.
    n_features : int
        Width of a row.
    units : Units
        Those of the network, and what is typical of each feature.
    n_samples : int
        Rows that were trained on, by which "auto" sets the size of batches.
    encoding_dim : int
        Width of the code, which the parameter may leave to the rows.
    module_seed, net_seed : int
        Where weights are drawn from, and all that is drawn later.
    pace : {"steady", "slow", "fast"}, default="steady"
        What "auto" stands for in the parameters of the training.
    target : Target, default=None
        What is to be predicted from the code.
    """

    estimator_class: type[_Building]
    parameters: dict[str, Any]
    n_features: int
    units: Units
    n_samples: int
    encoding_dim: int
    module_seed: int
    net_seed: int
    pace: str = "steady"
    target: Target | None = None

    @float32_by_default()
    def __call__(self, **of_skorch: object) -> Autoencoder:
        """Build the network, as it was before it started anywhere.

        Raises
        ------
        ValueError
            If skorch has parameters for it, such as the width of X that a callback sets.
        """
        if of_skorch:
            raise ValueError(
                f"module__{next(iter(of_skorch))}: the network is built from the parameters of "
                f"{self.estimator_class.__name__} and the {self.n_features} features that it was "
                "fitted to. Set those parameters, and fit."
            )
        estimator = self.estimator
        dtype = PRECISIONS[estimator.precision]
        encoder, decoder = self.halves()
        # The rows may be the user's own, and the code is looked at after the decoder.
        always_copy = (
            callable(estimator.loss)
            or writes(encoder, self.n_features, dtype)
            or writes(decoder, self.encoding_dim, dtype)
        )
        rescale = self.units.rescale(dtype, copy=always_copy)
        if resolve_device(estimator.device) == "mps":  # it has no float64
            rescale = rescale.float()
        module = estimator._module_class(encoder, decoder, rescale, self.encoding_dim)
        if self.target is not None:
            module.target_head = self.target.head(self.encoding_dim, dtype)
        return module

    def halves(self) -> tuple[nn.Module, nn.Module]:
        """Build encoder and decoder alone."""
        estimator = self.estimator
        dtype = PRECISIONS[estimator.precision]
        generator = Generator().manual_seed(self.module_seed)
        encoder, decoder = estimator._build_module(self.n_features, generator)
        return encoder.to(dtype), decoder.to(dtype)

    def build_net(self, module: Autoencoder | None = None) -> AutoencoderNet:
        """Build the net, ready to train: on a new network, or on one that was built before."""
        estimator = self.estimator
        optimizer, optimizer_params = with_defaults(estimator.optimizer, estimator.optimizer_params)
        parameters = {
            "criterion": Objective,
            "criterion__loss": resolve_loss(estimator.loss),
            "criterion__sparsity_penalty": estimator.sparsity_penalty,
            "criterion__contractive_penalty": estimator.contractive_penalty,
            "criterion__trim": estimator.trim,
            "criterion__target": self.target,
            "criterion__target_weight": estimator.target_weight,
            "noise": resolve_noise(estimator.noise, estimator.image_shape),
            "noise_level": _level(estimator.noise_level),
            "optimizer": optimizer,
            **{f"optimizer__{name}": value for name, value in optimizer_params.items()},
            "lr": self.lr,
            "lr_schedule": estimator.lr_schedule,
            "batch_size": self.batch_size,
            "max_epochs": self.max_epochs,
            "bfloat16": estimator.precision == "bfloat16",
            "seed": self.net_seed,
            "dataset": Rows,
            "predict_nonlinearity": None,
            "callbacks": [own_copy(callback) for callback in estimator.callbacks or []],
            "device": resolve_device(estimator.device),
            "verbose": max(0, estimator.verbose - 1),
            **estimator._net_parameters(),
        }
        build: Callable[[], Autoencoder] = self if module is None else lambda: module
        net = estimator._net_class(build, **parameters).initialize()
        net.module = self  # the weights are in module_, and in a pickle once
        return net

    def restored(self, state: dict[str, Any]) -> AutoencoderNet:
        """Build the net that a state is of; on the CPU where its device is lacking."""
        on_cpu = replace(self, parameters={**self.parameters, "device": "cpu"})
        net = on_cpu.build_net(on_cpu())
        net.module = self
        net.take(state)
        return net

    @property
    def estimator(self) -> _Building:
        """An estimator of these parameters that is not fitted, and knows the width of the code."""
        return self.estimator_class(**{**self.parameters, "encoding_dim": self.encoding_dim})

    @property
    def batch_size(self) -> int:
        """Rows in a step."""
        pace, batch_size = PACES[self.pace], self._given("batch_size")
        if batch_size != "auto":
            return batch_size
        return min(256, max(pace.least_batch, self.n_samples // pace.n_batches))

    @property
    def max_epochs(self) -> int:
        """How often a fit goes over the rows at most."""
        max_epochs = self._given("max_epochs")
        return PACES[self.pace].max_epochs if max_epochs == "auto" else max_epochs

    @property
    def lr(self) -> float:
        """Learning rate."""
        lr = self._given("lr")
        return PACES[self.pace].lr if lr == "auto" else lr

    @property
    def steps(self) -> tuple[float, int, int]:
        """What a pace sets, as far as the parameters leave it open."""
        return self.lr, self.batch_size, self.max_epochs

    def _given(self, name: str) -> Any:
        """Give the value of a parameter that the estimator may not have."""
        return self.parameters.get(name, getattr(self.estimator_class, name))

    def has_other(self, estimator: _Building, name: str) -> bool:
        """Whether an estimator has another value of a parameter."""
        return not _same(estimator.get_params(deep=False)[name], self.parameters[name])

    def moved_to(
        self, estimator: _Building, *, n_features: int, n_samples: int, net_seed: int
    ) -> Self:
        """Give the specification of the same network with other parameters of its training.

        Raises
        ------
        ValueError
            If rows or parameters ask for another network.
        """
        if n_features != self.n_features:
            raise ValueError(
                f"X has {n_features} features, which asks for other layers than the "
                f"{self.n_features} that the network was fitted with"
            )
        if estimator.target_weight and self.target is None:
            raise ValueError(
                f"target_weight={estimator.target_weight} asks for a head, which the network was "
                "fitted without"
            )
        for name in self.parameters:
            if name == "encoding_dim" and estimator.encoding_dim == self.encoding_dim:
                continue  # said now, and left to the rows before
            if name not in OBJECTIVE | VARIATIONAL | TRAINING and self.has_other(estimator, name):
                raise ValueError(
                    f"{name}={getattr(estimator, name)!r} asks for other layers or units than "
                    f"{self.parameters[name]!r}, which the network was fitted with"
                )
        return replace(
            self,
            parameters=estimator.get_params(deep=False),
            n_samples=n_samples,
            net_seed=net_seed,
            pace="steady",
        )


def _same(one: object, other: object) -> bool:
    return one is other or _comparable(one) == _comparable(other)


def _comparable(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple | np.ndarray) else (value,)
