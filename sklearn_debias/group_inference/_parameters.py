"""Estimators as parameters: checks of what a user gives, and their seeds."""

from typing import Any


def check_instances(owner: Any, *names: str) -> None:
    """Raise a TypeError where a parameter holds a class, which has the methods of an estimator."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, type):
            raise TypeError(
                f"`{name}` of {type(owner).__name__} must be an estimator, got the class "
                f"{value.__name__}. Write {value.__name__}()."
            )


def random_states(estimator: Any) -> dict[str, Any]:
    """Return the random states of an estimator and of what it holds, by their parameters."""
    params = estimator.get_params()
    return {k: v for k, v in params.items() if k.rpartition("__")[2] == "random_state"}
