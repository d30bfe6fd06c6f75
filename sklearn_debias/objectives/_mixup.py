"""MixUp, DomainMix and LISA: train on convex combinations of two samples.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Xu et al., "Adversarial Domain
Adaptation with Domain Mixup", AAAI 2020 (DomainMix: partners from other environments); Yao et al.,
"Improving Out-of-Distribution Robustness via Selective Augmentation", ICML 2022 (LISA), Algorithm
1.

==============  =====================================================
papers          here
==============  =====================================================
lambda          one per batch; one per row in LISA, as in its code
alpha           ``alpha`` of Beta(alpha, alpha)
p_sel           ``p_sel``: chance of a batch to be mixed within labels
d               ``batch.group``, the environment
==============  =====================================================

    x~ = lambda x_i + (1 - lambda) x_j,    L = lambda CE(f(x~), y_i) + (1 - lambda) CE(f(x~), y_j)

Every row has one partner j, drawn uniformly from the rows of the batch that qualify; a row with
none stays as it is. The authors of LISA draw both sides of a pair from loaders of one group each:
``balanced`` comes close.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Nets, Objective, State, Step, static
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives._sampling import balanced_rows, on_host

WITHOUT_GROUPS = {"domain": "any", "lisa": "label"}


def symmetric_beta(uniform: Tensor, alpha: float | Tensor) -> Tensor:
    """Return draws of Beta(alpha, alpha) from ``uniform`` (2, ...) in [0, 1); shape (...).

    Exact, with two uniforms a draw: ``T = sqrt(2a (u^(-1/a) - 1)) cos(2 pi v)`` has Student's t
    distribution with 2a degrees of freedom (Bailey 1994), and ``(1 + T / sqrt(2a + T^2)) / 2`` is
    Beta(a, a). Written with ``r = u^(1/a)``, so that nothing overflows for small a. ``alpha=0``
    gives 1: no mixing.
    """
    if isinstance(alpha, (int, float)) and alpha == 0:
        return torch.ones_like(uniform[0])
    r = uniform[0] ** (1 / alpha)
    cosine = (2 * torch.pi * uniform[1]).cos()
    scaled = cosine * ((1 - r) / (r + cosine.square() * (1 - r))).sqrt()
    # Rounding leads a little further than 1.
    drawn = (1 + scaled.clamp(-1, 1)) / 2
    return torch.where(alpha > 0, drawn, 1.0) if isinstance(alpha, Tensor) else drawn


def choose_partners(allowed: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Draw for each row a column of those that ``allowed`` (b, b) has; itself where it has none.

    ``uniform`` (b, b) holds draws from [0, 1). Returns the columns, int64, and whether there was
    any; (b,).
    """
    found = allowed.any(1)
    # The largest of independent uniform draws is any of them with the same chance.
    drawn = torch.where(allowed, uniform, -1.0).argmax(1)
    return torch.where(found, drawn, torch.arange(len(allowed), device=allowed.device)), found


@dataclass(frozen=True)
class MixUp(Objective):
    """Cross entropy of mixed inputs at both labels, each with the weight of its own row.

    Parameters
    ----------
    partners : {"any", "label", "domain", "lisa"}, default="any"
        Any row; another row of the same label; a row of another environment; or those of LISA: by a
        coin per batch the same label in another environment, or another label in the same
        environment. The environments are the batch's ``group``; without any, "domain" is "any" and
        "lisa" is "label".
    alpha : float, default=0.2
        Of Beta(alpha, alpha), at least 0; 0 is ERM, and draws as many random numbers as any other.
    p_sel : float, default=0.5
        Chance of the same label in "lisa", in [0, 1].
    balanced : bool, default=False
        Draw each epoch so that every (class, environment) comes equally often (n draws with
        replacement).
    """

    requires = frozenset({"input"})

    partners: str = static("any")
    alpha: float = 0.2
    p_sel: float = 0.5
    balanced: bool = static(False)

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Draw n rows, each (class, environment) with the same probability, if ``balanced``."""
        if not self.balanced:
            return None
        cell = on_host(data.y)
        if data.group is not None:
            cell = cell * data.n_groups + on_host(data.group)
        return balanced_rows(cell, generator)

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Mix each row with its partner."""
        x = batch.of("model")
        y = batch.y
        b = len(batch.y)
        kind = self.partners
        if batch.group is None:
            kind = WITHOUT_GROUPS.get(kind, kind)
        each = 1 if kind != "lisa" else b

        def draw(*shape: int) -> Tensor:
            return torch.rand(shape, generator=batch.generator, device=x.device, dtype=x.dtype)

        lam = symmetric_beta(draw(2, each), self.alpha)
        allowed = self._allowed(kind, batch, draw(1)[0] if kind == "lisa" else None)
        partner, found = choose_partners(allowed, draw(b, b))
        # A row without a partner is its own, and at lambda = 1 it stays as it is to the last bit.
        lam = torch.where(found, lam, 1.0)
        wide = lam.view(-1, *[1] * (x.ndim - 1))
        logits = nets["model"](wide * x + (1 - wide) * x[partner])
        first = lam * cross_entropy(logits, y)
        second = (1 - lam) * cross_entropy(logits, y[partner])
        if batch.weight is not None:
            first = batch.weight * first
            second = batch.weight[partner] * second
        loss = first + second
        return Step({"model": loss.mean()}, state, {"mixed": found.to(loss.dtype).mean()})

    def _allowed(self, kind: str, batch: Batch, coin: Tensor | None) -> Tensor:
        """Return which rows may be mixed with which, (b, b)."""
        same_label = batch.y[:, None] == batch.y
        if kind == "any":
            return torch.ones_like(same_label)
        if kind == "label" or batch.group is None:
            return same_label & ~torch.eye(len(batch.y), dtype=torch.bool, device=batch.y.device)
        same_domain = batch.group[:, None] == batch.group
        if kind == "domain" or coin is None:
            return ~same_domain
        return torch.where(coin < self.p_sel, same_label & ~same_domain, same_domain & ~same_label)
