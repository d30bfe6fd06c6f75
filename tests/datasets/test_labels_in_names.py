"""Sets with labels in names of files: DFA's three, and BAR."""

import os

import numpy as np
import pytest
from grown import cells, grow, quietly

from sklearn_debias.datasets import read_bar, read_group_folders
from sklearn_debias.datasets._bar_protocol import ACTIONS
from sklearn_debias.datasets.readers._layouts_bar import COUNTS
from sklearn_debias.datasets.readers._layouts_dfa import BFFHQ, CIFAR10C, CMNIST
from sklearn_debias.exceptions import DebiasWarning


def of_dfa(layout, percent="0.5"):
    """Two aligned images and a conflicting one of each class; each pair in the test."""
    n = 2 if layout == "bffhq" else 10
    top = f"{layout}/{percent}pct"
    places = {}
    for y in range(n):
        other = (y + 1) % n
        places[f"{top}/align/{y}"] = [f"{i}_{y}_{y}.png" for i in range(2)]
        places[f"{top}/conflict/{y}"] = [f"7_{y}_{other}.png"]
    pairs = [f"{y}{a}_{y}_{a}.png" for y in range(n) for a in range(n)]
    if layout == "bffhq":
        return places | {"bffhq/valid": pairs, "bffhq/test": pairs}
    by_class = {y: [name for name in pairs if f"_{y}_" in name] for y in range(n)}
    valid = {f"{top}/valid": pairs}
    if layout == "cifar10c":  # DFA's archive has folders of classes here, and none for digits
        valid = {f"{top}/valid/{y}": names for y, names in by_class.items()}
    return places | valid | {f"{layout}/test/{y}": names for y, names in by_class.items()}


@pytest.mark.parametrize("layout", ["bffhq", "cmnist", "cifar10c"])
@pytest.mark.parametrize("percent", ["0.5", "1", "2", "5"])
def test_dfa(tmp_path, layout, percent):
    grow(tmp_path, of_dfa(layout, percent))
    n = 2 if layout == "bffhq" else 10
    for folder in (tmp_path, tmp_path / layout):
        found = quietly(folder, layout, percent=percent)
        train = found.train
        assert len(train.data) == 3 * n
        np.testing.assert_array_equal(np.bincount(train.target), np.full(n, 3))
        conflicting = train.metadata["conflicting"]
        np.testing.assert_array_equal(train.target != train.bias_labels, conflicting == 1)
        assert conflicting.sum() == n
        for part in (found.validation, found.test):
            assert cells(part, "y", "a") == {(y, a): 1 for y in range(n) for a in range(n)}
    assert f"{percent} % of the training images" in found.DESCR


def test_percent_may_be_a_number_and_is_half_by_default(tmp_path):
    grow(tmp_path, of_dfa("cmnist") | of_dfa("cmnist", "1"))
    half, one = (quietly(tmp_path, "cmnist", percent=p).train.data for p in (0.5, np.int64(1)))
    assert "/0.5pct/" in half[0].replace(os.sep, "/")
    assert "/1pct/" in one[0].replace(os.sep, "/")
    assert quietly(tmp_path, "cmnist").train.data.tolist() == half.tolist()
    for wrong in ("3", 0.05, True):
        with pytest.raises(ValueError, match="`percent` must be one of '0.5', '1', '2', '5', got"):
            quietly(tmp_path, "cmnist", percent=wrong)
    with pytest.raises(FileNotFoundError, match="there is no '5pct', only '0.5pct', '1pct', 'test"):
        quietly(tmp_path, "cmnist", percent=5)


def test_names_of_classes(tmp_path):
    grow(tmp_path, of_dfa("bffhq") | of_dfa("cifar10c"))
    faces, objects = (quietly(tmp_path, layout) for layout in ("bffhq", "cifar10c"))
    assert faces.target_names.tolist() == ["young", "old"]
    assert faces.bias_names.tolist() == ["female", "male"]
    assert objects.target_names[[0, 9]].tolist() == ["airplane", "truck"]
    assert objects.bias_names.tolist() == [str(i) for i in range(10)]


