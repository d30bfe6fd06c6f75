"""Implicit semantic data augmentation.

Wang et al., "Implicit Semantic Data Augmentation for Deep Networks", NeurIPS 2019; "Regularizing
Deep Networks with Semantic Data Augmentation", TPAMI 2021.

==========  =======================================  =====================
paper       here                                     shape
==========  =======================================  =====================
Sigma_c     ``state["covariance"]``, streaming       (k, d, d) or (k, d)
lambda_0    ``strength``                             scalar
t / T       epochs done, of ``epochs``               in [0, 1)
==========  =======================================  =====================

Cross entropy of ``z_j + lambda_t / 2 (w_j - w_y) Sigma_y (w_j - w_y)^T`` with ``lambda_t = lambda_0
t / T``: an upper bound of the expected cross entropy of features drawn from N(h, lambda_t Sigma_y).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Net, Nets, Objective, State, Step, static
from sklearn_debias.losses import class_balanced_weights, cross_entropy
from sklearn_debias.objectives._class_statistics import (
    begin_statistics,
    floored,
    head_weight,
    in_full,
    share_done,
    with_batch,
)
from sklearn_debias.objectives._inner_attack import is_live
from sklearn_debias.objectives._seen_covariance import Covariance, carried, seen, spread_of_samples


@dataclass(frozen=True)
class ISDA(Objective):
    """Cross entropy of implicitly augmented features.

    Parameters
    ----------
    strength : float, default=0.5
        lambda_0, at least 0.
    balance : float, default=0.0
        Weigh the classes by their effective numbers of samples, see `class_balanced_weights`; 0
        weighs them alike.
    epochs, done : int
        T, and how many of these lie before this phase.
    diagonal : bool or None, default=None
        Keep the covariances' diagonals only; None does so above 512 features.
    starts : bool, default=True
        Whether the state begins with this objective, not with one that runs before it in the phase.
    """

    requires = frozenset({"linear_head", "every_row"})

    strength: float = 0.5
    balance: float = static(0.0)
    epochs: int = static(1)
    done: int = static(0)
    diagonal: bool | None = static(None)
    starts: bool = static(True)

    def init(self, nets: Nets, data: Data) -> State:
        """Begin with no batch seen."""
        if not self.starts:
            return {}
        count = data.y.bincount(minlength=data.n_classes).clamp(min=1)
        weight = class_balanced_weights(count, self.balance)
        return {
            **begin_statistics(nets["model"], self.diagonal),
            "class_weight": weight.to(head_weight(nets["model"]).dtype),
            "visits": torch.zeros((), dtype=torch.int64, device=data.y.device),
            "n": torch.full((), len(data.y), dtype=torch.int64, device=data.y.device),
        }

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the cross entropy of the augmented features, by Eq. 8 of the TPAMI paper."""
        net = nets["model"]
        h = net.body(batch.x)
        # A step that looked ahead has taken the batch in already.
        weight = head_weight(net)
        covariance = carried(batch.carry, weight, batch.y)
        if covariance is None:
            state = with_batch(state, h, batch.y, live=is_live(nets))
            covariance = seen(state["covariance"], weight, batch.y)
        loss = self.loss(net, h, batch.y, covariance, state).mean()
        return Step({"model": loss}, {**state, "visits": state["visits"] + len(batch.y)})

    @in_full
    def loss(self, net: Net, h: Tensor, y: Tensor, covariance: Covariance, state: State) -> Tensor:
        """Return the weighted cross entropy of each sample, shape (b,)."""
        weight = head_weight(net)
        raised = floored(spread_of_samples(weight, covariance, y))
        strength = self.strength * share_done(state, weight, self.done, self.epochs)
        # Out of autocast features of half precision do not fit the head's weights.
        logits = net.head(h.to(weight.dtype))
        return state["class_weight"][y] * cross_entropy(logits + strength * raised, y)
