"""Empirical risk minimisation: the mean loss of the training samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Nets, Objective, State, Step, static
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives._sampling import balanced_rows, smallest_from_each


@dataclass(frozen=True)
class ERM(Objective):
    """Mean cross entropy, weighted where the samples have weights.

    Parameters
    ----------
    role : str, default="model"
        Which net is trained.
    balanced : bool, default=False
        Draw each epoch so that every group comes equally often, instead of each sample once.
    replace : bool, default=True
        Where balanced, draw n rows with replacement; otherwise as many of each group as the
        smallest has, without.
    """

    role: str = static("model")
    balanced: bool = static(False)
    replace: bool = static(True)
    divides = True

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """The trained net only."""
        return (self.role,)

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Visit each row once, or draw all groups alike if ``balanced``."""
        if not self.balanced:
            return None
        group = data.y if data.group is None else data.group
        return (
            balanced_rows(group, generator)
            if self.replace
            else smallest_from_each(group, generator)
        )

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the mean cross entropy of one batch."""
        loss = cross_entropy(nets[self.role](batch.of(self.role)), batch.y)
        weighted = loss if batch.weight is None else batch.weight * loss
        # In BiasAdv an adversarial twin weighs as its sample.
        return Step({self.role: weighted.mean()}, state, adversary_weight=batch.weight)
