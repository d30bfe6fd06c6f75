"""Training on mixed samples: MixUp, DomainMix, LISA."""

import numbers
from dataclasses import dataclass
from typing import ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import NON_NEGATIVE, TrainingSet, by_environment, warn_of_cells
from sklearn_debias.objectives import MixUp
from sklearn_debias.search_spaces import SearchedRows, Space, mixup_space

ALPHA = {"any": 0.2, "label": 0.2, "domain": 0.2, "lisa": 2.0}  # LISA's as in its paper
# What is done without bias labels, for the warning; the other partners need none.
INSTEAD = {"domain": "any rows are mixed", "lisa": "rows of the same label are mixed"}


@dataclass(kw_only=True, eq=False, repr=False)
class MixUpClassifier(BaseDebiasClassifier):
    """MixUp, DomainMix or LISA: train on convex combinations of two rows.

    ``lam x_i + (1 - lam) x_j`` has the loss ``lam CE(y_i) + (1 - lam) CE(y_j)``, with lam from
    Beta(alpha, alpha). Which rows are mixed with which is the method; the environment of a row is
    its bias value.

    Parameters
    ----------
    {shared_parameters}
    partners : {"any", "label", "domain", "lisa"}, default="any"
        Rows of the same batch to mix with. "any": any (MixUp [1]_). "label": another of the same
        label. "domain": one of another environment (DomainMix [2]_). "lisa" (LISA [3]_) tosses a
        coin per batch: the same label in another environment, or another label in the same
        environment. "domain" and "lisa" need ``bias_labels`` with at least two values; without them
        they are "any" and "label", with a warning.
    alpha : float or None, default=None
        Parameter of Beta(alpha, alpha), at least 0; 0 is plain training. None is 2 for "lisa", as
        in [3]_, else 0.2.
    p_sel : float, default=0.5
        Chance that LISA mixes rows of the same label, in [0, 1].
    balance : "group" or None, default=None
        How an epoch's rows are drawn. None takes each row once. "group" draws n rows with
        replacement, every (class, bias value) with the same probability, as the authors of LISA do;
        without bias labels every class, with a warning.

    Attributes
    ----------
    {shared_attributes}
    environments_ : list
        The bias values, for "domain" and "lisa"; empty where there were fewer than two.

    See Also
    --------
    ERMClassifier : with ``balance="group"`` the upweighting that these are compared with.
    InvarianceClassifier : penalties on what differs between environments.

    Notes
    -----
    Inputs are mixed as the network sees them: images in [0, 1], after ``augment``. A row without a
    partner in its batch stays as it is; ``history_`` has the share of the others as "mixed". lam is
    drawn per batch, and per row for "lisa", as in the code of [1]_ and [3]_. Compare "lisa" with
    ``balance="group"``: otherwise most rows find no partner where groups are rare.

    References
    ----------
    .. [1] Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    .. [2] Xu et al., "Adversarial Domain Adaptation with Domain Mixup", AAAI 2020.
    .. [3] Yao et al., "Improving Out-of-Distribution Robustness via Selective Augmentation", ICML
       2022.

    Examples
    --------
    >>> from sklearn_debias import MixUpClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = MixUpClassifier(partners="lisa", balance="group", max_epochs=5, random_state=0)
    >>> clf.fit(train.data, train.target, bias_labels=train.bias_labels).environments_
    [0, 1]
    """

    partners: str = "any"
    alpha: float | None = None
    p_sel: float = 0.5
    balance: str | None = None

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "partners": [StrOptions(set(ALPHA))],
        "alpha": [*NON_NEGATIVE, None],
        "p_sel": [Interval(numbers.Real, 0, 1, closed="both")],
        "balance": [StrOptions({"group"}), None],
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | mixup_space(self.partners)

    def _trains_by_group(self) -> bool:
        return self.balance == "group" or self.partners in INSTEAD

    def _phases(self) -> tuple[Phase, ...]:
        alpha = ALPHA[self.partners] if self.alpha is None else float(self.alpha)
        objective = MixUp(self.partners, alpha, float(self.p_sel), self.balance == "group")
        return (Phase("train", (objective,), self.max_epochs),)

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        balanced = self.balance == "group"
        group = training.group
        if balanced and group is not None and training.groups is not None:
            unused = "they are never drawn."
            warn_of_cells(training.classes, group, training.groups, unused)
        elif balanced and self.partners not in INSTEAD:
            warn("`balance`='group' was given no bias_labels: the classes are balanced instead.")
        if self.partners not in INSTEAD:
            return training
        instead = INSTEAD[self.partners]
        # Without environments the objective draws by class, and one warning says all.
        if balanced:
            instead += ", and classes balanced"
        return by_environment(training, type(self).__name__, instead)

    def _finish(self, states: dict, training: TrainingSet) -> None:
        if self.partners in INSTEAD:
            self.environments_: list = training.groups or []
