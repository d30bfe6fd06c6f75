"""Images whose corruption gives the class away: LfF's Corrupted CIFAR-10, of any ten classes."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklearn_debias.arguments import check_option
from sklearn_debias.corruptions import corrupt, corruption_names
from sklearn_debias.datasets._assignment import biased_values, even_values
from sklearn_debias.datasets._checks import (
    check_int,
    check_real,
    check_target,
    streams,
)
from sklearn_debias.seeds import Seed

_N_VALUES = 10
_DESCR = """{n} images, each with one of ten corruptions at severity {severity}: {names}.
{relation} Frost is a drawn texture, and drops of water are approximated:
see docs/guide/corruptions.md.
"""


def corrupted_images(
    images: np.ndarray,
    target: npt.ArrayLike,
    *,
    kind: Literal["type0", "type1"] = "type0",
    severity: int = 5,
    conflict_ratio: float | Literal["unbiased"] = 0.05,
    random_state: Seed = None,
) -> Bunch:
    """Corrupt the images of each class by a corruption of its own, as in Corrupted CIFAR-10 [1]_.

    Any images of ten classes will do. Class c is aligned with corruption c of its type, which a
    network learns long before the objects.

    Parameters
    ----------
    images : ndarray of shape (n, 3, height, width), uint8 or float
        Colour images in 0..255, or in [0, 1]; the strengths are meant for 32 pixels. They are not
        changed.
    target : array-like of shape (n,), int
        Classes in 0..9.
    kind : {"type0", "type1"}, default="type0"
        "type0": snow, frost, fog, brightness, contrast, spatter, elastic, JPEG, pixelate, saturate.
        "type1": Gaussian, shot, impulse and speckle noise, Gaussian, defocus, glass, motion and
        zoom blur, original.
    severity : {1, 2, 3, 4, 5}, default=5
        As in CIFAR-10-C. What LfF's released code calls severity 1 to 4 is 2 to 5 here: it adds
        one.
    conflict_ratio : float or "unbiased", default=0.05
        Share of each class with another corruption than its own, in [0, 1], spread evenly over the
        other nine: ``round(conflict_ratio * n_c)`` of the n_c samples of class c, at least one when
        the ratio is positive. LfF trains at .05, .02, .01 and .005. "unbiased" gives each class all
        ten equally often (10 % aligned), as in LfF's test set.
    random_state : None, int, RandomState or Generator, default=None
        Determines who conflicts, and the corruptions' random parameters. None draws fresh entropy.

    Returns
    -------
    corrupted : sklearn.utils.Bunch
        data : ndarray of shape (n, 3, height, width)
            As `images`.

        target : ndarray of shape (n,), int64

        bias_labels : ndarray of shape (n,), int64
            The corruption, an index into `bias_names`. A sample is bias-aligned where it equals
            `target`.

        bias_names : ndarray of shape (10,), str

        DESCR : str

    Raises
    ------
    TypeError
        If `images` is no array.
    ValueError
        If images or labels have another shape, dtype or range, or a parameter is out of its range.

    See Also
    --------
    sklearn_debias.corruptions.corrupt : One corruption for all images.

    References
    ----------
    .. [1] J. Nam, H. Cha, S. Ahn, J. Lee and J. Shin, "Learning from Failure: Training Debiased
       Classifier from Biased Classifier", NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import corrupted_images
    >>> images = np.random.default_rng(0).random((40, 3, 8, 8))
    >>> train = corrupted_images(images, np.arange(40) % 10, conflict_ratio=0.25, random_state=0)
    >>> train.data.shape, int((train.bias_labels != train.target).sum())
    ((40, 3, 8, 8), 10)
    """
    names = corruption_names(check_option("kind", kind, ("type0", "type1")))
    severity = check_int("severity", severity, 1, 5)
    if not isinstance(images, np.ndarray):
        raise TypeError(
            "`images` must be an ndarray of shape (n, 3, height, width), got "
            f"{type(images).__name__}."
        )
    if images.ndim != 4 or images.shape[1] != 3 or not len(images):
        expected = "colour images of shape (n, 3, height, width), n >= 1"
        raise ValueError(f"`images` must be {expected}; got the shape {images.shape}.")
    labels = check_target(target, len(images), _N_VALUES)
    bias_rng, corruption_rng = streams(random_state, "bias", "corruption")
    values, relation = _values(labels, conflict_ratio, bias_rng)
    # One seed will do: `corrupt` mixes the corruption's name and each image's content into it.
    seed = int(corruption_rng.integers(2**31))
    data = np.empty_like(images, order="C")
    for value in np.unique(values):
        rows = np.flatnonzero(values == value)
        data[rows] = corrupt(images[rows], names[value], severity, seed)
    descr = _DESCR.format(n=len(data), severity=severity, names=", ".join(names), relation=relation)
    return Bunch(
        data=data, target=labels, bias_labels=values, bias_names=np.array(names), DESCR=descr
    )


def _values(
    labels: np.ndarray, conflict_ratio: float | Literal["unbiased"], rng: np.random.Generator
) -> tuple[np.ndarray, str]:
    """Return the corruption of each sample, and what it tells about the class."""
    if isinstance(conflict_ratio, str) and conflict_ratio == "unbiased":
        values = even_values(labels, (_N_VALUES,), rng)[:, 0]
        return values, "The corruption is independent of the class."
    hint = 'Use "unbiased" for a bias that tells nothing about the class.'
    ratio = check_real("conflict_ratio", conflict_ratio, high=1, hint=hint)
    values = biased_values(labels, _N_VALUES, ratio, rng)
    return values, f"A share {ratio:g} of each class has not its own."
