"""What looks at a fit after each epoch: validation score, scikit-learn's callbacks, history."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from torch import Tensor, nn

from sklearn_debias.exceptions import once
from sklearn_debias.fitting._fitted import is_fitted_name
from sklearn_debias.fitting._requests import asks_for_bias
from sklearn_debias.fitting._targets import encode_known
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.metrics import get_scorer
from sklearn_debias.training import Observer, blamed


@dataclass
class Kept:
    """An epoch that may be kept: its score, its loss where it was asked for, its parameters."""

    score: float
    loss: float | None
    epoch: int
    state: Mapping[str, Tensor]

    @classmethod
    def of(cls, score: float, loss: float | None, epoch: int, module: nn.Module) -> "Kept":
        """Return the present epoch."""
        # A copy: the tensors of the module are trained on.
        state = {k: v.detach().clone() for k, v in module.state_dict().items()}
        return cls(score, loss, epoch, state)

    def put_back(self, module: nn.Module) -> None:
        """Give the module the parameters and buffers of this epoch."""
        module.load_state_dict(self.state)


class Monitor(Observer):
    """Score the validation rows after some epochs; keep the best of them if a scorer asks.

    Parameters
    ----------
    estimator : classifier being fitted
    X, y, bias_labels
        Validation rows.
    scorer : str, callable or None
        None records the accuracy and keeps the last epoch. Else ties go to the smaller loss.
    live : bool, default=True
        Whether the estimator is to predict with the engine's modules; else it has a net of its own.
    every : int, default=1
        Epochs from one score to the next.
    last : int or None, default=None
        The epoch that the phase ends with, which is scored in any case. One where a callback ends
        the phase is, too.
    """

    def __init__(
        self,
        estimator: Classifier,
        X: Any,
        y: Any,
        bias_labels: Any,
        scorer: Any,
        *,
        live: bool = True,
        every: int = 1,
        last: int | None = None,
    ) -> None:
        # The estimator itself is not fitted yet, and must not look so to others meanwhile.
        self.view: Any = copy.copy(estimator)
        self.live = live
        self.every = every
        self.last = last
        self.X = X
        self.y = y
        self.keep_best = scorer is not None
        self.patience = estimator.patience
        self.name = scorer if isinstance(scorer, str) else "accuracy" if scorer is None else "score"
        self.scorer = open_scorer(scorer)
        if getattr(self.scorer, "_sign", 1) < 0 and not self.name.startswith("neg_"):
            self.name = f"neg_{self.name}"  # scorers are greater-is-better
        self.given = _requested(self.scorer, bias_labels)
        self.best: Kept | None = None
        self.said: set[str] = set()  # warnings of the scorer, which each epoch would repeat
        # One more pass over these rows, which skorch's callbacks alone look for.
        self.with_loss = isinstance(estimator.callbacks, (list, tuple)) and len(estimator.callbacks)

    def end(self, engine: Any) -> bool:
        """Score the current epoch, if it is one of these; True where none was better for long."""
        epoch = len(engine.history)
        if not self._is_due(epoch):
            return False
        self._look(engine)
        # Counted in scores, of which the last epoch alone may be out of turn.
        best = self.best
        waited = 0 if best is None else epoch // self.every - best.epoch // self.every
        return self.patience is not None and waited >= self.patience

    def end_early(self, engine: Any) -> None:
        """Score an epoch that has turned out to be the last one, if it was not scored."""
        # Or a fit that ends before its first score would keep its last epoch, in silence.
        if not self._is_due(len(engine.history)):
            self._look(engine)

    def _is_due(self, epoch: int) -> bool:
        return epoch % self.every == 0 or epoch == self.last

    def _look(self, engine: Any) -> None:
        """Score the present epoch, and keep it if it is the best so far."""
        if self.live:
            self.view.net_ = engine
        advice = (
            "It must be a scorer's name, or a callable (estimator, X, y) that returns a finite "
            "number."
        )
        routing = config_context(enable_metadata_routing=True)  # or no scorer takes bias labels
        with routing, once(self.said), blamed("monitor", advice, passing=(ValueError,)):
            score = float(self.scorer(self.view, self.X, self.y, **self.given))
        # NaN would never be beaten, and so select the first epoch in silence.
        if not abs(score) < float("inf"):
            raise ValueError(
                f"`monitor` must score a finite number, got {score} from {self.scorer!r}."
            )
        engine.history.record(f"validation_{self.name}", score)
        loss = self._loss() if self.with_loss else None
        if loss is not None:
            engine.record_loss("valid_loss", loss)
        if self.keep_best and self._is_better(engine, score, loss):
            engine.history.record("event_best", True)

    def _is_better(self, engine: Any, score: float, loss: float | None) -> bool:
        """Return whether this is the best epoch so far, and keep it if it is."""
        best = self.best
        if best is not None and score < best.score:
            return False
        now = Kept.of(score, loss, len(engine.history), engine.module_)
        # Scores of few rows tie often, from the first epoch on where one class is most of them.
        if best is not None and score == best.score:
            if best.loss is None:  # a loss costs a pass over the rows: only ties ask for it
                best.put_back(engine.module_)
                best.loss = self._loss()
                now.put_back(engine.module_)
            now.loss = self._loss() if loss is None else loss
            if now.loss >= best.loss:
                return False
        self.best = now
        return True

    def _loss(self) -> float:
        """Return the mean cross entropy of the validation rows."""
        log_proba = self.view.predict_log_proba(self.X)
        codes = encode_known(self.view.classes_, self.y, len(log_proba), "validation_data[1]")
        return -float(log_proba[np.arange(len(codes)), codes].mean())

    def taken(self, engine: Any) -> dict[str, Any]:
        """Return the best epoch so far, for a checkpoint; the present one without its tensors."""
        best = None if self.best is None else {**vars(self.best)}
        if best is not None and best["epoch"] == len(engine.history):
            best["state"] = None
        return {"best": best, "said": self.said}

    def put_back(self, taken: Mapping[str, Any], engine: Any) -> None:
        """Go on from what `taken` gave of an engine that is as it was."""
        self.said.update(taken["said"])
        best = taken["best"]
        if best is not None and best["state"] is None:
            self.best = Kept.of(best["score"], best["loss"], best["epoch"], engine.module_)
        elif best is not None:
            self.best = Kept(**best)

    def restore(self, engine: Any) -> int | None:
        """Put the best epoch's parameters and buffers back; return that epoch, if one was kept."""
        if self.best is None:
            return None
        self.best.put_back(engine.module_)
        return self.best.epoch


