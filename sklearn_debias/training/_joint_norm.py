"""BatchNorm by the statistics of a batch that several processes share."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sklearn_debias.training._ranks import Ranks


class JointNorm(TorchFunctionMode):
    """A context in which batches are normalised by the rows of all processes.

    torch's SyncBatchNorm would do it on CUDA only, and in other modules than the user's.

    Parameters
    ----------
    ranks : Ranks
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run a function of torch; `batch_norm` in train mode is ours."""
        given = kwargs or {}
        if func is F.batch_norm:
            names = ("x", "mean", "var", "weight", "bias", "training", "momentum", "eps")
            given = dict(zip(names, args, strict=False)) | {
                {"input": "x", "running_mean": "mean", "running_var": "var"}.get(name, name): value
                for name, value in given.items()
            }
            if given.get("training"):
                return joint_batch_norm(self.ranks, **given)
        return func(*args, **(kwargs or {}))


def joint_batch_norm(
    ranks: Ranks,
    x: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return what `torch.nn.functional.batch_norm` returns for the own rows of the joint batch.

    ``mean`` and ``var``, the running statistics, are moved in place.
    """
    own = ranks.counts[ranks.rank]
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    over = [0, *range(2, x.ndim)]
    shape = (1, -1, *[1] * (x.ndim - 2))
    n = sum(ranks.counts) * (x.numel() // (x.shape[0] * x.shape[1]))
    # Twice over the rows, as squares less the square of the mean would lose digits.
    centre = ranks.total(wide[:own].sum(over)) / n
    centred = wide - centre.view(shape)
    spread = ranks.total(centred[:own].square().sum(over)) / n
    if mean is not None:
        mean.lerp_(centre.detach().to(mean.dtype), momentum)
    if var is not None:
        var.lerp_((spread.detach() * (n / max(n - 1, 1))).to(var.dtype), momentum)
    out = centred * (spread + eps).rsqrt().view(shape)
    if weight is not None:
        out = out * weight.view(shape)
    if bias is not None:
        out = out + bias.view(shape)
    return out.to(x.dtype)
