"""Rows of an epoch, drawn group by group; and weights by which groups count alike."""

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_copies: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def on_host(values: Tensor) -> Tensor:
    """Return ``values`` on the CPU, copied once while they live: each copy waits for the device."""
    if values.device.type == "cpu":
        return values
    version, copied = _copies.get(values, (None, values))
    if version != values._version:
        copied = values.cpu()
        _copies[values] = values._version, copied
    return copied


def balanced_rows(group: Tensor, generator: torch.Generator) -> Tensor:
    """Draw n rows with replacement, every group of ``group`` (n,) with the same probability."""
    # On the CPU, where the generators of rows are: any device then draws the same.
    group = on_host(group)
    probability = 1.0 / group.bincount()[group].double()
    return torch.multinomial(probability, len(group), replacement=True, generator=generator)


def even_weights(group: Tensor) -> Tensor:
    """Return how often draws that give every group the same share visit each row, relatively.

    Float64, of shape (n,) and mean 1; groups without rows have no share.
    """
    size = group.bincount()
    share = len(group) / ((size > 0).sum() * size.clamp(min=1).double())
    return share[group]


def weights_of_part(mask: Tensor) -> Tensor:
    """Return the weights of visits to the rows in ``mask`` (n,) alone: float64, mean 1."""
    part = mask.double()
    return part / part.mean()


def smallest_from_each(group: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many rows of every group as the smallest one has, without replacement; sorted."""
    group = on_host(group)
    size = group.bincount()
    smallest = size[size > 0].min()  # codes without rows are no group
    return (random_ranks(group, generator) < smallest).nonzero().squeeze(1)


def random_ranks(group: Tensor, generator: torch.Generator) -> Tensor:
    """Return the place of each row in a random order of its group, from 0; (n,), on the CPU."""
    group = on_host(group)
    shuffled = torch.randperm(len(group), generator=generator)
    # Sorted by group; the sort is stable, so that the order within a group stays the shuffled one.
    order = shuffled[group[shuffled].argsort(stable=True)]
    size = group.bincount()
    first = size.cumsum(0) - size
    rank = torch.arange(len(group)) - first[group[order]]
    return torch.empty_like(rank).scatter(0, order, rank)


def class_balance(y: Tensor, n_classes: int, dtype: torch.dtype) -> Tensor:
    """Return weights (b,) by which the sum of losses is the sum of the classes' mean losses."""
    # Not `bincount`, whose size depends on the data: a search trains many models at once.
    count = torch.zeros(n_classes, dtype=torch.long, device=y.device)
    count = count.index_add(0, y, torch.ones_like(y))
    return 1 / count[y].to(dtype)
