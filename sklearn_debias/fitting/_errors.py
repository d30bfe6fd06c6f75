"""Torch's complaints, in the estimator's words."""

import re
import traceback
from typing import Any

import torch

from sklearn_debias.exceptions import DeviceError, OutOfMemoryError
from sklearn_debias.training import came_of_autograd, forget_backward, is_of_device, is_of_memory

MEMORY_ADVICE = "Lower `batch_size`, use amp=True"
DEVICE_ADVICE = (
    "This process can use it no longer: start another, where a fit with `checkpoint` goes on. If "
    "it fails again, device='cpu' may say what is wrong with `module`, X or y."
)


def device_failed(error: BaseException) -> DeviceError:
    """Return what is raised in the place of an error of the device."""
    return DeviceError(f"The device failed: {_first_line(error)}. {DEVICE_ADVICE}")


def let_go(error: BaseException | None) -> None:
    """Take their frames from an error and those before it: tensors would live as long as it.

    With the frames goes the trace of a backward pass: what it has left is dropped here, too.
    """
    trained = error is not None and came_of_autograd(error)
    while error is not None:
        # What has a closure, as a comprehension, keeps it when the frame is cleared.
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        error = error.__context__
    if trained:
        forget_backward()


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


class ReadableErrors:
    """What `readable_errors` returns; a generator's frame would keep those of the error."""

    def __init__(self, estimator: Any, batch_size: int | None, advice: str | None) -> None:
        self.estimator = estimator
        self.batch_size = batch_size
        self.advice = advice

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, frames: Any) -> None:
        del frames
        said = self._said(error)
        if said is None:
            return
        if isinstance(said, OutOfMemoryError | DeviceError):
            if error is not None:  # as text, which holds no tensor
                said.add_note("".join(traceback.format_tb(error.__traceback__)))
            let_go(error)
            if isinstance(said, OutOfMemoryError):
                torch.cuda.empty_cache()  # or a smaller batch would find the memory still taken
            raise said from None
        raise said from error

    def _said(self, error: BaseException | None) -> Exception | None:
        """Return what is raised in the place of an error, if anything is."""
        if isinstance(error, OutOfMemoryError | DeviceError):
            return type(error)(*error.args)  # ours, from a fit inside of this one
        if error is None or not isinstance(error, Exception):
            return None
        if is_of_device(error):
            return device_failed(error)
        if is_of_memory(error):
            return self._out_of_memory(error)
        if isinstance(error, RuntimeError) and "modified by an inplace operation" in str(error):
            return ValueError(
                "`module` changes activations in place that its gradient needs. Use inplace=False "
                "in its layers."
            )
        of_batch_norm = "Expected more than 1 value per channel"
        if isinstance(error, ValueError) and re.search(of_batch_norm, str(error)):
            return ValueError(
                f"`batch_size`={self.estimator.batch_size} leaves a batch of one row, on which "
                f"BatchNorm cannot train. Use at least 2 rows per batch."
            )
        return None

    def _out_of_memory(self, error: BaseException) -> OutOfMemoryError:
        advice = self.advice or getattr(self.estimator, "_memory_advice", MEMORY_ADVICE)
        size = self.batch_size or self.estimator.batch_size
        return OutOfMemoryError(
            f"Out of memory with `batch_size`={size}: {_first_line(error)}. {advice}, or pass "
            "X as image paths or a memory map, which are read batch by batch."
        )


def readable_errors(
    estimator: Any,
    *,
    batch_size: int | None = None,
    advice: str | None = None,
) -> ReadableErrors:
    """Say in the estimator's words what torch could not do."""
    return ReadableErrors(estimator, batch_size, advice)
