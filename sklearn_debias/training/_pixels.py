"""The rule for pixels: uint8 images hold grey levels, 0 to 255; networks see them in [0, 1]."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

LEVELS = 255


def white(images: Any) -> float:
    """Return the value of an array or tensor that a network sees as 1: 255 for pixels, else 1."""
    uint8 = torch.uint8 if isinstance(images, Tensor) else np.uint8
    return float(LEVELS) if images.dtype == uint8 and images.ndim == 4 else 1.0


def as_seen(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the rows (b, ...) as floats, pixels scaled to [0, 1]."""
    floats = rows.to(dtype)
    return floats / LEVELS if white(rows) == LEVELS else floats


def span(rows: Any) -> tuple[float, float]:
    """Return the smallest and largest value of an array or tensor, as networks see them."""
    top = white(rows)
    return float(rows.min()) / top, float(rows.max()) / top
