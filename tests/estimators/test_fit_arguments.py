"""What ``fit`` takes, what it says of anything else, and its documentation."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from sklearn_debias import ERMClassifier, JTTClassifier, LfFClassifier, ULEClassifier
from sklearn_debias.core import Phase
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.fitting import Given, fill, fit_method
from sklearn_debias.objectives import ERM
from sklearn_debias.testing import all_estimators

X = np.random.default_rng(0).normal(size=(40, 3))
y = (X[:, 0] > 0).astype(int)
FAST = {"max_epochs": 2, "lr": 0.1, "random_state": 0}
TORCH = [cls for _, cls in all_estimators() if issubclass(cls, BaseDebiasClassifier)]
by_class = pytest.mark.parametrize("made", TORCH, ids=lambda made: made.__name__)


@pytest.mark.parametrize(
    ("clf", "arguments", "message"),
    [
        (
            LfFClassifier(),
            {"sample_weight": np.ones(40)},
            "`sample_weight` is not an argument of LfFClassifier.fit, which takes X, y and, by "
            "name only, bias_labels, validation_data. Leave it out, or use .*ERMClassifier.*, "
            "which can take it.",
        ),
        (
            JTTClassifier(),
            {"X_student": X},
            "Leave it out, or use .*ULEClassifier.*, which can take it.",
        ),
        (
            ERMClassifier(),
            {"groups": y},
            "`groups` is not an argument of ERMClassifier.fit, .* Here it is `bias_labels`.",
        ),
        (
            ULEClassifier(),
            {"groups": y},
            "ULEClassifier.fit, .* bias_labels, validation_data, X_student. Here it is",
        ),
    ],
)
def test_an_argument_that_is_not_taken_is_told_by_the_class_of_the_user(clf, arguments, message):
    with pytest.raises(TypeError, match=message):
        clf.fit(X, y, **arguments)
    assert not [name for name in vars(clf) if name.endswith("_")]


def test_arguments_by_position_or_missing():
    with pytest.raises(
        TypeError, match="JTTClassifier.fit takes X, y and, by name only, bias_labels, .*: too many"
    ):
        JTTClassifier().fit(X, y, y)
    with pytest.raises(
        TypeError, match="JTTClassifier.fit takes X, y and.*: missing a required argument: 'y'"
    ):
        JTTClassifier().fit(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_search_passes_the_message_on():
    with pytest.raises(ValueError, match="`sample_weight` is not an argument of LfFClassifier.fit"):
        GridSearchCV(LfFClassifier(**FAST), {"q": [0.5]}, cv=2).fit(X, y, sample_weight=np.ones(40))


@by_class
def test_scikit_learn_reads_the_arguments_of_fit(made):
    names = set(inspect.signature(made.fit).parameters) - {"self"}
    assert not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(made.fit).parameters.values())
    assert set(get_routing_for_object(made()).fit.requests) == names - {"X", "y"}
    assert has_fit_parameter(made(), "sample_weight") == ("sample_weight" in names)


@by_class
def test_fit_documents_each_argument_once(made):
    doc = inspect.getdoc(made.fit)
    names = list(inspect.signature(made.fit).parameters)[1:]
    sections = doc.split("\n\n")
    assert sections[1].startswith("Parameters\n----------\n")
    entries = [
        line.split(" : ")[0] for line in sections[1].splitlines()[2:] if not line.startswith(" ")
    ]
    assert sorted(name for entry in entries for name in entry.split(", ")) == sorted(names)
    for text in (doc, made.__doc__):
        assert "{shared" not in text


@by_class
def test_the_class_documents_each_parameter(made):
    doc = made.__doc__
    assert doc == inspect.cleandoc(doc)
    entries = doc.split("Parameters\n----------\n")[1].split("\nAttributes\n")[0].splitlines()
    found = [
        name
        for line in entries
        if not line.startswith(" ")
        for name in line.split(" : ")[0].split(", ")
    ]
    assert set(found) - {""} == set(made._get_param_names())


def test_a_docstring_without_its_margin_is_filled_alike():
    doc = (
        "One line.\n\n        Parameters\n        ----------\n        {shared_arguments}\n        "
        "X_meta : array-like\n"
    )
    assert fill(doc) == fill(
        inspect.cleandoc(doc)
    )  # Python 3.13 removes the margin while it compiles
    assert "\nX : array-like" in fill(doc)


class Taking(BaseDebiasClassifier):
    """A method with an argument of its own."""

    @fit_method
    def fit(self, X, y, *, X_meta=None):
        """Fit.

        Parameters
        ----------
        {shared_arguments}
        X_meta : array-like
        """
        self.seen_ = X_meta
        return Given(X, y)

    def _phases(self):
        return (Phase("train", (ERM(),), 1),)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_a_method_with_arguments_of_its_own():
    assert Taking().fit(X, y, X_meta=3).seen_ == 3
    assert (
        "validation_data : (X, y) or (X, y, bias_labels), default=None\n    Rows"
        in Taking.fit.__doc__
    )
    assert pickle.loads(pickle.dumps(Taking().fit(X, y, X_meta=3))).seen_ == 3
    with pytest.raises(ValueError, match="The 'lr' parameter of Taking must be"):
        Taking(lr=-1.0).fit(X, y)


@pytest.mark.parametrize("by", ["sample", "subsample"])
def test_balance_by_without_balance_warns_and_has_no_effect(by):
    with pytest.warns(
        DebiasWarning,
        match=f"`balance_by`='{by}' has no effect with `balance`=None.* Set `balance`",
    ):
        clf = ERMClassifier(**FAST, balance_by=by).fit(X, y)
    np.testing.assert_array_equal(
        clf.predict_proba(X), ERMClassifier(**FAST).fit(X, y).predict_proba(X)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ERMClassifier(**FAST, balance="class", balance_by=by).fit(X, y)
