"""Diverse prototypical ensembles."""

import numbers
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_debias.core import Objective, Phase, Role
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.estimators._two_stages import split_of
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    Networks,
    TrainingSet,
    split_net_params,
    warn_of_cells,
)
from sklearn_debias.models.internal import with_prototype_heads
from sklearn_debias.objectives import FitPrototypes, IsoMaxOnPart
from sklearn_debias.search_spaces import SearchedRows, Space, dpe_space


@dataclass(kw_only=True, eq=False, repr=False)
class DPEClassifier(BaseDebiasClassifier):
    """Diverse prototypical ensemble: many heads, each balanced, and unlike those before it [1]_.

    The first stage trains the body on most rows of each group. Then heads are trained one after
    another on the other rows. A head has a prototype for each class, and classifies by the
    distances of normalised features to them (IsoMax+ [2]_). Each sees a subset of its own, with
    equally many rows of every group, and is kept unlike the heads before it. The mean of their
    probabilities predicts. With ``bias_labels`` the groups are pairs (class, bias value), without
    them the classes.

    Parameters
    ----------
    {shared_parameters}
    n_heads : int, default=15
        At least 1.
    entropic_scale : float, default=30.0
        Factor of the distances in training, > 0. In prediction it is 1.
    decorrelation : float, default=0.5
        Weight of the absolute cosines to the earlier prototypes of a class, at least 0: their sum,
        divided by one more than their number.
    decay : float, default=0.05
        The weight of head i, from 0, is ``decorrelation / (1 + decay * i)``; at least 0.
    held_out_share : float, default=0.2
        Share of each group's rows that is left to the heads, in (0, 1). Each stage gets at least
        one row of a group; a single row serves both.
    head_epochs : int, default=100
        Steps of each head, on all rows of its subset.

    Attributes
    ----------
    {shared_attributes}
    head_rows_ : ndarray of int
        Rows of X that at least one head was trained on, sorted.
    rows_per_head_ : int
        Size of the subset of each head.

    Notes
    -----
    Where there is no body to train (a linear head on embeddings, ``freeze="body"``), there is no
    first stage: the heads have all rows, and ``max_epochs`` and ``held_out_share`` no effect.

    The last linear layer of the network becomes the heads. The first stage trains the body below
    the first of them, by the cross entropy of scaled distances; that head then starts anew. The
    second stage computes the features of the held-out rows once, for all heads, in eval mode and
    without augmentation, and takes one full-batch step per epoch; the released code takes batches.
    ``optimizer``, ``lr`` and ``lr_schedule`` restart with each head. Validation rows are scored,
    and the best epoch is kept, for the last head; the released code chooses an epoch for each.

    The released weight of 5e4, on inner products, is one of 5 at the start of the heads. On
    synthetic embeddings .5 did as well with bias labels, and 5 cost points without.

    Groups of one size leave nothing to draw: then all heads see the same rows, and differ by their
    starts and by ``decorrelation``.

    References
    ----------
    .. [1] To et al., "Diverse Prototypical Ensembles Improve Robustness to Subpopulation Shift",
       ICML 2025; code: https://github.com/minhto2802/DPE.
    .. [2] Macedo and Ludermir, "Enhanced Isotropy Maximization Loss: Seamless and High-Performance
       Out-of-Distribution Detection Simply Replacing the SoftMax Loss", arXiv 2105.14399.

    Examples
    --------
    >>> from sklearn_debias import DPEClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = DPEClassifier(n_heads=3, head_epochs=20, random_state=0)
    >>> clf = clf.fit(train.data, train.target, bias_labels=train.bias_labels)
    >>> clf.rows_per_head_
    100
    """

    n_heads: int = 15
    entropic_scale: float = 30.0
    decorrelation: float = 0.5
    decay: float = 0.05
    held_out_share: float = 0.2
    head_epochs: int = 100

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "n_heads": POSITIVE_INT,
        "entropic_scale": POSITIVE,
        "decorrelation": NON_NEGATIVE,
        "decay": NON_NEGATIVE,
        "held_out_share": [Interval(numbers.Real, 0, 1, closed="neither")],
        "head_epochs": POSITIVE_INT,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | dpe_space()

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        if training.group is not None and training.groups is not None:
            unused = "no head is trained on them."
            warn_of_cells(training.classes, training.group, training.groups, unused)
        return training

    def _role(self, name: str) -> Role:
        role = super()._role(name)
        # The factory is not `module` itself, and so is given no `module__*`: they go along here,
        # for the module inside.
        options = split_net_params(self.net_params)[0]["module"]
        build = partial(
            with_prototype_heads,
            module=role.module,
            shape=self.input_shape_,
            options=options,
            n_heads=self.n_heads,
        )
        return replace(role, module=build)

    def _trains_by_group(self) -> bool:
        return True

    def _needs_groups(self) -> bool:
        return False  # it balances classes then, as its paper does

    def _phases(self) -> tuple[Phase, ...]:
        split = split_of(self, self.held_out_share)
        scale = float(self.entropic_scale)
        first = IsoMaxOnPart(**split, entropic_scale=scale)
        heads = [
            FitPrototypes(
                i,
                scale,
                float(self.decorrelation),
                float(self.decay),
                **split,
                subset_seed=self._streams.seed("subset", str(i)),
            )
            for i in range(self.n_heads)
        ]
        phases = [Phase(f"head {i}", (heads[i],), self.head_epochs) for i in range(self.n_heads)]
        # The first stage has trained the first head along with the body.
        phases[0] = replace(phases[0], restarts=("model.head.members.0",))
        return (Phase("train", (first,), self.max_epochs), *phases)

    def _settle(self, phases: tuple[Phase, ...], networks: Networks) -> tuple[Phase, ...]:
        body = networks.modules["model"].get_submodule("body")
        if any(parameter.requires_grad for parameter in body.parameters()):
            return phases
        heads = phases[1:]
        return tuple(replace(head, steps=tuple(map(_on_all_rows, head.steps))) for head in heads)

    def _inspect(self, phase: Phase, state: dict, training: TrainingSet) -> None:
        if phase.name != "head 0":
            return
        n_groups = len(np.unique(training.y if training.group is None else training.group))
        rows = len(state["subset"])
        if rows == n_groups:
            warn(
                f"The smallest group leaves 1 row to the heads, and each is trained on {rows} rows "
                "only, one of every group. Raise `held_out_share`, or merge rare groups."
            )

    def _finish(self, states: dict, training: TrainingSet) -> None:
        subsets = [states[f"head {i}"]["subset"].cpu().numpy() for i in range(self.n_heads)]
        self.head_rows_: np.ndarray = training.index[np.unique(np.concatenate(subsets))]
        self.rows_per_head_: int = len(subsets[0])


def _on_all_rows(step: Objective) -> Objective:
    """Return the step of a head, for all rows."""
    assert isinstance(step, FitPrototypes)
    return replace(step, share=1.0)
