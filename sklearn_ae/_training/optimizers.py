"""What updates the weights: the optimizers, what they decay, and how their learning rate goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from sklearn_ae.nn import shortcuts_of

# Each with the parameters that differ from torch's own defaults.
OPTIMIZERS: dict[str, tuple[type[Optimizer], dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"fused": True, "weight_decay": 0.3}),
    "sgd": (torch.optim.SGD, {"fused": True}),
}


def with_defaults(
    optimizer: str | type[Optimizer], optimizer_params: dict[str, Any] | None
) -> tuple[type[Optimizer], dict[str, Any]]:
    """Give the class of an optimizer, and its parameters.

    Parameters
    ----------
    optimizer : str or class
        A name in `OPTIMIZERS`, or a class. One of those named there is fused too, as its name
        makes it, unless the parameters ask for another way; its decay is torch's own.
    optimizer_params : dict or None
        What the user gave.

    Returns
    -------
    optimizer : class
    optimizer_params : dict
    """
    given = optimizer_params or {}
    if isinstance(optimizer, str):
        optimizer, defaults = OPTIMIZERS[optimizer]
        return optimizer, {**defaults, **given}
    named = optimizer in [known for known, _ in OPTIMIZERS.values()]
    if named and not any(given.get(way) for way in ("foreach", "differentiable")):
        return optimizer, {"fused": True, **given}
    return optimizer, given


def decaying_layers_alone(
    groups: list[dict[str, Any]], module: nn.Module, weight_decay: float
) -> list[dict[str, Any]]:
    """Part groups of parameters, so that nothing but the weights of the layers decays.

    Parameters
    ----------
    groups : list of dict
        As optimizers take them.
    module : torch.nn.Module
        Has the parameters. The linear maps that start at PCA do not decay.
    weight_decay : float
        That of a group which has none of its own.

    Returns
    -------
    groups : list of dict
        The same ones where none decays.
    """
    if not any(group.get("weight_decay", weight_decay) for group in groups):
        return groups
    of_shortcuts = {
        id(parameter) for shortcut in shortcuts_of(module) for parameter in shortcut.parameters()
    }
    decayed = {
        id(parameter)
        for parameter in module.parameters()
        if parameter.ndim > 1 and id(parameter) not in of_shortcuts
    }
    split = []
    for group in groups:
        layers = [p for p in group["params"] if id(p) in decayed]
        others = [p for p in group["params"] if id(p) not in decayed]
        split.append({**group, "params": layers})
        split.append({**group, "params": others, "weight_decay": 0.0})
    return [group for group in split if group["params"]]


def set_rates(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of each group: its own in `own_lr`, or `lr`.

    It is also what a scheduler that goes on, or joins later, takes for the first.
    """
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] = group.get("own_lr", lr)


def rates_of(optimizer: Optimizer) -> list[float]:
    """Give the learning rate of each group."""
    return [group["lr"] for group in optimizer.param_groups]


@contextmanager
def rates_moved(
    optimizer: Optimizer, lr_schedule: str, *, n_steps: int
) -> Iterator[LRScheduler | None]:
    """Give what changes the learning rates after each step, if anything does.

    The greatest rate of each group is the one that it has, and it has it again afterwards.

    Parameters
    ----------
    optimizer : Optimizer
    lr_schedule : {"constant", "cosine", "one_cycle"}
    n_steps : int
        How many there will be.

    Yields
    ------
    scheduler : LRScheduler or None
    """
    if lr_schedule == "constant":
        yield None
        return
    rates = rates_of(optimizer)
    try:
        if lr_schedule == "cosine":
            yield CosineAnnealingLR(optimizer, T_max=n_steps)
        else:
            yield OneCycleLR(optimizer, max_lr=rates, total_steps=n_steps + 1, cycle_momentum=False)
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=False):
            group["lr"] = rate


def take_state(
    optimizer: Optimizer, module: nn.Module, other: Optimizer, of_module: nn.Module
) -> None:
    """Give an optimizer the moments that another has of the same parameters of another module.

    It begins anew where it is of another kind, or keeps other moments.
    """
    if type(optimizer) is not type(other) or _moments_kept(optimizer) != _moments_kept(other):
        return
    pairs = zip(module.parameters(), of_module.parameters(), strict=True)
    states = {own: other.state[theirs] for own, theirs in pairs if theirs in other.state}
    parameters = [own for group in optimizer.param_groups for own in group["params"]]
    state = {i: states[own] for i, own in enumerate(parameters) if own in states}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": deepcopy(state)})


def check_steps(optimizer: Optimizer, steps: dict[int, dict[str, Any]]) -> None:
    """Check what an optimizer is to go on from: fused ones read as far as their parameters go.

    Raises
    ------
    ValueError
        If moments are not of the shape of their parameter.
    """
    if "fused" not in optimizer.defaults:
        return
    parameters = [own for group in optimizer.param_groups for own in group["params"]]
    for number, state in steps.items():
        own = parameters[number]
        for name, kept in state.items():
            expected = (own.shape, own.dtype)
            if name == "step":
                expected = (torch.Size(), torch.float32)
            if kept is not None and (getattr(kept, "shape", None), kept.dtype) != expected:
                raise ValueError(f"{name} of the optimizer is not of shape {tuple(own.shape)}")


def _moments_kept(optimizer: Optimizer) -> set[str]:
    """Give the options of torch's optimizers that say so, where they are set."""
    options = ("amsgrad", "centered", "momentum")
    return {name for group in optimizer.param_groups for name in options if group.get(name)}
