"""Meta-IADA: implicit adversarial data augmentation, its strategy learned on a meta set.

Zhou et al., "Boosting Model Resilience via Implicit Adversarial Data Augmentation", IJCAI 2024.

================  ==============================================  ========================
paper             here                                            shape
================  ==============================================  ========================
h, W, b           features and the linear head
epsilon_x         ``tanh`` of ``nets["perturber"]``               (b,), in (-1, 1)
delta             `perturbation` times ``reach``, there 1         (b, d)
Sigma_y           ``state["covariance"]``, streaming              (k, d, d) or (k, d)
rho_j             `spread`, floored at 0                          (b, k)
pi                ``state["prior"]``                              (k,)
1/pi, Eq. 5       `class_counts`, where asked for                 (b,)
L^IADA, Eq. 6     `IADA.loss`                                     (b,)
Eqs. 7, 8, 9      `LearnStrategy`, in a file of its own
Eq. 10            `IADA.step`
================  ==============================================  ========================

Eq. 6 bounds the expected cross entropy of features drawn from N(h + delta, alpha Sigma_y), with
1/pi_y times as many copies for a class (Eqs. 1 to 5). Its three terms act for robustness (delta),
generalisation (rho) and fairness among classes (log pi).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Net, Nets, Objective, State, Step, static
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives._characteristics import Samples, fifteen, members, standardized
from sklearn_debias.objectives._class_statistics import (
    begin_statistics,
    class_counts,
    draws,
    floored,
    head_weight,
    in_full,
    share_done,
    with_batch,
)
from sklearn_debias.objectives._inner_attack import is_live
from sklearn_debias.objectives._linear_lookahead import Augmented
from sklearn_debias.objectives._reach import reach_of_net
from sklearn_debias.objectives._seen_covariance import (
    Covariance,
    carried,
    seen,
    spread_of_samples,
)
from sklearn_debias.objectives._strategy_memory import begin_memory, remembered


def perturbation(logits: Tensor, y: Tensor, weight: Tensor, epsilon: Tensor | float) -> Tensor:
    """Return ``delta = epsilon sign(grad_h CE)``, with ``grad_h CE = W^T (p - 1_y)``; (b, d).

    Only epsilon has a gradient.
    """
    miss = logits.detach().softmax(1)
    direction = ((miss - members(y, miss)) @ weight.detach()).sign()
    # One strategy for each sample, or one number for all.
    if isinstance(epsilon, Tensor) and epsilon.ndim:
        epsilon = epsilon[:, None]
    return direction * epsilon


@dataclass(frozen=True)
class IADA(Objective):
    """The real step, Eq. 10.

    Parameters
    ----------
    alpha : float, default=0.5
        Weight of the covariances, at least 0 (G); 0 leaves them out.
    beta : float, default=1.0
        Weight of the log class proportions, at least 0 (F); 0 leaves them out.
    weigh : bool, default=False
        Let the class proportions weigh the losses, by `class_counts` (Eq. 5), not move the logits
        (Eq. 6).
    epsilon : float or None, default=None
        None asks the perturbation network; a number is the strategy of all samples (R), and 0.
        leaves it out.
    reach : float or None, default=1.0
        How far a strategy of 1 moves each feature, > 0. None is `reach_of` the features as the
        phase begins, for those that stay as they are.
    diagonal : bool or None, default=None
        Keep the covariances' diagonals only; None does so above 512 features.
    ramp : bool, default=False
        Let alpha grow in proportion to the epochs done, as ISDA does.
    copies : int, default=0
        Draw so many copies of each feature instead of bounding their expected loss: slow, for
        comparison.
    epochs, done : int
        T of the whole fit, and how many of these lie before this phase.
    characteristics : callable, default=fifteen
        ``characteristics(samples)``, (b, K).
    starts : bool, default=True
        Whether the state begins with this objective, not with one that runs before it in the phase.
    """

    requires = frozenset({"linear_head", "every_row"})

    alpha: float = 0.5
    beta: float = 1.0
    epsilon: float | None = None
    reach: float | None = 1.0
    diagonal: bool | None = static(None)
    ramp: bool = static(False)
    weigh: bool = static(False)
    copies: int = static(0)
    epochs: int = static(1)
    done: int = static(0)
    characteristics: Callable[[Samples], Tensor] = static(fifteen)  # noqa: RUF009
    starts: bool = static(True)

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """A learned strategy has a network of its own."""
        return ("model", "perturber") if self.epsilon is None else ("model",)

    def init(self, nets: Nets, data: Data) -> State:
        """Take class proportions and class means of the fit so far; no batch, no strategy yet."""
        if not self.starts:
            return {}
        logits = data.logits(nets, "model")
        K = 1 if self.epsilon is not None else _inputs_of(nets["perturber"])
        reach = {"reach": reach_of_net(nets["model"], data)} if self.reach is None else {}
        return {
            **reach,
            **begin_statistics(nets["model"], self.diagonal),
            **begin_memory(logits, data.y, self.epochs - self.done),
            "f_mean": logits.new_zeros(K),
            "f_variance": logits.new_ones(K),
        }

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the cross entropy of the augmented features.

        The strategy and the covariances count as given.
        """
        net = nets["model"]
        y = batch.y
        h, logits = outputs(net, batch.x)
        # A step that looked ahead has taken the batch in already.
        covariance = carried(batch.carry, head_weight(net), y)
        ahead = covariance is not None
        if covariance is None:
            state = with_batch(state, h, y, live=is_live(nets))
            covariance = self.seen(net, y, state)
        # Frozen: the step that looks ahead trains it, this one asks it.
        perturber = None if self.epsilon is not None else nets["perturber"].frozen()
        epsilon, _, state = self.strategy(perturber, net, h, logits, batch, state)
        weight = head_weight(net)
        own = self.augmented(weight, logits, y, epsilon, covariance, state)
        loss = self.expected(weight, own, y, state, batch.generator).mean()
        epsilon = epsilon.detach()
        state = remembered(state, logits.detach(), epsilon, batch)
        log = {"adversarial": (epsilon > 0).to(h.dtype).mean()}
        # Only a learned covariance may be indefinite; an estimate never is.
        if ahead and own.rho is not None:
            log["floored"] = _negative(own.rho)
        return Step({"model": loss}, state, log)

    def seen(self, net: Net, y: Tensor, state: State) -> Covariance:
        """Return the covariances as the loss needs them: as the head sees them, or to draw from."""
        covariance = state["covariance"]
        return covariance if self.copies else seen(covariance, head_weight(net), y)

    @in_full
    def strategy(
        self, perturber: Net | None, net: Net, h: Tensor, logits: Tensor, batch: Batch, state: State
    ) -> tuple[Tensor, Tensor | None, State]:
        """Return the strategies (b,), the characteristics they come from, and the state after.

        The characteristics are standardised; they are None where nothing is learned.
        """
        if self.epsilon is not None:
            return h.new_ones(len(h)) * self.epsilon, None, state
        assert perturber is not None
        # Those of the step that looked ahead: both strategies come from the same ones.
        f = batch.carry.get("characteristics")
        if f is None:
            weight = head_weight(net).detach()
            known = [state[name] for name in ("prior", "class_loss", "class_margin")]
            known += [state[name][batch.index] for name in ("epsilon", "epsilon_before")]
            f = self.characteristics(Samples(logits.detach(), h.detach(), batch.y, weight, *known))
            expected = len(h), len(state["f_mean"])
            if f.shape != expected:
                raise ValueError(
                    f"`characteristics` must return (b, K), here {expected}, got {tuple(f.shape)}: "
                    f"a row for each of the samples it is given."
                )
            f, running = standardized(f.to(h.dtype), state)
            state = {**state, **running}
        return perturber(f)[:, 0].tanh(), f, state

    @in_full
    def loss(
        self,
        net: Net,
        logits: Tensor,
        y: Tensor,
        epsilon: Tensor,
        covariance: Covariance,
        state: State,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return L^IADA of each sample, Eq. 6, shape (b,)."""
        weight = head_weight(net)
        own = self.augmented(weight, logits, y, epsilon, covariance, state)
        return self.expected(weight, own, y, state, generator)

    @in_full
    def expected(
        self,
        weight: Tensor,
        own: Augmented,
        y: Tensor,
        state: State,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the cross entropy of the augmented logits, or of copies drawn around them.

        It counts as much as ``own`` says.
        """
        loss = self._cross_entropy(weight, own, y, generator)
        return loss if own.counts is None else own.counts * loss

    def _cross_entropy(
        self, weight: Tensor, own: Augmented, y: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        if not self.copies or not is_on(self.alpha):
            return cross_entropy(own.logits, y)
        assert isinstance(own.covariance, Tensor)
        drawn = draws(own.alpha * own.covariance.detach(), y, self.copies, generator)
        return torch.stack([cross_entropy(own.logits + n @ weight.T, y) for n in drawn]).mean(0)

    def strength(self, state: State, like: Tensor) -> float | Tensor:
        """Return alpha, by now."""
        if not self.ramp:
            return self.alpha
        return self.alpha * share_done(state, like, self.done, self.epochs)

    @in_full
    def augmented(
        self,
        weight: Tensor,
        logits: Tensor,
        y: Tensor,
        epsilon: Tensor,
        covariance: Covariance,
        state: State,
    ) -> Augmented:
        """Return the logits with the three terms of Eq. 6, but not with copies that are drawn."""
        direction, raised, rho, counts = None, None, None, None
        if is_on(self.epsilon):
            reach = state["reach"] if self.reach is None else self.reach
            direction = perturbation(logits, y, weight, reach)
            raised = direction @ weight.T
            logits = logits + epsilon[:, None] * raised
        alpha = self.strength(state, weight)
        if is_on(self.beta) and self.weigh:
            counts = class_counts(state["prior"], y, self.beta)
        elif is_on(self.beta):
            # A class without rows has the proportion 0, and the logarithm -inf.
            prior = state["prior"].clamp(min=torch.finfo(weight.dtype).tiny)
            logits = logits + self.beta * prior.log()
        if is_on(self.alpha) and not self.copies:
            rho = spread_of_samples(weight, covariance, y)
            logits = logits + alpha * floored(rho)
        return Augmented(logits, covariance, alpha, rho, epsilon, direction, raised, counts)


def outputs(net: Net, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return features and logits, in the precision of the parameters."""
    h = net.body(x)
    return h.to(head_weight(net).dtype), net.head(h).to(head_weight(net).dtype)


def _negative(rho: Tensor) -> Tensor:
    """Return the share of the terms of Eq. 6 that an indefinite covariance made negative."""
    # The term of a sample's own class is 0, and is not counted.
    return (rho < 0).to(rho.dtype).sum(1).mean() / (rho.shape[1] - 1)


def _inputs_of(perturber: Net) -> int:
    """Return K, of a network that begins with a linear layer."""
    return next(iter(perturber.parameters.values())).shape[1]


def is_on(value: object) -> bool:
    """Return whether a term counts; a tensor of a sweep always does."""
    return isinstance(value, Tensor) or value != 0
