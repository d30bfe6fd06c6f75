"""The binary Coloured MNIST of IRM, in environments."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklearn_debias.arguments import is_switch
from sklearn_debias.datasets._binary_mnist import check_classes, check_ratios, coloured_part
from sklearn_debias.datasets._checks import check_images, check_real, check_target, streams
from sklearn_debias.seeds import Seed

_PARTS = ("first training", "second training", "test")
_DESCR = """Coloured MNIST of IRM
=====================

Two classes: digits 0 to 4 (label 1), digits 5 to 9 (label 0). A share {noise:g} of each has the
other's label. An image stands in the channel of its label, except for shares {ratios} of each label
in two training environments and the test set.
"""


def irm_colour_mnist(
    images: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    conflict_ratio: Sequence[float] | np.ndarray = (0.2, 0.1, 0.9),
    label_noise: float = 0.25,
    halve: bool = True,
    random_state: Seed = None,
) -> Bunch:
    """Colour digits in two training environments and a test set, as IRM does [1]_.

    The label is 1 for digits 0 to 4 and 0 for 5 to 9. Then a share of the labels is flipped. The
    (noisy) label determines which of two channels an image stands in, except for the conflicting
    samples. Their share tells the environments apart: the colour predicts the label better than the
    digit does in both, but not to the same degree.

    With the defaults a perfect reader of digits is right on 75 % of each set. The colour alone is
    right on 80 % and 90 % of the training environments, and on 10 % of the test set.

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, 1, height, width), uint8
        Grey images in 0..255. They are cut in order, 5 : 5 : 2. Of MNIST's 60,000 training images
        25,000 become each training environment, and 10,000 the test set. They are not changed.
    target : array-like of shape (n,), int
        Digits in 0..9; each of the three sets needs digits of both classes.
    conflict_ratio : sequence of 3 floats, default=(0.2, 0.1, 0.9)
        For the training environments 0 and 1 and the test set, the share of each (noisy) label with
        the other colour: ``round(ratio * n_c)``, at least one when the ratio is positive.
    label_noise : float, default=0.25
        Share of each class whose label is flipped, ``round(label_noise * n_c)``, in [0, 1]. ([1]_
        draws both noises row by row: its shares hold on average.)
    halve : bool, default=True
        Keep every second pixel of every second row: 28x28 becomes 14x14, IRM's size. False keeps
        all; with ``conflict_ratio=(0.1, 0.2, 0.9)`` these are the shares of DomainBed's three
        environments [2]_.
    random_state : None, int, RandomState or Generator, default=None
        Determines which labels and colours are flipped. None draws fresh entropy.

    Returns
    -------
    coloured : sklearn.utils.Bunch
        `train`, `test` and `DESCR`. Each set is a Bunch with

        data : ndarray of shape (n, 2, height / 2, width / 2), uint8
            The grey image in one channel, zeros in the other.
        target : ndarray of shape (n,), int64
            The noisy label, 0 or 1.
        bias_labels : ndarray of shape (n,), int64
            The channel, 0 or 1. A sample is bias-aligned where it equals `target`.
        environments : ndarray of shape (n,), int64
            0 and 1 in `train`, 2 in `test`: the ``bias_labels`` for `InvarianceClassifier`.
        digits : ndarray of shape (n,), int64
            The digit: labels are wrong where ``(digits < 5) != target``.

    Raises
    ------
    ValueError
        If images or labels have another shape, dtype or range, or a parameter is out of its range.

    See Also
    --------
    read_mnist : Read the images.
    binary_colour_mnist : The same construction as LISA splits it.
    xrm_colour_mnist : The same construction with XRM's shares, the shape misleading in two sets.

    References
    ----------
    .. [1] M. Arjovsky, L. Bottou, I. Gulrajani and D. Lopez-Paz, "Invariant Risk Minimization",
       2019.
    .. [2] I. Gulrajani and D. Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import irm_colour_mnist
    >>> grey, digits = np.full((960, 28, 28), 200, dtype=np.uint8), np.arange(960) % 10
    >>> bunch = irm_colour_mnist(grey, digits, random_state=0)
    >>> bunch.train.data.shape, np.bincount(bunch.train.environments)
    ((800, 2, 14, 14), array([400, 400]))
    >>> conflicting = bunch.train.bias_labels != bunch.train.target
    >>> [float(conflicting[bunch.train.environments == e].mean()) for e in (0, 1)]
    [0.2, 0.1]
    """
    grey = check_images(images)
    digits = check_target(target, len(grey), 10)
    ratios = check_ratios(conflict_ratio, _PARTS)
    noise = check_real("label_noise", label_noise, high=1)
    if not is_switch(halve):
        raise ValueError(f"`halve` must be a bool, got {halve!r}.")
    if halve:
        grey = grey[:, ::2, ::2]
    n = len(digits)
    cuts = [5 * n // 12, 10 * n // 12]
    rngs = streams(random_state, *_PARTS)
    parts = []
    rows = zip(np.split(grey, cuts), np.split(digits, cuts), strict=True)
    for i, ((shown, digit), ratio, rng) in enumerate(zip(rows, ratios, rngs, strict=True)):
        clean = check_classes(digit < 5, _PARTS[i], n)
        part = coloured_part(shown, clean, noise, ratio, 2, rng)
        part.update(environments=np.full(len(digit), i), digits=digit)
        parts.append(part)
    *training, test = parts
    train = Bunch(**{key: np.concatenate([part[key] for part in training]) for key in test})
    ratios_text = ", ".join(f"{ratio:g}" for ratio in ratios)
    return Bunch(train=train, test=test, DESCR=_DESCR.format(noise=noise, ratios=ratios_text))
