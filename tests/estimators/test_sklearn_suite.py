"""scikit-learn's own checks, with no expected failure."""

import inspect

import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.preprocessing import StandardScaler
from sklearn.utils import shuffle
from sklearn.utils._testing import set_random_state
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from sklearn_debias.testing import all_estimators, default, quick

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # of noise that teaches nothing

# Two epochs walk every phase of a method. Six teach it what two of the checks ask for.
BRIEF = {"lr": 0.1, "max_epochs": 2, "batch_size": 64}
OF_LEARNING = ("check_classifiers_train", "check_classifiers_classes")
EPOCHS = 6
# Weights equal repetitions exactly in float64, and where a batch holds all rows.
EXACT = {"dtype": "float64", "batch_size": 1000}
WITHOUT_WEIGHTS, WITH_WEIGHTS = 55, 62


def takes_weights(cls):
    return "sample_weight" in inspect.signature(cls.fit).parameters


def brief(cls):
    wanted = {**BRIEF, **(EXACT if takes_weights(cls) else {})}
    taken = inspect.signature(cls).parameters
    return quick(cls, **{name: value for name, value in wanted.items() if name in taken})


CLASSES = dict(all_estimators())


def with_checks(estimators):
    """Parametrize by scikit-learn's checks; of 1.9.0 they are a generator, to be read once."""
    mark = parametrize_with_checks(estimators)
    names, cases = mark.args
    return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


@with_checks([brief(cls) for cls in CLASSES.values()])
def test_sklearn_check(estimator, check):
    if check.func.__name__ in OF_LEARNING and "max_epochs" in estimator.get_params():
        estimator = clone(estimator).set_params(max_epochs=EPOCHS)
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
def test_every_default_learns(name):
    # The rows and the score of `check_classifiers_train`. Its fits of two classes and of lists are
    # made above.
    X, y = shuffle(*make_blobs(n_samples=300, random_state=0), random_state=7)
    X = StandardScaler().fit_transform(X)
    clf = default(CLASSES[name])
    set_random_state(clf)
    assert clf.fit(X, y).score(X, y) > 0.83


@pytest.mark.parametrize("name", CLASSES)
def test_number_of_checks(name):
    cls = CLASSES[name]
    expected = WITH_WEIGHTS if takes_weights(cls) else WITHOUT_WEIGHTS
    assert len(list(estimator_checks_generator(brief(cls)))) == expected
