"""The one way in which a pickle from anyone is read."""

import pickle
from collections.abc import Mapping
from typing import Any, ClassVar


# The one in Python: that in C takes as much memory as a number in the file says.
class Unpickler(pickle._Unpickler):
    """An unpickler that knows a few names, and looks up or imports nothing else."""

    known: ClassVar[Mapping[tuple[str, str], type]]  # by module and name
    refusal: ClassVar[str]  # with {name}: what is said of another

    def find_class(self, module: str, name: str) -> Any:
        """Return what a known name stands for."""
        # Python 2's name of the module; the unpickler renames it only in old protocols.
        found = self.known.get((module.replace("__builtin__", "builtins"), name))
        if found is None:
            raise pickle.UnpicklingError(self.refusal.format(name=f"{module}.{name}"))
        return found
