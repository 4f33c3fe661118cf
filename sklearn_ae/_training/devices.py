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
