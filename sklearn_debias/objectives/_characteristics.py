"""What is known of each training sample: the inputs of Meta-IADA's perturbation network.

The paper names two of its fifteen characteristics, "sample loss and margin"; its list is not
public. The default here is the union of what the same authors' related methods use per sample,
exactly fifteen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_debias.losses import membership

EPS = 1e-5  # both as in torch's BatchNorm
MOMENTUM = 0.1


@dataclass(frozen=True)
class Samples:
    """Samples of a batch, as a function that characterises them sees them; all detached.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    features : Tensor of shape (b, d)
        Input of the head.
    y : Tensor of shape (b,), int64
    weight : Tensor of shape (k, d)
        The head's.
    prior : Tensor of shape (k,)
        Class proportions of the training rows.
    class_loss, class_margin : Tensor of shape (k,)
        Means over the training samples of each class in the last epoch; at first, of a pass in eval
        mode.
    epsilon, epsilon_before : Tensor of shape (b,)
        Strategies at the last visit and at the one before; 0 at first.
    """

    logits: Tensor
    features: Tensor
    y: Tensor
    weight: Tensor
    prior: Tensor
    class_loss: Tensor
    class_margin: Tensor
    epsilon: Tensor
    epsilon_before: Tensor


def members(y: Tensor, logits: Tensor) -> Tensor:
    """Return which class each sample has: 0 or 1, like the logits (b, k)."""
    return membership(y, torch.arange(logits.shape[1], device=y.device), logits)


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """Return ``p_y - max_{j != y} p_j``, shape (b,)."""
    return margin_of(logits.softmax(1), y)


def margin_of(p: Tensor, y: Tensor) -> Tensor:
    """Return the `margin` of probabilities (b, k)."""
    at = y[:, None]
    # Probabilities are at least 0: the own class, at -1, is never the largest.
    return p.gather(1, at).squeeze(1) - p.scatter(1, at, -1.0).amax(1)


def fifteen(s: Samples) -> Tensor:
    """Return the default characteristics, shape (b, 15).

    In order: loss; margin; ``||1_y - p||``; entropy; class proportion; the class's mean loss in the
    last epoch; cosine of features and the class's weights; norm of these weights; loss and margin
    minus the class's means; the last strategy, the one before and their difference; logit and
    probability of the class.
    """
    log_p = s.logits.log_softmax(1)
    p = log_p.exp()
    at = s.y[:, None]
    loss = -log_p.gather(1, at).squeeze(1)
    gap = margin_of(p, s.y)
    own = s.weight.index_select(0, s.y)
    p_y = p.gather(1, at).squeeze(1)
    # ||1_y - p||^2 expanded: rounding may leave it below 0.
    miss = (p.square().sum(1) - 2 * p_y + 1).clamp(min=0).sqrt()
    # Where p underflows to 0, log p may be -inf, and their product NaN instead of 0.
    entropy = -(p * log_p.clamp(min=torch.finfo(p.dtype).min)).sum(1)
    class_loss = s.class_loss[s.y]
    class_margin = s.class_margin[s.y]
    columns = [
        loss,
        gap,
        miss,
        entropy,
        s.prior[s.y],
        class_loss,
        F.cosine_similarity(s.features, own),
        own.norm(dim=1),
        loss - class_loss,
        gap - class_margin,
        s.epsilon,
        s.epsilon_before,
        s.epsilon - s.epsilon_before,
        s.logits.gather(1, at).squeeze(1),
        p_y,
    ]
    return torch.stack(columns, 1)


def standardized(f: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return ``f`` (b, K), each column standardised over the batch, and the running statistics.

    BatchNorm without its affine map, kept in the state. A batch of one sample is standardised by
    the running statistics.
    """
    mean, variance = state["f_mean"], state["f_variance"]
    if len(f) > 1:
        mean = f.mean(0)
        variance = f.var(0, unbiased=False)
        # BatchNorm divides by the biased variance, and remembers the unbiased one.
        unbiased = variance * (len(f) / (len(f) - 1))
        running = {
            "f_mean": torch.lerp(state["f_mean"], mean, MOMENTUM),
            "f_variance": torch.lerp(state["f_variance"], unbiased, MOMENTUM),
        }
    else:
        running = {}
    return (f - mean) / (variance + EPS).sqrt(), running
