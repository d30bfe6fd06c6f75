"""Sets that are a table beside their files: the field's schema, original tables, bad copies."""

import os
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest

from sklearn_debias.datasets import read_metadata_csv
from sklearn_debias.datasets.readers._layouts_comments import IDENTITIES
from sklearn_debias.datasets.readers._layouts_csv import LAYOUTS
from sklearn_debias.exceptions import DebiasWarning


def shared(folder, name="metadata.csv", rows=12, prefix="img/"):
    """Write a table in the shared schema, and its files."""
    index = np.arange(rows)
    table = pd.DataFrame(
        {
            "id": index,
            "filename": [f"{prefix}{i}.jpg" for i in index],
            "split": index % 3,
            "y": index // 3 % 2,
            "a": index // 6 % 2,
        }
    )
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    files(folder, table["filename"])
    return table


def files(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"an image")


def quietly(*args, **params):
    """Read a small copy of a published set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        return read_metadata_csv(*args, check_counts=False, **params)


def assert_sets_are(found, table, root, *, sizes):
    names = ("train", "validation", "test")
    assert tuple(len(found[name].target) for name in names) == sizes
    for code, name in enumerate(names):
        own = table[table["split"] == code]
        part = found[name]
        assert part.data.tolist() == [str(root / file) for file in own["filename"]]
        np.testing.assert_array_equal(part.target, own["y"])
        np.testing.assert_array_equal(part.bias_labels, own["a"])
        np.testing.assert_array_equal(part.index, own.index)


def test_any_table_in_the_shared_schema(tmp_path):
    table = shared(tmp_path)
    found = read_metadata_csv(tmp_path)
    assert_sets_are(found, table, tmp_path, sizes=(4, 4, 4))
    assert found.target_names.tolist() == ["0", "1"]
    assert found.train.metadata["id"].tolist() == [0, 3, 6, 9]
    assert found.train.target.dtype == np.int64


@pytest.mark.parametrize(
    ("layout", "name", "prefix"),
    [
        ("waterbirds", "metadata_waterbirds.csv", "waterbird_complete95_forest2water2/"),
        ("celeba", "metadata_celeba.csv", "img_align_celeba/"),
        ("metashift", "metadata_metashift.csv", "MetaShift/"),
        ("nicopp", "metadata.csv", "public_dg_0416/train/dim/"),
        ("chexpert", "subpop_bench_meta/metadata_no_finding.csv", "train/patient1/study1/"),
        ("mimic", "subpop_bench_meta/metadata_multisite.csv", "files/p10/"),
        ("breeds", "metadata_living17.csv", "imagenet/n01/"),
    ],
)
def test_layouts_in_the_shared_schema(tmp_path, layout, name, prefix):
    table = shared(tmp_path, name, prefix=prefix)
    below = any((tmp_path / root).is_dir() for root in LAYOUTS[layout].roots if root)
    if below:  # names are relative to the folder of the images
        table["filename"] = table["filename"].str.removeprefix(prefix)
        table.to_csv(tmp_path / name, index=False)
    found = quietly(tmp_path, layout)
    assert_sets_are(found, table, tmp_path / prefix if below else tmp_path, sizes=(4, 4, 4))
    known = LAYOUTS[layout].target_names or {0: "0", 1: "1"}
    assert found.target_names.tolist() == list(known.values())


def test_the_original_table_of_waterbirds(tmp_path):
    folder = tmp_path / "waterbird_complete95_forest2water2"
    names = [f"001.Albatross/{i}.jpg" for i in range(6)]
    table = pd.DataFrame(
        {
            "img_id": range(6),
            "img_filename": names,
            "y": [0, 1, 0, 1, 0, 1],
            "split": [0, 0, 1, 1, 2, 2],
            "place": [0, 1, 1, 0, 0, 0],
            "place_filename": ["/o/ocean/1.jpg"] * 6,
        }
    )
    files(folder, names)
    table.to_csv(folder / "metadata.csv", index=False)
    for given in (tmp_path, folder):
        found = quietly(given, "waterbirds")
        assert found.train.data.tolist() == [str(folder / name) for name in names[:2]]
        assert found.target_names.tolist() == ["landbird", "waterbird"]
        assert found.bias_names[found.train.bias_labels].tolist() == ["land", "water"]
    # Nobody need say which set it is.
    assert read_metadata_csv(folder).test.bias_labels.tolist() == [0, 0]


def attributes(folder, kind):
    """Write CelebA's original files: as text, or as CSV files."""
    names = [f"{i:06d}.jpg" for i in range(6)]
    signs = {"Blond_Hair": [1, -1] * 3, "Male": [1, 1, 1, -1, -1, -1], "Smiling": [1] * 6}
    parts = [0, 0, 1, 1, 2, 2]
    if kind == "csv":
        pd.DataFrame({"image_id": names, **signs}).to_csv(
            folder / "list_attr_celeba.csv", index=False
        )
        pd.DataFrame({"image_id": names, "partition": parts}).to_csv(
            folder / "list_eval_partition.csv", index=False
        )
    else:
        lines = ["6", " ".join(signs)]
        lines += [
            f"{name}  {' '.join(map(str, row))}"
            for name, *row in zip(names, *signs.values(), strict=True)
        ]
        (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
        partition = [f"{name} {part}" for name, part in zip(names, parts, strict=True)]
        (folder / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    files(folder / "img_align_celeba", names)


@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_the_original_files_of_celeba(tmp_path, kind):
    attributes(tmp_path, kind)
    found = quietly(tmp_path, "celeba")
    assert found.train.target.tolist() == [1, 0]
    assert found.validation.bias_labels.tolist() == [1, 0]
    assert found.test.data.tolist() == [
        str(tmp_path / "img_align_celeba" / name) for name in ("000004.jpg", "000005.jpg")
    ]
    assert found.target_names[found.train.target].tolist() == ["blond", "not blond"]


def test_another_task_of_celeba_has_no_published_counts(tmp_path):
    attributes(tmp_path, "csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_metadata_csv(tmp_path, "celeba", columns={"y": "Smiling"})
    assert found.train.target.tolist() == [1, 1]
    assert found.target_names.tolist() == ["0", "1"]  # no names are known


def test_an_image_of_celeba_without_a_split_is_named(tmp_path):
    attributes(tmp_path, "csv")
    partition = pd.read_csv(tmp_path / "list_eval_partition.csv")
    partition[1:].to_csv(tmp_path / "list_eval_partition.csv", index=False)
    with pytest.raises(ValueError, match=r"no split for 1 images: '000000.jpg'"):
        read_metadata_csv(tmp_path, "celeba")
    (tmp_path / "list_eval_partition.csv").unlink()
    with pytest.raises(FileNotFoundError, match="list_eval_partition"):
        read_metadata_csv(tmp_path, "celeba")


def changed_celeba(folder, kind, change):
    attributes(folder, kind)
    path = folder / f"list_eval_partition.{kind}"
    if change == "words":
        words = {"0": "train", "1": "val", "2": "test"}
        lines = [line[:-1] + words.get(line[-1], line[-1]) for line in path.read_text().split()]
        path.write_text("\n".join(lines))
    elif change == "repeat":
        path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    elif change == "no header":
        path.write_text(path.read_text().partition("\n")[2])
    else:
        path = folder / f"list_attr_celeba.{kind}"
        table = pd.read_csv(path)
        table = table.rename(columns={"image_id": "file"}) if change == "no image_id" else table
        table.assign(note="x", age=range(20, 26)).to_csv(path, index=False)


def test_partitions_of_celeba_may_be_words_and_other_columns_are_kept(tmp_path):
    changed_celeba(tmp_path, "csv", "words")
    assert quietly(tmp_path, "celeba").validation.bias_labels.tolist() == [1, 0]
    changed_celeba(tmp_path, "csv", "more columns")
    rows = quietly(tmp_path, "celeba").train.metadata
    assert rows["note"].tolist() == ["x", "x"]
    assert rows["age"].tolist() == [20, 21]  # no signs, and so no attribute
    assert rows["Smiling"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("csv", "no header", "partition.csv must begin with a line that names its columns, 'image"),
        ("csv", "no image_id", "list_attr_celeba.csv must begin with .* 'image_id' among them"),
        ("csv", "repeat", "partition.csv: 1 rows repeat the image_id of another: '000005.jpg'"),
        ("txt", "repeat", "partition.txt: 1 rows repeat the image_id of another: '000005.jpg'"),
    ],
)
def test_other_files_of_celeba_are_named(tmp_path, kind, change, message):
    changed_celeba(tmp_path, kind, change)
    with pytest.raises(ValueError, match=message):
        quietly(tmp_path, "celeba")


@pytest.mark.parametrize("content", ["6\n", "", "6\nBlond_Hair Male\n", "6\nBlond_Hair\na 1 1\n"])
def test_attributes_of_celeba_that_are_cut_off(tmp_path, content):
    attributes(tmp_path, "txt")
    (tmp_path / "list_attr_celeba.txt").write_text(content)
    with pytest.raises(ValueError, match="celeba.txt"):
        quietly(tmp_path, "celeba")


def comments(rows=6):
    rng = np.random.default_rng(0)
    mentions = {name: rng.uniform(size=rows).round(2) for name in IDENTITIES}
    return pd.DataFrame(
        {
            "": range(rows),
            "comment_text": [f"comment {i}" for i in range(rows)],
            "split": ["train", "train", "val", "val", "test", "test"],
            "toxicity": [0.0, 0.5, 0.49, 1.0, 0.2, 0.9],
            "identity_any": [0.5, 0.0, 0.4, 1.0, 0.0, 1.0],
            **mentions,
        }
    )


def test_comments_mention_identities_that_overlap(tmp_path):
    table = comments()
    table.to_csv(tmp_path / "all_data_with_identities.csv", index=False)
    found = quietly(tmp_path, "civilcomments")
    assert found.train.data.tolist() == ["comment 0", "comment 1"]
    assert found.train.target.tolist() == [0, 1]
    assert found.validation.target.tolist() == [0, 1]
    assert found.train.bias_labels.tolist() == [1, 0]
    expected = table.loc[[0, 1], list(IDENTITIES)].to_numpy() >= 0.5
    np.testing.assert_array_equal(found.train.membership, expected)
    assert found.membership_names.tolist() == list(IDENTITIES)


def test_comments_of_subpopbench_lie_in_a_second_file(tmp_path):
    table = pd.DataFrame(
        {"id": [0, 1], "filename": [2, 0], "split": [0, 0], "y": [0, 1], "a": [1, 0]}
    )
    table.to_csv(tmp_path / "metadata_civilcomments_fine.csv", index=False)
    texts = pd.DataFrame({"comment_text": ["first", "second", "third"]})
    texts.to_csv(tmp_path / "civilcomments_fine.csv", index=False)
    found = quietly(tmp_path, "civilcomments")
    assert found.train.data.tolist() == ["third", "first"]


def test_pairs_of_sentences_or_their_rows(tmp_path):
    table = pd.DataFrame(
        {"gold_label": [0, 1, 2], "sentence2_has_negation": [1, 0, 0], "split": [0, 0, 2]}
    )
    table.to_csv(tmp_path / "metadata_random.csv")
    found = quietly(tmp_path, "multinli")
    assert found.train.data.tolist() == [0, 1]
    assert found.test.data.tolist() == [2]
    assert found.target_names[found.test.target].tolist() == ["neutral"]
    table.assign(sentence1="a", sentence2=["b", "c", "d"]).to_csv(tmp_path / "metadata_random.csv")
    found = quietly(tmp_path, "multinli")
    assert found.train.data.tolist() == [["a", "b"], ["a", "c"]]
    words = {"sentence1": "None", "sentence2": ["null", "n/a", "7"]}
    table.assign(**words).to_csv(tmp_path / "metadata_random.csv")
    found = quietly(tmp_path, "multinli")
    assert found.train.data.tolist() == [["None", "null"], ["None", "n/a"]]


def test_splits_of_imagenet_backgrounds_are_words(tmp_path):
    table = shared(tmp_path)
    table["split"] = ["train", "val", "test", "mixed_rand", "no_fg", "only_fg"] * 2
    table["y"] = np.arange(12) // 6
    table.to_csv(tmp_path / "metadata.csv", index=False)
    found = read_metadata_csv(tmp_path, "imagenetbg")
    assert [len(found[name].target) for name in ("train", "validation", "mixed_rand")] == [2, 2, 2]
    with pytest.raises(ValueError, match="found 'mixed_rand', 'no_fg', 'only_fg'"):
        read_metadata_csv(tmp_path)


def published(layout):
    """Return a table that has the published counts of a layout."""
    rows = []
    for code, (split, cells) in enumerate(LAYOUTS[layout].counts.of.items()):
        named = cells.items() if not isinstance(cells, int) else [((0, 0), cells)]
        for (y, a), n in named:
            rows.append(pd.DataFrame({"split": [code] * n, "y": y, "a": a}))
        assert split == ("train", "validation", "test")[code]
    table = pd.concat(rows, ignore_index=True)
    return table.assign(filename=[f"{i}.jpg" for i in range(len(table))])


@pytest.mark.parametrize(
    ("layout", "sizes"),
    [
        ("waterbirds", (4795, 1199, 5794)),
        ("celeba", (162_770, 19_867, 19_962)),
        ("civilcomments", (269_038, 45_180, 133_782)),
        ("multinli", (206_175, 82_462, 123_712)),
    ],
)
def test_verified_counts_add_up_to_the_published_sizes(layout, sizes):
    assert tuple(published(layout)["split"].value_counts().sort_index()) == sizes


def test_a_wrong_count_is_named(tmp_path, monkeypatch):
    paths = "sklearn_debias.datasets.readers._metadata_csv.image_paths"
    monkeypatch.setattr(paths, lambda root, names, source, check_files: np.array(names))
    table = published("waterbirds")
    path = tmp_path / "metadata_waterbirds.csv"
    table.to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_metadata_csv(tmp_path, "waterbirds")
    table[:-1].to_csv(path, index=False)
    wrong = r"test has 641 rows of \(y=1, a=1\), the published set 642; .*check_counts=False"
    with pytest.raises(ValueError, match=wrong):
        read_metadata_csv(tmp_path, "waterbirds")
    with pytest.warns(DebiasWarning, match="test has 641 rows"):
        read_metadata_csv(tmp_path, "waterbirds", check_counts=False)


def test_recalled_counts_warn(tmp_path):
    shared(tmp_path, "metadata_metashift.csv")
    with pytest.warns(DebiasWarning, match="train has 4 rows, the published set 2,276.*recalled"):
        read_metadata_csv(tmp_path, "metashift")


def test_a_fingerprint_tells_copies_apart(tmp_path):
    table = shared(tmp_path / "one")
    first = read_metadata_csv(tmp_path / "one").fingerprint
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert read_metadata_csv(tmp_path / "two").fingerprint == first
    shuffled = table.sample(frac=1, random_state=0)
    shuffled.to_csv(tmp_path / "two" / "metadata.csv", index=False)
    assert read_metadata_csv(tmp_path / "two").fingerprint == first
    table.assign(y=1 - table["y"]).to_csv(tmp_path / "two" / "metadata.csv", index=False)
    assert read_metadata_csv(tmp_path / "two").fingerprint != first


def test_absolute_names_within_the_folder_are_taken_and_others_stripped(tmp_path):
    table = shared(tmp_path)
    inside = table.assign(filename=[f"{tmp_path}/{name}" for name in table["filename"]])
    inside.to_csv(tmp_path / "metadata.csv", index=False)
    assert_sets_are(read_metadata_csv(tmp_path), table, tmp_path, sizes=(4, 4, 4))
    elsewhere = table.assign(filename=[f"/old/place/{name}" for name in table["filename"]])
    elsewhere.to_csv(tmp_path / "metadata.csv", index=False)
    with pytest.raises(ValueError, match=r"paths within its folder; found '/old/place/img/0.jpg'"):
        read_metadata_csv(tmp_path)
    found = read_metadata_csv(tmp_path, strip="/old/place/")
    assert_sets_are(found, table, tmp_path, sizes=(4, 4, 4))


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "img/../../secret.jpg", "/etc/passwd", "~/secret.jpg", "C:/a.jpg"]
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    table = shared(tmp_path / "set")
    (tmp_path / "secret.jpg").write_bytes(b"x")
    table.loc[0, "filename"] = name
    table.to_csv(tmp_path / "set" / "metadata.csv", index=False)
    with pytest.raises(ValueError, match="must name files by paths within its folder"):
        read_metadata_csv(tmp_path / "set")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_out_of_the_folder_are_refused(tmp_path, what):
    table = shared(tmp_path / "set")
    outside = tmp_path / "elsewhere"
    if what == "file":
        files(outside, ["0.jpg"])
        (tmp_path / "set/img/0.jpg").unlink()
        (tmp_path / "set/img/0.jpg").symlink_to(outside / "0.jpg")
    else:
        (tmp_path / "set/img").rename(outside)
        (tmp_path / "set/img").symlink_to(outside)
    with pytest.raises(ValueError, match="leads out of .* by a link. Pass as `root`"):
        read_metadata_csv(tmp_path / "set")
    if what == "folder":
        table["filename"] = table["filename"].str.removeprefix("img/")
        table.to_csv(tmp_path / "set" / "metadata.csv", index=False)
        found = read_metadata_csv(tmp_path / "set", root=outside)
        assert_sets_are(found, table, outside, sizes=(4, 4, 4))


def test_absent_and_empty_files_are_counted_and_named(tmp_path):
    shared(tmp_path)
    for i in (1, 3, 5, 7):
        os.remove(tmp_path / f"img/{i}.jpg")
    wrong = r"12 files, 4 of which are not in .*: 'img/1.jpg', 'img/3.jpg', 'img/5.jpg' and 1 more"
    with pytest.raises(FileNotFoundError, match=wrong):
        read_metadata_csv(tmp_path)
    files(tmp_path, [f"img/{i}.jpg" for i in (1, 3, 5, 7)])
    (tmp_path / "img/2.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1 files in .* are empty: 'img/2.jpg'"):
        read_metadata_csv(tmp_path)


def test_each_empty_file_of_20_000_is_found(tmp_path):
    names = [f"{i}.jpg" for i in range(20_000)]
    files(tmp_path, names)
    pd.DataFrame({"filename": names, "split": 0, "y": 0, "a": 0}).to_csv(tmp_path / "metadata.csv")
    for i in (1, 9_998, 19_999):
        (tmp_path / names[i]).write_bytes(b"")
    wrong = r"3 files in .* are empty: '1\.jpg', '9998\.jpg', '19999\.jpg'\. Copy them again"
    with pytest.raises(ValueError, match=wrong):
        read_metadata_csv(tmp_path)


def changed(tmp_path, **columns):
    table = shared(tmp_path).astype(object)
    for name, value in columns.items():
        table.loc[3, name] = value
    table.to_csv(tmp_path / "metadata.csv", index=False)


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"id": 2}, "1 rows repeat the id of another: 2"),
        ({"filename": "img/2.jpg"}, "1 rows repeat the filename of another: 'img/2.jpg'"),
        ({"filename": None}, "1 rows have no 'filename'"),
        ({"split": 7}, "found 7"),
        ({"split": "later"}, "found 'later'"),
        ({"split": None}, "each row must have a split; 1 have none"),
        ({"y": 0.5}, r"'y' must hold whole numbers or text, found 0\.5"),
        ({"y": None}, "'y' must have a value in each row; 1 have none"),
        ({"a": None}, "'a' must have a value in each row; 1 have none"),
    ],
)
def test_wrong_values_are_named(tmp_path, columns, wrong):
    changed(tmp_path, **columns)
    with pytest.raises(ValueError, match=wrong):
        read_metadata_csv(tmp_path)


