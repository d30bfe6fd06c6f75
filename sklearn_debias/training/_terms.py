"""What the steps of an epoch have logged, and its means."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

TOGETHER = 256  # batches whose terms are kept in one tensor


class EpochTerms:
    """The terms of an epoch, which stay on the device until it ends."""

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {}
        self._sizes: dict[str, list[int]] = {}

    def add(self, terms: Mapping[str, Tensor], size: int) -> None:
        """Note the scalars of a batch of so many rows."""
        for name, value in terms.items():
            values = self._values.setdefault(name, [])
            sizes = self._sizes.setdefault(name, [])
            values.append(value[None])
            sizes.append(size)
            # A small tensor of each batch would keep the room of large ones from being used
            # again: 2 GB in an epoch of ten million rows.
            if len(sizes) % TOGETHER == 0:
                values[:] = [torch.cat(values)]

    @property
    def n_rows(self) -> int:
        """Rows that the first of the terms has seen."""
        return sum(next(iter(self._sizes.values())))

    def means(self, watched: Sequence[Tensor]) -> tuple[dict[str, float], bool]:
        """Return the means over rows, in float64, and whether all that is watched is finite."""
        finite = torch.stack([torch.isfinite(t).all() for t in watched]).all()
        # One transfer for all terms; float64 on the CPU, since not every device has it.
        values = torch.cat([*(torch.cat(own) for own in self._values.values()), finite[None]])
        lengths = [len(sizes) for sizes in self._sizes.values()]
        *parts, there = values.cpu().double().split([*lengths, 1])
        means = {}
        for (name, sizes), own in zip(self._sizes.items(), parts, strict=True):
            weight = torch.tensor(sizes, dtype=torch.float64)
            means[name] = float(own @ (weight / weight.sum()))
        return means, bool(there)
