"""Candidate groups: rows of a class that a model errs on, and that stand apart from the others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import hypergeom, norm

from sklearn_debias.inspection._bias_settings import Settings
from sklearn_debias.inspection._dependence import Folds
from sklearn_debias.inspection._slices import Judged, judge, slices_of
from sklearn_debias.metrics.internal import binomial_share

N_NEAREST = 5
APART = 1.5  # separation from which a group is none that was cut off a single bump
ORDER = (
    *("source", "class", "group", "n", "share", "n_measured", "accuracy", "lower", "upper"),
    *("rest", "rest_lower", "rest_upper", "p_value", "p_corrected"),
    *("separation", "candidate", "nearest"),
)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidate groups, the surest first; without arguments none.

    Parameters
    ----------
    frame : DataFrame
        A row per group.
    members : tuple of ndarray
        Rows of each group.
    model_accuracy : float or None
        Balanced accuracy of the model, out of fold.
    """

    frame: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ORDER)))
    members: tuple[np.ndarray, ...] = ()
    model_accuracy: float | None = None


def candidates_of(
    embeddings: np.ndarray,
    folds: Folds,
    classes: Sequence[Any],
    inferred: tuple[np.ndarray, list[Any]] | None,
    settings: Settings,
    seed: int,
) -> Candidates:
    """Return the candidate groups: slices of the errors, and what was inferred.

    Parameters
    ----------
    embeddings : ndarray of shape (n, features)
    folds : Folds
    classes : sequence
    inferred : pair of codes (n,) and labels, or None
        Bias labels from elsewhere.
    settings : Settings
    seed : int
    """
    judged = judge(embeddings, folds, seed)
    slices, unseen = slices_of(judged, seed)
    rows = Measured(judged, unseen, settings.confidence)
    sources: list[Any] = [("errors", slices, None, unseen)]
    if inferred is not None:
        sources.append(("inferred", *inferred, np.ones(len(slices), dtype=bool)))
    found: list[dict[str, Any]] = []
    members: list[np.ndarray] = []
    for source, labels, names, measured in sources:
        groups, rows_of_groups = rows.groups_of(labels, measured)
        for group in groups:
            group["source"] = source
            group["class"] = classes[group["class"]]
            if names is not None:
                group["group"] = names[group["group"]]
        found += groups
        members += rows_of_groups
    accuracy, p_of_model = _beyond_chance(judged)
    if not found:
        return Candidates(model_accuracy=accuracy)
    # A model of noise is wrong about one class in each cluster of rows, by the toss of a coin.
    knows = p_of_model <= settings.alpha
    corrected = _holm([group["p_value"] for group in found])
    for group, p in zip(found, corrected, strict=True):
        apart = bool(group["separation"] >= APART)  # NaN is not
        marked = knows and apart and bool(p <= settings.alpha)
        group |= {"p_corrected": float(p), "candidate": marked}
    order = np.argsort([group["p_value"] for group in found], kind="stable")
    frame = pd.DataFrame([found[i] for i in order], columns=list(ORDER))
    return Candidates(frame, tuple(members[i] for i in order), accuracy)


def _beyond_chance(judged: Judged) -> tuple[float, float]:
    """Return the balanced accuracy, and the p-value of one no better than a guess."""
    _, codes, n = np.unique(judged.codes, return_inverse=True, return_counts=True)
    each = np.bincount(codes, judged.right) / n
    guess = 1 / len(n)
    # Under a guess, the variance of each class is no larger than that of a coin.
    error = np.sqrt(np.sum(0.25 / n)) / len(n)
    return float(each.mean()), float(norm.sf((each.mean() - guess) / error))


