"""Nets that an inference trains itself, like a given ERM and behind the same steps."""

from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias.estimators import BaseDebiasClassifier, ERMClassifier
from sklearn_debias.group_inference._inference import Task
from sklearn_debias.plain import Plain


class Trainer(Plain):
    """How to train: the settings of an ERM, and the steps before it.

    Parameters
    ----------
    task : Task

    Raises
    ------
    TypeError
        Where ``estimator`` does not end in an ERMClassifier.
    """

    def __init__(self, task: Task) -> None:
        estimator = task.params["estimator"]
        if estimator is None:
            estimator = ERMClassifier(optimizer="sgd", lr=1e-2, max_epochs=30)
            if task.table:
                estimator = make_pipeline(StandardScaler(), estimator)
        self.before: Pipeline | None = None
        erm = estimator
        if isinstance(estimator, Pipeline):
            erm = estimator[-1]
            self.before = clone(estimator[:-1]) if len(estimator) > 1 else None
        if not isinstance(erm, ERMClassifier):
            raise TypeError(
                "`estimator` must be an ERMClassifier, or a Pipeline that ends in one, for "
                f"`method`={task.params['method']!r}, which trains nets of its own like it, got "
                f"{type(erm).__name__}."
            )
        self.erm = erm
        self.seed = task.seed if erm.random_state is None else erm.random_state

    def fit_before(self, task: Task) -> Any:
        """Fit the steps before the net, and return what they make of X."""
        return task.X if self.before is None else self.before.fit_transform(task.X, task.y)

    def transform(self, X: Any) -> Any:
        """Return what the fitted steps make of other rows."""
        return X if self.before is None else self.before.transform(X)

    def net(self, cls: type, **own: Any) -> Any:
        """Return an unfitted classifier of the class, which is trained as the ERM is.

        All rows are trained on: what would choose an epoch by some of them is left out.
        """
        shared = {name: getattr(self.erm, name) for name in BaseDebiasClassifier._get_param_names()}
        on_all = {"validation": None, "monitor": None, "monitor_every": 1, "patience": None}
        return cls(**{**shared, **on_all, "random_state": self.seed, **own})
