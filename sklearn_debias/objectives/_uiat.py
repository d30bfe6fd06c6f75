"""UIAT: adversarial training towards inverse adversaries.

Dong et al., "The Enemy of My Enemy is My Friend: Exploring Inverse Adversaries for Improving
Adversarial Training", CVPR 2023. An inverse adversary is an input nearby that is easier than the
sample itself.

===========  =====================================================================
paper        here
===========  =====================================================================
x^           ``views["adversarial"]``: argmax of the cross entropy
x~           ``views["inverse"]``: argmin of `inverse_loss`
lambda       ``lam``
===========  =====================================================================
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from sklearn_debias.core import Batch, Net, Nets
from sklearn_debias.losses import cross_entropy, kl_divergence
from sklearn_debias.objectives._inner_attack import InnerAttack, Views, accuracy, is_live, is_off


def inverse_loss(
    net: Net, clean: Tensor, adversarial: Tensor, y: Tensor
) -> Callable[[Tensor], Tensor]:
    """Return the loss that the inverse adversary minimises, a function of x~ with values (b,).

    It is CE(x~) + KL(p(x) || p(x~)) - KL(p(x^) || p(x~)). ``clean`` and ``adversarial`` are the
    logits of x and of x^, which count as given.
    """

    def loss(x: Tensor) -> Tensor:
        logits = net(x)
        return (
            cross_entropy(logits, y)
            + kl_divergence(clean, logits)
            - kl_divergence(adversarial, logits)
        )

    return loss


@dataclass(frozen=True)
class InverseAttack(InnerAttack):
    """An inner attack that also looks for inverse adversaries.

    Parameters
    ----------
    inverse_epsilon : float, default=4/255
        Radius of the inverse adversary.
    epsilon, step_size, n_steps, norm, clip, attack_mode, awp
        See `InnerAttack`.
    """

    inverse_epsilon: float = 4 / 255

    def inverse(self, net: Net, batch: Batch, adversarial: Tensor, *, live: bool = False) -> Tensor:
        """Find the inverse adversaries of a batch."""
        clean = net(batch.x).detach()
        adverse = net(adversarial).detach()
        loss = inverse_loss(net, clean, adverse, batch.y)
        return self.search(lambda x: -loss(x), batch, radius=self.inverse_epsilon, live=live)


@dataclass(frozen=True)
class UIAT(InverseAttack):
    """Adversarial cross entropy, plus the divergence from the predictions of inverse adversaries.

    Parameters
    ----------
    lam : float, default=1.0
        Weight of the divergence; 0 is PGD-AT.
    inverse_epsilon, epsilon, step_size, n_steps, norm, clip, attack_mode, awp
        See `InverseAttack`.
    """

    lam: float = 1.0

    def views(self, nets: Nets, batch: Batch) -> Views:
        """Find adversaries and inverse adversaries."""
        net = self.attacked(nets)
        live = is_live(nets)
        found = self.adversary(net, batch, live=live)
        if is_off(self.lam):
            return {"adversarial": found}
        return {"adversarial": found, "inverse": self.inverse(net, batch, found, live=live)}

    def loss(self, net: Net, views: Views, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return CE(x^) + lam KL(p(x~) || p(x^)), means over the batch."""
        logits = net(views["adversarial"])
        total = cross_entropy(logits, y).mean()
        terms = {"adversarial_accuracy": accuracy(logits, y)}
        if "inverse" in views:
            terms["divergence"] = kl_divergence(net(views["inverse"]), logits).mean()
            total = total + self.lam * terms["divergence"]
        return total, terms
