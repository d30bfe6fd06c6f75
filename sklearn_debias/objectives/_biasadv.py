"""BiasAdv: bias-adversarial augmentation.

Lim et al., "BiasAdv: Bias-Adversarial Augmentation for Model Debiasing", CVPR 2023; Algorithms 1-3.

=================  ===================================================
paper              here
=================  ===================================================
f_theta            ``nets["model"]``, the debiased model
g_phi              ``nets["biased"]``, the biased auxiliary model
L, L_GCE           `cross_entropy`, `generalized_cross_entropy`
lambda             ``lam``
||epsilon||, S     ``epsilon``, ``n_steps``
beta               ``beta``
=================  ===================================================

No code was released. The paper leaves the norm, the step size, the random start and the clipping
open: see `sklearn_debias.BiasAdvClassifier` for the defaults and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sklearn_debias.attacks import Ball, ascend, make_ball
from sklearn_debias.core import Batch, Data, Net, Nets, Objective, State, Step, is_divided, static
from sklearn_debias.core.internal import (
    LinearNet,
    log_probabilities,
    residual,
    weighted_mean,
)
from sklearn_debias.losses import (
    cross_entropy,
    gce_weight_of_loss,
    generalized_cross_entropy,
    membership,
)
from sklearn_debias.objectives._erm import ERM
from sklearn_debias.objectives._inner_attack import is_live
from sklearn_debias.objectives._linear_attack import Attacked, attack_linear


def bias_adversarial_loss(
    model: Net, biased: Net, x: Tensor, y: Tensor, lam: float | Tensor
) -> Tensor:
    """Return what the attack maximises: L(x, y; phi) - lambda L(x, y; theta); (b,)."""
    return cross_entropy(biased(x), y) - lam * cross_entropy(model(x), y)


def bias_adversarial_slope(
    model: Tensor, biased: Tensor, y: Tensor, lam: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Return its gradient by the logits of the model, and of the biased net; (b, k) each.

    That of a cross entropy is p - 1_y.
    """
    own = membership(y, torch.arange(model.shape[1], device=y.device), model)
    return lam * (own - model.softmax(-1)), biased.softmax(-1) - own


