"""The binary Coloured MNIST with noisy labels, as LISA splits it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklearn_debias.datasets._assignment import biased_values
from sklearn_debias.datasets._checks import check_images, check_real, check_target, streams
from sklearn_debias.datasets._label_noise import flip_labels
from sklearn_debias.seeds import Seed

_PARTS = ("train", "validation", "test")
_DESCR = """Binary Coloured MNIST
=====================

Two classes: digits 0 to 4, digits 5 to 9. A share {noise:g} of each has the other's label. Images
of label 0 are red and those of label 1 green, except for shares {ratios} of each label in train,
validation and test.
"""


def binary_colour_mnist(
    images: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    conflict_ratio: Sequence[float] | np.ndarray = (0.2, 0.5, 0.9),
    label_noise: float = 0.25,
    random_state: Seed = None,
) -> Bunch:
    """Colour digits in two classes with noisy labels, as LISA does [1]_.

    The label is 0 for digits 0 to 4 and 1 for 5 to 9. Then a share of the labels is flipped. The
    (noisy) label determines the colour, red for 0 and green for 1, except for the conflicting
    samples. The construction is IRM's [2]_.

    With the defaults a perfect reader of digits is right on 75 % of each set, the ceiling of any
    classifier that ignores the colour. The colour alone is right on 80 %, 50 % and 10 %: in the
    test set it tells the opposite.

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, 1, height, width), uint8
        Grey images in 0..255: in [1]_ MNIST's 60,000 training images in the order of the file. The
        first half becomes the training set, the next sixth the validation set, the last third the
        test set (30,000, 10,000 and 20,000). They are not changed.
    target : array-like of shape (n,), int
        Digits in 0..9; each of the three sets needs digits of both classes.
    conflict_ratio : sequence of 3 floats, default=(0.2, 0.5, 0.9)
        For the training, validation and test sets, the share of each (noisy) label with the other
        colour: ``round(ratio * n_c)``, at least one when the ratio is positive.
    label_noise : float, default=0.25
        Share of each class whose label is flipped, ``round(label_noise * n_c)``, in [0, 1]. ([1]_
        draws both noises row by row: its shares hold on average.)
    random_state : None, int, RandomState or Generator, default=None
        Determines which labels and colours are flipped. None draws fresh entropy.

    Returns
    -------
    coloured : sklearn.utils.Bunch
        `train`, `validation`, `test` and `DESCR`. Each set is a Bunch with

        data : ndarray of shape (n, 3, height, width), uint8
            The grey image in the red or in the green channel, zeros elsewhere.
        target : ndarray of shape (n,), int64
            The noisy label, 0 or 1.
        bias_labels : ndarray of shape (n,), int64
            The colour, 0 (red) or 1 (green). A sample is bias-aligned where it equals `target`.
        digits : ndarray of shape (n,), int64
            The digit: labels are wrong where ``(digits >= 5) != target``.

    Raises
    ------
    ValueError
        If images or labels have another shape, dtype or range, or a parameter is out of its range.

    See Also
    --------
    read_mnist : Read the images.
    colour_mnist : Ten classes in ten colours, without label noise.
    irm_colour_mnist : The same construction in IRM's environments.

    References
    ----------
    .. [1] H. Yao, Y. Wang, S. Li, L. Zhang, W. Liang, J. Zou and C. Finn, "Improving
       Out-of-Distribution Robustness via Selective Augmentation", ICML 2022, and its code.
    .. [2] M. Arjovsky, L. Bottou, I. Gulrajani and D. Lopez-Paz, "Invariant Risk Minimization",
       2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import binary_colour_mnist
    >>> grey, digits = np.full((600, 28, 28), 200, dtype=np.uint8), np.arange(600) % 10
    >>> bunch = binary_colour_mnist(grey, digits, random_state=0)
    >>> [float((part.bias_labels == part.target).mean()) for part in (bunch.train, bunch.test)]
    [0.8, 0.1]
    """
    grey = check_images(images)
    digits = check_target(target, len(grey), 10)
    ratios = check_ratios(conflict_ratio, _PARTS)
    noise = check_real("label_noise", label_noise, high=1)
    n = len(digits)
    parts = np.split(np.arange(n), [n // 2, n // 2 + n // 6])
    rngs = streams(random_state, *_PARTS)
    ratios_text = ", ".join(f"{ratio:g}" for ratio in ratios)
    bunch = Bunch(DESCR=_DESCR.format(noise=noise, ratios=ratios_text))
    for name, rows, ratio, rng in zip(_PARTS, parts, ratios, rngs, strict=True):
        clean = check_classes(digits[rows] >= 5, name, n)
        bunch[name] = coloured_part(grey[rows], clean, noise, ratio, 3, rng)
        bunch[name].digits = digits[rows]
    return bunch


def check_classes(clean: np.ndarray, name: str, n: int) -> np.ndarray:
    """Return the classes of a set as int64, which must be two."""
    if len(np.unique(clean)) < 2:
        raise ValueError(
            f"`target` must have digits below 5 and digits from 5 in each set; the {name} set "
            f"({len(clean)} of {n} rows, cut in order) has not. Shuffle images and target alike, "
            "or bring more."
        )
    return clean.astype(np.int64)


def coloured_part(
    grey: np.ndarray,
    clean: np.ndarray,
    noise: float,
    ratio: float,
    n_channels: int,
    rng: np.random.Generator,
) -> Bunch:
    """Return a set with wrong labels, each image in the channel of its colour."""
    # Labels first: the colour follows the noisy label, and tells it better than the digit.
    labels = flip_labels(clean, noise, kind="pair", random_state=rng)
    colours = biased_values(labels, 2, ratio, rng)
    data = np.zeros((len(grey), n_channels, *grey.shape[1:]), dtype=np.uint8)
    data[np.arange(len(grey)), colours] = grey
    return Bunch(data=data, target=labels, bias_labels=colours)


def check_ratios(conflict_ratio: Sequence[float] | np.ndarray, parts: Sequence[str]) -> list[float]:
    """Return a ratio in [0, 1] for each of the sets."""
    is_sequence = isinstance(conflict_ratio, list | tuple | np.ndarray)
    if not is_sequence or np.shape(conflict_ratio) != (len(parts),):
        expected = f"a sequence of {len(parts)} numbers, for " + ", ".join(parts)
        raise ValueError(f"`conflict_ratio` must be {expected}; got {conflict_ratio!r}.")
    return [check_real("conflict_ratio", ratio, high=1) for ratio in conflict_ratio]
