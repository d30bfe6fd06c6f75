"""Tables of SubpopBench's script that mean more, or other things, than their columns say."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sklearn_debias.datasets import read_metadata_csv
from sklearn_debias.datasets.readers._layouts_comments import IDENTITIES
from sklearn_debias.exceptions import DebiasWarning

SPLITS = ("train", "val", "test")


def comments():
    """Write as WILDS: some mention two identities, some none."""
    rows = []
    for split in SPLITS:
        for i, name in enumerate(IDENTITIES):
            mentioned = {name, IDENTITIES[(i + 1) % 8]} if i % 2 else {name}
            rows.append((split, i % 2, mentioned))
        rows += [(split, y, set()) for y in (0, 1)]
    table = pd.DataFrame(rows, columns=["split", "y", "mentioned"])
    return table.assign(comment_text=[f"comment {i}" for i in range(len(table))])


def write(folder, name):
    """Write both files of one kind, and return the rows as the script has them."""
    parts = []
    for split, own in comments().groupby("split", sort=False):
        if name == "coarse" and split == "train":
            parts.append(own.assign(a=[int(not who) for who in own["mentioned"]]))
            continue
        for i, identity in enumerate(IDENTITIES):
            parts.append(own[[identity in who for who in own["mentioned"]]].assign(a=i))
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(
        id=table.index, filename=table.index, split=table["split"].map(SPLITS.index)
    )
    columns = ["id", "filename", "split", "y", "a"]
    table[columns].to_csv(folder / f"metadata_civilcomments_{name}.csv", index=False)
    table[["comment_text"]].to_csv(folder / f"civilcomments_{name}.csv", index=False)
    return table


def assert_names_tell_who_is_mentioned(found, table):
    for code, split in enumerate(("train", "validation", "test")):
        own = table[table["split"] == code]
        assert found[split].data.tolist() == own["comment_text"].tolist()
        names = found.bias_names[found[split].bias_labels]
        for name, who in zip(names, own["mentioned"], strict=True):
            assert name in (who or {"no identity"}) | ({"any identity"} if who else set())


def test_a_row_for_each_identity(tmp_path):
    table = write(tmp_path, "fine")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # WILDS' counts are of other rows
        found = read_metadata_csv(tmp_path, "civilcomments")
    assert found.bias_names.tolist() == list(IDENTITIES)
    assert_names_tell_who_is_mentioned(found, table)


def test_training_rows_with_groups_of_their_own(tmp_path):
    table = write(tmp_path, "coarse")
    with pytest.warns(DebiasWarning, match="no group of the test set has training rows") as caught:
        found = read_metadata_csv(tmp_path, "civilcomments")
    assert len(caught) == 1
    assert_names_tell_who_is_mentioned(found, table)
    # No value means two things.
    assert not set(found.train.bias_labels) & set(found.test.bias_labels)
    named = found.bias_names[np.unique(found.train.bias_labels)]
    assert named.tolist() == ["any identity", "no identity"]


def test_other_values_in_training_rows(tmp_path):
    write(tmp_path, "coarse")
    path = tmp_path / "metadata_civilcomments_coarse.csv"
    pd.read_csv(path).assign(a=3).to_csv(path, index=False)
    with pytest.raises(ValueError, match="must hold 0 or 1 as 'a' of training rows.*found 3"):
        read_metadata_csv(tmp_path, "civilcomments")


def test_two_tables_of_comments_are_a_choice(tmp_path):
    write(tmp_path, "fine")
    write(tmp_path, "coarse")
    with pytest.raises(ValueError, match="2 files to choose from"):
        read_metadata_csv(tmp_path, "civilcomments")
    csv = "metadata_civilcomments_fine.csv"
    assert len(read_metadata_csv(tmp_path, "civilcomments", csv=csv).train.data) == 12


@pytest.mark.parametrize(
    ("texts", "names", "message"),
    [
        ("comment_text\na\n", [0, 1], "0 to 0; 1 are others: '1'"),
        ("comment_text\na\nb\n", [-1, 1], "1 are others: '-1'"),
        ("comment_text\na\nb\n", ["x", 1], "1 are others: 'x'"),
        ("comment_text\na\nb\n", [0.5, 1.0], "1 are others: '0.5'"),
        ("text\na\nb\n", [0, 1], "must have the column 'comment_text'.*found 'text'"),
    ],
)
def test_comments_that_are_not_those_of_the_table(tmp_path, texts, names, message):
    table = pd.DataFrame({"filename": names, "split": 0, "y": [0, 1], "a": [0, 1]})
    table.to_csv(tmp_path / "metadata_civilcomments_fine.csv", index=False)
    (tmp_path / "civilcomments_fine.csv").write_text(texts)
    with pytest.raises(ValueError, match=message):
        read_metadata_csv(tmp_path, "civilcomments")


def test_words_in_comments_are_no_gaps(tmp_path):
    table = pd.DataFrame({"filename": range(4), "split": 0, "y": [0, 1] * 2, "a": [0, 1] * 2})
    table.to_csv(tmp_path / "metadata_civilcomments_fine.csv", index=False)
    said = ["None", "NA", "12", "null"]
    pd.DataFrame({"comment_text": said}).to_csv(tmp_path / "civilcomments_fine.csv", index=False)
    assert read_metadata_csv(tmp_path, "civilcomments").train.data.tolist() == said


def wilds(**changed):
    mentions = dict.fromkeys((*IDENTITIES, "identity_any"), 0.0)
    table = {"comment_text": ["a", "b", "c"], "split": SPLITS, "toxicity": [0.1, 0.2, 0.9]}
    return pd.DataFrame({**table, **mentions, **changed})


@pytest.mark.filterwarnings("ignore:.*published set")
@pytest.mark.filterwarnings("ignore:.*no rows of the classes")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"toxicity": [0.1, "very", 0.9]}, "'toxicity' must hold a number.*1 hold others: 'very'"),
        ({"toxicity": [0.1, None, 0.9]}, "'toxicity' must hold a number in each row; 1 have none"),
        ({"identity_any": [None, None, 1]}, "'identity_any' must hold a number.*; 2 have none"),
        ({"muslim": ["yes", 0, 0]}, "'muslim' must hold a number.*1 hold others: 'yes'"),
    ],
)
def test_scores_of_comments_that_are_no_numbers(tmp_path, changed, message):
    """A comment that nobody rated is not taken for a friendly one."""
    wilds(**changed).to_csv(tmp_path / "all_data_with_identities.csv")
    with pytest.raises(ValueError, match=message):
        read_metadata_csv(tmp_path, "civilcomments", check_counts=False)


def test_comments_without_an_identity_are_counted(tmp_path):
    wilds(black=[None, 0, 0], toxicity=[0.2, 0.2, 0.2]).to_csv(
        tmp_path / "all_data_with_identities.csv"
    )
    with (
        pytest.warns(DebiasWarning, match="1 rows lack an identity"),
        pytest.warns(DebiasWarning, match="published set"),
    ):
        found = read_metadata_csv(tmp_path, "civilcomments", check_counts=False)
    assert not found.train.membership.any()


def test_a_table_of_comments_by_another_name(tmp_path):
    table = pd.DataFrame({"filename": [0], "split": 0, "y": 0, "a": 0})
    table.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(ValueError, match="must be WILDS' all_data_with_identities.csv, or be call"):
        read_metadata_csv(tmp_path, "civilcomments", csv="mine.csv")


def multisite(folder, names, splits, name="metadata_multisite.csv"):
    """Write SubpopBench's table of chest X-rays, whose split 3 is drawn with replacement."""
    for i in range(6):
        (folder / "files").mkdir(exist_ok=True)
        (folder / f"files/{i}.jpg").write_bytes(b"an image")
    table = pd.DataFrame({"filename": [f"{folder}/files/{i}.jpg" for i in names], "split": splits})
    (folder / "subpop_bench_meta").mkdir(exist_ok=True)
    table = table.assign(y=table.index % 2, a=table.index // 2 % 2)
    table.to_csv(folder / "subpop_bench_meta" / name, index=False)


def test_rows_that_are_drawn_again(tmp_path):
    multisite(tmp_path, [0, 1, 2, 3, 4, 3, 5, 5], [0, 0, 1, 2, 2, 3, 3, 3])
    found = read_metadata_csv(tmp_path, "mimic")
    assert [path[-5:] for path in found.deployment.data] == ["3.jpg", "5.jpg", "5.jpg"]
    assert found.deployment.data[0] == found.test.data[0]


@pytest.mark.parametrize(
    ("names", "splits", "message"),
    [
        ([0, 1, 2, 0], [0, 0, 1, 2], "1 rows repeat the filename"),
        ([0, 1, 0, 2], [0, 0, 0, 2], "1 rows repeat the filename"),
        ([0, 1, 2, 0], [0, 0, 2, 3], "1 rows of the split 3 are rows of 0 or 1 as well"),
        ([0, 1, 2, 1], [0, 1, 0, 3], "1 rows of the split 3 are rows of 0 or 1 as well"),
    ],
)
def test_rows_that_were_trained_on_are_not_drawn_again(tmp_path, names, splits, message):
    multisite(tmp_path, names, splits)
    with pytest.raises(ValueError, match=message):
        read_metadata_csv(tmp_path, "mimic")


def test_rows_of_another_table_do_not_repeat(tmp_path):
    multisite(tmp_path, [0, 1, 2, 2], [0, 0, 3, 3], "metadata_no_finding.csv")
    with pytest.raises(ValueError, match="1 rows repeat the filename"):
        read_metadata_csv(tmp_path, "mimic")
