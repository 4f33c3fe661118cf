"""What a user has set of torch for all code: it changes nothing here, and is left as it was.

The functions of a user, such as `encoder`, `loss` and callbacks, run within too: one seed gives
the same network whatever is set outside. What they make of torch's default dtype while they train
is theirs.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import RLock

import torch

from sklearn_ae._compat import has_function_modes

_default_dtype = RLock()


def undisturbed(*, inference: bool) -> AbstractContextManager:
    """Run with gradients or for inference, as if no default device were set.

    These are settings of a thread, so that others don't notice. Autocast stays as it is: it asks
    for other numbers.

    Parameters
    ----------
    inference : bool
        Whether nothing is to be differentiated.
    """
    if inference and not has_function_modes():
        return torch.inference_mode()  # for one row all else takes a quarter of the time
    return _undisturbed(inference=inference)


@contextmanager
def _undisturbed(*, inference: bool) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(inference))
        stack.enter_context(torch.set_grad_enabled(not inference))
        # It costs every operation within some time, and is rarely needed.
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


@contextmanager
def float32_by_default() -> Iterator[None]:
    """Run with the default dtype that torch comes with, which layers draw their weights in.

    It is a setting of the process: this is for what is over soon, by one thread at a time, and
    whatever runs for long names its dtypes.
    """
    with _default_dtype:
        dtype = torch.get_default_dtype()
        if dtype == torch.float32:
            yield
            return
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
