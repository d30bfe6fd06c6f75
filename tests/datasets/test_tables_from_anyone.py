"""Tables by hand: names that look like numbers, words for nothing, one thing by two names."""

import unicodedata
import warnings

import numpy as np
import pytest

from sklearn_debias.datasets import read_long_tail, read_metadata_csv
from sklearn_debias.exceptions import DebiasWarning

HEAD = "filename,split,y,a"


def write(folder, *rows, head=HEAD):
    """Write a table and the files a.jpg to d.jpg."""
    images(folder)
    (folder / "metadata.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return folder


def images(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in "abcd":
        (folder / f"{name}.jpg").write_bytes(b"an image")
    return folder


def four(folder, column, values, head=HEAD):
    """Write four rows of two splits, with other values in a column."""
    rows = np.array(
        [f"{name}.jpg,{2 * (i // 2)},{i % 2},{i % 2}".split(",") for i, name in enumerate("abcd")],
        dtype=object,
    )
    rows[:, head.split(",").index(column)] = values
    return write(folder, *(",".join(row) for row in rows), head=head)


def test_names_of_files_stay_text(tmp_path):
    """Of 001 and 1, which are both there, the right one is read."""
    names = ["001", "002", "1", "NA"]
    for name in names:
        (tmp_path / name).write_bytes(b"an image")
    four(tmp_path, "filename", names)
    found = read_metadata_csv(tmp_path)
    assert [path.rpartition("/")[2] for path in found.train.data] == ["001", "002"]
    assert [path.rpartition("/")[2] for path in found.test.data] == ["1", "NA"]
    four(tmp_path, "picture", names, head="picture,split,y,a")
    found = read_metadata_csv(tmp_path, columns={"file": "picture"})
    assert found.train.metadata["file"].tolist() == ["001", "002"]


@pytest.mark.parametrize("word", ["None", "none", "null"])
@pytest.mark.parametrize("column", ["y", "a"])
def test_words_for_nothing_are_words_among_words(tmp_path, word, column):
    four(tmp_path, column, [word, "grass"] * 2)
    found = read_metadata_csv(tmp_path)
    names, codes = {
        "y": (found.target_names, found.test.target),
        "a": (found.bias_names, found.test.bias_labels),
    }[column]
    assert names[codes].tolist() == [word, "grass"]


GAPS = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "1.#IND", "-1.#QNAN"]


@pytest.mark.parametrize("word", GAPS)
@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("y", "column 'y' must have a value in each row; 2 have none"),
        ("a", "column 'a' must have a value in each row; 2 have none"),
        ("split", "each row must have a split; 2 have none"),
    ],
)
def test_a_missing_label_among_words_is_none(tmp_path, word, column, message):
    four(tmp_path, column, ["train", word, "test", word])
    with pytest.raises(ValueError, match=message):
        read_metadata_csv(tmp_path)


@pytest.mark.parametrize("word", ["None", "NA", "", "nan"])
@pytest.mark.parametrize("column", ["y", "a"])
def test_words_for_nothing_are_gaps_beside_true_and_false(tmp_path, word, column):
    four(tmp_path, column, ["True", word, "False", word])
    with pytest.raises(ValueError, match=f"'{column}' must have a value in each row; 2 have none"):
        read_metadata_csv(tmp_path)


def test_a_class_may_be_sodium(tmp_path):
    four(tmp_path, "y", ["Na", "Cl"] * 2)
    assert read_metadata_csv(tmp_path).target_names.tolist() == ["Cl", "Na"]


@pytest.mark.parametrize("word", ["None", "NA", "", "nan"])
def test_words_for_nothing_are_gaps_among_numbers(tmp_path, word):
    four(tmp_path, "y", ["0", word, "1", "1"])
    with pytest.raises(ValueError, match="'y' must have a value in each row; 1 have none"):
        read_metadata_csv(tmp_path)


def test_a_column_of_numbers_with_a_gap_stays_one(tmp_path):
    rows = [
        f"{name}.jpg,0,0,{i % 2},{age}" for i, (name, age) in enumerate([("a", "NA"), ("b", 3)])
    ]
    write(tmp_path, *rows, head=f"{HEAD},age")
    age = read_metadata_csv(tmp_path).train.metadata["age"]
    np.testing.assert_array_equal(age.to_numpy(dtype=float), [np.nan, 3])


@pytest.mark.parametrize("values", [["True", "False"], ["true", "false"], ["TRUE", "FALSE"]])
def test_splits_that_are_true_and_false(tmp_path, values):
    """True is 1, which is validation; nobody means that."""
    four(tmp_path, "is_train", values * 2, head="filename,is_train,y,a")
    with pytest.raises(ValueError, match=r"do not say which .* np.where\(is_train, 'train', 'te"):
        read_metadata_csv(tmp_path, columns={"split": "is_train"})


NFC, NFD = (unicodedata.normalize(form, "\u00e9t\u00e9") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("column", ["y", "a"])
@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("Cat", "cat"), "found 'Cat' and 'cat'"),
        ((" cat", "cat"), "found ' cat' and 'cat'"),
        ((" Cat", "cat"), "found ' Cat' and 'cat'"),
        ((NFC, NFD), r"found 'e.u0301te.u0301' and '.xe9t.xe9'"),
    ],
)
def test_two_names_for_one_thing(tmp_path, column, pair, message):
    four(tmp_path, column, [pair[0], "dog", pair[1], "dog"])
    with pytest.raises(ValueError, match=f"column '{column}' must not hold two .*{message}"):
        read_metadata_csv(tmp_path)


