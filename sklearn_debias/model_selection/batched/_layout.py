"""Linear layers and softmaxes of stacked members, computed in the order that suits them."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class ClassesFirst(TorchFunctionMode):
    """Put the classes first inside of it: logits are computed as (k, b), not (b, k).

    Linear layers multiply from the left. Under vmap a batch shared by all members then meets their
    weights in ONE matrix product, (S k, d) by (d, b); the usual order would copy the batch per
    member and multiply S times. Softmaxes run over the first axis: one over a few classes is
    vectorised over samples. Rows are looked up by the kernel that copies whole ones. The results
    are the same up to rounding.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute ``func``, rearranged where it is one of those that gain."""
        given = kwargs or {}
        own = _REARRANGED.get(func)
        out = NotImplemented if own is None else own(*args, **given)
        # Whatever is asked for in an unusual way stays torch's affair.
        return func(*args, **given) if out is NotImplemented else out


# Inside of vmap `ndim` counts the axes of a single member: those that vmap maps over are hidden.


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``F.linear`` of rows (b, d)."""
    if x.ndim != 2:
        return NotImplemented
    out = weight @ x.mT
    if bias is not None:
        out = out + bias[:, None]
    return out.mT


def _cross_entropy(
    logits: Tensor, y: Tensor, weight: Tensor | None = None, **others: Any
) -> Tensor:
    """Return the cross entropy of each row, where nothing but that is asked for."""
    if logits.ndim != 2 or y.ndim != 1 or weight is not None:
        return NotImplemented
    # A call that names no reduction asks for torch's own default, the mean.
    asked = {**_PER_SAMPLE, "reduction": "mean", **others}
    if asked != _PER_SAMPLE:
        return NotImplemented
    return -F.log_softmax(logits.mT, 0).gather(0, y[None])[0]


def _argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the arg-max of each row."""
    if x.ndim != 2 or dim != -1 or keepdim:
        return NotImplemented
    return x.max(-1).indices


def _item(x: Tensor, index: Any) -> Tensor:
    """Return the entries of a vector by their numbers."""
    # Not by a mask: what that selects has another length for each member.
    by_number = isinstance(index, Tensor) and index.dtype == torch.int64 and index.ndim == 1
    if not by_number or x.ndim != 1:
        return NotImplemented
    return x.index_select(0, index)


def _softmax(x: Tensor, dim: int | None = None, **others: Any) -> Tensor:
    """Return the softmax of each row."""
    if x.ndim != 2 or dim != -1 or others:
        return NotImplemented
    return x.mT.softmax(0).mT


def _log_softmax(x: Tensor, dim: int | None = None, **others: Any) -> Tensor:
    """Return the logarithms of the softmax of each row."""
    if x.ndim != 2 or dim != -1 or others:
        return NotImplemented
    return x.mT.log_softmax(0).mT


# Arguments of F.cross_entropy that ask for one loss per row, and for nothing else.
_PER_SAMPLE = {
    "size_average": None,
    "ignore_index": -100,
    "reduce": None,
    "label_smoothing": 0.0,
    "reduction": "none",
}

_REARRANGED: dict[Any, Any] = {
    F.linear: _linear,
    F.cross_entropy: _cross_entropy,
    Tensor.__getitem__: _item,
    Tensor.argmax: _argmax,
    Tensor.softmax: _softmax,
    torch.softmax: _softmax,
    Tensor.log_softmax: _log_softmax,
}
