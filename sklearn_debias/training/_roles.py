"""The modules of all roles, and what is asked of them."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Roles(nn.ModuleDict):
    """The modules of all roles; called, it is the one that predicts."""

    def forward(self, X: Tensor) -> Tensor:
        """Return the logits of the model."""
        return self["model"](X)


def watched(modules: nn.Module, fixed: Iterable[nn.Module]) -> list[Tensor]:
    """Return the tensors that training must keep finite: not those of ``fixed`` parts."""
    still = {id(t) for part in fixed for t in (*part.parameters(), *part.buffers())}
    moving = [t for t in modules.state_dict(keep_vars=True).values() if id(t) not in still]
    # What is not finite from the start, such as a mask of -inf, cannot be watched.
    return [t.detach() for t in moving if t.is_floating_point() and bool(torch.isfinite(t).all())]


def is_fixed(module: nn.Module) -> bool:
    """Return whether none of the parameters learns.

    BatchNorm and dropout then stay as in prediction, too.
    """
    parameters = list(module.parameters())
    return bool(parameters) and not any(p.requires_grad for p in parameters)