def test_the_two_tests_of_bffhq(tmp_path):
    grow(tmp_path, of_dfa("bffhq"))
    every = quietly(tmp_path, "bffhq")
    assert len(every.test.data) == 4
    assert every.fingerprint == quietly(tmp_path, "bffhq", test="all").fingerprint
    hard = quietly(tmp_path, "bffhq", test="conflicting")
    assert cells(hard.test, "y", "a") == {(0, 1): 1, (1, 0): 1}
    assert len(hard.validation.data) == 4
    assert hard.fingerprint != every.fingerprint
    with pytest.raises(ValueError, match="`test` must be one of 'all', 'conflicting', got 'hard'"):
        quietly(tmp_path, "bffhq", test="hard")


def test_recalled_counts_warn(tmp_path):
    grow(tmp_path, of_dfa("bffhq") | of_dfa("cmnist"))
    message = r"train has 4 rows of \(conflicting=0\), the published set 19,104 .*recalled, not ver"
    for test in ("all", "conflicting"):
        with pytest.warns(DebiasWarning, match=message):
            read_group_folders(tmp_path, "bffhq", test=test)
    with pytest.warns(DebiasWarning, match="the published set 54,751"):
        read_group_folders(tmp_path, "cmnist")


def test_sums_of_recalled_counts():
    for counts in CMNIST.counts.values():
        assert sum(counts["train"].values()) == 55_000
    for counts in CIFAR10C.counts.values():
        assert sum(counts["train"].values()) == pytest.approx(45_000, abs=100)
    assert sum(BFFHQ.counts["0.5"]["train"].values()) == 19_200
    assert sum(BFFHQ.counts["0.5"]["test"].values()) == 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bffhq/test": ["face.png"]}, "must end in the class and the bias value.* 1 do not: 'te"),
        ({"bffhq/test": ["1_0_2.png"]}, r"must be in 0\.\.1 in 1 files: 'test/1_0_2.png'"),
        ({"bffhq/0.5pct/align/0": ["5_1_1.png"]}, "differ from the folder of the class in 1"),
        ({"bffhq/0.5pct/align/0": ["5_0_1.png"]}, "differ from the folder align/conflict in 1"),
        ({"bffhq/0.5pct/conflict/1": ["5_1_1.png"]}, "differ from the folder align/conflict"),
        ({"bffhq/0.5pct/align/2": 1}, "align must hold the folders '0', '1'; found '2' as well"),
        ({"bffhq/0.5pct/extra/2": 1}, None),  # beside what is read
    ],
)
def test_dfa_with_other_names(tmp_path, change, message):
    grow(tmp_path, of_dfa("bffhq"))
    grow(tmp_path, change)
    if message is None:
        assert quietly(tmp_path, "bffhq")
        return
    with pytest.raises(ValueError, match=message):
        quietly(tmp_path, "bffhq")


@pytest.mark.parametrize("gone", ["valid", "0.5pct/conflict/1", "0.5pct/align", "test"])
def test_dfa_without_a_folder(tmp_path, gone):
    places = of_dfa("bffhq")
    grow(tmp_path, {p: n for p, n in places.items() if not p.startswith(f"bffhq/{gone}")})
    last = gone.rpartition("/")[2]
    with pytest.raises(FileNotFoundError, match=f"there is no '{last}', .* It is unpacked from DF"):
        quietly(tmp_path, "bffhq")


TRAIN, TEST = (326, 520, 163, 279, 336, 317), (105, 159, 42, 131, 132, 85)


def of_bar(train=TRAIN, test=TEST):
    start = dict(zip(ACTIONS, train, strict=True))
    return {
        "train": [f"{name}_{i}.jpg" for name, n in start.items() for i in range(n)],
        "test": [
            f"{name}_{i}.jpg"
            for name, n in zip(ACTIONS, test, strict=True)
            for i in range(start[name], start[name] + n)
        ],
        "": ["metadata.json"],
    }


def test_bar_counts_are_the_published_sizes():
    assert COUNTS.verified
    assert {split: sum(of.values()) for split, of in COUNTS.of.items()} == {
        "train": 1941,
        "test": 654,
    }


@pytest.mark.parametrize("conflicting", [None, 17, 94])
def test_bar_as_published(tmp_path, conflicting):
    grow(tmp_path / "BAR", of_bar())
    found = read_group_folders(tmp_path, "bar", conflicting=conflicting)
    n = conflicting or 0
    assert (len(found.train.data), len(found.test.data)) == (1941 + n, 654 - n)
    assert found.train.bias_labels.sum() == n
    assert found.test.bias_labels.all()
    assert found.target_names.tolist() == list(ACTIONS)
    assert found.bias_names.tolist() == ["aligned", "conflicting"]
    for part in (found.train, found.test):
        for path, y in zip(part.data, part.target, strict=True):
            assert os.path.basename(path).startswith(ACTIONS[y])
    assert f"training set: {n} conflicting" in found.DESCR


