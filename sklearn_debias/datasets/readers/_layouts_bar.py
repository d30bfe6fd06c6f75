"""Biased Action Recognition as published, and as BiasEnsemble keeps it."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.datasets._bar_protocol import ACTIONS, ALIGNMENT, moved_rows
from sklearn_debias.datasets._checks import check_int, streams
from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._folders import FolderSet, Tree, base, by_number
from sklearn_debias.datasets.readers._layouts_dfa import check_percent, named_labels
from sklearn_debias.datasets.readers._splits import some
from sklearn_debias.seeds import Seed

NAME = re.compile(r"(?:^|/)([^/]*)_\d+\.[^.]+$")
PERCENTS = ("1", "5")
COUNTS = Counts(
    {
        "train": {(i,): n for i, n in enumerate((326, 520, 163, 279, 336, 317))},
        "test": {(i,): n for i, n in enumerate((105, 159, 42, 131, 132, 85))},
    },
    "the files of Nam et al., NeurIPS 2020",
)


def read_bar_folder(
    folder: Path, conflicting: Any = None, percent: Any = None, random_state: Seed = 0
) -> FolderSet:
    """Read the photographs with labels from their names, or from BiasEnsemble's folders."""
    tree = base(folder, ["BAR", "bar"], "It is unpacked from LfF's archive of BAR.")
    tree.expect("", ("train", "test"), None)
    if tree.folders("train"):
        if conflicting is not None:
            raise ValueError(
                f"`conflicting` belongs to BAR as published; {tree.root} is BiasEnsemble's, with "
                'folders of its own for percent="1" and "5". Leave it out.'
            )
        return _ensemble(tree, percent)
    if percent is not None:
        raise ValueError(
            f"`percent` belongs to BiasEnsemble's folders of BAR; {tree.root} is BAR as published. "
            "Pass conflicting=17 for 1 %, or 94 for 5 %."
        )
    return _raw(tree, conflicting, random_state)


def _raw(tree: Tree, conflicting: Any, random_state: Seed) -> FolderSet:
    """Read train/climbing_0.jpg and test/pole vaulting_279.jpg."""
    n_moved = check_int("conflicting", 0 if conflicting is None else conflicting, 0)
    (rng,) = streams(random_state, "bar")  # that of `read_bar`: the same photographs move
    for split in ("train", "test"):
        tree.take(split, split=split)
    published = tree.rows()
    found = [NAME.search(name) for name in published["file"]]
    actions = [match[1] if match else "" for match in found]
    odd = [n for n, action in zip(published["file"], actions, strict=True) if action not in ACTIONS]
    if odd:
        raise ValueError(
            f"{tree.root}: names must begin with {some(ACTIONS, 6)}, as in climbing_0.jpg; "
            f"{len(odd):,} do not: {some(odd)}. {tree.where}"
        )
    y = np.array([ACTIONS.index(action) for action in actions], dtype=np.int64)
    a = (published["split"] == "test").to_numpy(dtype=np.int64)
    published = published.assign(y=y, a=a)
    rows = published.copy()
    rows.loc[moved_rows(y, a, n_moved, rng), "split"] = "train"
    return FolderSet(
        tree,
        rows,
        target_names=by_number(ACTIONS),
        bias_names=by_number(ALIGNMENT),
        counts=COUNTS,
        by=("y",),
        published=published,
        note=f"Moved from the test to the training set: {n_moved} conflicting photographs.",
    )


def _ensemble(tree: Tree, percent: Any) -> FolderSet:
    """Read train/align, train/conflict/{percent}pct, valid and test, in folders of classes."""
    conflict = f"train/conflict/{check_percent(percent, PERCENTS)}pct"
    tree.where = "It is unpacked from BiasEnsemble's archive of BAR."
    tree.expect("", ("train", "valid", "test"), None)
    tree.expect("train", ("align", "conflict"))
    tree.expect("train/conflict", (conflict.rpartition("/")[2],), None)
    for place, split, way in (
        ("train/align", "train", 0),
        (conflict, "train", 1),
        ("valid", "validation", -1),
        ("test", "test", -1),
    ):
        for name in tree.folders(place):
            tree.take(f"{place}/{name}", split=split, folder=-1, way=-1, known=way)
    rows = named_labels(tree, len(ACTIONS))
    # The folders tell of training images; the names, of others.
    known = rows.pop("known")
    rows["a"] = np.where(known < 0, rows.pop("conflicting"), known)
    return FolderSet(tree, rows, target_names=by_number(ACTIONS), bias_names=by_number(ALIGNMENT))
