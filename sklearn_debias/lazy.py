"""Names of a package that are imported where they are first used, by PEP 562."""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["on_demand"]


MACHINERY = ("TYPE_CHECKING", "on_demand")  # what a package needs to be lazy, and no one else


def on_demand(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that imports its names on demand.

    A package keeps the same imports under ``if TYPE_CHECKING``, for type checkers and editors.

    Parameters
    ----------
    package : str
        The ``__name__`` of the package.
    places : mapping of str to str
        For each name the module that defines it, absolute. Public modules of the package itself,
        as ``sklearn_debias.metrics``, are found without.

    Returns
    -------
    getattr_ : callable of (name) -> object
        Raises AttributeError for other names.
    dir_ : callable of () -> list of str

    Examples
    --------
    >>> from sklearn_debias.lazy import on_demand
    >>> getattr_, _ = on_demand("sklearn_debias", {"DebiasWarning": "sklearn_debias.exceptions"})
    >>> getattr_("DebiasWarning").__module__
    'sklearn_debias.exceptions'
    """

    def getattr_(name: str) -> Any:
        if name in places:
            value = getattr(importlib.import_module(places[name]), name)
            # The next look does not come here.
            vars(sys.modules[package])[name] = value
            return value
        may_be = name.isidentifier() and not name.startswith("_")
        if may_be and importlib.util.find_spec(f"{package}.{name}"):
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def dir_() -> list[str]:
        module = sys.modules[package]
        rooms = (found.name for found in pkgutil.iter_modules(module.__path__))
        public = (name for name in rooms if not name.startswith("_"))
        known = (name for name in vars(module) if name not in MACHINERY)
        return sorted({*known, *places, *public})

    return getattr_, dir_
