"""Images that are given otherwise than networks read them: channels last, grey levels."""

from typing import Any

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.training import LEVELS

CHANNELS = (1, 3, 4)  # of images: grey, RGB, RGBA


def warn_of_levels(given: Any, low: float, high: float) -> None:
    """Warn of grey levels that are not known as such: libraries hand uint8 on as int64."""
    integers = given.dtype.kind in "iu" and given.dtype != np.uint8
    if integers and low >= 0 and 1 < high <= LEVELS:
        warn(
            f"`X` holds images of whole numbers up to {high:g} as {given.dtype}, which are "
            "taken as they are: only uint8 is scaled to [0, 1]. Pass np.asarray(X, np.uint8) if "
            "they are pixels, else floats."
        )


def check_channels(shape: tuple[int, ...], advice: str) -> None:
    """Raise where images (n, ...) seem to have their channels last."""
    _, second, third, last = shape
    # Feature maps of networks may have any channels, but they are square.
    if last in CHANNELS and second not in CHANNELS and third > last:
        raise ValueError(
            "`X` must be images with the channel axis second, (n, channels, height, width), got "
            f"{shape}, which looks like (n, height, width, channels). {advice}"
        )
