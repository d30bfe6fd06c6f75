"""The metric inside of a scorer, complete by itself."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sklearn_debias.metrics._lookup import Finder

__all__ = ["GroupMetric"]

_FACTS = ("aligned", "group_shares")


class GroupMetric:
    """A metric that looks up the groups bound to it, and never does without any.

    Scikit-learn's `TunedThresholdClassifierCV` and other libraries take `_score_func` out of a
    scorer and call it with labels alone. What a scorer knows must therefore be known here.

    Parameters
    ----------
    function : callable
        ``function(y_true, y_pred, *, bias_labels=None, ...)``.
    bound : mapping of str to Finder, default={}
        By the name of the argument, "bias_labels" or "membership".
    """

    def __init__(
        self, function: Callable[..., float], bound: Mapping[str, Finder] | None = None
    ) -> None:
        # By these two names scikit-learn finds the signature, and others the name.
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.bound = dict(bound or {})

    def __repr__(self) -> str:
        return self.__name__

    @property
    def arguments(self) -> Mapping[str, inspect.Parameter]:
        """The arguments of the metric, by name."""
        return inspect.signature(self.__wrapped__).parameters

    @property
    def facts(self) -> list[str]:
        """The arguments that training tells."""
        return [name for name in _FACTS if name in self.arguments]

    def __call__(self, y_true: Any, y_pred: Any, **arguments: Any) -> float:
        """Return the score of some predictions."""
        arguments = self.with_groups(None, y_true, arguments)
        for name in self.facts:
            if arguments.get(name) is None:
                raise ValueError(
                    f"`{name}` comes from the training data, and this scorer is used without its "
                    "estimator, as TunedThresholdClassifierCV does. Use "
                    f"make_group_scorer({self!r}, {name}=...)."
                )
        return self.__wrapped__(y_true, y_pred, **arguments)

    def with_groups(self, X: Any, y_true: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with bias labels or memberships, which must be there."""
        given = {name: value for name, value in arguments.items() if value is not None}
        for name, lookup in self.bound.items():
            if name not in given:
                given[name] = lookup.find(X, y_true)
        if "bias_labels" in given or "membership" in given:
            return given
        # An error, where the metric warns: in a search the worst class would pick the model.
        raise ValueError(
            f"`bias_labels` did not reach the scorer of {self!r}. Call "
            "sklearn.set_config(enable_metadata_routing=True) and pass `bias_labels=` to fit, "
            "score or, inside `params=`, to cross_validate; without routing, bind a pandas "
            "Series: make_group_scorer(metric, bias_labels=series)."
        )
