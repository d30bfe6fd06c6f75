"""Lists of the long-tailed sets."""

import time
from dataclasses import replace

import numpy as np
import pytest

from sklearn_debias.datasets import read_long_tail
from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._layouts_lists import LAYOUTS, Profile
from sklearn_debias.exceptions import DebiasWarning

SIZES = (120, 100, 20, 19, 1)
SHOT = ["many", "medium", "medium", "few", "few"]


def lines(split, sizes):
    return [f"{split}/n0{c}/{i}.JPEG {c}" for c, size in enumerate(sizes) for i in range(size)]


def write_lists(folder, name="ImageNet_LT", sizes=SIZES, *, images=False):
    parts = {"train": sizes, "val": (2,) * len(sizes), "test": (3,) * len(sizes)}
    for split, own in parts.items():
        written = lines(split, own)
        (folder / f"{name}_{split}.txt").write_text("\n".join(written) + "\n", encoding="utf-8")
        for line in written if images else ():
            path = folder / line.rpartition(" ")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"an image")


@pytest.fixture
def small(monkeypatch):
    """ImageNet-LT as it would be with five classes."""
    counts = Counts(
        {
            "train": sum(SIZES),
            "validation": {(c,): 2 for c in range(5)},
            "test": {(c,): 3 for c in range(5)},
        },
        "a paper",
    )
    layout = replace(
        LAYOUTS["imagenet_lt"], n_classes=5, counts=counts, profile=Profile(120, 1, (1, 2, 2))
    )
    monkeypatch.setitem(LAYOUTS, "imagenet_lt", layout)
    return layout


def test_lists_as_published(tmp_path, small):
    write_lists(tmp_path, images=True)
    sets = read_long_tail(tmp_path, "imagenet_lt")
    np.testing.assert_array_equal(np.bincount(sets.train.target), SIZES)
    np.testing.assert_array_equal(sets.class_counts, SIZES)
    assert sets.shot.tolist() == SHOT
    np.testing.assert_array_equal(np.bincount(sets.validation.target), [2] * 5)
    np.testing.assert_array_equal(np.bincount(sets.test.target), [3] * 5)
    assert sets.test.data[0] == str(tmp_path / "test/n00/0.JPEG")
    np.testing.assert_array_equal(sets.test.index, np.arange(15))
    assert sets.test.metadata["file"][4] == "test/n01/1.JPEG"
    np.testing.assert_array_equal(sets.target_names, list("01234"))
    assert "bias_labels" not in sets.train
    assert sets.train.target.dtype == sets.class_counts.dtype == np.int64


def test_lists_of_any_set_and_images_elsewhere(tmp_path):
    (tmp_path / "lists").mkdir()
    write_lists(tmp_path / "lists", "pets")
    write_lists(tmp_path, images=True)
    sets = read_long_tail(tmp_path / "lists", root=tmp_path)
    assert sets.train.data[0] == str(tmp_path / "train/n00/0.JPEG")
    assert sets.class_counts.tolist() == list(SIZES)


def test_a_training_list_alone_and_a_class_without_rows(tmp_path):
    (tmp_path / "train.txt").write_text("a b.jpg 2\r\n\u2028.jpg 0", encoding="utf-8-sig")
    sets = read_long_tail(tmp_path, check_files=False)
    assert set(sets) == {"train", "target_names", "fingerprint", "DESCR", "class_counts", "shot"}
    assert sets.train.metadata["file"].tolist() == ["a b.jpg", "\u2028.jpg"]
    assert sets.class_counts.tolist() == [1, 0, 1]
    assert sets.shot.tolist() == ["few"] * 3


def test_the_fingerprint_is_of_the_rows_and_not_of_their_place(tmp_path):
    found = []
    for name, change in (("a", None), ("b", None), ("c", "train/n00/0.JPEG 1")):
        folder = tmp_path / name
        folder.mkdir()
        write_lists(folder)
        if change:
            path = folder / "ImageNet_LT_train.txt"
            path.write_text(path.read_text().replace("train/n00/0.JPEG 0", change))
        found.append(read_long_tail(folder, check_files=False).fingerprint)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((121, *SIZES[1:]), "train has 261 rows, the published set 260"),
        ((121, 99, *SIZES[2:]), r"the largest class of train has 121 rows.*120"),
        ((120, 101, 19, 19, 1), r"2 classes of train have many rows, in the published set 1 \(2"),
        ((120, 99, 20, 19, 1, 1), "validation has|train has 260"),
    ],
)
def test_counts_that_differ(tmp_path, small, sizes, message):
    write_lists(tmp_path, sizes=sizes)
    if len(sizes) == 5:
        with pytest.raises(ValueError, match=f"{message}.*check_counts=False"):
            read_long_tail(tmp_path, "imagenet_lt", check_files=False)
    with pytest.warns(DebiasWarning) as caught:
        read_long_tail(tmp_path, "imagenet_lt", check_files=False, check_counts=False)
    if len(sizes) == 5:
        assert "may not compare with published" in str(caught[0].message)


def test_a_test_class_that_differs(tmp_path, small):
    write_lists(tmp_path)
    path = tmp_path / "ImageNet_LT_test.txt"
    path.write_text(path.read_text() + "test/n04/9.JPEG 4")
    with pytest.raises(ValueError, match=r"test has 4 rows of \(y=4\), the published set 3"):
        read_long_tail(tmp_path, "imagenet_lt", check_files=False)


