"""What all autoencoders share: fitting."""

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import validate_data
from skorch.callbacks import Callback
from torch import nn

from sklearn_ae._compat import CallbackSupportMixin, Interval, StrOptions, _fit_context
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.callbacks import (
    Convergence,
    EpochTasks,
    KeepBest,
    Progress,
    StopWhenAsked,
)
from sklearn_ae._training.devices import gains_from_bfloat16, resolve_device
from sklearn_ae._training.losses import LOSSES, ReconstructionLoss, resolve_loss
from sklearn_ae._training.net import AutoencoderNet, TrainingRows
from sklearn_ae._training.optimizers import OPTIMIZERS
from sklearn_ae._training.random import may_draw, may_write, seeded, seeds
from sklearn_ae._training.scaling import rescale_for
from sklearn_ae._training.start import start_at_pca
from sklearn_ae._training.statistics import Moments, count_constant_codes, moments
from sklearn_ae._validation import (
    OUTPUT_RANGES,
    Matrix,
    check_callbacks,
    check_loss,
    check_noise_level,
    check_observed,
    check_output,
    check_range,
    check_sample_weight,
)
from sklearn_ae.nn import Autoencoder
from sklearn_ae.noise import NOISES

# What the weights are kept in.
_PRECISIONS = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.float32,
}

# The tenth of fewer rows is too small to choose weights by: measured in benchmarks/defaults.py.
_MIN_ROWS_TO_HOLD_OUT = 1_000


