"""The search for the scales of the classes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass
class Sweep:
    """Tries scales of the classes on some rows, and keeps what each gave.

    Parameters
    ----------
    log_proba : ndarray of shape (n, k)
    y, group : ndarray of shape (n,)
        Codes of the classes and of the groups, each group with at least one row.
    classes : ndarray of shape (k,)
    score : callable or None
        ``score(scaled)`` of scaled logarithms (n, k); None is the worst-group accuracy.
    """

    log_proba: np.ndarray
    y: np.ndarray
    group: np.ndarray
    classes: np.ndarray
    score: Callable[[np.ndarray], float] | None
    tried: list[tuple] = field(default_factory=list)

    def run(self, max_scales: int, max_rounds: int) -> tuple[np.ndarray, pd.DataFrame]:
        """Return the best scales (k,), geometric mean 1, and a row for each that was tried."""
        k = len(self.classes)
        scale = np.zeros(k)
        best = self._try(np.zeros(k))
        # With two classes only the ratio counts, and one sweep over it finds the best.
        for _ in range(1 if k == 2 else max_rounds):
            before = best
            for c in [1] if k == 2 else range(k):
                scale, best = self._ascend(scale, best, c, max_scales)
            if best == before:
                break
        names = [
            *(f"scale_{c}" for c in self.classes),
            "average_accuracy",
            "worst_group_accuracy",
            "score",
        ]
        return _normalised(scale), pd.DataFrame(self.tried, columns=names)

    def _ascend(
        self, scale: np.ndarray, best: tuple[float, float], c: int, max_scales: int
    ) -> tuple[np.ndarray, tuple[float, float]]:
        """Return the best scale of class ``c``, the others held; only a better one is new."""
        found = scale
        least = np.inf
        for value in self._candidates(scale, c, max_scales):
            trial = scale.copy()
            trial[c] = value
            result = self._try(trial)
            # Of the new ones that are equally good, the one that changes least.
            if result > best or (result == best and abs(value) < least < np.inf):
                found = trial
                best = result
                least = abs(value)
        return found, best

    def _candidates(self, scale: np.ndarray, c: int, max_scales: int) -> np.ndarray:
        """Return log scales of class ``c``, one between rows that turn to ``c``."""
        scaled = self.log_proba + scale
        # Predictions change where a scale passes the margin of a row, and nowhere else.
        margin = np.unique(np.delete(scaled, c, axis=1).max(1) - self.log_proba[:, c])
        between = np.concatenate(
            [[margin[0] - 1], (margin[1:] + margin[:-1]) / 2, [margin[-1] + 1]]
        )
        chosen = np.linspace(0, len(between) - 1, min(max_scales, len(between)))
        return between[chosen.round().astype(int)]

    def _try(self, scale: np.ndarray) -> tuple[float, float]:
        """Return the score and the average accuracy at ``scale``, and keep them for the curve."""
        scaled = self.log_proba + scale
        right = scaled.argmax(1) == self.y
        worst = float((np.bincount(self.group, right) / np.bincount(self.group)).min())
        score = worst if self.score is None else self.score(scaled)
        average = float(right.mean())
        self.tried.append((*_normalised(scale), average, worst, score))
        return score, average


def _normalised(log_scale: np.ndarray) -> np.ndarray:
    """Return scales with geometric mean 1."""
    return np.exp(log_scale - log_scale.mean())
