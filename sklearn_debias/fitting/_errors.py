"""Torch's complaints, in the estimator's words."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sklearn_debias.exceptions import OutOfMemoryError
from sklearn_debias.training import is_of_memory

MEMORY_ADVICE = "Lower `batch_size`, use amp=True"


@contextmanager
def readable_errors(
    estimator: Any,
    *,
    batch_size: int | None = None,
    advice: str | None = None,
) -> Iterator[None]:
    """Say in the estimator's words what torch could not do."""
    try:
        yield
    except OutOfMemoryError:  # ours, from a fit inside of this one
        raise
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if "modified by an inplace operation" in str(error):
            raise ValueError(
                "`module` changes activations in place that its gradient needs. Use inplace=False "
                "in its layers."
            ) from error
        if isinstance(error, RuntimeError) and not is_of_memory(error):
            raise  # torch has one class for nearly everything
        message = (str(error) or type(error).__name__).splitlines()[0]
        traceback.clear_frames(error.__traceback__)  # their tensors would live as long as the error
        torch.cuda.empty_cache()  # or a smaller batch would find the memory still taken
        advice = advice or getattr(estimator, "_memory_advice", MEMORY_ADVICE)
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
