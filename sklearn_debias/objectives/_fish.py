"""Fish: gradient matching between environments.

Shi et al., "Gradient Matching for Domain Generalization", ICLR 2022; Algorithm 1.

===================  ==========================================
paper                here
===================  ==========================================
theta, theta~        parameters of ``nets["model"]``, their copy
alpha                ``inner_lr``
epsilon              learning rate / ``inner_lr``, see below
===================  ==========================================

    theta~ = theta;  for e in a random order:  theta~ <- theta~ - alpha grad L_e(theta~)
    theta <- theta + (epsilon / S) (theta~ - theta),     S environments in the batch

with epsilon divided by S as in the authors' code. An objective does not move parameters: it returns
a loss whose gradient is ``(theta - theta~) / (alpha S)``, the mean of the environments' gradients
along the inner path. SGD with the learning rate ``epsilon alpha`` then makes the step above; any
other optimiser gets a gradient of the usual size. In expectation over the orders the gradient is
that of the mean risk plus, to first order in alpha, one that raises the inner products of the
environments' gradients.

The inner steps are plain SGD without weight decay (the authors also run Adam there). Shapes must
not depend on the data: each inner step sees the whole batch, its rows weighted by their membership,
so that the cost is one pass per environment, and BatchNorm normalises by the whole batch.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import grad

from sklearn_debias.core import Batch, Data, Nets, Objective, State, Step
from sklearn_debias.losses import cross_entropy, environment_means, mean_over_present, membership
from sklearn_debias.objectives._erm import ERM
from sklearn_debias.objectives._lookahead import chained


@dataclass(frozen=True)
class Fish(Objective):
    """Step towards where one SGD step per environment leads.

    The environments are the batch's ``group``; without any it is ERM.

    Parameters
    ----------
    inner_lr : float, default=0.1
        alpha, at least 0; 0 is the mean of the environments' risks.
    """

    inner_lr: float = 0.1

    def init(self, nets: Nets, data: Data) -> State:
        """Return the codes of the environments."""
        if data.group is None:
            return {}
        return {"environments": torch.arange(data.n_groups, device=data.y.device)}

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Take inner steps in a random order of the environments; the loss is the risk before."""
        if batch.group is None:
            return ERM().step(nets, batch, state)
        net = nets["model"]
        x = batch.of("model")
        # The live net as it stands: this is the one pass that moves BatchNorm's running statistics.
        with torch.no_grad():
            loss = cross_entropy(net(x), batch.y)
        member = membership(batch.group, state["environments"], loss)
        order = torch.rand(member.shape[1], generator=batch.generator, device=x.device).argsort()
        # An environment that the batch lacks has weights of 0: its inner step goes nowhere.
        share = (member / member.sum(0).clamp(min=1))[:, order]
        parameters = net.trainable
        moved = start = {name: p.detach() for name, p in parameters.items()}
        total = {name: torch.zeros_like(p) for name, p in start.items()}

        def risk(own: dict[str, Tensor], weight: Tensor) -> Tensor:
            inner = replace(net, params={**net.parameters, **own})
            return weight @ cross_entropy(inner(x), batch.y)

        for weight in share.T:
            slope = grad(risk)(moved, weight)
            moved = {name: p - self.inner_lr * slope[name] for name, p in moved.items()}
            total = {name: t + slope[name] for name, t in total.items()}
        n_present = member.amax(0).sum()
        value = mean_over_present(environment_means(loss, member), member)
        # The sum of the slopes is (theta - theta~) / alpha, and is defined at alpha = 0, too.
        for name, p in parameters.items():
            value = chained(value, total[name] / n_present, p)
        return Step({"model": value}, state)
