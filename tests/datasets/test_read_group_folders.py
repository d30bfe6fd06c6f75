"""Folders of classes and bias values of any set: levels, names, files, links, parameters."""

import os

import numpy as np
import pytest
from grown import grow, quietly

from sklearn_debias.datasets import read_group_folders
from sklearn_debias.datasets.readers._group_folders import LAYOUTS
from sklearn_debias.exceptions import DebiasWarning

PLACES = {
    "train/bird/land": 3,
    "train/bird/water": 1,
    "train/fish/water": 2,
    "val/bird/land": 1,
    "test/fish/land": 2,
}


@pytest.fixture
def folder(tmp_path):
    return grow(tmp_path / "animals", PLACES)


def test_labels_are_the_names_of_folders(folder):
    found = read_group_folders(folder)
    assert found.target_names.tolist() == ["bird", "fish"]
    assert found.bias_names.tolist() == ["land", "water"]
    assert found.train.target.tolist() == [0, 0, 0, 0, 1, 1]
    assert found.train.bias_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.validation.data.tolist() == [str(folder / "val/bird/land/0.jpg")]
    assert found.test.target.tolist() == [1, 1]
    assert found.test.bias_labels.tolist() == [0, 0]
    assert found.train.data.dtype.kind == "U"
    assert found.train.target.dtype == found.train.bias_labels.dtype == np.int64
    assert found.train.metadata["file"][0] == "train/bird/land/0.jpg"
    assert "9 images" in found.DESCR
    index = np.concatenate([found[name].index for name in ("train", "validation", "test")])
    assert sorted(index.tolist()) == list(range(9))


def test_k_by_k_folders_of_spuco(tmp_path):
    """`SpuCoImageFolder`: each class has a folder for the shortcut of every class."""
    n_classes = 11  # of which "10" is the last, and not the second
    places = {
        f"{split}/{y}/{a}": 2 if split == "train" and y == a else 1
        for split in ("train", "val", "test")
        for y in range(n_classes)
        for a in range(n_classes)
    }
    found = read_group_folders(grow(tmp_path, places))
    names = [str(i) for i in range(n_classes)]
    assert found.target_names.tolist() == found.bias_names.tolist() == names
    for split in ("train", "validation", "test"):
        part = found[split]
        counts = np.zeros((n_classes, n_classes), dtype=int)
        np.add.at(counts, (part.target, part.bias_labels), 1)
        expected = np.ones((n_classes, n_classes)) + (split == "train") * np.eye(n_classes)
        np.testing.assert_array_equal(counts, expected)
        folders = [path.split(os.sep)[-3:-1] for path in part.data.tolist()]
        labels = zip(part.target, part.bias_labels, strict=True)
        assert folders == [[names[y], names[a]] for y, a in labels]


def test_without_splits_all_is_training(tmp_path):
    found = read_group_folders(grow(tmp_path, {"cat/indoor": 2, "dog/outdoor": 1}))
    assert found.train.target.tolist() == [0, 0, 1]
    assert "validation" not in found
    assert "test" not in found
    assert "no folders of splits: all images are in `train`" in found.DESCR


def test_numbers_are_sorted_as_numbers(tmp_path):
    found = read_group_folders(grow(tmp_path, {f"{i}/{j}": 1 for i in (2, 10) for j in (0, 11, 3)}))
    assert found.target_names.tolist() == ["2", "10"]
    assert found.bias_names.tolist() == ["0", "3", "11"]


def test_a_fingerprint_tells_copies_apart_and_not_places(folder, tmp_path):
    one = read_group_folders(folder).fingerprint
    again = read_group_folders(grow(tmp_path / "elsewhere", PLACES)).fingerprint
    assert one == again
    (folder / "train/fish/water/0.jpg").rename(folder / "train/bird/water/9.jpg")
    assert read_group_folders(folder).fingerprint != one


def test_images_by_suffix(folder):
    names = ["a.JPEG", "b.png", "c.webp", "d.BMP", "e.jpeg"]
    grow(folder, {"test/bird/land": names})
    assert sum(read_group_folders(folder).test.target == 0) == 5


def test_hidden_files_and_litter_are_left_out_in_silence(folder):
    litter = [".DS_Store", "._0.jpg", "Thumbs.db", "thumbs.db"]
    grow(folder, {"train/bird/land": litter, ".cache/x": 1, "__MACOSX/train": 1, "": ["readme.md"]})
    systems = {"lost+found": 0, "$Recycle.Bin/x": 1, "train/bird/@eaDir": 1}
    grow(folder, systems)  # of file systems, Windows and network drives
    assert len(read_group_folders(folder).train.data) == 6


def test_other_files_are_left_out_with_a_warning(folder):
    grow(folder, {"train/bird/land": ["notes.txt", "list.csv"], "train/bird": ["lost.png"]})
    with pytest.warns(DebiasWarning, match="3 files are left out.*'train/bird/lost.png'"):
        found = read_group_folders(folder)
    assert len(found.train.data) == 6


