"""Adversarial training: PGD-AT, TRADES, MART.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018 ("ce").
Zhang et al., "Theoretically Principled Trade-off between Robustness and Accuracy", ICML 2019
("trades"). Wang et al., "Improving Adversarial Robustness Requires Revisiting Misclassified
Examples", ICLR 2020 ("mart").

===========  =====================================================================
paper        here
===========  =====================================================================
x'           ``views["adversarial"]``
beta         ``beta``; MART's lambda
BCE          `boosted_cross_entropy`
===========  =====================================================================
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Net, Nets, static
from sklearn_debias.losses import (
    boosted_cross_entropy,
    cross_entropy,
    kl_divergence,
    true_probability,
)
from sklearn_debias.objectives._inner_attack import InnerAttack, Views, accuracy, is_live

START = 1e-3  # standard deviation of the start of TRADES and MART
MART_SHIFT = 1 + 1e-7  # from the authors' code: no sample's weight is 0


def trades_loss(clean: Tensor, adversarial: Tensor, y: Tensor, beta: float | Tensor) -> Tensor:
    """Return CE(x) + beta KL(p(x) || p(x')) of logits (b, k); shape (b,)."""
    return cross_entropy(clean, y) + beta * kl_divergence(clean, adversarial)


def mart_loss(clean: Tensor, adversarial: Tensor, y: Tensor, beta: float | Tensor) -> Tensor:
    """Return BCE(x') + beta KL(p(x) || p(x')) (1 - p_y(x)) of logits (b, k); shape (b,)."""
    missed = MART_SHIFT - true_probability(clean, y)
    return boosted_cross_entropy(adversarial, y) + beta * kl_divergence(clean, adversarial) * missed


@dataclass(frozen=True)
class AdversarialTraining(InnerAttack):
    """Train on adversarial inputs.

    The attack is PGD on the cross entropy; for "trades", on the divergence.

    Parameters
    ----------
    kind : {"ce", "trades", "mart"}, default="ce"
        The loss. "trades" and "mart" start next to x, the papers' way, "ce" anywhere in the ball.
    beta : float, default=6.0
        Weight of the divergence between clean and adversarial predictions.
    epsilon, step_size, n_steps, norm, clip, attack_mode, awp
        See `InnerAttack`.
    """

    kind: str = static("ce")
    beta: float = 6.0

    def views(self, nets: Nets, batch: Batch) -> Views:
        """Find adversarial inputs; add the clean ones where the loss compares the two."""
        net = self.attacked(nets)
        live = is_live(nets)
        if self.kind == "ce":
            return {"adversarial": self.adversary(net, batch, live=live)}
        # At x itself TRADES' divergence has no slope; MART's code starts next to it, too.
        start = START * torch.empty_like(batch.x).normal_(generator=batch.generator)
        if self.kind == "mart":
            found = self.adversary(net, batch, start=start, live=live)
        else:
            clean = net(batch.x).detach()
            found = self.search(
                lambda x: kl_divergence(clean, net(x)),
                batch,
                radius=self.epsilon,
                start=start,
                live=live,
            )
        return {"adversarial": found, "clean": batch.x}

    def loss(self, net: Net, views: Views, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss of the batch."""
        if self.kind == "ce":
            logits = net(views["adversarial"])
            return cross_entropy(logits, y).mean(), {"adversarial_accuracy": accuracy(logits, y)}
        clean = net(views["clean"])
        logits = net(views["adversarial"])
        each = trades_loss if self.kind == "trades" else mart_loss
        terms = {"accuracy": accuracy(clean, y), "adversarial_accuracy": accuracy(logits, y)}
        return each(clean, logits, y, self.beta).mean(), terms
