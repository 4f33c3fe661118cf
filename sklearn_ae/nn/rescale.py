"""The units that a network works in."""

from typing import Any

import torch
from torch import Tensor, nn


class Rescale(nn.Module):
    """Map features to the units of the network, and back.

    The map is part of the module, so that an exported network and every device have it.

    Parameters
    ----------
    shift : Tensor of shape (n_features,)
        What is taken from each feature. Kept in float64: against a large offset the
        difference has digits that the two numbers do not have in float32.
    scale : Tensor of shape () or (n_features,)
        What each feature is then divided by, positive.
    dtype : torch.dtype, default=None
        That of the network; None is that of `scale`.
    copy : bool, default=True
        Whether the network, or the loss, may write into what it is given: then the rows given
        are always new ones. With False a map that changes nothing gives what it was given.
    typical : Tensor of shape (3, n_features), default=None
        Mean, least and greatest value of each feature, in the units of the data: what may
        stand where nothing is known of an entry. None is the shift for all of them.

    Attributes
    ----------
    typical_inside : Tensor of shape (3, n_features)
        The same in the units of the network.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import Rescale
    >>> rescale = Rescale(torch.tensor([10.0, 20.0]), torch.tensor(2.0))
    >>> rescale(torch.tensor([[12.0, 20.0]]))
    tensor([[1., 0.]])
    >>> rescale.inverse(torch.tensor([[1.0, 0.0]]))
    tensor([[12., 20.]])
    """

    shift: Tensor
    scale: Tensor
    like: Tensor
    typical: Tensor
    typical_inside: Tensor
    is_identity: bool
    least: float
    greatest: float

    def __init__(
        self,
        shift: Tensor,
        scale: Tensor,
        dtype: torch.dtype | None = None,
        *,
        copy: bool = True,
        typical: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.copy = copy
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.register_buffer("typical", shift.repeat(3, 1) if typical is None else typical)
        # Holds nothing but the dtype of the network, which may be moved to another.
        self.register_buffer("like", torch.empty(0, dtype=dtype or scale.dtype), persistent=False)
        self.register_load_state_dict_post_hook(_derive)  # type: ignore[no-untyped-call]
        _derive(self)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the network."""
        return self.like.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Take rows in the units of the data to those of the network, and to its dtype."""
        return self.inside(x).to(self.dtype)

    def inside(self, x: Tensor) -> Tensor:
        """Take rows in the units of the data to those of the network, in their own dtype."""
        if self.is_identity:
            return x
        held = self._held(x)
        shift, scale = self.shift.to(held.dtype), self.scale.to(held.dtype)
        return (held - shift).div_(scale).to(x.dtype)

    def inverse(self, x: Tensor) -> Tensor:
        """Take rows in the units of the network to those of the data."""
        if self.is_identity:
            return x
        held = self._held(x)
        shift, scale = self.shift.to(held.dtype), self.scale.to(held.dtype)
        return (held * scale).add_(shift).to(x.dtype)

    def _held(self, x: Tensor) -> Tensor:
        """Give rows in their own dtype, or in that of the units where theirs can't hold these."""
        numbers = torch.finfo(x.dtype)
        # With all digits, and the difference of two rows too.
        if numbers.tiny / numbers.eps <= self.least and self.greatest <= numbers.max / 4:
            return x
        return x.to(self.scale.dtype)


def _derive(rescale: Rescale, incompatible_keys: Any = None) -> None:
    """Set what follows from the buffers, which a state dict may have changed."""
    # Two passes over the rows would cost a tenth of a small encoder.
    rescale.is_identity = not (rescale.copy or rescale.shift.any() or (rescale.scale != 1).any())
    rescale.least = rescale.scale.min().item()
    rescale.greatest = max(rescale.scale.max().item(), rescale.shift.abs().max().item())
    rescale.register_buffer("typical_inside", rescale(rescale.typical), persistent=False)
