"""Known metrics as functions of many weightings of the same samples at once.

A bootstrap replicate is a weighting of the samples. Where the metric is known, thousands of
replicates are a matrix product or a cumulative sum; any other callable is called for each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    zero_one_loss,
)

from sklearn_debias.metrics._calibration import (
    bin_of,
    calibration_gap,
    expected_calibration_error,
    reliability,
)
from sklearn_debias.metrics._rates import (
    COUNTS,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)

__all__ = ["Calibration", "Ratio", "Rule", "Sample", "calibration_of", "rule_of"]

Rule = Callable[[np.ndarray], np.ndarray]  # weights of shape (b, n) to values of shape (b,)


@dataclass(frozen=True)
class Sample:
    """Some samples as metrics see them."""

    codes: np.ndarray  # (n,) of the true classes
    labels: np.ndarray  # (n,) true, as the caller has them
    response: np.ndarray  # (n,) labels, or (n,) or (n, n_classes) scores
    classes: list[Any]  # by code

    def take(self, rows: Any) -> "Sample":
        """Return the samples of an index, a mask or a slice."""
        return Sample(self.codes[rows], self.labels[rows], self.response[rows], self.classes)


@dataclass(frozen=True)
class Ratio:
    """One weighted sum over another: means, and shares such as the recall."""

    above: np.ndarray  # (n,)
    below: np.ndarray  # (n,)
    is_share: bool  # of samples, so that its bounds are binomial

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        return _divide(weight @ self.above, weight @ self.below)


@dataclass(frozen=True)
class ClassMean:
    """The mean accuracy of the classes that have samples."""

    hits: np.ndarray  # (n, n_classes)
    members: np.ndarray  # (n, n_classes)

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        n = weight @ self.members
        accuracy = weight @ self.hits / np.where(n > 0, n, 1.0)
        return _divide(accuracy.sum(axis=-1), (n > 0).sum(axis=-1))


@dataclass(frozen=True)
class Ranking:
    """The area under the ROC curve: how often a positive outranks a negative, ties by half."""

    positive: np.ndarray  # rows
    negative: np.ndarray  # rows, by ascending score
    below: np.ndarray  # for each positive: negatives that score less
    up_to: np.ndarray  # ... that score as much, or less

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        won = np.zeros((len(weight), len(self.negative) + 1))
        np.cumsum(weight[:, self.negative], axis=1, out=won[:, 1:])
        of_positive = weight[:, self.positive]
        outranked = won[:, self.below]
        if not np.array_equal(self.below, self.up_to):
            outranked = (outranked + won[:, self.up_to]) / 2
        pairs = of_positive.sum(axis=1) * won[:, -1]
        return _divide(np.einsum("ij,ij->i", of_positive, outranked), pairs)


@dataclass(frozen=True)
class Calibration:
    """The calibration error over bins that do not depend on the weights."""

    members: np.ndarray  # (n, n_bins), of bins that are not empty
    hit: np.ndarray  # (n,) whether what was promised came true
    confidence: np.ndarray  # (n,)
    norm: str
    debias: bool

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        parts = [self.members * part[:, None] for part in (self.hit, self.confidence)]
        sums = np.split(weight @ np.hstack([self.members, *parts]), 3, axis=-1)
        return self._gap(*sums)

    def if_calibrated(self, weight: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Return the errors, (b,), that chance alone makes, from draws in [0, 1) of (b, n).

        The samples and their weights (n,) stay, and every promise comes true as often as it says.
        """
        hits = (uniform < self.confidence) * weight
        confidence = (self.confidence * weight) @ self.members
        return self._gap(weight @ self.members, hits @ self.members, confidence)

    def _gap(self, *sums: np.ndarray) -> np.ndarray:
        return calibration_gap(*sums, norm=self.norm, debias=self.debias)


