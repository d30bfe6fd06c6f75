"""One name for a network with its weights and its code, the same in every process."""

import contextlib
import copyreg
import dis
import functools
import hashlib
import types
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._ops import OpOverload, OpOverloadPacket

from sklearn_debias.content._origin import codes, imported, installed
from sklearn_debias.content._tables import is_table, parts_of_table
from sklearn_debias.exceptions import warn

FORMAT = 3  # of the cache, and of what decides an embedding
PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device)
LEAVES = (*PLAIN, Tensor, np.ndarray, np.generic)
OF_TORCH = ("aten", "prim", "prims")  # libraries of operators
READS = ("LOAD_GLOBAL", "LOAD_NAME")
# Walked by name, or equal in all embedders.
SKIPPED = {"training", "_parameters", "_buffers", "_modules"}


def fingerprint(*values: Any, ignored: Collection[str] = ()) -> str:
    """Name ``values`` by content, in 32 hexadecimal digits.

    A network counts with its architecture, tensors, plain attributes, and the code of classes and
    functions that are not from an installed package; installed packages count by name and version.
    Code counts with all that it refers to outside of itself by a name that is written in it, except
    plain values in ``ignored``. A value that has no content to name it by, such as an open file, is
    an error.
    """
    walk = _Walk(ignored)
    walk.all(values)
    return walk.digest.hexdigest()


def outer_values(network: nn.Module) -> dict[str, str]:
    """Return plain values that the code of ``network`` refers to outside of itself, by content.

    Those that a forward pass changes are counters and the like: they do not decide an embedding.
    """
    walk = _Walk(tensors=False)
    with contextlib.suppress(Exception):  # `name_of` says what is wrong
        walk.add(network)
    return walk.outer


def name_of(network: nn.Module, *settings: Any, before: dict[str, str]) -> str | None:
    """Name ``network`` and ``settings`` for the cache; warn and return None where that fails.

    ``before`` are its `outer_values` before a forward pass.
    """
    after = outer_values(network)
    ignored = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    try:
        return fingerprint(FORMAT, torch.__version__, network, *settings, ignored=ignored)
    except Exception as error:
        warn(
            "Embeddings are not cached: `module` holds what cannot be told apart by content "
            f"({error}). Remove such attributes from it, or set cache_dir=None."
        )
        return None


