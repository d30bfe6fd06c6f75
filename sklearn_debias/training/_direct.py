"""Updates without an optimiser's bookkeeping, which costs small networks more than the update."""

from collections.abc import Callable
from typing import Any

import torch
from torch import optim
from torch.optim import optimizer as of_all

# Torch's own kernels, behind `fused=True`, by whether weight decay is decoupled. They are private:
# looked for, and left alone where anything about them is new.
KERNELS = {False: getattr(torch, "_fused_adam_", None), True: getattr(torch, "_fused_adamw_", None)}
KINDS = (optim.Adam, optim.AdamW)
WATCHERS = (
    (None, "_optimizer_step_pre_hooks"),
    (None, "_optimizer_step_post_hooks"),
    (of_all, "_global_optimizer_pre_hooks"),
    (of_all, "_global_optimizer_post_hooks"),
)


class _Group:
    """The parameters of one group that have a gradient, and what Adam keeps of them."""

    def __init__(self, group: dict[str, Any], learning: list[Any], state: Any) -> None:
        self.group = group
        self.kernel: Any = KERNELS[_is_decoupled(group)]
        self.parameters = learning
        self.mean = [state[p]["exp_avg"] for p in learning]
        self.square = [state[p]["exp_avg_sq"] for p in learning]
        self.steps = [state[p]["step"] for p in learning]

    def update(self) -> None:
        for count in self.steps:
            count.add_(1)
        beta1, beta2 = self.group["betas"]
        self.kernel(
            self.parameters,
            [p.grad for p in self.parameters],
            self.mean,
            self.square,
            [],
            self.steps,
            lr=self.group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=self.group["weight_decay"],
            eps=self.group["eps"],
            amsgrad=False,
            maximize=self.group["maximize"],
        )


def direct_update(optimizer: optim.Optimizer) -> Callable[[], Any] | None:
    """Return what updates as ``optimizer.step()`` does, or None where only that is sure to.

    Called between two updates: parameters with a gradient now, and no others, are updated, as long
    as just these have one. The numbers that an optimiser keeps go on in its state.
    """
    if type(optimizer) not in KINDS or _is_watched(optimizer):
        return None
    groups = []
    for group in optimizer.param_groups:
        if type(optimizer) is optim.AdamW and "decoupled_weight_decay" not in group:
            return None
        learning = [p for p in group["params"] if p.grad is not None]
        begun = all("exp_avg" in optimizer.state.get(p, {}) for p in learning)
        if not begun or not _is_plain(group):
            return None
        if learning:
            groups.append(_Group(group, learning, optimizer.state))

    def update() -> None:
        for group in groups:
            group.update()

    return update


def _is_decoupled(group: dict) -> bool:
    return bool(group.get("decoupled_weight_decay", False))


def _is_plain(group: dict) -> bool:
    numbers = (group["lr"], *group["betas"], group["eps"], group["weight_decay"])
    asked = group["amsgrad"] or group["differentiable"] or not group["fused"]
    known = all(isinstance(number, float | int) for number in numbers)
    return known and not asked and KERNELS[_is_decoupled(group)] is not None


def _is_watched(optimizer: optim.Optimizer) -> bool:
    """Return whether a call of step() does more than the step, for all that is known."""
    # A schedule wraps it, to count its calls.
    own = vars(optimizer).get("step")
    if own is not None and not hasattr(own, "_wrapped_by_lr_sched"):
        return True
    # What is not there any more may have another name.
    return any(getattr(owner or optimizer, name, True) for owner, name in WATCHERS)