def test_values_that_a_layout_does_not_know_are_named(tmp_path):
    table = shared(tmp_path, "metadata_waterbirds.csv")
    table.assign(a=table["a"] + 4).to_csv(tmp_path / "metadata_waterbirds.csv", index=False)
    with pytest.raises(ValueError, match="'a' must hold 0, 1; found 4, 5"):
        read_metadata_csv(tmp_path, "waterbirds")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no"):
        read_metadata_csv(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"list_attr_celeba.csv.*Anno"):
        read_metadata_csv(tmp_path, "celeba")
    (tmp_path / "metadata.csv").write_text("filename,y,split\na.jpg,0,0\n")
    with pytest.raises(ValueError, match=r"no column 'a', only 'filename', 'y', 'split'.*columns="):
        read_metadata_csv(tmp_path)
    with pytest.raises(FileNotFoundError, match="must be a folder, got the file"):
        read_metadata_csv(tmp_path / "metadata.csv")
    with pytest.raises(ValueError, match="layout"):
        read_metadata_csv(tmp_path, "waterfowl")
    with pytest.raises(ValueError, match="`columns` must be a mapping"):
        read_metadata_csv(tmp_path, columns={"class": "y"})


def test_two_tables_are_a_choice(tmp_path):
    shared(tmp_path, "metadata_one.csv")
    table = shared(tmp_path, "metadata_two.csv", rows=9)
    with pytest.raises(ValueError, match=r"2 files to choose from: 'metadata_one.csv', .*`csv`"):
        read_metadata_csv(tmp_path)
    found = read_metadata_csv(tmp_path, csv="metadata_two.csv")
    assert_sets_are(found, table, tmp_path, sizes=(3, 3, 3))
    with pytest.raises(FileNotFoundError, match="`csv` must name a file"):
        read_metadata_csv(tmp_path, csv="metadata_three.csv")


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("filename,split,y,a\nM\u00fcller.jpg,0,0,0\n".encode("latin-1"), "UTF-8"),
        (b"", "CSV file with a header"),
        (b"filename,split,y,a\n", "has no rows"),
    ],
)
def test_unreadable_tables_are_named(tmp_path, content, wrong):
    (tmp_path / "metadata.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"metadata.csv.*{wrong}"):
        read_metadata_csv(tmp_path)
