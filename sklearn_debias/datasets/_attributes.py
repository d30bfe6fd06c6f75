"""Pseudo-attributes of samples: clusters within each class."""

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.utils import check_array

from sklearn_debias.datasets._checks import check_int, streams
from sklearn_debias.datasets._strata import encode, ranks_by_size
from sklearn_debias.rows import check_same_rows
from sklearn_debias.seeds import Seed

_STARTS = 10  # of k-means, the default of scikit-learn when ImageNet-GLT was made


def attribute_long_tail(
    features: npt.ArrayLike,
    y: npt.ArrayLike,
    n_clusters: int = 6,
    *,
    n_attributes: int = 3,
    random_state: Seed = None,
) -> np.ndarray:
    """Find pseudo-attributes of samples, ranked from head to tail, as ImageNet-GLT does [1]_.

    They are clusters within each class, ranked by their size.

    Parameters
    ----------
    features : array-like of shape (n, n_features)
        Embeddings of the samples (those of a pretrained network, in [1]_). They are not changed.
    y : array-like of shape (n,)
        Labels of any type; each class needs `n_clusters` different rows.
    n_clusters : int, default=6
        Clusters of k-means in every class.
    n_attributes : int, default=3
        Attributes of every class, a divisor of `n_clusters`: the largest ``n_clusters //
        n_attributes`` clusters are joined to attribute 0, the next ones to attribute 1, and so on.
        With as many as there are clusters, each cluster is an attribute.
    random_state : None, int, RandomState or Generator, default=None
        Determines where k-means starts.

    Returns
    -------
    attributes : ndarray of shape (n,), int64
        0 (head, the most frequent within the class) to n_attributes - 1 (tail). The attributes of
        two classes have nothing in common but their rank.

    Raises
    ------
    ValueError
        If a class has too few different rows, or an argument is out of its range.

    See Also
    --------
    glt_split : Training and test rows with these attributes.
    balanced_indices : A set in which every attribute of every class is as frequent.

    References
    ----------
    .. [1] K. Tang, M. Tao, J. Qi, Z. Liu and H. Zhang, "Invariant Feature Learning for Generalized
       Long-Tailed Classification", ECCV 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import attribute_long_tail
    >>> features = np.repeat([[0.0], [5.0], [9.0]], [2, 7, 1], axis=0)
    >>> attribute_long_tail(features, np.zeros(10), n_clusters=3, random_state=0)
    array([1, 1, 0, 0, 0, 0, 0, 0, 0, 2])
    """
    rows = _dense(features)
    check_same_rows({"features": features, "y": y})
    classes, codes = encode("y", y, n_rows=len(rows))
    n_clusters = check_int("n_clusters", n_clusters, 1)
    n_attributes = check_int("n_attributes", n_attributes, 1, n_clusters)
    if n_clusters % n_attributes:
        raise ValueError(
            f"`n_attributes` must divide `n_clusters` ({n_clusters}), got {n_attributes}."
        )
    (rng,) = streams(random_state, "clusters")
    attributes = np.empty(len(codes), dtype=np.int64)
    for code, label in enumerate(classes.tolist()):
        # Adding 0.0 makes zeros of negative zeros, which differ in their bytes alone.
        members = rows[codes == code] + 0.0
        n_different = len({row.tobytes() for row in members})
        if n_different < n_clusters:
            found = f"class {label!r} has {n_different}"
            raise ValueError(
                f"`n_clusters` ({n_clusters}) needs as many different rows in each class; {found}."
            )
        kmeans = KMeans(n_clusters, n_init=_STARTS, random_state=int(rng.integers(2**31)))
        clusters = kmeans.fit(members).labels_
        ranks = ranks_by_size(np.bincount(clusters, minlength=n_clusters))
        attributes[codes == code] = ranks[clusters] * n_attributes // n_clusters
    return attributes


def _dense(features: npt.ArrayLike) -> np.ndarray:
    """Return the features as a finite array of floats, shape (n, n_features)."""
    try:
        return check_array(features, dtype=[np.float64, np.float32], input_name="features")
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        # The type stays: scikit-learn raises a TypeError for sparse matrices.
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"`features` must be dense numbers of shape (n, n_features). {error}") from error
