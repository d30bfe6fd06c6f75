"""Warnings and errors of this package."""

__all__ = ["DebiasWarning", "DivergedError", "OutOfMemoryError"]


class DebiasWarning(UserWarning):
    """A result may not mean what it seems to; the message says why and what to do."""


class DivergedError(ValueError):
    """Training met a non-finite loss or parameter; nothing fitted is left behind."""


class OutOfMemoryError(ValueError, MemoryError):
    """The device ran out of memory; the message gives the batch size to lower."""
