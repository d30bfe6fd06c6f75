"""Bias values for the samples of each class: exact counts, whatever the seed."""

from collections.abc import Sequence

import numpy as np


def biased_values(
    target: np.ndarray, n_values: int, conflict_ratio: float, rng: np.random.Generator
) -> np.ndarray:
    """Return bias values that point at the class, int64 of shape (n,).

    Class c is aligned with the value c modulo `n_values`. Of its n_c samples round(conflict_ratio *
    n_c) conflict (halves to even; at least one when the ratio is positive). Their values are spread
    over the other n_values - 1, with counts that differ by one at most. With the same generator a
    larger ratio only adds conflicting samples.
    """
    values = target % n_values
    for label in np.unique(target):
        # Both draws come before the ratio is looked at, so that it never moves the stream.
        members = rng.permutation(np.flatnonzero(target == label))
        start = rng.integers(n_values - 1)
        n_conflicting = max(round(conflict_ratio * len(members)), int(conflict_ratio > 0))
        # Steps from 1 to n_values - 1: a step of 0 would be the aligned value again.
        steps = 1 + (start + np.arange(n_conflicting)) % (n_values - 1)
        values[members[:n_conflicting]] = (label + steps) % n_values
    return values


def even_values(strata: np.ndarray, sizes: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return values of several attributes that tell nothing about the stratum.

    They are int64 of shape (n, len(sizes)). The combinations of values are dealt like cards, one
    stratum after the other: within a stratum the counts of any two combinations differ by one at
    most, and so they do over all samples.
    """
    order = np.lexsort((rng.permutation(len(strata)), strata))
    place = np.empty(len(strata), dtype=np.int64)
    # A random start: dealing from 0 would give the first values one sample more, in every set.
    place[order] = np.arange(len(strata)) + rng.integers(2**31)
    # The place, written in the mixed radix of the sizes, has one digit for each attribute.
    rest, first = np.divmod(place, sizes[0])
    columns = [first]
    for size in sizes[1:]:
        rest, digit = np.divmod(rest, size)
        # A digit changes slowly; shifted by the first, it is even in short strata, too.
        columns.append((first + digit) % size)
    return np.stack(columns, axis=1)
