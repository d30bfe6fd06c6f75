"""Heads in float64, kept from one prediction to the next.

A copy of a head takes several times as long as its forward pass of one row. It is kept beside the
head, not on the estimator: it is no part of a pickle, and goes when the head goes.
"""

import copy
import threading
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_debias.core.internal import is_altered
from sklearn_debias.fitting._probe import SMALL
from sklearn_debias.fitting._sure import SureClasses

HEAD_BATCH = 256  # rows of a predict batch of heads
SHORT = 4  # rows of a short one: with fewer, kernels for vectors sum in another order
# Those whose outputs depend on their tensors and plain attributes alone.
KNOWN = ("torch.nn.modules.", "sklearn_debias.")
OF_NUMPY = (torch.float32, torch.float64)

_kept: WeakKeyDictionary[nn.Module, "Twin"] = WeakKeyDictionary()
_lock = threading.Lock()


@dataclass(frozen=True)
class Twin:
    """A module in float64 and eval mode, and what it was made of.

    Parameters
    ----------
    module : nn.Module
    tensors : list of Tensor
        Copies of the tensors of the original.
    plain : list
        Its other attributes.
    short : dict of int to bool, default={}
        By number of threads: whether a short batch gives the same bits as a long one.
    sure : tuple of SureClasses, default=()
        Of a linear layer: the classes by float32, where that holds its weights, and by float64.
    """

    module: nn.Module
    tensors: list[Tensor] = field(default_factory=list)
    plain: list[Any] = field(default_factory=list)
    short: dict[int, bool] = field(default_factory=dict)
    sure: tuple[SureClasses, ...] = ()

    def batch_size(self, n: int, n_features: int) -> int:
        """Return the rows of a batch for n rows: one of two, which give the same bits."""
        if n > SHORT or not self.tensors:
            return HEAD_BATCH
        threads = torch.get_num_threads()
        if threads not in self.short:
            self.short[threads] = _same_in_short_batches(self.module, n_features)
        return SHORT if self.short[threads] else HEAD_BATCH


def twin_of(module: nn.Module) -> Twin:
    """Return a head in float64, made anew only where it has changed."""
    parts = list(module.modules())
    held = [t for part in parts for t in (*part._parameters.values(), *part._buffers.values())]
    tensors = [t for t in held if t is not None]
    if not _can_be_kept(parts, tensors):
        return Twin(_double(module))
    plain = [_plain(part) for part in parts]
    with _lock:
        kept = _kept.get(module)
    if kept is None or not _alike(kept.plain, plain) or not _equal(kept.tensors, tensors):
        double = _double(module)
        copies = [t.detach().clone() for t in tensors]
        sure = [SureClasses.of(double, np.dtype(dtype)) for dtype in ("float32", "float64")]
        kept = Twin(double, copies, plain, sure=tuple(s for s in sure if s is not None))
        with _lock:
            _kept[module] = kept
    return kept


def _double(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).cpu().double().eval()


def _can_be_kept(parts: list[nn.Module], tensors: list[Tensor]) -> bool:
    known = all(type(part).__module__.startswith(KNOWN) for part in parts)
    altered = any(map(is_altered, parts))
    return known and not altered and sum(t.numel() for t in tensors) < SMALL


def _plain(part: nn.Module) -> tuple[type, dict[str, Any]]:
    """Return the type of a module, and its attributes that are no tensors."""
    # Those of torch's own that begin with "_" hold tensors, modules and hooks.
    return type(part), {
        **{name: value for name, value in vars(part).items() if name[0] != "_"},
        "modules": list(part._modules),
    }


def _alike(mine: list, theirs: list) -> bool:
    """Return whether the attributes of two modules are equal, of arrays the very same ones."""
    try:
        return mine == theirs
    except (ValueError, RuntimeError):  # another array of several values: nobody knows
        return False


def _equal(mine: list[Tensor], theirs: list[Tensor]) -> bool:
    """Return whether all values are equal: a counter of writes misses those through `.data`."""
    return len(mine) == len(theirs) and all(map(_equal_values, mine, theirs))


def _equal_values(mine: Tensor, theirs: Tensor) -> bool:
    if (mine.dtype, mine.device, mine.shape) != (theirs.dtype, theirs.device, theirs.shape):
        return False
    if mine.device.type == "cpu" and mine.dtype in OF_NUMPY:
        # Five times as fast as torch.equal.
        return bool((mine.numpy() == theirs.detach().numpy()).all())
    return torch.equal(mine, theirs)


@torch.inference_mode()
def _same_in_short_batches(module: nn.Module, n_features: int) -> bool:
    """Return whether each row of a long batch gets the same bits in a short one."""
    # Which kernel runs depends on shapes, not on values. Libraries and processors differ in it.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(HEAD_BATCH, n_features, dtype=torch.float64, generator=generator)
    # Copies, which begin where new tensors do.
    short = [module(part.clone()) for part in x.split(SHORT)]
    return torch.equal(torch.cat(short), module(x))
