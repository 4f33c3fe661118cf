"""The gradient step of a dense autoencoder, written out.

A step of a small network is bound by the bookkeeping of autograd and of the optimizer, not by
arithmetic. Here the derivatives are written out layer by layer, with autograd's own kernels, and
parameters, gradients and moments lie in one buffer each, so that one call updates them all.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from sklearn_ae._compat import aten, has_hooks, has_hooks_on_all_modules
from sklearn_ae._training.batches import Batch
from sklearn_ae._training.flat import FlatParameters
from sklearn_ae._training.objective import Objective
from sklearn_ae.nn import Autoencoder, LinearShortcut, Rescale, TransposedLinear

# A derivative takes the layer, the gradient of its output, its input and its output. It
# overwrites the gradient with that of the input.
_ACTIVATIONS: dict[type[nn.Module], Callable[[Any, Tensor, Tensor, Tensor], Tensor]] = {
    nn.Identity: lambda layer, gradient, x, y: gradient,
    nn.ReLU: lambda layer, gradient, x, y: aten.threshold_backward.grad_input(
        gradient, y, 0, grad_input=gradient
    ),
    nn.LeakyReLU: lambda layer, gradient, x, y: aten.leaky_relu_backward.grad_input(
        gradient, x, layer.negative_slope, False, grad_input=gradient
    ),
    nn.ELU: lambda layer, gradient, x, y: aten.elu_backward.grad_input(
        gradient, layer.alpha, 1, 1, False, x, grad_input=gradient
    ),
    nn.GELU: lambda layer, gradient, x, y: aten.gelu_backward.grad_input(
        gradient, x, approximate=layer.approximate, grad_input=gradient
    ),
    nn.SiLU: lambda layer, gradient, x, y: aten.silu_backward.grad_input(
        gradient, x, grad_input=gradient
    ),
    nn.Tanh: lambda layer, gradient, x, y: aten.tanh_backward.grad_input(
        gradient, y, grad_input=gradient
    ),
    nn.Sigmoid: lambda layer, gradient, x, y: aten.sigmoid_backward.grad_input(
        gradient, y, grad_input=gradient
    ),
    nn.Softplus: lambda layer, gradient, x, y: aten.softplus_backward.grad_input(
        gradient, x, layer.beta, layer.threshold, grad_input=gradient
    ),
}

_LAYERS = {
    LinearShortcut,
    TransposedLinear,
    nn.Linear,
    nn.Sequential,
    *_ACTIVATIONS,
}


class _Part(Protocol):
    """A module with its derivative."""

    def forward(self, x: Tensor) -> Tensor:
        """Give the output, and keep what the derivative needs."""

    def backward(self, gradient: Tensor) -> Tensor:
        """Set the gradients of the parameters, and give that of the input.

        It may overwrite the gradient of the output, which it is given. The first layer of a
        network has no use for that of its input, a third of its work, and leaves it out.
        """


class _Linear:
    def __init__(
        self, layer: nn.Linear | TransposedLinear, flat: FlatParameters, is_first: bool
    ) -> None:
        weight, weight_gradient = flat.use(layer.weight)
        self.bias, self.bias_gradient = flat.use(layer.bias)
        transposed = isinstance(layer, TransposedLinear)
        # From input to output, whose transpose takes gradients back.
        self.weight = weight if transposed else weight.t()
        self.weight_back = self.weight.t()
        self.weight_gradient = weight_gradient if transposed else weight_gradient.t()
        self.flat = flat
        self.is_first = is_first

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return torch.addmm(self.bias, x, self.weight)

    def backward(self, gradient: Tensor) -> Tensor:
        if self.flat.is_shared:
            self.weight_gradient.addmm_(self.x.t(), gradient)
            self.bias_gradient.add_(gradient.sum(0))
        else:
            torch.mm(self.x.t(), gradient, out=self.weight_gradient)
            torch.sum(gradient, 0, out=self.bias_gradient)
        return gradient if self.is_first else torch.mm(gradient, self.weight_back)


class _Activation:
    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer
        self.derivative = _ACTIVATIONS[type(layer)]

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        self.output = self.layer.forward(x)
        return self.output

    def backward(self, gradient: Tensor) -> Tensor:
        return self.derivative(self.layer, gradient, self.x, self.output)


class _Cast:
    def __init__(self, before: torch.dtype, after: torch.dtype) -> None:
        self.before = before
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.after)

    def backward(self, gradient: Tensor) -> Tensor:
        return gradient.to(self.before)


class _Chain:
    def __init__(self, parts: list[_Part]) -> None:
        # Without chains in chains: a call more each is a hundredth of a small step.
        self.parts: list[_Part] = []
        for part in parts:
            self.parts += part.parts if isinstance(part, _Chain) else [part]

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part.forward(x)
        return x

    def backward(self, gradient: Tensor) -> Tensor:
        for part in reversed(self.parts):
            gradient = part.backward(gradient)
        return gradient


class _Shortcut:
    def __init__(
        self,
        layers: _Part,
        shortcut: _Part,
        gate: tuple[Tensor, Tensor] | None,
        flat: FlatParameters,
        is_first: bool,
    ) -> None:
        self.layers = layers
        self.shortcut = shortcut
        self.gate = gate
        self.flat = flat
        self.is_first = is_first

    def forward(self, x: Tensor) -> Tensor:
        self.output = self.layers.forward(x)
        output = self.output if self.gate is None else self.gate[0] * self.output
        return self.shortcut.forward(x).add_(output)

    def backward(self, gradient: Tensor) -> Tensor:
        of_layers = gradient
        if self.gate is not None:
            gate, gate_gradient = self.gate
            of_gate = (gradient * self.output).sum()
            gate_gradient.copy_(gate_gradient + of_gate if self.flat.is_shared else of_gate)
            of_layers = gate * gradient
        # First the shortcut, since the layers may overwrite what they are given.
        straight = self.shortcut.backward(gradient)
        bent = self.layers.backward(of_layers)
        return gradient if self.is_first else straight.add_(bent)


def _with_derivative(module: nn.Module, flat: FlatParameters, is_first: bool = False) -> _Part:
    if isinstance(module, nn.Sequential):
        return _Chain(
            [_with_derivative(part, flat, is_first and not i) for i, part in enumerate(module)]
        )
    if isinstance(module, LinearShortcut):
        layers = _with_derivative(module.layers, flat, is_first)
        shortcut = _Linear(module.shortcut, flat, is_first)
        gate = None if module.gate is None else flat.use(module.gate)
        return _Shortcut(layers, shortcut, gate, flat, is_first)
    if isinstance(module, nn.Linear | TransposedLinear):
        return _Linear(module, flat, is_first)
    return _Activation(module)


class ExactStep:
    """A gradient step on all parameters of a dense autoencoder, without autograd.

    Parameters
    ----------
    module : Autoencoder
        What is trained.
    criterion : Objective
        Knows its derivatives by output and code.
    optimizer : Adam or AdamW
        Its groups hold the parameters of the module.
    bfloat16 : bool
        Whether the layers compute in that. Loss, update and moments do not.
    """

    def __init__(
        self,
        module: Autoencoder,
        criterion: Objective,
        optimizer: Optimizer,
        *,
        bfloat16: bool,
    ) -> None:
        self.flat = FlatParameters(optimizer, bfloat16=bfloat16)
        self.encoder: _Part = _with_derivative(module.encoder, self.flat, is_first=True)
        self.decoder: _Part = _with_derivative(module.decoder, self.flat)
        self.target_head: _Part | None = None
        if module.target_head is not None:
            self.target_head = _with_derivative(module.target_head, self.flat)
        self.module = module
        self.criterion = criterion
        if bfloat16:
            dtype = module.rescale.dtype
            self.encoder = _Chain([_Cast(dtype, torch.bfloat16), self.encoder])
            self.decoder = _Chain([self.decoder, _Cast(torch.bfloat16, dtype)])
            if self.target_head is not None:
                self.target_head = _Chain([self.target_head, _Cast(torch.bfloat16, dtype)])

    def __call__(self, x: Tensor, batch: Batch) -> Tensor:
        """Take a step, and give the loss before it."""
        loss = self.gradient(x, batch)
        self.flat.update()
        return loss

    def gradient(self, x: Tensor, batch: Batch) -> Tensor:
        """Set the gradients, and give the loss."""
        if self.flat.is_shared:
            self.flat.clear_gradients()
        code = self.encoder.forward(x)
        output = self.decoder.forward(code)
        predicted = None if self.target_head is None else self.target_head.forward(code)
        loss, of_output, of_code, of_predicted = self.criterion.with_gradients(
            self.module, x, code, output, batch, predicted
        )
        gradient = self.decoder.backward(of_output)
        if of_code is not None:
            gradient += of_code
        if self.target_head is not None and of_predicted is not None:
            gradient += self.target_head.backward(of_predicted)
        self.encoder.backward(gradient)
        return loss

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Step within, on buffers; afterwards module and optimizer have what came of it."""
        self.flat.load()
        try:
            with torch.inference_mode():
                yield self
        finally:
            self.flat.store()


