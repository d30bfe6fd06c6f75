"""Folders whose names are labels, read level by level; no image is opened."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._splits import some
from sklearn_debias.exceptions import warn

SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".gif"),
)
# What systems leave behind, beside all that is hidden; in small letters.
LITTER = frozenset(
    (
        *("__macosx", "thumbs.db", "desktop.ini", "@eadir", "lost+found"),
        *("$recycle.bin", "system volume information"),
    )
)
SHOWN = 12  # names in an error


@dataclass
class Tree:
    """A folder of folders, from which images are taken place by place.

    Parameters
    ----------
    root : Path
        Existing folder. Places and names are relative to it.
    where : str, default=""
        Where the set comes from, for errors.
    """

    root: Path
    where: str = ""
    _taken: list[tuple[list[str], dict[str, Any]]] = field(default_factory=list)
    _left_out: list[str] = field(default_factory=list)

    def folders(self, place: str = "") -> list[str]:
        """Return the names of the folders in a place, sorted."""
        folders, files = self._listing(place)
        if place and folders:  # beside the set itself may lie anything
            self._left_out += [_join(place, name) for name in files if _is_image(name)]
        return folders

    def expect(
        self, place: str, names: Collection[str], others: Collection[str] | None = ()
    ) -> None:
        """Raise unless a place holds the folders of some names.

        Parameters
        ----------
        place : str
        names : collection of str
        others : collection of str or None, default=()
            Folders that may be there, too. None: any.
        """
        found = self.folders(place)
        wanted = some(names, SHOWN)
        missing = [name for name in names if name not in found]
        if missing:
            there = f"only {some(found, SHOWN)}" if found else "and no other folder"
            raise MissingDataError(
                f"{self.root / place} must hold the folders {wanted}; there is no {some(missing)}, "
                f"{there}. {self.where}".rstrip()
            )
        if others is None:
            return
        unknown = [name for name in found if name not in names and name not in others]
        if unknown:
            raise ValueError(
                f"{self.root / place} must hold the folders {wanted}; found {some(unknown)} as "
                "well. Move what is no part of the set elsewhere; for a set of your own, leave "
                "`layout` out."
            )

    def take(
        self,
        place: str,
        most: int | None = None,
        suffixes: tuple[str, ...] = SUFFIXES,
        companions: tuple[str, ...] = (),
        **labels: Any,
    ) -> None:
        """Add the images of a place, by sorted names.

        Parameters
        ----------
        place : str
        most : int, default=None
            How many of them. None is all.
        suffixes : tuple of str, default=`SUFFIXES`
            How names of images end.
        companions : tuple of str, default=()
            How names of files end that lie beside each image, and are left out in silence.
        **labels
            What the rows are: columns of `rows`.
        """
        folders, files = self._listing(place)
        if folders:
            raise ValueError(
                f"{self.root / place} must hold images; found the folders {some(folders)}. "
                f"{self.where}".rstrip()
            )
        if companions:
            files = [name for name in files if not name.endswith(companions)]
        names = [name for name in files if _is_image(name, suffixes)]
        if len(names) < len(files):
            others = [name for name in files if not _is_image(name, suffixes)]
            self._left_out += [_join(place, name) for name in others]
        self._taken.append(([_join(place, name) for name in names[:most]], {**labels, "in": place}))

    def rows(self) -> pd.DataFrame:
        """Return a row for each image, with "file" and the labels.

        Warns
        -----
        DebiasWarning
            Where a place has no images, or other files lie there.
        """
        sizes = [len(names) for names, _ in self._taken]
        if not sum(sizes):
            raise MissingDataError(
                f"{self.root} has no images ({', '.join(SUFFIXES)}) where they should be: "
                f"{some([labels['in'] for _, labels in self._taken])}. {self.where}".rstrip()
            )
        self._warn_of_the_rest()
        files = [name for names, _ in self._taken for name in names]
        self._check_text(files)
        columns: dict[str, Any] = {"file": files}
        for column in self._taken[0][1]:
            if column != "in":
                values = np.array([labels[column] for _, labels in self._taken])
                columns[column] = np.repeat(values, sizes)
        return pd.DataFrame(columns)

    def _check_text(self, names: list[str]) -> None:
        """Raise for names of other bytes, which frames and fingerprints cannot hold."""
        try:
            "".join(names).encode()
        except UnicodeEncodeError:
            odd = [name for name in names if not name.isascii() and _is_no_text(name)]
            raise ValueError(
                f"{self.root}: names must be text in UTF-8; {len(odd):,} are not: {some(odd)}. "
                "Rename them, as by convmv."
            ) from None

    def _warn_of_the_rest(self) -> None:
        bare = [labels["in"] for names, labels in self._taken if not names]
        if bare:
            warn(f"{self.root}: there are no images in {some(bare)}.")
        left_out = dict.fromkeys(self._left_out)
        if left_out:
            warn(
                f"{self.root}: {len(left_out):,} files are left out, which are no images or lie "
                f"above the folders of images: {some(left_out)}."
            )

    def _listing(self, place: str) -> tuple[list[str], list[str]]:
        """Return the names of folders and of files, sorted, without hidden ones."""
        folders: list[str] = []
        files: list[str] = []
        with os.scandir(self.root / place) as entries:
            for entry in entries:
                if entry.name[0] == "." or entry.name.lower() in LITTER:
                    continue
                (folders if _is_folder(entry) else files).append(entry.name)
        return sorted(folders), sorted(files)


@dataclass(frozen=True)
class FolderSet:
    """What a folder holds.

    Parameters
    ----------
    tree : Tree
    rows : DataFrame
        With "file", "split", "y" and the column(s) of bias values.
    bias : str or tuple of str, default="a"
        The column(s) of bias values.
    target_names : mapping of int to str, default=None
    bias_names : mapping of int to str, default=None
        Of several columns: a tuple of mappings.
    counts : Counts, default=None
    by : tuple of str, default=("y", "a")
        The columns that ``counts`` go by.
    published : DataFrame, default=None
        The rows to count, where a protocol has moved or left out some.
    note : str, default=""
        What `DESCR` says beside where the set comes from.
    """

    tree: Tree
    rows: pd.DataFrame
    bias: str | tuple[str, ...] = "a"
    target_names: Mapping[int, str] | None = None
    bias_names: Mapping[int, str] | Sequence[Mapping[int, str]] | None = None
    counts: Counts | None = None
    by: tuple[str, ...] = ("y", "a")
    published: pd.DataFrame | None = None
    note: str = ""


def base(folder: Path, names: Sequence[str], where: str) -> Tree:
    """Return the tree of the set: in a folder of one of some names, or in this one."""
    inner = [folder / name for name in names if (folder / name).is_dir()]
    return Tree(inner[0] if inner else folder, where)


def numbered(names: Collection[str]) -> dict[str, int]:
    """Return the numbers of some names: sorted, as numbers where all are."""
    whole = all(name.isdecimal() for name in names)
    # "1" and "01" are one number, and have an order of their own.
    order = sorted(names, key=lambda name: (int(name) if whole else 0, name))
    return {name: i for i, name in enumerate(order)}


def by_number(names: Collection[str]) -> dict[int, str]:
    """Return names by their place."""
    return dict(enumerate(names))


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _is_image(name: str, suffixes: tuple[str, ...] = SUFFIXES) -> bool:
    return name.lower().endswith(suffixes)


def _is_no_text(name: str) -> bool:
    # Python stands these in for bytes that it cannot decode.
    return any("\udc80" <= letter <= "\udcff" for letter in name)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
