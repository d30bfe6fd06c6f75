"""Errors in what users pass, under the name by which they passed it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sklearn_debias.exceptions import DivergedError

# What torch has no class for; the libraries below it say it by a status.
OF_MEMORY = "not enough memory|can't allocate memory|CUDA error: out of memory|STATUS_ALLOC_FAILED"
# Other statuses of cuBLAS and cuDNN say that they were asked for what they cannot do.
OF_DEVICE = (
    "(CUDA|HIP) error(?!: CU[A-Z]+_STATUS)"
    "|CU(DNN|BLAS)_STATUS_(EXECUTION_FAILED|INTERNAL_ERROR|MAPPING_ERROR|NOT_INITIALIZED)"
)


@contextmanager
def blamed(
    parameter: str, advice: str, *, passing: tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """Raise an error inside as one that names ``parameter`` and says what to do.

    It is a TypeError or a ValueError. Errors in ``passing`` pass through, and so do those of memory
    and of the device, which are no one parameter's fault.
    """
    try:
        yield
    except Exception as error:
        if is_of_memory(error) or is_of_device(error) or isinstance(error, passing):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        found = f"{type(error).__name__}: {error}".rstrip(". ")
        raise kind(f"`{parameter}` failed with {found}. {advice}") from error


def is_of_memory(error: BaseException) -> bool:
    """Return whether memory has run out, that of the CPU or of the device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and re.search(OF_MEMORY, str(error)) is not None


def is_of_device(error: BaseException) -> bool:
    """Return whether the device has failed, for another reason than its memory."""
    if is_of_memory(error):
        return False
    return isinstance(error, RuntimeError) and re.search(OF_DEVICE, str(error)) is not None


def diverged(wrong: list[str], epoch: int, phase: str, lr: float) -> DivergedError:
    """Return the error of a fit whose terms ``wrong``, or else a parameter, are not finite."""
    return DivergedError(
        f"Training diverged: {', '.join(wrong) or 'a parameter'} is not finite in epoch {epoch} of "
        f"phase {phase!r}. Lower `lr` ({lr}), or scale the inputs."
    )
