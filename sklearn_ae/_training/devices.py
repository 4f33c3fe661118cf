"""Where a network is trained and used."""

import torch


def resolve_device(device: str) -> str:
    """Give the device to use for the parameter `device`.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps", "auto"}
        "auto" is the first of cuda, mps and cpu that there is.

    Returns
    -------
    device : str

    Raises
    ------
    ValueError
        If there is no such device.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, found in available.items() if found)
    if not available[device]:
        raise ValueError(
            f"device={device!r}: torch finds no such device here. Use device='auto' to take "
            "the best that there is."
        )
    return device


def gains_from_bfloat16(device: str) -> bool:
    """Whether the processor has instructions for products of bfloat16 matrices."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "mps":
        return False
    capabilities = torch.cpu.get_capabilities()
    # On x86 the first two, on ARM the third.
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
