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
MOST_NUMBERS = 2**29  # of full covariances, or of their products with the weights: 2 GiB of float32


def in_full(compute: Callable) -> Callable:
    """Make a function of tensors run without autocast.

    Spreads are small differences of large numbers, which half precision would lose.
    """

    @wraps(compute)
    def run(*args: Any, **options: Any) -> Any:
        device = next(value for value in args if isinstance(value, Tensor)).device
        # To switch off what is off would cost more than small heads do.
        if not torch.is_autocast_enabled(device.type):
            return compute(*args, **options)
        with torch.autocast(device.type, enabled=False):
            return compute(*args, **options)

    return run


def head_weight(net: Net) -> Tensor:
    """Return the weights (k, d) of the linear head."""
    return net.parameters["head.weight"]


def begin_statistics(net: Net, diagonal: bool | None) -> State:
    """Return the state of the streaming covariances before the first batch."""
    weight = head_weight(net)
    if diagonal is None:
        diagonal = weight.shape[1] > FULL_UP_TO or numbers_in_full(*weight.shape) > MOST_NUMBERS
    statistics = no_statistics(*weight.shape, diagonal=diagonal, like=weight.detach())
    return dict(zip(("count", "mean", "covariance"), statistics, strict=True))


def numbers_in_full(n_classes: int, n_features: int) -> int:
    """Return how many numbers full covariances (k, d, d), or their spreads (k, d, k), have."""
    return n_classes * n_features * max(n_classes, n_features)


def stepped(net: Net, part: str) -> str:
    """Return the part that the virtual step moves; "auto" is all up to 512 features."""
    if part != "auto":
        return part
    return "head" if head_weight(net).shape[1] > FULL_UP_TO else "all"


@in_full
def with_batch(state: State, features: Tensor, y: Tensor, live: bool = False) -> State:
    """Return the state with one batch more in the covariances.

    ``live`` is whether the tensors are plain ones, not those of a vmapped run.
    """
    known = state["count"], state["mean"], state["covariance"]
    # To ask how many rows a class has would wait for another device.
    apart = live and y.device.type == "cpu"
    features = features.detach().to(known[1].dtype)
    statistics = update_statistics(known, features, y, by_class=apart)
    return {**state, **dict(zip(("count", "mean", "covariance"), statistics, strict=True))}


def share_done(state: State, like: Tensor, done: int, epochs: int) -> Tensor:
    """Return ``t / T``, the share of all epochs that has passed, in [0, 1)."""
    return (done + state["visits"] // state["n"]).to(like.dtype) / epochs


def floored(rho: Tensor) -> Tensor:
    """Return the terms with 0 for those that an indefinite covariance made negative.

    The others, 0 too, keep their gradient.
    """
    return torch.where(rho < 0, 0, rho)


def descended(covariance: Tensor, gradient: Tensor, lr: float | Tensor) -> Tensor:
    """Take one step of SGD on the covariances, and keep them symmetric."""
    if gradient.ndim == 3:
        gradient = 0.5 * (gradient + gradient.mT)
    return covariance - lr * gradient


def draws(covariance: Tensor, y: Tensor, copies: int, generator: torch.Generator | None) -> Tensor:
    """Draw ``copies`` times from N(0, covariance of the class) for each sample: (copies, b, d)."""
    d = covariance.shape[1]
    noise = torch.randn(
        copies, len(y), d, dtype=covariance.dtype, device=covariance.device, generator=generator
    )
    if covariance.ndim == 2:
        return noise * covariance.clamp(min=0).sqrt()[y]
    value, vector = torch.linalg.eigh(covariance)
    # The symmetric root does not depend on the choice of eigenvectors. An eigenvalue that is only
    # rounding counts as 0: its root would be far larger than it is.
    least = d * torch.finfo(value.dtype).eps * value.abs().amax(1, keepdim=True)
    value = torch.where(value > least, value, 0)
    root = (vector * value.sqrt()[:, None, :]) @ vector.mT
    return (root[y] @ noise[..., None]).squeeze(-1)


def class_counts(prior: Tensor, y: Tensor, beta: float | Tensor) -> Tensor:
    """Return how much each sample's loss counts, ``pi_y ** -beta`` over its mean; shape (b,).

    With ``beta`` 1 these are the 1/pi_y of Eq. 5. The mean is that of all training rows, and makes
    them 1 on average.

    Examples
    --------
    >>> class_counts(torch.tensor([0.75, 0.25]), torch.tensor([0, 1]), 1.0)
    tensor([0.6667, 2.0000])
    """
    present = prior > 0
    # A class without rows has no weight, and would have an infinite one.
    known = torch.where(present, prior, 1)
    mean = torch.where(present, known ** (1 - beta), 0).sum()
    return (known**-beta)[y] / mean
