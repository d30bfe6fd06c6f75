"""What an import costs in a fresh process, scores of many groups, and readers of many images."""

import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
from timing import Case

from sklearn_debias.datasets import read_group_folders, read_metadata_csv
from sklearn_debias.metrics import worst_group_accuracy_score

BUILT_ON = "import torch, sklearn, skorch"
IMPORTS = {
    "import": ("import sklearn_debias", BUILT_ON, 1.05),
    "import-method": ("from sklearn_debias import ERMClassifier", BUILT_ON, 1.05),
    "import-all": ("from sklearn_debias import *", BUILT_ON, 1.05),
}


def import_of(ours, reference):
    def run(code):
        subprocess.run([sys.executable, "-c", code], check=True)

    return lambda: run(ours), lambda: run(reference)


def groups(n):
    """Prepare n rows in 1,000 groups of class and bias: our score, and nothing but the counts."""
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 10, (2, n))
    bias = rng.integers(0, 100, n)

    def counts():
        cell = truth * 100 + bias
        size = np.bincount(cell, minlength=1000)
        return (np.bincount(cell, weights=truth == guess, minlength=1000) / size).min()

    def score():
        return worst_group_accuracy_score(truth, guess, bias_labels=bias)

    assert score() == counts()
    return score, counts


def images(n):
    """Prepare a table of n files in one folder: reading it, and reading nothing but the table."""
    folder = Path(mkdtemp())
    (folder / "img").mkdir()
    names = [f"img/{i}.jpg" for i in range(n)]
    for name in names:
        (folder / name).write_bytes(b"x")
    table = pd.DataFrame(
        np.random.default_rng(0).integers(0, 2, (n, 3)), columns=["y", "a", "split"]
    )
    table.assign(filename=names).to_csv(folder / "metadata.csv", index=False)

    def read():
        return read_metadata_csv(folder)

    weakref.finalize(read, shutil.rmtree, folder)
    return read, lambda: pd.read_csv(folder / "metadata.csv")


def folders(n):
    """Prepare n files in 60 folders: reading them, and walking through the folders."""
    folder = Path(mkdtemp())
    for i in range(60):
        place = folder / ("train", "val", "test")[i % 3] / f"class_{i // 3 % 5}" / f"bias_{i // 15}"
        place.mkdir(parents=True)
        for image in range(n // 60):
            (place / f"{image}.jpg").write_bytes(b"x")

    def read():
        return read_group_folders(folder)

    weakref.finalize(read, shutil.rmtree, folder)
    return read, lambda: sum(len(files) for _, _, files in os.walk(folder))


CASES = [
    Case(
        name,
        f"`{ours}`",
        f"`{reference}`",
        asked,
        lambda quick, ours=ours, reference=reference: import_of(ours, reference),
        rounds=7,
        holds=1.3,
    )
    for name, (ours, reference, asked) in IMPORTS.items()
]
CASES += [
    Case(
        "import-metrics",
        "`import sklearn_debias.metrics`, seconds",
        "-",
        1,
        lambda quick: import_of("import sklearn_debias.metrics", BUILT_ON),
        rounds=7,
        holds=4,
        unit="s",
    ),
    Case(
        "read-images",
        "`read_metadata_csv` of 200,000 images, seconds",
        "-",
        2,
        lambda quick: images(1000 if quick else 200_000),
        rounds=5,
        holds=4,
        unit="s",
    ),
    Case(
        "read-folders",
        "`read_group_folders` of 200,000 images, seconds",
        "-",
        2,
        lambda quick: folders(1020 if quick else 200_000),
        rounds=5,
        holds=4,
        unit="s",
    ),
    Case(
        "group-scores",
        "worst-group accuracy, 1,000,000 rows, 1,000 groups",
        "`np.bincount`",
        5,
        lambda quick: groups(50_000 if quick else 1_000_000),
        rounds=11,
        holds=30,
    ),
]
