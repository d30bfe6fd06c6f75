"""By clusters within each class: of an early model's outputs (SPARE), or of features (GEORGE)."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin, silhouette_score
from sklearn.pipeline import Pipeline

from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.group_inference._inference import Inference, Task
from sklearn_debias.group_inference._reference import cross_fit, mean_log_proba, reference

CLEAR = 0.9  # silhouette, and the exponent below it, as SPARE is released
POWER = 2.0
MOST_COMPARED = 2000  # rows of a class whose distances a silhouette takes


@dataclass
class ClassClusters:
    """The clusters of one class, the largest first."""

    centres: np.ndarray
    silhouette: float

    def nearest(self, Z: np.ndarray) -> np.ndarray:
        """Return the number of the nearest centre of each row."""
        if len(Z) == 0:
            return np.zeros(0, dtype=int)
        return pairwise_distances_argmin(Z, self.centres)


def cluster_class(Z: np.ndarray, most: int, seed: int) -> ClassClusters:
    """Cluster the rows of one class into 2 to ``most``, as the silhouette has it."""
    # Here, since it takes as long as half of this package, and one method alone needs it.
    from sklearn.cluster import KMeans

    best = ClassClusters(Z.mean(0, keepdims=True), 0.0)
    # Of all rows the silhouette would take n^2 distances.
    compared = np.random.default_rng(seed).permutation(len(Z))[:MOST_COMPARED]
    for k in range(2, min(most, len(Z) - 1) + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = KMeans(k, n_init=10, random_state=seed).fit(Z)
        labels = found.labels_[compared]
        # Fewer different rows than clusters; or a cluster of a few rows that were not drawn.
        if len(np.unique(found.labels_)) < k or not 1 < len(np.unique(labels)) < len(labels):
            continue
        score = silhouette_score(Z[compared], labels)
        if score > best.silhouette:
            order = np.argsort(-np.bincount(found.labels_, minlength=k), kind="stable")
            best = ClassClusters(found.cluster_centers_[order], float(score))
    return best


class ClustersInference(Inference):
    """Label the rows of each class by their cluster, 0 for the largest."""

    reads = frozenset({"n_splits", "features", "max_clusters"})
    advice = "Raise `max_clusters`, or let `features` be the other kind."

    def __init__(self, task: Task) -> None:
        self.classes = task.classes
        self.features = task.params["features"]
        self.models, proba = cross_fit(reference(task), task)
        Z = centred(proba) if self.features == "outputs" else embeddings(self.models[0], task.X)
        most = int(task.params["max_clusters"])
        self.found = [
            cluster_class(Z[task.codes == c], most, task.seed) for c in range(len(self.classes))
        ]
        self.labels = self._nearest(Z, task.codes)
        self.silhouettes = np.array([clusters.silhouette for clusters in self.found])
        self.score = float(self.silhouettes.mean())
        self.sampling_weights = sampling_weights(task.codes, self.labels, self.silhouettes)

    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return the nearest cluster of its class for each row (m,)."""
        proba = mean_log_proba(self.models, X, self.classes)
        Z = centred(proba) if self.features == "outputs" else embeddings(self.models[0], X)
        return self._nearest(Z, proba.argmax(1) if codes is None else codes)

    def _nearest(self, Z: np.ndarray, codes: np.ndarray) -> np.ndarray:
        labels = np.zeros(len(Z), dtype=int)
        for c, clusters in enumerate(self.found):
            labels[codes == c] = clusters.nearest(Z[codes == c])
        return labels


def centred(proba: np.ndarray) -> np.ndarray:
    """Return logits (n, k) with mean 0: those of any row are known up to a constant."""
    return proba - proba.mean(1, keepdims=True)


def embeddings(model: Any, X: Any) -> np.ndarray:
    """Return what the last layer of a fitted model takes in, shape (n, features)."""
    last = model
    if isinstance(model, Pipeline):
        last = model[-1]
        X = model[:-1].transform(X)
    if not isinstance(last, BaseDebiasClassifier):
        if not hasattr(last, "coef_"):
            raise TypeError(
                "`features`='embeddings' needs an `estimator` of this package, or a linear one, "
                f"got {type(last).__name__}: its layers are not known. Use features='outputs'."
            )
        return np.asarray(X, dtype=float)
    settings = {"normalize": last.normalize, "image_size": last.image_size, "device": last.device}
    return Embedder(last.module_, **settings).fit_transform(X)


def sampling_weights(codes: np.ndarray, labels: np.ndarray, silhouettes: np.ndarray) -> np.ndarray:
    """Return SPARE's sampling weights (n,), which sum to 1.

    A row of a cluster of size m has weight m^-lambda within its class, and all classes weigh alike.
    Lambda is 1 where the clusters of the class are as clear as a silhouette of 0.9, else 2.
    """
    weights = np.zeros(len(codes))
    for c in np.unique(codes):
        rows = codes == c
        size = np.bincount(labels[rows])[labels[rows]].astype(float)
        share = size ** -(1.0 if silhouettes[c] >= CLEAR else POWER)
        weights[rows] = share / share.sum()
    return weights / weights.sum()