class _Fitting(CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):
    """How autoencoders are fitted: a subclass builds the module, and may have its own net."""

    _net_class = AutoencoderNet

    _parameter_constraints: ClassVar[dict] = {
        "encoding_dim": [Interval(Integral, 1, None, closed="left")],
        "output_activation": [StrOptions(set(OUTPUT_RANGES))],
        "linear_shortcut": ["boolean"],
        "loss": [StrOptions(set(LOSSES)), callable],
        "noise": [StrOptions(set(NOISES)), None],
        "noise_level": [Interval(Real, 0, None, closed="left")],
        "sparsity_penalty": [Interval(Real, 0, None, closed="left")],
        "contractive_penalty": [Interval(Real, 0, None, closed="left")],
        "trim": [Interval(Real, 0, 1, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "optimizer_params": [dict, None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"constant", "cosine", "one_cycle"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "scaling": [StrOptions({"auto", "global", "standard", "range"}), None],
        "device": [StrOptions({"cpu", "cuda", "mps", "auto"})],
        "precision": [StrOptions(set(_PRECISIONS))],
        "callbacks": [list, None],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def _build_module(self, n_features: int) -> tuple[nn.Module, nn.Module]:
        """Give encoder and decoder, which work in the units of the network."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
        observed: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
    ) -> Self:
        """Train the autoencoder to rebuild rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Sparse, integer and memory-mapped ones are converted batch by batch.
        y : object, default=None
            Ignored; present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None is a weight of 1 each.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that the loss counts. The others go into the network as they stand in
            X. None is all of them.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows to judge the weights by, instead of some held out from X.

        Returns
        -------
        self : object
            The fitted autoencoder.

        Raises
        ------
        ValueError
            If data and parameters do not fit together, or the loss becomes NaN. The
            estimator is then as it was.
        """
        with _unchanged_on_failure(self):
            rows = self._check_rows(X, sample_weight, observed)
            validation = None if X_val is None else Rows(self._check_X(X_val))
            net, exact = self._start(rows, validation)
            self._train(net, self._split(net, rows, validation), exact, y)
            self.net_ = net
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
        observed: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch over rows, going on from the last.

        The first call sets units and start by its rows. The rate is `lr`, without a
        schedule, and the weights are those that the epoch ends with.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : object, default=None
            Ignored; present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None is a weight of 1 each.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that the loss counts. None is all of them.

        Returns
        -------
        self : object
            The fitted autoencoder.

        Raises
        ------
        ValueError
            If `early_stopping` is True, or data and parameters do not fit together, or the
            loss becomes NaN. The estimator is then as it was.
        """
        if self.early_stopping is True:
            raise ValueError(
                "early_stopping=True: partial_fit is one epoch and holds no rows out. Use "
                "early_stopping=False, or fit."
            )
        with _unchanged_on_failure(self):
            going_on = hasattr(self, "net_")
            rows = self._check_rows(X, sample_weight, observed, reset=not going_on)
            if going_on:
                net = deepcopy(self.net_)
                self._check_range(rows, net.module_)
            else:
                net, _ = self._start(rows)
            n_epochs = len(net.history)
            net.partial_fit(TrainingRows(rows, rows), epochs=1, scheduled=False)
            if len(net.history) == n_epochs:  # interrupted: there is no epoch to keep
                raise KeyboardInterrupt
            net.best_epoch_, net.best_loss_ = len(net.history), net.history[-1, "train_loss"]
            self.net_ = net
        return self

    def _check_X(self, X: ArrayLike, **options: Any) -> Matrix:
        options = {"reset": False, **options}
        return validate_data(self, X, accept_sparse="csr", dtype="numeric", **options)

    def _check_rows(
        self,
        X: ArrayLike,
        sample_weight: ArrayLike | None,
        observed: ArrayLike | None,
        *,
        reset: bool = True,
    ) -> Rows:
        X = self._check_X(X, reset=reset, ensure_min_samples=2 if reset else 1)
        if observed is not None:
            observed = check_observed(observed, X)
        if sample_weight is None:
            return Rows(X, observed=observed)
        sample_weight = check_sample_weight(sample_weight, X)
        # Rows without weight would still set the units, the batches and the noise.
        return Rows(
            X,
            index=np.flatnonzero(sample_weight),
            sample_weight=sample_weight.astype(
                "float64" if self.precision == "float64" else "float32"
            ),
            observed=observed,
        )

    def _check_range(self, rows: Rows, module: Autoencoder) -> None:
        """Check that rows lie where loss and output reach; costs a pass where these are bounded."""
        loss = resolve_loss(self.loss)
        bounds = (*OUTPUT_RANGES[self.output_activation], loss.low, loss.high)
        if not np.isfinite(bounds).any():
            return
        shift = module.rescale.shift
        extremes = [[float(rows.X.min())], [float(rows.X.max())]]
        inside = module.rescale(shift.new_tensor(extremes).expand(2, rows.n_features))
        check_range(
            inside.min().item(),
            inside.max().item(),
            loss=self.loss,
            loss_range=(loss.low, loss.high),
            output_activation=self.output_activation,
            scaling=self.scaling,
        )

    def _start(self, rows: Rows, validation: Rows | None = None) -> tuple[AutoencoderNet, bool]:
        """Give a net before its first epoch, and whether it has nothing to learn."""
        loss = resolve_loss(self.loss)
        check_output(self.loss, loss.output_activations, self.output_activation)
        check_loss(self.loss, loss.entries, rows.n_features)
        if self.precision == "bfloat16" and loss.output_activations:
            raise ValueError(
                f"precision='bfloat16': loss={self.loss!r} takes logarithms of outputs, which are "
                "too coarse in it. Use precision='float32'."
            )
        check_noise_level(self.noise, self.noise_level)
        check_callbacks(self.callbacks)
        module_seed, net_seed = seeds(self.random_state, 2)
        of_rows = moments(rows)
        if not np.isfinite(of_rows.variance).all():
            raise ValueError(
                f"X: values up to {np.abs(of_rows.high).max():.3g} have a variance beyond float64. "
                "Divide X by a constant."
            )
        if not of_rows.variance.any():
            raise ValueError(
                f"X: all {rows.n_features} features are constant over {len(rows)} rows, so "
                "there is nothing to learn. Pass rows that differ."
            )
        module = self._new_module(rows, of_rows, module_seed)
        goes_on = self.warm_start and hasattr(self, "net_")
        if goes_on:
            _take_weights(module, self.net_.module_)
        self._check_range(rows, module)
        if validation is not None:
            self._check_range(validation, module)
        exact = False
        at_pca = self.linear_shortcut and not goes_on
        if at_pca:
            exact = start_at_pca(module, rows, of_rows.mean, self.output_activation)
        net = self._new_net(module, net_seed, len(rows))
        net.starts_at_pca_ = at_pca and self.output_activation == "identity"
        if goes_on:
            net.history_ = deepcopy(self.net_.history_)
        return net, exact and self._only_rebuilds()

    def _new_module(self, rows: Rows, of_rows: Moments, seed: int) -> Autoencoder:
        dtype = _PRECISIONS[self.precision]
        with seeded(seed):
            encoder, decoder = (half.to(dtype) for half in self._build_module(rows.n_features))
        rescale = rescale_for(
            self.scaling,
            of_rows,
            data_dtype=rows.X.dtype,
            output_activation=self.output_activation,
            dtype=dtype,
            copy=callable(self.loss) or may_write(encoder),
        )
        return Autoencoder(encoder, decoder, rescale, self.encoding_dim)

    def _new_net(self, module: Autoencoder, seed: int, n_samples: int) -> AutoencoderNet:
        if "lr" in (self.optimizer_params or {}):
            raise ValueError(
                f"optimizer_params={self.optimizer_params}: the rate is the parameter lr, which "
                "a schedule moves. Use lr instead."
            )
        device = resolve_device(self.device)
        if self.precision == "bfloat16" and not gains_from_bfloat16(device):
            warnings.warn(
                "precision='bfloat16': this processor has no instructions for it, so that the "
                "training is slower, not faster. Use precision='float32'.",
                stacklevel=5,
            )
        if device == "mps":  # it has no float64
            module.rescale.float()
        loss = resolve_loss(self.loss)
        optimizer, defaults = OPTIMIZERS.get(self.optimizer, (self.optimizer, {}))
        optimizer_params = {**defaults, **(self.optimizer_params or {})}
        net = self._net_class(
            lambda: module,
            criterion=ReconstructionLoss,
            criterion__entries=loss.entries,
            criterion__gradient=loss.gradient,
            criterion__trim=self.trim,
            optimizer=optimizer,
            **{f"optimizer__{name}": value for name, value in optimizer_params.items()},
            lr=self.lr,
            lr_schedule=self.lr_schedule,
            batch_size=self._resolve_batch_size(n_samples),
            max_epochs=self.max_epochs,
            noise=None if self.noise is None else NOISES[self.noise],
            noise_level=self.noise_level,
            sparsity_penalty=self.sparsity_penalty,
            contractive_penalty=self.contractive_penalty,
            degree=loss.degree,
            bfloat16=self.precision == "bfloat16",
            draws_globally=may_draw(module),
            seed=seed,
            dataset=Rows,
            predict_nonlinearity=None,
            callbacks=[_own_copy(callback) for callback in self.callbacks or []],
            device=device,
            verbose=max(0, self.verbose - 1),
        ).initialize()
        net.module_.eval()
        net.module = type(module)  # the weights are in module_, and in a pickle once
        return net

    def _resolve_batch_size(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            return min(256, max(8, n_samples // 40))
        return self.batch_size

    def _split(self, net: AutoencoderNet, rows: Rows, validation: Rows | None) -> TrainingRows:
        early_stopping = self.early_stopping
        if early_stopping == "auto":
            early_stopping = len(rows) >= _MIN_ROWS_TO_HOLD_OUT
        if validation is not None or not early_stopping:
            return TrainingRows(rows, rows, validation)
        n_held_out = round(self.validation_fraction * len(rows))
        if not 1 <= n_held_out < len(rows):
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(rows)} rows leaves "
                "none on one side. Change it, or use early_stopping=False."
            )
        train, held_out = train_test_split(
            np.arange(len(rows)), test_size=n_held_out, random_state=net.seed
        )
        return TrainingRows(rows, rows.subset(train), rows.subset(held_out))

    def _only_rebuilds(self) -> bool:
        """Whether an exact reconstruction is all that the objective asks for."""
        penalised = self.sparsity_penalty or self.contractive_penalty
        return isinstance(self.loss, str) and self.noise is None and not penalised

    def _train(self, net: AutoencoderNet, data: TrainingRows, exact: bool, y: object) -> None:
        goes_on = self.warm_start and hasattr(self, "net_")
        keep_best = KeepBest(includes_start=self.linear_shortcut or goes_on)
        scheduled = self.lr_schedule != "constant"
        first: list[Callback] = [keep_best]
        last: list[Callback] = [
            Convergence(self.tol, self.n_iter_no_change, self.max_epochs, scheduled)
        ]
        if self.verbose == 1:
            first.append(Progress(self.max_epochs))
        with self._fit_task(net, keep_best, data.rows, y) as tasks:
            if tasks is not None:
                first.append(tasks)
                last.append(StopWhenAsked(tasks))
            if exact:
                keep_best.on_train_begin(net, X=data)
            else:
                with net.joined_by(first, last):
                    net.partial_fit(data)
        _warn_of_constant_codes(net, data.rows, exact)

    @contextmanager
    def _fit_task(
        self, net: AutoencoderNet, keep_best: KeepBest, rows: Rows, y: object
    ) -> Iterator[EpochTasks | None]:
        """Tell scikit-learn's callbacks, where there are some, of the fit as a task."""
        if not hasattr(self, "_init_callback_context"):
            yield None
            return
        weighted = rows.sample_weight is not None
        task = {
            "X": rows.X,
            "y": rows.X if y is None else y,  # a row is its own target
            "metadata": {"sample_weight": rows.sample_weight} if weighted else None,
        }
        context = self._init_callback_context(max_subtasks=self.max_epochs)
        context.call_on_fit_task_begin(estimator=self, **task)
        yield EpochTasks(self, context, keep_best, task)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=lambda: {"net_": net}, **task
        )


@contextmanager
def _unchanged_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Put the fitted attributes back as they were when fitting fails."""
    fitted = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    try:
        yield
    except BaseException:
        for name in [name for name in vars(estimator) if name.endswith("_")]:
            delattr(estimator, name)
        vars(estimator).update(fitted)
        raise


def _take_weights(module: Autoencoder, fitted: Autoencoder) -> None:
    try:
        module.load_state_dict(fitted.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True: the fitted network has other layers than data and parameters "
            f"ask for now. Use warm_start=False. {error}"
        ) from error


def _own_copy(callback: Any) -> Any:
    """Copy a callback, which keeps what it sees in itself, to leave the parameter alone."""
    if isinstance(callback, tuple):
        return callback[0], copy(callback[1])
    return callback if isinstance(callback, type) else copy(callback)


def _warn_of_constant_codes(net: AutoencoderNet, rows: Rows, exact: bool) -> None:
    n_constant = count_constant_codes(net.module_, rows, net.device)
    encoding_dim = net.module_.encoding_dim
    constant = f"{n_constant} of the {encoding_dim} codes are constant over the training rows"
    if exact:
        warnings.warn(
            f"encoding_dim={encoding_dim}: the principal components rebuild the training rows "
            f"exactly, so no epoch was needed; {constant}. Lower encoding_dim to compress.",
            stacklevel=4,
        )
    elif n_constant:
        warnings.warn(f"{constant}. Lower encoding_dim, or the penalties.", stacklevel=4)
