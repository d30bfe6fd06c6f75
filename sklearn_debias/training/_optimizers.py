"""Optimisers and schedules of any origin: what is asked of them, and how they are run."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import optim
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sklearn_debias.training._blame import blamed
from sklearn_debias.training._by_role import parts_of

MADE = "It is called with the parameters, lr, weight_decay and optimizer__* of `net_params`."
STEPPED = "Its step() must update the parameters by their gradients, dense tensors of any shape."
SCHEDULED = "Its step() is called after each epoch."
SCHEDULE = (
    "Pass a torch scheduler class or a partial of one, such as partial(StepLR, step_size=10)."
)


def check_optimizer(optimizer: Any) -> None:
    """Raise unless it is an optimiser of torch that steps by the gradients alone."""
    if not isinstance(optimizer, optim.Optimizer):
        raise TypeError(f"it made a {type(optimizer).__name__}, not a torch optimizer")
    _refuse_closure(type(optimizer).__name__, optimizer.step)


def check_kind(optimizer: Any) -> None:
    """Raise where a class of optimisers, or a partial of one, is known to need more than that."""
    kind = getattr(optimizer, "func", optimizer)
    if isinstance(kind, type) and issubclass(kind, optim.Optimizer):
        with blamed("optimizer", MADE):
            _refuse_closure(kind.__name__, partial(kind.step, None))


def _refuse_closure(name: str, step: Callable) -> None:
    if _asks_for(step):
        raise TypeError(
            f"the step() of {name} needs a closure, to take the loss several times at one step, "
            "which is taken once here; use one that needs none, or, for linear heads, "
            "optimizer='lbfgs'"
        )


def switch(optimizer: optim.Optimizer, *, training: bool) -> None:
    """Tell optimisers that keep other parameters to train with than to predict with."""
    for part in parts_of(optimizer).values():
        # Those of the package schedulefree have modes, as modules do.
        mode = getattr(part, "train" if training else "eval", None)
        if callable(mode):
            mode()


def update(optimizer: optim.Optimizer) -> None:
    """Update what has a gradient."""
    with blamed("optimizer", STEPPED):
        for part in parts_of(optimizer).values():
            if type(part) is optim.SGD:
                _begin_late_momentum(part)
        optimizer.step()


def _begin_late_momentum(sgd: optim.SGD) -> None:
    """Begin the momentum of what learns for the first time, where other parameters have theirs.

    Torch's fused kernel begins with all of them, or fails.
    """
    for group in sgd.param_groups:
        if not group.get("fused") or not group["momentum"]:
            continue
        learning = [p for p in group["params"] if p.grad is not None]
        late = [p for p in learning if sgd.state[p].get("momentum_buffer") is None]
        if len(late) == len(learning):
            continue
        for parameter in late:
            # Without dampening the first gradient becomes the momentum, as from nothing.
            sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def make_schedule(lr_schedule: Callable, optimizer: optim.Optimizer) -> Any:
    """Make the schedule of the learning rate; what goes wrong is the fault of `lr_schedule`."""
    with blamed("lr_schedule", SCHEDULE):
        shared = parts_of(optimizer)[""]  # helpers keep their rate
        schedule = lr_schedule(shared)
        found = type(schedule).__name__
        if isinstance(schedule, (type, optim.Optimizer)):
            raise TypeError(f"it made a {found}, not a schedule")
        if not callable(getattr(schedule, "step", None)):
            raise TypeError(f"it made a {found}, which has no step()")
        if getattr(schedule, "optimizer", shared) is not shared:
            raise TypeError(f"it made a {found} of another optimizer than it was given")
        # timm's do nothing at the end of an epoch then, and say nothing.
        if getattr(schedule, "t_in_epochs", True) is False:
            raise ValueError("it counts updates; schedules are stepped per epoch: t_in_epochs=True")
    return schedule


def step_schedule(schedule: Any, epochs: int, loss: float) -> None:
    """Step a schedule after so many epochs, the last of which ended with this training loss."""
    with blamed("lr_schedule", SCHEDULED):
        if isinstance(schedule, ReduceLROnPlateau):
            schedule.step(loss)
        elif _asks_for(schedule.step):  # timm's ask for the number of the epoch that comes
            follows = {"metric": loss} if takes(schedule.step, "metric") else {}
            schedule.step(epochs, **follows)
        else:
            schedule.step()


def takes(function: Callable, name: str) -> bool:
    """Return whether a function has an argument of this name, or takes any."""
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of code that is not Python's
        return True
    return name in known or any(p.kind is p.VAR_KEYWORD for p in known.values())


def _asks_for(method: Callable) -> bool:
    """Return whether a method cannot do without an argument."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    known = inspect.signature(method).parameters.values()
    return any(p.kind in named and p.default is p.empty for p in known)
