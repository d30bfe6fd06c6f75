"""What objectives return, checked on the first batch: they may come from anywhere."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sklearn_debias.core import Net, Objective, Step


def check_step(objective: Objective, out: Any, nets: Mapping[str, Net]) -> None:
    """Raise unless ``out`` is a Step with one scalar loss for each of some roles."""
    hook = f"`{type(objective).__name__}.step`"
    if not isinstance(out, Step):
        raise TypeError(f"{hook} must return a sklearn_debias.core.Step, got {_said(out)}.")
    strangers = set(out.losses) - set(nets)
    if strangers:
        raise ValueError(
            f"{hook} must give losses of the roles {sorted(nets)}, got one of {min(strangers)!r}."
        )
    for role, loss in out.losses.items():
        if not isinstance(loss, Tensor) or loss.ndim != 0:
            raise ValueError(
                f"{hook} must give {role!r} a scalar tensor as loss, got {_said(loss)}."
            )


def check_state(objective: Objective, state: Any) -> None:
    """Raise unless ``state`` is a mapping of tensors by name."""
    good = isinstance(state, Mapping) and all(isinstance(v, Tensor) for v in state.values())
    if not good:
        raise TypeError(
            f"`{type(objective).__name__}.init` must return a dict of tensors, got {_said(state)}."
        )


def check_visits(objective: Objective, visited: Any, n: int) -> None:
    """Raise unless ``visited`` are numbers of the n training rows."""
    numbers = isinstance(visited, Tensor) and visited.dtype == torch.int64 and visited.ndim == 1
    if not numbers or len(visited) == 0 or visited.min() < 0 or visited.max() >= n:
        raise ValueError(
            f"`{type(objective).__name__}.visits` must return row numbers 0 to {n - 1}, a 1-D "
            f"tensor of int64, or None, got {_said(visited)}."
        )


def _said(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and {value.dtype}"
    return f"a {type(value).__name__}"
