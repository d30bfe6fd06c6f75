"""One name for a network with its weights and its code, the same in every process."""

import contextlib
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_debias.estimators._errors import warn

FORMAT = 1  # of the cache, and of what decides an embedding
PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device)
SKIPPED = {"training", "_parameters", "_buffers", "_modules"}  # walked by name, or equal in all embedders


def fingerprint(*values: Any, ignored: Collection[str] = ()) -> str:
    """Name of ``values`` by content, 32 hexadecimal digits.

    A network counts with its architecture, tensors, plain attributes, and the code of classes and functions that
    are not from an installed package; installed packages count by name and version. Code counts with the plain
    values that it refers to outside of itself, except those in ``ignored``.

    Raises
    ------
    TypeError
        Where a value has no content to name it by, such as an open file.
    """
    walk = _Walk(ignored)
    walk.all(values)
    return walk.digest.hexdigest()


def outer_values(network: nn.Module) -> dict[str, str]:
    """Plain values that the code of ``network`` refers to outside of itself, by content.

    Those that a forward pass changes are counters and the like: they do not decide an embedding.
    """
    walk = _Walk(tensors=False)
    with contextlib.suppress(Exception):  # `name_of` says what is wrong
        walk.add(network)
    return walk.outer


def name_of(network: nn.Module, *settings: Any, before: dict[str, str]) -> str | None:
    """Name of ``network`` and ``settings`` for the cache, or None, with a warning, where it has none.

    Parameters
    ----------
    network : nn.Module
    *settings : plain values
    before : dict
        Its `outer_values` before a forward pass.
    """
    after = outer_values(network)
    ignored = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    try:
        return fingerprint(FORMAT, torch.__version__, network, *settings, ignored=ignored)
    except Exception as error:
        warn(
            f"Embeddings are not cached: `module` holds what cannot be told apart by content ({error}). Remove such "
            f"attributes from it, or set cache_dir=None."
        )
        return None


class _Walk:
    """Feeds a digest with values of any kind; what is met again counts as the number of its first visit."""

    def __init__(self, ignored: Collection[str] = (), *, tensors: bool = True) -> None:
        self.digest = hashlib.blake2b(digest_size=16)
        self.ignored, self.tensors = ignored, tensors
        self.outer: dict[str, str] = {}
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []

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
        self.note(type(value).__qualname__)
        if isinstance(value, PLAIN):
            self.note(value)
            return
        if isinstance(value, tuple):  # equal ones may be one object here and two elsewhere
            self.all(value)
            return
        if id(value) in self.seen:
            self.note(self.seen[id(value)])
            return
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
        elif isinstance(value, Mapping):
            self.all(item for pair in value.items() for item in pair)
        elif isinstance(value, set | frozenset):
            self.note(*sorted(map(repr, value)))
        elif isinstance(value, list):
            self.all(value)
        elif isinstance(value, types.MethodType):
            self.all((value.__func__, value.__self__))
        elif isinstance(value, functools.partial):
            self.all((value.func, value.args, value.keywords))
        elif isinstance(value, types.BuiltinFunctionType | types.ModuleType):
            self.note(value.__name__)
        else:  # as pickle would store it
            reduced = value.__reduce_ex__(4)
            self.all([reduced] if isinstance(reduced, str) else [*reduced[:3], *map(list, filter(None, reduced[3:5]))])

    def array(self, value: Tensor | np.ndarray) -> None:
        array = value.detach().cpu().contiguous() if isinstance(value, Tensor) else np.ascontiguousarray(value)
        self.note(str(array.dtype), tuple(array.shape))
        if not self.tensors:
            return
        if isinstance(array, np.ndarray) and array.dtype.hasobject:
            self.all(array.ravel().tolist())
        else:
            raw = array.flatten().view(torch.uint8).numpy() if isinstance(array, Tensor) else array
            self.digest.update(raw.tobytes())

    def module(self, value: nn.Module) -> None:
        self.add(type(value))
        for name, part in vars(value).items():
            if name not in SKIPPED:
                hooks = isinstance(part, dict) and "hooks" in name  # by numbers that count up in a process
                self.all((name, list(part.values()) if hooks else part))
        for group in (value._parameters, value._buffers, value._modules):
            self.all(item for pair in group.items() for item in pair)

    def type(self, value: type) -> None:
        self.note(value.__module__, value.__qualname__)
        if (version := _installed(value.__module__)) is not None:
            self.note(version)
            return
        self.all(value.__bases__)
        for name, part in vars(value).items():
            if isinstance(part, staticmethod | classmethod):
                part = part.__func__
            if isinstance(part, property):
                part = part.fget
            if isinstance(part, types.FunctionType) or not name.startswith("__"):
                self.outside(value, name, part)

    def function(self, value: Callable) -> None:
        self.note(value.__module__, value.__qualname__)
        if (version := _installed(value.__module__)) is not None:
            self.note(version)
            return
        self.all((value.__defaults__, value.__kwdefaults__))
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            self.outside(value, name, cell.cell_contents, follow=True)
        self.code(value.__code__, value)

    def code(self, code: types.CodeType, function: Any) -> None:
        self.note(code.co_code, code.co_names, code.co_varnames, code.co_freevars)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.code(constant, function)
            elif not isinstance(constant, str) or constant != code.co_consts[0]:  # a docstring does nothing
                self.add(constant)
        for name in code.co_names:
            if name in function.__globals__:
                self.outside(function, name, function.__globals__[name])

    def outside(self, owner: Any, name: str, value: Any, *, follow: bool = False) -> None:
        """Note a value that code refers to; other things than functions and plain values only if ``follow``."""
        key = f"{owner.__module__}.{owner.__qualname__}.{name}"
        if key in self.ignored:
            return
        if _is_plain(value):
            self.outer[key] = fingerprint(value)
            self.note(name, self.outer[key])
        elif follow or isinstance(value, types.FunctionType):
            self.all((name, value))


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, value.values()))
    return isinstance(value, (*PLAIN, Tensor, np.ndarray, np.generic))


@functools.cache
def _installed(name: str) -> str | None:
    """Version of the installed package that the module ``name`` belongs to; None for the user's own code."""
    root = name.partition(".")[0]
    if root in sys.stdlib_module_names and root != "__main__":
        return sys.version.split()[0]
    module = sys.modules.get(root)
    file = getattr(module, "__file__", None) or ""
    if "site-packages" in file or "dist-packages" in file:
        return str(getattr(module, "__version__", ""))
    return None
