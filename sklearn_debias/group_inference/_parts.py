"""Estimators given as parameters."""

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
