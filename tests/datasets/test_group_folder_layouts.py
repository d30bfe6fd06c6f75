"""The layouts of published sets of folders: labels, splits, counts, and copies that differ."""

from itertools import product

import numpy as np
import pytest
from grown import cells, grow, quietly

from sklearn_debias.datasets import read_group_folders
from sklearn_debias.datasets.readers import _layouts_spawrious as spawrious
from sklearn_debias.datasets.readers._layouts_crossed import (
    SPUCO_BIRDS,
    SPUCO_DOGS,
    URBAN_COUNTS,
)
from sklearn_debias.exceptions import DebiasWarning

AREAS = ("urban", "country")
BIASED, BALANCED = (f"bg-{r}_co_occur_obj-{r}" for r in ("0.95", "0.5"))


def of_spuco(layout, n=1):
    classes, biases = {
        "spuco_birds": (("landbirds", "waterbirds"), ("land", "water")),
        "spuco_dogs": (("small_dogs", "big_dogs"), ("indoor", "outdoor")),
    }[layout]
    return {
        f"{split}/{y}/{a}": n for split, y, a in product(("train", "val", "test"), classes, biases)
    }


@pytest.mark.parametrize("layout", ["spuco_birds", "spuco_dogs"])
@pytest.mark.parametrize("below", ["", "{}/"])
def test_spuco(tmp_path, layout, below):
    grow(tmp_path / below.format(layout), of_spuco(layout))
    found = quietly(tmp_path, layout)
    for part in (found.train, found.validation, found.test):
        assert part.target.tolist() == [0, 0, 1, 1]
        assert part.bias_labels.tolist() == [0, 1, 0, 1]
    first = {"spuco_birds": ("landbirds", "land"), "spuco_dogs": ("small_dogs", "indoor")}[layout]
    assert (found.target_names[0], found.bias_names[0]) == first


def test_a_fingerprint_does_not_depend_on_the_folder_that_is_named(tmp_path):
    grow(tmp_path / "spuco_birds", of_spuco("spuco_birds"))
    above, itself = (
        quietly(folder, "spuco_birds") for folder in (tmp_path, tmp_path / "spuco_birds")
    )
    assert above.fingerprint == itself.fingerprint
    assert above.train.data.tolist() == itself.train.data.tolist()


def test_spuco_counts_are_the_published_sizes():
    for kind in (SPUCO_BIRDS, SPUCO_DOGS):
        assert kind.counts.verified
        sizes = {split: sum(of.values()) for split, of in kind.counts.of.items()}
        assert sizes == {"train": 21_000, "validation": 1050, "test": 2000}


def test_spuco_with_another_count(tmp_path):
    grow(tmp_path, of_spuco("spuco_birds"))
    message = r"train has 1 rows of \(y=0, a=0\), the published set 10,000 \(11 more differ\)"
    with pytest.raises(ValueError, match=message):
        read_group_folders(tmp_path, "spuco_birds")
    with pytest.warns(DebiasWarning, match=message):
        read_group_folders(tmp_path, "spuco_birds", check_counts=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train/seabirds/land": 1}, "'landbirds', 'waterbirds'; found 'seabirds' as well"),
        ({"test/landbirds/air": 1}, "'land', 'water'; found 'air' as well"),
        ({"train_old/landbirds/land": 1}, "'train', 'val', 'test'; found 'train_old' as well"),
    ],
)
def test_spuco_with_unknown_folders(tmp_path, change, message):
    grow(tmp_path, of_spuco("spuco_birds") | change)
    with pytest.raises(ValueError, match=message):
        quietly(tmp_path, "spuco_birds")


def test_spuco_without_a_folder(tmp_path):
    places = of_spuco("spuco_dogs")
    del places["val/big_dogs/indoor"]
    grow(tmp_path, places)
    with pytest.raises(
        FileNotFoundError, match=r"val/big_dogs must hold .* no 'indoor', only 'outdoor'. It is"
    ):
        quietly(tmp_path, "spuco_dogs")


def of_urbancars(train=(1, 1, 1), rest=1):
    name = "obj-{}_bg-{}_co_occur_obj-{}"
    places = {}
    for cell in product(AREAS, repeat=3):
        places[f"{BIASED}/train/{name.format(*cell)}"] = train[sum(a != cell[0] for a in cell[1:])]
        for split in ("val", "test"):
            places[f"{BALANCED}/{split}/{name.format(*cell)}"] = rest
    return places


