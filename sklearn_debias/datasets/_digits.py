"""scikit-learn's own images of digits with a shortcut added: real images, no download."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from sklearn_debias.arguments import check_option
from sklearn_debias.datasets._assignment import biased_values, even_values
from sklearn_debias.datasets._checks import (
    check_conflict_ratio,
    check_int,
    check_real,
    streams,
)
from sklearn_debias.datasets._rendering import PALETTE, coloured, patched
from sklearn_debias.rows import as_array
from sklearn_debias.seeds import Seed

_DESCR = """Biased digits
=============

The {n} images of handwritten digits that ship with scikit-learn (8x8 pixels, 17 grey levels, scaled
to [0, 1]) with a shortcut added: {bias}.

In `train` the shortcut points at the class, except in a share of {ratio:.4g} of each class: the
bias-conflicting samples, spread evenly over the other values. In `validation` and `test` it is
independent of the digit: each digit, and each class, has all values equally often, up to one image.

A sample is bias-aligned where `bias_labels == target`. Targets: {target}.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998, as distributed with scikit-learn.
"""
_BIASES = {
    "colour": "the colour of the strokes",
    "patch": "a bright pixel in the first row, whose column is the value of the bias",
}
_RENDER: dict[str, Callable[..., np.ndarray]] = {"colour": coloured, "patch": patched}


def load_biased_digits(
    bias: Literal["colour", "patch"] = "colour",
    *,
    conflict_ratio: float = 0.05,
    target: Literal["digit", "low_high"] = "digit",
    classes: Sequence[int] | np.ndarray | None = None,
    validation_size: float = 0.25,
    test_size: float = 0.25,
    bias_noise: float = 0.0,
    image_noise: float = 0.0,
    random_state: Seed = 0,
) -> Bunch:
    """Load scikit-learn's digits with a shortcut in the training data.

    In the validation and test data the shortcut tells nothing. The images are real and come with
    scikit-learn: nothing is downloaded. A model that minimises its average training error takes the
    shortcut, which is easier than the digits, and fails where it misleads.

    Parameters
    ----------
    bias : {"colour", "patch"}, default="colour"
        The shortcut. "colour" draws the strokes in the colour of the bias value [1]_: images of
        shape (3, 8, 8). "patch" lights one pixel of the first row, in the column of the bias value,
        as MNIST-SC does [2]_; the digit gets a black margin of two pixels first, so that nothing is
        covered: (1, 12, 12).
    conflict_ratio : float, default=0.05
        Share of bias-conflicting samples in each class of the training data, in [0, 1 - 1/C] for C
        classes: ``round(conflict_ratio * n_c)`` of the n_c samples of class c, and at least one
        when the ratio is positive. They are spread evenly over the C - 1 other values. At 1 - 1/C
        no bias is left.
    target : {"digit", "low_high"}, default="digit"
        What is to be predicted. "digit": one class per digit. "low_high": is the digit 4 or less,
        or 5 or more. Its four (class, bias) groups hold about 112 test images each, so that the
        accuracy of the worst one means something; the 100 groups of ten digits hold four or five
        each.
    classes : sequence of int, default=None
        The digits to keep, two or more of 0..9. None keeps all ten.
    validation_size, test_size : float or int, default=0.25
        Share (in (0, 1)) or number of the images in the two unbiased sets. The rest is for
        training. All three are stratified by digit. The split does not depend on the bias, its
        ratio or the noise.
    bias_noise : float, default=0
        Standard deviation, in [0, 1], of the noise on the colour of an image (one draw per image
        and channel) or on the brightness of its patch. It makes the shortcut less reliable.
    image_noise : float, default=0
        Standard deviation, in [0, 1], of the noise on each pixel, added before a patch is. It makes
        the digit harder to read than the shortcut. Results are clipped to [0, 1].
    random_state : None, int, RandomState or Generator, default=0
        Determines the split, the bias and the noise. None draws fresh entropy.

    Returns
    -------
    digits : sklearn.utils.Bunch
        `train`, `validation`, `test`, `target_names`, `bias_names` and `DESCR`. Each set is a Bunch
        with

        data : ndarray of shape (n, channels, height, width), float32
            Images in [0, 1].
        target : ndarray of shape (n,), int64
            Codes of the classes: indices into `target_names`.
        bias_labels : ndarray of shape (n,), int64
            Codes of the bias: indices into `bias_names`. A sample is bias-aligned where they equal
            `target`.
        digit : ndarray of shape (n,), int64
            The digit itself, 0 to 9.
        index : ndarray of shape (n,), int64
            Row of the image in :func:`sklearn.datasets.load_digits`.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or too few images are left for one of the three sets.

    References
    ----------
    .. [1] J. Nam, H. Cha, S. Ahn, J. Lee and J. Shin, "Learning from Failure: Training Debiased
       Classifier from Biased Classifier", NeurIPS 2020 (a colour per class).
    .. [2] J. Mitchell, J. Martinez del Rincon and N. McLaughlin, "UnLearning from Experience to
       Avoid Spurious Correlations" (MNIST-SC).

    Examples
    --------
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> digits = load_biased_digits(target="low_high", conflict_ratio=0.05)
    >>> digits.train.data.shape, digits.test.data.shape
    ((899, 3, 8, 8), (449, 3, 8, 8))
    >>> (digits.train.bias_labels != digits.train.target).mean().round(2)
    np.float64(0.05)
    """
    check_option("bias", bias, _BIASES)
    check_option("target", target, ("digit", "low_high"))
    noise = (
        check_real("bias_noise", bias_noise, high=1),
        check_real("image_noise", image_noise, high=1),
    )
    images, digit, index = _kept(classes)
    labels, target_names = _labels(digit, target)
    n_values = len(target_names)
    ratio = check_conflict_ratio(conflict_ratio, n_values)
    split_rng, *rngs = streams(random_state, "split", "train", "validation", "test")
    parts = _split(digit, validation_size, test_size, split_rng)
    names = ", ".join(target_names)
    bunch = Bunch(
        target_names=target_names,
        bias_names=_bias_names(bias, n_values),
        DESCR=_DESCR.format(n=len(digit), bias=_BIASES[bias], ratio=ratio, target=names),
    )
    for (name, rows), rng in zip(parts.items(), rngs, strict=True):
        if name == "train":
            values = biased_values(labels[rows], n_values, ratio, rng)
        else:
            # By digit, not by class: dealt within "low", a colour could go with single digits.
            values = even_values(digit[rows], (n_values,), rng)[:, 0]
        data = _RENDER[bias](images[rows], values, *noise, rng)
        bunch[name] = Bunch(
            data=data, target=labels[rows], bias_labels=values, digit=digit[rows], index=index[rows]
        )
    return bunch


def _kept(
    classes: Sequence[int] | np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images in [0, 1], digits and original rows of the classes asked for."""
    data, digit = load_digits(return_X_y=True)
    index = np.arange(len(digit))
    if classes is not None:
        wanted = as_array(classes, "classes")
        valid = wanted.ndim == 1 and wanted.dtype.kind in "iu" and np.isin(wanted, range(10)).all()
        if not valid or len(np.unique(wanted)) != len(wanted) or len(wanted) < 2:
            raise ValueError(
                f"`classes` must be None or two or more different digits, got {classes!r}."
            )
        index = np.flatnonzero(np.isin(digit, wanted))
    images = (data[index] / 16).astype(np.float32).reshape(-1, 8, 8)  # grey levels are 0..16
    return images, digit[index].astype(np.int64), index


