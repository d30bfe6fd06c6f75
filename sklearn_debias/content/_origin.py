"""Where code comes from, and what it consists of."""

import functools
import sys
import types
from collections.abc import Iterator
from importlib import metadata

OURS = __name__.partition(".")[0]


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a code object and all those inside of it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def imported(name: str, package: str) -> list[types.ModuleType]:
    """Return the modules that ``import name`` in ``package`` may mean, relative ones too."""
    roots = []
    if package:
        roots = [package.rsplit(".", i)[0] + "." for i in range(package.count(".") + 1)]
    found = (sys.modules.get((root + name).rstrip(".")) for root in ["", *roots])
    return [module for module in found if module is not None]


@functools.cache
def installed(name: str | None) -> str | None:
    """Return the version of the package that owns the module ``name``; None for the user's code."""
    root = (name or "").partition(".")[0]
    if root == OURS:  # edited in place or not: its version stands for it
        return metadata.version("sklearn-debias")
    if root in sys.stdlib_module_names and root != "__main__":
        return sys.version.split()[0]
    # Parts that are made in C, as torch._C._nn is, have no file of their own.
    files = (getattr(sys.modules.get(part), "__file__", None) for part in (name or "", root))
    file = next(filter(None, files), "")
    if "site-packages" in file or "dist-packages" in file:
        versions = sorted(metadata.version(package) for package in _packages().get(root, ()))
        return " ".join(versions) or getattr(sys.modules.get(root), "__version__", None)
    return None


_packages = functools.cache(metadata.packages_distributions)
