"""Classifier re-training, second stage.

Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020; Sec.
4. The first stage is ERM of the whole network on rows as they come ("instance-balanced sampling");
then the head starts anew.

The body is fixed and sees the rows in eval mode, augmented as in the first stage. (The released
code leaves BatchNorm in train mode, so that its statistics go on moving.) Classes are drawn with
equal probability, Eq. 1 with q = 0, n rows per epoch with replacement; the released sampler takes
the classes in turn.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, ConvexLoss, Data, Nets, Objective, State, Step
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives._sampling import balanced_rows, even_weights


@dataclass(frozen=True)
class RetrainHead(Objective):
    """Cross entropy of the head alone, every class drawn equally often."""

    requires = frozenset({"body"})

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Draw n rows, each class with the same probability."""
        return balanced_rows(data.y, generator)

    def convex(self, data: Data, state: State) -> ConvexLoss | None:
        """Weigh each row by how often it is drawn."""
        return ConvexLoss(even_weights(data.y))

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the cross entropy of the head on what the fixed body makes of one batch."""
        features = nets["model"].frozen().body(batch.of("model"))
        loss = cross_entropy(nets["model"].head(features.detach()), batch.y)
        return Step({"model": loss.mean()}, state)
