"""Accuracy under attack, and the inputs that attacks find."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklearn_debias.attacks import Threat, get_attack
from sklearn_debias.fitting import Model, check_inside
from sklearn_debias.robustness._evaluate import Evaluation, open_rows
from sklearn_debias.robustness._threats import check_judge, check_switch, read_threat


def open_evaluation(
    estimator: Model,
    X: Any,
    y: Any,
    *,
    epsilon: Any,
    norm: Any,
    clip: Any,
    judge: Any,
    random_state: Any,
    verbose: int,
    name: str = "estimator",
) -> tuple[Evaluation, Threat]:
    """Check everything, and judge the rows without an attack.

    ``name`` is what the caller calls the model.
    """
    check_judge(judge)
    check_switch("verbose", verbose)
    opened = open_rows(estimator, X, y, name)
    read_threat(opened, epsilon, norm, clip)  # raises before the pass over all rows
    evaluation = Evaluation(
        opened, random_state, judge, verbose, classes=getattr(estimator, "classes_", None)
    )
    # Lazy inputs know their range only after that pass, and the radius is checked against it.
    threat = read_threat(evaluation.opened, epsilon, norm, clip)
    if threat.clip is not None:
        bounds = tuple(bound.cpu().double().reshape(-1).numpy() for bound in threat.clip)
        check_inside(clip, bounds, evaluation.low, evaluation.high)
    return evaluation, threat


def robust_accuracy_score(
    estimator: Model,
    X: Any,
    y: Any,
    *,
    attack: Any = "pgd-20",
    epsilon: Any = "auto",
    norm: str = "linf",
    clip: Any = "auto",
    judge: str = "any",
    random_state: Any = 0,
    verbose: int = 0,
) -> float:
    """Return the accuracy when an attack may change each row inside a ball.

    A row counts where it is classified right as it is, and no point that the attack tries is
    missed. This is an upper bound: a stronger attack may find more. See `robust_report` for several
    attacks at once.

    Parameters
    ----------
    estimator : fitted classifier of this package, or nn.Module
        A module maps inputs to logits, and ``y`` are its codes. It is left as it is, and attacked
        in eval mode.
    X : array-like of shape (n, ...)
        As the estimator takes it; uint8 images are scaled to [0, 1].
    y : array-like of shape (n,)
    attack : str or attack, default="pgd-20"
        "fgsm"; "pgd-10" (any number of steps); "cw", the margin loss by PGD, as in tables under
        Linf; "cw-l2", the optimisation attack; "random-search"; "autoattack"; "fgsm-dhat",
        "pgd-10-dhat" and "cw-dhat", with the settings of that paper's authors; or an attack such as
        ``PGD(n_steps=50, restarts=5)``. See `sklearn_debias.attacks.get_attack`.
    epsilon : float or "auto", default="auto"
        Radius, at least 0, in the units of X. "auto" is 8/255 for images, or 0.5 in the L2 norm;
        for other X it must be given. 0 gives the accuracy without an attack.
    norm : {"linf", "l2"}, default="linf"
    clip : (low, high), None or "auto", default="auto"
        Range of valid inputs, numbers or one per channel. "auto" is (0, 1) for images, and None for
        other X.
    judge : {"any", "last"}, default="any"
        "any": each point that the attack visits counts, and a row that is fooled leaves the batch;
        several times faster on a network that is not robust. "last": all rows make all steps, and
        the last point counts, as in the code of most papers. By either rule a row that is missed on
        the clean input stays wrong, even where its last point is classified right.
    random_state : int, RandomState or None, default=0
        Seeds the random starts, with each row's content: order and company of the rows do not
        matter.
    verbose : int, default=0
        Above 0 shows a progress bar.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    TypeError
        Where no gradient reaches X by construction: pipelines, estimators of other packages.
    ValueError
        For a module without a gradient; ``epsilon`` beyond the range of the data; X outside of
        ``clip``; labels not seen in ``fit``.
    ImportError
        For "autoattack" without the package that it needs.

    Warns
    -----
    DebiasWarning
        Where the outputs look like probabilities, or many gradients are exactly zero.

    References
    ----------
    .. [1] Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018.
    .. [2] Croce and Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of
       Diverse Parameter-Free Attacks", ICML 2020.

    Examples
    --------
    >>> from sklearn_debias import ERMClassifier
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> from sklearn_debias.robustness import robust_accuracy_score
    >>> data = load_biased_digits(random_state=0)
    >>> clf = ERMClassifier(max_epochs=5, random_state=0).fit(data.train.data, data.train.target)
    >>> X, y = data.test.data[:100], data.test.target[:100]
    >>> robust_accuracy_score(clf, X, y, attack="pgd-5", epsilon=0.1) < clf.score(X, y)
    True
    """
    chosen = get_attack(attack)
    options = {
        "epsilon": epsilon,
        "norm": norm,
        "clip": clip,
        "random_state": random_state,
        "verbose": verbose,
    }
    evaluation, threat = open_evaluation(estimator, X, y, judge=judge, **options)
    return float(evaluation.run(chosen, threat).robust.mean())


def adversarial_examples(
    estimator: Model,
    X: Any,
    y: Any,
    *,
    attack: Any = "pgd-20",
    epsilon: Any = "auto",
    norm: str = "linf",
    clip: Any = "auto",
    judge: str = "any",
    random_state: Any = 0,
    verbose: int = 0,
) -> np.ndarray:
    """Return inputs near X that an attack finds.

    Parameters
    ----------
    estimator, X, y, attack, epsilon, norm, clip, judge, random_state, verbose
        As in `robust_accuracy_score`. With ``judge="any"`` a row is the first point that fools, or
        the last that was tried; rows that are misclassified anyway stay as they are. With "last" it
        is the last point of each row.

    Returns
    -------
    ndarray like X, floating
        Inside the ball around X; images in the range that the network sees (uint8 becomes [0, 1]).

    Raises
    ------
    TypeError, ValueError, ImportError
        As `robust_accuracy_score`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn_debias.robustness import adversarial_examples
    >>> X, y = np.full((2, 3), 0.5), np.array([0, 1])
    >>> moved = adversarial_examples(
    ...     torch.nn.Linear(3, 2).double(), X, y, epsilon=0.1, judge="last"
    ... )
    >>> float(np.abs(moved - X).max().round(6))
    0.1
    """
    chosen = get_attack(attack)
    options = {
        "epsilon": epsilon,
        "norm": norm,
        "clip": clip,
        "random_state": random_state,
        "verbose": verbose,
    }
    evaluation, threat = open_evaluation(estimator, X, y, judge=judge, **options)
    points = evaluation.run(chosen, threat, keep=True).points
    return points.numpy()  # type: ignore[union-attr]


def robust_generalization_gap_score(
    estimator: Model, X_train: Any, y_train: Any, X_test: Any, y_test: Any, **options: Any
) -> float:
    """Return the robust accuracy on training rows minus that on test rows.

    Parameters
    ----------
    estimator : fitted classifier of this package, or nn.Module
    X_train, y_train, X_test, y_test
        Rows it was trained on (without augmentation), and others.
    **options
        Those of `robust_accuracy_score`.

    Returns
    -------
    float
        In [-1, 1]; large where robustness does not generalise [1]_.

    References
    ----------
    .. [1] Rice, Wong and Kolter, "Overfitting in Adversarially Robust Deep Learning", ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn_debias.robustness import robust_generalization_gap_score
    >>> X, y = np.array([[-1.0, 1.0], [1.0, -1.0]], dtype="f4"), np.array([0, 1])
    >>> robust_generalization_gap_score(torch.nn.Linear(2, 2), X, y, X, y, epsilon=0.1)
    0.0
    """
    with _noted("X_train, y_train"):
        on_train = robust_accuracy_score(estimator, X_train, y_train, **options)
    with _noted("X_test, y_test"):
        on_test = robust_accuracy_score(estimator, X_test, y_test, **options)
    return on_train - on_test


@contextmanager
def _noted(names: str) -> Iterator[None]:
    """Add to an error on `X` or `y` which of the two pairs it is about."""
    try:
        yield
    except Exception as error:
        error.add_note(f"`X` and `y` are {names} here.")
        raise
