"""What methods of two stages share: the split of the rows, the first stage, features held out.

The first stage is ERM on a part of the rows. The second trains the head on the others, whose
features the fixed body gives once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import ConvexLoss, Data, Net, Nets, Objective, State, static
from sklearn_debias.objectives._erm import ERM
from sklearn_debias.objectives._sampling import on_host, random_ranks, weights_of_part


def two_parts(y: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return which rows the first and the second stage train on; masks (n,), on the CPU.

    The second stage has ``share`` of each class. Both parts hold every class: of two rows or more
    at least one each, a single row is in both.
    """
    y = on_host(y)
    size = y.bincount()
    wanted = (share * size).round().long().clamp(min=1)
    wanted = wanted.minimum((size - 1).clamp(min=1))
    # A generator of the seed alone: each stage makes the split anew, and must find the same.
    ranks = random_ranks(y, torch.Generator().manual_seed(seed))
    second = ranks < wanted[y]
    return ~second | (size == 1)[y], second


def held_out_part(y: Tensor, share: float, seed: int) -> Tensor:
    """Return which rows the second stage trains on; a mask (n,), where ``y`` is."""
    return two_parts(y, share, seed)[1].to(y.device)


def features_of_part(frozen: Net, data: Data, role: str, mask: Tensor) -> Tensor:
    """Return the features (m, ...) of the rows in ``mask`` (n,) by the net of a role."""
    return torch.cat(list(_features(frozen, data, role, mask)))


def _features(frozen: Net, data: Data, role: str, mask: Tensor) -> Iterator[Tensor]:
    """Yield the features of the rows in ``mask``, batch by batch in row order."""
    start = 0
    for x in data.batches(role):
        inside = mask[start : start + len(x)]
        start += len(x)
        if inside.any():
            yield frozen.body(x[inside])


@dataclass(frozen=True)
class ERMOnPart(ERM):
    """The first stage: ERM on the rows that the second does not train on.

    Parameters
    ----------
    share : float, default=0.2
        Of each class's rows, left to the second stage.
    seed : int, default=0
        Of the split; the second stage must have the same.
    """

    share: float = static(0.2)
    seed: int = static(0)

    def init(self, nets: Nets, data: Data) -> State:
        """Split the rows."""
        first, _ = two_parts(data.y, self.share, self.seed)
        return {"first": first.to(data.y.device)}

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Visit each row of the first part once."""
        return on_host(state["first"]).nonzero().squeeze(1)

    def convex(self, data: Data, state: State) -> ConvexLoss | None:
        """Weigh the rows of the first part alike, and the others 0."""
        part = weights_of_part(state["first"])
        return ConvexLoss(part if data.weight is None else part * data.weight)


class FullBatch(Objective):
    """A second stage that takes one step per epoch, on all rows of its state."""

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Visit one row, for one step an epoch: the rows that count are in the state."""
        return torch.zeros(1, dtype=torch.int64)
