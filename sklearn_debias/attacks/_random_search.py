"""A search of the ball that sees no gradient.

It tells a robust network from one that hides its gradients.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.attacks._ascend import within
from sklearn_debias.attacks._attack_losses import margin_loss
from sklearn_debias.attacks._stepwise import (
    Look,
    Network,
    State,
    StepwiseAttack,
    codes_of,
    read_count,
)
from sklearn_debias.attacks._threat import Threat


@dataclass(frozen=True)
class RandomSearch(StepwiseAttack):
    """Try random changes of the perturbation, keep those that raise the margin; needs no gradient.

    A change redraws some coordinates: half of them at the first step, one at the last. Under Linf
    they go to the faces of the ball; under L2 they are normal, and the whole is projected.

    Parameters
    ----------
    n_steps : int, default=200
        Changes to try, at least 1.
    restarts : int, default=1
        Times an evaluation tries each sample that was not fooled before.

    Notes
    -----
    Weak beside a gradient, and made to be: where it fools what PGD does not, the gradients do not
    show the way.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.attacks import RandomSearch, Threat
    >>> x, y = torch.zeros(1, 2), torch.tensor([0])
    >>> net = lambda x: torch.stack([0.5 - x.sum(1), x.sum(1)], 1)
    >>> RandomSearch(n_steps=20).attack(net, x, y, Threat(0.5))
    tensor([[0.5000, 0.5000]])
    """

    n_steps: int = 200
    restarts: int = 1

    def __post_init__(self) -> None:
        read_count(self, "n_steps")
        read_count(self, "restarts")

    def begin(self, x: Tensor, threat: Threat, keys: Tensor) -> State:
        """Return the best perturbation, its margin and class, a first proposal, keys and steps."""
        state = {
            "delta": torch.zeros_like(x),
            "margin": x.new_full((len(x),), -torch.inf),
            "fooled": torch.zeros(len(x), dtype=torch.bool, device=x.device),
            "codes": torch.zeros(len(x), dtype=torch.int64, device=x.device),
            "keys": keys.to(x.device),
            "t": torch.zeros(len(x), dtype=torch.int64, device=x.device),
        }
        return {**state, "proposal": self._propose(x, threat, state)}

    @torch.no_grad()
    def step(self, net: Network, x: Tensor, y: Tensor, threat: Threat, state: State) -> Look:
        """Look at the proposal, keep it where it is better, and make the next."""
        logits = net(x + state["proposal"])
        margin = margin_loss(logits, y)
        codes, undefined = codes_of(logits, y)
        fools = codes != y
        # Where logits tie, a point may miss the class at no larger a margin.
        better = (margin > state["margin"]) | (fools & ~state["fooled"])
        kept = {
            "delta": torch.where(_wide(better, x), state["proposal"], state["delta"]),
            "margin": torch.where(better, margin, state["margin"]),
            "fooled": state["fooled"] | fools,
            "codes": torch.where(better, codes, state["codes"]),
            "keys": state["keys"],
            "t": state["t"] + 1,
        }
        after = {**kept, "proposal": self._propose(x, threat, kept)}
        flat = torch.zeros_like(fools)
        over = state["t"] >= self.n_steps
        point = x + kept["delta"]
        return Look(after, point, kept["codes"], kept["fooled"], over, flat, None, undefined)

    def _propose(self, x: Tensor, threat: Threat, state: State) -> Tensor:
        """Return the best perturbation with a share of its coordinates redrawn."""
        d = x[0].numel()
        share = (0.5 * (1 - state["t"].cpu().float() / self.n_steps)).clamp(min=1 / d)
        # A generator for each row and step, on the CPU: no row depends on others or on the device.
        seeds = (state["keys"] + state["t"]).tolist()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        u = torch.stack(
            [torch.rand(d, generator=g, device="cpu", dtype=torch.float32) for g in generators]
        )
        share = share[:, None]
        # One number says which and what: where u < share, u / share is uniform again.
        touched = u < share
        value = (u / share).clamp(1e-6, 1 - 1e-6)  # ndtri is infinite at 0 and 1
        if threat.norm == "linf":
            fresh = (1 - 2 * (value < 0.5).float()) * threat.epsilon
        else:
            fresh = torch.special.ndtri(value) * (2 * threat.epsilon / d**0.5)
        touched = touched.to(x.device).view_as(x)
        fresh = fresh.to(x).view_as(x)
        proposal = torch.where(touched, fresh, state["delta"])
        return within(x, threat.whole.project(proposal), threat.clip)


def _wide(rows: Tensor, x: Tensor) -> Tensor:
    """Return ``rows`` (b,) with as many axes as ``x``."""
    return rows.view(-1, *[1] * (x.ndim - 1))
