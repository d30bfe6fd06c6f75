"""The threat of an adversary: how far it may go, in which norm, in which range."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sklearn_debias.arguments import is_one_of, is_real
from sklearn_debias.attacks._balls import Ball, make_ball

NORMS = ("linf", "l2")


@dataclass(frozen=True)
class Threat:
    """The perturbations that count: a ball around each sample, and the range of valid inputs.

    Parameters
    ----------
    epsilon : float
        Radius, at least 0, in the units of the input.
    norm : {"linf", "l2"}, default="linf"
    clip : (low, high) or None, default=None
        Range of valid inputs: floats, or tensors that broadcast against a batch (per channel).

    Raises
    ------
    ValueError
        For a radius below 0, another norm, or a range whose low is not below its high.

    Examples
    --------
    >>> from sklearn_debias.attacks import Threat
    >>> Threat(8 / 255, clip=(0, 1)).ball(step_size=2 / 255, n_steps=10).radius * 255
    8.0
    """

    epsilon: float
    norm: str = "linf"
    clip: tuple[Any, Any] | None = None

    def __post_init__(self) -> None:
        if not is_real(self.epsilon) or math.isnan(self.epsilon) or self.epsilon < 0:
            raise ValueError(
                f"`epsilon` must be a number >= 0, in the units of X, got {self.epsilon!r:.60}."
            )
        check_norm(self.norm)
        # Of NumPy's scalars, too: a float32 would round what is computed with it.
        object.__setattr__(self, "epsilon", float(self.epsilon))
        if self.clip is not None and not _ascending(self.clip):
            raise ValueError(
                f"`clip` must be (low, high) with low < high, or None, got {self.clip!r}."
            )

    def ball(self, step_size: float | None, n_steps: int) -> Ball:
        """Return the ball of this radius.

        ``step_size=None`` means ``2.5 epsilon / n_steps``, and at most ``epsilon``.
        """
        return make_ball(self.norm, self.epsilon, step_size, n_steps)

    def size(self, delta: Tensor) -> Tensor:
        """Return the norm of each perturbation, shape (b,)."""
        return delta.flatten(1).norm(p=2.0 if self.norm == "l2" else float("inf"), dim=1)

    @property
    def whole(self) -> Ball:
        """The ball as a place to draw from: its steps have the length of the radius."""
        return make_ball(self.norm, self.epsilon, self.epsilon, 1)


def check_norm(norm: Any) -> None:
    """Raise unless ``norm`` is one of `NORMS`."""
    if not is_one_of(norm, NORMS):
        raise ValueError(f"`norm` must be 'linf' or 'l2', got {norm!r}.")


def _ascending(clip: Any) -> bool:
    """Return whether ``clip`` is a pair of numbers or tensors, everywhere in ascending order."""
    try:
        low, high = (torch.as_tensor(bound, device="cpu") for bound in clip)
        return bool((low < high).all())
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return False
