"""The losses that attacks raise. They do not vanish on a confident network."""

from collections.abc import Callable

import torch
from torch import Tensor


def confidence_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Return ``log sum_{k != y} exp z_k - z_y``, the cross entropy as an attack needs it; (b,).

    The cross entropy is ``log(1 + exp m)`` of this loss m, an increasing function: both have the
    same gradient direction in the input, per sample, and the attacks use no more of it. But where a
    network is sure of itself the gradient of the cross entropy underflows to zero, and this one
    does not.

    Parameters
    ----------
    logits : Tensor of shape (b, k), k >= 2
    y : Tensor of shape (b,), int64

    Examples
    --------
    >>> import torch
    >>> confidence_loss(torch.tensor([[0.0, 500.0]]), torch.tensor([1]))
    tensor([-500.])
    """
    own = logits.gather(1, y[:, None])
    return logits.scatter(1, y[:, None], -torch.inf).logsumexp(1) - own[:, 0]


def margin_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Return ``max_{k != y} z_k - z_y``, positive where the class is missed [1]_; shape (b,).

    Parameters
    ----------
    logits : Tensor of shape (b, k), k >= 2
    y : Tensor of shape (b,), int64

    References
    ----------
    .. [1] Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", S&P 2017: f_6
       of Sec. V.

    Examples
    --------
    >>> import torch
    >>> margin_loss(torch.tensor([[1.0, 4.0, 2.5]]), torch.tensor([1]))
    tensor([-1.5000])
    """
    own = logits.gather(1, y[:, None])
    return logits.scatter(1, y[:, None], -torch.inf).amax(1) - own[:, 0]


def dlr_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Return the margin over the gap of the largest and the third largest logit [1]_; (b,).

    It is the same at any scale of the logits.

    Parameters
    ----------
    logits : Tensor of shape (b, k), k >= 3
    y : Tensor of shape (b,), int64

    References
    ----------
    .. [1] Croce and Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of
       Diverse Parameter-Free Attacks", ICML 2020, Eq. 6.

    Examples
    --------
    >>> import torch
    >>> dlr_loss(torch.tensor([[1.0, 4.0, 2.5]]), torch.tensor([1]))
    tensor([-0.5000])
    """
    top = logits.topk(3, dim=1).values
    gap = top[:, 0] - top[:, 2]
    # Where the three are equal the margin itself shows the way.
    return margin_loss(logits, y) / torch.where(gap > 0, gap, 1.0)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ce": confidence_loss,
    "margin": margin_loss,
    "dlr": dlr_loss,
}
FEWEST_CLASSES = {"ce": 2, "margin": 2, "dlr": 3}
