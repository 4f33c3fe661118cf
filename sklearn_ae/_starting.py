"""A net before its first epoch: on a new network, or on one that goes on."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
from torch import Generator

from sklearn_ae._building import Specification, _Building
from sklearn_ae._compat import warn
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.components import n_components_for
from sklearn_ae._training.devices import gains_from_bfloat16, resolve_device
from sklearn_ae._training.losses import resolve_loss
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.scaling import Units, resolve_scaling, units_for
from sklearn_ae._training.start import Start
from sklearn_ae._training.statistics import Moments, beyond_float64, moments
from sklearn_ae._training.targets import Target
from sklearn_ae._validation import (
    check_callbacks,
    check_noise_level,
    check_on_two_rows,
    check_range,
    check_reach,
)
from sklearn_ae.nn import OUTPUT_ACTIVATIONS, Rescale
from sklearn_ae.noise import resolve_noise

# With encoding_dim="auto".
_MOST_CODES = 32
# Of the variance, as which the loss before training counts at least: a code that rebuilds all rows
# may well predict something too.
_LEAST_SHARE = 0.01


def check_parameters(plain: _Building, n_features: int) -> None:
    """Check what the table of constraints can't."""
    loss = resolve_loss(plain.loss)
    outputs = {name: (output.low, output.high) for name, output in OUTPUT_ACTIVATIONS.items()}
    check_reach(plain.loss, (loss.low, loss.high), outputs, plain.output_activation)
    check_on_two_rows("loss", plain.loss, lambda x: loss.entries(x, x), n_features)
    noise = resolve_noise(plain.noise, plain.image_shape)
    if isinstance(plain.noise, str) and noise is not None:
        check_noise_level(
            plain.noise,
            plain.noise_level,
            n_features,
            is_share=noise.is_share,
            is_of_images=noise.is_of_images,
        )
        if noise.is_of_images and "image_shape" not in plain.get_params(deep=False):
            raise ValueError(
                f"noise={plain.noise!r}: {type(plain).__name__} does not know which features are "
                "neighbours. Use an estimator that has image_shape, or a function of rows and a "
                "generator that calls sklearn_ae.noise.patches with one."
            )
    elif noise is not None:
        check_on_two_rows(
            "noise", plain.noise, lambda x: noise.corrupt(x, 0.0, Generator(), None), n_features
        )
    check_callbacks(plain.callbacks)
    if "lr" in (plain.optimizer_params or {}):
        raise ValueError(
            f"optimizer_params={plain.optimizer_params}: the rate is the parameter lr, which "
            "a schedule moves. Use lr instead."
        )
    if plain.precision == "bfloat16" and loss.is_bounded:
        raise ValueError(
            f"precision='bfloat16': loss={plain.loss!r} takes logarithms of outputs, which are "
            "too coarse in it. Use precision='float32'."
        )


def warn_of_precision(plain: _Building) -> None:
    """Warn of numbers that the processor gains nothing from."""
    if plain.precision == "bfloat16" and not gains_from_bfloat16(resolve_device(plain.device)):
        warn(
            "precision='bfloat16': this processor has no instructions for it, so that the "
            "training is slower, not faster. Use precision='float32'."
        )


def new_net(
    plain: _Building,
    rows: Rows,
    everything: Rows,
    module_seed: int,
    net_seed: int,
    *,
    target: Target | None = None,
    pace: str = "steady",
) -> tuple[AutoencoderNet, Start | None]:
    """Give a net before its first epoch, in the units of rows, and what is known of its start.

    All rows, those held out too, have to lie where output and loss reach, unless the range is
    that of the rows itself.
    """
    of_rows = moments(rows)
    _check_variance(of_rows, len(rows))
    units = units_for(
        plain.scaling,
        of_rows,
        data_dtype=rows.source.dtype,
        output=OUTPUT_ACTIVATIONS[plain.output_activation],
    )
    specification = Specification(
        type(plain),
        plain.get_params(deep=False),
        rows.n_features,
        units,
        len(rows),
        _encoding_dim(plain, rows, of_rows, units),
        module_seed,
        net_seed,
        pace,
        target,
    )
    module = specification()
    output = OUTPUT_ACTIVATIONS[plain.output_activation]
    of_all = of_rows
    if (
        everything is not rows
        and _is_bounded(plain)
        and resolve_scaling(plain.scaling, rows.source.dtype, output) != "range"
    ):
        of_all = moments(everything)
    _check_extremes(plain, module.rescale, of_all, is_first=True)
    start = plain._start(module, rows)
    net = specification.build_net(module)
    if target is not None and target.reconstruction is None:
        spread = np.square(of_rows.deviation / np.asarray(units.scale)).mean()
        loss = max(net.evaluate(rows.having(labels=None)), _LEAST_SHARE * spread)
        target = replace(target, reconstruction=loss)
        net = replace(specification, target=target).build_net(module)
    net.starts_at_pca_ = start is not None and start.is_pca
    return net, start


