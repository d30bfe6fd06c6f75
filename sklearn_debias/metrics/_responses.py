"""What metrics are computed from: true labels, predicted ones and scores, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sklearn_debias.metrics._calibration import two_classes
from sklearn_debias.metrics._callables import Measure
from sklearn_debias.metrics._encoding import encode_labels
from sklearn_debias.metrics._numeric import real_array
from sklearn_debias.metrics._rules import Sample
from sklearn_debias.metrics._types import Encoded

__all__ = ["Responses", "read_responses"]


@dataclass(frozen=True)
class Responses:
    """Labels and scores of all samples; either way a metric sees them as a `Sample`."""

    predicted: Sample
    scored: Sample | None

    def of(self, measure: Measure) -> Sample:
        """Return the samples as a metric takes them."""
        if measure.response == "label":
            return self.predicted
        assert self.scored is not None  # a request for scores without any was refused
        return self.scored


def read_responses(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, y_score: Any) -> Responses:
    """Return checked labels and scores; `y_score` may be None."""
    true = encode_labels(y_true, "y_true")
    pred = encode_labels(y_pred, "y_pred")
    labels = _as_labels(true)
    every = two_classes(encode_labels([*true[1], *pred[1]], "y_true")[1])
    predicted = Sample(_codes(true, every), labels, _as_labels(pred), every)
    if y_score is None:
        return Responses(predicted, None)
    scores = _scores(y_score, len(labels))
    classes = two_classes(true[1])
    if scores.ndim == 2 and scores.shape[1] != len(classes):
        classes = every  # a class that is predicted, and that no sample here has
    return Responses(predicted, Sample(_codes(true, classes), labels, scores, classes))


def _codes(encoded: Encoded, classes: Sequence[Any]) -> np.ndarray:
    """Return the position of each label among other classes."""
    codes, values = encoded
    position = {label: code for code, label in enumerate(classes)}
    return np.array([position[label] for label in values])[codes]


def _as_labels(encoded: Encoded) -> np.ndarray:
    """Return the labels themselves as an array, of texts or numbers where all are."""
    codes, values = encoded
    is_text = [isinstance(value, str) for value in values]
    if all(is_text) or all(isinstance(value, bool | int | float) for value in values):
        return np.array(values)[codes]
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array[codes]


def _scores(y_score: Any, n_samples: int) -> np.ndarray:
    """Return finite scores of shape (n,), of two classes those of the second; or (n, k)."""
    # A float's precision is kept: scikit-learn's log loss clips by it.
    scores = real_array(y_score, "y_score")
    if scores.ndim not in (1, 2) or len(scores) != n_samples or not scores.size:
        raise ValueError(
            "`y_score` must hold the scores of each sample: expected shape "
            f"({n_samples},) or ({n_samples}, n_classes), got {scores.shape}."
        )
    if not np.isfinite(scores).all():
        wrong = scores[~np.isfinite(scores)]
        raise ValueError(
            f"`y_score` must be finite, got {wrong[0]!s} in {len(wrong)} places. Drop those "
            "samples, or find out why the model gives no number."
        )
    if scores.ndim == 2 and scores.shape[1] <= 2:
        return scores[:, -1]
    return scores
