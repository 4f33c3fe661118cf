"""The halves of a fitted network leave for other programs, for any number of rows."""

import pytest
import torch
from numpy.testing import assert_allclose

pytestmark = pytest.mark.every_autoencoder


@pytest.fixture
def halves(autoencoder, digits):
    """Each half, with rows for it as float32."""
    rows = torch.from_numpy(digits).float()
    fitted = autoencoder.fit(digits)
    codes = torch.from_numpy(fitted.transform(digits)).float()
    return {"encoder": (fitted.encoder_, rows), "decoder": (fitted.decoder_, codes)}


def assert_same(exported, half, rows):
    for n_rows in (1, 2, 50):
        with torch.no_grad():
            assert_allclose(exported(rows[:n_rows]), half(rows[:n_rows]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_half_is_exported(halves, name):
    half, rows = halves[name]
    any_number = ({0: torch.export.Dim("n_rows")},)
    exported = torch.export.export(half, (rows[:5],), dynamic_shapes=any_number)
    assert_same(exported.module(), half, rows)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_half_is_traced(halves, name):
    half, rows = halves[name]
    assert_same(torch.jit.trace(half, (rows[:5],)), half, rows)
