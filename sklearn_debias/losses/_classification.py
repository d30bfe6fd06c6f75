"""Losses of a classifier, one value per sample."""

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the cross entropy of logits (b, k) at the classes ``y`` (b,); shape (b,).

    Examples
    --------
    >>> import torch
    >>> cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3])).exp().round()
    tensor([4., 4.])
    """
    return F.cross_entropy(logits, y, reduction="none")


def true_probability(logits: Tensor, y: Tensor) -> Tensor:
    """Return the softmax probability of the classes ``y`` (b,) under logits (b, k); shape (b,)."""
    return logits.softmax(-1).gather(-1, y[:, None]).squeeze(-1)


def generalized_cross_entropy(
    logits: Tensor, y: Tensor, q: float | Tensor, *, factor: bool = True
) -> Tensor:
    """Return the cross entropy weighted by the detached ``p_y^q``; shape (b,).

    Its gradient is that of GCE.

    The generalised cross entropy ``(1 - p^q) / q`` [1]_ has the gradient ``p^q`` times that of the
    cross entropy. LfF's authors code ``q p^q CE`` with the weight detached [2]_, which is
    ``factor=True``; the gradient is then ``q`` times that of [1]_.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    y : Tensor of shape (b,), int64
    q : float or scalar Tensor
        In (0, 1]: how strongly well-fitted samples count; towards 0 it is the cross entropy.
    factor : bool, default=True
        Whether the weight carries the factor ``q``.

    References
    ----------
    .. [1] Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with
       Noisy Labels", NeurIPS 2018.
    .. [2] Nam et al., "Learning from Failure: Training Debiased Classifier from Biased Classifier",
       NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
    >>> y = torch.tensor([0, 0])
    >>> weight = generalized_cross_entropy(logits, y, 0.7) / cross_entropy(logits, y)
    >>> bool(weight[0] > weight[1])
    True
    """
    return gce_weight(logits, y, q, factor=factor) * cross_entropy(logits, y)


def gce_weight(logits: Tensor, y: Tensor, q: float | Tensor, *, factor: bool = True) -> Tensor:
    """Return the weight that turns CE into GCE, detached; shape (b,).

    It is ``q p_y^q``, or ``p_y^q`` without the factor.
    """
    weight = true_probability(logits, y).detach() ** q
    return q * weight if factor else weight


def gce_weight_of_loss(loss: Tensor, q: float | Tensor, *, factor: bool = True) -> Tensor:
    """Return what `gce_weight` does, of the cross entropies (b,) instead of the logits; (b,)."""
    # p = exp(-CE)
    weight = (-q * loss.detach()).exp()
    return q * weight if factor else weight
