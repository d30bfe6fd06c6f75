"""The virtual step of a linear head, and the meta gradient through it, in closed form.

The training loss is the mean cross entropy of ``u = W g + b + a rho_y + ...``: of features g,
and of a times the spread of the sample's class. With p the softmax of u, and way the gradient of
the meta loss times -lr, as in `_lookahead`:

* the loss has the gradient ``e = (p - 1_y) / n`` by u, so ``e^T g`` by W, and ``a e`` by rho;
* along the way u moves by ``t = way_W g + way_b + a rho'``, and e by ``c = p (t - p t^T) / n``;
* ``<grad L, way>``, whose gradients are asked for, thus has the gradient c by u, and e by t.

Of samples that count differently, e and c are times what each counts.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_debias.core import Net
from sklearn_debias.core.internal import linear_layer
from sklearn_debias.losses import cross_entropy, membership
from sklearn_debias.objectives._lookahead import Ahead
from sklearn_debias.objectives._seen_covariance import Covariance, argument, row_of
from sklearn_debias.objectives._spread_derivatives import along, by_covariance, by_weight


@dataclass(frozen=True)
class Augmented:
    """The logits of implicitly augmented features, and what they are made of.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    covariance : Covariance
    alpha : float or scalar Tensor
        Weight of the spread.
    rho : Tensor of shape (b, k) or None
        The spread of each sample's class, which counts where it is at least 0; None if it does not.
    epsilon : Tensor of shape (b,)
        The strategies.
    direction : Tensor of shape (b, d) or None
        Where the features move, times the strategies; None if they do not.
    raised : Tensor of shape (b, k) or None
        The logits of the direction, without bias.
    counts : Tensor of shape (b,) or None
        Weights of the samples' losses; None if all count alike.
    """

    logits: Tensor
    covariance: Covariance
    alpha: float | Tensor
    rho: Tensor | None
    epsilon: Tensor
    direction: Tensor | None
    raised: Tensor | None
    counts: Tensor | None = None


def knows_head(net: Net, x: Tensor) -> bool:
    """Return whether the step of a net is that of a linear head with weight and bias."""
    return linear_layer(net, x) is not None and set(net.trainable) == {"head.weight", "head.bias"}


@torch.no_grad()
def look_ahead_of_head(
    net: Net,
    features: Tensor,
    y: Tensor,
    own: Augmented,
    meta: tuple[Tensor, Tensor],
    lr: float | Tensor,
) -> Ahead:
    """Return what `look_ahead` does, by the covariances' `argument` and the strategies (b,).

    Parameters
    ----------
    net : Net
        From `view`; `knows_head`.
    features : Tensor of shape (b, d)
    y : Tensor of shape (b,), int64
    own : Augmented
        At the net's parameters.
    meta : (x, y)
        Features of the meta rows, and their classes.
    lr : float or scalar Tensor
    """
    weight = net.parameters["head.weight"]
    bias = net.parameters["head.bias"]
    p = own.logits.softmax(1)
    e = _counted(_miss(p, y), own)
    slope = _by_spread(own, e, y)
    step = e.mT @ features + by_weight(own.covariance, weight, slope)
    if own.direction is not None:
        step = step + (own.epsilon[:, None] * e).mT @ own.direction
    x, labels = meta
    moved = F.linear(x, weight - lr * step, bias - lr * e.sum(0))
    away = -lr * _miss(moved.softmax(1), labels)
    way = away.mT @ x
    t = F.linear(features, way, away.sum(0))
    if own.rho is not None:
        faster = along(own.covariance, weight, way)[row_of(own.covariance, y)]
        t = t + own.alpha * torch.where(own.rho < 0, 0, faster)
    across = None
    if own.direction is not None:
        across = own.direction @ way.mT
        t = t + own.epsilon[:, None] * across
    c = _counted(p * (t - (p * t).sum(1, keepdim=True)) / len(y), own)
    curve = _by_spread(own, c, y)
    gradients = [by_covariance(own.covariance, weight, way, curve, slope)]
    if across is not None and own.raised is not None:
        gradients.append((c * own.raised + e * across).sum(1))
    value = cross_entropy(moved, labels).mean()
    return Ahead(value, tuple(gradients), (slope,), {"head.weight": way, "head.bias": away.sum(0)})


def _miss(p: Tensor, y: Tensor) -> Tensor:
    """Return the gradient of the mean cross entropy by logits of the probabilities ``p``."""
    return (p - membership(y, torch.arange(p.shape[1], device=y.device), p)) / len(y)


def _counted(gradient: Tensor, own: Augmented) -> Tensor:
    """Return the gradient by logits (b, k) of losses that count as ``own`` says."""
    return gradient if own.counts is None else own.counts[:, None] * gradient


def _by_spread(own: Augmented, gradient: Tensor, y: Tensor) -> Tensor:
    """Return the gradient by the rows of the spread, given that by the logits (b, k)."""
    none = gradient.new_zeros(len(argument(own.covariance)), gradient.shape[1])
    if own.rho is None:
        return none
    each = own.alpha * torch.where(own.rho < 0, 0, gradient)
    return none.index_add(0, row_of(own.covariance, y), each)
