"""Which rows go into which batch of an epoch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Order:
    """Row numbers of the batches; each iteration is one epoch.

    Parameters
    ----------
    visits : callable
        ``visits()`` gives the row numbers of one epoch.
    batch_size : int
    generator : torch.Generator
        Stream of the shuffles.
    shuffle, drop_last : bool
    merge_single : bool
        Add a last batch of one row to the one before it: BatchNorm cannot train on one row.
    """

    visits: Callable[[], Tensor]
    batch_size: int
    generator: torch.Generator
    shuffle: bool = True
    drop_last: bool = False
    merge_single: bool = False

    def __iter__(self) -> Iterator[Tensor]:
        visited = self.visits()
        if self.shuffle:
            visited = visited[torch.randperm(len(visited), generator=self.generator)]
        batches = list(visited.split(self.batch_size))
        if self.drop_last and len(batches[-1]) < self.batch_size:
            batches.pop()
        elif self.merge_single and len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return iter(batches)