@pytest.mark.parametrize("column", ["y", "a"])
@pytest.mark.parametrize("pair", [("A", "a"), ("01", "1")])
def test_names_in_one_split_may_be_much_alike(tmp_path, column, pair):
    """As the letters of handwriting are."""
    word = "b" if column == "y" else "x"  # or the table holds numbers
    four(tmp_path, column, [*pair, word, pair[1]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)  # train has no "b"
        found = read_metadata_csv(tmp_path)
    names = found.target_names if column == "y" else found.bias_names
    assert names.tolist() == [*pair, word]


@pytest.mark.parametrize(
    ("values", "names", "codes"),
    [
        (["-1", "1"], ["-1", "1"], [0, 1]),
        (["dog", "cat"], ["cat", "dog"], [1, 0]),
        (["3", "1"], ["0", "1", "2", "3"], [3, 1]),
        (["1.0", "0.0"], ["0", "1"], [1, 0]),
        (["-9007199254740991", "9007199254740991"], None, [0, 1]),
        (["200000", "7"], ["7", "200000"], [1, 0]),
        (["True", "False"], ["0", "1"], [1, 0]),
    ],
)
def test_targets_index_their_names(tmp_path, values, names, codes):
    """Also where the table holds text, negative or large numbers."""
    found, biased = (
        read_metadata_csv(four(tmp_path / column, column, values * 2)) for column in "ya"
    )
    assert found.train.target.tolist() == found.test.target.tolist() == codes
    assert biased.train.bias_labels.tolist() == codes
    assert found.target_names.tolist() == biased.bias_names.tolist() == (names or values)
    assert found.train.target.dtype == biased.train.bias_labels.dtype == np.int64
    # What the table holds is not lost, and counts for the fingerprint.
    kept = found.train.metadata["y"].tolist()
    if names is not None and values[0] in names:
        assert list(map(str, kept)) == found.target_names[codes].tolist()


def test_the_fingerprint_is_of_the_tables_values(tmp_path):
    found = {
        read_metadata_csv(four(tmp_path / name, "y", values)).fingerprint
        for name, values in {"signs": ["-1", "1"] * 2, "codes": ["0", "1"] * 2}.items()
    }
    assert len(found) == 2


@pytest.mark.parametrize("value", ["1e300", "inf", "-inf", "18446744073709551615", str(2**53)])
def test_numbers_that_no_float_tells_apart(tmp_path, value):
    four(tmp_path, "y", ["0", "1", value, "1"])
    with pytest.raises(ValueError, match=r"'y' must hold whole numbers or text, found .*2\*\*53"):
        read_metadata_csv(tmp_path)


def test_a_class_that_only_other_sets_have_is_warned_of(tmp_path):
    four(tmp_path, "y", ["cat", "dog", "cow", "dog"])
    with pytest.warns(DebiasWarning, match="metadata.csv: train has no rows of the classes 'cow'"):
        found = read_metadata_csv(tmp_path)
    assert found.target_names[found.test.target].tolist() == ["cow", "dog"]


@pytest.mark.parametrize(
    "pair", [("./a.jpg", "a.jpg"), ("s\\a.jpg", "s/a.jpg"), ("s//a.jpg", "s/a.jpg")]
)
def test_one_file_by_two_names_is_one_file(tmp_path, pair):
    """Else a test image might be trained on."""
    images(tmp_path / "s")
    four(tmp_path, "filename", [pair[0], "b.jpg", pair[1], "d.jpg"])
    with pytest.raises(ValueError, match="1 rows repeat the filename of another"):
        read_metadata_csv(tmp_path)
    listed = [f"{pair[0]} 0\nb.jpg 1\n", f"{pair[1]} 0\n"]
    for split, content in zip(("train", "test"), listed, strict=True):
        (tmp_path / f"pets_{split}.txt").write_text(content)
    with pytest.warns(DebiasWarning, match="name 1 images more than once"):
        read_long_tail(tmp_path)


def test_folders_are_no_images(tmp_path):
    images(tmp_path / "s")
    four(tmp_path, "filename", ["s", "b.jpg", "c.jpg", "d.jpg"])
    with pytest.raises(ValueError, match="must name files; in .* 's' are none, but folders"):
        read_metadata_csv(tmp_path)


@pytest.mark.parametrize("name", ["x" * 300 + "/a.jpg", "x\0/a.jpg"])
def test_names_that_no_file_can_have_are_missing(tmp_path, name):
    four(tmp_path, "filename", [name, "b.jpg", "c.jpg", "d.jpg"])
    with pytest.raises(FileNotFoundError, match="1 of which are not in"):
        read_metadata_csv(tmp_path)


def test_a_fingerprint_does_not_depend_on_the_machine(tmp_path):
    """Absolute names of here, of elsewhere, and relative ones are of the same files."""
    place = images(tmp_path / "images")
    found = []
    for beginning, options in {
        "": {},
        "./": {},
        f"{place}/": {},
        "/scratch/": {"strip": "/scratch/"},
    }.items():
        names = [f"{beginning}{name}.jpg" for name in "abcd"]
        table = four(tmp_path / f"table{len(found)}", "filename", names)
        found.append(read_metadata_csv(table, root=place, **options))
    assert len({sets.fingerprint for sets in found}) == 1
    for sets in found:
        assert sets.train.data.tolist() == [str(place / "a.jpg"), str(place / "b.jpg")]
        assert sets.train.metadata["file"].tolist() == ["a.jpg", "b.jpg"]


def test_absolute_names_within_a_relative_root(tmp_path, monkeypatch):
    place = images(tmp_path / "images")
    four(tmp_path, "filename", [f"{place}/{name}.jpg" for name in "abcd"])
    monkeypatch.chdir(tmp_path)
    found = read_metadata_csv(".", root="images")
    assert found.train.metadata["file"].tolist() == ["a.jpg", "b.jpg"]
