"""Long-tailed sets that are lists of files: what they are called, and what they hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from sklearn_debias.datasets.readers._counts import Counts

SHOTS = ("many", "medium", "few")


def shot_of(class_counts: np.ndarray) -> np.ndarray:
    """Return the group of each class by its training rows.

    "many" is more than 100, "medium" 20 to 100, "few" fewer than 20.
    """
    return np.select([class_counts > 100, class_counts >= 20], SHOTS[:2], SHOTS[2])


@dataclass(frozen=True)
class Profile:
    """The tail of the published training set.

    Parameters
    ----------
    largest, smallest : int
        Rows of the head, and of the last class.
    shots : tuple of int
        Classes with many, medium and few rows.
    verified, shots_verified : bool, default=True
        Whether these were computed from the files.
    """

    largest: int
    smallest: int
    shots: tuple[int, int, int]
    verified: bool = True
    shots_verified: bool = True

    def differences(self, class_counts: np.ndarray) -> Iterator[tuple[str, bool]]:
        """Yield what differs, in words, and whether the published number is verified."""
        pairs = (("largest", class_counts.max()), ("smallest", class_counts.min()))
        for name, found in pairs:
            if found != getattr(self, name):
                yield (
                    f"the {name} class of train has {found:,} rows, in the published set "
                    f"{getattr(self, name):,}",
                    self.verified,
                )
        shots = shot_of(class_counts)
        for name, expected in zip(SHOTS, self.shots, strict=True):
            found = int((shots == name).sum())
            if found != expected:
                yield (
                    f"{found:,} classes of train have {name} rows, in the published set "
                    f"{expected:,}",
                    self.shots_verified,
                )


@dataclass(frozen=True)
class ListLayout:
    """How a set is kept.

    Parameters
    ----------
    lists : mapping of str to str
        Name of the list of each split.
    where : str
        Where the lists come from.
    n_classes : int, default=0
        0: as many as there are.
    counts : Counts, default=None
    profile : Profile, default=None
    """

    lists: Mapping[str, str]
    where: str
    n_classes: int = 0
    counts: Counts | None = None
    profile: Profile | None = field(default=None)


def _lists(prefix: str, *splits: str) -> dict[str, str]:
    words = {"train": "train", "validation": "val", "test": "test"}
    return {split: f"{prefix}_{words[split]}.txt" for split in splits}


def _each(n_classes: int, rows: int) -> dict[tuple[int], int]:
    return {(label,): rows for label in range(n_classes)}


OLTR = "Liu et al., CVPR 2019 (OLTR)"
LISTS_OF_OLTR = "The lists are among the data of OpenLongTailRecognition-OLTR."

LAYOUTS: dict[str, ListLayout] = {
    "imagenet_lt": ListLayout(
        _lists("ImageNet_LT", "train", "validation", "test"),
        LISTS_OF_OLTR,
        1000,
        Counts({"train": 115_846, "validation": _each(1000, 20), "test": _each(1000, 50)}, OLTR),
        Profile(1280, 5, (385, 479, 136), shots_verified=False),
    ),
    "places_lt": ListLayout(
        _lists("Places_LT", "train", "validation", "test"),
        LISTS_OF_OLTR,
        365,
        Counts({"train": 62_500, "validation": 7300, "test": 36_500}, OLTR),
        Profile(4980, 5, (131, 163, 71)),
    ),
    "inat2018": ListLayout(
        _lists("iNaturalist18", "train", "validation"),
        "The lists are in the folder data of classifier-balancing.",
        8142,
        Counts({"train": 437_513, "validation": _each(8142, 3)}, "Van Horn et al., CVPR 2018"),
        Profile(1000, 2, (842, 4076, 3224), verified=False, shots_verified=False),
    ),
}
