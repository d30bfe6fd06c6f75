"""Batches of the training data, resident on the device or through a DataLoader."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sklearn_debias.core import Batch, Data
from sklearn_debias.training._loader import make_loader
from sklearn_debias.training._order import Order
from sklearn_debias.training._prepare import Prepare
from sklearn_debias.training._sources import Source

READ_AT_ONCE = 256  # rows, at least, where all are read in order
SAME = ""  # stands for all roles that see the rows as they are


@dataclass
class Feed:
    """The training rows and how they become batches.

    Parameters
    ----------
    source : Source
    columns : mapping of str to Tensor of shape (n,)
        "y", and where given "weight" and "group".
    prepare : Prepare
    batch_size : int
    augment : callable, default=None
        ``augment(x, generator)`` on the device.
    merge_single : bool
    loader : mapping, default={}
        DataLoader arguments; any of them selects the DataLoader.
    others : mapping of str to Source, default={}
        The same rows as the roles see them that do not take ``source``.
    meta : Feed, default=None
        The meta set: a batch of it goes with each batch.
    aligned : frozenset of str
        Those of ``others`` that are images of the same size and are augmented with the rows.
    examples : dict of str to Tensor
        Prepared inputs of the first two rows, as far as they are known: by role, or `SAME`.
    """

    source: Source
    columns: Mapping[str, Tensor]
    prepare: Prepare
    batch_size: int
    augment: Callable | None = None
    merge_single: bool = False
    loader: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Source] = field(default_factory=dict)
    meta: "Feed | None" = None
    aligned: frozenset[str] = frozenset()
    examples: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def on_device(self) -> dict[str, Tensor]:
        """The columns, on the device."""
        device = self.prepare.device
        return {k: v.to(device, non_blocking=True) for k, v in self.columns.items()}

    @cached_property
    def resident(self) -> Tensor | None:
        """All inputs on the device, raw, or None where they are read batch by batch."""
        # uint8 stays uint8: images take a quarter of the room.
        return None if self.loader else self._resident(self.source)

    @cached_property
    def others_resident(self) -> dict[str, Tensor | None]:
        """The inputs of single roles on the device, as `resident`."""
        return {role: self._resident(source) for role, source in self.others.items()}

    def _resident(self, source: Source) -> Tensor | None:
        """Put a source on the device if it is in memory."""
        if not source.resident():
            return None
        return source.take(np.arange(len(self))).to(self.prepare.device, non_blocking=True)

    def order(self, visits: Callable[[], Tensor], generator: torch.Generator) -> Order:
        """Return the order of one phase's batches."""
        return Order(
            visits,
            self.batch_size,
            generator,
            self.loader.get("shuffle", True),
            self.loader.get("drop_last", False),
            self.merge_single,
        )

    def batches(
        self,
        order: Order,
        augment: torch.Generator,
        attack: torch.Generator,
        meta: tuple[torch.Generator, torch.Generator] | None = None,
    ) -> "Epochs":
        """Return the batches of one phase; each iteration is one epoch.

        ``meta`` holds the streams of the meta set's order and augmentation.
        """
        ahead = self.meta.endless(*meta) if self.meta is not None and meta is not None else None
        return Epochs(self, order, augment, attack, ahead)

    def endless(self, order: torch.Generator, augment: torch.Generator) -> "Endless":
        """Return batches without end; their streams are those of the order and augmentation."""
        return Endless(self, order, augment)

    def data(self, n_classes: int, n_groups: int) -> Data:
        """Return the training set as objectives see it."""
        return Data(
            self.on_device["y"],
            n_classes,
            self.inputs,
            group=self.on_device.get("group"),
            n_groups=n_groups,
            weight=self.on_device.get("weight"),
        )

    def inputs(self, role: str) -> Iterator[Tensor]:
        """Yield prepared inputs of a role in row order, not augmented."""
        if role in self.others:
            source, resident = self.others[role], self.others_resident[role]
        else:
            source, resident = self.source, self.resident
        for index in torch.arange(len(self)).split(max(self.batch_size, READ_AT_ONCE)):
            yield self._fetch(source, resident, index.to(self.prepare.device, non_blocking=True))

    def example(self, role: str) -> Tensor:
        """Return the prepared inputs of the first two rows of a role; they are read once."""
        view = role if role in self.others else SAME
        if view not in self.examples:
            source = self.others.get(role, self.source)
            self.examples[view] = self.prepare(source.take(np.arange(min(2, len(self)))))
        return self.examples[view]

    def views(self, index: Tensor) -> dict[str, Tensor]:
        """Return the prepared inputs of the roles in ``others``; ``index`` lies on the device."""
        return {
            role: self._fetch(source, self.others_resident[role], index)
            for role, source in self.others.items()
        }

    def take(self, index: Tensor) -> Batch:
        """Return prepared rows by number, not augmented; ``index`` lies on the device."""
        columns: dict[str, Any] = {
            name: column.index_select(0, index) for name, column in self.on_device.items()
        }
        return Batch(
            self._fetch(self.source, self.resident, index),
            index=index,
            inputs=self.views(index),
            **columns,
        )

    def augmented(
        self, x: Tensor, views: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Augment the rows, and what is aligned with them, under the same draws."""
        if self.augment is None:
            return x, views
        together = {name: view for name, view in views.items() if name in self.aligned}
        # As further channels of one image, which the augmentation moves as a whole.
        whole = torch.cat([x, *together.values()], dim=1) if together else x
        whole = self.augment(whole, generator)
        channels = [x.shape[1], *(view.shape[1] for view in together.values())]
        own, *rest = whole.split(channels, dim=1)
        if together:
            # A slice of channels is not contiguous; give the rows the layout they had.
            is_last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
            last = is_last and not x.is_contiguous()
            layout = torch.channels_last if last else torch.contiguous_format
            own = own.contiguous(memory_format=layout)
        return own, {**views, **dict(zip(together, rest, strict=True))}

    def _fetch(self, source: Source, resident: Tensor | None, index: Tensor) -> Tensor:
        """Return prepared rows, from the device where they are there."""
        if resident is None:
            return self.prepare(source.take(index.cpu().numpy()))
        return self.prepare(resident.index_select(0, index))


class Endless:
    """Batches of a feed without end, all of one size.

    Rows that do not fill one are left out until the next shuffle.

    Attributes
    ----------
    left : Tensor
        Row numbers of the present shuffle that are still to come.
    """

    def __init__(self, feed: Feed, order: torch.Generator, augment: torch.Generator) -> None:
        self.feed = feed
        self.order = order
        self.augment = augment
        self.size = min(feed.batch_size, len(feed))
        self.left = torch.empty(0, dtype=torch.int64)

    def __iter__(self) -> "Endless":
        return self

    def __next__(self) -> Batch:
        feed = self.feed
        if len(self.left) < self.size:
            self.left = torch.randperm(len(feed), generator=self.order)
        index = self.left[: self.size]
        self.left = self.left[self.size :]
        batch = feed.take(index.to(feed.prepare.device, non_blocking=True))
        if feed.augment is None:
            return batch
        return replace(batch, x=feed.augment(batch.x, self.augment))


class Epochs:
    """Iterate once per epoch: a new order, new augmentations."""

    def __init__(
        self,
        feed: Feed,
        order: Order,
        augment: torch.Generator,
        attack: torch.Generator,
        meta: Endless | None = None,
    ) -> None:
        self.feed = feed
        self.order = order
        self.augment = augment
        self.attack = attack
        self.meta = meta
        # Of one epoch, drawn once: a loader with workers asks its sampler twice.
        self.batches: list[Tensor] = []
        self.loader: DataLoader | None = None
        if feed.loader:
            # The loader draws its workers' seeds. From the order's stream, or from torch's global
            # one, they would shift other numbers.
            seed = order.generator.initial_seed()
            self.loader = make_loader(feed.source, self.batches, seed, feed.loader)

    def __len__(self) -> int:
        """Return the number of rows: skorch takes this for its dataset."""
        return len(self.feed)

    def _draw(self) -> None:
        """Draw the batches of an epoch."""
        # In place: the loader holds this list as its sampler.
        self.batches[:] = self.order

    def _raw(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the row numbers of each batch, on the device, and the rows as they are stored."""
        self._draw()
        if self.loader is not None:
            for index, raw in self.loader:
                yield index.to(self.feed.prepare.device, non_blocking=True), raw
            return
        resident = self.feed.resident
        device = self.feed.prepare.device
        # One transfer for the numbers of all batches.
        numbers = torch.cat(self.batches).to(device, non_blocking=True)
        on_device = numbers.split([len(batch) for batch in self.batches])
        for index, there in zip(self.batches, on_device, strict=True):
            if resident is None:
                yield there, self.feed.source.take(index.numpy())
            else:
                yield there, resident.index_select(0, there)

    def __iter__(self) -> Iterator[Batch]:
        columns = self.feed.on_device
        for index, raw in self._raw():
            x = self.feed.prepare(raw)
            x, inputs = self.feed.augmented(x, self.feed.views(index), self.augment)
            yield Batch(
                x,
                index=index,
                generator=self.attack,
                inputs=inputs,
                meta=self.ahead(),
                **{k: v.index_select(0, index) for k, v in columns.items()},  # type: ignore[arg-type]
            )

    def taken(self) -> dict[str, Any]:
        """Return what no stream tells of how far the rows are, between two epochs."""
        loader = None if self.loader is None else self.loader.generator
        return {
            "meta": None if self.meta is None else self.meta.left,
            "loader": None if loader is None else loader.get_state(),
        }

    def put_back(self, taken: Mapping[str, Any]) -> None:
        """Go on from where `taken` was called."""
        if self.meta is not None:
            self.meta.left = taken["meta"]
        if self.loader is not None and self.loader.generator is not None:
            self.loader.generator.set_state(taken["loader"])

    def ahead(self) -> Batch | None:
        """Return the meta set's next batch, if there is a meta set."""
        return None if self.meta is None else next(self.meta)
