"""Sets that are one table beside their files: what they are called, and what they hold."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._csv import SHARED, read_table
from sklearn_debias.datasets.readers._layouts_celeba import celeba
from sklearn_debias.datasets.readers._layouts_comments import COARSE, FINE, coarse, fine, wilds

BY_A_SCRIPT = "It is made by SubpopBench's script from the images."
BIRDS = {"file": "img_filename", "y": "y", "a": "place", "split": "split"}


@dataclass(frozen=True)
class CsvLayout:
    """How a set is kept.

    Parameters
    ----------
    files : tuple of str
        Patterns of the table's name, below the folder.
    where : str
        Where it comes from.
    columns : mapping of str to str, default=`SHARED`
        Where "file", "y", "a" and "split" stand, unless the table has the shared schema.
    roots : tuple of str, default=("",)
        Folders, below the folder, that file names may be relative to; the first that is there.
    images : bool, default=True
        Whether the rows are files. Else they are text, or numbers of rows.
    text : str or tuple of str, default=()
        Column(s) of text, which are the data, where the table has them.
    target_names, bias_names : mapping of int to str, default=None
        Values of the classes and of the bias.
    splits : mapping of str to str, default={}
        What is not called as elsewhere.
    counts : Counts, default=None
    open : callable, default=None
        ``open(path, folder, text)`` gives the table, where it is not the file as it is; ``text``
        are the columns of names and text.
    redrawn : bool, default=False
        Whether rows of "deployment" are drawn with replacement, from those of "test" as well.
    tables : mapping of str to CsvLayout, default={}
        What holds for tables of these names instead.
    """

    files: tuple[str, ...]
    where: str
    columns: Mapping[str, str] = field(default_factory=lambda: SHARED)
    roots: tuple[str, ...] = ("",)
    images: bool = True
    text: str | tuple[str, ...] = ()
    target_names: Mapping[Any, str] | None = None
    bias_names: Mapping[Any, str] | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    counts: Counts | None = None
    open: Callable[[Path, Path, Collection[str]], pd.DataFrame] | None = None
    redrawn: bool = False
    tables: Mapping[str, "CsvLayout"] = field(default_factory=dict)

    def of(self, path: Path) -> "CsvLayout":
        """Return the layout of the table of this name."""
        return self.tables.get(path.name, self)


def cells(*sizes: int, n_bias: int = 2) -> dict[tuple[int, int], int]:
    """Return counts by (y, a), given class by class."""
    return {divmod(i, n_bias): n for i, n in enumerate(sizes)}


LAYOUTS: dict[str, CsvLayout] = {
    "waterbirds": CsvLayout(
        (
            "metadata.csv",
            "waterbird_complete95_forest2water2/metadata.csv",
            "metadata_waterbirds.csv",
        ),
        "It is in waterbird_complete95_forest2water2.tar.gz of group_DRO, and in WILDS' "
        "waterbirds_v1.0.",
        BIRDS,
        roots=("waterbird_complete95_forest2water2", ""),
        target_names={0: "landbird", 1: "waterbird"},
        bias_names={0: "land", 1: "water"},
        counts=Counts(
            {
                "train": cells(3498, 184, 56, 1057),
                "validation": cells(467, 466, 133, 133),
                "test": cells(2255, 2255, 642, 642),
            },
            "Sagawa et al., ICLR 2020",
        ),
    ),
    "celeba": CsvLayout(
        (
            *("list_attr_celeba.csv", "list_attr_celeba.txt", "*/list_attr_celeba.txt"),
            *("celeba_metadata.csv", "metadata_celeba.csv"),
        ),
        "It is in CelebA's folder Anno; list_eval_partition is in Eval.",
        {"file": "image_id", "y": "Blond_Hair", "a": "Male", "split": "partition"},
        roots=("img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba", ""),
        target_names={0: "not blond", 1: "blond"},
        bias_names={0: "female", 1: "male"},
        counts=Counts(
            {
                "train": cells(71_629, 66_874, 22_880, 1387),
                "validation": cells(8535, 8276, 2874, 182),
                "test": cells(9767, 7535, 2480, 180),
            },
            "Sagawa et al., ICLR 2020",
        ),
        open=celeba,
    ),
    "metashift": CsvLayout(
        ("metadata_metashift.csv",),
        BY_A_SCRIPT,
        target_names={0: "dog", 1: "cat"},
        bias_names={0: "outdoor", 1: "indoor"},
        counts=Counts(
            {"train": 2276, "validation": 349, "test": 874},
            "Yang et al., ICML 2023 (SubpopBench)",
            verified=False,
        ),
    ),
    "civilcomments": CsvLayout(
        (
            *("all_data_with_identities.csv", "civilcomments_v1.0/all_data_with_identities.csv"),
            "metadata_civilcomments_*.csv",
        ),
        "It is in WILDS' civilcomments_v1.0.",
        {"file": "row", "y": "y", "a": "a", "split": "split"},
        images=False,
        text="comment_text",
        target_names={0: "not toxic", 1: "toxic"},
        counts=Counts(
            {
                "train": cells(148_186, 90_337, 12_731, 17_784),
                "validation": 45_180,
                "test": 133_782,
            },
            "Koh et al., ICML 2021 (WILDS)",
        ),
        open=wilds,
        tables={
            f"metadata_civilcomments_{name}.csv": CsvLayout(
                (),
                "It is made by SubpopBench's script from WILDS' table.",
                images=False,
                text="comment_text",
                target_names={0: "not toxic", 1: "toxic"},
                bias_names=values,
                open=opened,
            )
            for name, values, opened in (("coarse", COARSE, coarse), ("fine", FINE, fine))
        },
    ),
    "multinli": CsvLayout(
        ("metadata_random.csv", "data/metadata_random.csv", "metadata_multinli.csv"),
        "It is in group_DRO's folder dataset_metadata/multinli.",
        {"file": "row", "y": "gold_label", "a": "sentence2_has_negation", "split": "split"},
        images=False,
        text=("sentence1", "sentence2"),
        target_names={0: "contradiction", 1: "entailment", 2: "neutral"},
        bias_names={0: "no negation", 1: "negation"},
        counts=Counts(
            {
                "train": cells(57_498, 11_158, 67_376, 1521, 66_630, 1992),
                "validation": cells(22_814, 4634, 26_949, 613, 26_655, 797),
                "test": cells(34_597, 6655, 40_496, 886, 39_930, 1148),
            },
            "Sagawa et al., ICLR 2020",
        ),
        open=lambda path, folder, text: _numbered(read_table(path, text)),
    ),
    "nicopp": CsvLayout(("metadata.csv",), BY_A_SCRIPT),
    "imagenetbg": CsvLayout(
        ("metadata.csv",),
        BY_A_SCRIPT,
        splits={name: name for name in ("mixed_rand", "no_fg", "only_fg")},
    ),
    "chexpert": CsvLayout(
        ("subpop_bench_meta/metadata_no_finding.csv",),
        BY_A_SCRIPT,
        target_names={0: "finding", 1: "no finding"},
    ),
    "mimic": CsvLayout(
        (
            "subpop_bench_meta/metadata_no_finding.csv",
            "subpop_bench_meta/metadata_multisite.csv",
        ),
        BY_A_SCRIPT,
        tables={"metadata_multisite.csv": CsvLayout((), BY_A_SCRIPT, redrawn=True)},
    ),
    "breeds": CsvLayout(
        tuple(f"metadata_{n}.csv" for n in ("living17", "entity13", "entity30", "nonliving26")),
        BY_A_SCRIPT,
    ),
}


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Add numbers of rows, unless the table tells them apart already."""
    return table if "filename" in table else table.assign(row=np.arange(len(table)))