def _labels(digit: np.ndarray, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of the classes, and their names."""
    if target == "digit":
        # Codes are places among the digits that were kept, so that they also name bias values.
        kept, codes = np.unique(digit, return_inverse=True)
        return codes.astype(np.int64), kept.astype(str)
    codes = (digit >= 5).astype(np.int64)
    if codes.min() == codes.max():
        found = ", ".join(map(str, np.unique(digit)))
        raise ValueError(
            f'`classes` must hold digits in 0..4 and in 5..9 with target="low_high", got {found}. '
            'Add digits of the other half, or use target="digit".'
        )
    return codes, np.array(["low", "high"])


def _bias_names(bias: str, n_values: int) -> np.ndarray:
    """Return the names of the bias values."""
    names = list(PALETTE) if bias == "colour" else [f"column {k}" for k in range(10)]
    return np.array(names[:n_values])


def _split(
    digit: np.ndarray, validation_size: float, test_size: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return sorted, disjoint rows of the three sets, stratified by digit."""
    n = len(digit)
    n_digits = len(np.unique(digit))
    n_validation = _n_held_out("validation_size", validation_size, n, n_digits)
    n_test = _n_held_out("test_size", test_size, n, n_digits)
    if n - n_validation - n_test < n_digits:
        raise ValueError(
            f"`validation_size` and `test_size` must leave {n_digits} or more of the {n} images to "
            f"train on; they take {n_validation} and {n_test}. Lower one of them."
        )
    # Counts, not shares: scikit-learn rounds shares of the rest in its own way.
    seeds = [int(seed) for seed in rng.integers(2**31, size=2)]
    rest, test = train_test_split(
        np.arange(n), test_size=n_test, stratify=digit, random_state=seeds[0]
    )
    train, validation = train_test_split(
        rest, test_size=n_validation, stratify=digit[rest], random_state=seeds[1]
    )
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def _n_held_out(name: str, size: float, n: int, n_digits: int) -> int:
    """Return the number of images of a set, from a share or a number."""
    is_share = isinstance(size, float | np.floating)
    count = round(n * check_real(name, size, high=1)) if is_share else check_int(name, size, 1)
    # Each set needs one image of every digit, and so do the other two.
    if not n_digits <= count <= n - 2 * n_digits:
        raise ValueError(
            f"`{name}` must leave {n_digits} or more of the {n} images to each set; it takes "
            f"{count}. Give a share below 1, or a number in {n_digits}..{n - 2 * n_digits}."
        )
    return count