def allows_exact_step(
    module: nn.Module, criterion: nn.Module, optimizer: Optimizer, device: str
) -> bool:
    """Whether all derivatives are written out, and the update is one that a buffer can take."""
    return (
        device == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and _is_written_out(module)
        and _has_gradients(criterion)
        # A head that nothing is asked of stays as it is, and an update moves whatever it holds.
        and (module.target_head is None) == (not criterion.target_weight)
        and type(optimizer) in (Adam, AdamW)
        and not has_hooks(optimizer)
        and all(_fits_a_buffer(optimizer, group) for group in optimizer.param_groups)
        and {parameter for group in optimizer.param_groups for parameter in group["params"]}
        == set(module.parameters())
    )


def _is_written_out(module: nn.Module) -> bool:
    return (
        type(module) is Autoencoder
        and type(module.rescale) is Rescale
        and module.head is None
        and not has_hooks_on_all_modules()
        and not any(has_hooks(part) for part in (module, module.rescale))
        and all(
            _is_dense(part)
            for half in (module.encoder, module.decoder, module.target_head)
            if half is not None
            for part in half.modules()
        )
    )


def _has_gradients(criterion: nn.Module) -> bool:
    return (
        type(criterion) is Objective
        and criterion.loss.gradient is not None
        and criterion.loss.degree is not None
        and not criterion.contractive_penalty
    )


def _is_dense(layer: nn.Module) -> bool:
    is_linear = type(getattr(layer, "shortcut", None)) in (nn.Linear, TransposedLinear)
    return (
        type(layer) in _LAYERS
        and getattr(layer, "bias", layer) is not None
        and (is_linear or type(layer) is not LinearShortcut)
        # What a layer was given may be needed once more.
        and not getattr(layer, "inplace", False)
        and not has_hooks(layer)
    )


def _fits_a_buffer(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    unlike_the_buffer = ("amsgrad", "capturable", "differentiable")
    states = [optimizer.state.get(parameter, {}) for parameter in group["params"]]
    return (
        bool(group["fused"])
        and not any(group[option] for option in unlike_the_buffer)
        and len({float(state.get("step", 0)) for state in states}) == 1
        and len({parameter.dtype for parameter in group["params"]}) == 1
        and all(p.requires_grad and not has_hooks(p) for p in group["params"])
    )
