"""Diverse prototypical ensembles.

To et al., "Diverse Prototypical Ensembles Improve Robustness to Subpopulation Shift", ICML 2025.

====================  =============================================  ====================
paper                 here                                           shape
====================  =============================================  ====================
f(x)                  ``state["features"]``, of a balanced subset    (m, d)
p_k of member i       ``members.i.weight`` of the head               (k, d)
D                     `prototype_logits`, times -1 (IsoMax+)         (m, k)
L_IPS                 `similarity`                                   scalar
weight of L_IPS       ``decorrelation / (1 + decay * member)``       scalar
====================  =============================================  ====================

Members are trained one after another; the earlier ones stay fixed. Each has a subset of its own,
with equally many rows of every group, drawn from rows whose features are computed once. In training
the distances are multiplied by ``entropic_scale``, in prediction they are not.

The released code (github.com/minhto2802/DPE) takes inner products of prototypes as they are, over
d - 1, with a weight of 5e4 and a penalty on their lengths; they start at N(0, .01^2) per entry.
Distances depend on directions only, so that there shorter prototypes lower the loss and change
nothing else. Here the prototypes are normalised, as in the distances. At that start a weight of 5
gives what 5e4 gives there.
The code sums over pairs before it takes the absolute value; here, as on the authors' page, each
pair has its own.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_debias.core import Batch, Data, Net, Nets, State, Step, static
from sklearn_debias.losses import cross_entropy
from sklearn_debias.models.internal import prototype_logits
from sklearn_debias.objectives._sampling import smallest_from_each
from sklearn_debias.objectives._two_stages import (
    ERMOnPart,
    FullBatch,
    features_of_part,
    two_parts,
)


def similarity(own: Tensor, earlier: Tensor) -> Tensor:
    """Return the similarity of prototypes (k, d) to those of earlier members (e, k, d); a scalar.

    Sum the absolute cosines of each class over the earlier members, divide by the number of all
    members, and average over the classes. The result is in [0, 1).
    """
    cosine = (F.normalize(own, dim=-1) * F.normalize(earlier, dim=-1)).sum(-1)
    return cosine.abs().sum(0).mean() / (len(earlier) + 1)


def groups_of(data: Data) -> Tensor:
    """Return what both stages split and balance by: the groups (n,), or without any the classes."""
    return data.y if data.group is None else data.group


def member_of(net: Net, member: int) -> tuple[Tensor, Tensor]:
    """Return the prototypes (k, d) and the scale (1,) of one member of a net's head."""
    name = f"head.members.{member}"
    return net.parameters[f"{name}.weight"], net.parameters[f"{name}.scale"]


def _features_of(net: Net, data: Data, rows: Tensor) -> Tensor:
    """Return the features (m, d) of ``rows`` (m,), which are sorted, without a gradient."""
    mask = torch.zeros(len(data.y), dtype=torch.bool).index_fill(0, rows, True)
    with torch.no_grad():
        return features_of_part(net, data, "model", mask.to(data.y.device))


@dataclass(frozen=True)
class IsoMaxOnPart(ERMOnPart):
    """The first stage: body and first member on the rows that are not held out, by IsoMax+.

    Parameters
    ----------
    share : float, default=0.2
        Of each group's rows (of each class's, without groups), held out.
    seed : int, default=0
        Of the split; the second stage must have the same.
    entropic_scale : float, default=30.0
        Factor of the distances, > 0.
    """

    requires = frozenset({"body", "prototypes"})

    entropic_scale: float = 30.0

    def init(self, nets: Nets, data: Data) -> State:
        """Split the rows of each group."""
        first, _ = two_parts(groups_of(data), self.share, self.seed)
        return {"first": first.to(data.y.device)}

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the cross entropy of the scaled distances of one batch."""
        net = nets["model"]
        logits = prototype_logits(net.body(batch.of("model")), *member_of(net, 0))
        loss = cross_entropy(self.entropic_scale * logits, batch.y)
        return Step({"model": loss.mean()}, state)


@dataclass(frozen=True)
class FitPrototypes(FullBatch):
    """One member of the ensemble, on a balanced subset, unlike the members before it.

    Parameters
    ----------
    member : int, default=0
        Its number, from 0.
    entropic_scale : float, default=30.0
        Factor of the distances, > 0.
    decorrelation : float, default=0.5
        Weight of the similarity to earlier members, at least 0.
    decay : float, default=0.05
        How fast that weight falls with the number of the member, at least 0.
    share : float, default=0.2
        Of each group's rows (of each class's, without groups), that the members are trained on; 1
        for all.
    seed : int, default=0
        Of the split, as in the first stage.
    subset_seed : int, default=0
        Of the subset of this member.
    """

    requires = frozenset({"body", "prototypes", "every_row"})

    member: int = static(0)
    entropic_scale: float = 30.0
    decorrelation: float = 0.5
    decay: float = 0.05
    share: float = static(0.2)
    seed: int = static(0)
    subset_seed: int = static(0)

    def init(self, nets: Nets, data: Data) -> State:
        """Draw the subset, and compute its features in eval mode."""
        group = groups_of(data).cpu()
        every = torch.arange(len(group))
        part = every if self.share == 1 else every[two_parts(group, self.share, self.seed)[1]]
        generator = torch.Generator().manual_seed(self.subset_seed)
        drawn = smallest_from_each(group[part], generator)
        subset = part[drawn]
        net = nets["model"].frozen()
        if self.share == 1:
            kept = {"features": _features_of(net, data, subset)}
        else:
            # The first head computes the features of the part, those after it find them.
            found = data.before.get("part_features")
            features = _features_of(net, data, part) if found is None else found
            kept = {"features": features[drawn.to(features.device)], "part_features": features}
        subset = subset.to(data.y.device)
        # Clones: the frozen net shares the storage of the live one.
        earlier = [member_of(net, i)[0].clone() for i in range(self.member)]
        state = {**kept, "y": data.y[subset], "subset": subset}
        return {**state, "earlier": torch.stack(earlier)} if earlier else state

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the cross entropy of the subset, plus the weighted similarity."""
        prototypes, scale = member_of(nets["model"], self.member)
        logits = prototype_logits(state["features"], prototypes, scale)
        loss = cross_entropy(self.entropic_scale * logits, state["y"]).mean()
        if self.member == 0:
            return Step({"model": loss}, state)
        alike = similarity(prototypes, state["earlier"])
        weight = self.decorrelation / (1 + self.decay * self.member)
        return Step({"model": loss + weight * alike}, state, {"similarity": alike.detach()})
