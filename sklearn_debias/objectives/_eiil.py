"""Environment inference for invariant learning: the environments that a reference model hurts most.

Creager, Jacobsen and Zemel, "Environment Inference for Invariant Learning", ICML 2021.

=======  ====================================================  =============
paper    here                                                  shape
=======  ====================================================  =============
Phi      the logits ``logits`` of a reference model            (n, k)
q_i      ``q``: how much a row is in the first environment     (n,), in [0, 1]
C^EI     `penalty`, with `row_gradient` per row                scalar
=======  ====================================================  =============

The penalty of an environment is IRM's: the squared derivative of its loss by a factor on the
logits, at 1. The loss is a mean over rows, so the derivative is the mean of `row_gradient` over
them, and C^EI is a function of these numbers d_i and of q alone.

It is convex in s = sum_i q_i d_i, as (s^2 + (D - s)^2) / n^2 with D = sum_i d_i, and s lies between
the sum of the negative d_i and that of the positive ones. So its maximum is at either end, with the
same value at both, and in closed form: one environment holds the rows with d_i > 0, whose loss
rises as the model grows more confident, the other those with d_i < 0. The paper and its code climb
there by Adam from random q.
"""

from torch import Tensor
from torch.nn.functional import one_hot


def row_gradient(logits: Tensor, y: Tensor) -> Tensor:
    """Return d_i = sum_c (p_ic - 1[c = y_i]) z_ic, shape (n,).

    It is the derivative of a row's cross entropy by a factor on its logits, at 1; a constant added
    to all logits of a row does not change it.
    """
    residual = logits.softmax(-1) - one_hot(y, logits.shape[-1])
    return (residual * logits).sum(-1)


def penalty(q: Tensor, gradient: Tensor) -> Tensor:
    """Return C^EI: the sum over both environments of the squared mean of q_i d_i."""
    return (q * gradient).mean() ** 2 + ((1 - q) * gradient).mean() ** 2


def best_environments(gradient: Tensor) -> Tensor:
    """Return which rows are in the environment that confidence hurts, at C^EI's maximum; (n,)."""
    return gradient > 0
