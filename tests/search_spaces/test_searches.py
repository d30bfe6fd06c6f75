"""The spaces serve scikit-learn's searches and ours, and hold settings that help."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import (
    AFRClassifier,
    BiasAdvClassifier,
    ClassScaling,
    ERMClassifier,
    GroupInferrer,
    InferredGroupsClassifier,
    JTTClassifier,
    LfFClassifier,
)
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import worst_group_accuracy_score
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing._estimator_data import drawn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
SMALL = make_spurious_embeddings(n_samples=150, random_state=0).train


@pytest.mark.parametrize("cls", [JTTClassifier, LfFClassifier])
def test_a_random_search_runs_and_reproduces(cls):
    clf = cls(random_state=0)
    # The name that is fixed is taken out of what is searched.
    space = clf.search_space("embeddings", SMALL.data) | {"max_epochs": [2]}
    one, other = (
        RandomizedSearchCV(clf, space, n_iter=4, cv=2, random_state=0, error_score="raise").fit(
            SMALL.data, SMALL.target
        )
        for _ in range(2)
    )
    assert one.best_params_ == other.best_params_
    assert np.isfinite(one.cv_results_["mean_test_score"]).all()
    assert set(one.best_params_) == set(space)


def test_a_halving_search_runs():
    clf = ERMClassifier(random_state=0)
    space = clf.search_space() | {"max_epochs": [2]}
    search = HalvingRandomSearchCV(
        clf, space, n_candidates=4, cv=2, random_state=0, error_score="raise"
    )
    search.fit(SMALL.data, SMALL.target)
    assert set(search.best_params_) == set(space)


def test_draws_are_a_grid_of_single_settings_for_the_batched_search():
    clf = JTTClassifier(random_state=0)
    space = clf.search_space() | {"max_epochs": [2], "identification_epochs": [1]}
    grid = [{name: [value] for name, value in draw.items()} for draw in drawn(space, 6)]
    search = BatchedGridSearchCV(clf, grid, cv=2).fit(SMALL.data, SMALL.target)
    assert len(search.cv_results_["params"]) == 6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_pipeline_inside_is_looked_into_and_others_are_left_alone():
    scaled = make_pipeline(StandardScaler(), ERMClassifier(balance="group"))
    space = InferredGroupsClassifier(scaled, "eiil").search_space()
    assert "classifier__ermclassifier__balance_by" in space
    assert not [name for name in space if "standardscaler" in name]
    fitted = ERMClassifier(max_epochs=1).fit(SMALL.data, SMALL.target)
    for inside in (RandomForestClassifier(), FrozenEstimator(fitted)):
        assert list(ClassScaling(inside).search_space()) == ["held_out"]
    assert GroupInferrer("ssa").search_space() == {"threshold": [0.9, 0.95, 0.99]}


def test_radii_behind_a_scaler_are_not_those_of_X():
    inside = make_pipeline(StandardScaler(), BiasAdvClassifier())
    with pytest.warns(DebiasWarning, match="`estimator__biasadvclassifier__epsilon`"):
        space = ClassScaling(inside).search_space("embeddings", SMALL.data)
    assert "estimator__biasadvclassifier__lam" in space
    assert "estimator__biasadvclassifier__epsilon" not in space
    assert "estimator__epsilon" in ClassScaling(BiasAdvClassifier()).search_space(X=SMALL.data)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [JTTClassifier, LfFClassifier, AFRClassifier])
def test_twelve_draws_hold_one_that_beats_plain_training_by_far(cls):
    data = make_spurious_embeddings(n_samples=500, random_state=0)

    def worst(clf, rows):
        return worst_group_accuracy_score(
            rows.target, clf.predict(rows.data), bias_labels=rows.bias_labels
        )

    clf = cls(random_state=0)
    plain = ERMClassifier(random_state=0).fit(data.train.data, data.train.target)
    candidates = [
        cls(random_state=0, **draw).fit(data.train.data, data.train.target)
        for draw in drawn(clf.search_space("embeddings", data.train.data), 12)
    ]
    best = max(candidates, key=lambda candidate: worst(candidate, data.validation))
    assert worst(best, data.test) > worst(plain, data.test) + 0.2
