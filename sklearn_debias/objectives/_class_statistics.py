"""The classes' streaming feature covariances in an objective's state, and what is made of them.

Shared by ISDA, MetaSAug and Meta-IADA. State: ``count`` (k,), ``mean`` (k, d), ``covariance`` (k,
d, d) or (k, d); ``visits`` and ``n`` count samples seen and samples of an epoch.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from sklearn_debias.core import Net, State
from sklearn_debias.losses import no_statistics, update_statistics

FULL_UP_TO = 512  # features


def in_full(compute: Callable) -> Callable:
    """Run a function of tensors without autocast: spreads are small differences of large numbers."""

    @wraps(compute)
    def run(*args: Any) -> Any:
        device = next(value for value in args if isinstance(value, Tensor)).device
        with torch.autocast(device.type, enabled=False):
            return compute(*args)

    return run


def head_weight(net: Net) -> Tensor:
    """Weights (k, d) of the linear head."""
    return net.parameters["head.weight"]


def begin_statistics(net: Net, diagonal: bool | None) -> State:
    """State of the streaming covariances before the first batch."""
    weight = head_weight(net)
    diagonal = weight.shape[1] > FULL_UP_TO if diagonal is None else diagonal
    names = ("count", "mean", "covariance")
    return dict(
        zip(
            names,
            no_statistics(*weight.shape, diagonal=diagonal, like=weight.detach()),
            strict=True,
        )
    )


@in_full
def with_batch(state: State, features: Tensor, y: Tensor) -> State:
    """The state with one batch more in the covariances."""
    known = state["count"], state["mean"], state["covariance"]
    statistics = update_statistics(known, features.detach().to(known[1].dtype), y)
    return {**state, **dict(zip(("count", "mean", "covariance"), statistics, strict=True))}


def share_done(state: State, like: Tensor, done: int, epochs: int) -> Tensor:
    """``t / T``: the share of all epochs that has passed, in [0, 1)."""
    return (done + state["visits"] // state["n"]).to(like.dtype) / epochs


def floored(rho: Tensor) -> Tensor:
    """Terms that an indefinite covariance made negative as 0; the others, 0 too, keep their gradient."""
    return torch.where(rho < 0, 0, rho)


def descended(covariance: Tensor, gradient: Tensor, lr: float | Tensor) -> Tensor:
    """One step of SGD on the covariances, kept symmetric."""
    return covariance - lr * (gradient if gradient.ndim == 2 else 0.5 * (gradient + gradient.mT))


def draws(covariance: Tensor, y: Tensor, copies: int, generator: torch.Generator | None) -> Tensor:
    """``copies`` draws from N(0, covariance of the class) for each sample, (copies, b, d)."""
    d = covariance.shape[1]
    noise = torch.randn(
        copies, len(y), d, dtype=covariance.dtype, device=covariance.device, generator=generator
    )
    if covariance.ndim == 2:
        return noise * covariance.clamp(min=0).sqrt()[y]
    value, vector = torch.linalg.eigh(covariance)
    # The symmetric root does not depend on the choice of eigenvectors; what is rounding is 0, not
    # its root.
    least = d * torch.finfo(value.dtype).eps * value.abs().amax(1, keepdim=True)
    value = torch.where(value > least, value, 0)
    root = (vector * value.sqrt()[:, None, :]) @ vector.mT
    return (root[y] @ noise[..., None]).squeeze(-1)
