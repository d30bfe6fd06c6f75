"""Cross entropies of logits with the classes first, and their gradients."""

import torch
from torch import Tensor


def log_probabilities(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-probabilities (k, b) of logits (k, b), and the cross entropies (b,)."""
    log_p = logits.log_softmax(0)
    return log_p, -log_p.gather(0, y[None])[0]


def residual(log_p: Tensor, loss: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the gradient by the logits of the mean of weight times cross entropy; (k, b).

    It is ``weight (p - e_y) / b``; ``log_p`` (k, b) and ``loss`` (b,) are `log_probabilities`.
    """
    error = log_p.exp().scatter(0, y[None], torch.expm1(-loss)[None])
    # In this order: a weight of 1 changes no bit.
    mean = error / len(y)
    return mean if weight is None else mean * weight.to(mean.dtype)
