"""Steps of networks that are linear layers on X, by gradients in closed form."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from sklearn_debias.core import Batch, Net, Phase, State, Step
from sklearn_debias.core.internal import LinearNet, linear_layers
from sklearn_debias.training._direct import direct_update
from sklearn_debias.training._optimizers import update


class LinearSteps:
    """The step of a phase without autograd, where the objective has one.

    Parameters
    ----------
    phase : Phase
        Of one step.
    layers : mapping of str to nn.Linear
        Of all roles.
    optimizer : torch.optim.Optimizer
    """

    def __init__(
        self, phase: Phase, layers: Mapping[str, nn.Linear], optimizer: torch.optim.Optimizer
    ) -> None:
        self.objective = phase.steps[0]
        self.layers = layers
        self.optimizer = optimizer
        self.learning: tuple[str, ...] = ()  # roles with a loss on the last batch
        self.updates: dict[tuple[str, ...], Callable[[], Any]] = {}

    def gradients(self, batch: Batch, state: State) -> Step:
        """Leave the gradients of one batch on the layers."""
        # Detached, not under `no_grad`: what an objective differentiates itself is its own affair.
        nets = {
            role: LinearNet(layer.weight.detach(), layer.bias.detach())
            for role, layer in self.layers.items()
        }
        out = self.objective.closed_step(nets, batch, state)
        self.learning = tuple(out.losses)
        for role, layer in self.layers.items():
            # Without a loss a role keeps None, which optimisers skip.
            gradients = nets[role].gradients() if role in out.losses else {}
            layer.weight.grad = gradients.get("weight")
            layer.bias.grad = gradients.get("bias")
        return out

    def update(self) -> None:
        """Update the layers of the roles with a loss."""
        # One for each set of roles, which may change from batch to batch.
        known = self.updates.get(self.learning) or direct_update(self.optimizer)
        if known is None:  # a role learns for the first time, or the optimiser is another
            update(self.optimizer)
            return
        self.updates[self.learning] = known
        known()


def linear_steps(
    phase: Phase, nets: Mapping[str, Net], optimizer: torch.optim.Optimizer
) -> LinearSteps | None:
    """Return the steps of a phase by closed gradients, or None where they need autograd."""
    objective = phase.steps[0]
    if len(phase.steps) > 1 or objective.every != 1:
        return None
    layers = linear_layers(objective, nets)
    return None if layers is None else LinearSteps(phase, layers, optimizer)
