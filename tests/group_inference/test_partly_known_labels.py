"""Bias labels of which some are not known: only "ssa" takes them."""

import numpy as np
import pandas as pd
import pytest
from inferring import METHODS, embeddings, inferrer, partly_known

TRAIN = embeddings().train
X, y, BIAS = TRAIN.data, TRAIN.target, TRAIN.bias_labels
NOT_TOLD = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


@pytest.mark.parametrize("unknown", [-1, None, np.nan, pd.NA], ids=repr)
@pytest.mark.parametrize("method", METHODS)
def test_only_ssa_takes_labels_that_are_partly_missing(method, unknown):
    labels = BIAS.astype(object)
    labels[::2] = unknown
    if method == "ssa":
        groups = inferrer(method).fit(X, y, bias_labels=labels)
        expected = inferrer(method).fit(X, y, bias_labels=np.where(np.arange(400) % 2, BIAS, -1))
        np.testing.assert_array_equal(groups.bias_labels_, expected.bias_labels_)
        return
    words = "`bias_labels` must not contain NaN or None, nor -1 .*200 of 400 rows.*'ssa'"
    with pytest.raises(ValueError, match=words):
        inferrer(method).fit(X, y, bias_labels=labels)


@pytest.mark.parametrize(
    "kind",
    [
        lambda labels: pd.Series(labels, dtype="Int64").where(labels >= 0),
        lambda labels: pd.Categorical(np.array([None, "sea", "land"], dtype=object)[labels + 1]),
        lambda labels: np.where(labels < 0, np.nan, labels),
        lambda labels: [None if a < 0 else a for a in labels.tolist()],
        lambda labels: labels[:, None],
    ],
    ids=["Int64", "categories", "floats", "list", "a column"],
)
def test_kinds_of_partly_known_labels_agree(kind):
    labels = partly_known(BIAS)
    groups = inferrer("ssa").fit(X, y, bias_labels=kind(labels))
    expected = inferrer("ssa").fit(X, y, bias_labels=labels).bias_labels_
    _, found = np.unique(groups.bias_labels_.astype(str), return_inverse=True)
    same = np.mean(found == expected)
    assert same in (0, 1)  # "land" comes before "sea"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "`bias_labels` must be given for `method`='ssa'"),
        (np.full(400, -1), "`bias_labels` must be known of some rows"),
        (np.where(np.arange(400) % 2, 1, -1), "at least 2 known values for `method`='ssa'"),
        (BIAS[:7], "bias_labels"),
        (np.zeros((400, 2, 2)), "`bias_labels` must be 1-D"),
        (np.arange(400) + 0.5, "`bias_labels` must be categorical"),
    ],
    ids=["None", "all unknown", "one value", "too short", "3-D", "continuous"],
)
def test_bias_labels_that_ssa_refuses(labels, words):
    with pytest.raises(ValueError, match=words):
        inferrer("ssa").fit(X, y, bias_labels=labels)


@NOT_TOLD
def test_a_value_of_which_no_label_is_known_is_never_predicted():
    names = np.where(BIAS == 1, "sand", "grass")
    names[:30] = "snow"
    known = names.astype(object)
    known[names == "snow"] = None
    groups = inferrer("ssa").fit(X, y, bias_labels=known)
    assert set(groups.bias_labels_) == {"grass", "sand"}


@NOT_TOLD
def test_labels_known_in_one_class_only():
    labels = np.where(y == 0, BIAS, -1)
    groups = inferrer("ssa").fit(X, y, bias_labels=labels)
    np.testing.assert_array_equal(groups.bias_labels_[y == 0], BIAS[y == 0])


def test_labels_of_two_attributes_are_spread_as_pairs():
    pairs = np.column_stack([BIAS, np.arange(400) % 2])
    known = np.where((np.arange(400) % 3 == 0)[:, None], pairs, -1)
    groups = inferrer("ssa").fit(X, y, bias_labels=known)
    assert groups.bias_labels_.shape == (400, 2)
    np.testing.assert_array_equal(groups.bias_labels_[::3], pairs[::3])


@pytest.mark.parametrize("method", ["errors", "xrm"])
def test_minus_one_beside_one_is_a_coding(method):
    coded = np.where(np.arange(len(y)) % 2, 1, -1)
    plain = inferrer(method).fit(X, y).bias_labels_
    given = inferrer(method).fit(X, y, bias_labels=coded).bias_labels_
    np.testing.assert_array_equal(given, plain)
    with pytest.raises(ValueError, match="at least 2 known values .*-1 is none"):
        inferrer("ssa").fit(X, y, bias_labels=coded)


@NOT_TOLD
def test_values_of_several_types_come_back_as_they_were_given():
    known = np.full(len(y), None, dtype=object)
    known[:60] = [1, "a"] * 30
    groups = inferrer("ssa").fit(X, y, bias_labels=known)
    assert set(groups.bias_labels_.tolist()) == {1, "a"}
    assert groups.bias_labels_[:60].tolist() == [1, "a"] * 30
