"""What stands around every `fit`: scikit-learn's wrappers, shared documentation, errors."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import _fit_context
from sklearn.callback import with_callbacks

from sklearn_debias.arguments import hint
from sklearn_debias.fitting._docs import fill
from sklearn_debias.fitting._fitted import all_or_nothing
from sklearn_debias.fitting._given import Given
from sklearn_debias.fitting._hooks import check_given_of
from sklearn_debias.fitting._params import plain_params

Method = TypeVar("Method", bound=Callable[..., Any])


def fit_method(method: Method) -> Method:
    """Make a classifier's ``fit`` of a method that says what it was given.

    Scikit-learn validates the parameters and manages callbacks. ``{shared_arguments}`` in the
    docstring is filled in. A call with other arguments names the caller's class, not the base class
    that wrote the method. A fit that fails leaves nothing behind. The method stays reachable as
    ``fit.given``, for searches that train many candidates at once.

    Parameters
    ----------
    method : callable
        ``method(self, X, y, *, ...)`` says which of its arguments is what, and does nothing else.

    Returns
    -------
    callable
    """
    if method.__doc__:
        method.__doc__ = fill(method.__doc__)
    taken = inspect.signature(method)

    @with_callbacks
    @functools.wraps(method)
    def train(estimator: Any, *args: Any, **kwargs: Any) -> None:
        estimator._fit(read(estimator, *args, **kwargs))

    @_fit_context(prefer_skip_nested_validation=True)
    @functools.wraps(method)  # the signature that metadata routing reads is the method's
    def inner(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        # Around the callbacks: they are torn down by what the fit has set.
        with all_or_nothing(estimator):
            train(estimator, *args, **kwargs)
        return estimator

    def read(estimator: Any, *args: Any, **kwargs: Any) -> Given:
        check(estimator, *args, **kwargs)
        given = method(estimator, *args, **kwargs)
        check_given_of(estimator, given)
        return given

    def check(estimator: Any, *args: Any, **kwargs: Any) -> None:
        try:
            taken.bind(estimator, *args, **kwargs)
        except TypeError as error:
            raise TypeError(_wrong_call(estimator, taken, kwargs, error)) from None

    @functools.wraps(method)
    def fit(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        # Before scikit-learn looks at the parameters, in words of its own.
        check(estimator, *args, **kwargs)
        plain_params(estimator)
        return inner(estimator, *args, **kwargs)

    fit.given = read  # type: ignore[attr-defined]
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
    advice = "Leave it out."
    if takers:
        advice = f"Leave it out, or use {' or '.join(takers)}, which can take it."
    elif ours := hint(unknown, by_name, estimator.get_params(deep=False)):
        advice = ours
    return f"`{unknown}` is not an argument of {owner}.fit, which takes {accepted}. {advice}"