@dataclass(frozen=True)
class BiasAdv(Objective):
    """Any base objective plus samples on which the biased net fails and the model need not.

    Parameters
    ----------
    base : Objective, default ERM()
        The debiasing objective that is augmented.
    lam : float, default=0.5
        How much the attack spares the model, at least 0.
    epsilon : float, default=0.3
        Radius of the attack, in the units of the input.
    beta : float, default=0.5
        Weight of the adversarial samples; 0 is the base.
    q : float, default=0.7
        Exponent of GCE, for a biased net that the base does not have.
    step_size : float, default=None
        None means 2.5 epsilon / n_steps, at most epsilon.
    n_steps, norm, random_start, clip
        See `sklearn_debias.attacks.ascend`.
    gce_factor : bool, default=True
        Whether that GCE carries the factor q, as in the code of LfF's authors.
    """

    base: Objective = field(default_factory=ERM)
    lam: float = 0.5
    epsilon: float = 0.3
    beta: float = 0.5
    q: float = 0.7
    step_size: float | None = None
    n_steps: int = static(5)
    norm: str = static("l2")
    random_start: bool = static(False)
    clip: tuple | None = static(None)
    gce_factor: bool = static(True)

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """The model, the biased net, and what else the base trains."""
        return tuple(dict.fromkeys(("model", "biased", *self.base.roles)))

    @property
    def requires(self) -> frozenset[str]:  # type: ignore[override]
        """A gradient by the input, and what the base needs."""
        return self.base.requires | {"input_gradient"}

    @property
    def divides(self) -> bool:  # type: ignore[override]
        """Whether the base does."""
        return is_divided(self.base)

    def init(self, nets: Nets, data: Data) -> State:
        """Return the state of the base."""
        return self.base.init(nets, data)

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Visit what the base visits."""
        return self.base.visits(data, state, generator)

    @property
    def ball(self) -> Ball:
        """The ball in which the adversarial samples lie."""
        return make_ball(self.norm, self.epsilon, self.step_size, self.n_steps)

    @property
    def idle(self) -> bool:
        """Whether no sample is attacked."""
        # Nothing is computed at beta = 0: a forward that is not used would still move BatchNorm.
        return isinstance(self.beta, (int, float)) and self.beta == 0

    def attack(self, nets: Nets, x: Tensor, y: Tensor, start: Tensor | None = None) -> Tensor:
        """Return bias-adversarial inputs at the current theta and phi, detached.

        Both nets are frozen, in eval mode.
        """
        return self._search(nets, x, y, start).inputs

    def _attacked(self, nets: Any, x: Tensor, y: Tensor, start: Tensor | None) -> Attacked:
        """Return what `attack` returns, which a subclass may have written anew."""
        if type(self).attack is BiasAdv.attack:
            return self._search(nets, x, y, start)
        return Attacked(self.attack(nets, x, y, start))

    def _search(self, nets: Any, x: Tensor, y: Tensor, start: Tensor | None = None) -> Attacked:
        """Search the inputs; between linear nets without writing them out."""
        model = nets["model"].frozen()
        biased = nets["biased"].frozen()
        options: dict[str, Any] = {
            "ball": self.ball,
            "n_steps": self.n_steps,
            "start": start,
            "clip": self.clip,
        }
        slope = partial(bias_adversarial_slope, y=y, lam=self.lam)
        found = attack_linear(slope, (model, biased), x, **options)
        if found is None:
            loss = partial(bias_adversarial_loss, model, biased, y=y, lam=self.lam)
            found = Attacked(ascend(loss, x, live=is_live(nets), **options))
        return found

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Add beta times the weighted loss of the adversarial samples to the losses of the base."""
        attacked = None
        if not self.idle:
            # Before the base's forward, which moves BatchNorm: the attack is on the nets as the
            # step finds them.
            start = batch.drawn(self.ball.random) if self.random_start else None
            attacked = self._attacked(nets, batch.x, batch.y, start)
        out = self.base.step(nets, batch, state)
        losses = dict(out.losses)
        log = {**out.log, "base": out.losses["model"]}
        if attacked is not None:
            # A forward of its own: with x in one batch, BatchNorm would mix the two.
            loss = cross_entropy(attacked.logits(nets["model"]), batch.y)
            weighted = loss if out.adversary_weight is None else out.adversary_weight * loss
            log["adversarial"] = weighted.mean()
            losses["model"] = losses["model"] + self.beta * log["adversarial"]
        if "biased" not in self.base.roles:
            biased = nets["biased"](batch.x)
            easy = generalized_cross_entropy(biased, batch.y, self.q, factor=self.gce_factor)
            losses["biased"] = easy.mean()
        return Step(losses, out.state, log)

    @property
    def closed(self) -> bool:
        """Whether the base has a closed form, and no subclass a step or an attack of its own."""
        own = type(self)
        as_here = own.step is BiasAdv.step and own.attack is BiasAdv.attack
        return as_here and self.base.closed

    @property
    def trained(self) -> tuple[str, ...]:
        """What the base trains, and a biased net that the base does not have."""
        own = () if "biased" in self.base.roles else ("biased",)
        return (*self.base.trained, *own)

    def closed_step(self, nets: Mapping[str, LinearNet], batch: Batch, state: State) -> Step:
        """Take the step of linear nets: the same losses, in the same order."""
        attacked = None
        if not self.idle:
            start = self.ball.random(batch.x, batch.generator) if self.random_start else None
            attacked = self._attacked(nets, batch.x, batch.y, start)
        out = self.base.closed_step(nets, batch, state)
        losses = dict(out.losses)
        log = {**out.log, "base": out.losses["model"]}
        if attacked is not None:
            log_p, loss = log_probabilities(attacked.closed_logits(nets["model"]), batch.y)
            log["adversarial"] = weighted_mean(loss, out.adversary_weight)
            losses["model"] = losses["model"] + self.beta * log["adversarial"]
            by_logits = residual(log_p, loss, batch.y, out.adversary_weight)
            attacked.pull(nets["model"], self.beta * by_logits)
        if "biased" not in self.base.roles:
            log_p, loss = log_probabilities(nets["biased"].logits(batch.x), batch.y)
            easy = gce_weight_of_loss(loss, self.q, factor=self.gce_factor)
            losses["biased"] = weighted_mean(loss, easy)
            nets["biased"].pull(residual(log_p, loss, batch.y, easy), batch.x)
        return Step(losses, out.state, log)
