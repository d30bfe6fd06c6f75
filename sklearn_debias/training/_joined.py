"""Rows of several sources as those of one."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.core.internal import PADDING, TokenLimits
from sklearn_debias.training._pixels import as_seen, white
from sklearn_debias.training._sources import Source


class JoinedSource(Source):
    """Rows of several sources, one after another.

    Parameters
    ----------
    items : tuple of Source
        Whose rows have one shape. Where some are uint8 images and others floats, the former are
        scaled to [0, 1].
    """

    def __init__(self, items: tuple[Source, ...]) -> None:
        super().__init__(items)
        self.batches_at_once = items[0].batches_at_once
        self.first = np.cumsum([0, *map(len, items)])
        one = np.zeros(1, dtype=int)
        self.mixed = len({source.take(one).is_floating_point() for source in items}) > 1

    def __len__(self) -> int:
        return int(self.first[-1]) if self.index is None else len(self.index)

    def resident(self) -> bool:
        """Return whether all of them are in memory."""
        return all(source.resident() for source in self.items)

    def _take(self, index: np.ndarray) -> Tensor:
        owner = np.searchsorted(self.first, index, side="right") - 1
        parts = [self._of(i, index[owner == i] - self.first[i]) for i in np.unique(owner)]
        # The parts come source by source: the place of a row among them is its rank by source.
        back = np.argsort(np.argsort(owner, kind="stable"), kind="stable")
        alike = same_width([part.to(parts[0].dtype) for part in parts])
        return torch.cat(alike)[torch.from_numpy(back)]

    def groups(self, raw: Tensor) -> list[tuple[np.ndarray, Tensor]]:
        """Return rows by their shape, as the first source does."""
        return self.items[0].groups(raw)

    def limited(self, limits: TokenLimits) -> "Source":
        """Show the same rows, each source limited."""
        new = copy.copy(self)
        new.items = tuple(source.limited(limits) for source in self.items)
        return new

    def look(self) -> None:
        """Read all rows of tokens, each source by itself."""
        for source in self.parts():
            source.look()

    def parts(self) -> Iterator[Source]:
        """Yield the rows that are shown of each source."""
        index = np.arange(len(self)) if self.index is None else self.index
        for source, first in zip(self.items, self.first, strict=False):
            own = index - first
            yield source.subset(own[(own >= 0) & (own < len(source))])

    def _of(self, number: int, index: np.ndarray) -> Tensor:
        """Read rows of one of the sources, pixels scaled where the others are floats."""
        rows = self.items[number].take(index)
        return as_seen(rows, torch.float32) if self.mixed and white(rows) != 1 else rows


def same_width(parts: list[Tensor]) -> list[Tensor]:
    """Return rows of tokens in several parts, (b, columns, length) each, in one length."""
    if parts[0].ndim != 3:
        return parts
    width = max(part.shape[-1] for part in parts)
    return [of_width(part, width) for part in parts]


def of_width(rows: Tensor, width: int) -> Tensor:
    """Return rows of tokens (b, columns, length) cut or padded to a width."""
    short = rows[..., :width]
    if short.shape[-1] == width:
        return short.contiguous()
    out = rows.new_zeros((*rows.shape[:-1], width))
    out[:, 0] = PADDING
    out[..., : short.shape[-1]] = short
    return out
