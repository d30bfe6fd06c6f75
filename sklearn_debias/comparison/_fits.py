"""One fit of a comparison: what is to be done, and what came of it."""

import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_debias.comparison._contenders import last_step, takes
from sklearn_debias.comparison._parts import Part
from sklearn_debias.estimators import BaseDebiasClassifier

TRANSIENT = ("MemoryError", "OutOfMemoryError", "OSError", "TimeoutError", "DeviceError")
LONGEST = 60  # letters of a value in a table


@dataclass(frozen=True)
class Task:
    """A fit that is to be done.

    Parameters
    ----------
    stage : {"select", "test"}
        Whether it is judged to select, or counts for the result.
    method : str
    configuration : int
        Number of the configuration among those of the method.
    seed : int
    split : int
        Number of the fold; 0 where there is one.
    """

    stage: str
    method: str
    configuration: int
    seed: int
    split: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a fit; plain data that a store can hold.

    Parameters
    ----------
    score : float
        By the rule of selection; NaN where the fit failed, or was not judged.
    seconds : float
        CPU seconds, of all threads.
    error : str
        What went wrong; "" where nothing did.
    warnings : tuple of str
        What the fit warned of, each once.
    arrays : dict of str to ndarray
        "judged" and "test": predictions as numbers of the classes; "probabilities" (n, classes).
    """

    score: float
    seconds: float
    error: str = ""
    warnings: tuple[str, ...] = ()
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def is_transient(self) -> bool:
        """Whether it failed for what another time may bring: memory, disk, a device."""
        return self.error.partition(":")[0] in TRANSIENT

    @property
    def is_constant(self) -> bool:
        """Whether one class is predicted for all rows."""
        predicted = [a for name, a in self.arrays.items() if name != "probabilities"]
        return bool(predicted) and all(len(a) > 1 and (a == a[0]).all() for a in predicted)


@dataclass(frozen=True)
class Judging:
    """What a fitted model is judged by.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Of all rows of the comparison, sorted.
    scorer : callable or None
        ``scorer(estimator, X, y)``.
    test_X : array-like or None
        Rows to predict; their classes are not seen here.
    with_probabilities : bool
        Whether the probabilities of the test rows are kept, too.
    """

    classes: np.ndarray
    scorer: Any = None
    test_X: Any = None
    with_probabilities: bool = False

    def score(self, estimator: Any, part: Part) -> float:
        """Return the score of a fitted estimator on rows."""
        metadata = {}
        if part.bias_labels is not None and takes(self.scorer, "bias_labels", "score"):
            metadata["bias_labels"] = part.bias_labels
        value = float(self.scorer(estimator, part.X, part.y, **metadata))
        if not np.isfinite(value):
            raise ValueError(f"`scoring` gave {value} on the {len(part)} rows that select.")
        return value

    def predictions(self, estimator: Any, part: Part | None) -> dict[str, np.ndarray]:
        """Return what a fitted estimator predicts, as numbers of the classes."""
        arrays = {}
        if part is not None:
            arrays["judged"] = self.codes(estimator.predict(part.X))
        if self.test_X is not None:
            arrays["test"] = self.codes(estimator.predict(self.test_X))
            if self.with_probabilities and hasattr(estimator, "predict_proba"):
                arrays["probabilities"] = self._probabilities(estimator)
        return arrays

    def codes(self, labels: Any) -> np.ndarray:
        """Return labels as numbers of the classes; raise where one is none of them."""
        known = {label: i for i, label in enumerate(self.classes.tolist())}
        # Python's own values: an array of objects and one of bools hold the same labels.
        values = np.asarray(labels, dtype=object).ravel().tolist()
        codes = np.array([known.get(value, -1) for value in values], dtype=np.int32)
        if (codes < 0).any():
            raise ValueError(
                f"{values[int((codes < 0).argmax())]!r} is predicted, which is none of the classes "
                f"{self.classes.tolist()}."
            )
        return codes

    def _probabilities(self, estimator: Any) -> np.ndarray:
        """Return probabilities of all classes; 0 of those that training did not have."""
        known = np.asarray(estimator.predict_proba(self.test_X), dtype=np.float32)
        every = np.zeros((len(known), len(self.classes)), np.float32)
        every[:, self.codes(estimator.classes_)] = known
        return every


def run(estimator: Any, fit: Part, judged: Part | None, judging: Judging) -> Outcome:
    """Fit an unfitted estimator to rows, judge it on others, and predict the test rows.

    What goes wrong is part of the outcome, but for what the user stops.
    """
    start = time.process_time()
    score, error = float("nan"), ""
    arrays: dict[str, np.ndarray] = {}
    with recorded() as caught:
        try:
            estimator.fit(fit.X, fit.y, **fit_arguments(estimator, fit, judged))
            if judged is not None and judging.scorer is not None:
                score = judging.score(estimator, judged)
            arrays = judging.predictions(estimator, judged)
        except Exception as reason:
            error = f"{type(reason).__name__}: {reason}"
    return Outcome(score, time.process_time() - start, error, said_by(caught), arrays)


@contextmanager
def recorded() -> Iterator[list[warnings.WarningMessage]]:
    """Keep warnings back, and yield the list that they come to.

    In a thread of a pool there is none: filters are of the whole process, and two that are put back
    in another order than they were set would leave it without warnings.
    """
    if threading.current_thread() is not threading.main_thread():
        yield []
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def said_by(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return what was warned of, each once."""
    return tuple(dict.fromkeys(str(warning.message) for warning in caught))


def fit_arguments(estimator: Any, fit: Part, judged: Part | None) -> dict[str, Any]:
    """Return what ``fit`` is given beside X and y: what the estimator asks for, and is known."""
    arguments = {}
    if fit.bias_labels is not None and takes(estimator, "bias_labels"):
        arguments["bias_labels"] = fit.bias_labels
    # A monitor looks at the rows that select. A pipeline would not transform them.
    monitored = isinstance(estimator, BaseDebiasClassifier) and estimator.monitor is not None
    if monitored and judged is not None and estimator.validation is None:
        values = (judged.X, judged.y, judged.bias_labels)
        arguments["validation_data"] = values if values[2] is not None else values[:2]
    return arguments


def stacks(estimator: Any) -> bool:
    """Return whether candidates of this kind may be trained together; the search knows better."""
    last = last_step(estimator)
    inner = getattr(last, "classifier", last)
    return isinstance(inner, BaseDebiasClassifier)


def as_text(configuration: Mapping[str, Any]) -> str:
    """Return parameters in one line."""
    return ", ".join(f"{name}={_short(value)}" for name, value in configuration.items())


def _short(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.3g}"
    if isinstance(value, Pipeline):
        return "Pipeline(" + ", ".join(_short(step) for _, step in value.steps) + ")"
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
