"""SGD, Adam and AdamW over stacked members, each with its own learning rate and weight decay."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, optim

from sklearn_debias.training import ByRole

Which = slice | Tensor  # which members of a stack
Key = tuple[str, str]  # role and name of a parameter

# What members of one stack may differ in; a schedule notes the rate it began with as "initial_lr".
PER_MEMBER = ("lr", "weight_decay", "initial_lr")
# Not compared, either: the parameters themselves, and how torch computes an update.
IRRELEVANT = (
    "params",
    "foreach",
    "fused",
    "capturable",
    "differentiable",
    "param_names",
    *PER_MEMBER,
)


def optimizer_settings(optimizer: optim.Optimizer) -> tuple:
    """Return what optimisers of one stack have in common: their kind and their arguments.

    Learning rate and weight decay are left out, for they may differ.

    Raises
    ------
    TypeError
        Where the kind cannot be stacked.
    ValueError
        Where groups of parameters differ in more than these two.
    """
    if isinstance(optimizer, ByRole):
        return tuple((role, optimizer_settings(part)) for role, part in optimizer.parts.items())
    # Not isinstance: a subclass may update in another way.
    if type(optimizer) not in _KINDS:
        raise TypeError(
            f"`optimizer`={type(optimizer).__name__} cannot train a stack of candidates, only "
            f"{', '.join(kind.__name__ for kind in _KINDS)} can. Use GridSearchCV."
        )
    groups = [
        {k: v for k, v in group.items() if k not in IRRELEVANT} for group in optimizer.param_groups
    ]
    others = {name: value for group in groups for name, value in group.items()}
    unlike = any(group != others for group in groups)
    if unlike or any(isinstance(value, Tensor) for value in others.values()):
        raise ValueError(
            "`optimizer__param_groups` of a stack of candidates may set lr and weight_decay only. "
            "Use GridSearchCV."
        )
    return type(optimizer).__name__, tuple(sorted((k, repr(v)) for k, v in others.items()))


class StackedOptimizer:
    """Update all members at once, with torch's arithmetic.

    Parameters
    ----------
    like : torch.optim.Optimizer
        Of the first member; gives all arguments but ``lr`` and ``weight_decay``.
    parameters : mapping of (role, name) to Tensor of shape (members, ...)
        Updated in place.
    weight_decay : mapping of (role, name) to Tensor of shape (members,)

    Attributes
    ----------
    lr : mapping of (role, name) to Tensor of shape (members,)
        Set before each epoch.
    """

    def __init__(
        self,
        like: optim.Optimizer,
        parameters: Mapping[Key, Tensor],
        weight_decay: Mapping[Key, Tensor],
    ) -> None:
        # The first group speaks for all: they differ in lr and weight_decay only.
        self.group: Mapping[str, Any] = like.param_groups[0]
        self.parameters = parameters
        # Where no member decays, the term is left out, as torch does it.
        self.weight_decay = {
            key: _column(value, parameters[key])
            for key, value in weight_decay.items()
            if value.any()
        }
        self.rates: dict[Key, Tensor] = {}
        self.steps: dict[Key, Tensor] = {}
        self.slots: dict[Key, list[Tensor]] = {}

    def adopt(self, other: "StackedOptimizer", which: Sequence[int]) -> None:
        """Go on from the members ``which`` of another stack: their slots and counts of steps."""
        chosen = list(which)
        self.steps = {key: count[chosen] for key, count in other.steps.items()}
        self.slots = {key: [slot[chosen] for slot in slots] for key, slots in other.slots.items()}

    def set_lr(self, lr: Mapping[Key, Tensor]) -> None:
        """Set the learning rates (members,) from now on."""
        self.rates = {key: _column(value, self.parameters[key]) for key, value in lr.items()}

    @torch.no_grad()
    def step(self, which: Which, gradients: Mapping[Key, Tensor]) -> None:
        """Update the members ``which`` by their gradients, which are used up."""
        seen: set[int] = set()
        for key, gradient in gradients.items():
            # The update writes into it: entries must not share memory, as those of an expanded
            # gradient do, and autograd may hand out one tensor for two parameters.
            gradient = gradient.contiguous()
            if gradient.data_ptr() in seen:
                gradient = gradient.clone()
            seen.add(gradient.data_ptr())
            self._update_members(key, which, -gradient if self.group["maximize"] else gradient)

    def _update_members(self, key: Key, which: Which, gradient: Tensor) -> None:
        """Update one parameter of the members ``which``."""
        whole = self.parameters[key]
        # Counts and slots by parameter, and made at its first gradient, as in torch: a role may
        # begin to learn in a later phase than the others.
        if key not in self.steps:
            self.steps[key] = torch.zeros(len(whole), dtype=torch.float64, device=whole.device)
            self.slots[key] = [torch.zeros_like(whole) for _ in range(self._n_slots())]
        self.steps[key][which] += 1
        kept = [whole, *self.slots[key]]
        # Views for a slice; copies for row numbers, which are written back below.
        parameter, *slots = (tensor[which] for tensor in kept)
        decay = self.weight_decay.get(key)
        self._update(
            parameter,
            gradient,
            slots,
            _column(self.steps[key][which], parameter),
            self.rates[key][which],
            None if decay is None else decay[which],
        )
        if isinstance(which, Tensor):
            for tensor, part in zip(kept, (parameter, *slots), strict=True):
                tensor.index_copy_(0, which, part)

    def _n_slots(self) -> int:
        """Return how many tensors like a parameter are kept between steps."""
        raise NotImplementedError

    def _update(
        self,
        p: Tensor,
        g: Tensor,
        slots: list[Tensor],
        steps: Tensor,
        lr: Tensor,
        decay: Tensor | None,
    ) -> None:
        """Write the update into ``p`` and the slots; ``g`` may be overwritten."""
        raise NotImplementedError


class _SGD(StackedOptimizer):
    """SGD; its slot is the velocity."""

    def _n_slots(self) -> int:
        return 1 if self.group["momentum"] else 0

    def _update(
        self,
        p: Tensor,
        g: Tensor,
        slots: list[Tensor],
        steps: Tensor,
        lr: Tensor,
        decay: Tensor | None,
    ) -> None:
        if decay is not None:
            g.addcmul_(p, decay)
        for velocity in slots:
            momentum = self.group["momentum"]
            dampening = self.group["dampening"]
            velocity.mul_(momentum)
            if dampening:
                # In torch the first gradient becomes the velocity, not dampened.
                velocity.addcmul_(g, 1 - dampening * (steps > 1).to(g.dtype))
            else:
                velocity.add_(g)
            g = g.add_(velocity, alpha=momentum) if self.group["nesterov"] else velocity
        p.addcmul_(g, lr, value=-1)


class _Adam(StackedOptimizer):
    """Adam and AdamW; the slots are the two moments, and the largest second one of AMSGrad."""

    def _n_slots(self) -> int:
        return 3 if self.group["amsgrad"] else 2

    def _update(
        self,
        p: Tensor,
        g: Tensor,
        slots: list[Tensor],
        steps: Tensor,
        lr: Tensor,
        decay: Tensor | None,
    ) -> None:
        beta1, beta2 = self.group["betas"]
        mean, square, *largest = slots
        if decay is not None and self.group.get("decoupled_weight_decay"):
            p.mul_(1 - lr * decay)
        elif decay is not None:
            g.addcmul_(p, decay)
        mean.lerp_(g, 1 - beta1)
        square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        for most in largest:
            square = torch.maximum(most, square, out=most)
        # In float64: torch computes these corrections with Python's numbers.
        step_size = (lr.double() / (1 - beta1**steps)).to(p.dtype)
        root = (1 - beta2**steps).sqrt().to(p.dtype)
        # The gradient has served: its memory takes the denominator, then the step.
        torch.sqrt(square, out=g)
        g.div_(root).add_(self.group["eps"])
        p.sub_(torch.div(mean, g, out=g).mul_(step_size))


class StackedByRole:
    """Several optimisers of a stack as one, as `ByRole` is for a single fit.

    Parameters
    ----------
    parts : mapping of str to StackedOptimizer
        By role; that of "" updates the other roles.
    """

    def __init__(self, parts: Mapping[str, StackedOptimizer]) -> None:
        self.parts = parts

    def _part(self, key: Key) -> StackedOptimizer:
        return self.parts[key[0] if key[0] in self.parts else ""]

    def set_lr(self, lr: Mapping[Key, Tensor]) -> None:
        """Set the learning rates (members,) from now on."""
        for part in self.parts.values():
            part.set_lr({key: value for key, value in lr.items() if self._part(key) is part})

    def step(self, which: Which, gradients: Mapping[Key, Tensor]) -> None:
        """Update the members ``which`` by their gradients, which are used up."""
        for part in self.parts.values():
            own = {key: value for key, value in gradients.items() if self._part(key) is part}
            part.step(which, own)

    def adopt(self, other: "StackedByRole", which: Sequence[int]) -> None:
        """Go on from the members ``which`` of another stack."""
        for role, part in self.parts.items():
            part.adopt(other.parts[role], which)


def stack_optimizer(
    like: optim.Optimizer, parameters: Mapping[Key, Tensor], weight_decay: Mapping[Key, Tensor]
) -> Any:
    """Return an optimiser of a stack, of the kind of ``like``."""
    if not isinstance(like, ByRole):
        return _KINDS[type(like)](like, parameters, weight_decay)
    parts = {}
    for role, part in like.parts.items():
        # The part of "" updates the roles without an optimiser of their own.
        keys = [key for key in parameters if (key[0] if key[0] in like.parts else "") == role]
        own = {key: parameters[key] for key in keys}
        decay = {key: weight_decay[key] for key in keys}
        parts[role] = stack_optimizer(part, own, decay)
    return StackedByRole(parts)


def _column(values: Tensor, like: Tensor) -> Tensor:
    """Return values (members,) in a shape that broadcasts against ``like`` (members, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))


_KINDS: dict[type, type[StackedOptimizer]] = {
    optim.SGD: _SGD,
    optim.Adam: _Adam,
    optim.AdamW: _Adam,
}
