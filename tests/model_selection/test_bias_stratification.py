"""No fold and no part without a group that is large enough."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.model_selection import BiasStratifiedKFold, bias_train_test_split

Y = np.repeat([0, 1], 100)
BIAS = np.where(np.arange(200) % 20 == 7, 1 - Y, Y)  # 5 % conflicting: five of each class
X = np.arange(200)


def cells_of(rows):
    return {(int(y), int(b)) for y, b in zip(Y[rows], BIAS[rows], strict=True)}


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_fold_holds_every_group_where_stratification_on_y_does_not(shuffle):
    seed = 0 if shuffle else None
    folds = list(
        BiasStratifiedKFold(5, shuffle=shuffle, random_state=seed).split(X, Y, bias_labels=BIAS)
    )
    assert all(len(cells_of(test)) == len(cells_of(train)) == 4 for train, test in folds)
    plain = StratifiedKFold(5, shuffle=shuffle, random_state=seed).split(X, Y)
    if shuffle:
        assert any(len(cells_of(test)) < 4 for _, test in plain)


rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=5, max_size=60)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@settings(max_examples=60)
@given(rows=rows, n_splits=st.integers(2, 5), shuffle=st.booleans())
def test_folds_partition_the_samples_evenly(rows, n_splits, shuffle):
    y, bias = np.array(rows).T
    cv = BiasStratifiedKFold(n_splits, shuffle=shuffle, random_state=0 if shuffle else None)
    tests = [test for _, test in cv.split(y, y, bias_labels=bias)]
    assert sorted(np.concatenate(tests).tolist()) == list(range(len(y)))
    for label in (np.zeros_like(y), y, 10 * y + bias):
        for value in np.unique(label):
            counts = [np.sum(label[test] == value) for test in tests]
            assert max(counts) - min(counts) <= 1
    for train, test in cv.split(y, y, bias_labels=bias):
        assert set(train).isdisjoint(test)
        assert len(train) + len(test) == len(y)


def test_seeds_reproduce_and_unshuffled_folds_are_blocks():
    def tests(**kwargs):
        return [
            test.tolist() for _, test in BiasStratifiedKFold(4, **kwargs).split(X, Y, bias_labels=Y)
        ]

    assert tests(shuffle=True, random_state=1) == tests(shuffle=True, random_state=1)
    assert tests(shuffle=True, random_state=1) != tests(shuffle=True, random_state=2)
    assert tests()[0] == [*range(25), *range(100, 125)]


def test_small_groups_are_named_in_one_warning():
    bias = Y.copy()
    bias[:2] = 1
    with pytest.warns(
        DebiasWarning, match=r"1 \(class, bias value\) groups.*n_splits=3.*\(0, 1\)"
    ) as caught:
        folds = list(BiasStratifiedKFold(3).split(X, Y, bias_labels=bias))
    assert len(caught) == 1
    assert sorted(int(np.sum(test < 2)) for _, test in folds) == [0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"n_splits": 1}, "`n_splits` must be an int >= 2, got 1"),
        ({"n_splits": 2.0}, "`n_splits`"),
        ({"n_splits": True}, "`n_splits`"),
        ({"shuffle": 1}, "`shuffle` must be True or False"),
        ({"random_state": 0}, "`random_state` has no effect without shuffle=True"),
        ({"random_state": "a", "shuffle": True}, "`random_state` must be"),
    ],
)
def test_bad_parameters_raise(arguments, match):
    with pytest.raises(ValueError, match=match):
        BiasStratifiedKFold(**arguments)


def test_bad_split_arguments_raise():
    cv = BiasStratifiedKFold(3)
    for kwargs, match in [
        ({"y": Y}, r"`bias_labels` did not reach.*set_config\(enable_metadata_routing=True\)"),
        ({"y": None, "bias_labels": BIAS}, "`y` must be given"),
        ({"y": Y, "groups": BIAS}, "`groups` must be None.*`bias_labels=`"),
        ({"y": Y, "bias_labels": BIAS[:-1]}, "expected 200, got 199"),
    ]:
        with pytest.raises(ValueError, match=match):
            next(cv.split(X, **kwargs))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(cv.split(X[:-1], Y, bias_labels=BIAS))
    with pytest.raises(
        ValueError, match="`n_splits` must be at most the number of samples, got 3 for 2"
    ):
        next(cv.split([0, 1], [0, 1], bias_labels=[0, 1]))


def test_routing_passes_bias_labels_and_without_it_the_switch_is_named():
    cv = BiasStratifiedKFold(4)
    assert cv.get_n_splits(X, Y, bias_labels=BIAS) == cv.get_n_splits() == 4
    assert repr(clone(cv, safe=False)) == repr(cv)
    model, x = DummyClassifier(), X[:, None]
    with config_context(enable_metadata_routing=True):
        assert cv.get_metadata_routing().split.requests == {"bias_labels": True}
        assert len(cross_val_score(model, x, Y, cv=cv, params={"bias_labels": BIAS})) == 4
        search = GridSearchCV(model, {"strategy": ["prior"]}, cv=cv).fit(x, Y, bias_labels=BIAS)
        assert search.n_splits_ == 4
    for call in (
        lambda: cross_val_score(model, x, Y, cv=cv),
        lambda: GridSearchCV(model, {"strategy": ["prior"]}, cv=cv).fit(x, Y),
    ):
        with pytest.raises(ValueError, match=r"set_config\(enable_metadata_routing=True\)"):
            call()


@settings(max_examples=60)
@given(rows=rows, share=st.floats(0.3, 0.7), seed=st.integers(0, 9))
@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_parts_hold_every_group_of_two(rows, share, seed):
    y, bias = np.array(rows).T
    cells, counts = np.unique(10 * y + bias, return_counts=True)
    n_test = int(np.ceil(share * len(y)))
    large = counts > 1
    if not large.sum() <= n_test <= (counts - 1).sum():
        with pytest.raises(ValueError, match="`test_size` must leave a sample of each"):
            bias_train_test_split(y, y, bias, test_size=share, random_state=seed)
        return
    train, test, *_ = bias_train_test_split(
        np.arange(len(y)), y, bias, test_size=share, random_state=seed
    )
    assert sorted([*train, *test]) == list(range(len(y)))
    assert len(test) == n_test
    in_train, in_test = (np.isin(cells, (10 * y + bias)[part]) for part in (train, test))
    assert in_train.all()
    np.testing.assert_array_equal(in_test, large)


def test_shares_are_kept_and_types_too():
    frame = pd.DataFrame({"x": X}, index=X + 1000)
    series = pd.Series(BIAS, index=frame.index, name="bias")
    parts = bias_train_test_split(
        frame, Y.tolist(), series, X.astype(float), test_size=0.2, random_state=0
    )
    assert [type(part) for part in parts] == [pd.DataFrame] * 2 + [list] * 2 + [pd.Series] * 2 + [
        np.ndarray
    ] * 2
    _, X_test, _, y_test, _, bias_test, _, weight_test = parts
    assert len(X_test) == 40
    assert X_test.index.equals(bias_test.index)
    np.testing.assert_array_equal(X_test["x"], weight_test)
    np.testing.assert_array_equal(Y[X_test["x"]], y_test)
    assert sum(bias_test.to_numpy() != np.array(y_test)) == 2
    again = bias_train_test_split(
        frame, Y.tolist(), bias_labels=series, test_size=40, random_state=0
    )
    pd.testing.assert_frame_equal(again[1], X_test)


def test_several_attributes_can_be_stratified_on():
    frame = pd.DataFrame({"place": BIAS, "night": X % 2})
    *_, train, test = bias_train_test_split(X, Y, frame, random_state=0)
    assert len(train.drop_duplicates()) == len(test.drop_duplicates()) == 4


def test_a_single_sample_goes_to_the_training_set_and_is_named():
    bias = Y.copy()
    bias[3] = 1
    with pytest.warns(DebiasWarning, match=r"single sample.*training set: \(0, 1\)"):
        train, test, *_ = bias_train_test_split(X, Y, bias, random_state=0)
    assert 3 in train
    assert 3 not in test


@pytest.mark.parametrize("test_size", [0, 1.0, 1.5, -0.1, 200, "half", True, None, np.nan])
def test_bad_test_sizes_raise(test_size):
    with pytest.raises(ValueError, match="`test_size` must be a float in"):
        bias_train_test_split(X, Y, BIAS, test_size=test_size)


def test_bad_inputs_of_the_split_raise():
    with pytest.raises(ValueError, match="`bias_labels` must be given"):
        bias_train_test_split(X, Y, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        bias_train_test_split(X, Y, BIAS[:-1])
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    bias_train_test_split(X, Y, BIAS)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
