"""What all autoencoders share: fitting."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sklearn_ae._checkpoint import Checkpoint, KeepCheckpoint, checkpoint_of
from sklearn_ae._compat import CallbackSupportMixin, _fit_context, warn
from sklearn_ae._fit_task import fit_task
from sklearn_ae._holding_out import (
    convergence_of,
    cross_validated,
    is_cross_validated,
    split_rows,
    weight_dtype,
)
from sklearn_ae._input import _Input, rows_that_count
from sklearn_ae._starting import (
    check_parameters,
    net_of,
    net_resumed,
    new_net,
    warn_of_precision,
)
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.callbacks import Convergence, KeepBest, Progress
from sklearn_ae._training.labels import check_classes
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.random import seeds
from sklearn_ae._training.split import Split
from sklearn_ae._training.start import Start
from sklearn_ae._training.statistics import count_constant_codes
from sklearn_ae._training.surroundings import undisturbed
from sklearn_ae._validation import check_monitors, check_rate


class _Fitting(CallbackSupportMixin, _Input):
    """How autoencoders are fitted."""

    net_: AutoencoderNet

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
        observed: ArrayLike | None = None,
        X_corrupted: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        observed_val: ArrayLike | None = None,
        X_corrupted_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train the autoencoder to rebuild rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Sparse, integer and memory-mapped ones are converted batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_columns), default=None
            What the code is to predict where `target_weight` is above 0, else ignored: classes
            (words, integers, booleans, or at most 50 whole numbers as floats), several columns
            of 0 and 1, or numbers. Rows whose y is NaN, None or pandas' NA are rebuilt alone.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None is a weight of 1 each.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that are known. What stands in the others, NaN included, does not
            matter: the mean of the feature goes in, and the loss does not count them. None
            is all of them, but for those that a masked array masks.
        X_corrupted : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            The same rows as they are met with: blurred, noisy, incomplete. They go in, and X is
            what the network is to make of them. None is X itself, with `noise` if it is set.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows to judge the weights by, instead of some held out from X.
        observed_val : array-like of bool of shape (n_val, n_features), default=None
            The entries of X_val that are known.
        X_corrupted_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            The rows of X_val as they are met with.
        y_val : array-like of shape (n_val,) or (n_val, n_columns), default=None
            The y of X_val, where `target_weight` is above 0.

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
        with (
            undisturbed(inference=False),
            unchanged_on_failure(self),
            self._progress() as progress,
        ):
            checked = self._with_corrupted(
                self._check_rows(X, sample_weight, observed, reset=True, min_samples=2),
                X_corrupted,
            )
            validation = None
            for name, of_validation in {
                "observed_val": observed_val,
                "X_corrupted_val": X_corrupted_val,
                "y_val": y_val,
            }.items():
                if X_val is None and of_validation is not None:
                    raise ValueError(f"{name}: it says what is known of X_val. Pass X_val too.")
            if X_val is not None:
                validation = self._with_corrupted(
                    self._check_rows(X_val, observed=observed_val),
                    X_corrupted_val,
                    "X_corrupted_val",
                )
            plain = self._plain()
            check_parameters(plain, checked.n_features)
            check_rate(plain.callbacks, plain.lr_schedule)
            fitted = self.net_ if plain.warm_start and hasattr(self, "net_") else None
            target = None if fitted is None else fitted.module.target
            checked, target = plain._with_labels(checked, y, target)
            if validation is not None:
                validation, _ = plain._with_labels(validation, y_val, target, name="y_val")
            checkpoint = checkpoint_of(plain, checked, validation, target)
            module_seed, net_seed = seeds(plain.random_state, 2)
            left = None if checkpoint is None else checkpoint.net
            if left is not None:
                net_seed = left.module.net_seed
            split = split_rows(plain, checked, validation, net_seed)
            if checkpoint is not None and left is not None:
                net, start = left, checkpoint.start
            elif fitted is None:
                warn_of_precision(plain)
                net, start = new_net(
                    plain, split.train, split.all, module_seed, net_seed, target=target
                )
                # Along a line from random weights there is nothing to choose.
                if start is not None and is_cross_validated(plain, split):
                    net = cross_validated(net, plain, split.train)
            else:
                net, start = net_of(plain, fitted, split.train, net_seed), Start()
            self._train(net, split, start, y, checked, progress, checkpoint)
            self.net_ = net
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        observed: ArrayLike | None = None,
        X_corrupted: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch over rows, going on from the last.

        The first call sets units and start by its rows, and draws from `random_state`. The
        rate is `lr`, without a schedule, and the weights are those that the epoch ends with.
        After a `fit` the optimizer begins anew. There is no `checkpoint` of it: :func:`save` does
        that.
        Objective and training may have other parameters from one call to the next; layers
        and units may not.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,) or (n_samples, n_columns), default=None
            What the code is to predict where `target_weight` is above 0, as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes that y will hold. None is those of the first rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None is a weight of 1 each.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that are known. None is all of them, but for those that a masked
            array masks.
        X_corrupted : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            What goes in instead of the rows, as in `fit`.

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
        if self.early_stopping != "auto" and self.early_stopping:
            raise ValueError(
                "early_stopping=True: partial_fit is one epoch and holds no rows out. Use "
                "early_stopping=False, or fit."
            )
        with undisturbed(inference=False), unchanged_on_failure(self):
            fitted = getattr(self, "net_", None)
            checked = self._check_rows(
                X,
                sample_weight,
                observed,
                reset=fitted is None,
                min_samples=2 if fitted is None else 1,
            )
            checked = self._with_corrupted(checked, X_corrupted)
            plain = self._plain()
            check_parameters(plain, checked.n_features)
            check_monitors(plain.callbacks)
            target = None if fitted is None else fitted.module.target
            checked, target = plain._with_labels(checked, y, target, classes=classes)
            if target is not None:
                check_classes(classes, target)
            rows = rows_that_count(checked, weight_dtype(plain))
            if fitted is None:
                warn_of_precision(plain)
                net, _ = new_net(plain, rows, rows, *seeds(plain.random_state, 2), target=target)
            else:
                net = net_resumed(plain, fitted, rows)
            n_epochs = len(net.history)
            net.partial_fit(Split(rows, rows), epochs=1, scheduled=False)
            if len(net.history) == n_epochs:  # interrupted: there is no epoch to keep
                raise KeyboardInterrupt
            net.best_epoch_, net.best_loss_ = len(net.history), net.history[-1, "train_loss"]
            self._look_at_codes(net, rows)
            self.net_ = net
        return self

    def _progress(self) -> AbstractContextManager[Progress | None]:
        return Progress() if self.verbose == 1 else nullcontext()

    def _train(
        self,
        net: AutoencoderNet,
        split: Split,
        start: Start | None,
        y: object,
        checked: Rows,
        progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        keep_best = KeepBest(includes_start=start is not None)
        convergence = convergence_of(self, net.max_epochs)
        first = [keep_best] if progress is None else [keep_best, progress]
        last: list[Callback] = [convergence]
        if checkpoint is not None:
            of_both = {"keep_best": keep_best, "convergence": convergence}
            last.append(KeepCheckpoint(checkpoint, of_both))
        is_lossless = start is not None and start.is_lossless and _only_rebuilds(net, split.train)
        with (
            fit_task(
                self, net, keep_best, X=checked.source, y=y, sample_weight=checked.sample_weight
            ) as (before, after),
            net.joined_by(first + before, last + after),
        ):
            n_done = 0 if checkpoint is None else checkpoint.n_done
            net.partial_fit(split, epochs=0 if is_lossless else None, n_done=n_done)
            net.forget_steps()
        if net.interrupted_:
            warn(f"Training interrupted by user after {len(net.history)} epochs, which are kept.")
        elif convergence.ran_out(net):
            self._warn_of_epochs(net, convergence)
        self._look_at_codes(net, split.train)
        with suppress(KeyboardInterrupt):  # nothing is left but a warning
            self._warn_of_codes(net, split.train, is_lossless=is_lossless)

    def _warn_of_epochs(self, net: AutoencoderNet, convergence: Convergence) -> None:
        """Warn of a training that ended too early."""
        otherwise = "lr to learn faster" if convergence.scheduled else "tol to be content with less"
        warn(
            f"max_epochs={net.max_epochs}: the epochs ended before the training converged. "
            f"Raise max_epochs, or {otherwise}.",
            ConvergenceWarning,
        )

    def _look_at_codes(self, net: AutoencoderNet, rows: Rows) -> None:
        """Keep in a trained net what is to be known of the codes of its rows."""

    def _warn_of_codes(self, net: AutoencoderNet, rows: Rows, *, is_lossless: bool) -> None:
        """Warn of codes that are of no use."""
        _warn_of_constant_codes(net, rows, is_lossless)


@contextmanager
def unchanged_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Put the fitted attributes back as they were when fitting fails."""
    fitted = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    try:
        yield
    except BaseException:
        for name in [name for name in vars(estimator) if name.endswith("_")]:
            delattr(estimator, name)
        vars(estimator).update(fitted)
        raise


def _only_rebuilds(net: AutoencoderNet, rows: Rows) -> bool:
    """Whether an exact reconstruction is all that the objective asks for."""
    objective = net.criterion_
    is_own = objective.loss.degree is None  # of which nobody knows where it is least
    is_corrupted = net.noise is not None or rows.corrupted is not None
    return not (is_own or objective.is_penalised or is_corrupted)


def _warn_of_constant_codes(net: AutoencoderNet, rows: Rows, is_lossless: bool) -> None:
    n_constant = count_constant_codes(net.module_, rows, net.device)
    encoding_dim = net.module_.encoding_dim
    told = []
    if is_lossless:
        told.append(
            "the principal components rebuild the training rows exactly, so no epoch was needed"
        )
    if n_constant:
        told.append(f"{n_constant} of the {encoding_dim} codes are constant over the training rows")
    advice = []
    if encoding_dim > 1:
        advice.append("lower encoding_dim to compress" if is_lossless else "lower encoding_dim")
    if net.criterion_.is_penalised:
        advice.append("lower the penalties")
    if told:
        ways_out = f". {', or '.join(advice).capitalize()}." if advice else "."
        warn(f"encoding_dim={encoding_dim}: {', and '.join(told)}{ways_out}")
