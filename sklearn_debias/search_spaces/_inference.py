"""Ranges of what stands around a classifier: inferred groups, and scales of classes."""

from sklearn_debias.search_spaces._draws import uniform
from sklearn_debias.search_spaces._rows import Space


def inferrer_names() -> list[str]:
    """Return the inferences that need no bias label."""
    return ["errors", "xrm", "eiil", "clusters"]


def inferrer_space(method: str) -> Space:
    """Return the ranges of an inference; "xrm" has those of its estimator only."""
    if method in ("errors", "eiil"):
        # 1 judges rows by the model that was fitted to them, as JTT and EIIL do.
        return {"n_splits": [None, 1, 2]}
    if method == "clusters":
        # SPARE looks at outputs and at few clusters, GEORGE at features and at up to ten.
        return {"features": ["outputs", "embeddings"], "max_clusters": [2, 4, 6, 10]}
    return {"threshold": [0.9, 0.95, 0.99]} if method == "ssa" else {}  # SSA's paper: 0.95


def logistic_strengths() -> list[float]:
    """Return the C of the logistic regressions that may be trained on inferred groups.

    The smaller the fewer rows they separate: weights of groups matter where they separate none.
    """
    return [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def class_scaling_space() -> Space:
    """Return the range of the rows that choose the scales."""
    return {"held_out": uniform(0.1, 0.4)}
