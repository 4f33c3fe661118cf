"""The units that a network works in."""

from typing import Any, cast

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
        Whether the rows given are always new ones. With False a map that changes nothing gives
        what it was given, for networks that do not write into their input.

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

    def __init__(
        self,
        shift: Tensor,
        scale: Tensor,
        dtype: torch.dtype | None = None,
        *,
        copy: bool = True,
    ) -> None:
        super().__init__()
        self.copy = copy
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        # Holds nothing but the dtype of the network, which may be moved to another.
        self.register_buffer("like", torch.empty(0, dtype=dtype or scale.dtype), persistent=False)
        self._find_identity()

    def _find_identity(self) -> None:
        # Two passes over the rows would cost a tenth of a small encoder.
        self._is_identity = not (self.copy or self.shift.any() or (self.scale != 1).any())

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._find_identity()

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the network."""
        # Not self.like: a module looks for its buffers as long as one row takes to rescale.
        return cast(Tensor, self._buffers["like"]).dtype

    def forward(self, x: Tensor) -> Tensor:
        """Take rows in the units of the data to those of the network."""
        if not self._is_identity:
            x = (x - self.shift.to(x.dtype)).div_(self.scale.to(x.dtype))
        return x.to(self.dtype)

    def inverse(self, x: Tensor) -> Tensor:
        """Take rows in the units of the network to those of the data."""
        if self._is_identity:
            return x
        return (x * self.scale.to(x.dtype)).add_(self.shift.to(x.dtype))


class Restore(nn.Module):
    """The inverse of a `Rescale` as a module, to end a decoder with.

    Parameters
    ----------
    rescale : Rescale
        The map to invert; its buffers are shared.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import Rescale, Restore
    >>> restore = Restore(Rescale(torch.tensor([10.0]), torch.tensor(2.0)))
    >>> restore(torch.tensor([[1.0]]))
    tensor([[12.]])
    """

    def __init__(self, rescale: Rescale) -> None:
        super().__init__()
        self.rescale = rescale

    def forward(self, x: Tensor) -> Tensor:
        """Take rows in the units of the network to those of the data."""
        return self.rescale.inverse(x)
