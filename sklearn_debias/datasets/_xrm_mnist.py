"""The four binary Coloured MNISTs of XRM, MColor among them."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklearn_debias.arguments import check_option, is_switch
from sklearn_debias.datasets._binary_mnist import check_classes, coloured_part
from sklearn_debias.datasets._checks import check_images, check_target, streams
from sklearn_debias.seeds import Seed

Name = Literal["ColorMNIST", "InverseColorMNIST", "MColor", "ColorMNIST_V3"]
# Facts of XRM's code. Shares of labels that are not the shape's, and of colours that are not the
# label's: in two environments, and in the test set.
_SHARES = {
    "ColorMNIST": ((0.25, 0.2), (0.25, 0.1), (0.25, 0.9)),
    "InverseColorMNIST": ((0.15, 0.2), (0.15, 0.3), (0.15, 0.9)),
    "MColor": ((0.2, 0.15), (0.3, 0.15), (0.9, 0.15)),
    "ColorMNIST_V3": ((0.2, 0.25), (0.1, 0.25), (0.9, 0.25)),
}
_SHAPE_MISLEADS = ("MColor", "ColorMNIST_V3")
_SETS = ("train", "validation", "test")
_DESCR = """{name} of XRM

Two classes: digits 0 to 4 (label 1), digits 5 to 9 (label 0). Of each a share has the other's
label. Then an image stands in the channel of its label, but for a share of each label. Shares of
wrong labels and of wrong channels: {shares}.
"""


def xrm_colour_mnist(
    images: npt.ArrayLike,
    target: npt.ArrayLike,
    name: Name = "MColor",
    *,
    halve: bool = True,
    random_state: Seed = None,
) -> Bunch:
    """Colour digits in two environments and a test set, as XRM does [1]_.

    The label is 1 for digits 0 to 4 and 0 for 5 to 9. Then a share of the labels is flipped. The
    (noisy) label determines which of two channels an image stands in, except for another share.
    The four sets differ in these shares, and so in what misleads: in "ColorMNIST" and
    "InverseColorMNIST" the colour, in "MColor" and "ColorMNIST_V3" the shape of the digit.

    ===================  ====================  ====================
    how often right (%)  shape                 colour
    ===================  ====================  ====================
    "ColorMNIST"         75, 75; test 75       80, 90; test 10
    "InverseColorMNIST"  85, 85; test 85       80, 70; test 10
    "MColor"             80, 70; test 10       85, 85; test 85
    "ColorMNIST_V3"      80, 90; test 10       75, 75; test 75
    ===================  ====================  ====================

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, 1, height, width), uint8
        Grey images in 0..255: in [1]_ MNIST's 60,000 training images, then its 10,000 test images.
        They are cut in order, 5 : 1 : 1, into training, validation and test set (50,000, 10,000 and
        10,000). They are not changed.
    target : array-like of shape (n,), int
        Digits in 0..9; each environment needs digits of both classes.
    name : {"ColorMNIST", "InverseColorMNIST", "MColor", "ColorMNIST_V3"}, default="MColor"
        The set, as XRM's code calls it. "ColorMNIST" has the shares of `irm_colour_mnist`. MColor
        is due to ZIN [2]_.
    halve : bool, default=True
        Keep every second pixel of every second row: 28x28 becomes 14x14, XRM's size.
    random_state : None, int, RandomState or Generator, default=None
        Determines which labels and colours are flipped. None draws fresh entropy.

    Returns
    -------
    coloured : sklearn.utils.Bunch
        `train`, `validation`, `test` and `DESCR`. Each set is a Bunch with

        data : ndarray of shape (n, 2, height / 2, width / 2), uint8
            The grey image in one channel, zeros in the other.
        target : ndarray of shape (n,), int64
            The noisy label, 0 or 1.
        bias_labels : ndarray of shape (n,), int64
            What misleads: the colour, or the shape (1 for digits below 5). A sample is
            bias-aligned where it equals `target`.
        colours : ndarray of shape (n,), int64
            The channel, 0 or 1.
        environments : ndarray of shape (n,), int64
            0 and 1 in `train` and `validation`, of rows that take turns; 0 in `test`. XRM's groups
            by annotation are these.
        digits : ndarray of shape (n,), int64
            The digit, 0 to 9.

    Raises
    ------
    ValueError
        If images or labels have another shape, dtype or range, or a parameter is out of its range.

    See Also
    --------
    read_mnist : Read the images.
    irm_colour_mnist : IRM's set, with shares to choose.

    Notes
    -----
    The shares hold exactly, rounded, in each class of each environment. XRM draws row by row, so
    that its shares hold on average, and shuffles the training images first.

    References
    ----------
    .. [1] M. Pezeshki, D. Bouchacourt, M. Ibrahim, N. Ballas, P. Vincent and D. Lopez-Paz,
       "Discovering Environments with XRM", ICML 2024, and its code.
    .. [2] Y. Lin, S. Zhu, L. Tan and P. Cui, "ZIN: When and How to Learn Invariance Without
       Environment Partition?", NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import xrm_colour_mnist
    >>> grey, digits = np.full((1400, 28, 28), 200, dtype=np.uint8), np.arange(1400) // 2 % 10
    >>> bunch = xrm_colour_mnist(grey, digits, "MColor", random_state=0)
    >>> bunch.train.data.shape
    (1000, 2, 14, 14)
    >>> for part in (bunch.train, bunch.test):  # how often the shape, and the colour, is right
    ...     shape, colour = part.bias_labels == part.target, part.colours == part.target
    ...     print(round(float(shape.mean()), 2), round(float(colour.mean()), 2))
    0.75 0.85
    0.1 0.85
    """
    grey = check_images(images)
    digits = check_target(target, len(grey), 10)
    check_option("name", name, get_args(Name))
    if not is_switch(halve):
        raise ValueError(f"`halve` must be a bool, got {halve!r}.")
    if halve:
        grey = grey[:, ::2, ::2]
    n = len(digits)
    *training, test = _SHARES[name]
    bunch = Bunch(DESCR=_described(name))
    for part, rows in zip(_SETS, np.split(np.arange(n), [5 * n // 7, 6 * n // 7]), strict=True):
        shares = [test] if part == "test" else training
        rngs = streams(random_state, *(f"{part} {i}" for i in range(len(shares))))
        made = []
        for i, ((wrong_labels, wrong_colours), rng) in enumerate(zip(shares, rngs, strict=True)):
            own = rows[i :: len(shares)]  # rows of the two environments take turns
            shape = check_classes(digits[own] < 5, part, n)
            one = coloured_part(grey[own], shape, wrong_labels, wrong_colours, 2, rng)
            one.colours = one.bias_labels
            one.bias_labels = shape if name in _SHAPE_MISLEADS else one.colours
            one.update(environments=np.full(len(own), i), digits=digits[own])
            made.append(one)
        bunch[part] = Bunch(**{key: np.concatenate([one[key] for one in made]) for key in made[0]})
    return bunch


def _described(name: str) -> str:
    first, second, test = (f"{labels:g} and {colours:g}" for labels, colours in _SHARES[name])
    return _DESCR.format(name=name, shares=f"{first}, {second}; in the test set {test}")
