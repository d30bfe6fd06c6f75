"""Embeddings in which shortcuts are easier to read than the class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_debias.datasets._assignment import biased_values, even_values
from sklearn_debias.datasets._checks import check_conflict_ratio, check_int, check_real, streams
from sklearn_debias.seeds import Seed

_COUNTS = ("n_samples", "n_validation", "n_test")
_LARGEST = 1e6  # keeps float32 finite
_DESCR = """Spurious embeddings
===================

Synthetic embeddings: {n_features} features, {n_classes} classes and {n_attributes} shortcut(s) with
{values} values. A sample is the sum of a centre for its class, one centre per shortcut for its
value, and isotropic Gaussian noise of standard deviation {noise:g}; all centres lie along
orthogonal directions.

In `train` each shortcut points at the class (class c goes with the value c modulo the number of
values) except in a share {ratios} of each class. In `validation` and `test` all shortcuts are
independent of the class and of each other.
"""


def make_spurious_embeddings(
    n_samples: int = 1000,
    *,
    n_validation: int = 500,
    n_test: int = 1000,
    n_classes: int = 2,
    n_attributes: int = 1,
    n_values: int | Sequence[int] | None = None,
    conflict_ratio: float | Sequence[float] = 0.05,
    core_strength: float = 1.5,
    spurious_strength: float | Sequence[float] = 4.0,
    noise: float = 1.0,
    n_features: int | None = None,
    random_state: Seed = None,
) -> Bunch:
    """Make embeddings with any number of classes and shortcuts.

    They are biased in the training set, and unbiased in the validation and test sets.

    Parameters
    ----------
    n_samples, n_validation, n_test : int, default=1000, 500, 1000
        Samples in the training, validation and test sets; at least `n_classes` each. Classes are
        equally frequent, up to one sample.
    n_classes : int, default=2
        Number of classes, at least 2.
    n_attributes : int, default=1
        Number of bias attributes (shortcuts) present at once, at least 1.
    n_values : int or sequence of int, default=None
        Values of each attribute, at least 2. None gives each as many as there are classes. Class c
        is aligned with the value c modulo `n_values`: with fewer values than classes, several
        classes share one.
    conflict_ratio : float or sequence of float, default=0.05
        Per attribute, the share of each class whose value is not the aligned one, in [0, 1 -
        1/n_values]. ``round(conflict_ratio * n_c)`` samples of class c, at least one when the ratio
        is positive, spread evenly over the other values. Attributes are drawn independently of each
        other given the class.
    core_strength : float, default=1.5
        Half the distance between the centres of two classes, in [0, 1e6]. Two classes can be told
        apart without any shortcut with accuracy Phi(core_strength / noise), Phi the normal
        distribution function.
    spurious_strength : float or sequence of float, default=4.0
        Per attribute, half the distance between the centres of two of its values, in [0, 1e6]. A
        shortcut tempts when it exceeds `core_strength`.
    noise : float, default=1.0
        Standard deviation of each feature around its centre, in [0, 1e6].
    n_features : int, default=None
        Length of an embedding: at least one feature per class and per value of each attribute. None
        takes twice that number.
    random_state : None, int, RandomState or Generator, default=None
        Determines the directions, the attributes and the noise. None draws fresh entropy.

    Returns
    -------
    embeddings : sklearn.utils.Bunch
        `train`, `validation`, `test`, `class_centres` (n_classes, n_features), `bias_centres` (a
        list with one array of shape (n_values, n_features) per attribute) and `DESCR`. Each set is
        a Bunch with

        data : ndarray of shape (n, n_features), float32

        target : ndarray of shape (n,), int64
            Classes 0 to n_classes - 1.

        bias_labels : ndarray of shape (n,) or (n, n_attributes), int64
            Value of the attribute; one column each when there are several.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or a sequence has not one entry per attribute.

    Examples
    --------
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> bunch = make_spurious_embeddings(
    ...     n_classes=3, n_attributes=2, conflict_ratio=[0.05, 0.1], random_state=0
    ... )
    >>> bunch.train.data.shape, bunch.train.bias_labels.shape
    ((1000, 18), (1000, 2))
    """
    n_classes = check_int("n_classes", n_classes, 2)
    n_attributes = check_int("n_attributes", n_attributes, 1)
    counts = {"train": n_samples, "validation": n_validation, "test": n_test}
    for (name, count), parameter in zip(counts.items(), _COUNTS, strict=True):
        counts[name] = check_int(parameter, count, n_classes, hint="One or more per class.")
    noise = check_real("noise", noise, high=_LARGEST)
    n_values = n_classes if n_values is None else n_values
    sizes, ratios = _sizes_and_ratios(n_attributes, n_values, conflict_ratio)
    strengths = _strengths(n_attributes, core_strength, spurious_strength)
    n_features = _width(n_features, n_classes + sum(sizes))

    direction_rng, *rngs = streams(random_state, "directions", *counts)
    all_sizes = [n_classes, *sizes]
    class_centres, *bias_centres = _centres(all_sizes, strengths, n_features, direction_rng)
    bunch = Bunch(
        class_centres=class_centres,
        bias_centres=bias_centres,
        DESCR=_DESCR.format(
            n_features=n_features,
            n_classes=n_classes,
            n_attributes=n_attributes,
            values=", ".join(map(str, sizes)),
            noise=noise,
            ratios=", ".join(f"{ratio:.4g}" for ratio in ratios),
        ),
    )
    for (name, count), rng in zip(counts.items(), rngs, strict=True):
        target = rng.permutation(np.arange(count) % n_classes)
        if name == "train":
            columns = [
                biased_values(target, size, ratio, rng)
                for size, ratio in zip(sizes, ratios, strict=True)
            ]
            values = np.stack(columns, axis=1)
        else:
            # Dealt together, not one by one: the attributes tell nothing about each other, too.
            values = even_values(target, sizes, rng)
        data = class_centres[target] + noise * rng.standard_normal((count, n_features))
        for centres, column in zip(bias_centres, values.T, strict=True):
            data += centres[column]
        bias_labels = values[:, 0] if n_attributes == 1 else values
        bunch[name] = Bunch(data=data.astype(np.float32), target=target, bias_labels=bias_labels)
    return bunch


def _sizes_and_ratios(
    n_attributes: int, n_values: Any, conflict_ratio: Any
) -> tuple[list[int], list[float]]:
    """Return the number of values and the share of conflicting samples of each attribute."""
    sizes = [check_int("n_values", size, 2) for size in _spread("n_values", n_values, n_attributes)]
    given = _spread("conflict_ratio", conflict_ratio, n_attributes)
    # The largest share depends on the number of values: the sizes come first.
    ratios = [check_conflict_ratio(ratio, size) for ratio, size in zip(given, sizes, strict=True)]
    return sizes, ratios


def _strengths(n_attributes: int, core: Any, spurious: Any) -> list[float]:
    """Return the strength of the class, then of each attribute."""
    spurious = _spread("spurious_strength", spurious, n_attributes)
    return [
        check_real("core_strength", core, high=_LARGEST),
        *(check_real("spurious_strength", strength, high=_LARGEST) for strength in spurious),
    ]


def _spread(name: str, value: Any, n_attributes: int) -> list[Any]:
    """Return one entry for each attribute, from one for all or from a sequence."""
    # Ragged lists have no `np.ndim`: lists are told by their type.
    if not isinstance(value, list | tuple) and np.ndim(value) == 0:
        return [value] * n_attributes
    if len(value) != n_attributes:
        raise ValueError(
            f"`{name}` must be one number, or a sequence of {n_attributes} (`n_attributes`), got "
            f"{len(value)} entries."
        )
    return list(value)


def _width(n_features: int | None, needed: int) -> int:
    """Return the number of features: twice what is needed, for None."""
    if n_features is None:
        return 2 * needed
    return check_int(
        "n_features", n_features, needed, hint="One per class and per value of each attribute."
    )


def _centres(
    sizes: Sequence[int],
    strengths: Sequence[float],
    n_features: int,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Return equidistant centres around the origin, for each concept.

    Half the distance of two centres is the strength of their concept.
    """
    # One orthonormal direction for each value of each concept: no concept disturbs another.
    directions, _ = np.linalg.qr(rng.standard_normal((n_features, sum(sizes))))
    blocks = np.split(directions.T, np.cumsum(sizes)[:-1])
    # Orthonormal vectors are sqrt(2) apart; times sqrt(2) * strength that makes 2 * strength.
    return [
        np.sqrt(2) * strength * (block - block.mean(axis=0))
        for block, strength in zip(blocks, strengths, strict=True)
    ]
