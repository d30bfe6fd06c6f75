"""The Coloured MNIST of Correct-N-Contrast, with five classes of two digits."""

from colorsys import hsv_to_rgb
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklearn_debias.datasets._biased_mnist import bias_values, described, tinted
from sklearn_debias.datasets._checks import check_images, check_target, streams
from sklearn_debias.seeds import Seed

_N_CLASSES = 5
# The authors take colours of the map "hsv" and do not say which: these are as far apart as may be.
_COLOURS = np.array([hsv_to_rgb(i / _N_CLASSES, 1, 1) for i in range(_N_CLASSES)], dtype=np.float32)


def cnc_colour_mnist(
    images: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    conflict_ratio: float | Literal["unbiased"] = 0.005,
    random_state: Seed = None,
) -> Bunch:
    """Colour digits in five classes of two digits, as Correct-N-Contrast (CnC) does [1]_.

    The classes are the pairs 0 and 1, 2 and 3, 4 and 5, 6 and 7, 8 and 9. Each image is multiplied
    by one colour. Colours are five of the map "hsv", as the authors' are; which five is our choice.

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, 1, height, width), uint8
        Grey images in 0..255. They are not changed.
    target : array-like of shape (n,), int
        Digits in 0..9. The class is ``digit // 2``; class c is aligned with colour c.
    conflict_ratio : float or "unbiased", default=0.005
        Share of each class with another colour than its own, in [0, 1], spread evenly over the
        other four: ``round(conflict_ratio * n_c)`` of the n_c samples of class c, at least one when
        the ratio is positive. The default is [1]_'s ``p_correlation`` of .995. "unbiased" gives
        each class all five colours equally often, for a test set.
    random_state : None, int, RandomState or Generator, default=None
        Determines the colours. None draws fresh entropy.

    Returns
    -------
    coloured : sklearn.utils.Bunch
        data : ndarray of shape (n, 3, height, width), uint8

        target : ndarray of shape (n,), int64
            The class, 0 to 4.

        bias_labels : ndarray of shape (n,), int64
            The colour, 0 to 4. A sample is bias-aligned where it equals `target`.

        digits : ndarray of shape (n,), int64

        DESCR : str

    Raises
    ------
    ValueError
        If images or labels have another shape, dtype or range, or a parameter is out of its range.

    See Also
    --------
    read_mnist : Read the images.
    colour_mnist : Ten classes in ten colours.

    References
    ----------
    .. [1] M. Zhang, N. S. Sohoni, H. R. Zhang, C. Finn and C. Re, "Correct-N-Contrast: A
       Contrastive Approach for Improving Robustness to Spurious Correlations", ICML 2022, and the
       command in its code's README.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import cnc_colour_mnist
    >>> grey = np.full((1000, 28, 28), 200, dtype=np.uint8)
    >>> train = cnc_colour_mnist(grey, np.arange(1000) % 10, random_state=0)
    >>> np.bincount(train.target, train.bias_labels != train.target)
    array([1., 1., 1., 1., 1.])
    """
    grey = check_images(images)
    digits = check_target(target, len(grey), 2 * _N_CLASSES)
    classes = digits // 2
    (rng,) = streams(random_state, "cnc")
    values = bias_values(classes, _N_CLASSES, conflict_ratio, rng)
    data = tinted(grey, _COLOURS[values])
    bunch = described(data, classes, values, "the colour of the digit", conflict_ratio)
    bunch.digits = digits
    return bunch
