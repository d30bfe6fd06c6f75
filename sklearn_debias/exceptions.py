"""Warnings and errors of this package."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = [
    "DebiasWarning",
    "DeviceError",
    "DivergedError",
    "OutOfMemoryError",
    "ProcessLostError",
    "SavedModelError",
]


class DebiasWarning(UserWarning):
    """A result may not mean what it seems to; the message says why and what to do."""


class DeviceError(ValueError, RuntimeError):
    """The device failed while it worked; this process can use it no longer."""


class DivergedError(ValueError):
    """Training met a non-finite loss or parameter; nothing fitted is left behind."""


class OutOfMemoryError(ValueError, MemoryError):
    """The device ran out of memory; the message gives the batch size to lower."""


class ProcessLostError(RuntimeError):
    """Another process of a fit has stopped; nothing fitted is left behind."""


class SavedModelError(ValueError):
    """A saved model is damaged, or of a version that is not read here; the message says which."""


_INSIDE = {"sklearn", "sklearn_debias", "skorch", "joblib", "contextlib"}


class EmptyCellsWarning(DebiasWarning):
    """A (class, bias value) cell has no row."""


_SAID: ContextVar[tuple[set[str], type | None] | None] = ContextVar("said", default=None)


@contextmanager
def once(said: set[str], without: type[Warning] | None = None) -> Iterator[None]:
    """Leave out the warnings of this block that ``said`` holds, and note the others there.

    Those of the category ``without`` are left out in any case.
    """
    token = _SAID.set((said, without))
    try:
        yield
    finally:
        _SAID.reset(token)


def warn(message: str, category: type[DebiasWarning] = DebiasWarning) -> None:
    """Give one DebiasWarning at the first line outside of scikit-learn and this package."""
    known = _SAID.get()
    if known is not None:
        said, without = known
        if message in said or (without is not None and issubclass(category, without)):
            return
        said.add(message)
    frame = sys._getframe(1)
    level = 2
    while frame.f_back is not None and _root(frame.f_globals) in _INSIDE:
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _root(names: dict) -> str:
    return names.get("__name__", "").partition(".")[0]
