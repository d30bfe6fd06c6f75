"""Plain attributes of objects that change in training, where no state_dict has them."""

import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm.std import tqdm

from sklearn_debias.content import fingerprint
from sklearn_debias.plain import NotPlainError, pack

# Their layers write in place, and keep nothing in plain attributes that training changes.
IN_PLACE = ("torch.", "torchvision.", "sklearn_debias.")
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
OF_EVERY_MODULE = vars(nn.Module()).keys()
STATE = "state_dict of an object"


class Form(NamedTuple):
    """The plain form of a value, as it was."""

    text: Any
    arrays: dict[str, np.ndarray]


class Attributes:
    """The attributes of some objects, and what they were before the first phase.

    Parameters
    ----------
    owners : mapping of str to object
        By a name for messages.
    skipped : collection of str, default=()
        Names of attributes that are kept otherwise.
    handles : bool, default=False
        Whether the owners may point to objects of the caller's, such as a writer, that are no
        progress of the fit. Else what has no plain form must not change.
    """

    def __init__(
        self,
        owners: Mapping[str, Any],
        skipped: Collection[str] = (),
        *,
        handles: bool = False,
    ) -> None:
        self.owners = owners
        self.skipped = skipped
        self.handles = handles
        self.first = {owner: dict(self._of(value)) for owner, value in owners.items()}
        self.begin()

    def begin(self) -> None:
        """Note what a phase begins with."""
        self.held = {owner: dict(vars(value)) for owner, value in self.owners.items()}
        self.contents = {
            owner: {name: _content(form) for name, form in self._of(value)}
            for owner, value in self.owners.items()
            if not self.handles
        }

    def _of(self, owner: Any) -> Iterator[tuple[str, Any]]:
        """Yield names and forms: plain data, or the object itself where it has no such form."""
        for name, value in vars(owner).items():
            # A callback may make a network of its own; those of modules are kept where they belong.
            if name not in self.skipped and (self.handles or not _is_of_networks(value)):
                yield name, _form(value)

    def changed(self) -> dict[str, dict[str, Any]]:
        """Return the attributes that are not as they were, by owner: those set, those gone.

        Raises
        ------
        NotPlainError
            For one that has no plain form, such as a random generator.
        """
        found = {}
        for owner, value in self.owners.items():
            first = self.first[owner]
            forms = dict(self._of(value))
            own = {
                name: kept
                for name, form in forms.items()
                if self._is_progress(owner, name, form)
                # A bar is dropped at each epoch's end, and made again.
                and (kept := self._kept(owner, name)) is not tqdm
            }
            gone = sorted(first.keys() - forms.keys())
            if own or gone:
                found[owner] = {"set": own, "gone": gone}
        return found

    def _is_progress(self, owner: str, name: str, form: Any) -> bool:
        """Return whether an attribute must be kept; raise where it changed and cannot be."""
        value = vars(self.owners[owner])[name]
        if any(isinstance(part, GENERATORS) for part in _inside(value)):
            raise NotPlainError(f"{owner}.{name}", value)
        if isinstance(form, Form) or _has_state(value):
            first = self.first[owner]
            return name not in first or not _same(form, first[name])
        if self.held[owner].get(name) is not value:
            return True
        if not self.handles and _content(form) != self.contents[owner].get(name):
            raise NotPlainError(f"{owner}.{name}", value)
        return False

    def _kept(self, owner: str, name: str) -> Any:
        """Return an attribute as it is kept; raise where it cannot be."""
        value = vars(self.owners[owner])[name]
        path = f"{owner}.{name}"
        if isinstance(value, tqdm):
            return tqdm
        if _has_state(value):
            # One that is made while the phase runs is not there when the fit goes on.
            if name not in self.held[owner]:
                raise NotPlainError(path, value)
            value = {STATE: value.state_dict()}
        pack(value, {}, path)  # raises
        return value

    def put_back(self, changed: Mapping[str, Mapping[str, Any]]) -> None:
        """Set attributes as `changed` gave them."""
        for owner, own in changed.items():
            if owner not in self.owners:  # what `verbose` had printed then
                continue
            target = self.owners[owner]
            for name, kept in own["set"].items():
                held = vars(target).get(name)
                if isinstance(kept, dict) and kept.keys() == {STATE}:
                    held.load_state_dict(kept[STATE])
                elif isinstance(held, list) and isinstance(kept, list):
                    held[:] = kept  # the caller may hold this list
                else:
                    setattr(target, name, kept)
            for name in own["gone"]:
                vars(target).pop(name, None)


def plain_attributes(part: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield names and values of the attributes of a module that have a plain form."""
    for name, value in vars(part).items():
        kept = name not in OF_EVERY_MODULE and not _is_of_networks(value)
        # Where a module computes, and reads files, is decided where it is built.
        if kept and not isinstance(value, torch.device | Path) and isinstance(_form(value), Form):
            yield name, value


def with_extra_state(parts: Iterable[tuple[str, nn.Module]]) -> dict[str, nn.Module]:
    """Return the named modules that have a state beside their tensors."""
    plain = nn.Module.get_extra_state
    return {name: part for name, part in parts if type(part).get_extra_state is not plain}


def _form(value: Any) -> Form | Any:
    arrays: dict[str, np.ndarray] = {}
    try:
        return Form(pack(value, arrays, "", copy=True), arrays)
    except NotPlainError:
        return value


def _content(form: Any) -> str | None:
    """Return what is in an object without a plain form; None where nobody can tell."""
    if isinstance(form, Form | nn.Module | type) or callable(form):
        return None
    try:
        return fingerprint(form)
    except Exception:  # of a lock, a file, a weak reference
        return None


def _inside(value: Any) -> Iterable[Any]:
    """Return a value, and what containers of it hold."""
    if isinstance(value, list | tuple | set | frozenset):
        return [value, *(part for item in value for part in _inside(item))]
    if isinstance(value, dict):
        return [value, *(part for item in value.values() for part in _inside(item))]
    return [value]


def _same(one: Any, other: Any) -> bool:
    if not (isinstance(one, Form) and isinstance(other, Form)):
        return one is other and not _has_state(one)
    return one.text == other.text and all(
        name in other.arrays
        and np.array_equal(array, other.arrays[name], equal_nan=array.dtype.kind == "f")
        for name, array in one.arrays.items()
    )


def _is_of_networks(value: Any) -> bool:
    """Return whether a value is, or holds, parts of networks: these are kept where they belong."""
    return any(isinstance(part, nn.Module | nn.Parameter) for part in _inside(value))


def _has_state(value: Any) -> bool:
    """Return whether an object tells its state, as a schedule of torch does."""
    known = hasattr(value, "state_dict") and hasattr(value, "load_state_dict")
    return known and not isinstance(value, type)