class _Walk:
    """Digest of values of any kind; what is met again counts as the number of its first visit."""

    def __init__(self, ignored: Collection[str] = (), *, tensors: bool = True) -> None:
        self.digest = hashlib.blake2b(digest_size=16)
        self.ignored = ignored
        self.tensors = tensors
        self.outer: dict[str, str] = {}
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []
        self.entered: set[Any] = set()

    def note(self, *words: Any) -> None:
        for word in words:
            text = repr(word).encode()
            self.digest.update(b"%d:" % len(text) + text)

    def all(self, values: Iterable[Any]) -> None:
        values = list(values)
        self.note(len(values))
        for value in values:
            self.add(value)

    def add(self, value: Any) -> None:
        kind = type(value)
        self.note(kind.__qualname__)
        if installed(kind.__module__) is None:
            self.add(kind)
        if isinstance(value, PLAIN):
            self.note(value)
        elif isinstance(value, tuple):
            # Never by a visit's number: equal ones may be one object here and two elsewhere.
            self.all(value)
        elif isinstance(value, set | frozenset):
            self.all(sorted(value, key=repr))
        elif id(value) in self.seen:
            self.note(self.seen[id(value)])
        else:
            self.seen[id(value)] = len(self.seen)
            self.alive.append(value)  # or its id could come back
            self._content(value)

    def _content(self, value: Any) -> None:
        if isinstance(value, Tensor | np.ndarray):
            self.array(value)
        elif isinstance(value, nn.Module):
            self.module(value)
        elif isinstance(value, types.FunctionType):
            self.function(value)
        elif isinstance(value, type):
            self.type(value)
        elif isinstance(value, list):
            self.all(value)
        elif is_table(value):
            self.all(parts_of_table(value))
        elif isinstance(value, types.MethodType):
            self.all((value.__func__, value.__self__))
        elif isinstance(value, types.ModuleType):
            self.version(value.__name__, value)
        elif isinstance(value, types.BuiltinFunctionType):
            self.note(value.__name__)
            if value.__module__ is None:
                self.add(value.__self__)
            else:
                self.version(value.__module__, value)
        elif isinstance(value, OpOverload | OpOverloadPacket):
            library = str(value).partition(".")[0]
            self.note(str(value))
            self.version("torch" if library in OF_TORCH else library, value)
        else:
            self.instance(value)

    def version(self, module: str, value: Any) -> None:
        """Note the package that ``value`` comes from, for what has no code to look at."""
        if (version := installed(module)) is None:
            raise TypeError(f"the code of {value!r} is not known")
        self.note(module, version)

    def instance(self, value: Any) -> None:
        """Note any other object as pickle would store it."""
        known = copyreg.dispatch_table.get(type(value))
        reduced = known(value) if known else value.__reduce_ex__(4)
        if not isinstance(reduced, str):
            self.all([*reduced[:3], *map(list, filter(None, reduced[3:5]))])
        elif hasattr(value, "__wrapped__"):  # a function behind a cache
            self.all((reduced, value.__wrapped__))
        else:
            self.note(reduced)
            if callable(value):
                self.version(getattr(value, "__module__", type(value).__module__), value)

    def array(self, value: Tensor | np.ndarray) -> None:
        array = (
            value.detach().cpu().contiguous()
            if isinstance(value, Tensor)
            else np.ascontiguousarray(value)
        )
        self.note(str(array.dtype), tuple(array.shape))
        if not self.tensors:
            return
        if isinstance(array, np.ndarray) and array.dtype.hasobject:
            self.all(array.ravel().tolist())
        else:
            raw = array.flatten().view(torch.uint8).numpy() if isinstance(array, Tensor) else array
            # By its memory: a copy of a memory map would not fit.
            self.digest.update(raw.reshape(-1).view(np.uint8).data if raw.size else b"")

    def module(self, value: nn.Module) -> None:
        self.add(type(value))
        for name, part in vars(value).items():
            if name not in SKIPPED:
                # The keys of hooks are numbers that count up in a process.
                hooks = isinstance(part, dict) and "hooks" in name
                self.all((name, list(part.values()) if hooks else part))
        for group in (value._parameters, value._buffers, value._modules):
            self.all(item for pair in group.items() for item in pair)

    def type(self, value: type) -> None:
        self.note(value.__module__, value.__qualname__)
        if (version := installed(value.__module__)) is not None:
            self.note(version)
            return
        self.all(value.__bases__)
        for name, part in vars(value).items():
            if isinstance(part, staticmethod | classmethod):
                part = part.__func__
            elif isinstance(part, property):
                part = part.fget, part.fset
            elif isinstance(part, functools.cached_property):
                part = part.func
            if name != "_abc_impl" and (not name.startswith("__") or callable(part)):
                self.outside(value, name, part)

    def function(self, value: Any) -> None:
        self.note(value.__module__, value.__qualname__)
        version = installed(value.__globals__.get("__name__"))
        if version is not None:
            # The version stands for its code, but not for what a closure holds.
            self.note(version)
            if "<locals>" not in value.__qualname__ and installed(value.__module__) is not None:
                return
        self.all((value.__defaults__, value.__kwdefaults__))
        parts = list(codes(value.__code__)) if version is None else []
        names = {name for code in parts for name in code.co_names}
        for name, part in vars(value).items():
            self.outside(value, name, part)
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            self.outside(value, name, cell.cell_contents, names)
        for code in parts:
            self.code(code, value, names)

    def code(self, code: types.CodeType, function: Any, names: Collection[str]) -> None:
        self.note(code.co_code, code.co_names, code.co_varnames, code.co_freevars)
        for i, constant in enumerate(code.co_consts):
            docstring = i == 0 and constant == function.__doc__  # decides nothing
            if not docstring and not isinstance(constant, types.CodeType):
                self.add(constant)
        scope = function.__globals__
        for operation in dis.get_instructions(code):
            name = operation.argval
            if operation.opname in READS and name in scope:
                self.outside(function, name, scope[name], names)
            elif operation.opname == "IMPORT_NAME":
                for module in imported(name, scope.get("__package__") or ""):
                    self.outside(function, name, module, names)

    def outside(self, owner: Any, name: str, value: Any, names: Collection[str] = ()) -> None:
        """Note a value that code refers to; of a user's module, the parts that are in ``names``."""
        module = getattr(owner, "__module__", "")
        qualified = getattr(owner, "__qualname__", owner.__name__)
        key = f"{module}.{qualified}.{name}"
        if isinstance(value, types.ModuleType) and installed(value.__name__) is None:
            if (visit := (value.__name__, frozenset(names))) not in self.entered:
                self.entered.add(visit)
                for part in sorted(vars(value).keys() & names):
                    self.outside(value, part, vars(value)[part], names)
        elif not _is_plain(value):
            self.all((name, value))
        elif key not in self.ignored:
            self.outer[key] = fingerprint(value)
            self.note(name, self.outer[key])


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, list, set, frozenset):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, value.values()))
    return isinstance(value, LEAVES) and installed(type(value).__module__) is not None
