"""Weights of a file, held against the layers that its parameters ask for."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sklearn_ae._building import Specification, _Building
from sklearn_ae._naming import is_own
from sklearn_ae.exceptions import LoadError


class _Nowhere(TorchFunctionMode):
    """Takes what asks for a device to the one that has no memory."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        return func(*args, **(kwargs | {"device": "meta"} if "device" in kwargs else kwargs))


def _check_given(specification: Specification, weights: Mapping[str, Any]) -> None:
    """Check layers that the user gave: of torch's own, since others need not know of no memory."""
    widths = (specification.n_features, specification.encoding_dim)
    for name, (n_in, n_out) in {"encoder": widths, "decoder": widths[::-1]}.items():
        given = specification.parameters.get(name)
        if given is not None and not is_own(given):
            with torch.device("meta"):
                layer = given(n_in, n_out)
            n_values = sum(parameter.numel() for parameter in layer.parameters())
            if n_values > sum(weight.numel() for weight in weights.values()):
                raise LoadError(f"{name}={given.__name__} has {n_values} weights of {widths}.")


def check_layers(specification: Specification, weights: Mapping[str, Any]) -> None:
    """Check weights against layers that take no memory, so that crafted ones ask for none."""
    if len(specification.units.shift) != specification.n_features:
        raise LoadError(
            f"units of {len(specification.units.shift)} features are described where the "
            f"parameters ask for {specification.n_features}."
        )
    if not issubclass(specification.estimator_class, _Building):
        raise LoadError(f"a net is of {specification.estimator_class}, which builds none.")
    parameters = specification.parameters
    for name in ("hidden_layer_sizes", "channels"):
        sizes = parameters.get(name)
        if not isinstance(sizes, str | int | None) and len(sizes) > len(weights):
            raise LoadError(f"{name} has {len(sizes)} layers, of {len(weights)} weights.")
    if specification.target is not None:
        head = (len(specification.target.start), specification.encoding_dim)
        if weights["target_head.weight"].shape != head:
            raise LoadError(f"the weights target_head.weight are not of shape {head}.")
    try:
        with torch.device("meta"), _Nowhere():
            halves = specification.halves()
    except Exception:
        if all(parameters.get(name) is None for name in ("encoder", "decoder")):
            raise
        # Layers that were given are looked at once they are built, and need not know of such a
        # device. Those of torch do.
        _check_given(specification, weights)
        return
    layers = nn.ModuleDict(dict(zip(("encoder", "decoder"), halves, strict=True)))
    for name, layer in layers.state_dict().items():
        found = weights.get(name)
        if isinstance(layer, Tensor) and (
            not isinstance(found, Tensor)
            or (found.shape, found.dtype) != (layer.shape, layer.dtype)
        ):
            said = "nothing" if found is None else f"{found.dtype} of shape {tuple(found.shape)}"
            raise LoadError(
                f"the weights {name} are {said} where the parameters ask for {layer.dtype} of "
                f"shape {tuple(layer.shape)}."
            )
