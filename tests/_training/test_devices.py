"""Which device is taken. None but the CPU need be here."""

import pytest
import torch

from sklearn_ae._training.devices import resolve_device


@pytest.fixture(name="there_are")
def _there_are(monkeypatch):
    def there_are(*names):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)

    return there_are


@pytest.mark.parametrize(
    ("available", "expected"),
    [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda"), (("cuda", "mps"), "cuda")],
)
def test_auto_is_the_best_device_there_is(there_are, available, expected):
    there_are(*available)
    assert resolve_device("auto") == expected


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_device_that_is_there_is_taken_by_name(there_are, device):
    there_are("cuda", "mps")
    assert resolve_device(device) == device


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_missing_device_is_an_error_that_names_the_way_out(there_are, device):
    there_are()
    with pytest.raises(ValueError, match=f"device='{device}'.*device='auto'"):
        resolve_device(device)
