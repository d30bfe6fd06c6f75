"""What every ``fit`` has around it: scikit-learn's wrappers, shared documentation, errors for wrong calls."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import _fit_context
from sklearn.callback import with_callbacks

from sklearn_debias.fitting._docs import fill

Method = TypeVar("Method", bound=Callable[..., Any])


def fit_method(method: Method) -> Method:
    """Make ``method`` a classifier's ``fit``.

    Parameters are validated and callbacks managed by scikit-learn; ``{shared_arguments}`` in the
    docstring is filled in; a call with other arguments names the caller's class, not the base class
    that wrote the method.
    """
    if method.__doc__:
        method.__doc__ = fill(method.__doc__)
    taken = inspect.signature(method)
    inner = with_callbacks(_fit_context(prefer_skip_nested_validation=True)(method))

    @functools.wraps(inner)  # the signature that metadata routing reads is the method's
    def fit(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            taken.bind(estimator, *args, **kwargs)
        except TypeError as error:
            raise TypeError(_wrong_call(estimator, taken, kwargs, error)) from None
        return inner(estimator, *args, **kwargs)

    return fit  # type: ignore[return-value]


def _wrong_call(
    estimator: Any, taken: inspect.Signature, kwargs: dict[str, Any], error: TypeError
) -> str:
    """Say which arguments the caller's class does not take, or misses."""
    owner = type(estimator).__name__
    by_name = [p.name for p in taken.parameters.values() if p.kind is p.KEYWORD_ONLY]
    accepted = f"X, y and, by name only, {', '.join(by_name)}"
    unknown = next((name for name in kwargs if name not in taken.parameters), None)
    if unknown is None:
        return f"{owner}.fit takes {accepted}: {error}."
    takers = estimator._takers(unknown)
    advice = (
        f"Leave it out, or use {' or '.join(takers)}, which can take it."
        if takers
        else "Leave it out."
    )
    return f"`{unknown}` is not an argument of {owner}.fit, which takes {accepted}. {advice}"
