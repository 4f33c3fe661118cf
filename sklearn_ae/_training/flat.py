"""Parameters, gradients and moments in one buffer each, and the update that takes them at once."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from sklearn_ae._compat import fused_adam, fused_adamw


class FlatGroup:
    """A group of the optimizer's parameters: values, gradients and moments in a buffer each.

    Parameters
    ----------
    optimizer : Adam or AdamW
        Fused, and without amsgrad.
    group : dict
        One of its groups.
    bfloat16 : bool
        Whether layers are to compute with copies in that.
    """

    def __init__(self, optimizer: Optimizer, group: dict[str, Any], *, bfloat16: bool) -> None:
        self.group = group
        self.parameters: list[Tensor] = group["params"]
        for parameter in self.parameters:
            if not optimizer.state[parameter]:
                optimizer.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [optimizer.state[parameter] for parameter in self.parameters]
        n_values = sum(parameter.numel() for parameter in self.parameters)
        self.buffers = self.parameters[0].new_zeros((4, n_values)).unbind()
        values, gradients, means, squares = self.buffers
        self.n_steps = torch.zeros((), dtype=torch.float32)
        # What the optimizer and the module hold, and the same in the buffers.
        self.steps = [state["step"] for state in states]
        self.own = self.parameters + [
            state[name] for name in ("exp_avg", "exp_avg_sq") for state in states
        ]
        self.flat = [view for part in (values, means, squares) for view in self._views(part)]
        self.has_copies = bfloat16
        self.used_values = values.bfloat16() if bfloat16 else values
        self.used_gradients = gradients.bfloat16() if bfloat16 else gradients
        self.function = fused_adamw if group["decoupled_weight_decay"] else fused_adam

    def _views(self, buffer: Tensor) -> list[Tensor]:
        parts = torch.split(buffer, [parameter.numel() for parameter in self.parameters])
        return [part.view_as(own) for part, own in zip(parts, self.parameters, strict=True)]

    def views(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        """Give each parameter, and the value and gradient that a layer computes with."""
        used = zip(self._views(self.used_values), self._views(self.used_gradients), strict=True)
        return zip(self.parameters, used, strict=True)

    def load(self) -> None:
        """Take what the module and the optimizer hold."""
        _copy(self.own, self.flat)
        self.n_steps.copy_(self.steps[0])
        if self.has_copies:
            self.used_values.copy_(self.buffers[0])

    def store(self) -> None:
        """Give it back to them, with the last gradients, as autograd leaves them."""
        _copy(self.flat, self.own)
        for step in self.steps:
            step.copy_(self.n_steps)
        gradients = self._views(self.buffers[1].clone())
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient

    def update(self) -> None:
        """Take the optimizer's step, whose own method takes five times as long."""
        values, gradients, means, squares = self.buffers
        if self.has_copies:
            gradients.copy_(self.used_gradients)
        self.n_steps += 1
        beta1, beta2 = self.group["betas"]
        self.function(
            [values],
            [gradients],
            [means],
            [squares],
            [],
            [self.n_steps],
            lr=self.group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=self.group["weight_decay"],
            eps=self.group["eps"],
            amsgrad=False,
            maximize=self.group["maximize"],
        )
        if self.has_copies:
            self.used_values.copy_(values)


def _copy(sources: list[Tensor], targets: list[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)


class FlatParameters:
    """All parameters that are trained, in buffers."""

    def __init__(self, optimizer: Optimizer, *, bfloat16: bool) -> None:
        self.groups = [
            FlatGroup(optimizer, group, bfloat16=bfloat16) for group in optimizer.param_groups
        ]
        self.views = {
            parameter: views for group in self.groups for parameter, views in group.views()
        }
        self.is_shared = False
        self._used: set[Tensor] = set()

    def use(self, parameter: Tensor) -> tuple[Tensor, Tensor]:
        """Give value and gradient, and note whether two layers add to one."""
        self.is_shared |= parameter in self._used
        self._used.add(parameter)
        return self.views[parameter]

    @torch.no_grad()
    def load(self) -> None:
        """Take what the module and the optimizer hold."""
        for group in self.groups:
            group.load()

    @torch.no_grad()
    def store(self) -> None:
        """Give it back to them."""
        for group in self.groups:
            group.store()

    def clear_gradients(self) -> None:
        """Set the gradients to zero, where layers add to them."""
        for group in self.groups:
            group.used_gradients.zero_()

    def update(self) -> None:
        """Take the optimizer's step."""
        for group in self.groups:
            group.update()
