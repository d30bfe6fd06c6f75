"""MetaShift's cats and dogs: two tasks, the table beside the images, and a third task."""

import os
import pickle

import pytest
from grown import cells, grow, quietly

from sklearn_debias.datasets import read_group_folders
from sklearn_debias.datasets.readers import _layouts_metashift as metashift
from sklearn_debias.exceptions import DebiasWarning

SHIFT = "MetaShift-subpopulation-shift"
SIZES = {("cat", "indoor"): 750, ("cat", "outdoor"): 100, ("dog", "indoor"): 100}
SIZES["dog", "outdoor"] = 750


def of_shift(root, train=SIZES, test=144, back=False):
    """MetaShift's folders, and the table from images to groups, or back."""
    groups, n = {}, 0
    for top, split in (("train", train), ("val_out_of_domain", dict.fromkeys(train, test))):
        for (animal, context), size in split.items():
            names = [f"{n + i}" for i in range(size)]
            n += size
            grow(root / top, {animal: [f"{name}.jpg" for name in names]})
            for name in names:
                groups[name] = [f"{animal}({context})", f"{animal}(sofa)"]
    if back:
        names = {group for listed in groups.values() for group in listed if "sofa" not in group}
        groups = {group: {n for n, own in groups.items() if group in own} for group in names}
    (root / metashift.GROUPS).write_bytes(pickle.dumps(groups))
    return root


def test_metashift_as_published(tmp_path):
    of_shift(tmp_path / SHIFT)
    found = read_group_folders(tmp_path, "metashift")
    assert cells(found.train, "y", "a") == {(0, 0): 750, (0, 1): 100, (1, 0): 100, (1, 1): 750}
    assert len(found.test.data) == 576
    assert found.target_names.tolist() == ["dog", "cat"]
    assert found.bias_names.tolist() == ["outdoor", "indoor"]
    same = read_group_folders(tmp_path / SHIFT, "metashift", task="subpopulation")
    assert same.fingerprint == found.fingerprint
    (tmp_path / SHIFT / "train/cat/3.jpg").unlink()
    with pytest.raises(ValueError, match=r"train has 749 rows of \(y=1, a=1\), the publ.* 750;"):
        read_group_folders(tmp_path, "metashift")


def test_metashift_counts_are_the_published_sizes():
    assert metashift.SUBPOPULATION.verified
    sizes = {split: sum(of.values()) for split, of in metashift.SUBPOPULATION.of.items()}
    assert sizes == {"train": 1700, "test": 576}


FEW = dict.fromkeys(SIZES, 2)


def test_a_table_may_go_from_groups_to_images(tmp_path):
    one, other = (
        quietly(of_shift(tmp_path / str(back), FEW, 1, back), "metashift") for back in (False, True)
    )
    assert one.fingerprint == other.fingerprint


def test_metashift_without_its_table(tmp_path):
    (of_shift(tmp_path, FEW, 1) / metashift.GROUPS).unlink()
    with pytest.raises(FileNotFoundError, match="has no imageID_to_group.pkl, which tells the con"):
        quietly(tmp_path, "metashift")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({}, "must give one of 'outdoor', 'indoor' to each image; 12 have none or both"),
        ([1], "must hold a dict, found list"),
        ({"0": 0.5}, "must hold the groups of each image, as texts; found '0': 0.5"),
        ({"0": [["cat(indoor)"]]}, "as texts; found '0'"),
        ({str(i): ["cat(indoor)", "cat(outdoor)"] for i in range(12)}, "12 have none or both"),
    ],
)
def test_metashift_with_another_table(tmp_path, groups, message):
    of_shift(tmp_path, FEW, 1)
    (tmp_path / metashift.GROUPS).write_bytes(pickle.dumps(groups))
    with pytest.raises(ValueError, match=message):
        quietly(tmp_path, "metashift")


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_table_is_not_run(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    of_shift(tmp_path, FEW, 1)
    (tmp_path / metashift.GROUPS).write_bytes(pickle.dumps({"0": Harmful()}, protocol))
    with pytest.raises(ValueError, match=r"plain containers: it names \w+.mkdir, and only dict"):
        quietly(tmp_path, "metashift")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps({"0": "cat(indoor)"})[:-5]])
