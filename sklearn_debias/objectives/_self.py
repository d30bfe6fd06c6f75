"""Last-layer retraining without group labels: class-balanced retraining, and SELF.

LaBonte, Muthukumar and Kumar, "Towards Last-layer Retraining for Group Robustness with Fewer
Annotations", NeurIPS 2023. Both train the network by ERM on a part of the rows, and then the head
alone on rows that were held out.

* Class-balanced retraining begins with a head as it was built, and draws all held-out rows, every
  class equally often: `RetrainHeadOnPart`.
* SELF goes on with the head of ERM, on the k held-out rows that score highest: `FinetuneHead`. It
  weighs the classes among them alike.

===============================  =====================================================
selection of the paper           score of a held-out row, `disagreement_scores`
===============================  =====================================================
early-stop disagreement          KL(early || final), of the softmax outputs
dropout disagreement             KL(dropout || final), dropout on the features
misclassification                cross entropy of the final network
early-stop misclassification     cross entropy of the early-stopped network
===============================  =====================================================

The divergence is taken from the regularised network to the final one, as in the released code
(github.com/tmlabonte/last-layer-retraining, revision ee60241; the last revision compares the
early-stopped network with itself). That code draws class-balanced batches. Here one step per epoch
takes all k rows, with weights that give what such a batch gives on average.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, ConvexLoss, Data, Nets, State, Step, static
from sklearn_debias.losses import cross_entropy, kl_divergence
from sklearn_debias.objectives._crt import RetrainHead
from sklearn_debias.objectives._sampling import (
    balanced_rows,
    class_balance,
    even_weights,
    on_host,
    weights_of_part,
)
from sklearn_debias.objectives._two_stages import FullBatch, features_of_part, held_out_part

DISAGREEMENTS = ("early_stop", "dropout", "misclassification", "early_stop_misclassification")


def disagreement_scores(kind: str, final: Tensor, other: Tensor, y: Tensor) -> Tensor:
    """Return how disputed each row is, by a kind of `DISAGREEMENTS`; shape (m,).

    ``final`` and ``other`` are logits (m, classes), the latter those of the regularised network.
    """
    if kind == "misclassification":
        return cross_entropy(final, y)
    if kind == "early_stop_misclassification":
        return cross_entropy(other, y)
    return kl_divergence(other, final)


def highest(score: Tensor, k: int) -> Tensor:
    """Return the places of the ``k`` highest scores (m,), or of all, in the order of the rows."""
    # Stable: among equals the first rows are taken, on every device.
    return score.argsort(descending=True, stable=True)[:k].sort().values


@dataclass(frozen=True)
class FinetuneHead(FullBatch):
    """Train the head alone, on the held-out rows that two networks dispute most.

    Parameters
    ----------
    k : int, default=20
        Rows to choose, at least 1; all where there are fewer.
    disagreement : {"early_stop", "dropout", "misclassification", \
"early_stop_misclassification"}, default="early_stop"
        How the rows are scored. The two kinds that stop early need the role "early".
    dropout : float, default=0.5
        Probability that a feature is dropped, in (0, 1); for "dropout" only.
    share : float, default=0.2
        Of each class's rows, held out of the first stage.
    seed : int, default=0
        Of the split, as in the first stage.
    dropout_seed : int, default=0
        Of the dropped features.
    """

    requires = frozenset({"body", "every_row"})

    k: int = static(20)
    disagreement: str = static("early_stop")
    dropout: float = 0.5
    share: float = static(0.2)
    seed: int = static(0)
    dropout_seed: int = static(0)

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """The model, and the early network where rows are scored by it."""
        return ("model", "early") if self.disagreement.startswith("early") else ("model",)

    def init(self, nets: Nets, data: Data) -> State:
        """Score the held-out rows in eval mode, and keep the features of the highest."""
        second = held_out_part(data.y, self.share, self.seed)
        y = data.y[second]
        frozen = nets["model"].frozen()
        with torch.no_grad():
            features = features_of_part(frozen, data, "model", second)
            final = frozen.head(features)
            other = self._other(nets, data, second, features, final)
            score = disagreement_scores(self.disagreement, final, other, y)
        chosen = highest(score, self.k)
        weight = class_balance(y[chosen], data.n_classes, features.dtype)
        held_out = second.nonzero().squeeze(1)
        kept = {"features": features[chosen], "y": y[chosen], "weight": weight / weight.sum()}
        return {**kept, "chosen": chosen, "held_out": held_out, "score": score}

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the cross entropy of the chosen rows, the classes weighted alike."""
        loss = cross_entropy(nets["model"].head(state["features"]), state["y"])
        return Step({"model": state["weight"] @ loss}, state)

    def _other(
        self, nets: Nets, data: Data, second: Tensor, features: Tensor, final: Tensor
    ) -> Tensor:
        """Return the logits of the network that the final one is compared with."""
        if "early" in self.roles:
            early = nets["early"].frozen()
            return early.head(features_of_part(early, data, "early", second))
        if self.disagreement != "dropout":
            return final
        # Drawn on the CPU: any device drops the same features.
        generator = torch.Generator().manual_seed(self.dropout_seed)
        drawn = torch.rand(features.shape, generator=generator, dtype=torch.float64)
        kept = (drawn >= self.dropout).to(features)
        return nets["model"].frozen().head(features * kept / (1 - self.dropout))


@dataclass(frozen=True)
class RetrainHeadOnPart(RetrainHead):
    """Train the head alone on held-out rows; draw every class equally often.

    Parameters
    ----------
    share : float, default=0.2
        Of each class's rows, held out of the first stage.
    seed : int, default=0
        Of the split, as in the first stage.
    """

    requires = frozenset({"body", "every_row"})

    share: float = static(0.2)
    seed: int = static(0)

    def init(self, nets: Nets, data: Data) -> State:
        """Split the rows."""
        return {"second": held_out_part(data.y, self.share, self.seed)}

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Draw as many rows as are held out, each class with the same probability."""
        rows = on_host(state["second"]).nonzero().squeeze(1)
        return rows[balanced_rows(on_host(data.y)[rows], generator)]

    def convex(self, data: Data, state: State) -> ConvexLoss | None:
        """Weigh each held-out row by how often it is drawn, and the others 0."""
        second = state["second"]
        # Of the held-out rows only: classes have other shares among all.
        drawn = even_weights(data.y[second])
        part = weights_of_part(second)
        return ConvexLoss(part.masked_scatter(second, part[second] * drawn))
