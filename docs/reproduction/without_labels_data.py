"""Features for without_labels.py: six sets with a shortcut, and one without.

Every set has "train" and "validation", which are biased alike, and "test", where no bias value goes
with a class. What is read lies in the folder named by SKLEARN_DEBIAS_DATA.
"""

import functools

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from sklearn_debias.datasets import (
    binary_colour_mnist,
    colour_mnist,
    data_folder,
    flip_labels,
    load_biased_digits,
    make_spurious_embeddings,
    patch_mnist,
    read_bar,
    read_mnist,
)

HELD_OUT = 1 / 3  # of the training rows, for validation


def part(data, target, bias):
    """Rows of one part, as vectors of floats."""
    data = np.asarray(data)
    scale = 255 if data.dtype == np.uint8 else 1
    return Bunch(
        data=data.reshape(len(data), -1).astype(np.float32) / scale, target=target, bias_labels=bias
    )


def halved(images):
    """Images (n, c, h, w) of half the side: means of 2x2 pixels, in [0, 1]."""
    n, c, h, w = images.shape
    return images.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5), dtype=np.float32) / 255


def parts(train, test, seed):
    """Hold validation rows out of the training rows, each class its share: nobody knows groups."""
    rows = np.arange(len(train.target))
    fitted_to, held = train_test_split(
        rows, test_size=HELD_OUT, random_state=seed, stratify=train.target
    )
    of = [part(train.data[r], train.target[r], train.bias_labels[r]) for r in (fitted_to, held)]
    return Bunch(train=of[0], validation=of[1], test=test)


@functools.cache
def grey(file):
    """Images of MNIST, or of a set like it."""
    mnist = read_mnist(data_folder() / file)
    return mnist.train, mnist.test


def some(rows, n, seed):
    """Draw n rows."""
    chosen = np.random.default_rng(seed).permutation(len(rows.target))[:n]
    return rows.data[chosen], rows.target[chosen]


def synthetic(seed):
    """Two classes, two bias values, 50 features; 5 % conflicting."""
    bunch = make_spurious_embeddings(
        3000, n_features=50, n_test=4000, conflict_ratio=0.05, random_state=seed
    )
    test = part(bunch.test.data, bunch.test.target, bunch.test.bias_labels)
    return parts(bunch.train, test, seed)


def digits(seed):
    """Ten digits of 8x8 pixels in ten colours; 5 % conflicting."""
    bunch = load_biased_digits(conflict_ratio=0.05, random_state=seed)
    test = part(bunch.test.data, bunch.test.target, bunch.test.bias_labels)
    return parts(bunch.train, test, seed)


def coloured(seed):
    """Ten digits of MNIST in ten colours, 14x14 pixels; 2 % conflicting."""
    train, test = grey("mnist.npz")
    biased = colour_mnist(*some(train, 9000, seed), conflict_ratio=0.02, random_state=seed)
    clean = colour_mnist(*some(test, 5000, seed), conflict_ratio="unbiased", random_state=seed)
    biased.data = halved(biased.data)
    return parts(biased, part(halved(clean.data), clean.target, clean.bias_labels), seed)


def binary(seed):
    """Two classes of digits in two colours, 14x14 pixels; a quarter of the labels are wrong."""
    train, _ = grey("mnist.npz")
    made = binary_colour_mnist(*some(train, 18000, seed), random_state=seed)
    biased = made.train
    biased.data = halved(biased.data)
    clean = made.validation  # where each colour is as frequent in each class
    return parts(biased, part(halved(clean.data), clean.target, clean.bias_labels), seed)


def patched(seed):
    """Ten garments of Fashion-MNIST with the class written into a corner; 5 % conflicting."""
    train, test = grey("fashion_mnist_12k.npz")
    biased = patch_mnist(*some(train, 9000, seed), conflict_ratio=0.05, random_state=seed)
    clean = patch_mnist(*some(test, 2000, seed), conflict_ratio="unbiased", random_state=seed)
    return parts(biased, part(clean.data, clean.target, clean.bias_labels), seed)


def bar(seed):
    """Six actions in photographs, as features of MobileNetV2; 94 conflicting rows in training."""
    bunch = read_bar(data_folder(), conflicting=94, random_state=seed)
    test = part(bunch.test.data, bunch.test.target, bunch.test.bias_labels)
    return parts(bunch.train, test, seed)


def noisy(seed):
    """Two classes without any shortcut; a fifth of the training labels is wrong."""
    bunch = make_spurious_embeddings(
        3000, n_features=50, n_test=4000, conflict_ratio=0.5, random_state=seed
    )
    bunch.train.target = flip_labels(bunch.train.target, 0.2, random_state=seed)
    test = part(bunch.test.data, bunch.test.target, bunch.test.bias_labels)
    return parts(bunch.train, test, seed)


SETS = {
    "synthetic": synthetic,
    "digits": digits,
    "coloured": coloured,
    "binary": binary,
    "patched": patched,
    "bar": bar,
    "noisy": noisy,
}
BIASED = [name for name in SETS if name != "noisy"]