def test_a_damaged_table(tmp_path, content):
    of_shift(tmp_path, FEW, 1)
    (tmp_path / metashift.GROUPS).write_bytes(content)
    with pytest.raises(ValueError, match="must be a pickle of plain containers"):
        quietly(tmp_path, "metashift")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_are_read(tmp_path, protocol):
    of_shift(tmp_path, FEW, 1)
    path = tmp_path / metashift.GROUPS
    table = pickle.loads(path.read_bytes())
    before = quietly(tmp_path, "metashift").fingerprint
    kinds = (set, frozenset, tuple, list)
    table = {key: kinds[i % 4](groups) for i, (key, groups) in enumerate(table.items())}
    path.write_bytes(pickle.dumps(table, protocol))
    assert quietly(tmp_path, "metashift").fingerprint == before


def test_metashift_with_unknown_folders(tmp_path):
    grow(of_shift(tmp_path, FEW, 1), {"train/horse": 1})
    with pytest.raises(ValueError, match="train must hold the folders .* found 'horse' as well"):
        quietly(tmp_path, "metashift")


BENCH = {
    "train/cat/cat(indoor)": 11,
    "train/dog/dog(outdoor)": 12,
    "test/cat/cat(outdoor)": 8,
    "test/dog/dog(indoor)": 9,
}


def test_metashift_of_subpopbench(tmp_path):
    grow(tmp_path / "metashift/MetaShift-Cat-Dog-indoor-outdoor", BENCH)
    with pytest.warns(DebiasWarning, match="train has 26 rows, the published set 2,276.*recalled"):
        found = read_group_folders(tmp_path, "metashift", task="subpopbench")
    sizes = [len(found[name].data) for name in ("train", "validation", "test")]
    assert sizes == [26, 4, 10]
    for part in (found.train, found.validation, found.test):
        for path, y, a in zip(part.data, part.target, part.bias_labels, strict=True):
            assert f"{['dog', 'cat'][y]}({['outdoor', 'indoor'][a]})" in path
    # SubpopBench's script takes *.jpg: another file would change its draw.
    grow(
        tmp_path / "metashift/MetaShift-Cat-Dog-indoor-outdoor/train/cat",
        {"cat(indoor)": ["1.png"]},
    )
    again = quietly(tmp_path, "metashift", task="subpopbench")
    assert again.fingerprint == found.fingerprint


def test_tasks_of_metashift_are_told_apart(tmp_path):
    grow(tmp_path, BENCH)
    with pytest.raises(
        FileNotFoundError, match=r"'train', 'val_out_of_domain'; .* pass task=\"subpopbench\""
    ):
        quietly(tmp_path, "metashift")
    with pytest.raises(ValueError, match="`task` must be one of 'subpopulation', 'subpopbench', g"):
        quietly(tmp_path, "metashift", task="mixed")


@pytest.mark.parametrize("task", [None, "subpopbench", "lisa"])
def test_the_task_of_lisa_is_refused_and_read_without_a_layout(tmp_path, task):
    grow(tmp_path, {"dog/dog(cabinet)": 2, "cat/cat(sofa)": 1})
    with pytest.raises(ValueError, match="LISA's folders .* are another task"):
        quietly(tmp_path, "metashift", task=task)
    assert read_group_folders(tmp_path).bias_names.tolist() == ["cat(sofa)", "dog(cabinet)"]


def test_subpopbench_without_a_folder(tmp_path):
    grow(tmp_path, {place: n for place, n in BENCH.items() if "indoor" not in place})
    grow(tmp_path, {"train/cat/cat(sofa)": 1, "test/dog": 0})
    with pytest.raises(FileNotFoundError, match=r"no 'cat\(indoor\)', only 'cat\(sofa\)'. It is"):
        quietly(tmp_path, "metashift", task="subpopbench")
