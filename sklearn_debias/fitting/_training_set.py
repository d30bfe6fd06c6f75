"""What a fit trains on: rows of X, what is known of them, what goes beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sklearn_debias.core.internal import TokenLimits
from sklearn_debias.fitting._inputs import Inputs
from sklearn_debias.training import Source


@dataclass(frozen=True)
class TrainingSet:
    """What a fit trains on: some rows of X, what is known of them, and what goes beside them.

    Parameters
    ----------
    inputs : Inputs
        All rows of X.
    index : ndarray of shape (n,)
        Numbers of the rows trained on.
    y : ndarray of shape (n,)
        Class codes.
    classes : ndarray of shape (k,)
        Sorted labels that the codes stand for.
    group : ndarray of shape (n,) or None, default=None
        Codes of the groups of the training rows.
    groups : list or None, default=None
        What the codes stand for: (class, bias value), or a bias value.
    weight : ndarray of shape (n,) or None, default=None
        Weights of the training rows, mean 1.
    validation : (X, y, bias_labels) or None, default=None
        Rows to score after each epoch.
    held : ndarray of int or None, default=None
        Which rows of X these are; None where they were given beside X.
    views : mapping of str to Inputs, default={}
        All rows as those roles see them that do not take ``inputs``, and what else goes with a row.
    aligned : frozenset of str, default={}
        Those views that are augmented as the rows are.
    meta : (Source, ndarray of shape (m,)) or None, default=None
        Rows of the meta set and their class codes.
    """

    inputs: Inputs
    index: np.ndarray
    y: np.ndarray
    classes: np.ndarray
    group: np.ndarray | None = None
    groups: list | None = None
    weight: np.ndarray | None = None
    validation: tuple[Any, Any, Any] | None = None
    held: np.ndarray | None = None
    views: Mapping[str, Inputs] = field(default_factory=dict)
    aligned: frozenset[str] = frozenset()
    meta: tuple[Source, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.index)

    def inputs_of(self, role: str) -> Inputs:
        """Return all rows as a role sees them."""
        return self.views.get(role, self.inputs)

    def source_of(self, role: str = "model") -> Source:
        """Return the training rows as a role sees them."""
        source = self.inputs_of(role).source
        return source if len(self) == len(source) else source.subset(self.index)

    def sources(self) -> list[Source]:
        """Return all rows that the fit reads: as each role sees them, and the meta set."""
        views = [self.source_of(role) for role in self.views]
        meta = [] if self.meta is None else [self.meta[0]]
        return [self.source_of(), *views, *meta]

    def limited(self, limits: TokenLimits) -> "TrainingSet":
        """Return the set; rows of tokens that exceed ``limits`` are refused as they are read."""
        views = {name: view.limited(limits) for name, view in self.views.items()}
        meta = self.meta and (self.meta[0].limited(limits), self.meta[1])
        return replace(self, inputs=self.inputs.limited(limits), views=views, meta=meta)

    def of_all(self, values: np.ndarray, missing: float = np.nan) -> np.ndarray:
        """Return values (n,) of the training rows as values of all rows, the others ``missing``."""
        found = np.full(len(self.inputs), missing)
        found[self.index] = values
        return found

    def without(self, held: np.ndarray) -> "TrainingSet":
        """Return the set without the rows of a mask (n,)."""
        kept = ~held
        return replace(
            self,
            index=self.index[kept],
            y=self.y[kept],
            group=None if self.group is None else self.group[kept],
            weight=None if self.weight is None else self.weight[kept],
        )
