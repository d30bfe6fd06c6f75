"""Indexes whose labels repeat: which of them contradict each other, and what the message offers."""

import numpy as np
import pandas as pd
import pytest

from sklearn_debias import ERMClassifier, GroupDROClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.rows import check_same_rows

COUNT = pd.RangeIndex(6)
PARTS = [0, 1, 2, 0, 1, 2]  # as pd.concat leaves the rows of two frames
CONTRADICT = {
    "concatenated rows in another order": ([0, 2, 1, 0, 1, 2], PARTS),
    "two concatenated frames the other way round": ([0, 1, 2, 0, 1], [0, 1, 0, 1, 2]),
    "rows drawn with replacement, beside a default index": ([2, 2, 1, 0, 4, 4], COUNT),
    "rows drawn with replacement, beside their names": (list("aabb"), list("abcd")),
    "names, beside rows drawn with replacement": (list("abcd"), list("aabb")),
    "repeated names in another order": (list("aabb"), list("abab")),
    "names in two columns": (
        pd.MultiIndex.from_tuples([(0, 1), (0, 2), (1, 1)]),
        pd.MultiIndex.from_tuples([(0, 2), (0, 1), (1, 1)]),
    ),
    "dates": (pd.date_range("2020", periods=3), pd.date_range("2020", periods=3)[::-1]),
    "categories": (pd.CategoricalIndex(list("abc")), pd.CategoricalIndex(list("bac"))),
    "labels of several types": ([1, "a", 2.5], ["a", 1, 2.5]),
}
AGREE = {
    "concatenated rows, beside a default index": (PARTS, COUNT),
    "a default index, beside concatenated rows": (COUNT, PARTS),
    "concatenated rows, beside rows of another frame": (PARTS, [3, 0, 9, 1, 8, 7]),
    "frames of other lengths": ([0, 1, 2, 3, 0], [0, 1, 2, 0, 1]),
    "a default index, beside rows drawn with replacement": (COUNT, [2, 2, 1, 0, 4, 4]),
    "part of a larger frame, beside a default index": ([5, 3, 7], pd.RangeIndex(3)),
    "a default index, beside part of a larger frame": (pd.RangeIndex(3), [5, 3, 7]),
    "other names": (list("aabb"), list("wxyz")),
    "a name that is missing in both": (["a", np.nan, "b"], ["a", np.nan, "c"]),
    "dates, beside a default index": (pd.date_range("2020", periods=3), pd.RangeIndex(3)),
    "two columns, beside one": (pd.MultiIndex.from_tuples([(0, 1), (0, 2)]), list("ab")),
    "categories, beside others": (pd.CategoricalIndex(list("ab")), pd.CategoricalIndex(list("cd"))),
    "no row": ([], []),
}


def beside(index, other):
    return {"X": pd.DataFrame(index=index), "bias_labels": pd.Series(0, index=other)}


@pytest.mark.parametrize("case", CONTRADICT)
def test_rows_that_are_named_twice_differently_are_refused(case):
    with pytest.raises(ValueError, match="^`bias_labels` must have its rows in the order of `X`"):
        check_same_rows(beside(*CONTRADICT[case]))


@pytest.mark.parametrize("case", AGREE)
def test_rows_that_may_belong_together_are_taken(case):
    check_same_rows(beside(*AGREE[case]))


def test_no_remedy_by_labels_that_repeat_is_offered():
    with pytest.raises(ValueError, match=r"Pass bias_labels.to_numpy\(\) where the order does\.$"):
        check_same_rows(beside(*CONTRADICT["names, beside rows drawn with replacement"]))
    with pytest.raises(ValueError, match=r"Pass bias_labels.loc\[X.index\] where the index says"):
        check_same_rows(beside(*CONTRADICT["rows drawn with replacement, beside their names"]))


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_a_fit_to_concatenated_frames_takes_labels_with_a_default_index():
    train = make_spurious_embeddings(n_samples=60, random_state=0).train
    X = pd.DataFrame(train.data).rename(columns=str)
    joined = pd.concat([X[:30], X[30:].reset_index(drop=True)])
    clf = GroupDROClassifier(max_epochs=1, random_state=0)
    plain = clf.fit(X, train.target, bias_labels=train.bias_labels).predict_proba(X)
    clf.fit(joined, train.target, bias_labels=pd.Series(train.bias_labels))
    np.testing.assert_array_equal(clf.predict_proba(X), plain)


@pytest.mark.parametrize("name", ["bias_labels", "sample_weight"])
def test_a_fit_says_what_to_do_after_a_sampler(name):
    train = make_spurious_embeddings(n_samples=60, random_state=0).train
    X = pd.DataFrame(train.data).rename(columns=str)
    taken = np.random.default_rng(0).integers(0, 60, size=60)
    remedy = rf"np\.asarray\({name}\)\[sampler\.sample_indices_\]"
    with pytest.raises(ValueError, match=f"^`{name}` must .*If a sampler moved the rows.*{remedy}"):
        ERMClassifier(max_epochs=1).fit(
            X.iloc[taken], train.target[taken], **{name: pd.Series(np.ones(60))}
        )
