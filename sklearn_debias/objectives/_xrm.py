"""Cross-risk minimisation: two nets, each fitted to a half of the rows, judge each other's half.

Pezeshki et al., "Discovering Environments with XRM", ICML 2024.

===========  ==================================================  =========================
paper        here                                                shape
===========  ==================================================  =========================
f^a, f^b     ``nets["model"]``, ``nets["twin"]``                 logits (b, k)
m^a          ``state["mine"]``: rows that f^a is fitted to       (n,), bool
y~           ``state["label"]``: the labels, as flipped so far   (n,)
f^in, f^out  `held_in_and_out`                                   logits (b, k)
p^flip       `flip_probability`                                  (b,), in [0, 1]
cm           `cross_mistakes`                                    (b,), bool
===========  ==================================================  =========================

A row's label is flipped to what the net says that was not fitted to it, the more probably the
surer that net is. So what a net learns is told by the other one to be right where the shortcut
holds, and both come to depend on the shortcut alone. The loss is balanced over the classes of a
batch, as in the released code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Nets, Objective, State, Step, static
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives._sampling import class_balance


def held_in_and_out(mine: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits (b, k) by the net that is fitted to each row, and by the other."""
    mine = mine[:, None]
    return torch.where(mine, first, second), torch.where(mine, second, first)


def flip_probability(logits: Tensor) -> Tensor:
    """Return how probably labels are flipped to the prediction: (p - 1/k) k / (k - 1), shape (b,).

    p is the probability of the predicted class: a net that knows nothing flips nothing.
    """
    k = logits.shape[-1]
    surest = logits.softmax(-1).amax(-1)
    return ((surest - 1 / k) * k / (k - 1)).clamp(0, 1)


def cross_mistakes(first: Tensor, second: Tensor, y: Tensor) -> Tensor:
    """Return which rows one of the nets, or both, get wrong; bool, shape (b,)."""
    return (first.argmax(-1) != y) | (second.argmax(-1) != y)


@dataclass(frozen=True)
class XRM(Objective):
    """Fit two nets to random halves of the rows, and flip labels to what the other half's net says.

    Parameters
    ----------
    seed : int, default=0
        Of the halves; each row is in the first with probability 1/2.
    """

    seed: int = static(0)
    roles = ("model", "twin")

    def init(self, nets: Nets, data: Data) -> State:
        """Draw the halves; no label is flipped."""
        generator = torch.Generator().manual_seed(self.seed)
        mine = torch.rand(len(data.y), generator=generator) < 0.5
        return {"mine": mine.to(data.y.device), "label": data.y}

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the loss of each net on its rows of the batch; flip labels by the other."""
        first = nets["model"](batch.of("model"))
        second = nets["twin"](batch.of("twin"))
        mine = state["mine"][batch.index]
        label = state["label"][batch.index]
        weight = class_balance(label, first.shape[-1], first.dtype)
        losses = {
            "model": (weight * mine * cross_entropy(first, label)).sum(),
            "twin": (weight * ~mine * cross_entropy(second, label)).sum(),
        }
        _, other = held_in_and_out(mine, first.detach(), second.detach())
        probability = flip_probability(other)
        drawn = torch.rand(
            probability.shape,
            generator=batch.generator,
            device=probability.device,
            dtype=probability.dtype,
        )
        new = torch.where(drawn < probability, other.argmax(-1), label)
        flipped = state["label"].index_copy(0, batch.index, new)
        log = {"flipped": (new != batch.y).to(first.dtype).mean()}
        return Step(losses, {**state, "label": flipped}, log)
