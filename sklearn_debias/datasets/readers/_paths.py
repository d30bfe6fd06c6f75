"""Paths that a file from anyone names: inside of the folder, there, and not empty."""

import errno
import os
import posixpath
import stat
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._splits import some

ADVICE = "Pass as `root` the folder that it leads to, or copy the files."


def relative_names(root: Path, names: Sequence[str], source: str, strip: str = "") -> list[str]:
    """Return names as paths below the folder, each file by one name on any machine.

    Parameters
    ----------
    root : Path
        Existing folder that the names are relative to.
    names : sequence of str
        Separated by slashes.
    source : str
        Where the names were read, for errors.
    strip : str, default=""
        Beginning of the names that is left out.

    Raises
    ------
    ValueError
        Where a name is absolute, or leads out of the folder by "..".
    """
    beginnings = (f"{root.as_posix()}/", f"{root.absolute().as_posix()}/")
    plain = [_relative(name.removeprefix(strip).replace("\\", "/"), beginnings) for name in names]
    _check_inside(plain, source)
    return [posixpath.normpath(name) if _is_long_way(name) else name for name in plain]


def image_paths(
    root: Path,
    names: Sequence[str],
    source: str,
    *,
    check_files: bool = True,
    advice: str = ADVICE,
) -> np.ndarray:
    """Return the paths of images as str, (n,); none is opened.

    Parameters
    ----------
    root : Path
        Existing folder that the names are relative to.
    names : sequence of str
        As `relative_names` gives them.
    source : str
        Where the names were read, for errors.
    check_files : bool, default=True
        Whether the files are looked for.
    advice : str
        What to do about links that lead out of the folder.

    Raises
    ------
    ValueError
        Where a link leads out of the folder; where files are missing (a FileNotFoundError as
        well), are no files, or empty.
    """
    if check_files:
        _look_for(names, root, source, advice)
    base = f"{root}{os.sep}"
    return np.array([base + name for name in names], dtype=str)


def _look_for(plain: Sequence[str], root: Path, source: str, advice: str) -> None:
    """Raise where files are missing or empty, or links lead out of the folder."""
    by_folder = defaultdict(list)
    for name in plain:
        folder, _, file = name.rpartition("/")
        by_folder[folder].append(file)
    missing, empty, outside, others = [], [], [], []
    real = root.resolve()
    for folder, files in by_folder.items():
        place = root / folder
        there = _files(place)
        if there and not place.resolve().is_relative_to(real):
            outside.append(folder)
            continue
        for file in files:
            name = f"{folder}/{file}" if folder else file
            entry = there.get(file)
            is_link = entry is not None and entry.is_symlink()
            if entry is None or (is_link and not Path(entry.path).exists()):
                missing.append(name)
                continue
            if is_link and not Path(entry.path).resolve().is_relative_to(real):
                outside.append(name)
                continue
            status = os.stat(entry.path)  # `entry.stat` takes half as long again
            if not stat.S_ISREG(status.st_mode):
                others.append(name)
            elif not status.st_size:
                empty.append(name)
    if outside:
        raise ValueError(f"{source}: {some(outside)} leads out of {root} by a link. {advice}")
    if missing:
        raise MissingDataError(
            f"{source} lists {len(plain):,} files, {len(missing):,} of which are not in {root}: "
            f"{some(missing)}. Copy them there, or pass `root`, the folder that the names are "
            "relative to."
        )
    if others:
        raise ValueError(
            f"{source} must name files; in {root} {some(others)} are none, but folders or devices. "
            "Leave these rows out."
        )
    if empty:
        raise ValueError(
            f"{source}: {len(empty):,} files in {root} are empty: {some(empty)}. Copy them again."
        )


def _relative(name: str, beginnings: Sequence[str]) -> str:
    """Return a name relative to the folder, where it begins with it."""
    if name[:1] == "/":
        for beginning in beginnings:
            if name.startswith(beginning):
                return name[len(beginning) :]
    return name


def _is_long_way(name: str) -> bool:
    """Return whether a name may have a shorter form, such as a.jpg for ./a.jpg."""
    return "./" in name or "//" in name or "/." in name or name[-1:] == "/"


def _check_inside(names: Sequence[str], source: str) -> None:
    # Most names have nothing to look at.
    odd = [name for name in names if name[:1] in ("/", "~") or ".." in name or ":" in name[:3]]
    wrong = [
        name
        for name in odd
        if name[:1] in ("/", "~") or name[1:3] == ":/" or ".." in PurePosixPath(name).parts
    ]
    if wrong:
        raise ValueError(
            f"{source} must name files by paths within its folder; found {some(wrong)}. Pass as "
            "`root` the folder that they are relative to, and as `strip` how they begin where they "
            "were made."
        )
    blank = sum(not name for name in names)
    if blank:
        raise ValueError(f"{source} has {blank:,} rows without a file name.")


def _files(folder: Path) -> dict[str, os.DirEntry]:
    """Return what a folder holds, by name; a folder that is not there holds nothing."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry for entry in entries}
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for names with a zero
        return {}
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return {}
        raise