def _encoding_dim(plain: _Building, rows: Rows, of_rows: Moments, units: Units) -> int:
    """Give the width of the code."""
    if isinstance(plain.encoding_dim, int):
        return plain.encoding_dim
    if isinstance(plain.encoding_dim, float):
        return n_components_for(rows, of_rows.mean, np.asarray(units.scale), plain.encoding_dim)
    n_moving = int(np.count_nonzero(of_rows.deviation))
    return max(1, min(_MOST_CODES, n_moving - 1))


def net_of(plain: _Building, fitted: AutoencoderNet, rows: Rows, net_seed: int) -> AutoencoderNet:
    """Give a net for a fit that starts warm: the weights of another, and its history."""
    try:
        specification = _moved(plain, fitted, rows, net_seed)
    except ValueError as error:
        raise ValueError(f"warm_start=True: {error}. Use warm_start=False.") from error
    net = _net_on_the_same(plain, fitted, rows, specification)
    net.remember(fitted)
    return net


def net_resumed(plain: _Building, fitted: AutoencoderNet, rows: Rows) -> AutoencoderNet:
    """Give a net that goes on where another stands."""
    before = fitted.module
    try:
        specification = _moved(plain, fitted, rows, before.net_seed)
    except ValueError as error:
        raise ValueError(f"{error}. Use fit, or set it back.") from error
    net = _net_on_the_same(plain, fitted, rows, specification)
    listened_to = {"callbacks", "verbose"} & before.parameters.keys()
    net.resume(fitted, callbacks=not any(before.has_other(plain, name) for name in listened_to))
    return net


def _moved(plain: _Building, fitted: AutoencoderNet, rows: Rows, net_seed: int) -> Specification:
    return fitted.module.moved_to(
        plain, n_features=rows.n_features, n_samples=len(rows), net_seed=net_seed
    )


def _net_on_the_same(
    plain: _Building, fitted: AutoencoderNet, rows: Rows, specification: Specification
) -> AutoencoderNet:
    module = deepcopy(fitted.module_)
    if _is_bounded(plain):
        _check_extremes(plain, module.rescale, moments(rows), is_first=False)
    return specification.build_net(module)


def _check_variance(of_rows: Moments, n_samples: int) -> None:
    if not np.isfinite(of_rows.variance).all():
        raise beyond_float64(max(of_rows.high.max(), -of_rows.low.min()))
    if not of_rows.deviation.any():
        raise ValueError(
            f"X: all {len(of_rows.deviation)} features are constant over {n_samples} rows, so "
            "there is nothing to learn. Pass rows that differ, or take away what large numbers "
            "have in common: float64 has 16 digits."
        )
    greatest = of_rows.deviation.max()
    if greatest < np.finfo(np.float64).tiny:
        raise ValueError(
            f"X: deviations up to {greatest:.3g} are below what float64 holds with all its digits. "
            "Multiply X by a constant."
        )


def _is_bounded(plain: _Building) -> bool:
    return bool(np.isfinite([*plain._ranges().values()]).any())


def _check_extremes(
    plain: _Building, rescale: Rescale, of_rows: Moments, *, is_first: bool
) -> None:
    """Check that rows to train on lie where output and loss reach."""
    extremes = rescale(rescale.shift.new_tensor(np.stack([of_rows.low, of_rows.high])))
    check_range(
        extremes.min().item(),
        extremes.max().item(),
        ranges=plain._ranges(),
        scaling=plain.scaling,
        is_first=is_first,
    )
