"""The one way in which a pickle from anyone is read."""

import io
import pickle
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any, ClassVar

# What no such file needs.
REFUSED = (
    "BYTEARRAY8",  # takes as much memory as a number in the file says
    *("EXT1", "EXT2", "EXT4"),  # what anyone has registered in this process
    *("INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"),  # other ways to call what is known
    *("PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"),
)
# Of what lies on the stack when an opcode comes, that which is hashed.
HASHED = {
    "SETITEM": slice(-2, -1),
    "SETITEMS": slice(None, None, 2),
    "DICT": slice(None, None, 2),
    "ADDITEMS": slice(None),
    "FROZENSET": slice(None),
}


def check_keys(keys: Iterable[Any]) -> None:
    """Raise unless keys are text, bytes or whole numbers.

    A tuple that holds another one twice, and so on, is small, and its hash takes forever.
    """
    for key in keys:
        if type(key) not in (str, bytes, int, bool):
            raise pickle.UnpicklingError(
                f"it has a {type(key).__name__} for a key, where text and numbers are read"
            )


# The one in Python: that in C takes as much memory as a number in the file says.
class Unpickler(pickle._Unpickler):
    """An unpickler that knows a few names, and looks up or imports nothing else.

    Parameters
    ----------
    content : bytes
    **options
        Of `pickle.Unpickler`.
    """

    known: ClassVar[Mapping[tuple[str, str], type]]  # by module and name
    refusal: ClassVar[str]  # with {name}: what is said of another
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, content: bytes, **options: Any) -> None:
        super().__init__(io.BytesIO(content), **options)
        self.left = len(content)

    def find_class(self, module: str, name: str) -> Any:
        """Return what a known name stands for."""
        # Python 2's name of the module; the unpickler renames it only in old protocols.
        found = self.known.get((module.replace("__builtin__", "builtins"), name))
        if found is None:
            raise pickle.UnpicklingError(self.refusal.format(name=f"{module}.{name}"))
        return found


def _reduce(unpickler: Any) -> None:
    """Call what is known, on no more than the file holds: calls copy what they are given."""
    unpickler.left -= sum(len(value) for value in unpickler.stack[-1] if isinstance(value, Sized))
    if unpickler.left < 0:
        raise pickle.UnpicklingError("it asks for more copies than it holds")
    pickle._Unpickler.dispatch[_code("REDUCE")](unpickler)


def _refuse(name: str) -> Callable[[Any], None]:
    def refuse(unpickler: Any) -> None:
        raise pickle.UnpicklingError(f"it has the opcode {name}, which no such file needs")

    return refuse


def _check_first(name: str, hashed: slice) -> Callable[[Any], None]:
    load = pickle._Unpickler.dispatch[_code(name)]

    def checked(unpickler: Any) -> None:
        check_keys(unpickler.stack[hashed])
        load(unpickler)

    return checked


def _code(name: str) -> int:
    return getattr(pickle, name)[0]


Unpickler.dispatch |= {
    _code("REDUCE"): _reduce,
    **{_code(name): _refuse(name) for name in REFUSED},
    **{_code(name): _check_first(name, hashed) for name, hashed in HASHED.items()},
}
