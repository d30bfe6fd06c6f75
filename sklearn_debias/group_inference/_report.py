"""How good an inference is, where bias labels exist."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

from sklearn_debias.arguments import in_our_words
from sklearn_debias.group_inference._check import minority
from sklearn_debias.metrics.internal import (
    aligned_mask,
    aligned_of,
    as_html,
    binomial_share,
    check_confidence,
    encode_labels,
    find_groups,
)
from sklearn_debias.rows import as_array, check_same_rows

ALL = "all"
CLOSE = 1e-9


@dataclass(frozen=True)
class InferredGroupsReport:
    """How well inferred groups find the minority of each class. Print it, or show it in a notebook.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per class, and one for all: "class", "n", "conflicting" (rows of the true minority),
        "inferred" (rows of the inferred one), "both"; "precision" and "recall", each with "_lower"
        and "_upper"; "auc" with its bounds, where there is a score.
    confidence : float
        Coverage of every interval.
    """

    frame: pd.DataFrame
    confidence: float

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.frame.copy()

    def to_text(self) -> str:
        """Return the report as plain text."""
        return f"{self._table().to_string(index=False)}\n{self._note()}"

    def _table(self) -> pd.DataFrame:
        """Return the table with intervals beside the figures."""
        table = self.frame[["class", "n", "conflicting", "inferred"]].copy()
        for name in ("precision", "recall", "auc"):
            if name in self.frame:
                table[name] = [
                    _shown(*row)
                    for row in self.frame[[name, f"{name}_lower", f"{name}_upper"]].to_numpy()
                ]
        return table

    def _note(self) -> str:
        area = "; Hanley and McNeil's for the area" if "auc" in self.frame else ""
        return f"intervals: {self.confidence:.0%}, exact binomial{area}"

    def _repr_html_(self) -> str:
        return as_html("Inferred against true groups", [("", self._table(), False)], [self._note()])

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__


def _shown(value: float, lower: float, upper: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f} [{lower:.2f}, {upper:.2f}]"


@in_our_words
def inferred_groups_report(
    y: npt.ArrayLike,
    inferred: Any,
    bias_labels: npt.ArrayLike,
    *,
    aligned: Mapping[Any, Any] | None = None,
    confidence: float = 0.95,
) -> InferredGroupsReport:
    """Compare inferred groups with the bias labels that exist, class by class.

    The minority of a class is what does not have the bias value that goes with it; the inferred
    one is all but the largest inferred part of the class.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class labels.
    inferred : fitted GroupInferrer, or array-like of shape (n,)
        Inferred bias labels of the same rows; a GroupInferrer was fitted to them, and brings its
        `suspicion_`.
    bias_labels : array-like of shape (n,) or (n, attributes)
        The true ones.
    aligned : dict, default=None
        Class label -> bias value that goes with it. None takes the most frequent one of ``y`` and
        ``bias_labels``.
    confidence : float, default=0.95
        Coverage of each interval, in (0, 1).

    Returns
    -------
    InferredGroupsReport
        Precision and recall with exact binomial intervals, and the area under the ROC curve of the
        suspicion, with the interval that Hanley and McNeil's variance [1]_ gives where it is taken
        at each area in question [2]_. NaN where there is nothing to divide by.

    Raises
    ------
    ValueError
        If the labels do not have one value per row, or a class has no aligned value.

    References
    ----------
    .. [1] J. Hanley and B. McNeil, "The meaning and use of the area under a receiver operating
       characteristic (ROC) curve", Radiology 1982.
    .. [2] R. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
       statistic. Part 2", Statistics in Medicine 2006.

    Examples
    --------
    >>> from sklearn_debias.group_inference import inferred_groups_report
    >>> report = inferred_groups_report(
    ...     [0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0, 1], ["a", "a", "a", "b", "b", "b", "a"]
    ... )
    >>> report.to_frame()[["class", "conflicting", "precision", "recall"]].values.tolist()
    [[0, 1, 1.0, 1.0], [1, 1, 1.0, 1.0], ['all', 2, 1.0, 1.0]]
    """
    confidence = check_confidence(confidence)
    suspicion = getattr(inferred, "suspicion_", None)
    found = getattr(inferred, "bias_labels_", inferred)
    check_same_rows({"y": y, "inferred": found, "bias_labels": bias_labels})
    labels = encode_labels(y, "y")
    codes, classes = labels
    groups = find_groups(labels, keep=np.ones(len(codes), dtype=bool), bias_labels=bias_labels)
    if aligned is None:
        aligned = aligned_of(groups.strata, groups.names, "raise")
    conflicting = ~aligned_mask(groups, aligned)[groups.strata]
    values = as_array(found, "inferred")
    if values.shape != codes.shape:
        raise ValueError(
            f"`inferred` must have one label per row of y, {len(codes)}, got the shape "
            f"{values.shape}."
        )
    rare = minority(codes, values)
    rows = [
        _row(label, codes == c, conflicting, rare, suspicion, confidence)
        for c, label in enumerate(classes)
    ]
    whole = np.ones(len(codes), dtype=bool)
    # A class of that name keeps it.
    name = f"({ALL})" if ALL in list(classes) else ALL
    rows.append(_row(name, whole, conflicting, rare, suspicion, confidence))
    return InferredGroupsReport(pd.DataFrame(rows), confidence)


def _row(
    label: Any,
    chosen: np.ndarray,
    conflicting: np.ndarray,
    rare: np.ndarray,
    suspicion: np.ndarray | None,
    confidence: float,
) -> dict[str, Any]:
    """Return the row of the table for some rows (n,)."""
    true = conflicting[chosen]
    found = rare[chosen]
    both = int((true & found).sum())
    row = {
        "class": label,
        "n": int(chosen.sum()),
        "conflicting": int(true.sum()),
        "inferred": int(found.sum()),
        "both": both,
    }
    row |= _share("precision", both, row["inferred"], confidence)
    row |= _share("recall", both, row["conflicting"], confidence)
    if suspicion is not None:
        bounds = roc_area(true, suspicion[chosen], confidence)
        row |= dict(zip(("auc", "auc_lower", "auc_upper"), bounds, strict=True))
    return row


def _share(name: str, hits: int, n: int, confidence: float) -> dict[str, float]:
    """Return a share and its exact bounds; NaN of none."""
    names = (name, f"{name}_lower", f"{name}_upper")
    return dict(zip(names, binomial_share(hits, n, confidence), strict=True))


def roc_area(positive: np.ndarray, score: np.ndarray, confidence: float) -> tuple[float, ...]:
    """Return the area under the ROC curve and its bounds; NaN of one kind.

    The bounds are the areas that the one found does not contradict, by Hanley and McNeil's variance
    at each of them. So they hold for a few rows of a kind, too, where a variance that is estimated
    from these rows does not.
    """
    m = int(positive.sum())
    n = len(positive) - m
    if min(m, n) == 0:
        return np.nan, np.nan, np.nan
    # How many rows of the other kind each row beats, ties by half.
    area = float((rankdata(score)[positive].sum() - m * (m + 1) / 2) / (m * n))
    z = norm.ppf((1 + confidence) / 2)

    def contradicts(true: float) -> float:
        spread = 1 + (n - 1) * (1 - true) / (2 - true) + (m - 1) * true / (1 + true)
        return (area - true) ** 2 - z**2 * true * (1 - true) * spread / (m * n)

    # At 0 and 1 nothing contradicts: what is found there is not the bound that is looked for.
    lower = 0.0 if area == 0 else brentq(contradicts, 0.0, min(area, 1 - CLOSE))
    upper = 1.0 if area == 1 else brentq(contradicts, max(area, CLOSE), 1.0)
    return area, float(lower), float(upper)
