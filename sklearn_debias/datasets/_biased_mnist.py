"""The two biased versions of MNIST: Coloured MNIST of LfF and MNIST-SC."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklearn_debias.datasets._assignment import biased_values, even_values
from sklearn_debias.datasets._checks import (
    check_images,
    check_int,
    check_real,
    check_target,
    streams,
)
from sklearn_debias.seeds import Seed

# Facts of LfF's protocol: a colour for each class, and for each severity the standard deviation of
# the colours around it.
_MEAN_COLOURS = np.array(
    [
        (0.9837, 0.3125, 0.1686),
        (0.9905, 0.9156, 0.3515),
        (0.6730, 0.4611, 0.5798),
        (0.7833, 0.8316, 0.6013),
        (0.0880, 0.7780, 0.9818),
        (0.3214, 0.9611, 0.4464),
        (0.0246, 0.2357, 0.7587),
        (0.5552, 0.1016, 0.7618),
        (0.2077, 0.3929, 0.0187),
        (0.8337, 0.2024, 0.2669),
    ]
)
_STDS = (0.05, 0.02, 0.01, 0.005, 0.002)
_N_VALUES = 10
_DESCR = "{n} images with a bias: {bias}. {relation}"


def colour_mnist(
    images: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    conflict_ratio: float | Literal["unbiased"],
    severity: int = 4,
    random_state: Seed = None,
) -> Bunch:
    """Colour grey digits by class, as in "Learning from Failure" (LfF) [1]_.

    The result is the ten-class Coloured MNIST. Each image is multiplied by one colour,
    ``clip(mean_colour[bias_label] + N(0, std), 0, 1)``. Other data sets carry the same name with
    other constructions: `binary_colour_mnist`, `irm_colour_mnist`, `xrm_colour_mnist`,
    `cnc_colour_mnist`, `spuco_mnist`.

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, 1, height, width), uint8
        Grey images in 0..255. They are not changed.
    target : array-like of shape (n,), int
        Classes in 0..9; class c is aligned with colour c.
    conflict_ratio : float or "unbiased"
        Share of each class with another colour than its own, in [0, 1], spread evenly over the
        other nine: ``round(conflict_ratio * n_c)`` of the n_c samples of class c, at least one when
        the ratio is positive. LfF trains at .05, .02, .01 and .005. "unbiased" gives each class all
        ten colours equally often (10 % aligned), as in LfF's test set; 1 gives every image a
        misleading colour.
    severity : {1, 2, 3, 4, 5}, default=4
        Standard deviation of the colour: .05, .02, .01, .005 or .002. The smaller, the easier the
        shortcut. LfF's released experiments use 4.
    random_state : None, int, RandomState or Generator, default=None
        Determines the bias labels and the colours. None draws fresh entropy.

    Returns
    -------
    coloured : sklearn.utils.Bunch
        data : ndarray of shape (n, 3, height, width), uint8

        target : ndarray of shape (n,), int64

        bias_labels : ndarray of shape (n,), int64
            The colour, 0 to 9. A sample is bias-aligned where it equals `target`.

        DESCR : str

    Raises
    ------
    ValueError
        If images or labels have another shape, dtype or range, or a parameter is out of its range.

    See Also
    --------
    read_mnist : Read the images.

    References
    ----------
    .. [1] J. Nam, H. Cha, S. Ahn, J. Lee and J. Shin, "Learning from Failure: Training Debiased
       Classifier from Biased Classifier", NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import colour_mnist
    >>> grey = np.full((100, 28, 28), 200, dtype=np.uint8)
    >>> train = colour_mnist(grey, np.arange(100) % 10, conflict_ratio=0.1, random_state=0)
    >>> train.data.shape, int((train.bias_labels != train.target).sum())
    ((100, 3, 28, 28), 10)
    """
    grey = check_images(images)
    labels = check_target(target, len(grey), _N_VALUES)
    std = _STDS[check_int("severity", severity, 1, len(_STDS)) - 1]
    bias_rng, colour_rng = streams(random_state, "bias", "colour")
    values = bias_values(labels, _N_VALUES, conflict_ratio, bias_rng)
    noise = std * colour_rng.standard_normal((len(values), 3))
    colours = np.clip(_MEAN_COLOURS[values] + noise, 0, 1).astype(np.float32)
    data = tinted(grey, colours)
    return described(data, labels, values, "the colour of the digit", conflict_ratio)


def patch_mnist(
    images: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    conflict_ratio: float | Literal["unbiased"] = 0.0,
    random_state: Seed = None,
) -> Bunch:
    """Write the class into a corner of grey digits, as in "UnLearning from Experience" (ULE) [1]_.

    The result is MNIST-SC. The first ten pixels of the first row become a one-hot code: 255 in the
    column of the bias label and 0 in the others. The paper trains with a patch that is always
    right, and tests on the clean images (`images` as they are). It states neither size nor
    brightness of its patch: these are ours.

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, 1, height, width), uint8
        Grey images in 0..255, ten pixels wide or more. They are not changed.
    target : array-like of shape (n,), int
        Classes in 0..9; class c is aligned with column c.
    conflict_ratio : float or "unbiased", default=0.0
        Share of each class with a patch in another column than its own, in [0, 1], spread evenly
        over the other nine: ``round(conflict_ratio * n_c)`` of the n_c samples of class c, at least
        one when the ratio is positive. "unbiased" gives each class all ten columns equally often; 1
        gives every image a wrong patch.
    random_state : None, int, RandomState or Generator, default=None
        Determines the bias labels. None draws fresh entropy.

    Returns
    -------
    patched : sklearn.utils.Bunch
        data : ndarray of shape (n, 1, height, width), uint8

        target : ndarray of shape (n,), int64

        bias_labels : ndarray of shape (n,), int64
            The column, 0 to 9. A sample is bias-aligned where it equals `target`.

        DESCR : str

    Raises
    ------
    ValueError
        If images or labels have another shape, dtype or range, or a parameter is out of its range.

    See Also
    --------
    read_mnist : Read the images.

    References
    ----------
    .. [1] J. Mitchell, J. Martinez del Rincon and N. McLaughlin, "UnLearning from Experience to
       Avoid Spurious Correlations".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import patch_mnist
    >>> train = patch_mnist(np.zeros((2, 28, 28), dtype=np.uint8), [0, 3])
    >>> train.data[1, 0, 0, :5]
    array([  0,   0,   0, 255,   0], dtype=uint8)
    """
    grey = check_images(images)
    if grey.shape[2] < _N_VALUES:
        raise ValueError(f"`images` must be {_N_VALUES} or more pixels wide, got {grey.shape[2]}.")
    labels = check_target(target, len(grey), _N_VALUES)
    (rng,) = streams(random_state, "bias")
    values = bias_values(labels, _N_VALUES, conflict_ratio, rng)
    data = grey[:, None].copy()
    data[:, 0, 0, :_N_VALUES] = 0
    data[np.arange(len(values)), 0, 0, values] = 255
    return described(data, labels, values, "a bright pixel in the first row", conflict_ratio)


def bias_values(
    labels: np.ndarray,
    n_values: int,
    conflict_ratio: float | Literal["unbiased"],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the bias values, int64 of shape (n,)."""
    if isinstance(conflict_ratio, str) and conflict_ratio == "unbiased":
        return even_values(labels, (n_values,), rng)[:, 0]
    hint = 'Use "unbiased" for a bias that tells nothing about the class.'
    # Up to 1, past "unbiased": a test set where every shortcut misleads is worth having.
    ratio = check_real("conflict_ratio", conflict_ratio, high=1, hint=hint)
    return biased_values(labels, n_values, ratio, rng)


def tinted(grey: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Multiply each image by its colour, float32 of shape (n, 3): uint8 (n, 3, h, w)."""
    data = np.empty((len(grey), 3, *grey.shape[1:]), dtype=np.uint8)
    # Channel by channel: all at once would need the whole set in float32, four times its size.
    for channel in range(3):
        data[:, channel] = np.rint(colours[:, channel, None, None] * grey)
    return data


def described(
    data: np.ndarray,
    labels: np.ndarray,
    values: np.ndarray,
    bias: str,
    conflict_ratio: float | Literal["unbiased"],
) -> Bunch:
    """Return the set with its description."""
    relation = f"A share {conflict_ratio} of each class has a value that is not its own."
    if conflict_ratio == "unbiased":
        relation = "It is independent of the class."
    descr = _DESCR.format(n=len(data), bias=bias, relation=relation)
    return Bunch(data=data, target=labels, bias_labels=values, DESCR=descr)
