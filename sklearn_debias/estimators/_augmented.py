"""What ISDA, MetaSAug and Meta-IADA share."""

import numbers
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

COVARIANCE = [StrOptions({"auto", "full", "diagonal"})]
SHARE_OR_EPOCHS = [
    Interval(numbers.Integral, 0, None, closed="left"),
    Interval(numbers.Real, 0, 1, closed="left"),
]


def diagonal(covariance: str) -> bool | None:
    """What the objectives call the parameter ``covariance``."""
    return None if covariance == "auto" else covariance == "diagonal"


def check_linear_head(estimator: Any, module: nn.Module) -> None:
    """Raise where the last layer is not linear: its weights say how features spread."""
    head = getattr(module, "head", None)
    plain = isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward
    if (
        head is None or not plain or "weight" not in head._parameters
    ):  # parametrised ones are made at each call
        raise TypeError(
            f"`module` must end in a plain linear layer for {type(estimator).__name__}, got "
            f"{'no head' if head is None else type(head).__name__}. Wrap it: "
            f"sklearn_debias.core.SplitModule(body, torch.nn.Linear(...))."
        )


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
