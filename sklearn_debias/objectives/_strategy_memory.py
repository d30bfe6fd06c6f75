"""Meta-IADA's memory of the training samples, from visit to visit, in its state."""

import torch
from torch import Tensor

from sklearn_debias.core import Batch, State
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives._characteristics import margin, margin_of, members
from sklearn_debias.objectives._class_statistics import in_full


def begin_memory(logits: Tensor, y: Tensor, epochs: int) -> State:
    """Return class proportions, and class means of loss and margin by the net as it is.

    There is no strategy yet.

    Parameters
    ----------
    logits : Tensor of shape (n, k)
        Of all training rows.
    y : Tensor of shape (n,), int64
    epochs : int
        Rows of the table of adversarial samples.
    """
    member = members(y, logits)
    n = len(y)
    size = member.sum(0)
    loss = (member.T @ cross_entropy(logits, y)) / size.clamp(min=1)
    gap = (member.T @ margin(logits, y)) / size.clamp(min=1)
    return {
        "prior": size / n,
        "class_loss": loss,
        "class_margin": gap,
        "sums": logits.new_zeros(3, len(size)),
        "epsilon": logits.new_zeros(n),
        "epsilon_before": logits.new_zeros(n),
        "adversarial": logits.new_zeros(epochs, 2, len(size)),
        "visits": torch.zeros((), dtype=torch.int64, device=y.device),
        "n": torch.full((), n, dtype=torch.int64, device=y.device),
    }


@in_full
def remembered(state: State, logits: Tensor, epsilon: Tensor, batch: Batch) -> dict[str, Tensor]:
    """Return the state after a visit of the batch.

    It knows the strategies, the class means where an epoch ends, and adversarial samples.
    """
    y = batch.y
    at = batch.index
    before = state["epsilon"]
    member = members(y, logits)
    ones = torch.ones_like(logits[:, 0])
    log_p = logits.log_softmax(1)
    own = log_p.gather(1, y[:, None]).squeeze(1)
    values = torch.stack([-own, margin_of(log_p.exp(), y), ones])
    sums = state["sums"] + values @ member
    visits = state["visits"] + len(y)
    # An epoch is n visits. All is by where, not by if: a step does not look at its numbers.
    epoch = state["visits"] // state["n"]
    finished = visits // state["n"] > epoch
    seen = finished & (sums[2] > 0)
    mean = sums[:2] / sums[2].clamp(min=1)
    row = epoch.clamp(max=len(state["adversarial"]) - 1)[None]
    counts = torch.stack([(epsilon > 0).to(logits.dtype) @ member, member.sum(0)])[None]
    return {
        **state,
        "epsilon_before": state["epsilon_before"].index_copy(0, at, before[at]),
        "epsilon": before.index_copy(0, at, epsilon),
        "class_loss": torch.where(seen, mean[0], state["class_loss"]),
        "class_margin": torch.where(seen, mean[1], state["class_margin"]),
        "sums": torch.where(finished, torch.zeros_like(sums), sums),
        "visits": visits,
        "adversarial": state["adversarial"].index_add(0, row, counts),
    }
