"""Linear layers and softmaxes of stacked members, computed in the order that suits them."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class ClassesFirst(TorchFunctionMode):
    """Within it, linear layers multiply from the left and softmaxes run over the first axis: (k, b), not (b, k).

    Under vmap a batch shared by all members then meets their weights in ONE matrix product, (S k,
    d) by (d, b); the usual order would copy the batch per member and multiply S times. A softmax
    over a few classes is vectorised over samples, and rows are looked up by the kernel that copies
    whole ones. The results are the same up to rounding.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute ``func``, rearranged where it is one of those that gain."""
        own = _REARRANGED.get(func)
        out = NotImplemented if own is None else own(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if out is NotImplemented else out


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if x.ndim != 2:
        return NotImplemented
    out = weight @ x.mT
    return (out if bias is None else out + bias[:, None]).mT


def _cross_entropy(
    logits: Tensor, y: Tensor, weight: Tensor | None = None, **others: Any
) -> Tensor:
    default = {
        "size_average": None,
        "ignore_index": -100,
        "reduce": None,
        "label_smoothing": 0.0,
        "reduction": "none",
    }
    if (
        logits.ndim != 2
        or y.ndim != 1
        or weight is not None
        or {**default, "reduction": "mean", **others} != default
    ):
        return NotImplemented
    return -F.log_softmax(logits.mT, 0).gather(0, y[None])[0]


def _argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    return x.max(-1).indices if x.ndim == 2 and dim == -1 and not keepdim else NotImplemented


def _item(x: Tensor, index: Any) -> Tensor:
    by_number = (
        isinstance(index, Tensor) and index.dtype == torch.int64 and index.ndim == 1 and x.ndim == 1
    )
    return x.index_select(0, index) if by_number else NotImplemented


def _softmax(x: Tensor, dim: int | None = None, **others: Any) -> Tensor:
    return x.mT.softmax(0).mT if x.ndim == 2 and dim == -1 and not others else NotImplemented


def _log_softmax(x: Tensor, dim: int | None = None, **others: Any) -> Tensor:
    return x.mT.log_softmax(0).mT if x.ndim == 2 and dim == -1 and not others else NotImplemented


_REARRANGED: dict[Any, Any] = {
    F.linear: _linear,
    F.cross_entropy: _cross_entropy,
    Tensor.__getitem__: _item,
    Tensor.argmax: _argmax,
    Tensor.softmax: _softmax,
    torch.softmax: _softmax,
    Tensor.log_softmax: _log_softmax,
}
