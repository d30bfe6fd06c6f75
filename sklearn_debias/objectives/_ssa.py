"""Spread Spurious Attribute: a few rows have bias labels, and a net spreads them to the others.

Nam, Kim, Lee and Shin, "Spread Spurious Attribute: Improving Worst-group Accuracy with Spurious
Attribute Estimation", ICLR 2022.

==========  ====================================================  ===============
paper       here                                                  shape
==========  ====================================================  ===============
a           ``batch.y``: codes of bias values                     (b,)
g = (y, a)  codes ``label * n_values + a``                        (b,)
tau_min     ``threshold``                                         scalar
tau_g       `keep_rows` keeps the rows above it                   -
==========  ====================================================  ===============

The net predicts the bias value. Its loss is the cross entropy of the rows that have bias labels,
plus that of the others to what it predicts itself, for rows that it is sure of. How sure is a
matter of the group: the smallest group, by labels and sure rows together, takes all rows above
tau_min, and the others so many of their surest that no group outgrows it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Nets, Objective, State, Step, static
from sklearn_debias.losses import cross_entropy

UNSEEN = -1.0  # a probability is never negative


def keep_rows(confidence: Tensor, group: Tensor, known: Tensor, threshold: float) -> Tensor:
    """Return which rows without bias labels count; bool, shape (m,).

    Parameters
    ----------
    confidence : Tensor of shape (m,)
        Probability of the predicted bias value.
    group : Tensor of shape (m,), int64
        Codes of (class, predicted bias value).
    known : Tensor of shape (n_groups,), int64
        Rows with bias labels in each group; groups that have none are left out of the count.
    threshold : float
        tau_min.
    """
    sure = confidence >= threshold
    size = known.index_add(0, group, sure.long())
    present = known > 0
    budget = torch.where(present, size, size.max()).min()
    allowed = (budget - known).clamp(min=0)
    # The place of each row among the sure ones of its group, the surest first.
    order = torch.argsort(confidence, descending=True, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    count = torch.zeros_like(known).index_add(0, group, torch.ones_like(group))
    start = count.cumsum(0) - count
    place = torch.empty_like(order)
    place = place.index_copy(0, order, torch.arange(len(order), device=order.device))
    place = place - start[group]
    return sure & (place < allowed[group])


@dataclass(frozen=True)
class SSA(Objective):
    """Predict bias values: those that are known, and the net's own where it is sure.

    Parameters
    ----------
    known : Tensor of shape (n,), bool
        Which training rows have bias labels; ``batch.y`` means nothing for the others.
    label : Tensor of shape (n,), int64
        Class codes.
    n_labels : int
        Number of classes.
    threshold : float, default=0.95
        tau_min, in [0, 1].
    """

    known: Tensor
    label: Tensor
    n_labels: int = static(2)
    threshold: float = 0.95

    def init(self, nets: Nets, data: Data) -> State:
        """Begin with no row seen."""
        device = data.y.device
        known = self.known.to(device)
        label = self.label.to(device)
        group = label * data.n_classes + data.y
        ones = known.long()
        counts = torch.zeros(self.n_labels * data.n_classes, dtype=torch.long, device=device)
        return {
            "known": known,
            "label": label,
            "confidence": torch.full(data.y.shape, UNSEEN, dtype=torch.float64, device=device),
            "group": group,
            "counts": counts.index_add(0, group, ones),
        }

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Visit each row without bias labels once, and those with labels as often in all."""
        known = torch.nonzero(self.known)[:, 0]
        other = torch.nonzero(~self.known)[:, 0]
        if len(other) <= len(known):
            return None
        drawn = torch.arange(len(other)) % len(known)
        return torch.cat([other, known[drawn]])

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the cross entropy of known rows, and of sure rows to the net's own prediction."""
        logits = nets["model"](batch.of("model"))
        known = state["known"][batch.index]
        confidence, value = logits.detach().softmax(-1).max(-1)
        group = state["label"][batch.index] * logits.shape[-1] + value
        # The last word on every row that was seen, so that a batch is judged by all of them.
        seen = state["confidence"].index_copy(
            0, batch.index, torch.where(known, UNSEEN, confidence.double())
        )
        groups = state["group"].index_copy(0, batch.index, group)
        kept = keep_rows(seen, groups, state["counts"], self.threshold)[batch.index] & ~known
        target = torch.where(known, batch.y, value)
        loss = cross_entropy(logits, target)
        supervised = (known * loss).sum() / known.sum().clamp(min=1)
        spread = (kept * loss).sum() / kept.sum().clamp(min=1)
        new = {**state, "confidence": seen, "group": groups}
        return Step({"model": supervised + spread}, new, {"kept": kept.double().mean()})
