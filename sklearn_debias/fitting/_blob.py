"""Fitted attributes as text and arrays, with a version stamp and a checksum."""

import hashlib
import importlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from sklearn_debias.exceptions import SavedModelError
from sklearn_debias.fitting._apart import (
    Dropped,
    described,
    for_skops,
    put_together,
    taken_apart,
)
from sklearn_debias.plain import is_ours, pack, unpack

FORMAT = 1  # of what `sealed` returns: raised where an older version could not read it
PARTS = ("format", "version", "text", "arrays", "objects", "checksum")


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as what pickle and skops can store, each large array once.

    Parameters
    ----------
    values : mapping of str to Any

    Returns
    -------
    dict
        "text" (JSON), "arrays" by name, "objects" by name: what is not plain, such as other
        estimators, classes and functions. "format" and "version" say who wrote it. "checksum" is of
        all but the objects, of which it holds the names.
    """
    arrays: dict[str, np.ndarray] = {}
    objects = _Objects({n: value.of for n, value in values.items() if isinstance(value, Dropped)})
    packed = {name: pack(value, arrays, name, keep=objects.keep) for name, value in values.items()}
    digests = {name: _digest(array) for name, array in arrays.items()}
    first = {digest: name for name, digest in reversed(digests.items())}
    same = {name: first[digest] for name, digest in digests.items() if first[digest] != name}
    found = {
        "format": FORMAT,
        "version": _version(),
        "text": json.dumps({"values": packed, "same": same}),
        "arrays": {name: arrays[name] for name in first.values()},
        "objects": objects.held,
    }
    return {**found, "checksum": _checksum(found, {name: digests[name] for name in first.values()})}


def opened_seal(seal: Any, owner: str) -> dict[str, Any]:
    """Return the values that `sealed` was given.

    Raises
    ------
    SavedModelError
        If they were changed since, or are of a version that this one does not know.
    """
    if not isinstance(seal, dict) or sorted(seal) != sorted(PARTS):
        raise SavedModelError(f"This {owner} is damaged: its saved state is incomplete.")
    written = f"This {owner} was saved by sklearn_debias {seal['version']}"
    here = f"this is sklearn_debias {_version()}"
    if type(seal["format"]) is not int or seal["format"] > FORMAT:
        raise SavedModelError(
            f"{written} in format {seal['format']}; {here}, which reads formats up to {FORMAT}. "
            "Install that version or a later one, or save the model again there for this one."
        )
    digests = {name: _digest(np.asarray(array)) for name, array in seal["arrays"].items()}
    if _checksum(seal, digests) != seal["checksum"]:
        raise SavedModelError(
            f"This {owner} is damaged: its checksum is not that of its content. Load another copy."
        )
    found = json.loads(seal["text"])
    arrays = dict(seal["arrays"])
    arrays |= {name: arrays[other] for name, other in found["same"].items()}
    objects = _Given(seal["objects"])
    try:
        return {
            name: unpack(packed, arrays, kept=objects.give)
            for name, packed in found["values"].items()
        }
    except ValueError as error:
        raise SavedModelError(
            f"{written}, and cannot be read; {here}: {error}. Install that version, or fit again."
        ) from error


class _Objects:
    """Keeps what is not plain, each object once.

    Parameters
    ----------
    dropped : mapping of str to str
        See `for_skops`.
    """

    def __init__(self, dropped: Mapping[str, str]) -> None:
        self.dropped = dropped
        self.held: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.alive: list[Any] = []

    def keep(self, pack: Any, value: Any, path: str) -> list[Any] | None:
        """Return what stands for a value in the text; None where it is plain."""
        if isinstance(value, nn.Module):
            return self._network(pack, value, path)
        if is_ours(value):
            return None
        return [self._name(value, value, path), described(value)]

    def _network(self, pack: Any, module: nn.Module, path: str) -> list[Any]:
        known = self.names.get(id(module))
        parts = None if known else taken_apart(module)
        if parts is None:
            return [self._name(module, module, path), described(module)]
        # Its numbers lie with all others, where equal ones are stored once.
        skeleton, tensors = parts
        name = self._name(module, skeleton, path)
        packed = [[key, pack(tensor, f"{path}.{key}")] for key, tensor in tensors.items()]
        return [name, described(module), packed]

    def _name(self, value: Any, stored: Any, path: str) -> str:
        """Return the name of an object; one that is met again has that of its first visit."""
        if id(value) not in self.names:
            self.names[id(value)] = path
            self.alive.append(value)
            self.held[path] = for_skops(stored, path, self.dropped)
        return self.names[id(value)]


class _Given:
    """Gives back what was kept, the same object for the same name."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self.objects = objects
        self.made: dict[str, Any] = {}

    def give(self, unpack: Any, name: str, known_as: str, tensors: Any = None) -> Any:
        """Return an object; raise where another one is in its place."""
        if name not in self.made:
            value = self.objects[name]
            if described(value) != known_as:
                raise ValueError(f"{name} was {known_as}, and is {described(value)}")
            if tensors is not None:
                value = put_together(value, {key: unpack(tensor) for key, tensor in tensors})
            self.made[name] = value
        return self.made[name]


def _digest(array: np.ndarray) -> str:
    found = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _checksum(seal: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Return the checksum of a seal and the digests of its arrays."""
    parts = [seal["format"], seal["version"], seal["text"], sorted(digests.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _version() -> str:
    # Not by an import at the top: the package imports this module.
    return importlib.import_module(__name__.partition(".")[0]).__version__
