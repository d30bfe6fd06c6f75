"""Invariance penalties: IRM, IB-IRM, V-REx, CORAL and MMD."""

import numbers
from dataclasses import dataclass, replace
from typing import ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_debias.core import Net, Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.fitting import NON_NEGATIVE, Networks, TrainingSet, by_environment
from sklearn_debias.objectives import Invariance
from sklearn_debias.search_spaces import SearchedRows, Space, invariance_space

# DomainBed's defaults, but for IRM's: its 100 keeps heads on ordinary data from learning anything.
WEIGHTS = {"irm": 1.0, "ib_irm": 1.0, "vrex": 10.0, "coral": 1.0, "mmd": 1.0}
ANNEALED = ("irm", "ib_irm", "vrex")  # as in DomainBed


@dataclass(kw_only=True, eq=False, repr=False)
class InvarianceClassifier(BaseDebiasClassifier):
    """Penalise what differs between environments: IRM, IB-IRM, V-REx, CORAL or MMD.

    The environment of a row is its bias value. The network minimises the mean of the environments'
    risks plus ``penalty_weight`` times a penalty, all divided by the weight where that is above 1.
    It needs ``bias_labels`` with at least two values; without them it is plain training, with a
    warning.

    Parameters
    ----------
    {shared_parameters}
    penalty : {"irm", "ib_irm", "vrex", "coral", "mmd"}, default="irm"
        "irm": the squared gradient of each environment's risk in a multiplier of the logits [1]_.
        "ib_irm": that, and the variance of the features [2]_. "vrex": the variance of the risks
        [3]_. "coral": the distances of the features' means and covariances [4]_. "mmd": the maximum
        mean discrepancy of the features, with Gaussian kernels of seven bandwidths [5]_. Penalties
        that look at features need a ``module`` that learns below its head.
    penalty_weight : float or None, default=None
        At least 0; 0 gives every environment the same share of the loss, and no more. None is 1 for
        "irm" and "ib_irm", and DomainBed's default [6]_ for the others: 10 for "vrex", 1 for
        "coral" and "mmd". See the notes on larger ones.
    bottleneck_weight : float, default=1.0
        Weight of the variance of the features in "ib_irm", at least 0.
    anneal_epochs : int or None, default=None
        Number of first epochs in which ``penalty_weight`` is at most 1 and ``bottleneck_weight`` is
        0; fewer than ``max_epochs``. None is a tenth of ``max_epochs`` for "irm", "ib_irm" and
        "vrex" (where a weight changes by it), else 0.
    balance : "environment" or None, default=None
        How an epoch's rows are drawn. None takes each row once. "environment" draws n rows with
        replacement, every environment with the same probability, as DomainBed does: penalties on a
        few rows are noisy.

    Attributes
    ----------
    {shared_attributes}
    environments_ : list
        The bias values that were compared; empty where there were fewer than two.

    See Also
    --------
    ERMClassifier : with ``balance="group"`` the upweighting that these are compared with.
    GroupDROClassifier : compares risks, too, but of (class, bias value) groups.

    Notes
    -----
    IRM's penalty is 0 at logits of 0, too, and grows on the way to any solution. A weight far above
    1 therefore holds a network where it is, unless the risk has been minimised before: iris and
    digits stay near chance by DomainBed's weights of 100. The published gains take such weights,
    after some hundred steps at 1: raise ``penalty_weight`` and ``anneal_epochs`` together, and
    select both on validation rows of another environment.

    The annealing is a phase of its own, "anneal" in ``history_``. After it the optimiser and the
    learning-rate schedule start afresh, as in DomainBed, since Adam does not like the jump of the
    weight.

    An environment that a batch does not hold counts for nothing there: use batches that hold
    several rows of each. The penalties suit environments in which a shortcut holds to different
    degrees, such as sites or years. Where the bias value is the shortcut itself, the class shares
    of the environments differ, and a penalty can do harm: balance the groups there
    (``ERMClassifier``, ``GroupDROClassifier``) or mix them (``MixUpClassifier(partners="lisa")``).

    References
    ----------
    .. [1] Arjovsky et al., "Invariant Risk Minimization", 2019.
    .. [2] Ahuja et al., "Invariance Principle Meets Information Bottleneck for Out-of-Distribution
       Generalization", NeurIPS 2021.
    .. [3] Krueger et al., "Out-of-Distribution Generalization via Risk Extrapolation (REx)", ICML
       2021.
    .. [4] Sun and Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", ECCV 2016
       Workshops.
    .. [5] Li et al., "Domain Generalization with Adversarial Feature Learning", CVPR 2018.
    .. [6] Gulrajani and Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021.

    Examples
    --------
    >>> from sklearn_debias import InvarianceClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = InvarianceClassifier(penalty="vrex", max_epochs=5, random_state=0)
    >>> clf.fit(train.data, train.target, bias_labels=train.bias_labels).environments_
    [0, 1]
    """

    penalty: str = "irm"
    penalty_weight: float | None = None
    bottleneck_weight: float = 1.0
    anneal_epochs: int | None = None
    balance: str | None = None

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "penalty": [StrOptions(set(WEIGHTS))],
        "penalty_weight": [*NON_NEGATIVE, None],
        "bottleneck_weight": NON_NEGATIVE,
        "anneal_epochs": [Interval(numbers.Integral, 0, None, closed="left"), None],
        "balance": [StrOptions({"environment"}), None],
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | invariance_space(rows, self.penalty, self.module)

    def _check_params(self) -> None:
        super()._check_params()
        if self.anneal_epochs is not None and self.anneal_epochs >= self.max_epochs:
            raise ValueError(
                f"`anneal_epochs` must be less than `max_epochs`={self.max_epochs}, or the penalty "
                f"never gets its weight, got {self.anneal_epochs}."
            )

    def _objective(self) -> Invariance:
        weight = WEIGHTS[self.penalty]
        if self.penalty_weight is not None:
            weight = float(self.penalty_weight)
        bottleneck = float(self.bottleneck_weight)
        return Invariance(self.penalty, weight, bottleneck, self.balance is not None)

    def _trains_by_group(self) -> bool:
        return True

    def _phases(self) -> tuple[Phase, ...]:
        objective = self._objective()
        weak = replace(objective, penalty_weight=min(1.0, objective.penalty_weight))
        if self.penalty == "ib_irm":
            weak = replace(weak, bottleneck_weight=0.0)
        epochs = self.anneal_epochs
        if epochs is None:
            epochs = self.max_epochs // 10 if self.penalty in ANNEALED else 0
        # Weights that stay as they are need no phase of their own, nor a fresh optimiser.
        if weak == objective:
            epochs = 0
        before = (Phase("anneal", (weak,), int(epochs)),) if epochs else ()
        return (*before, Phase("train", (objective,), int(self.max_epochs - epochs)))

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        return by_environment(training, type(self).__name__, "this is plain training")

    def _settle(self, phases: tuple[Phase, ...], networks: Networks) -> tuple[Phase, ...]:
        net = Net(networks.modules["model"])
        compares_features = phases[-1].steps[-1].compares_features  # type: ignore[attr-defined]
        if compares_features and not net.body(networks.example("model")).requires_grad:
            raise ValueError(
                f"`penalty`={self.penalty!r} compares the features of `module`, but nothing below "
                "its head learns. Use module='mlp' or another with layers that learn, or "
                "penalty='irm' or 'vrex'."
            )
        # Without environments there is nothing to compare, and so nothing to anneal.
        if networks.training.groups is None:
            return (replace(phases[-1], max_epochs=int(self.max_epochs)),)
        return phases

    def _finish(self, states: dict, training: TrainingSet) -> None:
        self.environments_: list = training.groups or []
