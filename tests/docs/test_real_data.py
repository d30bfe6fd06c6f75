"""The page on real data names every reader and layout, and tells whose counts are verified."""

import re
from pathlib import Path
from typing import get_args

import pytest

from sklearn_debias import datasets
from sklearn_debias.datasets import _xrm_mnist
from sklearn_debias.datasets.readers import _group_folders, _layouts_csv, _layouts_lists

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "real_data.md").read_text(encoding="utf-8")
READERS = {
    "read_metadata_csv": _layouts_csv.LAYOUTS,
    "read_group_folders": _group_folders.LAYOUTS,
    "read_long_tail": _layouts_lists.LAYOUTS,
}
# layout -> (files, counts), by reader
ROWS = {
    (reader, layout or None): (files, counts)
    for reader, layout, files, counts in re.findall(
        r'^\| [^|]+ \| `(read_\w+)\(\w+(?:, "(\w+)")?[^|]*\| ([^|]+) \| ([^|]+) \|$',
        PAGE,
        re.MULTILINE,
    )
}


def test_the_table_has_every_reader():
    assert {reader for reader, _ in ROWS} == {n for n in datasets.__all__ if n.startswith("read_")}


@pytest.mark.parametrize("reader", READERS)
def test_the_table_has_every_layout(reader):
    named = [layout for name, layout in ROWS if name == reader and layout]
    assert named == list(READERS[reader])


@pytest.mark.parametrize("reader", ["read_metadata_csv", "read_long_tail"])
def test_the_table_tells_whose_counts_are_verified(reader):
    for name, layout in READERS[reader].items():
        counts = layout.counts
        right = "none" if counts is None else "verified" if counts.verified else "recalled"
        assert ROWS[reader, name][1].split(";")[0] == right, name


def test_counts_of_folders_are_what_the_reader_says_of_them():
    notes = datasets.read_group_folders.__doc__.split("Notes\n")[1].split("References")[0]
    verified, recalled = " ".join(notes.split()).split("are verified.")
    for title in ("SpuCoBirds", "SpuCoDogs", "UrbanCars", "Spawrious", "BAR"):
        assert title in verified
    assert "BFFHQ, CMNIST, CIFAR10-C and SubpopBench's MetaShift are recalled" in recalled
    told = {name: ROWS["read_group_folders", name][1] for name in _group_folders.LAYOUTS}
    begins = {name: counts.split(";")[0] for name, counts in told.items()}
    assert begins == {
        **dict.fromkeys(["spuco_birds", "spuco_dogs", "urbancars", "spawrious"], "verified"),
        **dict.fromkeys(["bffhq", "cmnist", "cifar10c"], "recalled"),
        **dict.fromkeys(["bar", "metashift"], "verified"),
    }


def test_tables_and_lists_are_those_that_the_readers_look_for():
    for name, layout in _layouts_csv.LAYOUTS.items():
        stem = re.match(r"[a-z]+", Path(layout.files[0]).name)[0]
        assert stem in ROWS["read_metadata_csv", name][0], name
    for name, layout in _layouts_lists.LAYOUTS.items():
        files = ROWS["read_long_tail", name][0]
        assert layout.lists["train"].removesuffix("_train.txt") in files
        assert ("test" in files) == ("test" in layout.lists)


def test_eleven_sets_have_one_name():
    table = PAGE.split("## Eleven sets called Coloured MNIST")[1].split("All that are built")[0]
    whose = re.findall(r"^\| ([\w ]+) \| [\w ]+ \| .* \| .* \|$", table, re.MULTILINE)[1:]
    assert len(whose) == 11
    assert [name.removeprefix("XRM ") for name in whose[-4:]] == list(get_args(_xrm_mnist.Name))
    built = {name for name in datasets.__all__ if name.endswith("_mnist")}
    assert set(re.findall(r"`(\w+_mnist)\b", table)) == built - {"read_mnist", "patch_mnist"}
