"""Empirical risk minimisation: the mean loss of the training samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import (
    Batch,
    ConvexLoss,
    Data,
    State,
    WeightedObjective,
    Weights,
    static,
)
from sklearn_debias.objectives._sampling import balanced_rows, even_weights, smallest_from_each


@dataclass(frozen=True)
class ERM(WeightedObjective):
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

    def convex(self, data: Data, state: State) -> ConvexLoss | None:
        """Weigh each row as given, and by how often it is drawn."""
        if not self.balanced:
            return ConvexLoss(data.weight)
        drawn = even_weights(data.y if data.group is None else data.group)
        return ConvexLoss(drawn if data.weight is None else drawn * data.weight)

    def weigh(self, loss: Mapping[str, Tensor], batch: Batch, state: State) -> Weights:
        """Weigh the samples as the user does."""
        # In BiasAdv an adversarial twin weighs as its sample.
        return Weights({self.role: batch.weight}, state, adversary_weight=batch.weight)