def test_recalled_numbers_warn(tmp_path, small, monkeypatch):
    write_lists(tmp_path)
    recalled = Profile(120, 1, (1, 1, 3), shots_verified=False)
    monkeypatch.setitem(LAYOUTS, "imagenet_lt", replace(small, profile=recalled))
    with pytest.warns(DebiasWarning, match="2 classes of train have medium.*recalled, not verif"):
        read_long_tail(tmp_path, "imagenet_lt", check_files=False)


def test_published_numbers_agree_with_each_other():
    for name, (rows, classes) in {
        "imagenet_lt": (115_846, 1000),
        "places_lt": (62_500, 365),
        "inat2018": (437_513, 8142),
    }.items():
        layout = LAYOUTS[name]
        assert layout.counts.of["train"] == rows
        assert layout.n_classes == sum(layout.profile.shots) == classes
        for split, cells in layout.counts.of.items():
            assert split in layout.lists
            assert isinstance(cells, int) or len(cells) == classes
    assert sum(LAYOUTS["imagenet_lt"].counts.of["validation"].values()) == 20_000
    assert sum(LAYOUTS["imagenet_lt"].counts.of["test"].values()) == 50_000
    assert sum(LAYOUTS["inat2018"].counts.of["validation"].values()) == 24_426


def test_images_that_are_listed_and_absent(tmp_path):
    write_lists(tmp_path, images=True)
    for i in range(5):
        (tmp_path / f"train/n00/{i}.JPEG").unlink()
    with pytest.raises(FileNotFoundError, match=r"5 of which are not in.*0.JPEG', .* 2 more"):
        read_long_tail(tmp_path)
    assert len(read_long_tail(tmp_path, check_files=False).train.data) == sum(SIZES)


@pytest.mark.parametrize("name", ["/etc/passwd", "train/../../secret.jpg", "C:/images/a.jpg"])
@pytest.mark.parametrize("check_files", [True, False])
def test_paths_that_lead_out_of_the_folder(tmp_path, name, check_files):
    (tmp_path / "train.txt").write_text(f"{name} 0\n")
    with pytest.raises(ValueError, match=r"train\.txt must name files by paths within its folder"):
        read_long_tail(tmp_path, check_files=check_files)


def test_a_beginning_that_is_left_out(tmp_path):
    (tmp_path / "train.txt").write_text("/data/imagenet/a.jpg 0\n")
    sets = read_long_tail(tmp_path, strip="/data/imagenet/", check_files=False)
    assert sets.train.data.tolist() == [str(tmp_path / "a.jpg")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "train.txt has no lines"),
        (b"a.jpg 0\nb.jpg\n", r"line 2 is 'b\.jpg'"),
        (b"a.jpg 0\n\nb.jpg 0\n", "line 2 is ''"),
        (b"a.jpg -1\n", r"label a whole number from 0; line 1 is 'a\.jpg -1'"),
        (b"a.jpg 0.5\n", "line 1 is"),
        (b"a.jpg \xc2\xb2\n", "line 1 is"),
        (b"a.jpg 99999999999999999999\n", "line 1 is"),
        (b"a.jpg 100000\n", "labels below 100,000, one for each class; found 100,000"),
        ("b\u00e9.jpg 0".encode("latin1"), "train.txt must be encoded in UTF-8"),
    ],
)
def test_lists_of_another_form(tmp_path, content, message):
    (tmp_path / "train.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_long_tail(tmp_path, check_files=False)


def test_an_image_in_two_lists(tmp_path):
    write_lists(tmp_path)
    path = tmp_path / "ImageNet_LT_test.txt"
    path.write_text("train/n00/0.JPEG 0\ntrain/n00/1.JPEG 0\n")
    with pytest.warns(DebiasWarning, match="name 2 images more than once: 'train/n00/0.JPEG'"):
        read_long_tail(tmp_path, check_files=False)


def test_missing_lists_and_those_of_several_sets(tmp_path):
    with pytest.raises(FileNotFoundError, match="`folder` must name what exists"):
        read_long_tail(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no list that ends in train.txt"):
        read_long_tail(tmp_path)
    with pytest.raises(ValueError, match="`layout` must be one of 'imagenet_lt', 'places_lt'"):
        read_long_tail(tmp_path, "imagenet")
    write_lists(tmp_path)
    (tmp_path / "ImageNet_LT_val.txt").unlink()
    with pytest.raises(FileNotFoundError, match="no ImageNet_LT_val.txt. The lists are among"):
        read_long_tail(tmp_path, "imagenet_lt")
    with pytest.raises(FileNotFoundError, match="must be a folder, got the file"):
        read_long_tail(tmp_path / "ImageNet_LT_train.txt")
    write_lists(tmp_path, "Places_LT")
    with pytest.raises(ValueError, match="lists of 2 sets: 'ImageNet_LT_train.txt', 'Places"):
        read_long_tail(tmp_path)


def test_reading_200_000_rows_takes_little(tmp_path):
    write_lists(tmp_path, sizes=(195,) * 1000)
    start = time.process_time()
    sets = read_long_tail(tmp_path, check_files=False)
    assert time.process_time() - start < 2
    assert len(sets.train.target) + len(sets.validation.target) + len(sets.test.target) == 200_000
