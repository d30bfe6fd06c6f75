"""Group distributionally robust optimisation.

Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts: On the Importance of
Regularization for Worst-Case Generalization", ICLR 2020; Algorithm 1.

===============  ================================  ==========================
paper            here                              shape
===============  ================================  ==========================
theta            ``nets["model"]``                 logits (b, k)
l(theta; g)      `group_losses`                    (n_groups,)
q                ``state["q"]``                    (n_groups,), sums to 1
eta_q            ``step_size``                     scalar
C                ``adjustment``                    scalar
n_g              ``state["size"]``                 (n_groups,)
===============  ================================  ==========================

A group that a batch does not hold has no loss there: it adds nothing to the batch's loss, and its q
moves only by the normalisation. So it is in Algorithm 1, which updates the group it has drawn, and
in the authors' code, which gives such a group the loss 0. With an adjustment the code adds C /
sqrt(n_g) to absent groups as well; here it waits for the group, as in the algorithm.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Nets, State, WeightedObjective, Weights, static
from sklearn_debias.objectives._sampling import balanced_rows


def group_losses(loss: Tensor, group: Tensor, n_groups: int) -> tuple[Tensor, Tensor]:
    """Return the mean of the losses (b,) in each group, and their number; (n_groups,).

    The mean is 0 where a group is absent.
    """
    member = (group[:, None] == torch.arange(n_groups, device=group.device)).to(loss.dtype)
    count = member.sum(0)
    return loss @ member / count.clamp(min=1), count


def reweighted(q: Tensor, loss: Tensor, step_size: float | Tensor) -> Tensor:
    """Return ``q exp(eta L) / Z``, a step of exponentiated gradient ascent."""
    # In logarithms, so that no loss overflows.
    return (q.log() + step_size * loss).softmax(-1)


@dataclass(frozen=True)
class GroupDRO(WeightedObjective):
    """Weighted sum of the groups' mean losses, the weights following the larger losses.

    The groups are the batch's ``group``, or the classes where it has none.

    Parameters
    ----------
    step_size : float, default=0.01
        eta_q, at least 0; at 0 the weights stay equal: group-balanced ERM.
    adjustment : float, default=0.0
        C: the smaller a group, the more its loss counts as larger than it is, by ``C / sqrt(n_g)``.
    balanced : bool, default=False
        Draw each epoch so that every group comes equally often (n draws with replacement).
    """

    step_size: float = 0.01
    adjustment: float = 0.0
    balanced: bool = static(False)
    divides = True

    def init(self, nets: Nets, data: Data) -> State:
        """Begin with equal weights."""
        dtype = next(iter(nets["model"].parameters.values())).dtype
        size = (data.y if data.group is None else data.group).bincount().to(dtype)
        return {"q": torch.full_like(size, 1 / len(size)), "size": size}

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Draw n rows, each group with the same probability, if ``balanced``."""
        return (
            balanced_rows(data.y if data.group is None else data.group, generator)
            if self.balanced
            else None
        )

    def weigh(self, loss: Mapping[str, Tensor], batch: Batch, state: State) -> Weights:
        """Ascend in q; share the q of each group among its samples."""
        group = batch.y if batch.group is None else batch.group
        own, count = group_losses(loss["model"], group, len(state["q"]))
        adjusted = own + self.adjustment * state["size"].rsqrt()
        # An absent group has the loss 0: its weight moves by the normalisation only.
        q = reweighted(state["q"], torch.where(count > 0, adjusted, 0.0), self.step_size)
        # Times b: the loss is a mean over the batch.
        weight = (q / count.clamp(min=1))[group] * len(group)
        return Weights({"model": weight}, {**state, "q": q}, {"largest_group_weight": q.max()})
