"""An encoder and a decoder joined."""

from torch import Tensor, nn

from sklearn_ae.nn.rescale import Rescale


class Autoencoder(nn.Module):
    """Rebuild rows through a code.

    Parameters
    ----------
    encoder : torch.nn.Module
        From (n_samples, n_features) to (n_samples, encoding_dim), or to what `head` takes.
    decoder : torch.nn.Module
        From (n_samples, encoding_dim) to (n_samples, n_features).
    rescale : Rescale
        From the units of the data, which rows come in and leave in, to those that encoder
        and decoder work in.
    encoding_dim : int
        Width of the code.
    head : torch.nn.Module, default=None
        From what the encoder gives to the code, where that is not all of it.
    target_head : torch.nn.Module, default=None
        From the code to what is predicted from it. It takes no part in rebuilding rows.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn import Autoencoder, Rescale
    >>> rescale = Rescale(torch.zeros(4), torch.tensor(2.0))
    >>> autoencoder = Autoencoder(nn.Linear(4, 2), nn.Linear(2, 4), rescale, 2)
    >>> autoencoder(torch.zeros(3, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        rescale: Rescale,
        encoding_dim: int,
        *,
        head: nn.Module | None = None,
        target_head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.rescale = rescale
        self.encoder = encoder
        self.head = head
        self.decoder = decoder
        self.target_head = target_head
        self.encoding_dim = encoding_dim

    # In the units of the network

    def code(self, x: Tensor) -> Tensor:
        """Give the codes of rows in the units of the network."""
        encoded = self.encoder(x)
        return encoded if self.head is None else self.head(encoded)

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give code and output of rows in the units of the network, which the output has too."""
        code = self.code(x)
        return code, self.decoder(code.clone() if self.rescale.copy else code)

    # In the units of the data

    def encode(self, x: Tensor) -> Tensor:
        """Give the codes of rows in the units of the data, in the dtype of the rows."""
        if not x.is_floating_point():
            x = x.to(self.rescale.dtype)
        return self.code(self.rescale(x)).to(x.dtype)

    def decode(self, code: Tensor) -> Tensor:
        """Give rows in the units of the data, in the dtype of the codes."""
        if not code.is_floating_point():
            code = code.to(self.rescale.dtype)
        output = self.decoder(code.to(self.rescale.dtype))
        return self.rescale.inverse(output.to(code.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Rebuild rows in the units of the data."""
        return self.decode(self.encode(x))


class Encoder(nn.Module):
    """The first half of an autoencoder, from rows in the units of the data to codes.

    Parameters
    ----------
    autoencoder : Autoencoder
        Parameters and buffers are shared with it.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn import Autoencoder, Encoder, Rescale
    >>> rescale = Rescale(torch.zeros(4), torch.tensor(2.0))
    >>> autoencoder = Autoencoder(nn.Linear(4, 2), nn.Linear(2, 4), rescale, 2)
    >>> Encoder(autoencoder)(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.rescale = autoencoder.rescale
        self.encoder = autoencoder.encoder
        self.head = autoencoder.head

    code = Autoencoder.code
    forward = Autoencoder.encode


class Decoder(nn.Module):
    """The second half of an autoencoder, from codes to rows in the units of the data.

    Parameters
    ----------
    autoencoder : Autoencoder
        Parameters and buffers are shared with it.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn import Autoencoder, Decoder, Rescale
    >>> rescale = Rescale(torch.zeros(4), torch.tensor(2.0))
    >>> autoencoder = Autoencoder(nn.Linear(4, 2), nn.Linear(2, 4), rescale, 2)
    >>> Decoder(autoencoder)(torch.zeros(3, 2)).shape
    torch.Size([3, 4])
    """

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.decoder = autoencoder.decoder
        self.rescale = autoencoder.rescale

    forward = Autoencoder.decode
