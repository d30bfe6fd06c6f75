"""Plain attributes of objects that change in training, where no state_dict has them."""

import random
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from tqdm.std import tqdm

from sklearn_debias.plain import NotPlainError, pack

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
Form = tuple[Any, dict[str, np.ndarray]]


class Attributes:
    """The attributes of some objects, and what they were before the first phase.

    Parameters
    ----------
    owners : mapping of str to object
        By a name for messages.
    skipped : collection of str, default=()
        Names of attributes that are kept otherwise.
    """

    def __init__(self, owners: Mapping[str, Any], skipped: Collection[str] = ()) -> None:
        self.owners = owners
        self.skipped = skipped
        self.first = {owner: dict(self._of(value)) for owner, value in owners.items()}
        self.begin()

    def begin(self) -> None:
        """Note what a phase begins with: objects that it leaves in place are not its progress."""
        self.handles = {owner: dict(vars(value)) for owner, value in self.owners.items()}

    def _of(self, owner: Any) -> Any:
        """Yield names and forms: plain data, or the object itself where it has no such form."""
        for name, value in vars(owner).items():
            if name not in self.skipped:
                yield name, _form(value)

    def changed(self) -> dict[str, dict[str, Any]]:
        """Return the attributes that are not as they were, by owner and name.

        Raises
        ------
        NotPlainError
            For one that has no plain form, such as a random generator.
        """
        found = {}
        for owner, value in self.owners.items():
            first = self.first[owner]
            own = {
                name: _kept(f"{owner}.{name}", vars(value)[name])
                for name, form in self._of(value)
                if not self._is_handle(owner, name, form)
                and (name not in first or not _same(form, first[name]))
            }
            for name in vars(value).keys() - set(self.skipped):
                if isinstance(vars(value)[name], GENERATORS):
                    raise NotPlainError(f"{owner}.{name}", vars(value)[name])
            # What draws its own is dropped at each epoch's end, and made again.
            found[owner] = {name: kept for name, kept in own.items() if kept is not tqdm}
        return {owner: own for owner, own in found.items() if own}

    def _is_handle(self, owner: str, name: str, form: Any) -> bool:
        """Return whether an attribute is an object as it was when the phase began."""
        plain = isinstance(form, tuple) or _has_state(form)
        return not plain and self.handles[owner].get(name) is form

    def put_back(self, changed: Mapping[str, Mapping[str, Any]]) -> None:
        """Set attributes as `changed` gave them."""
        for owner, own in changed.items():
            if owner not in self.owners:  # what `verbose` had printed then
                continue
            for name, kept in own.items():
                held = vars(self.owners[owner]).get(name)
                if isinstance(kept, dict) and kept.keys() == {STATE}:
                    held.load_state_dict(kept[STATE])
                elif isinstance(held, list) and isinstance(kept, list):
                    held[:] = kept  # the caller may hold this list
                else:
                    setattr(self.owners[owner], name, kept)


STATE = "state_dict of an object"


def _form(value: Any) -> Form | Any:
    arrays: dict[str, np.ndarray] = {}
    try:
        return pack(value, arrays, "", copy=True), arrays
    except NotPlainError:
        return value


def _same(one: Any, other: Any) -> bool:
    if not (isinstance(one, tuple) and isinstance(other, tuple)):
        return one is other and not _has_state(one)
    return one[0] == other[0] and all(
        np.array_equal(array, other[1].get(name), equal_nan=array.dtype.kind == "f")
        for name, array in one[1].items()
    )


def _has_state(value: Any) -> bool:
    """Return whether an object tells its state, as a schedule of torch does."""
    known = hasattr(value, "state_dict") and hasattr(value, "load_state_dict")
    return known and not isinstance(value, type)


def _kept(path: str, value: Any) -> Any:
    """Return an attribute as it is kept; raise where it cannot be."""
    if isinstance(value, tqdm):
        return tqdm
    if _has_state(value):
        value = {STATE: value.state_dict()}
    pack(value, {}, path)  # raises
    return value
