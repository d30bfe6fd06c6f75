"""Constructors that say what a parameter is called here."""

import inspect
from typing import Any, Self

from sklearn_debias.arguments import hint
from sklearn_debias.documented import Documented
from sklearn_debias.fitting._saved import PlainState


class OurNames(PlainState, Documented):
    """Base of estimators: a parameter that is called otherwise elsewhere is named in the error."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse unknown names before the constructor would, and say more."""
        # Fields with a default are attributes of the class: the usual call ends here.
        if unknown := [name for name in kwargs if not hasattr(cls, name)]:
            _check_names(cls, unknown)
        return super().__new__(cls)

    def set_params(self, **params: Any) -> Any:
        """Set parameters, as scikit-learn does."""
        accepted = self.get_params(deep=False)  # type: ignore[attr-defined]
        for name in params:
            if name not in accepted and "__" not in name and (advice := hint(name, accepted)):
                raise ValueError(f"Invalid parameter {name!r} for estimator {self!r}. {advice}")
        return super().set_params(**params)  # type: ignore[misc]


def _check_names(cls: type, unknown: list[str]) -> None:
    parameters = inspect.signature(cls).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in unknown:
        if name not in parameters:
            nested = "__" in name
            advice = "Give it to `set_params`." if nested else hint(name, parameters)
            raise TypeError(
                f"{cls.__name__}() got an unexpected keyword argument {name!r}. {advice}".rstrip()
            )
