"""Roles with an optimiser of their own."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn, optim

MakeOptimizer = Callable[[Any], optim.Optimizer]


class ByRole(optim.Optimizer):
    """Several optimisers as one: those of single roles, and one for all the others.

    Parameters
    ----------
    parts : mapping of str to Optimizer
        By role; that of "" updates the other roles, and its groups come last.
    """

    def __init__(self, parts: Mapping[str, optim.Optimizer]) -> None:
        self.parts = dict(parts)
        groups = [group for part in self.parts.values() for group in part.param_groups]
        super().__init__([{"params": group["params"]} for group in groups], dict(self.parts[""].defaults))
        self.param_groups = groups  # shared with the parts, so that a schedule reaches them

    def __getstate__(self) -> dict[str, Any]:
        """The parts, too: they share their groups with this one."""
        return {**super().__getstate__(), "parts": self.parts}

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update what has a gradient."""
        for part in self.parts.values():
            part.step()


def split_off(whole: optim.Optimizer, modules: nn.ModuleDict, own: Mapping[str, MakeOptimizer]) -> optim.Optimizer:
    """Give the roles in ``own`` the optimisers made there, and leave the other roles to ``whole``."""
    if not own:
        return whole
    taken = {id(p) for role in own for p in modules[role].parameters()}
    for group in whole.param_groups:
        group["params"] = [p for p in group["params"] if id(p) not in taken]
    whole.param_groups = [group for group in whole.param_groups if group["params"]]
    return ByRole({**{role: make(modules[role].parameters()) for role, make in own.items()}, "": whole})


def parts_of(optimizer: optim.Optimizer) -> dict[str, optim.Optimizer]:
    """The optimisers by role; "" stands for the roles without one of their own."""
    return optimizer.parts if isinstance(optimizer, ByRole) else {"": optimizer}
