"""The common checks over all estimators: what every fit leaves alone, and what it gives back."""

import pytest

from sklearn_debias.testing import all_estimators, parametrize_with_estimator_checks, variants

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # these fits are short

ALL = [variants(cls) for _, cls in all_estimators()]


@parametrize_with_estimator_checks([first for first, *_ in ALL])
def test_classifier(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_estimator_checks([other for _, *others in ALL for other in others])
def test_classifier_with_other_settings(estimator, check):
    check(estimator)
