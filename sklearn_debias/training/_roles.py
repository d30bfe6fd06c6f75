"""The modules of all roles, and what is asked of them."""

import torch
from torch import Tensor, nn


class Roles(nn.ModuleDict):
    """The modules of all roles; called, it is the one that predicts."""

    def forward(self, X: Tensor) -> Tensor:
        """Return the logits of the model."""
        return self["model"](X)


def finite(tensor: Tensor) -> bool:
    """Return whether every entry is finite."""
    return bool(torch.isfinite(tensor).all())


def is_fixed(module: nn.Module) -> bool:
    """Return whether none of the parameters learns.

    BatchNorm and dropout then stay as in prediction, too.
    """
    parameters = list(module.parameters())
    return bool(parameters) and not any(p.requires_grad for p in parameters)
