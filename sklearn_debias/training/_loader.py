"""Torch's DataLoader, for those who ask for it by `iterator_train__*`."""

import multiprocessing
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sklearn_debias.training._blame import blamed
from sklearn_debias.training._sources import Source


class _Raw(Dataset):
    """A source as a map-style dataset that is fetched a batch at a time."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Fetch a whole batch: a DataLoader prefers this to item by item."""
        return torch.as_tensor(index), self.source.take(np.asarray(index))


def _as_fetched(batch: Any) -> Any:
    """Return a batch as it is: the DataLoader has nothing left to collate."""
    return batch


def make_loader(
    source: Source, batches: list[Tensor], seed: int, given: Mapping[str, Any]
) -> DataLoader:
    """Return a loader of the rows ``batches``, a list that may change between epochs.

    ``seed`` is that of the workers, ``given`` are the user's options.
    """
    options: dict[str, Any] = {k: v for k, v in given.items() if k not in ("shuffle", "drop_last")}
    if options.get("num_workers"):
        options = {**_workers_here(), **options}
    fixed: dict[str, Any] = {
        "batch_sampler": batches,
        "collate_fn": _as_fetched,
        "generator": torch.Generator().manual_seed(seed),
    }
    with blamed("net_params", "Its iterator_train__* are arguments of torch's DataLoader."):
        return DataLoader(_Raw(source), **fixed, **options)


def _workers_here() -> dict[str, Any]:
    """Return what a DataLoader needs to start workers from this process; raise if it cannot."""
    if multiprocessing.current_process().daemon:
        raise ValueError(
            "`net_params` must not set iterator_train__num_workers here: this process is itself a "
            "worker, which may not start others. Use 0 of them, n_jobs=1, or joblib's loky."
        )
    # Of joblib's own kind, loky's, a DataLoader cannot start any.
    loky = multiprocessing.get_start_method(allow_none=True) == "loky"
    return {"multiprocessing_context": multiprocessing.get_all_start_methods()[0]} if loky else {}
