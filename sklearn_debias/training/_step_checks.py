"""What objectives return, checked on the first batch: they may come from anywhere."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sklearn_debias.core import Net, Objective, Step


def check_step(objective: Objective, out: Any, nets: Mapping[str, Net]) -> None:
    """Raise unless ``out`` is a Step with one scalar loss for each of some roles.

    It looks at types, shapes and flags, and reads no value: a device is not waited for.
    """
    hook = f"`{type(objective).__name__}.step`"
    if not isinstance(out, Step):
        raise TypeError(f"{hook} must return a sklearn_debias.core.Step, got {_said(out)}.")
    if not isinstance(out.losses, Mapping):
        raise TypeError(f"{hook} must give `losses` as a dict by role, got {_said(out.losses)}.")
    for name in ("state", "log", "carry"):
        value = getattr(out, name)
        if not _are_tensors(value):
            raise TypeError(f"{hook} must give `{name}` as a dict of tensors, got {_said(value)}.")
    for name, value in out.log.items():
        if value.ndim != 0:
            raise ValueError(
                f"{hook} must give scalar tensors in `log`, got {name!r}, {_said(value)}."
            )
    if not out.losses and not out.carry:
        raise ValueError(
            f"{hook} must give a loss of at least one of the roles {sorted(nets)}, or leave a "
            "`carry` for the next step, got neither."
        )
    strangers = [role for role in out.losses if role not in nets]
    if strangers:
        raise ValueError(
            f"{hook} must give losses of the roles {sorted(nets)}, got one of {strangers[0]!r}."
        )
    for role, loss in out.losses.items():
        if not nets[role].trainable:  # something has learned when the fit began
            raise ValueError(
                f"`callbacks`, or the network itself, leave {role!r} no parameter to train, for "
                f"which {hook} gives a loss."
            )
        _check_loss(hook, role, loss)


def _check_loss(hook: str, role: str, loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.ndim != 0 or not loss.is_floating_point():
        raise ValueError(
            f"{hook} must give {role!r} a scalar tensor of floats as loss, got {_said(loss)}."
        )
    if not loss.requires_grad:
        raise ValueError(
            f"{hook} must give {role!r} a loss with a gradient, got one that is detached from "
            "every parameter."
        )


def check_state(objective: Objective, state: Any) -> None:
    """Raise unless ``state`` is a mapping of tensors by name."""
    if not _are_tensors(state):
        raise TypeError(
            f"`{type(objective).__name__}.init` must return a dict of tensors, got {_said(state)}."
        )


def _are_tensors(values: Any) -> bool:
    return isinstance(values, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in values.items()
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
    if isinstance(value, Mapping):
        held = sorted({type(v).__name__ for v in value.values()})
        return f"a {type(value).__name__} of {', '.join(held) or 'nothing'}"
    return f"a {type(value).__name__}"