@pytest.mark.parametrize("below", ["", "urbancars"])
def test_urbancars(tmp_path, below):
    grow(tmp_path / below, of_urbancars())
    found = quietly(tmp_path, "urbancars")
    every = [list(cell) for cell in product((0, 1), repeat=3)]
    for part in (found.train, found.validation, found.test):
        assert np.column_stack([part.target, part.bias_labels]).tolist() == every
        assert part.bias_labels.shape == (8, 2)
    assert found.train.metadata["co_occurring_object"].tolist() == [0, 1] * 4
    assert [names.tolist() for names in found.bias_names] == [list(AREAS)] * 2
    assert BALANCED in found.validation.data[0]
    assert BIASED in found.train.data[0]


def test_masks_of_urbancars_are_no_images(tmp_path):
    """The generator writes two masks beside each image, and another script a third file."""
    beside = ("000.jpg", "000_mask.png", "000_co_occur_obj_mask.png", "000_bg_only.png")
    grow(tmp_path, dict.fromkeys(of_urbancars(), beside))
    with pytest.warns(DebiasWarning) as caught:
        found = read_group_folders(tmp_path, "urbancars", check_counts=False)
    assert [len(found[name].data) for name in ("train", "validation", "test")] == [8, 8, 8]
    assert all(path.endswith("000.jpg") for path in found.train.data)
    assert not any("left out" in str(w.message) for w in caught)  # they are part of the set


def test_other_files_of_urbancars_are_warned_of(tmp_path):
    cell = f"{BIASED}/train/obj-urban_bg-urban_co_occur_obj-urban"
    grow(tmp_path, of_urbancars() | {cell: ["0.jpg", "copy.png"]})
    with (
        pytest.warns(DebiasWarning, match="1 files are left out.*copy.png"),
        pytest.warns(DebiasWarning, match="the published set 3,610"),
    ):
        read_group_folders(tmp_path, "urbancars", check_counts=False)


def test_urbancars_as_published(tmp_path):
    grow(tmp_path, of_urbancars((3610, 190, 10), 125))
    found = read_group_folders(tmp_path, "urbancars")
    assert [len(found[name].data) for name in ("train", "validation", "test")] == [8000, 1000, 1000]
    (tmp_path / BALANCED / "val/obj-country_bg-urban_co_occur_obj-country/7.jpg").unlink()
    cell = "y=1, background=0, co_occurring_object=1"
    with pytest.raises(ValueError, match=rf"validation has 124 rows of \({cell}\), the pub.* 125;"):
        read_group_folders(tmp_path, "urbancars")


def test_urbancars_counts_are_the_published_sizes():
    sizes = {split: sum(of.values()) for split, of in URBAN_COUNTS.of.items()}
    assert sizes == {"train": 8000, "validation": 1000, "test": 1000}
    agree = sum(n for (y, background, _), n in URBAN_COUNTS.of["train"].items() if y == background)
    assert agree / 8000 == 0.95
    assert URBAN_COUNTS.verified


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({f"{BALANCED}/val/obj-urban_bg-sea_co_occur_obj-urban": 1}, "'obj-urban_bg-sea.*as well"),
        ({f"{BIASED}/train/obj-urban_bg-urban_co_occur_obj-urban": None}, "there is no 'obj-urban"),
        ({f"{BALANCED}/val": None}, "co_occur_obj-0.5 must hold the folders 'val', 'test'"),
    ],
)
def test_urbancars_with_other_folders(tmp_path, change, message):
    ((place, n),) = change.items()
    places = of_urbancars() | change
    gone = place if n is None else "nothing"
    grow(tmp_path, {path: n for path, n in places.items() if not path.startswith(gone)})
    with pytest.raises(ValueError, match=message):
        quietly(tmp_path, "urbancars")


def of_spawrious(n, tops=("0", "1")):
    every = product(tops, spawrious.PLACES, spawrious.BREEDS)
    return {f"{top}/{place}/{breed}": n for top, place, breed in every}


@pytest.fixture
def hundred(monkeypatch):
    """Folders of 100 images, in place of 3,168."""
    monkeypatch.setattr(spawrious, "PER_FOLDER", 100)


