"""Learning from Failure.

Nam et al., "Learning from Failure: Training Debiased Classifier from Biased Classifier", NeurIPS
2020.

======  ==========================================  =========================
paper   here                                        shape
======  ==========================================  =========================
f_B     ``nets["biased"]``, trained by GCE          logits (b, k)
f_D     ``nets["model"]``, trained by weighted CE   logits (b, k)
W(x)    `relative_difficulty`                       (b,), in [0, 1]
q       ``q``                                       scalar
======  ==========================================  =========================

Four variants carry the name; the switches reach each of them:

* the authors' code (default): moving average of each sample's loss, divided by its class's maximum
  over the training set, GCE with the factor q;
* SpuCo: ``gce_factor=False``;
* SubpopBench, and Algorithm 3 of BiasAdv: ``ema=0, class_normalize=False`` (the ratio of raw
  losses).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Nets, State, WeightedObjective, Weights, static
from sklearn_debias.losses import gce_weight_of_loss

UNSEEN = -1.0  # a loss is never negative


def relative_difficulty(biased: Tensor, model: Tensor) -> Tensor:
    """Return W(x) = l_B / (l_B + l_D + 1e-8), Eq. 4; in [0, 1], same shape as the losses."""
    return biased / (biased + model + 1e-8)


def moving_average(previous: Tensor, loss: Tensor, ema: float | Tensor) -> Tensor:
    """Return the average after a visit: first the loss itself, then ``ema p + (1 - ema) l``."""
    return torch.where(previous < 0, loss, torch.lerp(loss, previous, ema))


def class_maximum(average: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """Return the largest average of each class, 1 where that is 0; shape (n_classes,)."""
    # From zeros: a sample that was never visited, at -1, is never the largest.
    largest = average.new_zeros(n_classes).scatter_reduce(0, y, average, "amax")
    return torch.where(largest > 0, largest, 1.0)


@dataclass(frozen=True)
class LfF(WeightedObjective):
    """Train a biased net by GCE, and the model on what the biased net finds hard.

    Parameters
    ----------
    q : float, default=0.7
        Exponent of the generalised cross entropy, in (0, 1].
    ema : float, default=0.7
        Decay of the moving average of each sample's losses, in [0, 1); 0 uses the last loss.
    gce_factor : bool, default=True
        Whether GCE carries the factor q, as in the authors' code.
    class_normalize : bool, default=True
        Divide the averages by their maximum over the training samples of the class.
    """

    q: float = 0.7
    ema: float = 0.7
    gce_factor: bool = static(True)
    class_normalize: bool = static(True)
    roles = ("model", "biased")
    divides = True

    def init(self, nets: Nets, data: Data) -> State:
        """Begin with no sample visited."""
        dtype = next(iter(nets["model"].parameters.values())).dtype
        unseen = torch.full(data.y.shape, UNSEEN, dtype=dtype, device=data.y.device)
        # Only its length counts: `step` is not told the number of classes.
        n_classes = torch.zeros(data.n_classes, dtype=dtype, device=data.y.device)
        return {
            "loss_biased": unseen,
            "loss_model": unseen.clone(),
            "y": data.y,
            "classes": n_classes,
        }

    def weigh(self, loss: Mapping[str, Tensor], batch: Batch, state: State) -> Weights:
        """Weigh the model's samples by difficulty, and the biased net's by GCE."""
        # The averages take the batch in before they are used, as in the authors' code.
        new = dict(state)
        for role, value in loss.items():
            key = f"loss_{role}"
            before = state[key].index_select(0, batch.index)
            average = moving_average(before, value, self.ema)
            new[key] = state[key].index_copy(0, batch.index, average)
        weight = self.difficulty(new, batch.index)
        easy = gce_weight_of_loss(loss["biased"], self.q, factor=self.gce_factor)
        log = {"difficulty": weight.mean()}
        return Weights({"model": weight, "biased": easy}, new, log, adversary_weight=1 - weight)

    def difficulty(self, state: State, index: Tensor) -> Tensor:
        """Return W of the samples ``index`` (b,) by the averages so far; in [0, 1], shape (b,)."""
        averages = []
        y = state["y"].index_select(0, index)
        for key in ("loss_biased", "loss_model"):
            average = state[key].index_select(0, index)
            if self.class_normalize:
                largest = class_maximum(state[key], state["y"], len(state["classes"]))
                average = average / largest.index_select(0, y)
            averages.append(average)
        return relative_difficulty(*averages)
