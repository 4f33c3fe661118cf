"""The joined halves, on their own and in plain torch code."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from sklearn_ae.nn import Autoencoder, Decoder, Encoder, Rescale, dense, with_shortcuts


@pytest.fixture(name="x")
def _x():
    return torch.from_numpy(load_digits().data[:200].astype(np.float32))


@pytest.fixture(name="autoencoder")
def _autoencoder():
    torch.manual_seed(0)
    rescale = Rescale(torch.full((64,), 5.0, dtype=torch.float64), torch.tensor(4.0))
    return Autoencoder(nn.Linear(64, 8), nn.Linear(8, 64), rescale, 8)


@torch.no_grad()
def test_rows_are_encoded_in_the_units_of_the_network(autoencoder, x):
    encoder, decoder = autoencoder.encoder, autoencoder.decoder
    code = ((x - 5) / 4) @ encoder.weight.t() + encoder.bias
    torch.testing.assert_close(autoencoder.encode(x), code)
    torch.testing.assert_close(
        autoencoder(x), (code @ decoder.weight.t() + decoder.bias) * 4 + 5, rtol=1e-5, atol=1e-5
    )


@torch.no_grad()
def test_rebuilding_is_encoding_then_decoding(autoencoder, x):
    assert torch.equal(autoencoder(x), autoencoder.decode(autoencoder.encode(x)))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_and_codes_keep_their_dtype(autoencoder, x, dtype):
    code = autoencoder.encode(x.to(dtype))
    assert code.dtype == dtype
    assert autoencoder.decode(code).dtype == dtype


@torch.no_grad()
def test_the_halves_work_in_the_units_of_the_data(autoencoder, x):
    encoder, decoder = Encoder(autoencoder), Decoder(autoencoder)
    assert torch.equal(encoder(x), autoencoder.encode(x))
    assert torch.equal(decoder(encoder(x)), autoencoder(x))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_decoder_takes_codes_of_any_dtype_and_keeps_it(autoencoder, x, dtype):
    codes = autoencoder.encode(x).to(dtype)
    rows = Decoder(autoencoder)(codes)
    assert rows.dtype == dtype
    layer = autoencoder.decoder
    expected = (codes.float() @ layer.weight.t() + layer.bias) * 4 + 5
    torch.testing.assert_close(rows.float(), expected, rtol=4e-3, atol=4e-3)


@torch.no_grad()
def test_code_and_output_are_in_the_units_of_the_network(autoencoder, x):
    inside = (x - 5) / 4
    code, output = autoencoder.run(inside)
    torch.testing.assert_close(code, autoencoder.code(inside), rtol=0, atol=0)
    torch.testing.assert_close(code, autoencoder.encode(x))
    torch.testing.assert_close(4 * output + 5, autoencoder(x))


@torch.no_grad()
def test_a_head_gives_the_code_where_the_encoder_gives_more(x):
    class First(nn.Module):
        def forward(self, both):
            return both[0]

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 8)

        def forward(self, x):
            return self.layer(x), None

    rescale = Rescale(torch.full((64,), 5.0, dtype=torch.float64), torch.tensor(4.0))
    autoencoder = Autoencoder(Two(), nn.Linear(8, 64), rescale, 8, head=First())
    code = autoencoder.encoder.layer((x - 5) / 4)
    torch.testing.assert_close(autoencoder.encode(x), code)
    torch.testing.assert_close(Encoder(autoencoder)(x), code)


@torch.no_grad()
def test_the_halves_share_their_parameters_with_the_whole(autoencoder):
    encoder, decoder = Encoder(autoencoder), Decoder(autoencoder)
    of_halves = {id(p) for half in (encoder, decoder) for p in half.parameters()}
    assert of_halves == {id(p) for p in autoencoder.parameters()}


@torch.no_grad()
def test_the_state_holds_all_that_a_copy_needs(autoencoder, x):
    rescale = Rescale(torch.zeros(64, dtype=torch.float64), torch.tensor(1.0))
    other = Autoencoder(nn.Linear(64, 8), nn.Linear(8, 64), rescale, 8)
    other.load_state_dict(autoencoder.state_dict())
    assert torch.equal(other(x), autoencoder(x))


def test_it_trains_in_a_plain_torch_loop(x):
    torch.manual_seed(0)
    encoder, decoder = with_shortcuts(
        dense(64, 8, hidden_layer_sizes=(16,)), dense(8, 64, hidden_layer_sizes=(16,)), 64, 8
    )
    rescale = Rescale(x.double().mean(dim=0), x.std())
    autoencoder = Autoencoder(encoder, decoder, rescale, 8)
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        loss = (autoencoder(x) - x).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.25 * x.var(dim=0).mean()
