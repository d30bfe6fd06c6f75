"""Attacks on one model judged on another, and the accuracy over a range of radii."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from sklearn_debias.arguments import is_real
from sklearn_debias.attacks import Threat, get_attack
from sklearn_debias.fitting import Model
from sklearn_debias.metrics.internal import binomial_bounds, check_confidence
from sklearn_debias.robustness._evaluate import Evaluation, open_rows
from sklearn_debias.robustness._scores import open_evaluation
from sklearn_debias.robustness._threats import RADIUS, read_threat, row_shape

MULTIPLES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)  # of the usual radius


def transferred(source: Model, X: Any, y: Any, **options: Any) -> np.ndarray:
    """Return what an attack makes of X at the source, by all of its steps."""
    chosen = get_attack(options.pop("attack", "pgd-20"))
    evaluation, threat = open_evaluation(source, X, y, judge="last", name="source", **options)
    return evaluation.run(chosen, threat, keep=True).points.numpy()  # type: ignore[union-attr]


def transfer_codes(source: Model, target: Model, X: Any, y: Any, **options: Any) -> Evaluation:
    """Judge the target on what an attack made of X at the source."""
    points = transferred(source, X, y, **options)
    return Evaluation(open_rows(target, points, y, "target"), quiet=True)


def transfer_accuracy_score(
    source: Model,
    target: Model,
    X: Any,
    y: Any,
    *,
    attack: Any = "pgd-20",
    epsilon: Any = "auto",
    norm: str = "linf",
    clip: Any = "auto",
    random_state: Any = 0,
    verbose: int = 0,
) -> float:
    """Return the accuracy of one model on the inputs that an attack on another finds.

    Parameters
    ----------
    source : fitted classifier of this package, or nn.Module
        The model that is attacked. All rows make all steps, and the last point counts.
    target : fitted classifier, or nn.Module
        The model that is judged, on the same kind of X. It needs no gradient: any classifier with
        ``predict`` will do, a pipeline or a forest among them. It is handed floats, images in the
        range that the source's network sees.
    X, y, attack, epsilon, norm, clip, random_state, verbose
        As in `robust_accuracy_score`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    TypeError, ValueError, ImportError
        As `robust_accuracy_score`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn_debias.robustness import transfer_accuracy_score
    >>> X, y = np.full((2, 3), 0.5, dtype="f4"), np.array([0, 1])
    >>> 0 <= transfer_accuracy_score(
    ...     torch.nn.Linear(3, 2), torch.nn.Linear(3, 2), X, y, epsilon=0.1
    ... ) <= 1
    True
    """
    options = {"attack": attack, "epsilon": epsilon, "norm": norm, "clip": clip}
    options |= {"random_state": random_state, "verbose": verbose}
    # Estimators of this package and modules are opened; all others are asked to predict.
    if hasattr(type(target), "_opened") or not hasattr(target, "predict"):
        return float(transfer_codes(source, target, X, y, **options).clean.robust.mean())
    if isinstance(target, type):
        raise TypeError(f"`target` must be fitted, got the class {target.__name__}.")
    judge: Any = target  # any classifier of scikit-learn's kind
    check_is_fitted(judge)
    unseen = np.setdiff1d(np.asarray(y), judge.classes_)
    if len(unseen):
        raise ValueError(
            f"`y` must hold labels that `target` knows, got also {unseen[:5].tolist()}."
        )
    predicted = judge.predict(transferred(source, X, y, **options))
    return float(np.mean(predicted == np.asarray(y)))


def epsilon_sweep(
    estimator: Model,
    X: Any,
    y: Any,
    *,
    epsilons: Iterable[float] | None = None,
    attack: Any = "pgd-20",
    norm: str = "linf",
    clip: Any = "auto",
    confidence: float = 0.95,
    random_state: Any = 0,
    verbose: int = 0,
) -> pd.DataFrame:
    """Measure the robust accuracy over a range of radii.

    What fools a row in a small ball lies in the larger ones too: radii are tried from the smallest
    on, each on the rows that are left. So the accuracy never rises, and at 0 it is that without an
    attack.

    Parameters
    ----------
    estimator, X, y, attack, norm, clip, random_state, verbose
        As in `robust_accuracy_score`.
    epsilons : sequence of float, default=None
        Radii, each at least 0. None takes 0, 1/4, 1/2, 1, 3/2 and 2 times the usual one of images
        (8/255, or 0.5 in L2); for other X they must be given.
    confidence : float, default=0.95
        Coverage of the exact (Clopper-Pearson) interval of each accuracy, in (0, 1).

    Returns
    -------
    DataFrame
        A row for each radius, ascending: "epsilon", "accuracy", "lower", "upper".

    Raises
    ------
    TypeError, ValueError, ImportError
        As `robust_accuracy_score`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn_debias.robustness import epsilon_sweep
    >>> X, y = np.full((2, 3), 0.5, dtype="f4"), np.array([0, 1])
    >>> net = torch.nn.Linear(3, 2)
    >>> net.load_state_dict({"weight": torch.eye(2, 3), "bias": torch.tensor([0.1, 0.0])})
    <All keys matched successfully>
    >>> epsilon_sweep(net, X, y, epsilons=[0, 1]).accuracy.tolist()
    [0.5, 0.0]
    """
    confidence = check_confidence(confidence)
    chosen = get_attack(attack)
    options = {"norm": norm, "clip": clip, "random_state": random_state, "verbose": verbose}
    # Any radius will do to open the rows; the sweep's may depend on their kind, and come next.
    evaluation, _ = open_evaluation(estimator, X, y, epsilon=0.0, judge="any", **options)
    threats = _threats(evaluation, epsilons, norm, clip)
    left = evaluation.clean.robust
    hits = []
    for threat in threats:
        left = left & evaluation.run(chosen, threat, mask=left).robust
        hits.append(left.sum())
    half = (1 - confidence) / 2
    n = len(left)
    lower, upper = binomial_bounds(hits, n, half, half)
    radii = [threat.epsilon for threat in threats]
    return pd.DataFrame(
        {"epsilon": radii, "accuracy": np.array(hits) / n, "lower": lower, "upper": upper}
    )


def _threats(evaluation: Evaluation, epsilons: Any, norm: str, clip: Any) -> list[Threat]:
    if epsilons is None and len(row_shape(evaluation.opened)) == 3:
        epsilons = [RADIUS[norm] * multiple for multiple in MULTIPLES]
    if epsilons is None:
        raise ValueError(
            "`epsilons` must be given, in the units of X, for rows that are no images."
        )
    try:
        radii = sorted(epsilons)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`epsilons` must be a sequence of radii in the units of X, got {epsilons!r}."
        ) from error
    if not all(is_real(radius) for radius in radii):
        raise ValueError(
            f"`epsilons` must be a sequence of radii in the units of X, got {epsilons!r}."
        )
    if not radii:
        raise ValueError("`epsilons` must hold at least one radius, got none.")
    return [read_threat(evaluation.opened, radius, norm, clip) for radius in radii]
