"""Arguments: what counts as a number, and what one is called here.

Any room may use this. It is not for users, and may change without notice.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Collection
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

# What other libraries call it: our name, and where it is an argument if not here.
OURS = {
    **dict.fromkeys(
        ["groups", "group", "sensitive_features", "protected", "domains", "environments"],
        ("bias_labels", "fit"),
    ),
    **dict.fromkeys(["attributes", "bias", "bias_attributes"], ("bias_labels", "fit")),
    **dict.fromkeys(["epochs", "n_epochs", "num_epochs", "max_iter", "n_iter"], ("max_epochs", "")),
    **dict.fromkeys(["learning_rate", "learning_rate_init", "eta"], ("lr", "")),
    **dict.fromkeys(["seed", "random_seed"], ("random_state", "")),
    **dict.fromkeys(["eval_set", "validation_set"], ("validation_data", "fit")),
    **dict.fromkeys(["validation_split", "validation_fraction"], ("validation", "")),
    **dict.fromkeys(["weights", "sample_weights", "weight"], ("sample_weight", "fit")),
    **dict.fromkeys(["model", "net", "network", "base_estimator"], ("module", "")),
    **dict.fromkeys(["scheduler", "lr_scheduler"], ("lr_schedule", "")),
    **dict.fromkeys(["hidden", "hidden_layer_sizes"], ("module__hidden", "set_params")),
    "solver": ("optimizer", ""),
    "class_weight": ("balance", ""),
    "early_stopping": ("monitor", ""),
}

LARGEST = sys.maxsize  # of the integers that NumPy and torch count with


def is_whole(value: Any) -> bool:
    """Return whether ``value`` is an integer, of Python or NumPy, that can be counted with."""
    return isinstance(value, Integral) and not _is_other(value) and abs(int(value)) <= LARGEST


def is_real(value: Any) -> bool:
    """Return whether ``value`` is a number, of Python or NumPy, in the range of the floats."""
    return isinstance(value, Real) and not _is_other(value) and _fits(value)


def is_seed(value: Any) -> bool:
    """Return whether ``value`` is an integer >= 0, of any size, and no bool."""
    return isinstance(value, Integral) and not _is_other(value) and int(value) >= 0


def is_switch(value: Any) -> bool:
    """Return whether ``value`` is True or False, of Python or NumPy."""
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def check_option(name: str, value: Any, options: Collection[str]) -> str:
    """Return the value; raise a ValueError unless it is one of the texts."""
    if not is_one_of(value, options):
        known = ", ".join(map(repr, options))
        raise ValueError(f"`{name}` must be one of {known}, got {value!r}.")
    return value


def is_one_of(value: Any, names: Collection[str]) -> bool:
    """Return whether ``value`` is one of the names; an array is none, whatever it holds."""
    return isinstance(value, str) and value in names


def as_python(value: Any) -> Any:
    """Return a number of NumPy as Python's own, in tuples, lists and dicts, too.

    Anything else is returned as it is.

    Raises
    ------
    OverflowError
        For an integer beyond the floats.
    """
    if type(value) in (tuple, list):
        return type(value)(as_python(item) for item in value)
    if type(value) is dict:
        return {name: as_python(item) for name, item in value.items()}
    if not isinstance(value, Real) or _is_other(value):
        return value
    number = float(value)
    return int(value) if isinstance(value, Integral) else number


def _is_other(value: Any) -> bool:
    """Return whether ``value`` is a number to Python's types, and none to a caller."""
    # By its name: the maths that use this know no NumPy.
    return isinstance(value, bool) or type(value).__name__ == "timedelta64"


def _fits(value: Real) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True


def hint(name: str, accepted: Collection[str], elsewhere: Collection[str] = ()) -> str:
    """Return what an argument is called here that is not among ``accepted``, as advice, or "".

    ``elsewhere`` holds the parameters of the constructor, where these are others.
    """
    ours, place = OURS.get(name, (name, ""))
    if ours in accepted:
        return f"Here it is `{ours}`."
    if ours in elsewhere:
        return f"Here it is `{ours}`, a parameter of the constructor."
    if place and ours != name:
        return f"Here it is `{ours}`, an argument of `{place}`."
    near = get_close_matches(name, accepted, 1)
    return f"Did you mean `{near[0]}`?" if near else ""


def in_our_words(function: Function) -> Function:
    """Let a function say what an argument of another name is called here."""
    accepted = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for name in kwargs.keys() - accepted.keys():
            raise TypeError(
                f"{function.__qualname__}() got an unexpected keyword argument {name!r}. "
                f"{hint(name, accepted)}".rstrip()
            )
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]
