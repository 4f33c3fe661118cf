"""A linear map beside the layers, and its start at the principal components."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Generator, Tensor, nn

from sklearn_ae.nn.conv import REARRANGING
from sklearn_ae.nn.dense import TransposedLinear, linear


class LinearShortcut(nn.Module):
    """Add a linear map to layers, ``shortcut(x) + gate * layers(x)``.

    Parameters
    ----------
    layers : torch.nn.Module
        From (n_samples, in_features) to (n_samples, out_features).
    shortcut : torch.nn.Linear or TransposedLinear
        Of the same two widths.
    gated : bool, default=False
        Whether the layers enter through a learnt factor that starts at zero, for layers
        whose own output can't be set to zero without knowing what they are.

    References
    ----------
    He, K. et al. (2016). Deep residual learning for image recognition. CVPR.
    Bachlechner, T. et al. (2021). ReZero is all you need. UAI.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn import LinearShortcut
    >>> both = LinearShortcut(nn.Linear(4, 2), nn.Linear(4, 2), gated=True)
    >>> x = torch.ones(3, 4)
    >>> bool((both(x) == both.shortcut(x)).all())
    True
    """

    def __init__(
        self,
        layers: nn.Module,
        shortcut: nn.Linear | TransposedLinear,
        *,
        gated: bool = False,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut
        self.gate = nn.Parameter(torch.zeros(())) if gated else None
        self.skips_layers = False

    @property
    def has_idle_layers(self) -> bool:
        """Whether the layers add nothing, as all do before the first step."""
        if self.gate is not None:
            return not self.gate.any()
        last = _last_layer(self.layers)
        if last is None or last.weight[0].any():  # most weights end it here
            return False
        return not any(weight.any() for weight in last.parameters())

    def forward(self, x: Tensor) -> Tensor:
        """Take (n_samples, in_features) to (n_samples, out_features)."""
        if self.skips_layers:
            return self.shortcut(x)
        if self.gate is None:
            return self.shortcut(x) + self.layers(x)
        # Layers of a user may write into what they are given.
        return self.shortcut(x) + self.gate * self.layers(x.clone())


def with_shortcuts(
    encoder: nn.Module,
    decoder: nn.Module,
    n_features: int,
    encoding_dim: int,
    *,
    n_encoded: int | None = None,
    gated: tuple[bool, bool] = (False, False),
    generator: Generator | None = None,
) -> tuple[LinearShortcut, LinearShortcut]:
    """Add shortcuts to two halves, whose layers give zero to begin with.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        What `dense`, `tied_dense` or those of convolutions gave, unless gated.
    n_features, encoding_dim : int
        Widths of a row and of a code.
    n_encoded : int, default=None
        Width of what the encoder gives, where that is not the code alone.
    gated : tuple of two bool, default=(False, False)
        Whether the layers of each half enter through a factor. Tied halves always do: with
        the weights between them at zero, PCA would be a saddle that training never leaves.
    generator : torch.Generator, default=None
        Where the linear maps are drawn from; None is torch's global generator.

    Returns
    -------
    encoder, decoder : LinearShortcut
        Tied if the two halves are.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import dense, with_shortcuts
    >>> encoder, decoder = with_shortcuts(dense(4, 2), dense(2, 4), 4, 2)
    >>> bool((encoder.layers(torch.ones(1, 4)) == 0).all())
    True
    """
    tied = isinstance(decoder, nn.Sequential) and isinstance(decoder[-1], TransposedLinear)
    if tied:
        gated = (True, True)
    for half, is_gated in zip((encoder, decoder), gated, strict=True):
        if not is_gated:
            _silence(half)
    into = linear(n_features, n_encoded or encoding_dim, generator=generator)
    back = TransposedLinear(into) if tied else linear(encoding_dim, n_features, generator=generator)
    return (
        LinearShortcut(encoder, into, gated=gated[0]),
        LinearShortcut(decoder, back, gated=gated[1]),
    )


def shortcuts_of(module: nn.Module) -> list[nn.Linear | TransposedLinear]:
    """Give the linear maps beside the two halves of an autoencoder, where it has them.

    Parameters
    ----------
    module : Autoencoder
        Its halves are what `with_shortcuts` gave; an output activation may end the decoder.

    Returns
    -------
    shortcuts : list of torch.nn.Linear or TransposedLinear
        The encoder's and the decoder's, or none.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae.nn import Autoencoder, Rescale, dense, shortcuts_of, with_shortcuts
    >>> halves = with_shortcuts(dense(4, 2), dense(2, 4), 4, 2)
    >>> rescale = Rescale(torch.zeros(4), torch.tensor(2.0))
    >>> shortcuts_of(Autoencoder(*halves, rescale, 2))
    [Linear(in_features=4, out_features=2, bias=True), \
Linear(in_features=2, out_features=4, bias=True)]
    """
    halves = [getattr(module, "encoder", None), getattr(module, "decoder", None)]
    if isinstance(halves[1], nn.Sequential) and len(halves[1]):
        halves[1] = halves[1][0]
    if not all(isinstance(half, LinearShortcut) for half in halves):
        return []
    return [cast(LinearShortcut, half).shortcut for half in halves]


@contextmanager
def skipping_idle_layers(module: nn.Module) -> Iterator[None]:
    """Run a module without the layers that add nothing to their shortcut.

    Before the first step these are all layers, which take most of the time.

    Parameters
    ----------
    module : torch.nn.Module
        Its weights may not change within.

    Yields
    ------
    None
        Within, they are skipped.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn.shortcut import LinearShortcut, skipping_idle_layers
    >>> both = LinearShortcut(nn.Linear(4, 2), nn.Linear(4, 2), gated=True)
    >>> with skipping_idle_layers(both):
    ...     both.skips_layers
    True
    """
    idle = [
        each
        for each in module.modules()
        if isinstance(each, LinearShortcut) and each.has_idle_layers
    ]
    for each in idle:
        each.skips_layers = True
    try:
        yield
    finally:
        for each in idle:
            each.skips_layers = False


@torch.no_grad()
def _silence(layers: nn.Module) -> None:
    """Set the last weights so that the output is zero."""
    for weight in cast(nn.Module, _last_layer(layers)).parameters():
        weight.zero_()


def _last_layer(layers: nn.Module) -> nn.Linear | nn.Conv2d | None:
    """Give the layer that is zero throughout, and with it the output, if its weights are."""
    while isinstance(layers, nn.Sequential) and len(layers):
        layers = [each for each in layers if not isinstance(each, REARRANGING)][-1]
    return layers if isinstance(layers, nn.Linear | nn.Conv2d) else None
