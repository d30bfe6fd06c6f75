"""Wrong labels, in exact numbers."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from sklearn_debias.arguments import check_option, is_switch
from sklearn_debias.datasets._checks import check_real, streams
from sklearn_debias.datasets._strata import encode, random_places
from sklearn_debias.seeds import Seed


def flip_labels(
    y: npt.ArrayLike,
    noise_rate: float,
    kind: Literal["uniform", "pair", "flip2"] = "uniform",
    *,
    include_true: bool = False,
    random_state: Seed = None,
) -> np.ndarray:
    """Replace a share of the labels of every class by others.

    Of the n_c rows of class c, exactly ``round(noise_rate * n_c)`` (halves to even) get a new
    label. The new labels are dealt evenly: the counts of the targets of one class differ by one at
    most. (The published code draws each row independently, so that its counts vary around these.)

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels of any type, of two or more classes. They are not changed.
    noise_rate : float
        Share of each class that gets a new label, in [0, 1].
    kind : {"uniform", "pair", "flip2"}, default="uniform"
        Where labels go. "uniform", elsewhere called symmetric: to all other classes alike. "pair"
        [1]_: to the next class in sorted order, from the last to the first. "flip2" [2]_: to two
        other classes, drawn for each class, half of the share each; it needs three classes. The
        flip noise of Meta-Weight-Net's published figures is "flip2".
    include_true : bool, default=False
        Whether "uniform" may deal a row its own label again. False, as in Co-teaching [1]_:
        `noise_rate` is the share of wrong labels. True, as in Meta-Weight-Net [2]_: only (C - 1) /
        C of the dealt labels are wrong, 36 % at a rate of 40 % and ten classes. It must be False
        for other kinds.
    random_state : None, int, RandomState or Generator, default=None
        Determines the rows and the classes. With one seed, a larger rate only adds wrong labels.

    Returns
    -------
    noisy : ndarray of shape (n,)
        Labels of the type of `y`; ``noisy != y`` marks the flipped rows.

    Raises
    ------
    ValueError
        If an argument is out of its range, or `y` has too few classes.

    References
    ----------
    .. [1] B. Han, Q. Yao, X. Yu, G. Niu, M. Xu, W. Hu, I. Tsang and M. Sugiyama, "Co-teaching:
       Robust Training of Deep Neural Networks with Extremely Noisy Labels", NeurIPS 2018.
    .. [2] J. Shu, Q. Xie, L. Yi, Q. Zhao, S. Zhou, Z. Xu and D. Meng, "Meta-Weight-Net: Learning an
       Explicit Mapping For Sample Weighting", NeurIPS 2019, and its code.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import flip_labels
    >>> y = np.repeat(["cat", "dog", "owl"], 10)
    >>> noisy = flip_labels(y, 0.4, kind="pair", random_state=0)
    >>> np.unique(noisy[y == "owl"], return_counts=True)
    (array(['cat', 'owl'], dtype='<U3'), array([4, 6]))
    """
    check_option("kind", kind, ("uniform", "pair", "flip2"))
    rate = check_real("noise_rate", noise_rate, high=1)
    if not is_switch(include_true) or (include_true and kind != "uniform"):
        raise ValueError(
            '`include_true` must be a bool, and False unless `kind` is "uniform"; got '
            f"{include_true!r}."
        )
    classes, codes = encode("y", y, n_values=3 if kind == "flip2" else 2)
    row_rng, target_rng = streams(random_state, "rows", "targets")
    places = random_places(codes, row_rng)
    steps = _steps(len(classes), kind, include_true, target_rng)
    # Targets are dealt in turn by the place of a row, which the rate does not enter: a larger rate
    # flips more rows, and none to another label.
    targets = (codes + steps[codes, places % steps.shape[1]]) % len(classes)
    n_moved = np.rint(rate * np.bincount(codes))
    return classes[np.where(places < n_moved[codes], targets, codes)]


def _steps(n_classes: int, kind: str, include_true: bool, rng: np.random.Generator) -> np.ndarray:
    """Return how far, in classes, the moved rows of each class go: (n_classes, n_targets).

    The first row takes the first step, the second the second, round and round.
    """
    if kind == "pair":
        return np.ones((n_classes, 1), dtype=np.int64)
    others = np.arange(0 if include_true else 1, n_classes)
    # In random order: the targets that get one row more must not be the next classes always.
    steps = rng.permuted(np.tile(others, (n_classes, 1)), axis=1)
    return steps[:, :2] if kind == "flip2" else steps
