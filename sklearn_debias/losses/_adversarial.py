"""Losses of adversarial training, one value per sample unless said."""

import torch
from torch import Tensor

TINY = 1e-12  # background logits of zeros have the projection 0, not 0 / 0
MART_MARGIN = 1e-4  # keeps the logarithm of the boosted cross entropy finite


def kl_divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """Return ``KL(softmax(reference) || softmax(logits))`` of logits (b, k); (b,), at least 0.

    Computed in float32 or better, whatever the precision of the logits.

    Examples
    --------
    >>> import torch
    >>> kl_divergence(torch.zeros(1, 2), torch.tensor([[0.0, 2.0]])).round(decimals=4)
    tensor([0.4338])
    """
    log_p = _full(reference).log_softmax(-1)
    log_q = _full(logits).log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def boosted_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return MART's BCE [1]_, ``-log p_y - log(1.0001 - max_{k != y} p_k)``; shape (b,).

    Of logits (b, k) at the classes ``y`` (b,).

    References
    ----------
    .. [1] Wang et al., "Improving Adversarial Robustness Requires Revisiting Misclassified
       Examples", ICLR 2020.

    Examples
    --------
    >>> import torch
    >>> boosted_cross_entropy(torch.zeros(1, 2), torch.tensor([0])).round(decimals=3)
    tensor([1.3860])
    """
    log_p = _full(logits).log_softmax(-1)
    own = y[:, None]
    rival = log_p.scatter(-1, own, float("-inf")).amax(-1).exp()
    return -log_p.gather(-1, own).squeeze(-1) - (1 + MART_MARGIN - rival).log()


def background_residual(logits: Tensor, background: Tensor, p: float = 2.0) -> Tensor:
    """Return the p-norm of the logits without their projection on the background's; shape (b,).

    The paper's reading of DHAT's foreground logit orthogonal enhancement [1]_: each sample's logits
    are projected on the direction of its own background logits. Both are (b, k).

    References
    ----------
    .. [1] Zhang, Weng, Li, Luo, "Towards Adversarial Robustness via Debiased High-Confidence Logit
       Alignment", ICCV 2025, arXiv 2408.06079.

    Examples
    --------
    >>> import torch
    >>> background_residual(torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0]]))
    tensor([4.])
    """
    logits = _full(logits)
    background = _full(background)
    squared = background.square().sum(-1, keepdim=True)
    along = (logits * background).sum(-1, keepdim=True) / (squared + TINY)
    return _row_norms(logits - along * background, p)


def batch_background_residual(logits: Tensor, background: Tensor) -> Tensor:
    """Return the Frobenius norm of what is left of the batch's logits (b, k), divided by b.

    As DHAT's authors code it: ``||Z - (Z B^T / ||B B^T||_F) B||_F / b`` with the background's
    logits B, a scalar. For a batch of one it is `background_residual`.

    Examples
    --------
    >>> import torch
    >>> batch_background_residual(torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0]]))
    tensor(4.)
    """
    logits = _full(logits)
    background = _full(background)
    # Autocast would take the products in half precision, whatever `_full` has made.
    with torch.autocast(logits.device.type, enabled=False):
        size = (background @ background.T).norm()
        share = logits @ background.T / size.clamp(min=TINY)
        return (logits - share @ background).norm() / len(logits)


def _row_norms(x: Tensor, p: float) -> Tensor:
    """Return the p-norm of each row, of rows that are 1 at most: 40 ** 30 is no float32."""
    largest = x.detach().abs().amax(-1)
    scale = torch.where(largest > 0, largest, 1)
    return scale * torch.linalg.vector_norm(x / scale[..., None], p, dim=-1)


def _full(logits: Tensor) -> Tensor:
    """Return the logits in float32 at least."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
