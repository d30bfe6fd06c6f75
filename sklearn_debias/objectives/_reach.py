"""How far strategies of Meta-IADA reach where features stay as they are; ours, not the paper's."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from sklearn_debias.core import Data, Net
from sklearn_debias.objectives._class_statistics import head_weight

SHARE = 0.2  # of the spread


def reach_of(batches: Callable[[], Iterable[Tensor]]) -> Tensor:
    """Return a fifth of the spread of features, per column; a scalar.

    The spread is the median distance of a row from the mean row, over sqrt(d): 1 where columns are
    standardised. ``batches()`` yields the features (b, d), and is called twice: all of them at once
    may not fit into memory.
    """
    total: Tensor | float = 0.0
    n = 0
    for h in batches():
        total = total + h.sum(0)
        n += len(h)
    distance = torch.cat([(h - total / n).norm(dim=1) for h in batches()])
    return SHARE * distance.median() / h.shape[1] ** 0.5


def reach_of_net(net: Net, data: Data) -> Tensor:
    """Return `reach_of` the features of all rows, in eval mode and the precision of the head."""
    frozen = net.frozen()
    like = head_weight(net)
    with torch.no_grad():
        return reach_of(lambda: (frozen.body(x).to(like.dtype) for x in data.batches("model")))
