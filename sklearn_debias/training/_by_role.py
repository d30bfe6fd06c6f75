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
        super().__init__(
            [{"params": group["params"]} for group in groups], dict(self.parts[""].defaults)
        )
        # The very dicts of the parts: a rate that a scheduler or a callback sets here reaches them.
        self.param_groups = groups

    def __getstate__(self) -> dict[str, Any]:
        """Keep the parts, too: they share their groups with this one."""
        return {**super().__getstate__(), "parts": self.parts}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters to the optimiser of the roles without one of their own."""
        n_groups = sum(len(part.param_groups) for part in self.parts.values())
        if not hasattr(self, "param_groups") or len(self.param_groups) < n_groups:
            super().add_param_group(param_group)  # while the base class is being set up
            return
        self.parts[""].add_param_group(param_group)
        self.param_groups.append(self.parts[""].param_groups[-1])

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update what has a gradient."""
        for part in self.parts.values():
            part.step()


def split_off(
    whole: optim.Optimizer, modules: nn.ModuleDict, own: Mapping[str, MakeOptimizer]
) -> optim.Optimizer:
    """Give the roles in ``own`` the optimisers made there; leave the other roles to ``whole``."""
    if not own:
        return whole
    taken = {id(p) for role in own for p in modules[role].parameters()}
    for group in whole.param_groups:
        group["params"] = [p for p in group["params"] if id(p) not in taken]
    # skorch puts the user's groups first, and last the one of all that is left, which may be empty.
    if not all(group["params"] for group in whole.param_groups[:-1]):
        raise ValueError(
            f"`net_params` must not set optimizer__param_groups of {' and '.join(map(repr, own))}, "
            f"whose optimiser is its own. Use the learning rate that the estimator has for it."
        )
    whole.param_groups = [group for group in whole.param_groups if group["params"]]
    parts = {role: make(modules[role].parameters()) for role, make in own.items()}
    return ByRole({**parts, "": whole})


def parts_of(optimizer: optim.Optimizer) -> dict[str, optim.Optimizer]:
    """Return the optimisers by role; "" stands for the roles without one of their own."""
    return optimizer.parts if isinstance(optimizer, ByRole) else {"": optimizer}
