"""Empirical risk minimisation: the mean loss of the training samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Objective, Step, static
from sklearn_debias.core._objective import Nets, State
from sklearn_debias.losses import cross_entropy


@dataclass(frozen=True)
class ERM(Objective):
    """Mean cross entropy, weighted where the samples have weights.

    Parameters
    ----------
    role : str, default="model"
        Which net is trained.
    balanced : bool, default=False
        Draw each epoch so that every group comes equally often (n draws with replacement), instead of
        each sample once.
    """

    role: str = static("model")
    balanced: bool = static(False)

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """The trained net only."""
        return (self.role,)

    def rows(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Rows of one epoch: n draws, each group with the same probability, if ``balanced``."""
        if not self.balanced:
            return None
        group = data.y if data.group is None else data.group
        probability = 1.0 / group.bincount()[group].double()
        return torch.multinomial(probability.cpu(), len(group), replacement=True, generator=generator)

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Cross entropy of one batch."""
        loss = cross_entropy(nets[self.role](batch.x), batch.y)
        weighted = loss if batch.weight is None else batch.weight * loss
        return Step({self.role: weighted.mean()}, state, adversary_weight=batch.weight)
