"""Biased digits, Coloured MNIST and BAR: what biasadv.py and others train on, and which nets.

Training rows and their bias are drawn anew for each seed; unbiased validation and test rows stay as
they are, but for `bar`, which may draw its validation rows, too. "colour_mnist" and "bar" are read
from the folder named by SKLEARN_DEBIAS_DATA.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from sklearn_debias.datasets import (
    colour_mnist,
    data_folder,
    load_biased_digits,
    read_bar,
    read_mnist,
)
from sklearn_debias.metrics import group_mean_accuracy_score

# Perceptrons for images, that of LfF for Coloured MNIST; a linear head for embeddings.
NETWORKS = {
    "digits": {"module": "mlp", "net_params": {"module__hidden": (100, 100)}, "batch_size": 128},
    "colour_mnist": {
        "module": "mlp",
        "net_params": {"module__hidden": (100, 100, 100)},
        "batch_size": 256,
    },
    "bar": {"module": "linear", "batch_size": 128},
}


def load_data(data, conflict, seed, **options):
    """Biased training set of a seed, and the fixed, unbiased validation and test sets."""
    return {"digits": digits, "colour_mnist": mnist, "bar": bar}[data](conflict, seed, **options)


def digits(conflict, seed):
    """Recolour the 899 training images of load_biased_digits; add 449 and 449 unbiased ones."""
    fixed = load_biased_digits(conflict_ratio=conflict, random_state=0)
    test = fixed.test
    palette = np.stack([test.data[test.bias_labels == k].max((0, 2, 3)) for k in range(10)])
    grey = load_digits().images[fixed.train.index] / 16
    bias = colour_mnist(
        (255 * grey).astype(np.uint8),
        fixed.train.target,
        conflict_ratio=conflict,
        random_state=seed,
    ).bias_labels
    data = (palette[bias][:, :, None, None] * grey[:, None]).astype(np.float32)
    train = Bunch(data=data, target=fixed.train.target, bias_labels=bias)
    return train, fixed.validation, fixed.test


def mnist(conflict, seed, n_train=4000, n_validation=2000, side=14):
    """Draw LfF's Coloured MNIST at 14x14: 4000 of 50,000 images, 2000 others, MNIST's test set."""
    source = read_mnist(data_folder())
    rows = np.random.default_rng(seed).permutation(50_000)[:n_train]
    held_out = slice(50_000, 50_000 + n_validation)
    parts = []
    for part, chosen, ratio, state in (
        (source.train, rows, conflict, seed),
        (source.train, held_out, "unbiased", 77),
        (source.test, slice(None), "unbiased", 78),
    ):
        coloured = colour_mnist(
            part.data[chosen], part.target[chosen], conflict_ratio=ratio, random_state=state
        )
        n, k = len(coloured.data), 28 // side
        pooled = coloured.data.reshape(n, 3, side, k, side, k).mean((3, 5), dtype=np.float32) / 255
        parts.append(Bunch(data=pooled, target=coloured.target, bias_labels=coloured.bias_labels))
    return parts


def bar(conflict, seed, *, is_fixed=False):
    """BAR embeddings; 17 (1 %) or 94 (5 %) conflicting rows in training, as in the paper.

    Half of the conflicting rows (327) and 200 aligned ones are the test set. Of the rest a seed
    draws what goes to training and 200 aligned rows for validation; all other conflicting rows are
    validation. With ``is_fixed`` half of the other conflicting rows (163) and 200 aligned ones are
    validation for all seeds; all other aligned rows are training, and a seed draws which of the
    remaining 164 conflicting rows are.
    """
    n_moved = {0.01: 17, 0.05: 94}[conflict]
    pack = read_bar(data_folder())
    sealed = np.random.default_rng(2026)
    aligned = sealed.permutation(len(pack.train.target))
    conflicting = sealed.permutation(len(pack.test.target))
    test = (aligned[:200], conflicting[:327])
    rng = np.random.default_rng(seed)
    if is_fixed:
        validation = (aligned[200:400], conflicting[327:490])
        train = (aligned[400:], rng.permutation(conflicting[490:])[:n_moved])
    else:
        aligned = rng.permutation(aligned[200:])
        conflicting = rng.permutation(conflicting[327:])
        validation = (aligned[:200], conflicting[n_moved:])
        train = (aligned[200:], conflicting[:n_moved])
    return [_bar_part(pack, *rows) for rows in (train, validation, test)]


def _bar_part(pack, aligned, conflicting):
    both = ((pack.train, aligned), (pack.test, conflicting))
    return Bunch(
        **{k: np.concatenate([s[k][r] for s, r in both]) for k in ("data", "target", "bias_labels")}
    )


def mean_norm(X):
    """Return the mean L2 norm of the rows, which radii of attacks are shares of, in their type."""
    return np.linalg.norm(X.reshape(len(X), -1), axis=1).mean()


def is_conflicting(data, part):
    """Which rows the shortcut misleads."""
    return part.bias_labels == 1 if data == "bar" else part.bias_labels != part.target


def accuracies(data, part, predicted):
    """Accuracy: mean over the (class, bias) cells, conflicting rows, aligned rows."""
    conflicting = is_conflicting(data, part)
    right = predicted == part.target
    mean = group_mean_accuracy_score(part.target, predicted, bias_labels=part.bias_labels)
    return {
        "mean": mean,
        "conflicting": right[conflicting].mean(),
        "aligned": right[~conflicting].mean(),
    }
