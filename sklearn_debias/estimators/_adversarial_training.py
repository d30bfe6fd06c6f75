"""Adversarial training: PGD-AT, TRADES, MART, each with or without AWP."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions

from sklearn_debias.estimators._adversarial import AdversarialClassifier
from sklearn_debias.fitting import NON_NEGATIVE
from sklearn_debias.objectives import AdversarialTraining
from sklearn_debias.search_spaces import SearchedRows, Space, adversarial_training_space


@dataclass(kw_only=True, eq=False, repr=False)
class AdversarialTrainingClassifier(AdversarialClassifier):
    """Adversarial training: fit the worst neighbours of the samples.

    "ce" is PGD-AT [1]_: the cross entropy of adversarial inputs. "trades" [2]_ is ``CE(x) + beta
    KL(p(x) || p(x'))``. "mart" [3]_ is ``BCE(x') + beta KL(p(x) || p(x')) (1 - p_y(x))``, which
    leans on the samples that the model gets wrong. Each of them can be taken at adversarial weights
    (``awp``, [4]_).

    Parameters
    ----------
    {shared_parameters}
    {attack_parameters}
    loss : {"ce", "trades", "mart"}, default="ce"
        What is minimised.
    beta : float, default=6.0
        Weight of the divergence, at least 0; not used by "ce".

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    UIATClassifier : draws predictions towards those for easier neighbours.
    DHATClassifier : does the same, without the background's share.

    Notes
    -----
    "ce" and "mart" attack the cross entropy, "trades" the divergence. "ce" starts anywhere in the
    ball; the other two start next to x, as their authors do. The authors of these two also attack
    in eval mode: set ``attack_mode="eval"`` to do as they do. AWP is taken from the first epoch on.
    ``history_`` has the robust accuracy on the training batches as "adversarial_accuracy"; for that
    on held-out rows set ``monitor`` to `sklearn_debias.robustness.robust_accuracy`. The defaults of
    the optimiser are those of CIFAR-10 at 100 epochs.

    References
    ----------
    .. [1] Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018.
    .. [2] Zhang et al., "Theoretically Principled Trade-off between Robustness and Accuracy", ICML
       2019.
    .. [3] Wang et al., "Improving Adversarial Robustness Requires Revisiting Misclassified
       Examples", ICLR 2020.
    .. [4] Wu et al., "Adversarial Weight Perturbation Helps Robust Generalization", NeurIPS 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_debias import AdversarialTrainingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = AdversarialTrainingClassifier(
    ...     epsilon=0.1, n_steps=3, lr=0.05, max_epochs=30, random_state=0
    ... )
    >>> clf.fit(X, y).score(X, y) > 0.9
    True
    """

    loss: str = "ce"
    beta: float = 6.0

    _parameter_constraints: ClassVar[dict] = {
        **AdversarialClassifier._parameter_constraints,
        "loss": [StrOptions({"ce", "trades", "mart"})],
        "beta": NON_NEGATIVE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | adversarial_training_space(self.loss)

    def _objective(self, **attack: Any) -> AdversarialTraining:
        return AdversarialTraining(kind=self.loss, beta=float(self.beta), **attack)
