"""Rows that are written to while a fit runs: the error names them, and not a parameter."""

import os

import numpy as np
import pytest

from sklearn_debias import (
    AdversarialTrainingClassifier,
    DFRClassifier,
    ERMClassifier,
    MetaWeightNetClassifier,
    ULEClassifier,
)
from sklearn_debias.exceptions import DivergedError
from sklearn_debias.fitting import _changed_rows, _logistic
from sklearn_debias.fitting._changed_rows import first_wrong
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.training import ArraySource, DatasetSource, JoinedSource

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
N = 60
QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "device": "cpu"}


def rows(shape=(5,), n=N, dtype="f4"):
    """Rows (n, *shape), and classes (n,) that their first value tells."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    X = rng.random((n, *shape))
    X[:, 0] += y.reshape(n, *[1] * (len(shape) - 1))
    return X.astype(dtype), y


def on_disk(folder, array):
    np.save(folder / "rows.npy", array)
    return np.load(folder / "rows.npy", mmap_mode="r+")


def written_to(cls, source_of, value=np.nan, numbers=(7, 9)):
    """A class whose rows are written to, by somebody else, after they were checked."""

    def _training_set(self, training):
        training = cls._training_set(self, training)
        source_of(training).items[list(numbers)] = value
        return training

    return type(cls.__name__, (cls,), {"_training_set": _training_set})


def of_X(training):
    return training.inputs.source


def message(name):
    return rf"^`{name}` is not finite, and was when `fit` began: .* Leave .* alone until `fit` ends"


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_the_first_wrong_row_of_a_map_is_named(tmp_path, dtype, value):
    X, y = rows(dtype=dtype)
    clf = written_to(ERMClassifier, of_X, value)(**QUICK)
    with pytest.raises(DivergedError, match=message(r"X\[7\]")) as caught:
        clf.fit(on_disk(tmp_path, X), y)
    assert "model_loss is not finite in epoch 1 of phase 'train'" in str(caught.value.__cause__)
    assert not hasattr(clf, "classes_")


def test_a_value_too_large_for_the_type_is_named(tmp_path):
    X, y = rows(dtype="f8")
    with pytest.raises(DivergedError, match=message(r"X\[7\]")):
        written_to(ERMClassifier, of_X, 1e300)(**QUICK).fit(on_disk(tmp_path, X), y)


def test_the_number_is_that_of_X_where_rows_are_held_out(tmp_path):
    X, y = rows()
    clf = written_to(ERMClassifier, of_X, numbers=range(50, 60))(validation=0.2, **QUICK)
    with pytest.raises(DivergedError, match=message(r"X\[5\d\]")) as caught:
        clf.fit(on_disk(tmp_path, X), y)
    number = int(str(caught.value)[3:5])
    assert number in range(50, 60)


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("options", [{"optimizer": "lbfgs"}, {}, {"module": "mlp"}], ids=str)
def test_arrays_and_minima(tmp_path, options, mapped):
    X, y = rows()
    clf = written_to(ERMClassifier, of_X)(**QUICK, **options)
    with pytest.raises(DivergedError, match=message(r"X\[7\]")):
        clf.fit(on_disk(tmp_path, X) if mapped else X, y)


@pytest.mark.parametrize("freeze", [None, "body"])
def test_images(tmp_path, freeze):
    X, y = rows((3, 8, 8))
    module = ERMClassifier("simple_cnn", **QUICK).fit(X, y).module_
    clf = written_to(ERMClassifier, of_X)(module, freeze=freeze, **QUICK)
    with pytest.raises(DivergedError, match=message(r"X\[7\]")):
        clf.fit(on_disk(tmp_path, X), y)


BESIDE = {
    "X_meta": (MetaWeightNetClassifier, lambda training: training.meta[0]),
    "X_extra": (AdversarialTrainingClassifier, lambda training: training.inputs.source.items[1]),
    "X_student": (ULEClassifier, lambda training: training.views["student"].source),
}


@pytest.mark.parametrize("name", BESIDE)
def test_rows_beside_X(name):
    X, y = rows()
    other = rows(n=N // 2)
    cls, source_of = BESIDE[name]
    given = {name: X.copy() if name == "X_student" else other}
    with pytest.raises(DivergedError, match=message(rf"{name}\[7\]")):
        written_to(cls, source_of)(**QUICK).fit(X, y, **given)


def test_the_held_out_meta_set_is_of_X():
    X, y = rows()
    clf = written_to(MetaWeightNetClassifier, lambda training: training.meta[0], numbers=range(N))
    with pytest.raises(DivergedError, match=message(r"X\[\d+\]")):
        clf(**QUICK).fit(X, y)


def test_a_file_that_becomes_shorter_is_called_as_it_was_passed(tmp_path):
    X, y = rows()

    class Cut(MetaWeightNetClassifier):
        def _training_set(self, training):
            os.truncate(tmp_path / "rows.npy", 10)
            return super()._training_set(training)

    with pytest.raises(ValueError, match=r"^`X_meta` is a memory map of .* become shorter: 10 "):
        Cut(**QUICK).fit(X, y, X_meta=on_disk(tmp_path, X[:40]), y_meta=y[:40])


def test_candidates_of_a_search():
    X, y = rows()
    for optimizer in ("adam", "lbfgs"):
        clf = written_to(ERMClassifier, of_X)(**QUICK, optimizer=optimizer)
        search = BatchedGridSearchCV(clf, {"weight_decay": [0.1, 0.2]}, cv=2, error_score="raise")
        with pytest.raises(DivergedError, match=message(r"X\[7\]")):
            search.fit(X, y)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("many", [10, 10**6])
def test_a_logistic_regression(tmp_path, many, monkeypatch):
    """Liblinear would be told to impute, Newton's steps of an array without a name."""
    monkeypatch.setattr(_logistic, "MANY", many)
    X, y = rows()

    class Written(DFRClassifier):
        def _refit(self, X, *args):
            X[7] = np.nan
            super()._refit(X, *args)

    with pytest.raises(DivergedError, match=message(r"X\[7\]")):
        Written(C=1.0, random_state=0).fit(on_disk(tmp_path, X), y)


class Unread:
    """A dataset that nobody may read again."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        raise AssertionError("was read")


def test_rows_are_read_a_part_at_a_time_and_only_where_they_may_be_wrong(monkeypatch):
    monkeypatch.setattr(_changed_rows, "PART", 5 * 4)  # four rows
    X, _ = rows(n=10)
    X[[6, 9]] = np.inf
    some = ArraySource(X)
    assert first_wrong(some) == "X[6]"
    assert first_wrong(some.subset(np.array([1, 9, 6]))) == "X[9]"
    assert first_wrong(some.subset(np.arange(6))) is None
    assert first_wrong(ArraySource(np.full((9, 3), 255, np.uint8))) is None
    assert first_wrong(DatasetSource(Unread())) is None
    joined = JoinedSource((ArraySource(X[:6]), some.called("X_extra")))
    assert first_wrong(joined) == "X_extra[6]"
    assert first_wrong(joined.subset(np.array([0, 15, 12, 5]))) == "X_extra[9]"
    assert first_wrong(joined.subset(np.array([0, 11, 5]))) is None


def test_rows_that_are_finite_are_not_blamed(tmp_path):
    X, y = rows()
    with pytest.raises(DivergedError, match=r"Training diverged: .* Lower `lr` \(1e\+38\)"):
        ERMClassifier(**QUICK | {"lr": 1e38}).fit(on_disk(tmp_path, X), y)
