"""Batches that several processes share: each prepares its own rows."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from sklearn_debias.core import Batch
from sklearn_debias.training._feed import Epochs
from sklearn_debias.training._ranks import Ranks


class SharedEpochs(Epochs):
    """Iterate once per epoch over the own rows of each batch; columns are those of all its rows.

    Augmentations draw for all rows of a batch, so that those of a row are the same on any number of
    processes. They see all rows, too: a function may do anything.

    Parameters
    ----------
    ranks : Ranks
    feed, order, augment, attack
        See `Epochs`.
    """

    def __init__(self, ranks: Ranks, *args: Any) -> None:
        super().__init__(*args)
        self.ranks = ranks
        self.whole: list[Tensor] = []

    def _draw(self) -> None:
        self.whole = list(self.order)
        self.batches[:] = self.whole
        if self.feed.augment is None:
            self.batches[:] = [rows[self.ranks.divide(len(rows))] for rows in self.whole]

    def __iter__(self) -> Iterator[Batch]:
        columns = self.feed.on_device
        device = self.feed.prepare.device
        for number, (there, raw) in enumerate(self._raw()):
            index = self.whole[number].to(device, non_blocking=True)
            share = self.ranks.divide(len(index))
            x = self.feed.prepare(raw)
            x, inputs = self.feed.augmented(x, self.feed.views(there), self.augment)
            if self.feed.augment is not None:
                x = x[share]
                inputs = {name: view[share] for name, view in inputs.items()}
            yield Batch(
                x,
                index=index,
                generator=self.attack,
                inputs=inputs,
                share=share,
                **{k: v.index_select(0, index) for k, v in columns.items()},  # type: ignore[arg-type]
            )