def rule_of(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule | None:
    """Return the rule of a metric on samples, or None where it is not known with these keywords."""
    # By identity: a callable need not be hashable.
    for known, build, accepted in _KNOWN:
        if known is function and set(keywords) <= set(accepted):
            labels = keywords.get("labels", sample.classes)
            return build(function, keywords, sample) if list(labels) == sample.classes else None
    return None


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return the ratio; NaN where it is one to nothing."""
    some = below > 0
    return np.where(some, above / np.where(some, below, 1.0), np.nan)


def _accuracy(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule:
    counted = sample.labels == sample.response
    if function is zero_one_loss:
        counted = ~counted
    return Ratio(counted.astype(float), np.ones(len(counted)), is_share=True)


def _share(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule | None:
    masks = _positives(keywords, sample)
    if masks is None:
        return None
    counted, among = COUNTS[function.__name__](*masks)
    return Ratio(counted.astype(float), among.astype(float), is_share=True)


def _f1(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule | None:
    masks = _positives(keywords, sample)
    if masks is None:
        return None
    true, predicted = masks
    # 2 TP / (2 TP + FP + FN); no share of samples, so that no binomial bounds hold.
    return Ratio(2.0 * (true & predicted), true.astype(float) + predicted, is_share=False)


def _positives(keywords: dict[str, Any], sample: Sample) -> tuple[np.ndarray, np.ndarray] | None:
    """Return which samples are positive, and are predicted so; None unless there are two kinds."""
    positive = keywords.get("pos_label", 1)
    if len(sample.classes) > 2 or positive not in sample.classes:
        return None
    return sample.labels == positive, sample.response == positive


def _balanced(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule:
    members = np.eye(len(sample.classes))[sample.codes]
    return ClassMean(members * (sample.labels == sample.response)[:, None], members)


def _ranking(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule | None:
    if len(sample.classes) != 2 or sample.response.ndim != 1:
        return None
    positive = np.flatnonzero(sample.codes == 1)
    negative = np.flatnonzero(sample.codes != 1)
    # By rising score, the positives too: the gather of their cumulative sums is then sequential.
    positive = positive[np.argsort(sample.response[positive], kind="stable")]
    negative = negative[np.argsort(sample.response[negative], kind="stable")]
    scores = sample.response[negative]
    sides = [np.searchsorted(scores, sample.response[positive], s) for s in ("left", "right")]
    return Ranking(positive, negative, *sides)


def _has_probabilities(sample: Sample) -> bool:
    """Return whether there is a probability for each class, or the second of two."""
    n_columns = 2 if sample.response.ndim == 1 else sample.response.shape[1]
    return n_columns == len(sample.classes)


def _brier(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule | None:
    if not _has_probabilities(sample):
        return None
    if keywords.get("pos_label", sample.classes[1]) != sample.classes[1]:
        return None
    score = sample.response.astype(float)
    if score.ndim == 1:
        loss = (score - (sample.codes == 1)) ** 2
    else:
        loss = ((score - np.eye(len(sample.classes))[sample.codes]) ** 2).sum(axis=1)
    return Ratio(loss, np.ones(len(loss)), is_share=False)


def _log_loss(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule | None:
    if not _has_probabilities(sample):
        return None
    # As scikit-learn clips, by the precision of the scores, so that no loss is infinite.
    smallest = np.finfo(sample.response.dtype).eps
    score = sample.response
    if score.ndim == 1:
        of_true = np.where(sample.codes == 1, score, 1 - score)
    else:
        of_true = score[np.arange(len(score)), sample.codes]
    loss = -np.log(np.clip(of_true, smallest, 1 - smallest))
    return Ratio(loss.astype(float), np.ones(len(loss)), is_share=False)


def _calibration(function: Any, keywords: dict[str, Any], sample: Sample) -> Rule | None:
    # Other bins depend on the samples that are drawn.
    if keywords.get("strategy", "uniform") != "uniform" or not _has_probabilities(sample):
        return None
    return calibration_of(keywords, sample, np.ones(len(sample.codes)))


def calibration_of(keywords: dict[str, Any], sample: Sample, weight: np.ndarray) -> Calibration:
    """Return the rule of the calibration error, of the bins that samples of these weights have."""
    confidence, hit = reliability(sample.codes, sample.response, len(sample.classes))
    strategy = keywords.get("strategy", "uniform")
    bins = bin_of(confidence, int(keywords.get("n_bins", 15)), strategy, weight)
    used, position = np.unique(bins, return_inverse=True)
    members = np.eye(len(used))[position]
    debias = bool(keywords.get("debias", False))
    return Calibration(members, hit, confidence, keywords.get("norm", "l1"), debias)


# The function, its rule, and the keywords that the rule knows; `labels` the report gives itself.
_KNOWN: tuple[tuple[Any, Callable[..., Rule | None], tuple[str, ...]], ...] = (
    (accuracy_score, _accuracy, ()),
    (zero_one_loss, _accuracy, ()),
    (recall_score, _share, ("pos_label",)),
    (precision_score, _share, ("pos_label",)),
    (selection_rate, _share, ("pos_label",)),
    (true_positive_rate, _share, ("pos_label",)),
    (false_negative_rate, _share, ("pos_label",)),
    (false_positive_rate, _share, ("pos_label",)),
    (true_negative_rate, _share, ("pos_label",)),
    (f1_score, _f1, ("pos_label",)),
    (balanced_accuracy_score, _balanced, ()),
    (roc_auc_score, _ranking, ()),
    (brier_score_loss, _brier, ("labels", "pos_label")),
    (log_loss, _log_loss, ("labels",)),
    (
        expected_calibration_error,
        _calibration,
        ("n_bins", "strategy", "norm", "debias", "labels"),
    ),
)
