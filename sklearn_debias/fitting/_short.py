"""Short batches that give the same bits as a long one, so that few rows cost no more than few.

Kernels sum in an order that depends on shapes: where all batches have one shape, an image costs as
much as a full batch. Often a shorter batch gives the same bits. Which one does is tried, once for a
network, shape and number of threads.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from sklearn_debias.core import SplitModule
from sklearn_debias.core.internal import is_altered
from sklearn_debias.training import filled

PLAIN = (int, float, str, tuple, type(None))

_known: WeakKeyDictionary[nn.Module, "_Known"] = WeakKeyDictionary()
_lock = threading.Lock()


@dataclass(frozen=True)
class _Known:
    """What a module was when it was last asked, and by surroundings which sizes will do."""

    state: tuple
    will_do: dict[tuple, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class ShortBatches:
    """A network that predicts, in long batches or in short ones that give the same bits.

    Parameters
    ----------
    owner : nn.Module
        What the network is a twin of, or is itself; what is found out is kept beside it.
    network : callable
        Maps prepared rows (b, ...) to outputs (b, ...). A `SplitModule` runs its head in long
        batches at any rate: heads cost little, and their kernels differ first.
    long : int
        Rows of a long batch.
    """

    owner: nn.Module
    network: Callable[[Tensor], Tensor]
    long: int

    def __call__(self, x: Tensor) -> Tensor:
        """Return the outputs of a batch, long or short."""
        network = self.network
        # Exactly this: modules with a body and a head of their own may have another forward.
        if len(x) < self.long and type(network) is SplitModule:
            return network.head(filled(network.body(x), self.long))[: len(x)]
        return network(x)

    def size(self, x: Tensor) -> int:
        """Return to how many rows a batch of few prepared rows ``x`` is to be filled up."""
        state = _state(self.owner)
        if state is None:
            return self.long
        with _lock:
            known = _known.get(self.owner)
            if known is None or known.state != state:
                # Trying takes longer than a long batch: only for who asks a second time.
                _known[self.owner] = _Known(state)
                return self.long
        trial = _Trial(self, x)
        size = 1
        while size < self.long:
            if size >= len(x):
                key = (size, self.long, *_surroundings(x))
                if key not in known.will_do:
                    known.will_do[key] = trial.will_do(size)
                if known.will_do[key]:
                    return size
            size *= 2
        return self.long


class _Trial:
    """Rows like those that are asked for, and what a long batch makes of them."""

    def __init__(self, batches: ShortBatches, x: Tensor) -> None:
        self.batches = batches
        self.x = x
        self.rows: Tensor | None = None

    @torch.inference_mode()
    def will_do(self, size: int) -> bool:
        """Return whether each row of a long batch gets the same bits in a short one."""
        if self.rows is None:
            self.rows = _alike(self.x, self.batches.long)
            self.expected = self.batches(self.rows)
        # Where rows do not differ, sums may be of zeros, whose order nobody could tell.
        if not _differ(self.expected):
            return False
        short = zip(self.rows.split(size), self.expected.split(size), strict=True)
        return all(
            torch.equal(self.batches(filled(part, size))[: len(part)], expected)
            for part, expected in short
        )


def _alike(x: Tensor, n: int) -> Tensor:
    """Return n rows that are all different, each like one of ``x``."""
    # Which kernel runs depends on shapes. Values matter where they hide it, as zeros do: these are
    # in the range that the network knows.
    if x.ndim == 3:
        return _rolled(filled(x, n))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((n, *x.shape[1:]), generator=generator).to(x)
    spread = x.std()
    scale = torch.where(spread > 0, spread, torch.ones_like(spread))
    repeated = filled(x, n)
    return repeated.copy_(x[torch.arange(n, device=x.device) % len(x)] + 0.3 * scale * noise)


def _rolled(x: Tensor) -> Tensor:
    """Return rows of tokens (b, columns, length), each rolled by its number: ids are kept."""
    at = torch.arange(len(x), device=x.device)[:, None] + torch.arange(x.shape[2], device=x.device)
    at = (at % x.shape[2])[:, None].expand_as(x)
    return x.gather(2, at)


def _differ(outputs: Tensor) -> bool:
    return bool((outputs[1:] != outputs[:1]).flatten(1).any(1).all())


def _surroundings(x: Tensor) -> tuple:
    """Return what kernels are chosen by, beside the network."""
    return (
        tuple(x.shape[1:]),
        x.dtype,
        x.device,
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.backends.mkldnn.enabled,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
    )


def _state(module: nn.Module) -> tuple | None:
    """Return the structure of a module and how often it was written to; None where hooks watch.

    A forward that was put on a part counts as one.
    """
    found: list[Any] = []
    for part in module.modules():
        if is_altered(part):
            return None
        found.append(type(part))
        found += [(k, v) for k, v in vars(part).items() if k[0] != "_" and _is_plain(k, v)]
        for tensor in (*part._parameters.values(), *part._buffers.values()):
            if tensor is not None:
                version = -1 if tensor.is_inference() else tensor._version
                found.append((version, tensor.data_ptr(), tensor.dtype, tensor.shape))
    return tuple(found)


def _is_plain(name: str, value: Any) -> bool:
    return isinstance(value, PLAIN) and name != "training"
