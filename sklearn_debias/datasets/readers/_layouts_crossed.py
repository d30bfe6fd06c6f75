"""Sets in folders of classes, and in these of bias values."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._folders import (
    FolderSet,
    Tree,
    base,
    by_number,
    numbered,
)
from sklearn_debias.datasets.readers._splits import WORDS, some
from sklearn_debias.datasets.readers._values import check_alike

SPLITS = {"train": "train", "val": "validation", "test": "test"}
AREAS = ("urban", "country")
URBAN = "bg-{0}_co_occur_obj-{0}"
# The generator leaves these beside each image: what it has cut out, and the place without it.
MASKS = ("_mask.png", "_bg_only.png")


def read_plain(folder: Path) -> FolderSet:
    """Read a set of any classes and bias values."""
    tree = Tree(folder, "The levels are {split}/{class}/{bias}/images, or {class}/{bias}/images.")
    splits = _splits(tree)
    classes = {path: tree.folders(path) for path in splits}
    targets = _numbered(tree, "classes", [(splits[path], own) for path, own in classes.items()])
    leaves = {}
    for path, names in classes.items():
        for name in names:
            place = f"{path}/{name}" if path else name
            leaves[place] = (splits[path], name, tree.folders(place))
    bare = [path for path, names in classes.items() if not names]
    bare += [place for place, (_, _, found) in leaves.items() if not found]
    if bare:
        named = some([str(folder / place) for place in bare])
        raise MissingDataError(
            f"`folder` must hold folders of classes, and in each of them folders of bias values; "
            f"there are none in {named}. {tree.where}"
        )
    biases = _numbered(tree, "bias values", [(split, own) for split, _, own in leaves.values()])
    if all(name.lower() in WORDS for name in biases):
        raise ValueError(
            f"{tree.root}: the folders of bias values are called {some(biases)}, as splits are. "
            "Splits must be the top level: move {class}/{split}/ to {split}/{class}/{bias}/."
        )
    for place, (split, name, found) in leaves.items():
        for value in found:
            tree.take(f"{place}/{value}", split=split, y=targets[name], a=biases[value])
    alone = "There are no folders of splits: all images are in `train`." if "" in splits else ""
    return FolderSet(
        tree,
        tree.rows(),
        target_names=by_number(targets),
        bias_names=by_number(biases),
        note=alone,
    )


def _numbered(tree: Tree, what: str, found: Iterable[tuple[str, list[str]]]) -> dict[str, int]:
    """Return the numbers of folders, of a split each; each name stands for something else."""
    names: dict[str, set[str]] = defaultdict(set)
    for split, own in found:
        names[split].update(own)
    check_alike(names, f"{tree.root}: the folders of {what}")
    return numbered(set().union(*names.values()))


def _splits(tree: Tree) -> dict[str, str]:
    """Return which split each folder is; "" is the set without splits."""
    found = tree.folders()
    splits = {name: WORDS[name.lower()] for name in found if name.lower() in WORDS}
    others = [name for name in found if name not in splits]
    if splits and others:
        raise ValueError(
            f"{tree.root} must hold folders of splits alone, or of classes alone; found the splits "
            f"{some(splits)} beside {some(others)}. Move what is no part of the set elsewhere."
        )
    if len(set(splits.values())) < len(splits):
        raise ValueError(
            f"{tree.root} must have one folder for each split; found {some(splits, 12)}, which "
            "stand for the same. Rename one of them."
        )
    return splits or {"": "train"}


@dataclass(frozen=True)
class Crossed:
    """A set whose splits hold each class, and these each bias value.

    Parameters
    ----------
    name : str
        What its folder is called.
    where : str
        Where it comes from.
    classes, biases : tuple of str
        Names of folders, in the order of the labels.
    counts : Counts
    """

    name: str
    where: str
    classes: tuple[str, ...]
    biases: tuple[str, ...]
    counts: Counts

    def __call__(self, folder: Path) -> FolderSet:
        """Read the set."""
        tree = base(folder, [self.name], self.where)
        tree.expect("", SPLITS)
        for path, split in SPLITS.items():
            tree.expect(path, self.classes)
            for y, name in enumerate(self.classes):
                tree.expect(f"{path}/{name}", self.biases)
                for a, value in enumerate(self.biases):
                    tree.take(f"{path}/{name}/{value}", split=split, y=y, a=a)
        return FolderSet(
            tree,
            tree.rows(),
            target_names=by_number(self.classes),
            bias_names=by_number(self.biases),
            counts=self.counts,
        )


def _joshi() -> Counts:
    """Return the counts of both sets of SpuCo, in which class 0 goes with bias value 0."""
    sizes = {"train": (10_000, 500), "validation": (500, 25), "test": (500, 500)}
    of: dict[str, Mapping[tuple, int]] = {
        split: {(y, a): sizes[split][y != a] for y, a in product((0, 1), repeat=2)}
        for split in sizes
    }
    return Counts(of, "SpuCo's loaders (Joshi et al., 2023)")


SPUCO_BIRDS = Crossed(
    "spuco_birds",
    "It is unpacked from SpuCo's archive of SpuCoBirds.",
    ("landbirds", "waterbirds"),
    ("land", "water"),
    _joshi(),
)
SPUCO_DOGS = Crossed(
    "spuco_dogs",
    "It is unpacked from SpuCo's archive of SpuCoDogs.",
    ("small_dogs", "big_dogs"),
    ("indoor", "outdoor"),
    _joshi(),
)


def _urban_counts() -> Counts:
    """Return the counts by (car, background, object beside it)."""
    # How many of the two shortcuts disagree with the class; 95 % of 4,000 agree with each.
    train = (3610, 190, 10)
    every = list(product((0, 1), repeat=3))
    of: dict[str, Mapping[tuple, int]] = {
        "train": {(y, bg, obj): train[(bg != y) + (obj != y)] for y, bg, obj in every},
        "validation": dict.fromkeys(every, 125),
        "test": dict.fromkeys(every, 125),
    }
    return Counts(of, "the generator of UrbanCars (Li et al., CVPR 2023)")


URBAN_COUNTS = _urban_counts()


def read_urbancars(folder: Path) -> FolderSet:
    """Read UrbanCars, whose validation and test sets lie in the folder without shortcuts."""
    where = "It is made by Whac-A-Mole's generator, or unpacked from its archive."
    tree = base(folder, ["urbancars", "urbancars_images"], where)
    biased, balanced = URBAN.format("0.95"), URBAN.format("0.5")
    tree.expect("", (biased, balanced), None)
    tree.expect(biased, ("train",), None)
    tree.expect(balanced, ("val", "test"), None)
    names = "obj-{}_bg-{}_co_occur_obj-{}"
    cells = {names.format(*cell): cell for cell in product(AREAS, repeat=3)}
    for top, (path, split) in zip((biased, balanced, balanced), SPLITS.items(), strict=True):
        tree.expect(f"{top}/{path}", cells)
        for name, cell in cells.items():
            y, background, beside = map(AREAS.index, cell)
            tree.take(
                f"{top}/{path}/{name}",
                suffixes=(".jpg",),
                companions=MASKS,
                split=split,
                y=y,
                background=background,
                co_occurring_object=beside,
            )
    areas = by_number(AREAS)
    return FolderSet(
        tree,
        tree.rows(),
        bias=("background", "co_occurring_object"),
        target_names=areas,
        bias_names=(areas, areas),
        counts=URBAN_COUNTS,
        by=("y", "background", "co_occurring_object"),
    )
