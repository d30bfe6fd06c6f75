"""SpuCoMNIST: digits on coloured backgrounds, of which level of difficulty is chosen."""

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklearn_debias.arguments import check_option, is_whole
from sklearn_debias.datasets._biased_mnist import bias_values, described
from sklearn_debias.datasets._checks import check_images, check_real, check_target, streams
from sklearn_debias.datasets._label_noise import flip_labels
from sklearn_debias.datasets._strata import random_places
from sklearn_debias.seeds import Seed

Difficulty = Literal[
    "magnitude_large",
    "magnitude_medium",
    "magnitude_small",
    "variance_low",
    "variance_medium",
    "variance_high",
]
_SIDE = 28
# Facts of SpuCo's code: the side of the upper left square that the colour is in, and how many of
# its pixels have it. Where these are not all, each image draws its own.
_LEVELS = {
    "magnitude_large": (28, 784),
    "magnitude_medium": (4, 16),
    "magnitude_small": (2, 4),
    "variance_low": (7, 49),
    "variance_medium": (14, 49),
    "variance_high": (28, 49),
}
_SEEN = 0.4013  # a fact, too: a pixel stays where a standard normal number is above .25
_HUES = 63 / 64  # matplotlib's map "hsv", which SpuCo takes, ends a little before red
_AT_ONCE = 4096  # images; random numbers for all pixels of MNIST would take 400 MB


def spuco_mnist(
    images: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    classes: Sequence[Sequence[int]] = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9)),
    difficulty: Difficulty = "magnitude_large",
    conflict_ratio: float | Literal["unbiased"] = 0.005,
    label_noise: float = 0.0,
    core_feature_noise: float = 0.0,
    random_state: Seed = None,
) -> Bunch:
    """Put digits on coloured backgrounds, as SpuCoMNIST does [1]_.

    The digit stays white. Pixels around it that are black get the colour of the bias value. How
    many, and whether always the same, makes the shortcut easy or hard to learn. Labels may be wrong
    and digits spoilt.

    SpuCo takes MNIST's 60,000 training images but 11,996 for training, these for validation, and
    the 10,000 test images. Noise is in training only. Validation and test sets have
    ``conflict_ratio="unbiased"``.

    Parameters
    ----------
    images : array-like of shape (n, 28, 28) or (n, 1, 28, 28), uint8
        Grey images in 0..255. They are not changed.
    target : array-like of shape (n,), int
        Digits in 0..9. Images of digits in no class are left out.
    classes : sequence of sequences of int, default=((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
        The digits of each class, two classes or more. No digit is in two. Class c is aligned with
        colour c of as many colours as there are classes.
    difficulty : {"magnitude_large", "magnitude_medium", "magnitude_small", "variance_low", \
"variance_medium", "variance_high"}, default="magnitude_large"
        Which pixels are coloured where they are black. "magnitude": all, the upper left 4 x 4, or
        the upper left 2 x 2. "variance": 49 pixels, the upper left 7 x 7; or drawn anew for each
        image from the upper left 14 x 14; or from the whole image.
    conflict_ratio : float or "unbiased", default=0.005
        Share of each class with another colour than its own, in [0, 1], spread evenly over the
        others: ``round(conflict_ratio * n_c)`` of the n_c samples of class c, at least one when the
        ratio is positive. It is one minus SpuCo's strength of the correlation, .995 in its scripts.
        "unbiased" gives each class all colours equally often.
    label_noise : float, default=0.0
        Share of each class, in [0, 1], that gets a label of another class, spread evenly over the
        others: ``round(label_noise * n_c)``. The colour goes by the true class. (SpuCo draws from
        all rows: its counts per class vary.)
    core_feature_noise : float, default=0.0
        Share of each class, in [0, 1], whose digits are spoilt: ``round(core_feature_noise *
        n_c)``. Of each such image a pixel stays with probability .4013, and turns black else. Then
        the background is coloured.
    random_state : None, int, RandomState or Generator, default=None
        Determines the colours, where they are, and both noises. None draws fresh entropy.

    Returns
    -------
    coloured : sklearn.utils.Bunch
        data : ndarray of shape (n_kept, 3, 28, 28), uint8

        target : ndarray of shape (n_kept,), int64
            The noisy class.

        bias_labels : ndarray of shape (n_kept,), int64
            The colour. A sample is bias-aligned where it equals `clean_target`.

        clean_target : ndarray of shape (n_kept,), int64
            The class of the digit.

        core_feature_noise : ndarray of shape (n_kept,), bool
            Whether the digit is spoilt.

        digits : ndarray of shape (n_kept,), int64

        rows : ndarray of shape (n_kept,), int64
            Places in `images`.

        DESCR : str

    Raises
    ------
    ValueError
        If images or labels have another shape, dtype or range, or a parameter is out of its range.

    See Also
    --------
    read_mnist : Read the images.
    cnc_colour_mnist : The same classes, with digits in colour on black.

    References
    ----------
    .. [1] S. Joshi, Y. Yang, Y. Xue, W. Yang and B. Mirzasoleiman, "Towards Mitigating Spurious
       Correlations in the Wild: A Benchmark and a more Realistic Dataset", 2023, and the package
       spuco 2.0.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import spuco_mnist
    >>> grey = np.zeros((1000, 28, 28), dtype=np.uint8)
    >>> digits = np.arange(1000) % 10
    >>> train = spuco_mnist(grey, digits, difficulty="variance_high", random_state=0)
    >>> np.bincount(train.target, train.bias_labels != train.target)
    array([1., 1., 1., 1., 1.])
    >>> coloured = train.data.any(axis=1).sum(axis=(1, 2))
    >>> int(coloured.min()), int(coloured.max())
    (49, 49)
    """
    grey = _check_size(check_images(images))
    digits = check_target(target, len(grey), 10)
    code_of = _codes(classes)
    check_option("difficulty", difficulty, get_args(Difficulty))
    wrong = check_real("label_noise", label_noise, high=1)
    spoilt = check_real("core_feature_noise", core_feature_noise, high=1)
    n_classes = len(classes)
    rows = np.flatnonzero(code_of[digits] >= 0)
    grey, digits = (grey, digits) if len(rows) == len(digits) else (grey[rows], digits[rows])
    clean = code_of[digits]
    _check_present(clean, classes)
    bias_rng, label_rng, core_rng, *pixel_rngs = streams(
        random_state, "spuco", "labels", "core", "seen", "places"
    )
    values = bias_values(clean, n_classes, conflict_ratio, bias_rng)
    labels = flip_labels(clean, wrong, random_state=label_rng)
    is_spoilt = random_places(clean, core_rng) < np.rint(spoilt * np.bincount(clean))[clean]
    data = _drawn(grey, _colours(n_classes)[values], difficulty, is_spoilt, *pixel_rngs)
    bunch = described(data, labels, values, "the colour of the background", conflict_ratio)
    bunch.update(clean_target=clean, core_feature_noise=is_spoilt, digits=digits, rows=rows)
    bunch.DESCR += f" Difficulty: {difficulty}. Wrong labels: {wrong:g}. Spoilt digits: {spoilt:g}."
    return bunch


