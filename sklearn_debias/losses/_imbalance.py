"""Losses for long-tailed classes, one value per sample, with their weights and margins."""

import torch
from torch import Tensor

from sklearn_debias.losses._classification import cross_entropy


def class_balanced_weights(count: Tensor, beta: float) -> Tensor:
    """Return the weights of the classes by their effective numbers of samples; float64, (k,).

    ``(1 - beta) / (1 - beta^n_y)``, scaled to sum to k, as in [1]_. At 0 every weight is 1; towards
    1, and at 1, they are proportional to ``1 / n_y``.

    Parameters
    ----------
    count : Tensor of shape (k,)
        Samples n_y of each class, at least 1.
    beta : float
        In [0, 1].

    References
    ----------
    .. [1] Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019; Sec.
       4.

    Examples
    --------
    >>> import torch
    >>> class_balanced_weights(torch.tensor([300, 100]), 1.0)
    tensor([0.5000, 1.5000], dtype=torch.float64)
    """
    n = count.double()
    if beta == 1:  # the limit: the quotient would be 0 / 0
        weight = 1 / n
    else:
        # 1 - beta^n, without the cancellation where beta is close to 1.
        effective = -torch.expm1(n * n.new_tensor(beta).log())
        weight = (1 - beta) / effective
    return weight * (len(n) / weight.sum())


def focal_loss(logits: Tensor, y: Tensor, gamma: float | Tensor) -> Tensor:
    """Return the cross entropy times ``(1 - p_y)^gamma``; shape (b,).

    Well-fitted samples count less. At ``gamma=0`` it is the cross entropy. Of [1]_, in its form for
    a softmax.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    y : Tensor of shape (b,), int64
    gamma : float or scalar Tensor
        At least 0.

    References
    ----------
    .. [1] Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; Eq. 4.

    Examples
    --------
    >>> import torch
    >>> logits, y = torch.zeros(1, 2), torch.tensor([0])
    >>> focal_loss(logits, y, 1.0) / cross_entropy(logits, y)
    tensor([0.5000])
    """
    loss = cross_entropy(logits, y)
    # At p_y = 1 the power has an infinite slope for gamma < 1, which would meet a loss of 0.
    missing = (-torch.expm1(-loss)).clamp(min=torch.finfo(loss.dtype).eps)
    return missing**gamma * loss


def ldam_margins(count: Tensor, max_margin: float | Tensor) -> Tensor:
    """Return the margins of the classes, proportional to ``n_y^(-1/4)``; shape (k,).

    The largest is ``max_margin``. Of [1]_, with the constant C as its authors' code sets it.

    Parameters
    ----------
    count : Tensor of shape (k,), floating point
        Samples n_y of each class, at least 1.
    max_margin : float or scalar Tensor
        At least 0.

    References
    ----------
    .. [1] Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
       NeurIPS 2019.

    Examples
    --------
    >>> import torch
    >>> ldam_margins(torch.tensor([1600.0, 100.0]), 0.5)
    tensor([0.2500, 0.5000])
    """
    return max_margin * (count / count.min()) ** -0.25


def ldam_loss(logits: Tensor, y: Tensor, margins: Tensor, scale: float | Tensor) -> Tensor:
    """Return the cross entropy where the true class has its margin to make up first; (b,).

    LDAM [1]_, for ``logits = scale * cosines``: the loss is ``CE(scale * (cosine - margin at y))``.
    Logits that are no cosines are taken as they are, and the margin is ``scale * margin_y`` in
    their units.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    y : Tensor of shape (b,), int64
    margins : Tensor of shape (k,)
        In units of the cosine.
    scale : float or scalar Tensor

    References
    ----------
    .. [1] Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
       NeurIPS 2019.

    Examples
    --------
    >>> import torch
    >>> logits, y = torch.tensor([[15.0, 0.0]]), torch.tensor([0])
    >>> loss = ldam_loss(logits, y, torch.tensor([0.5, 0.5]), 30.0)
    >>> bool(loss == cross_entropy(torch.zeros(1, 2), y))
    True
    """
    at_y = y[:, None] == torch.arange(logits.shape[-1], device=y.device)
    return cross_entropy(logits - scale * margins * at_y.to(logits.dtype), y)


def logit_adjusted_loss(logits: Tensor, y: Tensor, count: Tensor, tau: float | Tensor) -> Tensor:
    """Return the cross entropy of ``logits + tau log(pi)``, pi the classes' shares; shape (b,).

    The logits without the addition then predict under equal class shares. Eq. 10 of [1]_.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    y : Tensor of shape (b,), int64
    count : Tensor of shape (k,), floating point
        Samples of each class, at least 1.
    tau : float or scalar Tensor
        At 0 it is the cross entropy; 1 is consistent for the balanced error.

    References
    ----------
    .. [1] Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021.

    Examples
    --------
    >>> import torch
    >>> logits, y, count = torch.zeros(2, 2), torch.tensor([0, 1]), torch.tensor([30.0, 10.0])
    >>> logit_adjusted_loss(logits, y, count, 1.0).neg().exp()
    tensor([0.7500, 0.2500])
    """
    return cross_entropy(logits + tau * (count / count.sum()).log(), y)


def balanced_softmax_loss(logits: Tensor, y: Tensor, count: Tensor) -> Tensor:
    """Return the cross entropy of ``n_j exp(z_j) / sum_i n_i exp(z_i)``; shape (b,).

    Theorem 1 of [1]_; equal to the logit-adjusted loss at ``tau=1``, for ``log n`` and ``log pi``
    differ by a constant.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    y : Tensor of shape (b,), int64
    count : Tensor of shape (k,), floating point
        Samples n_j of each class, at least 1.

    References
    ----------
    .. [1] Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> logits, y, count = torch.zeros(2, 2), torch.tensor([0, 1]), torch.tensor([30.0, 10.0])
    >>> balanced_softmax_loss(logits, y, count).neg().exp()
    tensor([0.7500, 0.2500])
    """
    return cross_entropy(logits + count.log(), y)