def test_folders_without_images_are_warned_of(folder):
    grow(folder, {"test/bird/water": 0})
    with pytest.warns(DebiasWarning, match="there are no images in 'test/bird/water'"):
        read_group_folders(folder)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"train/bird/land": 1, "models/bird/land": 1}, "splits 'train' beside 'models'"),
        ({"val/bird/land": 1, "valid/bird/land": 1}, "one folder for each split; found 'val'"),
        ({"train/bird": 2}, r"folders of bias values; there are none in '.*train/bird'"),
        ({"train/bird/land": 2, "test": 2}, "there are none in '.*test'"),
        ({"": 2}, "`folder` must hold folders of classes"),
        ({"a/b": 0}, r"no images \(.jpg, .*\) where they should be: 'a/b'"),
        ({"train/bird/land/forest": 1}, "land must hold images; found the folders 'forest'"),
        (
            {"cat/train": 1, "dog/train": 1, "dog/test": 1},
            "bias values are called 'test', 'train', as splits are. Splits must be the top level",
        ),
        (
            {"train/Cat/in": 1, "train/dog/in": 1, "test/cat/in": 1},
            "folders of classes must not hold two names for one thing; found 'Cat' and 'cat'",
        ),
        (
            {"train/\u00e9t\u00e9/in": 1, "test/e\u0301te\u0301/in": 1},
            r"found 'e.u0301te.u0301' and '.xe9t.xe9'",
        ),
        ({"a/in": 1, "b/ In ": 1}, "folders of bias values must not hold .* ' In ' and 'in'"),
    ],
)
def test_other_levels_are_named(tmp_path, places, message):
    with pytest.raises(ValueError, match=message):
        read_group_folders(grow(tmp_path, places))


def test_names_in_one_split_may_be_much_alike(tmp_path):
    places = ["train/A/1", "train/a/01", "test/a/1"]
    found = read_group_folders(grow(tmp_path, dict.fromkeys(places, 1)))
    assert found.target_names.tolist() == ["A", "a"]
    assert found.bias_names.tolist() == ["01", "1"]
    assert found.test.target.tolist() == found.test.bias_labels.tolist() == [1]


def test_a_class_that_only_other_sets_have_is_warned_of(folder):
    grow(folder, {"test/cow/land": 1})
    with pytest.warns(DebiasWarning, match="train has no rows of the classes 'cow'"):
        found = read_group_folders(folder)
    assert found.target_names[found.test.target].tolist() == ["cow", "fish", "fish"]


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="`folder` must name what exists"):
        read_group_folders(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="`folder` must be a folder, got the file"):
        read_group_folders(tmp_path / "file")
    with pytest.raises(ValueError, match="`folder` must be a str or a path, got 3"):
        read_group_folders(3)


def test_empty_files(folder):
    (folder / "train/bird/land/1.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1 files in .* are empty: 'train/bird/land/1.jpg'"):
        read_group_folders(folder)


def test_links_within_the_folder_are_followed(folder):
    (folder / "train/fish/land").symlink_to(folder / "train/bird/land")
    (folder / "test/fish/land/9.jpg").symlink_to(folder / "test/fish/land/0.jpg")
    found = read_group_folders(folder)
    assert len(found.train.data) == 9
    assert len(found.test.data) == 3


@pytest.mark.parametrize("link", ["train/fish/land", "test/fish/land/9.jpg"])
def test_links_out_of_the_folder(folder, tmp_path, link):
    outside = grow(tmp_path / "outside", {"": 1})
    (folder / link).symlink_to(outside / "0.jpg" if link.endswith("jpg") else outside)
    with pytest.raises(ValueError, match=f"{link}' leads out of .* by a link. Copy the files"):
        read_group_folders(folder)


@pytest.mark.parametrize("target", ["gone.jpg", "9.jpg"])  # nothing, and itself
def test_links_to_nothing(folder, target):
    place = folder / "test/fish/land"
    (place / "9.jpg").symlink_to(place / target)
    with pytest.raises(FileNotFoundError, match="1 of which are not in .*land/9.jpg"):
        read_group_folders(folder)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text(folder):
    try:
        with open(os.fsencode(folder / "test/fish/land") + b"/\xff.jpg", "wb") as file:
            file.write(b"an image")
    except OSError:
        pytest.skip("the file system takes text only")
    with pytest.raises(ValueError, match=r"text in UTF-8; 1 are not: 'test/fish/land/.udcff"):
        read_group_folders(folder)


def test_names_in_any_language(folder):
    grow(folder, {"test/fish/land": ["Fisch Nr. 1 – groß.jpg", "魚.png"]})
    found = read_group_folders(folder)
    assert {os.path.basename(path) for path in found.test.data} >= {"魚.png"}


def test_no_image_is_opened(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("opened")

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", refuse)
        found = read_group_folders(folder)
    assert len(found.train.data) == 6


def test_unknown_layout(folder):
    with pytest.raises(ValueError, match="`layout` must be one of 'spuco_birds', .* got 'birds'"):
        read_group_folders(folder, "birds")


OPTIONS = {
    "benchmark": "o2o_easy",
    "percent": "1",
    "test": "all",
    "conflicting": 17,
    "task": "subpopbench",
}


@pytest.mark.parametrize("layout", [None, *LAYOUTS])
@pytest.mark.parametrize("name", OPTIONS)
def test_parameters_of_other_layouts(tmp_path, layout, name):
    owners = [key for key, kind in LAYOUTS.items() if name in kind.options]
    assert owners
    if layout in owners:
        with pytest.raises(FileNotFoundError):  # the folder is empty
            read_group_folders(tmp_path, layout, **{name: OPTIONS[name]})
        return
    with pytest.raises(ValueError, match=f'`{name}` belongs to layout="{owners[0]}".* got layout='):
        read_group_folders(tmp_path, layout, **{name: OPTIONS[name]})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_folder_says_what_was_looked_for_and_where_it_comes_from(tmp_path, layout):
    more = {"benchmark": "m2m_hard"} if layout == "spawrious" else {}
    with pytest.raises(FileNotFoundError, match=r"must hold the folders .* It is (unpacked|made)"):
        quietly(tmp_path, layout, **more)
