"""Adversarial training towards inverse adversaries."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn_debias.estimators._adversarial import AdversarialClassifier
from sklearn_debias.fitting import NON_NEGATIVE
from sklearn_debias.objectives import UIAT
from sklearn_debias.search_spaces import SearchedRows, Space, uiat_space


@dataclass(kw_only=True, eq=False, repr=False)
class UIATClassifier(AdversarialClassifier):
    """UIAT: adversarial inputs should be classified like the samples' easiest neighbours [1]_.

    The loss is ``CE(x^) + lam KL(p(x~) || p(x^))``. The adversary x^ maximises the cross entropy
    around x. The inverse adversary x~ minimises ``CE(x~) + KL(p(x) || p(x~)) - KL(p(x^) || p(x~))``
    nearer by.

    Parameters
    ----------
    {shared_parameters}
    {attack_parameters}
    inverse_epsilon : float, default=4/255
        Radius of the inverse adversaries, at least 0.
    lam : float, default=1.0
        Weight of the divergence, at least 0. 0 is PGD-AT.

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    AdversarialTrainingClassifier : PGD-AT, TRADES, MART.
    DHATClassifier : subtracts the logits of the background.

    Notes
    -----
    This is UIAT as DHAT builds on it [2]_: an inverse adversary for each sample, by 10 steps,
    without the momentum of earlier predictions. Nothing is detached in the loss. We could not
    verify the authors' weight of the divergence; 1 is the weight that DHAT gives to its own.

    References
    ----------
    .. [1] Dong et al., "The Enemy of My Enemy is My Friend: Exploring Inverse Adversaries for
       Improving Adversarial Training", CVPR 2023.
    .. [2] Zhang, Weng, Li, Luo, "Towards Adversarial Robustness via Debiased High-Confidence Logit
       Alignment", ICCV 2025, arXiv 2408.06079.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_debias import UIATClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = UIATClassifier(
    ...     epsilon=0.1, inverse_epsilon=0.05, n_steps=3, lr=0.05, max_epochs=30, random_state=0
    ... )
    >>> clf.fit(X, y).score(X, y) > 0.9
    True
    """

    inverse_epsilon: float = 4 / 255
    lam: float = 1.0

    _parameter_constraints: ClassVar[dict] = {
        **AdversarialClassifier._parameter_constraints,
        "inverse_epsilon": NON_NEGATIVE,
        "lam": NON_NEGATIVE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | uiat_space(rows, self.norm)

    def _radii(self) -> tuple[str, ...]:
        return ("epsilon", "inverse_epsilon")

    def _objective(self, **attack: Any) -> UIAT:
        return UIAT(inverse_epsilon=float(self.inverse_epsilon), lam=float(self.lam), **attack)
