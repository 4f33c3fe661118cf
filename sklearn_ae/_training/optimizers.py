"""What updates the weights: the optimizers, what they decay, and how their learning rate goes."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

# Each with the parameters that differ from torch's own defaults.
OPTIMIZERS: dict[str, tuple[type[Optimizer], dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"fused": True, "weight_decay": 1.0}),
    "sgd": (torch.optim.SGD, {"fused": True}),
}


def decaying_layers_alone(
    groups: list[dict[str, Any]], module: nn.Module, weight_decay: float
) -> list[dict[str, Any]]:
    """Part groups of parameters, so that nothing but the weights of the layers decays.

    Parameters
    ----------
    groups : list of dict
        As optimizers take them.
    module : Autoencoder
        Knows its parameters by name.
    weight_decay : float
        That of a group which has none of its own.

    Returns
    -------
    groups : list of dict
        The same ones where none decays.
    """
    if not any(group.get("weight_decay", weight_decay) for group in groups):
        return groups
    decayed = {
        id(parameter)
        for name, parameter in module.named_parameters()
        if parameter.ndim > 1 and ".shortcut." not in name
    }
    split = []
    for group in groups:
        layers = [p for p in group["params"] if id(p) in decayed]
        others = [p for p in group["params"] if id(p) not in decayed]
        split.append({**group, "params": layers})
        split.append({**group, "params": others, "weight_decay": 0.0})
    return [group for group in split if group["params"]]


def start_schedule(
    optimizer: Optimizer, lr_schedule: str, *, lr: float, n_steps: int
) -> LRScheduler | None:
    """Set the learning rate, and give what changes it after each step, if anything does."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    if lr_schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=n_steps)
    if lr_schedule == "one_cycle":
        return OneCycleLR(optimizer, max_lr=lr, total_steps=n_steps + 1, cycle_momentum=False)
    return None
