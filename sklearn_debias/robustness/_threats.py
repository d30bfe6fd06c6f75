"""Check the adversary that a caller describes against the data."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sklearn_debias.arguments import is_one_of, is_real
from sklearn_debias.attacks import AutoAttack, StepwiseAttack, Threat
from sklearn_debias.attacks.internal import check_norm
from sklearn_debias.fitting import Opened, check_ball, clip_tensors, read_clip

RADIUS = {"linf": 8 / 255, "l2": 0.5}  # of images in [0, 1]; the usual ones
RULES = ("any", "last")

Attack = StepwiseAttack | AutoAttack


def read_threat(opened: Opened, epsilon: Any, norm: Any, clip: Any) -> Threat:
    """Return the threat that `epsilon`, `norm` and `clip` describe; X's kind sets the defaults."""
    shape = row_shape(opened)
    images = len(shape) == 3
    check_norm(norm)
    clip = plain_clip(clip)
    if clip == "auto":
        clip = (0.0, 1.0) if images else None
    epsilon = read_epsilon(epsilon, norm, images)
    check_ball(replace(opened.inputs, shape=shape), epsilon=epsilon, norm=norm, clip=clip)
    bounds = clip_tensors(clip, shape, opened.prepare.dtype)
    return Threat(
        epsilon, norm, bounds and tuple(bound.to(opened.prepare.device) for bound in bounds)
    )


def plain_clip(clip: Any) -> Any:
    """Return `clip` as tuples of floats, which can be compared; "auto" and None stay."""
    if isinstance(clip, str) and clip != "auto":
        raise ValueError(f"`clip` must be 'auto', (low, high) or None, got {clip!r}.")
    bounds = None if isinstance(clip, str) else read_clip(clip)
    if bounds is None:
        return clip
    return tuple(float(bound) if bound.ndim == 0 else tuple(bound.tolist()) for bound in bounds)


def read_epsilon(epsilon: Any, norm: str, images: bool) -> float:
    """Return the radius as a float; "auto" is the usual one of images."""
    if isinstance(epsilon, str) and epsilon == "auto":
        if not images:
            raise ValueError(
                "`epsilon` must be given for X that are no images, in the units of X: there is no "
                "usual radius."
            )
        return RADIUS[norm]
    if not is_real(epsilon) or not 0 <= float(epsilon) <= sys.float_info.max:
        raise ValueError(
            "`epsilon` must be a finite number >= 0, in the units of X, or 'auto', got "
            f"{epsilon!r:.60}."
        )
    return float(epsilon)


def row_shape(opened: Opened) -> tuple[int, ...]:
    """Return the shape of a row as the network sees it."""
    return tuple(opened.prepare(opened.source.take(np.zeros(1, dtype=int))).shape[1:])


def reach(opened: Opened, threat: Threat) -> float:
    """Return the radius of a ball around any valid input that holds all of them."""
    # Without a range of valid inputs, that of the rows at hand.
    low, high = threat.clip or (opened.inputs.low, opened.inputs.high)
    highest, lowest = (
        torch.as_tensor(high, device="cpu").max(),
        torch.as_tensor(low, device="cpu").min(),
    )
    width = float(highest - lowest)
    return width if threat.norm == "linf" else width * float(np.sqrt(np.prod(row_shape(opened))))


def check_switch(name: str, value: Any) -> None:
    """Raise unless the value is a bool or an int, as `verbose` may be."""
    if not isinstance(value, bool | int | np.bool_ | np.integer):
        raise ValueError(f"`{name}` must be a bool or an int, got a {type(value).__name__}.")


def check_judge(judge: Any) -> None:
    """Raise unless it is a rule."""
    if not is_one_of(judge, RULES):
        raise ValueError(
            "`judge` must be 'any' (each point that an attack visits counts) or 'last' (its "
            f"last), got {judge!r}."
        )
