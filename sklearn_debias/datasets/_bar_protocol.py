"""The protocol of Biased Action Recognition: conflicting photographs in the training set."""

import numpy as np

ACTIONS = ("climbing", "diving", "fishing", "pole vaulting", "racing", "throwing")
ALIGNMENT = ("aligned", "conflicting")  # the bias values: no other are known


def moved_rows(
    target: np.ndarray, split: np.ndarray, n_moved: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the rows of the conflicting samples that go to the training set.

    The classes have the same shares of them as of all conflicting samples.

    Parameters
    ----------
    target : ndarray of shape (n,)
    split : ndarray of shape (n,)
        1 for test and conflicting, which is the same in the published sets.
    n_moved : int
    rng : Generator
    """
    rows = rng.permutation(np.flatnonzero(split == 1))
    if n_moved and n_moved >= len(rows):
        raise ValueError(
            f"`conflicting` must be less than the {len(rows)} conflicting samples, got {n_moved}."
        )
    labels, sizes = np.unique(target[rows], return_counts=True)
    quotas = n_moved * sizes / max(len(rows), 1)
    shares = np.floor(quotas).astype(int)
    # A stable sort gives ties to the first class, on every machine.
    largest = np.argsort(shares - quotas, kind="stable")[: n_moved - shares.sum()]
    shares[largest] += 1
    chosen = [
        rows[target[rows] == label][:share] for label, share in zip(labels, shares, strict=True)
    ]
    # The empty array is for a copy without conflicting samples: there is nothing to join then.
    return np.concatenate([*chosen, np.empty(0, dtype=np.int64)])
