"""Where a fit runs, and how raw rows get there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sklearn_debias.fitting._fitted import Fitted
from sklearn_debias.training import (
    Prepare,
    came_of_autograd,
    cpu_threads,
    forget_backward,
    is_of_memory,
    undisturbed,
)


@contextmanager
def on_own_terms(*, small: bool) -> Iterator[None]:
    """Work undisturbed by the caller's settings of torch, on as many threads as suit.

    What fails inside leaves nothing in autograd's hands.
    """
    with undisturbed(), cpu_threads(small=small):
        try:
            yield
        except BaseException as error:
            if came_of_autograd(error):
                forget_backward()
            raise


def pick_device(device: Any) -> torch.device:
    """Return the device asked for; "auto" takes CUDA where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"`device` must be 'auto' or a torch device such as 'cpu' or 'cuda', got {device!r}."
        ) from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"`device`={device!r} was asked for, but this torch finds no CUDA device. Use 'auto' "
            "or 'cpu'."
        )
    try:  # a device may exist in name only, or have no kernels here
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        if is_of_memory(error):
            raise  # it is there, and full
        raise ValueError(
            f"`device`={device!r} cannot be used here: {error}. Use 'auto' or 'cpu'."
        ) from error
    return chosen


def make_prepare(fitted: Fitted, device: torch.device) -> Prepare:
    """Return what makes of raw rows what the networks see."""
    params = fitted.params
    size: Any = fitted.facts.shape[1:] if params["image_size"] is not None else None
    return Prepare(device, getattr(torch, params["dtype"]), size)
