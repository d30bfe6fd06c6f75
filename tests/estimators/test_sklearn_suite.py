"""scikit-learn's own checks, with no expected failure."""

import inspect

import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from sklearn_debias.testing import all_estimators, default

# Weights equal repetitions exactly in float64, and where a batch holds all rows.
EXACT = {"dtype": "float64", "batch_size": 1000}


def takes_weights(cls):
    return "sample_weight" in inspect.signature(cls.fit).parameters


ESTIMATORS = [default(cls, **(EXACT if takes_weights(cls) else {})) for _, cls in all_estimators()]
WITHOUT_WEIGHTS, WITH_WEIGHTS = 55, 62
# What is learned is checked with every default. The other checks look at arguments, attributes,
# copies and equal results: they walk the same code in ten epochs, every phase of every method among
# it, in a tenth of the time.
OF_LEARNING = ("check_classifiers_train", "check_classifiers_classes")
EPOCHS = 10


@pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # of noise that teaches nothing
@parametrize_with_checks(ESTIMATORS)
def test_sklearn_check(estimator, check):
    if check.func.__name__ not in OF_LEARNING and "max_epochs" in estimator.get_params():
        estimator = clone(estimator).set_params(max_epochs=EPOCHS)
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_number_of_checks(estimator):
    expected = WITH_WEIGHTS if takes_weights(type(estimator)) else WITHOUT_WEIGHTS
    assert len(list(estimator_checks_generator(estimator))) == expected
