"""What a layout knows is of its own columns, and identities are mentioned from one half on."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sklearn_debias.datasets import read_metadata_csv
from sklearn_debias.datasets.readers._layouts_csv import IDENTITIES
from sklearn_debias.datasets.readers._layouts_metashift import _drawn
from sklearn_debias.exceptions import DebiasWarning


@pytest.fixture
def faces(tmp_path):
    """Four images of CelebA's with an attribute more."""
    names = [f"{i}.jpg" for i in range(4)]
    table = pd.DataFrame(
        {
            "image_id": names,
            "partition": [0, 0, 1, 2],
            "Blond_Hair": [0, 1, 0, 1],
            "Male": [0, 0, 1, 1],
            "Young": [5, 6, 5, 6],
        }
    )
    table.to_csv(tmp_path / "celeba_metadata.csv", index=False)
    (tmp_path / "img_align_celeba").mkdir()
    for name in names:
        (tmp_path / "img_align_celeba" / name).write_bytes(b"an image")
    return tmp_path


@pytest.mark.parametrize("own", ["y", "a"])
def test_other_columns_have_no_published_counts_and_no_known_names(faces, own):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_metadata_csv(faces, "celeba", columns={own: "Young"})
    part, names = {
        "y": (found.train.target, found.target_names),
        "a": (found.train.bias_labels, found.bias_names),
    }[own]
    assert part.tolist() == [5, 6]
    assert names.tolist() == [str(i) for i in range(7)]


@pytest.mark.parametrize("own", ["file", "split"])
def test_other_names_of_files_and_splits_leave_the_counts(faces, own):
    path = faces / "celeba_metadata.csv"
    named = {"file": "image_id", "split": "partition"}[own]
    pd.read_csv(path).rename(columns={named: "another"}).to_csv(path, index=False)
    with pytest.raises(ValueError, match="train has 1 rows .*, the published set 71,629"):
        read_metadata_csv(faces, "celeba", columns={own: "another"})
    with pytest.warns(DebiasWarning, match="the published set"):
        found = read_metadata_csv(faces, "celeba", columns={own: "another"}, check_counts=False)
    assert found.target_names.tolist() == ["not blond", "blond"]


def test_an_identity_is_mentioned_where_half_of_the_raters_say_so(tmp_path):
    shares = [0.0, 0.49, 0.5, 0.51, 1.0, np.nan]
    table = pd.DataFrame(
        {
            "row": range(6),
            "comment_text": list("abcdef"),
            "split": "train",
            "toxicity": 0.0,
            "identity_any": 0.0,
            **dict.fromkeys(IDENTITIES, shares),
        }
    )
    table.to_csv(tmp_path / "all_data_with_identities.csv", index=False)
    with pytest.warns(DebiasWarning, match="the published set"):
        found = read_metadata_csv(tmp_path, "civilcomments", check_counts=False)
    expected = [False, False, True, True, True, False]
    assert found.train.membership.tolist() == [[value] * 8 for value in expected]


def test_shares_of_subpopbench_are_those_of_seed_42():
    split = _drawn(12)
    assert np.flatnonzero(split == "test").tolist() == [0, 9, 10]
    assert np.flatnonzero(split == "validation").tolist() == [1]
    # By SubpopBench's calls, at any size.
    for n in (12, 40, 3499):
        rng = np.random.RandomState(42)
        test = rng.choice(np.arange(n), size=int(0.25 * n), replace=False)
        rest = sorted(set(range(n)) - set(test.tolist()))
        validation = rng.choice(rest, size=int(0.1 * n), replace=False)
        split = _drawn(n)
        assert np.flatnonzero(split == "test").tolist() == sorted(test)
        assert np.flatnonzero(split == "validation").tolist() == sorted(validation)
    sizes = [int((split == name).sum()) for name in ("train", "validation", "test")]
    assert sizes == [2276, 349, 874]  # those of the paper
