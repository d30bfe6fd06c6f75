"""Losses for long-tailed classes, alike but for one formula.

==================  ===================================================  =======================
``loss``            paper                                                function
==================  ===================================================  =======================
"focal"             Lin et al., "Focal Loss for Dense Object             `focal_loss`
                    Detection", ICCV 2017
"ldam"              Cao et al., "Learning Imbalanced Datasets with       `ldam_loss`
                    Label-Distribution-Aware Margin Loss",
                    NeurIPS 2019
"logit_adjustment"  Menon et al., "Long-Tail Learning via Logit          `logit_adjusted_loss`
                    Adjustment", ICLR 2021
"balanced_softmax"  Ren et al., "Balanced Meta-Softmax for Long-Tailed   `balanced_softmax_loss`
                    Visual Recognition", NeurIPS 2020
==================  ===================================================  =======================

n_y, the samples of each class, are ``state["class_count"]``. Any of the losses may be weighted by
class, after Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019:
``state["class_weight"]``.

Cui et al. scale the weights to sum to the number of classes; over the samples of a long tail their
mean is then far below 1, and with SGD they slow the training down as well. The code of LDAM-DRW
divides each batch's loss by the sum of its weights instead. Here the weights have mean 1 over the
training rows, like all weights of this package: the size of a step is kept, and batches without a
rare class do not gain by it.
"""

from dataclasses import dataclass

from torch import Tensor

from sklearn_debias.core import (
    Batch,
    ConvexLoss,
    Data,
    Nets,
    Objective,
    State,
    Step,
    static,
)
from sklearn_debias.losses import (
    balanced_softmax_loss,
    class_balanced_weights,
    cross_entropy,
    focal_loss,
    ldam_loss,
    ldam_margins,
    logit_adjusted_loss,
)

LONG_TAIL_LOSSES = ("cross_entropy", "focal", "ldam", "logit_adjustment", "balanced_softmax")


@dataclass(frozen=True)
class LongTail(Objective):
    """One of the losses for long-tailed classes, weighted by class where ``beta`` is above 0.

    Parameters
    ----------
    loss : {"cross_entropy", "focal", "ldam", "logit_adjustment", "balanced_softmax"}, \
default="balanced_softmax"
    beta : float, default=0.0
        In [0, 1]. 0 weighs all samples alike, 1 the classes.
    gamma : float, default=2.0
        Of the focal loss, at least 0.
    max_margin : float, default=0.5
        Of LDAM: the margin of the rarest class, in units of the cosine, at least 0.
    scale : float, default=30.0
        Of LDAM: what turns cosines into logits, above 0.
    tau : float, default=1.0
        Of the logit adjustment.
    """

    loss: str = static("balanced_softmax")
    beta: float = 0.0
    gamma: float = 2.0
    max_margin: float = 0.5
    scale: float = 30.0
    tau: float = 1.0

    def init(self, nets: Nets, data: Data) -> State:
        """Count the classes, and weigh them."""
        dtype = next(iter(nets["model"].parameters.values())).dtype
        size = data.y.bincount(minlength=data.n_classes).double()
        weight = class_balanced_weights(size.clamp(min=1), self.beta)
        # Mean 1 over the training rows, not over the classes: see above.
        weight = weight * (size.sum() / (weight @ size))
        return {"class_count": size.clamp(min=1).to(dtype), "class_weight": weight.to(dtype)}

    def convex(self, data: Data, state: State) -> ConvexLoss | None:
        """Shift the logits as the losses do that shift them by class; the others are not convex."""
        weight = state["class_weight"].double()[data.y]
        count = state["class_count"].double()
        if self.loss == "cross_entropy":
            return ConvexLoss(weight)
        if self.loss == "logit_adjustment":
            return ConvexLoss(weight, self.tau * (count / count.sum()).log())
        if self.loss == "balanced_softmax":
            return ConvexLoss(weight, count.log())
        return None

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the weighted loss of one batch."""
        weight = state["class_weight"][batch.y]
        loss = self._loss(nets["model"](batch.of("model")), batch.y, state["class_count"])
        return Step({"model": (weight * loss).mean()}, state, adversary_weight=weight)

    def _loss(self, logits: Tensor, y: Tensor, count: Tensor) -> Tensor:
        """Return the loss of each sample, (b,), before its weight."""
        if self.loss == "cross_entropy":
            return cross_entropy(logits, y)
        if self.loss == "focal":
            return focal_loss(logits, y, self.gamma)
        if self.loss == "ldam":
            return ldam_loss(logits, y, ldam_margins(count, self.max_margin), self.scale)
        if self.loss == "logit_adjustment":
            return logit_adjusted_loss(logits, y, count, self.tau)
        return balanced_softmax_loss(logits, y, count)
