"""What the classifiers share that judge a virtual step on a meta set."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import POSITIVE_INT, Rows, held_out, momentum, pick_device
from sklearn_debias.fitting._fit_method import fit_method

HIDDEN = 100


@dataclass(kw_only=True, eq=False, repr=False)
class MetaClassifier(BaseDebiasClassifier):
    """A classifier with a meta set; its subclasses say what they learn there."""

    lr: float = 1e-2
    optimizer: Any = "sgd"
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
        meta = None if X_meta is None and y_meta is None else (X_meta, y_meta)
        return self._fit(X, y, bias_labels=bias_labels, validation_data=validation_data, meta=meta)

    def _looks_ahead(self) -> bool:
        """Whether any of the phases needs the meta set."""
        return any("meta" in step.requires for phase in self._phases() for step in phase.steps)

    def _check_rows(self, rows: Rows) -> None:
        self.meta_indices_: np.ndarray | None = None
        if rows.meta is not None and not self._looks_ahead():
            warn(
                "`X_meta` serves nothing here: with these parameters nothing is learned on a meta "
                "set."
            )
        if rows.meta is not None or not self._looks_ahead():
            return
        rng = np.random.default_rng(self._streams.seed("meta set"))
        held = held_out(rows.y, rows.group, int(self.meta_size), rng)
        absent = np.setdiff1d(rows.y, rows.y[held])
        if not held.any():
            raise ValueError(
                "`X` has no class of two rows or more, so no meta set can be held out. Pass "
                "`X_meta`."
            )
        if len(absent):
            warn(
                "The meta set held out of X has no row of the classes "
                f"{self.classes_[absent].tolist()[:8]}, which have a single one. Pass `X_meta` and "
                "`y_meta` to serve them, too."
            )
        out = rows.train[held]
        kept = rows.train[~held]
        rows.meta = rows.inputs.source.subset(out), rows.y[held]
        rows.train = kept
        rows.y = rows.y[~held]
        rows.group = None if rows.group is None else rows.group[~held]
        self.meta_indices_ = out
        if self.verbose:
            print(f"Meta set: {len(out)} rows held out of X, see meta_indices_")

    def _optimizer_options(self) -> dict[str, Any]:
        return momentum(self)


def adam(lr: float, device: Any) -> Callable[[Any], torch.optim.Optimizer]:
    """What makes the optimiser of a small auxiliary network."""
    fused = pick_device(device).type in ("cpu", "cuda")
    return partial(torch.optim.Adam, lr=float(lr), weight_decay=1e-4, fused=fused or None)


def two_layers(n_inputs: int) -> nn.Module:
    """The auxiliary network: one hidden layer of 100."""
    return nn.Sequential(nn.Linear(n_inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
