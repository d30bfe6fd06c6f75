"""Slices of embeddings, found without metadata: where a linear model is wrong, and sure of it."""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias.inspection._dependence import Folds

N_COORDINATES = 16  # in which distances are measured
STRENGTH = 10  # of the data against the penalty, whatever the number of rows
FEWEST = 4  # errors that a cluster is made of
MOST_CLUSTERS = 5  # of the errors, or of the right rows, of a class
STRUCTURE = 0.25  # silhouette from which several clusters are better than one
SILHOUETTE_ROWS = 2000


@dataclass(frozen=True)
class Judged:
    """Rows, and what a model says of them that has not seen them.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Class of each row.
    probabilities : ndarray of shape (n, n_classes)
        Out of fold.
    coordinates : ndarray of shape (n, d)
        Standardised embeddings, of which the first principal components.
    """

    codes: np.ndarray
    probabilities: np.ndarray
    coordinates: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether each row is predicted right, of shape (n,)."""
        return self.probabilities.argmax(axis=1) == self.codes

    @property
    def margins(self) -> np.ndarray:
        """Lead of the class predicted: over the true one, or where right over the next (n,)."""
        rows = np.arange(len(self.codes))
        others = self.probabilities.copy()
        others[rows, self.codes] = -np.inf
        return np.abs(others.max(axis=1) - self.probabilities[rows, self.codes])


def judge(embeddings: np.ndarray, folds: Folds, seed: int) -> Judged:
    """Let a linear model predict each row that it has not seen."""
    n_classes = folds.sizes.shape[1]
    codes = folds.codes % n_classes
    fold = folds.codes // n_classes
    probabilities = np.zeros((len(codes), n_classes))
    for held_out in np.unique(fold):
        training = fold != held_out
        present = np.unique(codes[training])
        if len(present) == 1:
            probabilities[np.ix_(~training, present)] = 1
            continue
        model = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=STRENGTH / training.sum(), class_weight="balanced", max_iter=1000),
        ).fit(embeddings[training], codes[training])
        probabilities[np.ix_(~training, present)] = model.predict_proba(embeddings[~training])
    return Judged(codes, probabilities, _reduced(embeddings, seed))


def _reduced(embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Return the first principal components of the standardised embeddings, of shape (n, d)."""
    varied = embeddings[:, np.ptp(embeddings, axis=0) > 0]
    if not varied.shape[1]:  # all rows are alike
        return np.zeros((len(embeddings), 1))
    reduce = PCA(min(N_COORDINATES, *varied.shape), random_state=seed)
    return make_pipeline(StandardScaler(), reduce).fit_transform(varied)


def slices_of(judged: Judged, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a slice for each row, -1 where it is in none, and which rows found no slice.

    In a random half of each class the confident errors and the right rows are clustered. All rows
    of the class go to the nearest centre; those nearest to errors are a slice. The other half has
    had no part in the centres, so that its accuracy is measured, not chosen.

    Confident is the half of a class's errors that has the greater margins: those of rows that
    merely lie between the classes are small.

    Returns
    -------
    slices : ndarray of shape (n,), dtype intp
    unseen : ndarray of bool of shape (n,)
    """
    rng = np.random.default_rng(seed)
    right = judged.right
    margins = judged.margins
    slices = np.full(len(right), -1, dtype=np.intp)
    unseen = np.zeros(len(right), dtype=bool)
    for label in np.unique(judged.codes):
        rows = rng.permutation(np.flatnonzero(judged.codes == label))
        first = rows[: (len(rows) + 1) // 2]
        unseen[rows[len(first) :]] = True
        errors = first[~right[first]]
        errors = errors[np.argsort(-margins[errors], kind="stable")][: (len(errors) + 1) // 2]
        if len(errors) < FEWEST:
            continue
        wrong = _centres(judged.coordinates[errors], seed)
        centres = [wrong]
        if right[first].any():
            centres.append(_centres(judged.coordinates[first[right[first]]], seed))
        nearest = pairwise_distances_argmin(judged.coordinates[rows], np.concatenate(centres))
        inside = nearest < len(wrong)
        slices[rows[inside]] = slices.max() + 1 + nearest[inside]
    return slices, unseen


def _centres(points: np.ndarray, seed: int) -> np.ndarray:
    """Return centres (k, d) of clusters, as many as have the greatest silhouette [1]_, or one.

    .. [1] P. Rousseeuw, "Silhouettes: A graphical aid to the interpretation and validation of
       cluster analysis", Journal of Computational and Applied Mathematics 20, 1987.
    """
    best = points.mean(axis=0, keepdims=True)
    most = STRUCTURE
    n_different = len(np.unique(points, axis=0))
    for k in range(2, min(MOST_CLUSTERS, len(points) // FEWEST, n_different) + 1):
        found = KMeans(k, n_init=5, random_state=seed).fit(points)
        sample = _sample(len(points), seed)
        labels = found.labels_[sample]
        # A cluster of few rows may have none in the sample; and a silhouette needs two clusters.
        if not 2 <= len(np.unique(labels)) < len(labels):
            continue
        value = silhouette_score(points[sample], labels)
        if value > most:
            most = value
            best = found.cluster_centers_
    return best


def _sample(n: int, seed: int) -> np.ndarray:
    """Return the rows that the silhouette is measured on: all, or `SILHOUETTE_ROWS` of many."""
    if n <= SILHOUETTE_ROWS:
        return np.arange(n)
    return np.random.default_rng(seed).choice(n, SILHOUETTE_ROWS, replace=False)