def _drawn(
    grey: np.ndarray,
    colours: np.ndarray,
    difficulty: str,
    is_spoilt: np.ndarray,
    seen_rng: np.random.Generator,
    place_rng: np.random.Generator,
) -> np.ndarray:
    """Return the images in colour, uint8 (n, 3, 28, 28)."""
    data = np.empty((len(grey), 3, _SIDE, _SIDE), dtype=np.uint8)
    for start in range(0, len(grey), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        shown = grey[part].copy()
        hit = np.flatnonzero(is_spoilt[part])
        shown[hit] *= seen_rng.random((len(hit), _SIDE, _SIDE)) < _SEEN
        around = (shown == 0) & _places(difficulty, len(shown), place_rng)
        data[part] = np.where(around[:, None], colours[part, :, None, None], shown[:, None])
    return data


def _places(difficulty: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return where the colour may be, bool of shape (n, 28, 28)."""
    side, n_pixels = _LEVELS[difficulty]
    square = np.ones((n, side * side), dtype=bool)
    if n_pixels < side * side:
        order = np.argsort(rng.random(square.shape), axis=1)
        np.put_along_axis(square, order[:, n_pixels:], False, axis=1)
    places = np.zeros((n, _SIDE, _SIDE), dtype=bool)
    places[:, :side, :side] = square.reshape(n, side, side)
    return places


def _colours(n_classes: int) -> np.ndarray:
    """Return a colour for each class, uint8 of shape (n_classes, 3)."""
    colours = [hsv_to_rgb(_HUES * i / n_classes, 1, 1) for i in range(n_classes)]
    return np.rint(255 * np.array(colours)).astype(np.uint8)


def _codes(classes: Any) -> np.ndarray:
    """Return the class of each digit, -1 for none."""
    expected = "`classes` must be two or more lists of digits in 0..9, no digit in two of them"
    is_listed = isinstance(classes, list | tuple | np.ndarray) and len(classes) > 1
    if not is_listed or not all(isinstance(c, list | tuple | np.ndarray) for c in classes):
        raise ValueError(f"{expected}; got {classes!r}.")
    digits = [digit for members in classes for digit in members]
    known = all(is_whole(digit) and 0 <= digit <= 9 for digit in digits)
    if not known or len(set(digits)) < len(digits) or not all(len(c) for c in classes):
        raise ValueError(f"{expected}; got {classes!r}.")
    code_of = np.full(10, -1)
    for code, members in enumerate(classes):
        code_of[list(members)] = code
    return code_of


def _check_present(clean: np.ndarray, classes: Sequence[Sequence[int]]) -> None:
    absent = np.setdiff1d(np.arange(len(classes)), clean)
    if len(absent):
        members = [int(digit) for digit in classes[absent[0]]]
        raise ValueError(
            f"`target` must have digits of every class; it has none of {members}, class "
            f"{absent[0]} of `classes`. Bring images of them, or leave the class out."
        )


def _check_size(grey: np.ndarray) -> np.ndarray:
    if grey.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(
            f"`images` must have {_SIDE} x {_SIDE} pixels, by which the levels of `difficulty` are "
            f"counted; got {grey.shape[1]} x {grey.shape[2]}. Resize them."
        )
    return grey
