"""MetaShift's cats and dogs: two tasks of one name, and a third that is told apart."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sklearn_debias.arguments import check_option, is_whole
from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._folders import FolderSet, Tree, base, by_number
from sklearn_debias.datasets.readers._plain_pickle import read_plain_pickle
from sklearn_debias.datasets.readers._shown import shown
from sklearn_debias.datasets.readers._splits import some

TASKS = ("subpopulation", "subpopbench")
ANIMALS = ("dog", "cat")  # SubpopBench's order: dog is 0
CONTEXTS = ("outdoor", "indoor")
GROUPS = "imageID_to_group.pkl"
SUBPOPULATION = Counts(
    {
        "train": {(0, 0): 750, (0, 1): 100, (1, 0): 100, (1, 1): 750},
        "test": {(y, a): 144 for y in (0, 1) for a in (0, 1)},
    },
    "MetaShift's script (Liang and Zou, ICLR 2022)",
)
SUBPOPBENCH = Counts(
    {"train": 2276, "validation": 349, "test": 874},
    "Yang et al., ICML 2023 (SubpopBench)",
    verified=False,
)


def read_metashift(folder: Path, task: str | None = None) -> FolderSet:
    """Read one of the tasks."""
    if task == "lisa":
        raise ValueError(f"`task` must be one of {some(TASKS)}. {_other('LISA')}")
    task = check_option("task", "subpopulation" if task is None else task, TASKS)
    return _subpopulation(folder) if task == "subpopulation" else _subpopbench(folder)


def _other(whose: str) -> str:
    return (
        f"{whose}'s folders cat/cat(...) and dog/dog(...) are another task, with other contexts in "
        "training and test: `read_group_folders(folder)` reads them without a layout, all as one "
        "set."
    )


def _tree(folder: Path, names: list[str], where: str, split: str) -> Tree:
    tree = base(folder, names, where)
    found = tree.folders()
    if split not in found and set(ANIMALS) <= set(found):
        raise ValueError(f"{tree.root} has no folder {split!r}. {_other('LISA')}")
    tree.expect("", ("train", split), None)
    return tree


def _subpopulation(folder: Path) -> FolderSet:
    """Read MetaShift's own folders, where a table tells of the contexts."""
    names = ["MetaShift-subpopulation-shift", "COCO-Cat-Dog-indoor-outdoor"]
    where = (
        "It is made by MetaShift's subpopulation_shift_cat_dog_indoor_outdoor.py. For the folders "
        'of SubpopBench, pass task="subpopbench".'
    )
    test = "val_out_of_domain"
    tree = _tree(folder, names, where, test)
    path = tree.root / GROUPS
    if not path.is_file():
        raise MissingDataError(f"{tree.root} has no {GROUPS}, which tells the contexts. {where}")
    for top, split in (("train", "train"), (test, "test")):
        tree.expect(top, ANIMALS)
        for y, animal in enumerate(ANIMALS):
            tree.take(f"{top}/{animal}", split=split, y=y)
    rows = tree.rows()
    contexts = _contexts(read_plain_pickle(path), path)
    names = [PurePosixPath(file).stem for file in rows["file"]]
    found = [contexts.get((y, name), set()) for y, name in zip(rows["y"], names, strict=True)]
    odd = [name for name, values in zip(rows["file"], found, strict=True) if len(values) != 1]
    if odd:
        raise ValueError(
            f"{path} must give one of {some(CONTEXTS)} to each image; {len(odd):,} have none or "
            f"both: {some(odd)}. {where}"
        )
    return FolderSet(
        tree,
        rows.assign(a=[next(iter(values)) for values in found]),
        target_names=by_number(ANIMALS),
        bias_names=by_number(CONTEXTS),
        counts=SUBPOPULATION,
        note="Task: subpopulation shift, with images of both contexts in training.",
    )


def _contexts(table: Any, path: Path) -> dict[tuple[int, str], set[int]]:
    """Return the contexts of each animal's images."""
    known = {
        f"{animal}({context})": (y, a)
        for y, animal in enumerate(ANIMALS)
        for a, context in enumerate(CONTEXTS)
    }
    contexts: dict[tuple[int, str], set[int]] = {}
    for image, group in _pairs(table, path, known):
        if group in known:
            y, a = known[group]
            contexts.setdefault((y, image), set()).add(a)
    return contexts


def _pairs(table: Any, path: Path, known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each image with each of its groups: tables go from images to groups, or back."""
    if not isinstance(table, dict):
        raise ValueError(f"{path} must hold a dict, found {type(table).__name__}.")
    back = bool(table) and set(table) <= set(known)
    for key, values in table.items():
        listed = [values] if _is_name(values) else values
        plain = isinstance(listed, list | tuple | set | frozenset)
        if not plain or not all(_is_name(value) for value in (key, *listed)):
            raise ValueError(
                f"{path} must hold the groups of each image, as texts; found {shown(key)}: "
                f"{shown(values)}, a {type(values).__name__}."
            )
        for value in listed:
            yield (str(value), str(key)) if back else (str(key), str(value))


def _is_name(value: Any) -> bool:
    return isinstance(value, str) or is_whole(value)


def _subpopbench(folder: Path) -> FolderSet:
    """Read the four folders of SubpopBench, and draw its shares from them."""
    name = "MetaShift-Cat-Dog-indoor-outdoor"
    where = "It is unpacked from MetaShift's archive of MetaShift-Cat-Dog-indoor-outdoor."
    tree = _tree(folder, [name, f"metashift/{name}"], where, "test")
    for top, cells in (("train", ((1, 1), (0, 0))), ("test", ((1, 0), (0, 1)))):
        tree.expect(top, ANIMALS)
        for y, a in cells:
            place = f"{top}/{ANIMALS[y]}"
            inner = f"{ANIMALS[y]}({CONTEXTS[a]})"
            tree.expect(place, (inner,))
            tree.take(f"{place}/{inner}", y=y, a=a)
    rows = tree.rows()
    return FolderSet(
        tree,
        rows.assign(split=_drawn(len(rows))),
        target_names=by_number(ANIMALS),
        bias_names=by_number(CONTEXTS),
        counts=SUBPOPBENCH,
        note="Task: SubpopBench's, drawn from sorted names.",
    )


def _drawn(n: int) -> np.ndarray:
    """Return a quarter of test rows and a tenth of validation rows, by SubpopBench's generator."""
    rng = np.random.RandomState(42)
    test = rng.choice(n, size=int(n * 0.25), replace=False)
    rest = np.setdiff1d(np.arange(n), test)
    validation = rng.choice(rest, size=int(n * 0.1), replace=False)
    split = np.full(n, "train", dtype=object)
    split[test], split[validation] = "test", "validation"
    return split
