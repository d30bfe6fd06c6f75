"""Numbers of NumPy, bools, and integers too large, for every parameter of every class."""

from functools import partial

import numpy as np
import pytest
from faulty import CLASSES, X, arguments, b, make, y
from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from wrong_numbers import HUGE, of_numpy

from sklearn_debias import ERMClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV

UNWARNED = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
SEARCH = partial(BatchedGridSearchCV, ERMClassifier(max_epochs=1), {"lr": [0.1]})
FITTED = {**{name: partial(make, name) for name in CLASSES}, "Embedder": Embedder, "Search": SEARCH}


class Untouchable:
    """Data that nobody may look at."""

    def __len__(self):
        raise AssertionError("the data were touched")

    __array__ = __getitem__ = __iter__ = __len__


def numeric(estimator):
    """Names of the parameters that the package declares to be numbers."""
    allowed = type(estimator)._parameter_constraints
    if isinstance(estimator, BatchedGridSearchCV):  # the others are scikit-learn's
        allowed = {name: allowed[name] for name in ("n_seeds", "memory")}
    for name, constraints in allowed.items():
        if name == "random_state" or any(isinstance(c, Interval) for c in constraints):
            yield name


def given_to(name):
    return {"bias_labels": b} if "bias_labels" in arguments(name) else {}


@UNWARNED
@pytest.mark.parametrize("name", CLASSES)
def test_numpy_numbers_train_the_same_model(name):
    plain = make(name)
    params = {p: of_numpy(value) for p, value in plain.get_params(deep=False).items()}
    other = clone(plain).set_params(**params)
    expected = plain.fit(X, y, **given_to(name)).predict_proba(X)
    np.testing.assert_array_equal(other.fit(X, y, **given_to(name)).predict_proba(X), expected)
    for parameter, value in params.items():  # they are the user's, and stay as they were
        assert getattr(other, parameter) is value
    np.testing.assert_array_equal(
        clone(other).fit(X, y, **given_to(name)).predict_proba(X), expected
    )


@pytest.mark.parametrize("name", FITTED)
def test_no_class_takes_a_bool_or_an_overflow_for_a_number(name):
    parameters = list(numeric(FITTED[name]()))
    assert parameters
    for parameter in parameters:
        for value in (True, HUGE):
            estimator = FITTED[name]().set_params(**{parameter: value})
            with pytest.raises((ValueError, TypeError), match=f"['`]{parameter}['`]"):
                estimator.fit(Untouchable(), Untouchable())


def test_counts_beyond_64_bits_are_refused_and_rates_are_floats():
    with pytest.raises(ValueError, match="`batch_size` of ERMClassifier must be a number of at"):
        make("ERMClassifier", batch_size=2**63).fit(X, y)
    whole = make("ERMClassifier", batch_size=2**63 - 1).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(
        make("ERMClassifier", batch_size=40).fit(X, y).predict_proba(X), whole
    )
    weighted = make("JTTClassifier", upweight_by="weight", upweight=2**63, max_epochs=1)
    same = clone(weighted).set_params(upweight=2.0**63)
    np.testing.assert_array_equal(*(clf.fit(X, y).predict_proba(X) for clf in (weighted, same)))


@pytest.mark.parametrize("upweight", [2**40, 2**63, np.uint64(2**63)])
def test_no_more_copies_than_rows_can_be_numbered(upweight):
    with pytest.raises(ValueError, match="`upweight`=.* would repeat .* at most 2147483648"):
        make("JTTClassifier", upweight=upweight).fit(X, y)


def test_numbers_inside_of_parameters():
    clf = make(
        "ERMClassifier",
        module="mlp",
        normalize=[np.float32(0), np.int8(1)],
        net_params={"module__hidden": np.int64(3), "optimizer__eps": np.float32(1e-3)},
    )
    same = clone(clf).set_params(
        normalize=[0.0, 1], module__hidden=3, optimizer__eps=float(np.float32(1e-3))
    )
    np.testing.assert_array_equal(*(e.fit(X, y).predict_proba(X) for e in (clf, same)))
    for parameter, value in {
        "normalize": (0, HUGE),
        "net_params": {"module__hidden": HUGE},
    }.items():
        with pytest.raises(ValueError, match=f"`{parameter}`"):
            make("ERMClassifier", **{parameter: value}).fit(Untouchable(), Untouchable())


@UNWARNED
def test_numbers_of_a_base_and_of_the_candidates_of_searches():
    base = CLASSES["JTTClassifier"](identification_epochs=np.uint8(1), upweight=np.uint8(3))
    plain = CLASSES["JTTClassifier"](identification_epochs=1, upweight=3)
    np.testing.assert_array_equal(
        *(make("BiasAdvClassifier", base=e).fit(X, y).predict_proba(X) for e in (base, plain))
    )
    grid = {"batch_size": np.array([16, 32]), "lr": np.array([0.01, 0.1], dtype=np.float32)}
    search = BatchedGridSearchCV(make("ERMClassifier"), grid, cv=2, n_seeds=np.uint8(2)).fit(X, y)
    listed = {name: values.tolist() for name, values in grid.items()}
    other = BatchedGridSearchCV(make("ERMClassifier"), listed, cv=2, n_seeds=2).fit(X, y)
    np.testing.assert_array_equal(*(s.cv_results_["mean_test_score"] for s in (search, other)))
