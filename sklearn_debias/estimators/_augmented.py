"""What ISDA, MetaSAug and Meta-IADA share."""

import numbers

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

COVARIANCE = [StrOptions({"auto", "full", "diagonal"})]
SHARE_OR_EPOCHS = [
    Interval(numbers.Integral, 0, None, closed="left"),
    Interval(numbers.Real, 0, 1, closed="left"),
]


def diagonal(covariance: str) -> bool | None:
    """What the objectives call the parameter ``covariance``."""
    return None if covariance == "auto" else covariance == "diagonal"


def warmup_epochs(warmup: float, max_epochs: int) -> int:
    """Epochs of the first stage: a share of all, or a number of them; one is left to the second stage."""
    if isinstance(warmup, (int, np.integer)):
        if warmup >= max_epochs:
            raise ValueError(
                f"`warmup`={warmup} epochs leave none of `max_epochs`={max_epochs} to the method "
                f"itself. Lower it, or pass a share of the epochs, such as 0.8."
            )
        return int(warmup)
    return min(round(warmup * max_epochs), max_epochs - 1)
