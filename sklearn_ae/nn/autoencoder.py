"""An encoder and a decoder joined."""

from torch import Tensor, nn

from sklearn_ae.nn.rescale import Rescale, Restore


class Autoencoder(nn.Module):
    """Rebuild rows through a code.

    Parameters
    ----------
    encoder : torch.nn.Module
        From (n_samples, n_features) to (n_samples, encoding_dim).
    decoder : torch.nn.Module
        From (n_samples, encoding_dim) to (n_samples, n_features).
    rescale : Rescale
        From the units of the data, which rows come in and leave in, to those that encoder
        and decoder work in.
    encoding_dim : int
        Width of the code.

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
        self, encoder: nn.Module, decoder: nn.Module, rescale: Rescale, encoding_dim: int
    ) -> None:
        super().__init__()
        self.rescale = rescale
        self.encoder = encoder
        self.decoder = decoder
        self.encoding_dim = encoding_dim

    def encode(self, x: Tensor) -> Tensor:
        """Give the codes of rows in the units of the data, in the dtype of the rows."""
        return self.encoder(self.rescale(x)).to(x.dtype)

    def decode(self, code: Tensor) -> Tensor:
        """Give rows in the units of the data, in the dtype of the codes."""
        output = self.decoder(code.to(self.rescale.dtype))
        return self.rescale.inverse(output.to(code.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Rebuild rows in the units of the data."""
        return self.decode(self.encode(x))

    def halves(self) -> tuple[nn.Sequential, nn.Sequential]:
        """Give encoder and decoder as modules in the units of the data.

        Returns
        -------
        encoder, decoder : torch.nn.Sequential
            They share parameters and buffers with this module.
        """
        return (
            nn.Sequential(self.rescale, self.encoder),
            nn.Sequential(self.decoder, Restore(self.rescale)),
        )
