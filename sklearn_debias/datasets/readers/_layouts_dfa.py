"""Sets in DFA's layout, where the class and the bias value end the names of files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import check_option, is_real
from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._folders import FolderSet, Tree, base, by_number, numbered
from sklearn_debias.datasets.readers._splits import some

PERCENTS = ("0.5", "1", "2", "5")
TESTS = ("all", "conflicting")
LABELS = re.compile(r"_(\d{1,2})_(\d{1,2})\.[^.]+$")
CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


@dataclass(frozen=True)
class Dfa:
    """A set as DFA's archive holds it.

    Parameters
    ----------
    name : str
        What its folder is called.
    classes : tuple of str
        Bias value i goes with class i.
    biases : tuple of str, default=()
        Names of the bias values, where they have any.
    valid : str, default="{}pct/valid"
        Where the validation set lies.
    counts : mapping of str to mapping, default={}
        By percent: rows by split.
    """

    name: str
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, Any]]
    biases: tuple[str, ...] = ()
    valid: str = "{}pct/valid"

    def __call__(self, folder: Path, percent: Any = None, test: str | None = None) -> FolderSet:
        """Read the set with a share of conflicting images in training."""
        percent = check_percent(percent)
        test = check_option("test", "all" if test is None else test, TESTS)
        tree = base(folder, [self.name], f"It is unpacked from DFA's archive of {self.name}.")
        part, valid = f"{percent}pct", self.valid.format(percent)
        tree.expect("", (part, "test"), None)
        tree.expect(part, ("align", "conflict"), None)
        for conflicting, way in enumerate(("align", "conflict")):
            self._take(tree, f"{part}/{way}", "train", conflicting)
        above, _, last = valid.rpartition("/")
        tree.expect(above, (last,), None)
        self._take(tree, valid, "validation")
        self._take(tree, "test", "test")
        rows = named_labels(tree, len(self.classes))
        published = rows
        if test == "conflicting":
            rows = rows[(rows["split"] != "test") | (rows["conflicting"] == 1)]
        return FolderSet(
            tree,
            rows.reset_index(drop=True),
            target_names=by_number(self.classes),
            bias_names=by_number(self.biases or [str(i) for i in range(len(self.classes))]),
            counts=Counts(self.counts[percent], "papers that use the set", verified=False),
            by=("conflicting",),
            published=published,
            note=f"{percent} % of the training images are bias-conflicting. Test images: {test}.",
        )

    def _take(self, tree: Tree, place: str, split: str, conflicting: int = -1) -> None:
        """Take the images of a place, or of folders of the classes in it."""
        inner = tree.folders(place)
        if not inner and conflicting < 0:
            tree.take(place, split=split, folder=-1, way=-1)
            return
        names = [str(i) for i in range(len(self.classes))]
        tree.expect(place, names)
        for name in names:
            tree.take(f"{place}/{name}", split=split, folder=int(name), way=conflicting)


def check_percent(value: Any, known: Sequence[str] = PERCENTS) -> str:
    """Return which share of conflicting images is meant: numbers are welcome, None is the first."""
    if value is None:
        return known[0]
    return check_option("percent", f"{float(value):g}" if is_real(value) else value, known)


def named_labels(tree: Tree, n_classes: int) -> pd.DataFrame:
    """Return the rows with "y", "a" and "conflicting", from the names of the files.

    Where "folder" and "way" (0 for aligned, 1 for conflicting) are no -1, names must agree.
    """
    rows = tree.rows()
    found = [LABELS.search(name) for name in rows["file"]]
    odd = [name for name, labels in zip(rows["file"], found, strict=True) if labels is None]
    if odd:
        raise ValueError(
            f"{tree.root}: names must end in the class and the bias value, as in 7_0_1.png; "
            f"{len(odd):,} do not: {some(odd)}. {tree.where}"
        )
    labels = np.array([(int(m[1]), int(m[2])) for m in found if m], dtype=np.int64)
    y, a = labels.T
    folder, way = rows.pop("folder").to_numpy(), rows.pop("way").to_numpy()
    rows = rows.assign(y=y, a=a, conflicting=(y != a).astype(np.int64))
    _check_agree(tree, rows, (y < n_classes) & (a < n_classes), f"must be in 0..{n_classes - 1}")
    _check_agree(tree, rows, (folder == y) | (folder < 0), "differ from the folder of the class")
    _check_agree(tree, rows, (way == (y != a)) | (way < 0), "differ from the folder align/conflict")
    return rows


def _check_agree(tree: Tree, rows: pd.DataFrame, agrees: np.ndarray, what: str) -> None:
    wrong = rows["file"][~agrees].tolist()
    if wrong:
        raise ValueError(
            f"{tree.root}: the class and the bias value that end a name {what} in {len(wrong):,} "
            f"files: {some(wrong)}. Copy the set again."
        )


def _ten(valid: int, *train: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Return counts of a set of ten classes, given (aligned, conflicting) by percent."""
    rest = {"validation": valid, "test": 10_000}
    return {
        percent: {"train": {(0,): aligned, (1,): conflicting}, **rest}
        for percent, (aligned, conflicting) in zip(PERCENTS, train, strict=True)
    }


FACES = {"validation": 1000, "test": {(0,): 500, (1,): 500}}
BFFHQ = Dfa(
    "bffhq",
    ("young", "old"),
    {
        "0.5": {"train": {(0,): 19_104, (1,): 96}, **FACES},
        **{percent: {"train": 19_200, **FACES} for percent in PERCENTS[1:]},
    },
    biases=("female", "male"),
    valid="valid",
)
CMNIST = Dfa(
    "cmnist",
    tuple(numbered([str(digit) for digit in range(10)])),
    _ten(5000, (54_751, 249), (54_509, 491), (54_014, 986), (52_551, 2449)),
)
CIFAR10C = Dfa(
    "cifar10c",
    CIFAR10,
    _ten(5000, (44_832, 228), (44_527, 442), (44_145, 887), (42_820, 2242)),
)
