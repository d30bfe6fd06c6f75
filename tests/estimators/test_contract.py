"""The common checks over all estimators: what every fit leaves alone, and what it gives back."""

import pytest

from sklearn_debias.testing import all_estimators, parametrize_with_estimator_checks, variants

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # these fits are short

ALL = [estimator for _, cls in all_estimators() for estimator in variants(cls)]


@parametrize_with_estimator_checks(ALL)
def test_classifier(estimator, check):
    check(estimator)