@pytest.mark.parametrize("name", ["o2o_easy", "o2o_medium", "o2o_hard"])
@pytest.mark.usefixtures("hundred")
def test_spawrious_one_to_one(tmp_path, name):
    grow(tmp_path / "spawrious224", of_spawrious(100), ".png")
    found = read_group_folders(tmp_path, "spawrious", benchmark=name)  # counts are right
    train, test, filler = spawrious.BENCHMARKS[name]
    expected, expected_test = {}, {}
    order = ("bulldog", "dachshund", "labrador", "corgi")
    for breed, place, other in zip(order, train.split(), test.split(), strict=True):
        y = spawrious.BREEDS.index(breed)
        for environment, n in enumerate((97, 87)):
            expected[environment, y, spawrious.PLACES.index(place)] = n
            expected[environment, y, spawrious.PLACES.index(filler)] = 100 - n
            expected_test[environment, y, spawrious.PLACES.index(other)] = 100
    assert cells(found.train, "environment", "y", "a") == expected
    assert cells(found.test, "environment", "y", "a") == expected_test
    assert "validation" not in found
    # Environments have folders of their own.
    tops = found.train.metadata["file"].str[0].astype(int)
    assert (tops == found.train.metadata["environment"]).all()


@pytest.mark.usefixtures("hundred")
def test_spawrious_takes_the_first_by_sorted_names(tmp_path):
    grow(tmp_path, of_spawrious(100))
    found = read_group_folders(tmp_path, "spawrious", benchmark="o2o_easy")
    rows = found.train.metadata
    filler = rows[(rows["environment"] == 0) & (rows["file"].str.contains("beach/corgi"))]
    assert filler["file"].tolist() == [f"0/beach/corgi/{i}.jpg" for i in (0, 1, 10)]


@pytest.mark.parametrize("name", ["m2m_easy", "m2m_medium", "m2m_hard"])
@pytest.mark.usefixtures("hundred")
def test_spawrious_many_to_many(tmp_path, name):
    grow(tmp_path, of_spawrious(100, ("0",)))
    found = read_group_folders(tmp_path, "spawrious", benchmark=name)
    train, test, _ = (names and names.split() for names in spawrious.BENCHMARKS[name])
    for part, places in ((found.train, train), (found.test, test)):
        assert len(part.data) == 800
        first, second = (
            {
                spawrious.BREEDS[y]: spawrious.PLACES[a]
                for (e, y, a) in cells(part, "environment", "y", "a")
                if e == environment
            }
            for environment in (0, 1)
        )
        assert first == dict(
            zip(("bulldog", "dachshund", "labrador", "corgi"), places, strict=True)
        )
        # Two breeds change places.
        assert second == {
            "bulldog": first["dachshund"],
            "dachshund": first["bulldog"],
            "labrador": first["corgi"],
            "corgi": first["labrador"],
        }


@pytest.mark.parametrize("name", spawrious.BENCHMARKS)
def test_spawrious_counts_are_the_published_sizes(name):
    counts = spawrious.counts(name)
    assert counts.verified
    for of in counts.of.values():
        assert sum(of.values()) == 2 * 4 * 3168
    train = counts.of["train"]
    sizes = {(environment, n) for (environment, _, _), n in train.items()}
    if name.startswith("o2o"):
        assert sizes == {(0, 3072), (0, 96), (1, 2756), (1, 412)}
    else:
        assert sizes == {(0, 3168), (1, 3168)}
    # No breed is tested where it was trained.
    seen = {(y, a) for _, y, a in train}
    assert not seen & {(y, a) for _, y, a in counts.of["test"]}


@pytest.mark.usefixtures("hundred")
def test_spawrious_with_another_count(tmp_path):
    grow(tmp_path, of_spawrious(100))
    (tmp_path / "1/dirt/bulldog/0.jpg").unlink()
    cell = r"\(environment=1, y=0, a=2\)"
    with pytest.raises(ValueError, match=f"test has 99 rows of {cell}, the published set 100;"):
        read_group_folders(tmp_path, "spawrious", benchmark="o2o_easy")


@pytest.mark.parametrize("name", [None, "o2o", "easy"])
def test_spawrious_needs_its_benchmark(tmp_path, name):
    with pytest.raises(ValueError, match=r"`benchmark` must be one of 'o2o_easy', .*'m2m_hard', g"):
        read_group_folders(tmp_path, "spawrious", benchmark=name)


def test_spawrious_asks_for_what_the_benchmark_needs_alone(tmp_path):
    wanted = {f"{p.top}/{p.place}/{p.breed}": 1 for p in spawrious.parts("o2o_hard")}
    grow(tmp_path, wanted)
    assert quietly(tmp_path, "spawrious", benchmark="o2o_hard")
    with pytest.raises(FileNotFoundError, match="must hold the folders .* is no 'dirt', only"):
        quietly(tmp_path, "spawrious", benchmark="m2m_hard")
    grow(tmp_path, {"0/beach/poodle": 1})
    with pytest.raises(ValueError, match="beach must hold the folders .* found 'poodle' as well"):
        quietly(tmp_path, "spawrious", benchmark="o2o_hard")
