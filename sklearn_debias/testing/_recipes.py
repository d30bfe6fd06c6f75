"""How a class is built for the suites: by rules on the names of its parameters, and by two tables.

A class that is in no table is built by the rules alone. It needs a row in `OWN` where so short a
fit would teach it nothing, and rows in `_rows` where the rules leave a part of it unchecked.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from sklearn.linear_model import LogisticRegression

from sklearn_debias.testing._rows import MONITORED, ROWS

SHORT = {"max_epochs": 2, "batch_size": 16, "lr": 0.05}
# Counts of what is done over and over. Names that end in `_epochs` are counts, too.
COUNTS = ("n_steps", "search_steps", "n_resamples", "max_scales", "max_rounds")
FEW = 2

OWN: Mapping[str, Mapping[str, Any]] = {
    "CRTClassifier": {"retraining_epochs": 10},  # of a head that is drawn anew
    "ClassBalancedRetrainingClassifier": {"retraining_epochs": 10},
    "DPEClassifier": {"n_heads": 6, "head_epochs": 6},  # a few alone may all be poor
    # Grad-CAM wants a layer with positions; FLOE holds the rows of a short fit together.
    "DHATClassifier": {"attention": "integrated_gradients", "lam2": 0.1},
    "FishClassifier": {"optimizer": "adam"},  # SGD needs more steps
    "JTTClassifier": {"identification_epochs": 1},  # two leave no errors
    "SELFClassifier": {"k": 4},  # of eight that are held out of forty
}


def quick(cls: type, **params: Any) -> Any:
    """Return an instance that trains, or attacks, in a moment.

    Parameters
    ----------
    cls : type
        A class of `all_estimators`, `all_objectives` or `all_attacks`, or one that is like them:
        its parameters ``*_epochs``, ``n_steps``, ``n_resamples`` and the like become small, and a
        required ``estimator`` is a logistic regression.
    **params : object
        What is to be as given.

    Returns
    -------
    object

    Examples
    --------
    >>> from sklearn_debias import AFRClassifier
    >>> from sklearn_debias.testing import quick
    >>> clf = quick(AFRClassifier, lr=0.1)
    >>> clf.reweighting_epochs, clf.max_epochs, clf.lr
    (2, 2, 0.1)
    """
    return cls(**{**_required(cls), **_small(cls), **OWN.get(cls.__name__, {}), **params})


def default(cls: type, **params: Any) -> Any:
    """Return an instance with the defaults that a user gets.

    Parameters
    ----------
    cls : type
        As for `quick`.
    **params : object
        What is to be as given.

    Returns
    -------
    object

    Examples
    --------
    >>> from sklearn_debias import ClassScaling
    >>> from sklearn_debias.testing import default
    >>> default(ClassScaling)
    ClassScaling(estimator=LogisticRegression())
    """
    return cls(**{**_required(cls), **params})


def variants(cls: type) -> list[Any]:
    """Return the instances that the common checks look at.

    Parameters
    ----------
    cls : type
        As for `quick`.

    Returns
    -------
    list
        One for each row of the table. For a class without a row: `quick` of it, and where it has a
        ``module`` a deeper one with validation rows beside it.

    Examples
    --------
    >>> from sklearn_debias.objectives import LfF
    >>> from sklearn_debias.testing import variants
    >>> variants(LfF)[0]
    LfF(q=0.7, ema=0.7, gce_factor=True, class_normalize=True)
    """
    if cls.__name__ in ROWS:
        rows = ROWS[cls.__name__]
    elif "module" in inspect.signature(cls).parameters:
        rows = [{}, {"module": "mlp", **MONITORED}]
    else:
        rows = [{}]
    return [quick(cls, **row) for row in rows]


def _required(cls: type) -> dict[str, Any]:
    parameter = inspect.signature(cls).parameters.get("estimator")
    if parameter is None or parameter.default is not parameter.empty:
        return {}
    return {"estimator": LogisticRegression()}


def _small(cls: type) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters
    trained = SHORT if "max_epochs" in parameters else {}
    counted = {
        name: min(FEW, parameter.default)
        for name, parameter in parameters.items()
        if (name in COUNTS or name.endswith("_epochs")) and isinstance(parameter.default, int)
    }
    return {**counted, **trained}
