"""What a caller has set for torch as a whole, set aside while we work."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

AUTOCAST = ("cpu", "cuda", "mps", "xpu")
_LOCK = threading.Lock()
_inside: dict[str, Any] = {"count": 0, "dtype": torch.float32}


@contextmanager
def undisturbed() -> Iterator[None]:
    """Work with gradients, on the CPU unless another device is named, in float32, as it is written.

    The caller may be in no_grad or inference mode, under autocast, or have set a default device or
    dtype of torch. All of it is as before afterwards.
    """
    if _is_plain():  # to enter a context for each of them takes as long as a head takes a row
        with torch.enable_grad(), _float32():  # a module may switch gradients off
            yield
        return
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # Only where it is needed: a default device costs time in every call of torch.
        if not _on_cpu():
            stack.enter_context(torch.device("cpu"))
        for device in AUTOCAST:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        stack.enter_context(_float32())
        yield


def _is_plain() -> bool:
    """Return whether the caller has set nothing but, it may be, the default dtype."""
    graph = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    return graph and _on_cpu() and not any(map(torch.is_autocast_enabled, AUTOCAST))


def _on_cpu() -> bool:
    # An empty tensor is asked: up to torch 2.9.1 get_default_device raises AttributeError after
    # set_default_device(None).
    return torch.empty(0).device.type == "cpu"


@contextmanager
def _float32() -> Iterator[None]:
    """Make float32 the default, which networks are initialised in, whatever they are cast to."""
    # Torch has one default for all threads: the first inside sets it, the last one puts it back.
    with _LOCK:
        if _inside["count"] == 0:
            _inside["dtype"] = torch.get_default_dtype()
            _set_default(torch.float32)
        _inside["count"] += 1
    try:
        yield
    finally:
        with _LOCK:
            _inside["count"] -= 1
            if _inside["count"] == 0:
                _set_default(_inside["dtype"])


def _set_default(dtype: torch.dtype) -> None:
    # To set what is set already takes as long as a head's forward pass.
    if torch.get_default_dtype() != dtype:
        torch.set_default_dtype(dtype)
