"""The family of classifiers that look ahead: they judge a virtual step by a meta set."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import (
    POSITIVE_INT,
    Given,
    TrainingSet,
    fit_method,
    held_out,
    pair,
    pick_device,
)

HIDDEN = 100  # as in Meta-Weight-Net; Meta-IADA says "two-layer MLP", and no more


@dataclass(kw_only=True, eq=False, repr=False)
class MetaClassifier(BaseDebiasClassifier):
    """Base of the classifiers with a meta set; a subclass says what it learns there."""

    lr: float = 1e-2
    meta_size: int = 10
    meta_interval: int = 1

    __metadata_request__fit = {
        "bias_labels": True,
        "validation_data": True,
        "X_meta": True,
        "y_meta": True,
    }
    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "meta_size": POSITIVE_INT,
        "meta_interval": POSITIVE_INT,
    }

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        X_meta: Any = None,
        y_meta: Any = None,
        bias_labels: Any = None,
        validation_data: Any = None,
    ) -> Any:
        """Fit the classifier.

        Parameters
        ----------
        {shared_arguments}
        {meta_arguments}

        Returns
        -------
        self
        """
        return Given(X, y, bias_labels, validation_data, meta=pair(X_meta, y_meta))

    def _looks_ahead(self) -> bool:
        """Return whether any of the phases needs the meta set."""
        return any("meta" in step.requires for phase in self._phases() for step in phase.steps)

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        self.meta_indices_: np.ndarray | None = None
        # With some parameters nothing is learned: then no row is held out, either.
        if not self._looks_ahead():
            if training.meta is not None:
                warn(
                    "`X_meta` serves nothing here: with these parameters nothing is learned on a "
                    "meta set."
                )
            return training
        if training.meta is not None:
            return training
        held = self._held_out(training)
        self.meta_indices_ = training.index[held]
        if self.verbose:
            print(f"Meta set: {held.sum()} rows held out of X, see meta_indices_")
        meta = training.inputs.source.subset(training.index[held]), training.y[held]
        return replace(training.without(held), meta=meta)

    def _held_out(self, training: TrainingSet) -> np.ndarray:
        """Return a mask of the rows to hold out as the meta set."""
        rng = np.random.default_rng(self._streams.seed("meta set"))
        held = held_out(training.y, training.group, int(self.meta_size), rng)
        # A class of a single row keeps it, and is not served by what is learned.
        absent = np.setdiff1d(training.y, training.y[held])
        if not held.any():
            raise ValueError(
                "`X` has no class of two rows or more, so no meta set can be held out. Pass "
                "`X_meta`."
            )
        if len(absent):
            warn(
                "The meta set held out of X has no row of the classes "
                f"{training.classes[absent].tolist()[:8]}, which have a single one. Pass `X_meta` "
                "and `y_meta` to serve them, too."
            )
        return held


def adam(lr: float, device: Any) -> Callable[[Any], torch.optim.Optimizer]:
    """Return a function that makes the optimiser of a small auxiliary network."""
    # Fused, one update is one kernel; False would switch off torch's own choice, None leaves it.
    fused = pick_device(device).type in ("cpu", "cuda")
    return partial(torch.optim.Adam, lr=float(lr), weight_decay=1e-4, fused=fused or None)


def two_layers(n_inputs: int) -> nn.Module:
    """Build the auxiliary network, which has one hidden layer of 100."""
    return nn.Sequential(nn.Linear(n_inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
