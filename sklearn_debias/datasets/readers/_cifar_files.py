"""CIFAR's files, in the binary version and in that of Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._array_pickle import read_pickle
from sklearn_debias.datasets.readers._splits import some

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
WHERE = "It is in the archives of https://www.cs.toronto.edu/~kriz/cifar.html."


@dataclass(frozen=True)
class Version:
    """Where the images and names lie in one of the archives.

    Parameters
    ----------
    folder : str
        What it unpacks to.
    train, test : tuple of str
        Files, in order.
    names : mapping of str to (str, str)
        For each kind of label the file of its names, and its key in there ("" for lines of text).
    """

    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: dict[str, tuple[str, str]]

    @property
    def is_binary(self) -> bool:
        """Whether no file is a pickle."""
        return self.train[0].endswith(".bin")


@dataclass(frozen=True)
class Cifar:
    """One of the two sets.

    Parameters
    ----------
    versions : tuple of Version
        The first that is there is read.
    labels : mapping of str to (str, int)
        For each kind of label, in the order of the binary files: its key in the pickles, and its
        number of classes.
    per_class : tuple of int
        Images of a class, for training and for testing.
    noise : mapping of str to str
        What human labels are called in the file of CIFAR-N.
    noise_file : str
    """

    versions: tuple[Version, ...]
    labels: dict[str, tuple[str, int]]
    per_class: tuple[int, int]
    noise: dict[str, str]
    noise_file: str


SETS = {
    "cifar10": Cifar(
        (
            Version(
                "cifar-10-batches-bin",
                tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
                ("test_batch.bin",),
                {"y": ("batches.meta.txt", "")},
            ),
            Version(
                "cifar-10-batches-py",
                tuple(f"data_batch_{i}" for i in range(1, 6)),
                ("test_batch",),
                {"y": ("batches.meta", "label_names")},
            ),
        ),
        {"y": ("labels", 10)},
        (5000, 1000),
        {
            **{"worse": "worse_label", "aggre": "aggre_label"},
            **{f"random{i}": f"random_label{i}" for i in (1, 2, 3)},
        },
        "CIFAR-10_human.pt",
    ),
    "cifar100": Cifar(
        (
            Version(
                "cifar-100-binary",
                ("train.bin",),
                ("test.bin",),
                {"coarse": ("coarse_label_names.txt", ""), "y": ("fine_label_names.txt", "")},
            ),
            Version(
                "cifar-100-python",
                ("train",),
                ("test",),
                {"coarse": ("meta", "coarse_label_names"), "y": ("meta", "fine_label_names")},
            ),
        ),
        {"coarse": ("coarse_labels", 20), "y": ("fine_labels", 100)},
        (500, 100),
        {"noisy": "noisy_label"},
        "CIFAR-100_human.pt",
    ),
}


def find_version(folder: Path, kind: Cifar) -> tuple[Version, Path]:
    """Return the version that is there, and the folder of its files."""
    for version in kind.versions:
        for place in (folder, folder / version.folder):
            if (place / version.train[0]).is_file():
                missing = [n for n in (*version.train, *version.test) if not (place / n).is_file()]
                if missing:
                    raise MissingDataError(f"{place} has no {' and no '.join(missing)}. {WHERE}")
                return version, place
    firsts = " and no ".join(
        name for v in kind.versions for name in (v.train[0], f"{v.folder}/{v.train[0]}")
    )
    raise MissingDataError(f"{folder} has no {firsts}. {WHERE}")


def read_files(
    place: Path, files: Sequence[str], version: Version, kind: Cifar
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the images (n, 3, 32, 32) and the labels of some files, one after the other."""
    read = [
        (_binary if version.is_binary else _pickled)(place / name, kind.labels) for name in files
    ]
    images = np.concatenate([part[0] for part in read]).reshape(-1, *SHAPE)
    labels = {
        name: np.concatenate([part[1][name] for part in read]).astype(np.int64)
        for name in kind.labels
    }
    for name, (key, n_classes) in kind.labels.items():
        if not 0 <= labels[name].min() <= labels[name].max() < n_classes:
            raise ValueError(
                f"{place / files[0]} must hold {key} in 0..{n_classes - 1}; they, or those of the "
                f"files after it, reach from {labels[name].min()} to {labels[name].max()}. Is it "
                "another set?"
            )
    return images, labels


def _binary(path: Path, kinds: dict[str, Any]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read records of one byte for each kind of label, and the pixels."""
    size = path.stat().st_size
    record = len(kinds) + PIXELS
    if not size or size % record:
        raise ValueError(
            f"{path} must hold whole records of {record} bytes; found {size:,} bytes, which are "
            f"{size / record:.2f} records. The file is cut off, or of another set: copy it again."
        )
    content = np.fromfile(path, dtype=np.uint8).reshape(-1, record)
    labels = {name: content[:, i] for i, name in enumerate(kinds)}
    return content[:, len(kinds) :], labels


def _pickled(path: Path, kinds: dict[str, Any]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read a pickle of one batch."""
    content = read_pickle(path)
    keys = {name: key for name, (key, _) in kinds.items()}
    missing = [key for key in ("data", *keys.values()) if key not in content]
    if missing:
        raise ValueError(
            f"{path} has no {', '.join(missing)}, only {', '.join(content)}. Is it another set?"
        )
    images = content["data"]
    if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != PIXELS:
        found = getattr(images, "shape", type(images).__name__)
        raise ValueError(f"{path} must hold `data` of shape (n, {PIXELS}), found {found}.")
    labels = {}
    for name, key in keys.items():
        values = content[key]
        whole = isinstance(values, list) and all(type(value) is int for value in values)
        if not whole or len(values) != len(images):
            raise ValueError(
                f"{path} must hold `{key}`, a list of {len(images):,} whole numbers, one for each "
                f"image; found a {type(values).__name__} of "
                f"{len(values) if isinstance(values, list) else 'no'} entries."
            )
        labels[name] = np.array(values)
    return images, labels


def read_names(place: Path, version: Version, kind: Cifar) -> dict[str, dict[int, str]]:
    """Return the names of the classes, of each kind of label whose names are there."""
    found = {}
    for name, (file, key) in version.names.items():
        path = place / file
        if not path.is_file():
            continue
        values = _pickled_names(path, key) if key else _listed_names(path)
        n_classes = kind.labels[name][1]
        if len(values) != n_classes:
            raise ValueError(
                f"{path} must name {n_classes} classes, found {len(values)}. Copy it again, or "
                "take it away: classes are numbered then."
            )
        found[name] = dict(enumerate(values))
    return found


def _pickled_names(path: Path, key: str) -> list[str]:
    """Read the names of classes, which are bytes in Python 2's pickles and text in others."""
    content = read_pickle(path)
    values = content.get(key)
    if not isinstance(values, list) or not all(isinstance(v, bytes | str) for v in values):
        raise ValueError(
            f"{path} must hold {key!r}, a list of names; it holds {some(content)}. Copy it again, "
            "or take it away: classes are numbered then."
        )
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values]


def _listed_names(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").split()
