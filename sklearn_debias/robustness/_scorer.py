"""Robust accuracy as `scoring=` and as `monitor=`."""

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import MetadataRequest

from sklearn_debias.arguments import is_switch
from sklearn_debias.attacks import get_attack
from sklearn_debias.attacks.internal import check_norm
from sklearn_debias.fitting import Model, plain, take_rows
from sklearn_debias.metrics import worst_group_accuracy_score
from sklearn_debias.metrics.internal import check_group_size, encode_labels, unseen_classes
from sklearn_debias.robustness._evaluate import check_labels, check_seed
from sklearn_debias.robustness._scores import open_evaluation, robust_accuracy_score
from sklearn_debias.robustness._threats import check_judge, plain_clip, read_epsilon
from sklearn_debias.rows import check_same_rows


class NoLabelScore(AttributeError, TypeError):
    """A scorer was taken apart that cannot be: there is no such attribute."""


@dataclass(frozen=True)
class RobustAccuracy:
    """Callable ``scorer(estimator, X, y)``; build it with `robust_accuracy`."""

    attack: Any = "pgd-10"
    epsilon: Any = "auto"
    norm: str = "linf"
    clip: Any = "auto"
    judge: str = "any"
    random_state: Any = 0
    worst_group: bool = False
    min_group_size: int = 1

    def __post_init__(self) -> None:
        get_attack(self.attack)
        check_norm(self.norm)
        check_judge(self.judge)
        check_seed(self.random_state)
        check_group_size(self.min_group_size)
        # Whether "auto" has a meaning shows only with the rows: let it pass, as for images.
        radius = read_epsilon(self.epsilon, self.norm, images=True)
        if not is_switch(self.worst_group):
            raise ValueError(f"`worst_group` must be a bool, got {self.worst_group!r}.")
        if not isinstance(self.epsilon, str):
            object.__setattr__(self, "epsilon", radius)
        # Arrays could be neither compared nor hashed.
        object.__setattr__(self, "clip", plain_clip(self.clip))

    def __call__(self, estimator: Model, X: Any, y: Any, bias_labels: Any = None) -> float:
        """Score a fitted estimator: greater is better."""
        how = {
            name: value
            for name, value in vars(self).items()
            if name not in ("attack", "worst_group", "min_group_size")
        }
        if self.worst_group and bias_labels is None:
            raise ValueError(
                f"`bias_labels` did not reach {self!r}. Call "
                "sklearn.set_config(enable_metadata_routing=True) and pass `bias_labels=` to fit, "
                "or inside `params=` to cross_validate."
            )
        check_same_rows({"X": X, "y": y, "bias_labels": bias_labels})
        known = _known(estimator, y)
        if not known.any():
            return 0.0
        rows = np.flatnonzero(known)
        if len(rows) < len(known):
            X = take_rows(X, rows)
            y = _safe_indexing(y, rows)
        if not self.worst_group:
            score = robust_accuracy_score(estimator, X, y, attack=self.attack, **how)
            return float(score * known.mean())
        evaluation, threat = open_evaluation(estimator, X, y, verbose=0, **how)
        groups = {"bias_labels": bias_labels, "min_group_size": self.min_group_size}
        codes = np.full(len(known), -1)  # a class that training did not see
        codes[rows] = evaluation.y
        found = np.full(len(known), -2)
        found[rows] = evaluation.clean.codes
        # Bad labels raise now, and not after the attack.
        worst_group_accuracy_score(codes, found, **groups)
        found[rows] = evaluation.run(get_attack(self.attack), threat).codes
        return worst_group_accuracy_score(codes, found, **groups)

    @property
    def _score_func(self) -> NoReturn:
        # Scikit-learn tunes thresholds by what it finds under this name, on labels alone.
        raise NoLabelScore(
            f"{self!r} attacks a network, and cannot score labels alone: it does not serve to tune "
            "a threshold. Use a scorer of sklearn_debias.metrics there."
        )

    def __repr__(self) -> str:
        default = type(self)()
        said = {
            name: value
            for name, value in vars(self).items()
            if name != "attack" and value != getattr(default, name)
        }
        arguments = [repr(self.attack), *(f"{name}={value!r}" for name, value in said.items())]
        return f"robust_accuracy({', '.join(arguments)})"

    def get_metadata_routing(self) -> MetadataRequest:
        """Ask for bias labels, where they are needed."""
        request = MetadataRequest(owner=self)
        if self.worst_group:
            request.score.add_request(param="bias_labels", alias=True)
        return request

    # The name by which scikit-learn's routers ask an object for its own request.
    _get_metadata_request = get_metadata_routing


def _known(estimator: Model, y: Any) -> np.ndarray:
    """Return which rows (n,) are of classes that the model was trained on, and warn of others."""
    check_labels(y)
    y = plain(y, "y")
    codes, classes = encode_labels(y, "y")
    unseen = unseen_classes(estimator, y, "y")
    return np.array([label not in unseen for label in classes])[codes]


def robust_accuracy(
    attack: Any = "pgd-10",
    *,
    epsilon: Any = "auto",
    norm: str = "linf",
    clip: Any = "auto",
    judge: str = "any",
    random_state: Any = 0,
    worst_group: bool = False,
    min_group_size: int = 1,
) -> RobustAccuracy:
    """Make a scorer of the robust accuracy.

    For ``GridSearchCV(scoring=...)``, ``cross_val_score`` and the ``monitor`` of the estimators,
    which then keep the epoch with the best robust accuracy on validation rows.

    Parameters
    ----------
    attack, epsilon, norm, clip, judge, random_state
        As in `robust_accuracy_score`; by default the attack makes ten steps only.
    worst_group : bool, default=False
        Score the group that fares worst, and not all rows: the scorer then asks for
        ``bias_labels``, by metadata routing, as those of `sklearn_debias.metrics` do.
    min_group_size : int, default=1
        Groups with fewer rows are left out of the worst group.

    Returns
    -------
    RobustAccuracy
        Callable ``scorer(estimator, X, y)``. It can be compared, copied and pickled.

    Raises
    ------
    TypeError, ValueError
        For an unknown attack, norm, rule, radius or range; the rows that are scored may raise more.

    Examples
    --------
    >>> from sklearn_debias.robustness import robust_accuracy
    >>> robust_accuracy("fgsm", epsilon=0.1)
    robust_accuracy('fgsm', epsilon=0.1)
    """
    return RobustAccuracy(
        attack, epsilon, norm, clip, judge, random_state, worst_group, min_group_size
    )
