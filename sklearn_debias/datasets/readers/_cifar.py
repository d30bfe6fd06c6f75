"""CIFAR-10 and CIFAR-100, with the labels that people gave in CIFAR-N."""

import os
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_debias.arguments import check_option
from sklearn_debias.datasets._folder import MissingDataError, existing_path, named_if_unreadable
from sklearn_debias.datasets.readers._arguments import check_switches
from sklearn_debias.datasets.readers._arrays import with_content
from sklearn_debias.datasets.readers._cifar_files import (
    SETS,
    Cifar,
    Version,
    find_version,
    read_files,
    read_names,
)
from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._counts import check_counts as compare
from sklearn_debias.datasets.readers._table import bunch_of
from sklearn_debias.datasets.readers._tensors import as_array, load_arrays


def read_cifar(
    folder: str | os.PathLike[str],
    name: Literal["cifar10", "cifar100"] = "cifar10",
    *,
    noise: str | None = None,
    check_counts: bool = True,
) -> Bunch:
    """Read CIFAR-10 or CIFAR-100 from local files.

    Parameters
    ----------
    folder : str or path-like
        Folder of the published files, or that with ``cifar-10-batches-bin``,
        ``cifar-10-batches-py``, ``cifar-100-binary`` or ``cifar-100-python``. Where it has both
        versions, the binary one is read. The pickles of the other are read without running
        anything in them.
    name : {"cifar10", "cifar100"}, default="cifar10"
    noise : str, default=None
        Train on labels that people gave, CIFAR-N [1]_: "worse", "aggre", "random1", "random2" or
        "random3" of ``CIFAR-10_human.pt``, "noisy" of ``CIFAR-100_human.pt``. The file lies in the
        folder or beside the published files.
    check_counts : bool, default=True
        Whether it is an error if a class has not its 5,000 images for training and 1,000 for
        testing, or 500 and 100. Else it is a warning.

    Returns
    -------
    cifar : sklearn.utils.Bunch
        `train`, `test`, `target_names`, `coarse_names` (of CIFAR-100), `fingerprint` and `DESCR`;
        with ``noise`` also `noise_rate`, the share of wrong labels. Each set is a Bunch with

        data : ndarray of shape (n, 3, 32, 32), uint8

        target : ndarray of shape (n,), int64
            Of CIFAR-100 the fine labels.

        coarse : ndarray of shape (n,), int64
            Of CIFAR-100: the superclasses.

        clean_target : ndarray of shape (n,), int64
            Of the training set, with ``noise``: the published labels.

        metadata : DataFrame of n rows

        index : ndarray of shape (n,), int64
            Place in the files, one after the other.

    Raises
    ------
    ValueError
        If a file is missing (a FileNotFoundError as well), cut off or of another format, or the
        counts are not the published ones.

    See Also
    --------
    long_tail_indices : Rows of CIFAR-10-LT and CIFAR-100-LT.
    flip_labels : Wrong labels in exact numbers.
    read_cifar_c : The test set, corrupted.

    References
    ----------
    .. [1] J. Wei, Z. Zhu, H. Cheng, T. Liu, G. Niu and Y. Liu, "Learning with Noisy Labels
       Revisited: A Study Using Real-World Human Annotations", ICLR 2022.

    Examples
    --------
    >>> from sklearn_debias.datasets import data_folder, read_cifar
    >>> cifar = read_cifar(data_folder())  # doctest: +SKIP
    >>> cifar.train.data.shape  # doctest: +SKIP
    (50000, 3, 32, 32)
    """
    check_option("name", name, SETS)
    check_switches(check_counts=check_counts)
    kind = SETS[name]
    if noise is not None:
        check_option("noise", noise, kind.noise)
    folder = existing_path(folder, "folder")
    with named_if_unreadable():
        version, place = find_version(folder, kind)
        names = read_names(place, version, kind)
        images, rows = _read(place, version, kind)
    compare(rows, ("y",), _counts(kind), str(place), strict=check_counts)
    clean = rows["y"].to_numpy(copy=True)
    if noise is not None:
        given = _human_labels(clean[: len(images["train"])], kind, noise, (folder, place))
        rows.loc[: len(given) - 1, "y"] = given
    where = rows["split"].to_numpy()
    bunch = bunch_of(
        rows,
        lambda index: images[where[index[0]]],
        source=str(place),
        bias=None,
        target_names=_named(names, "y", kind),
        descr=f"{name}, {len(rows):,} images from {place}.",
    )
    for part in (bunch.train, bunch.test):
        if "coarse" in kind.labels:
            part.coarse = part.metadata["coarse"].to_numpy()
        part.index = part.metadata["file"].to_numpy()
    if "coarse" in kind.labels:
        bunch.coarse_names = np.array(list(_named(names, "coarse", kind).values()))
    bunch.fingerprint = with_content(bunch.fingerprint, images)
    if noise is not None:
        bunch.train.clean_target = clean[: len(images["train"])]
        bunch.noise_rate = float(np.mean(bunch.train.target != bunch.train.clean_target))
        bunch.DESCR += f" Training labels: {noise!r}, {bunch.noise_rate:.2%} of them wrong."
    return bunch


def _read(place: Path, version: Version, kind: Cifar) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Return the images of both sets, and a table of all rows."""
    images, tables = {}, []
    for split, files in (("train", version.train), ("test", version.test)):
        images[split], labels = read_files(place, files, version, kind)
        numbers = np.arange(len(images[split]))
        tables.append(pd.DataFrame({"file": numbers, "split": split, **labels}))
    return images, pd.concat(tables, ignore_index=True)


def _counts(kind: Cifar) -> Counts:
    train, test = kind.per_class
    classes = range(kind.labels["y"][1])
    return Counts(
        {"train": {(c,): train for c in classes}, "test": {(c,): test for c in classes}},
        "Krizhevsky, 2009",
    )


def _named(names: dict[str, dict[int, str]], label: str, kind: Cifar) -> dict[int, str]:
    """Return the names of all classes; numbers where the files have none."""
    return names.get(label) or {c: str(c) for c in range(kind.labels[label][1])}


def _human_labels(
    clean: np.ndarray, kind: Cifar, noise: str, places: tuple[Path, ...]
) -> np.ndarray:
    """Return the labels that people gave, which must be of the same images."""
    paths = [place / kind.noise_file for place in places]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise MissingDataError(
            f"{places[0]} has no {kind.noise_file}, which `noise` needs. It is in the folder data "
            "of cifar-10-100n."
        )
    content = load_arrays(path)
    key = kind.noise[noise]
    missing = [name for name in ("clean_label", key) if name not in content]
    if missing:
        raise ValueError(
            f"{path} has no {', '.join(missing)}, only {', '.join(map(str, content))}."
        )
    published, given = (
        as_array(content[name], f"{path}, {name!r}") for name in ("clean_label", key)
    )
    if not np.array_equal(published, clean):
        raise ValueError(
            f"{path} must be of the same images in the same order: its clean_label are not the "
            "labels of the training set."
        )
    n_classes = kind.labels["y"][1]
    fits = given.shape == clean.shape and given.dtype.kind in "iu"
    if not fits or not 0 <= given.min() <= given.max() < n_classes:
        raise ValueError(
            f"{path} must hold {key}, {len(clean):,} whole numbers in 0..{n_classes - 1}; found "
            f"{given.dtype} {given.shape}."
        )
    return given.astype(np.int64)