def open_scorer(scorer: Any) -> Callable:
    """Return the scorer that `monitor` asks for; None is the accuracy."""
    if callable(scorer):
        return scorer
    with blamed("monitor", "It must be a scorer's name, or a callable (estimator, X, y)."):
        return get_scorer(scorer or "accuracy")


def _requested(scorer: Any, bias_labels: Any) -> dict[str, Any]:
    if not asks_for_bias(scorer):
        return {}
    if bias_labels is None:
        raise ValueError(
            f"`monitor`={scorer!r} needs the bias labels of the validation rows, which were not "
            f"given. Pass bias_labels to fit, or validation_data=(X, y, bias_labels)."
        )
    return {"bias_labels": bias_labels}


class CallbackBridge(Observer):
    """Tell scikit-learn's callbacks of each skorch epoch, so that they see inside a fit."""

    def __init__(self, estimator: Classifier, context: Any, X: Any, y: Any, metadata: dict) -> None:
        self.estimator = estimator
        self.context = context
        self.arguments = {"X": X, "y": y, "metadata": metadata}
        self.task: Any = None

    def skip(self, n_epochs: int) -> None:
        """Count epochs that were over before this fit."""
        for _ in range(n_epochs):
            self.context.subcontext(task_name="epoch")

    def begin(self, engine: Any) -> None:
        """Announce an epoch."""
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(estimator=self.estimator, **self.arguments)

    def end(self, engine: Any) -> bool:
        """Announce the end of an epoch; True asks to stop."""
        return bool(
            self.task.call_on_fit_task_end(
                estimator=self.estimator,
                reconstruction_attributes=lambda: self._fitted(engine),
                **self.arguments,
            )
        )

    def _fitted(self, engine: Any) -> dict[str, Any]:
        """Return the attributes that make a copy of the estimator predict as it is now."""
        held = vars(self.estimator)
        keep = {name: value for name, value in held.items() if is_fitted_name(name)}
        return keep | {"net_": engine, "_fitted": held["_fitted"]}


def tidy(history: list[dict]) -> pd.DataFrame:
    """Return one row per epoch: phase, epoch, every term, seconds."""
    names = dict.fromkeys(name for row in history for name in row)
    columns = {name: [row.get(name) for row in history] for name in names}
    for name in ("batches", "event_best", "train_loss", "train_loss_best", "valid_loss_best"):
        columns.pop(name, None)
    seconds = {"seconds": columns.pop("dur")} if "dur" in columns else {}
    first = {name: columns.pop(name) for name in ("phase", "epoch", "lr") if name in columns}
    return pd.DataFrame({**first, **columns, **seconds})
