"""The attack inside of a step, and adversarial weights: the base of adversarial training.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018; Wu et al.,
"Adversarial Weight Perturbation Helps Robust Generalization", NeurIPS 2020.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import grad

from sklearn_debias.attacks import Ball, ascend, make_ball
from sklearn_debias.attacks.internal import unit
from sklearn_debias.core import Batch, Net, Nets, Objective, State, Step, static
from sklearn_debias.losses import cross_entropy

Views = Mapping[str, Tensor]  # the inputs that a step's loss looks at, by name; detached


@dataclass(frozen=True)
class InnerAttack(Objective):
    """Train on what an attack on the current model finds: a subclass says what, and by which loss.

    Parameters
    ----------
    epsilon : float, default=8/255
        Radius of the attack, in the units of the input.
    step_size : float, default=2/255
    n_steps : int, default=10
    norm : {"linf", "l2"}, default="linf"
    clip : (low, high) or None, default=(0, 1)
        Valid range of the input.
    attack_mode : {"train", "eval"}, default="train"
        Mode of the model under attack: "train" normalises by the statistics of the attacked batch.
        Its running statistics are left alone either way.
    awp : float, default=0
        Size of the adversarial weight perturbation, relative to each layer's norm; 0 is none.
    """

    requires = frozenset({"input_gradient"})

    epsilon: float = 8 / 255
    step_size: float = 2 / 255
    n_steps: int = static(10)
    norm: str = static("linf")
    clip: tuple | None = static((0.0, 1.0))
    attack_mode: str = static("train")
    awp: float = 0.0

    def views(self, nets: Nets, batch: Batch) -> Views:
        """Find the inputs to train on."""
        raise NotImplementedError(f"{type(self).__name__} must define views(nets, batch).")

    def loss(self, net: Net, views: Views, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of the model on these inputs, a scalar, and terms for the history."""
        raise NotImplementedError(f"{type(self).__name__} must define loss(net, views, y).")

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Attack the model as it is, then take its loss on what was found.

        With AWP the loss is that at the worst weights nearby.
        """
        net = nets["model"]
        views = self.views(nets, batch)
        if not is_off(self.awp):
            delta = worst_weights(net, lambda at: self.loss(at, views, batch.y)[0], self.awp)
            # The gradient at the moved weights serves as that by the weights: nothing has to be put
            # back. This pass writes BatchNorm's statistics, as that of the unmoved net would.
            net = replace(net.moved(delta), statistics=net.params is None)
        total, terms = self.loss(net, views, batch.y)
        return Step({"model": total}, state, terms)

    def attacked(self, nets: Nets) -> Net:
        """Return the model as the attack sees it: without gradient by its parameters."""
        return nets["model"].frozen() if self.attack_mode == "eval" else nets["model"].detached()

    def ball(self, radius: float | Tensor) -> Ball:
        """Return the ball in which the inputs may lie."""
        return make_ball(self.norm, radius, self.step_size, self.n_steps)

    def search(
        self,
        loss: Callable[[Tensor], Tensor],
        batch: Batch,
        *,
        radius: float | Tensor,
        start: Tensor | None = None,
        live: bool = False,
    ) -> Tensor:
        """Find the inputs around ``batch.x`` where ``loss``, (b,), is largest.

        The start is uniform in the ball unless one is given. ``live``: see `ascend`.
        """
        ball = self.ball(radius)
        start = batch.drawn(ball.random) if start is None else start
        return ascend(
            loss, batch.x, ball=ball, n_steps=self.n_steps, start=start, clip=self.clip, live=live
        )

    def adversary(
        self, net: Net, batch: Batch, *, start: Tensor | None = None, live: bool = False
    ) -> Tensor:
        """Find adversarial inputs by PGD on the cross entropy."""
        return self.search(
            lambda x: cross_entropy(net(x), batch.y),
            batch,
            radius=self.epsilon,
            start=start,
            live=live,
        )


def is_live(nets: Nets) -> bool:
    """Return whether a step works on the model's own parameters, not inside of a vmapped run."""
    return nets["model"].params is None


def is_off(weight: float | Tensor) -> bool:
    """Return whether a weight is the number 0, so that what it weighs need not be computed."""
    return isinstance(weight, (int, float)) and weight == 0


def worst_weights(
    net: Net, loss: Callable[[Net], Tensor], gamma: float | Tensor
) -> dict[str, Tensor]:
    """Return what to take off each layer's weights to go up the loss (AWP, Eqs. 8-10).

    The way is ``gamma`` times the norm of the weights. Vectors (biases, the scales of norms) stay.
    The paper's one step of a proxy optimiser is this, since the direction is rescaled to the
    weights' norm.

    Returns
    -------
    dict of str to Tensor
        ``-gamma ||w|| g / ||g||`` by name, detached.
    """
    fixed = {name: p.detach() for name, p in net.parameters.items()}
    weights = {name: fixed[name] for name, p in net.trainable.items() if p.ndim > 1}

    def at(own: dict[str, Tensor]) -> Tensor:
        return loss(replace(net, params={**fixed, **own}))

    ascent = grad(at)(weights)
    return {n: -gamma * w.norm() * unit(ascent[n][None])[0].detach() for n, w in weights.items()}


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the share of rows whose largest logit is that of ``y``, detached; a scalar."""
    right = logits.detach().argmax(-1) == y
    # In half precision a share would be rounded to two or three digits.
    return right.to(torch.promote_types(logits.dtype, torch.float32)).mean()
