"""scikit-learn's own checks, with no expected failure."""

import inspect

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import sklearn_debias
from sklearn_debias import (
    AdversarialTrainingClassifier,
    AFRClassifier,
    BiasAdvClassifier,
    ClassScaling,
    CRTClassifier,
    DFRClassifier,
    DHATClassifier,
    ERMClassifier,
    FishClassifier,
    GroupDROClassifier,
    InvarianceClassifier,
    ISDAClassifier,
    JTTClassifier,
    LfFClassifier,
    LongTailClassifier,
    MetaIADAClassifier,
    MetaSAugClassifier,
    MetaWeightNetClassifier,
    MixUpClassifier,
    UIATClassifier,
    ULEClassifier,
)

# Weights equal repetitions exactly in float64, and where a batch holds all rows.
ESTIMATORS = [
    ERMClassifier(dtype="float64", batch_size=1000),
    LfFClassifier(),
    JTTClassifier(),
    BiasAdvClassifier(),
    GroupDROClassifier(),
    AFRClassifier(),
    LongTailClassifier(),
    CRTClassifier(),
    DFRClassifier(),
    ClassScaling(LogisticRegression()),
    ULEClassifier(),
    InvarianceClassifier(),
    FishClassifier(),
    MixUpClassifier(),
    ISDAClassifier(),
    MetaSAugClassifier(),
    MetaWeightNetClassifier(),
    MetaIADAClassifier(),
    AdversarialTrainingClassifier(),
    UIATClassifier(),
    DHATClassifier(),
]
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
    expected = (
        WITH_WEIGHTS
        if "sample_weight" in inspect.signature(estimator.fit).parameters
        else WITHOUT_WEIGHTS
    )
    assert len(list(estimator_checks_generator(estimator))) == expected


def test_every_exported_estimator_is_checked():
    exported = {getattr(sklearn_debias, name) for name in sklearn_debias.__all__}
    estimators = {
        item for item in exported if inspect.isclass(item) and issubclass(item, BaseEstimator)
    }
    assert estimators == {type(estimator) for estimator in ESTIMATORS}