@dataclass(frozen=True)
class Measured:
    """Rows that groups are measured on.

    Parameters
    ----------
    judged : Judged
    unseen : ndarray of bool of shape (n,)
        Rows that had no part in finding slices.
    confidence : float
    """

    judged: Judged
    unseen: np.ndarray
    confidence: float

    def groups_of(
        self, labels: np.ndarray, measured: np.ndarray
    ) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        """Describe the rows of one class and one label, against the rest of their class.

        Any labels will do: slices, or bias values that were inferred.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Label of each row, >= 0; rows of -1 are in no group.
        measured : ndarray of bool of shape (n,)
            Rows that the accuracies are measured on.

        Returns
        -------
        groups : list of dict
            What is known of each group.
        members : list of ndarray
            Rows of each group, the ones nearest to its centre first.
        """
        groups = []
        members = []
        for label, value in _cells(self.judged.codes, labels):
            in_class = self.judged.codes == label
            inside = in_class & (labels == value)
            if inside.sum() == in_class.sum():
                continue  # there is no rest
            rows = _by_distance(self.judged.coordinates, inside)
            groups.append(
                {"class": label, "group": value, "nearest": tuple(rows[:N_NEAREST].tolist())}
                | self._measure(inside, in_class, measured)
            )
            members.append(rows)
        return groups, members

    def _measure(
        self, inside: np.ndarray, in_class: np.ndarray, measured: np.ndarray
    ) -> dict[str, Any]:
        """Return size, accuracies and separation of a group."""
        right = self.judged.right
        accuracy = self._share_right(inside & measured)
        rest = self._share_right(in_class & ~inside & measured)
        return {
            "n": int(inside.sum()),
            "share": float(inside.sum() / in_class.sum()),
            "n_measured": int((inside & measured).sum()),
            **dict(zip(("accuracy", "lower", "upper"), accuracy, strict=True)),
            **dict(zip(("rest", "rest_lower", "rest_upper"), rest, strict=True)),
            "p_value": _p_value(right, inside & measured, in_class & measured),
            "separation": _separation(self.judged.coordinates, inside, in_class, self.unseen),
        }

    def _share_right(self, rows: np.ndarray) -> tuple[float, float, float]:
        """Return the accuracy on the rows of a mask (n,), and its bounds."""
        right = self.judged.right[rows]
        return binomial_share(int(right.sum()), len(right), self.confidence)


def _cells(codes: np.ndarray, labels: np.ndarray) -> Iterable[tuple[int, int]]:
    """Return the pairs of class and label that occur."""
    pairs = np.column_stack([codes, labels])[labels >= 0]
    return [(int(label), int(value)) for label, value in np.unique(pairs, axis=0)]


def _by_distance(coordinates: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the rows of a group, those nearest to its centre first."""
    rows = np.flatnonzero(inside)
    points = coordinates[rows]
    distances = ((points - points.mean(axis=0)) ** 2).sum(axis=1)
    return rows[np.argsort(distances, kind="stable")]


def _separation(
    coordinates: np.ndarray, inside: np.ndarray, in_class: np.ndarray, unseen: np.ndarray
) -> float:
    """Return how far a group stands apart from the rest of its class: 1 or less if it does not.

    On the line through both centres the group explains a share of the variance. It is divided by
    the share that a part of the same size explains which is cut off a normal distribution. Half of
    the rows have the centres, the other half the variances, so that noise in many dimensions does
    not part them. NaN of too few rows.
    """
    rest = in_class & ~inside
    parts = [mask & half for half in (~unseen, unseen) for mask in (inside, rest)]
    if min(part.sum() for part in parts[:2]) < 1 or min(part.sum() for part in parts[2:]) < 2:
        return float("nan")
    line = coordinates[parts[0]].mean(axis=0) - coordinates[parts[1]].mean(axis=0)
    group = coordinates[parts[2]] @ line
    others = coordinates[parts[3]] @ line
    share = len(group) / (len(group) + len(others))
    between = share * (1 - share) * (group.mean() - others.mean()) ** 2
    total = np.concatenate([group, others]).var()
    if total == 0:
        return 0.0
    cut = norm.pdf(norm.ppf(share)) ** 2 / (share * (1 - share))
    return float(between / total / cut)


def _p_value(right: np.ndarray, inside: np.ndarray, in_class: np.ndarray) -> float:
    """Return how likely the group has so few right by chance: Fisher's exact test, one-sided."""
    hits = right[inside].sum()
    return float(hypergeom.cdf(hits, in_class.sum(), right[in_class].sum(), inside.sum()))


def _holm(p: Any) -> np.ndarray:
    """Return p-values corrected for their number, by Holm's procedure."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return corrected
