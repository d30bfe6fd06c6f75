"""scikit-learn's own checks, with no expected failure."""

import inspect

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import sklearn_debias.feature_extraction
from sklearn_debias.feature_extraction import Embedder

TRANSFORMERS = [Embedder(), Embedder("mlp"), Embedder("mlp", dtype="float64", cache_dir=None)]


@pytest.mark.filterwarnings("ignore:The embeddings of all:sklearn_debias.exceptions.DebiasWarning")
@parametrize_with_checks(TRANSFORMERS)
def test_sklearn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", TRANSFORMERS, ids=str)
def test_number_of_checks(estimator):
    assert len(list(estimator_checks_generator(estimator))) == 47


def test_the_only_tag_that_is_set_says_which_dtype_is_kept():
    for dtype in ("float32", "float64"):
        tags, default = (
            Embedder(dtype=dtype).__sklearn_tags__(),
            super(Embedder, Embedder()).__sklearn_tags__(),
        )
        assert tags.transformer_tags.preserves_dtype == [dtype]
        tags.transformer_tags = default.transformer_tags
        assert tags == default


def test_every_exported_estimator_is_checked():
    exported = {
        getattr(sklearn_debias.feature_extraction, name)
        for name in sklearn_debias.feature_extraction.__all__
    }
    estimators = {
        item for item in exported if inspect.isclass(item) and issubclass(item, BaseEstimator)
    }
    assert estimators == {type(estimator) for estimator in TRANSFORMERS}
