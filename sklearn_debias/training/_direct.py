"""Updates without an optimiser's bookkeeping, which costs small networks more than the update."""

from collections.abc import Callable
from typing import Any

import torch
from torch import optim
from torch.optim import optimizer as of_all

# torch's own kernels, behind `fused=True`. Private, so looked for.
KERNELS = {
    optim.Adam: getattr(torch, "_fused_adam_", None),
    optim.AdamW: getattr(torch, "_fused_adamw_", None),
}


def direct_update(optimizer: optim.Optimizer) -> Callable[[], Any] | None:
    """Return what updates as ``optimizer.step()`` does, or None where only that is sure to.

    Called between two updates: parameters with a gradient now, and no others, are updated. The
    numbers that an optimiser keeps go on in its state.
    """
    kernel = KERNELS.get(type(optimizer))
    if kernel is None or _is_watched(optimizer):
        return None
    groups = []
    for group in optimizer.param_groups:
        learning = [p for p in group["params"] if p.grad is not None]
        states = [optimizer.state.get(p, {}) for p in learning]
        if not _is_plain(group) or not all("exp_avg" in state for state in states):
            return None
        slots = [[state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step")]
        groups.append((group, learning, *slots))
    return lambda: [_update(kernel, *group) for group in groups if group[1]]


def _update(
    kernel: Any, group: dict, parameters: list, mean: list, square: list, step: list
) -> None:
    for count in step:
        count.add_(1)
    beta1, beta2 = group["betas"]
    kernel(
        parameters,
        [p.grad for p in parameters],
        mean,
        square,
        [],
        step,
        lr=group["lr"],
        beta1=beta1,
        beta2=beta2,
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=group["maximize"],
    )


def _is_plain(group: dict) -> bool:
    numbers = (group["lr"], *group["betas"], group["eps"], group["weight_decay"])
    asked = group["amsgrad"] or group["differentiable"] or not group["fused"]
    return not asked and all(isinstance(number, float | int) for number in numbers)


def _is_watched(optimizer: optim.Optimizer) -> bool:
    """Return whether a call of step() does more than the step."""
    # A schedule wraps it, to count its calls.
    own = vars(optimizer).get("step")
    wrapped = own is not None and not hasattr(own, "_wrapped_by_lr_sched")
    return bool(
        wrapped
        or optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or of_all._global_optimizer_pre_hooks
        or of_all._global_optimizer_post_hooks
    )
