"""Learning-rate schedules of the members of a stack: one for each."""

from collections.abc import Iterable
from typing import Any

from torch.optim.lr_scheduler import ReduceLROnPlateau

from sklearn_debias.model_selection.batched._members import Member
from sklearn_debias.model_selection.batched._stacked_optimizers import PER_MEMBER


def check_schedule(schedule: Any) -> None:
    """Raise where a schedule cannot run beside others."""
    if isinstance(schedule, ReduceLROnPlateau):
        raise ValueError(
            "`lr_schedule`=ReduceLROnPlateau looks at the losses of a single fit, and so cannot "
            "train a stack of candidates. Use GridSearchCV, or a schedule by epochs."
        )


def step_schedules(members: Iterable[Member]) -> None:
    """Step each member's schedule; raise where it changes more than the learning rate."""
    for member in members:
        schedule = member.engine.schedule
        if schedule is not None:
            before = [_fixed(group) for group in member.engine.optimizer_.param_groups]
            # Without gradients it moves nothing; torch warns of schedules that step before it.
            member.engine.optimizer_.step()
            row = member.history[-1]
            loss = sum(value for name, value in row.items() if name.endswith("_loss"))
            member.engine.step_schedule(loss)
            # OneCycleLR turns the momentum, too, which a stack has in common.
            if before != [_fixed(group) for group in member.engine.optimizer_.param_groups]:
                raise ValueError(
                    f"`lr_schedule`={type(schedule).__name__} changes more than the learning "
                    f"rate, and so cannot train a stack of candidates. Use GridSearchCV."
                )


def _fixed(group: dict) -> dict:
    """Return what a schedule must leave alone in a group of an optimiser."""
    free = ("params", *PER_MEMBER)
    return {name: value for name, value in group.items() if name not in free}
