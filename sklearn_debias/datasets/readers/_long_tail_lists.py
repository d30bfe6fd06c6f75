"""Long-tailed sets that are kept as lists of files."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._arguments import (
    check_folder,
    check_layout,
    check_path,
    check_switches,
    check_text,
)
from sklearn_debias.datasets.readers._counts import check_counts as compare
from sklearn_debias.datasets.readers._counts import report
from sklearn_debias.datasets.readers._layouts_lists import LAYOUTS, ListLayout, shot_of
from sklearn_debias.datasets.readers._paths import image_paths
from sklearn_debias.datasets.readers._splits import some
from sklearn_debias.datasets.readers._table import MANY, bunch_of
from sklearn_debias.exceptions import warn

BLANK = " \t\r"  # what stands around a path; other white space may be of it


def read_long_tail(
    folder: str | os.PathLike[str],
    layout: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    strip: str = "",
    check_files: bool = True,
    check_counts: bool = True,
) -> Bunch:
    r"""Read a long-tailed set from its lists of files.

    ImageNet-LT, Places-LT and iNaturalist 2018 are kept as lists with a line ``path label`` for
    each image. Nothing is downloaded, and no image is opened.

    Parameters
    ----------
    folder : str or path-like
        Local folder with the lists.
    layout : {"imagenet_lt", "places_lt", "inat2018"}, default=None
        Which set it is: what its lists are called, and its published counts. None is the one list
        of any set that ends in ``train.txt``, with its ``val.txt`` and ``test.txt``.
    root : str or path-like, default=None
        Folder of the images, which the lists' paths are relative to. None is ``folder``.
    strip : str, default=""
        Beginning of the paths that is left out, where they are absolute.
    check_files : bool, default=True
        Whether the images are looked for. False reads the lists alone.
    check_counts : bool, default=True
        Whether a copy that differs from verified counts is an error. Else it is a warning, as it is
        for counts that are only recalled.

    Returns
    -------
    sets : sklearn.utils.Bunch
        `train`, `validation` and `test`, as far as there are lists, with `target_names`,
        `fingerprint` (which tells copies apart) and `DESCR`, and

        class_counts : ndarray of shape (n_classes,), int64
            Training rows of each class.

        shot : ndarray of shape (n_classes,), str
            "many" for classes of more than 100 training rows, "medium" for 20 to 100, "few" for
            fewer than 20. ``shot[target]`` is that of rows.

        Each set is a Bunch with

        data : ndarray of shape (n,), str
            Paths of the images.

        target : ndarray of shape (n,), int64

        metadata : DataFrame of n rows
            "file", "y" and "split".

        index : ndarray of shape (n,), int64
            Line in the list, from 0.

        There are no bias labels.

    Raises
    ------
    ValueError
        If lists or images are missing (a FileNotFoundError as well), there are lists of several
        sets, a line is no path and label, a path is absolute or leads out of ``root``, a list is
        not in UTF-8, or the counts are not the published ones.

    Warns
    -----
    DebiasWarning
        If an image is listed more than once, or counts are not those that are recalled.

    See Also
    --------
    long_tail_indices : Draws a long tail from a set that has none.

    Notes
    -----
    All counts of Places-LT are verified; those of ImageNet-LT but for the many, medium and few
    classes; of iNaturalist 2018 the totals.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_debias.datasets import read_long_tail
    >>> with TemporaryDirectory() as folder:
    ...     lines = [f"train/cat/{i}.jpg 0" for i in range(30)] + ["train/owl/0.jpg 1"]
    ...     _ = Path(folder, "pets_train.txt").write_text("\n".join(lines))
    ...     pets = read_long_tail(folder, check_files=False)
    >>> pets.class_counts, pets.shot
    (array([30,  1]), array(['medium', 'few'], dtype='<U6'))
    """
    named = check_layout(layout, LAYOUTS)
    check_path("root", root)
    check_text("strip", strip)
    check_switches(check_files=check_files, check_counts=check_counts)
    folder = check_folder(folder)
    kind = named or _any_lists(folder)
    lists = {split: folder / name for split, name in kind.lists.items()}
    missing = [path.name for path in lists.values() if not path.is_file()]
    if missing:
        raise MissingDataError(f"{folder} has no {' and no '.join(missing)}. {kind.where}")
    tables = {split: _read_list(path, split) for split, path in lists.items()}
    rows = pd.concat(list(tables.values()), ignore_index=True)
    _warn_of_repeats(rows["file"], folder)
    place = folder if root is None else check_folder(root, "root")
    paths = _paths(tables, lists, place, strip, check_files=check_files)
    bunch = bunch_of(
        rows,
        lambda index: paths[index],
        bias=None,
        descr=f"{len(rows):,} images of the lists in {folder}. {kind.where}".rstrip(),
        target_names={kind.n_classes - 1: str(kind.n_classes - 1)} if kind.n_classes else None,
    )
    bunch.class_counts = np.bincount(bunch.train.target, minlength=len(bunch.target_names))
    bunch.shot = shot_of(bunch.class_counts)
    for part in (bunch[split] for split in lists):
        part.index = part.index - part.index[0]
    _compare(rows, bunch.class_counts, kind, folder, strict=check_counts)
    return bunch


def _any_lists(folder: Path) -> ListLayout:
    """Return the lists of the one set that a folder has."""
    found = sorted(path.name for path in folder.glob("*train.txt") if path.is_file())
    if not found:
        raise MissingDataError(
            f"{folder} has no list that ends in train.txt, with a line `path label` for each image."
        )
    if len(found) > 1:
        raise ValueError(
            f"{folder} has the lists of {len(found)} sets: {some(found)}. Pass `layout`, or a "
            "folder with those of one."
        )
    prefix = found[0].removesuffix("train.txt")
    names = {split: f"{prefix}{word}.txt" for split, word in (("validation", "val"), ("test",) * 2)}
    there = {split: name for split, name in names.items() if (folder / name).is_file()}
    return ListLayout({"train": found[0], **there}, "")


def _read_list(path: Path, split: str) -> pd.DataFrame:
    """Return the rows of a list."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be encoded in UTF-8: {error}. Convert it, as by `iconv -t utf-8`."
        ) from error
    # Only here does a line end: names may hold what `splitlines` takes for an end as well.
    lines = [line.strip(BLANK) for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ValueError(f"{path} has no lines.")
    # Paths may hold spaces.
    pairs = [line.rpartition(" ") for line in lines]
    wrong = [
        i
        for i, (file, _, label) in enumerate(pairs)
        if not (file and label.isascii() and label.isdecimal() and len(label) < 10)
    ]
    if wrong:
        raise ValueError(
            f"{path} must have a line `path label` for each image, the label a whole number from 0;"
            f" line {wrong[0] + 1} is {lines[wrong[0]]!r}."
        )
    labels = np.array([int(label) for _, _, label in pairs])
    if labels.max() >= MANY:
        raise ValueError(
            f"{path} must have labels below {MANY:,}, one for each class; found {labels.max():,}."
        )
    files = [file.rstrip(BLANK) for file, _, _ in pairs]
    return pd.DataFrame({"file": files, "y": labels, "split": split})


def _warn_of_repeats(files: pd.Series, folder: Path) -> None:
    """Warn of images that are listed twice: a test set that was trained on tells nothing."""
    again = files[files.duplicated()]
    if len(again):
        warn(
            f"The lists in {folder} name {len(again):,} images more than once: "
            f"{some(again.unique())}. Where they stand in several lists, scores are of rows that "
            "were trained on."
        )


def _paths(
    tables: dict[str, pd.DataFrame],
    lists: dict[str, Path],
    root: Path,
    strip: str,
    *,
    check_files: bool,
) -> np.ndarray:
    """Return the paths of all images, list by list."""
    found = []
    for split, table in tables.items():
        names = [name.removeprefix(strip) for name in table["file"].tolist()]
        found.append(image_paths(root, names, str(lists[split]), check_files=check_files))
    return np.concatenate(found)


def _compare(
    rows: pd.DataFrame, class_counts: np.ndarray, kind: ListLayout, folder: Path, *, strict: bool
) -> None:
    """Compare a copy with the published set."""
    if kind.counts is not None:
        compare(rows, ("y",), kind.counts, str(folder), strict=strict)
    if kind.counts is None or kind.profile is None:
        return
    differ = list(kind.profile.differences(class_counts))
    for verified in (True, False):
        wrong = [told for told, known in differ if known is verified]
        report(wrong, str(folder), kind.counts.source, verified=verified, strict=strict)