@pytest.mark.parametrize("random_state", [0, 3])
@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_the_same_photographs_move_as_from_the_pack(tmp_path, random_state):
    places = of_bar(range(2, 8), range(5, 11))
    grow(tmp_path, places)
    names = [f"{part}/{name}" for part in ("train", "test") for name in sorted(places[part])]
    y = [ACTIONS.index(name.rpartition("/")[2].rpartition("_")[0]) for name in names]
    np.savez(
        tmp_path / "pack.npz",
        x=np.zeros((len(names), 2), dtype=np.float16),
        y=np.array(y),
        split=np.array([int(name.startswith("test")) for name in names]),
        classes=np.array(ACTIONS),
        names=np.array(names),
    )
    chosen = {"conflicting": 9, "random_state": random_state}
    packed = read_bar(tmp_path / "pack.npz", check_counts=False, **chosen)
    found = quietly(tmp_path, "bar", **chosen)
    assert sorted(found.train.metadata["file"]) == sorted(packed.train.filenames.tolist())
    np.testing.assert_array_equal(found.train.target, packed.train.target)


@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        (
            {"test": ["running_1.jpg"]},
            {},
            "names must begin with 'climbing', .* not: 'test/running",
        ),
        ({"test": ["climbing.jpg"]}, {}, "1 do not: 'test/climbing.jpg'"),
        ({}, {"percent": "1"}, "`percent` belongs to BiasEnsemble's folders of BAR; .*Pass con"),
        ({}, {"conflicting": 27}, "`conflicting` must be less than the 27 conflicting samples"),
        ({}, {"conflicting": 0.05}, "`conflicting` must be an int >= 0, got 0.05"),
        ({"test/more": 1}, {}, "test must hold images; found the folders 'more'"),
    ],
)
def test_bar_with_other_names(tmp_path, change, params, message):
    grow(tmp_path, of_bar(range(1, 7), range(2, 8)))
    grow(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        quietly(tmp_path, "bar", **params)


def test_bar_with_another_count(tmp_path):
    grow(tmp_path, of_bar())
    (tmp_path / "test/fishing_170.jpg").unlink()
    with pytest.raises(ValueError, match=r"test has 41 rows of \(y=2\), the published set 42;"):
        read_group_folders(tmp_path, "bar", conflicting=17)
    with pytest.warns(DebiasWarning, match="test has 41 rows"):
        read_group_folders(tmp_path, "bar", conflicting=17, check_counts=False)


def test_bar_without_its_test(tmp_path):
    grow(tmp_path, {"train": ["climbing_0.jpg"]})
    with pytest.raises(FileNotFoundError, match="no 'test', only 'train'. It is unpacked from LfF"):
        quietly(tmp_path, "bar")


def of_ensemble():
    places = {"bar/train/align/0": ["a_0_0.jpg"], "bar/train/align/5": ["b_5_5.jpg"]}
    places |= {"bar/train/conflict/1pct/0": ["c_0_0.jpg"]}
    places |= {"bar/train/conflict/5pct/5": ["d_5_5.jpg", "e_5_5.jpg"]}
    return places | {"bar/valid/0": ["f_0_0.jpg"], "bar/test/5": ["g_5_0.jpg"]}


def test_bar_of_bias_ensemble(tmp_path):
    grow(tmp_path, of_ensemble())
    one = read_group_folders(tmp_path, "bar")
    # Where folders tell, they tell more than names.
    assert one.train.target.tolist() == [0, 5, 0]
    assert one.train.bias_labels.tolist() == [0, 0, 1]
    assert one.validation.bias_labels.tolist() == [0]
    assert one.test.bias_labels.tolist() == [1]
    five = read_group_folders(tmp_path, "bar", percent=5)
    assert five.train.bias_labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="`percent` must be one of '1', '5', got '2'"):
        read_group_folders(tmp_path, "bar", percent="2")
    with pytest.raises(ValueError, match="`conflicting` belongs to BAR as published"):
        read_group_folders(tmp_path, "bar", conflicting=17)
