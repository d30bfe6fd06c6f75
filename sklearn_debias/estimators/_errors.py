"""What users are told: warnings at their own line, torch's complaints in the estimator's words."""

import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sklearn_debias.exceptions import DebiasWarning, OutOfMemoryError

INSIDE = {"sklearn", "sklearn_debias", "contextlib"}


def warn(message: str) -> None:
    """One DebiasWarning that points at the first line outside of scikit-learn and of this package."""
    frame = sys._getframe(1)
    level = 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in INSIDE:
        frame = frame.f_back
        level = level + 1
    warnings.warn(message, DebiasWarning, stacklevel=level)


@contextmanager
def readable_errors(
    estimator: Any,
    *,
    batch_size: int | None = None,
    advice: str = "Lower `batch_size`, use amp=True",
) -> Iterator[None]:
    """Say in the estimator's words what torch could not do."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if "modified by an inplace operation" in str(error):
            raise ValueError(
                "`module` changes activations in place that its gradient needs. Use inplace=False "
                "in its layers."
            ) from error
        if isinstance(error, RuntimeError) and not _of_memory(error):
            raise
        message = (str(error) or type(error).__name__).splitlines()[0]
        traceback.clear_frames(error.__traceback__)  # their tensors would live as long as the error
        torch.cuda.empty_cache()
        raise OutOfMemoryError(
            f"Out of memory with `batch_size`={batch_size or estimator.batch_size}: {message}. "
            f"{advice}, or pass X as image paths or a memory map, which are read batch by batch."
        ) from None
    except ValueError as error:
        if re.search("Expected more than 1 value per channel", str(error)):
            raise ValueError(
                f"`batch_size`={estimator.batch_size} leaves a batch of one row, on which "
                f"BatchNorm cannot train. Use at least 2 rows per batch."
            ) from error
        raise


def _of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or bool(
        re.search("not enough memory|can't allocate memory", str(error))
    )
