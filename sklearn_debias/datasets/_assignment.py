"""Who gets which value of the bias: exact counts, whatever the seed."""

import numpy as np


def biased_values(target, n_values, conflict_ratio, rng):
    """Bias values that point at the class, int64 of shape (n,).

    Class c is aligned with the value c modulo `n_values`. Of its n_c samples round(conflict_ratio *
    n_c) conflict (halves to even; at least one when the ratio is positive), and their values are
    spread over the other n_values - 1 with counts that differ by one at most. With the same
    generator a larger ratio only adds conflicting samples.
    """
    values = target % n_values
    for label in np.unique(target):
        members = rng.permutation(np.flatnonzero(target == label))
        start = rng.integers(n_values - 1)
        n_conflicting = max(round(conflict_ratio * len(members)), int(conflict_ratio > 0))
        steps = 1 + (start + np.arange(n_conflicting)) % (n_values - 1)
        values[members[:n_conflicting]] = (label + steps) % n_values
    return values


def even_values(strata, sizes, rng):
    """Values of several attributes that tell nothing about the stratum, int64 of shape (n, len(sizes)).

    The combinations of values are dealt like cards, one stratum after the other: within a stratum
    the counts of any two combinations differ by one at most, and so they do over all samples.
    """
    order = np.lexsort((rng.permutation(len(strata)), strata))
    place = np.empty(len(strata), dtype=np.int64)
    place[order] = np.arange(len(strata)) + rng.integers(2**31)
    rest, first = np.divmod(place, sizes[0])
    columns = [first]
    for size in sizes[1:]:
        rest, digit = np.divmod(rest, size)
        columns.append(
            (first + digit) % size
        )  # the shift by `first` keeps short strata even in every column
    return np.stack(columns, axis=1)
