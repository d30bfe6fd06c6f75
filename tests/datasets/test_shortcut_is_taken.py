"""A model fitted on biased data fails where the bias misleads, and only there."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from sklearn_debias.datasets import (
    colour_mnist,
    load_biased_digits,
    make_spurious_embeddings,
    read_mnist,
)


def accuracies(train, test):
    """Accuracy on aligned and on conflicting samples."""
    model = LogisticRegression(max_iter=2000)
    with threadpool_limits(1):  # several threads only wait for each other on problems this small
        model.fit(train.data.reshape(len(train.data), -1), train.target)
    right = model.predict(test.data.reshape(len(test.data), -1)) == test.target
    aligned = test.bias_labels == test.target
    return right[aligned].mean(), right[~aligned].mean()


@pytest.mark.parametrize("bias", ["colour", "patch"])
@pytest.mark.parametrize("seed", range(3))
def test_the_quickstart_task(bias, seed):
    settings = {"bias": bias, "target": "low_high", "random_state": seed}
    biased = load_biased_digits(conflict_ratio=0.05, **settings)
    aligned, conflicting = accuracies(biased.train, biased.validation)
    assert aligned > 0.95
    assert conflicting < 0.45
    unbiased = load_biased_digits(conflict_ratio=0.5, **settings)
    assert min(accuracies(unbiased.train, unbiased.validation)) > 0.84


def test_ten_digits():
    biased, unbiased = (load_biased_digits(conflict_ratio=ratio) for ratio in (0.01, 0.9))
    aligned, conflicting = accuracies(biased.train, biased.test)
    assert aligned > 0.95
    assert conflicting < 0.6
    assert min(accuracies(unbiased.train, unbiased.test)) > 0.88


def test_noise_on_the_digit_makes_the_shortcut_more_tempting():
    clean, noisy = (load_biased_digits(target="low_high", image_noise=std) for std in (0, 0.2))
    assert accuracies(noisy.train, noisy.test)[1] < accuracies(clean.train, clean.test)[1]


def test_embeddings():
    biased, unbiased = (
        make_spurious_embeddings(conflict_ratio=r, random_state=0) for r in (0.02, 0.5)
    )
    aligned, conflicting = accuracies(biased.train, biased.test)
    assert aligned > 0.95
    assert conflicting < 0.65
    assert min(accuracies(unbiased.train, unbiased.test)) > 0.9


def test_real_coloured_mnist(real_data):
    mnist = read_mnist(real_data)
    test = colour_mnist(
        mnist.test.data[:1000], mnist.test.target[:1000], conflict_ratio="unbiased", random_state=0
    )
    images, target = mnist.train.data[:1000], mnist.train.target[:1000]
    train = colour_mnist(images, target, conflict_ratio=0.01, random_state=0)
    train.data, test.data = (np.float32(part.data[:, :, ::2, ::2]) / 255 for part in (train, test))
    aligned, conflicting = accuracies(train, test)
    assert aligned > 0.95
    assert conflicting < 0.6
