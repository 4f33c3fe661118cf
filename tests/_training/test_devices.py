"""Which device is taken. None but the CPU need be here."""

import pytest
import torch

from sklearn_ae._training.devices import gains_from_bfloat16, resolve_device


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


@pytest.mark.parametrize("supported", [True, False])
def test_a_gpu_says_itself_whether_it_gains_from_bfloat16(monkeypatch, supported):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
    assert gains_from_bfloat16("cuda") is supported


def test_mps_gains_nothing_from_bfloat16():
    assert not gains_from_bfloat16("mps")


@pytest.mark.parametrize("instructions", ["amx_bf16", "avx512_bf16", "bf16"])
def test_a_processor_gains_from_bfloat16_where_it_has_instructions(monkeypatch, instructions):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, instructions: True})
    assert gains_from_bfloat16("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, instructions: False})
    assert not gains_from_bfloat16("cpu")
