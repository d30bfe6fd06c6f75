"""Losses for long-tailed classes."""

import numbers
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_debias.core import Phase, Role
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import NON_NEGATIVE, POSITIVE, is_solved, split_net_params
from sklearn_debias.models import with_normalized_head
from sklearn_debias.objectives import LongTail
from sklearn_debias.objectives.internal import LONG_TAIL_LOSSES
from sklearn_debias.search_spaces import SearchedRows, Space, long_tail_space


@dataclass(kw_only=True, eq=False, repr=False)
class LongTailClassifier(BaseDebiasClassifier):
    """Training with a loss for classes of very unequal sizes.

    Balanced softmax, logit adjustment, LDAM with or without deferred re-weighting (DRW), the focal
    loss, and weights by the effective number of samples for any of them. No bias labels are needed.

    Parameters
    ----------
    {shared_parameters}
    loss : {"balanced_softmax", "logit_adjustment", "ldam", "focal", "cross_entropy"}, \
default="balanced_softmax"
        "balanced_softmax" [1]_ adds log n_y to the logits while training; "logit_adjustment" [2]_
        adds ``tau`` times the logarithm of the class shares, and is the same at ``tau=1``. "ldam"
        [3]_ asks the true class for a margin, the larger the rarer it is. "focal" [4]_ weighs
        samples by ``(1 - p_y)^gamma``. "balanced_softmax" has nothing to tune, and is consistent
        for the balanced error.
    beta : float, default=0.0
        Class-balanced weights, ``(1 - beta) / (1 - beta^n_y)`` [5]_, with mean 1 over the training
        rows. In [0, 1]: 0 weighs no class, .9999 is common, 1 is ``1 / n_y``. Leave it at 0 with
        "balanced_softmax" and "logit_adjustment", which balance by themselves.
    deferred : float, default=0.0
        Share of the epochs before the weights begin to act, in [0, 1). DRW of [3]_ has 0.8. The
        optimiser and ``lr_schedule`` go on undisturbed; callbacks, such as skorch's
        ``LRScheduler``, begin anew.
    gamma : float, default=2.0
        Exponent of "focal", at least 0; 0 is the cross entropy.
    max_margin : float, default=0.5
        Margin that "ldam" gives the rarest class, at least 0, in units of the cosine.
    scale : float, default=30.0
        Factor from cosines to logits in "ldam", > 0.
    tau : float, default=1.0
        Factor of the logarithms in "logit_adjustment", at least 0; 0 is the cross entropy.

    Attributes
    ----------
    {shared_attributes}

    Notes
    -----
    LDAM-DRW is ``LongTailClassifier(loss="ldam", beta=0.9999, deferred=0.8)``; the class-balanced
    focal loss is ``loss="focal"`` with a ``beta``.

    LDAM's margins mean something only for bounded scores. So ``loss="ldam"`` replaces the module's
    last linear layer by a normalised one, as its authors' code does: the logits are ``scale`` times
    the cosines of features and class vectors. A module that ends otherwise is kept as it is, and
    ``scale * margin`` is taken off its logits.

    In [5]_ the weights sum to the number of classes. The code of [3]_ divides each batch's loss by
    the sum of its weights, which keeps the size of the steps; so does a mean of 1 over the rows.
    The papers' focal loss has one sigmoid per class; here it is that of a softmax.

    With ``deferred``, validation rows are scored, and the best epoch is kept, in the deferred stage
    only.

    References
    ----------
    .. [1] Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020.
    .. [2] Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021.
    .. [3] Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
       NeurIPS 2019; code: https://github.com/kaidic/LDAM-DRW.
    .. [4] Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.
    .. [5] Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_debias import LongTailClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> rare = [*range(100), *range(100, 150, 5)]  # ten rows of the last class
    >>> clf = LongTailClassifier(lr=0.1, max_epochs=30, random_state=0).fit(X[rare], y[rare])
    >>> clf.score(X, y) > 0.9
    True
    """

    loss: str = "balanced_softmax"
    beta: float = 0.0
    deferred: float = 0.0
    gamma: float = 2.0
    max_margin: float = 0.5
    scale: float = 30.0
    tau: float = 1.0

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "loss": [StrOptions(set(LONG_TAIL_LOSSES))],
        "beta": [Interval(numbers.Real, 0, 1, closed="both")],
        "deferred": [Interval(numbers.Real, 0, 1, closed="left")],
        "gamma": NON_NEGATIVE,
        "max_margin": NON_NEGATIVE,
        "scale": POSITIVE,
        "tau": NON_NEGATIVE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | long_tail_space(self.loss)

    def _check_params(self) -> None:
        super()._check_params()
        if self.deferred and not self.beta:
            warn(
                f"`deferred`={self.deferred} has no effect with `beta`=0: there are no weights. "
                "Set `beta` to 0.9999."
            )
        if is_solved(self):
            self._check_convex()

    def _check_convex(self) -> None:
        """Raise where the loss has no minimum that a solver could find."""
        if self.loss in ("focal", "ldam"):
            raise ValueError(
                "`loss` must be 'balanced_softmax', 'logit_adjustment' or 'cross_entropy' with "
                f"`optimizer`='lbfgs', which needs a convex loss, got {self.loss!r}. Take one of "
                "these, or optimizer='adam'."
            )
        if self.beta and self.deferred:
            raise ValueError(
                f"`deferred` must be 0 with `optimizer`='lbfgs', got {self.deferred}: a minimum "
                "does not remember the epochs before the weights. Leave it out, or take "
                "optimizer='adam'."
            )

    def _role(self, name: str) -> Role:
        role = super()._role(name)
        if self.loss != "ldam":
            return role
        # The factory is not `module` itself, and so is given no `module__*`: they go along here,
        # for the module inside.
        options = split_net_params(self.net_params)[0]["module"]
        build = partial(
            with_normalized_head,
            module=role.module,
            shape=self.input_shape_,
            options=options,
            scale=float(self.scale),
        )
        return replace(role, module=build)

    def _phases(self) -> tuple[Phase, ...]:
        names = ("beta", "gamma", "max_margin", "scale", "tau")
        objective = LongTail(self.loss, **{name: float(getattr(self, name)) for name in names})
        before = 0
        if self.beta:
            # At least one epoch has weights.
            before = min(round(self.deferred * self.max_epochs), self.max_epochs - 1)
        if before == 0:
            return (Phase("train", (objective,), self.max_epochs),)
        # One training: DRW changes the weights, not the optimiser or the schedule.
        return (
            Phase("train", (replace(objective, beta=0.0),), before),
            Phase("deferred", (objective,), self.max_epochs - before, continues=True),
        )
