"""Whatever is drawn from a search space is accepted, and trains."""

import numpy as np
import pytest
from searched import KINDS, NETS, VARIANTS, assert_fits, told
from sklearn.base import clone

from sklearn_debias import BiasAdvClassifier, ISDAClassifier, JTTClassifier
from sklearn_debias.testing import all_estimators, quick
from sklearn_debias.testing._estimator_data import drawn, toy_rows

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # fits this short learn little
CLASSES = dict(all_estimators())
SHAPES = {"embeddings": (4,), "tabular": (4,), "images": (3, 8, 8)}
CONVOLVED = ["AdversarialTrainingClassifier", "BiasAdvClassifier", "JTTClassifier", "ULEClassifier"]


@pytest.mark.parametrize("name", CLASSES)
def test_draws_train(name):
    X, y, bias = toy_rows()
    estimator = quick(CLASSES[name], random_state=0)
    for draw in drawn(estimator.search_space("embeddings", X), 3):
        assert_fits(estimator, draw, X, y, bias)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["embeddings", "tabular"])
@pytest.mark.parametrize("name", CLASSES)
def test_twelve_draws_train(name, kind):
    X, y, bias = toy_rows()
    estimator = quick(CLASSES[name], random_state=0)
    for draw in drawn(estimator.search_space(kind, X), 12):
        assert_fits(estimator, draw, X, y, bias)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVOLVED)
def test_twelve_draws_train_on_images(name):
    X, y, bias = toy_rows(40, SHAPES["images"])
    estimator = quick(CLASSES[name], random_state=0)
    for draw in drawn(estimator.search_space("images", X), 12):
        assert_fits(estimator, draw, X, y, bias)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(NETS) - set(CONVOLVED)))
def test_two_draws_of_the_others_train_on_images(name):
    X, y, bias = toy_rows(40, SHAPES["images"])
    estimator = quick(CLASSES[name], random_state=0)
    for draw in drawn(estimator.search_space("images", X), 2):
        assert_fits(estimator, draw, X, y, bias)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_draws_of_variants_train(variant):
    X, y, bias = toy_rows()
    estimator, _, _ = VARIANTS[variant]
    for draw in drawn(estimator.search_space("embeddings", X), 5):
        assert_fits(estimator, draw, X, y, bias)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_chooses_a_variant_decides_what_is_searched(variant):
    estimator, present, absent = VARIANTS[variant]
    space = estimator.search_space("embeddings", toy_rows()[0])
    assert set(present) <= set(space)
    assert not set(absent) & set(space)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CLASSES)
def test_every_space_names_parameters_and_draws_what_they_may_be(name, kind):
    estimator = quick(CLASSES[name])
    space = estimator.search_space(kind, toy_rows(60, SHAPES[kind])[0])
    assert space
    for draw in drawn(space, 20):
        candidate = clone(estimator).set_params(**draw)
        candidate._validate_params()
        if hasattr(candidate, "_check_params"):
            candidate._check_params()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CLASSES)
def test_two_calls_say_the_same_and_draws_reproduce(name, kind):
    X = toy_rows(60, SHAPES[kind])[0]
    one, other = (quick(CLASSES[name]).search_space(kind, X) for _ in range(2))
    assert told(one) == told(other)
    assert repr(drawn(one, 5)) == repr(drawn(other, 5))


def test_a_call_leaves_the_estimator_and_the_rows_alone():
    X = toy_rows()[0]
    before = X.copy()
    estimator = BiasAdvClassifier(base=JTTClassifier())
    params = repr(estimator.get_params())
    estimator.search_space("embeddings", X)["lr"] = None
    np.testing.assert_array_equal(X, before)
    assert repr(estimator.get_params()) == params
    assert estimator.search_space("embeddings", X)["lr"] is not None


def test_lists_are_the_callers_own():
    strengths = ISDAClassifier().search_space("images")["strength"]
    strengths.clear()
    assert ISDAClassifier().search_space("images")["strength"] == [0.1, 0.25, 0.5, 0.75, 1.0]
