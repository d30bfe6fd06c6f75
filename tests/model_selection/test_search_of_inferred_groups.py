"""A batched search whose classifier is trained on inferred groups."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import ERMClassifier, GroupDROClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.group_inference import GroupInferrer, InferredGroupsClassifier
from sklearn_debias.model_selection import BatchedGridSearchCV

DATA = make_spurious_embeddings(300, random_state=0).train
DRO = GroupDROClassifier(lr=0.05, max_epochs=3, random_state=0)
INFERRED = "inferredgroupsclassifier__"
ESTIMATORS = {
    "alone": (InferredGroupsClassifier(DRO, random_state=0), "classifier__lr"),
    "in a pipeline": (
        make_pipeline(
            StandardScaler(), InferredGroupsClassifier(DRO, GroupInferrer("eiil", random_state=1))
        ),
        f"{INFERRED}classifier__lr",
    ),
    "around a pipeline": (
        InferredGroupsClassifier(make_pipeline(StandardScaler(), DRO), random_state=0),
        "classifier__groupdroclassifier__lr",
    ),
}


def search(kind, name, **params):
    """One fitted search."""
    estimator, parameter = ESTIMATORS[name]
    return kind(estimator, {parameter: [0.01, 0.1]}, cv=2, **params).fit(DATA.data, DATA.target)


def test_weights_reach_a_classifier_that_takes_no_groups():
    erm = ERMClassifier(lr=0.05, max_epochs=3, random_state=0)
    estimator = InferredGroupsClassifier(erm, random_state=0, n_checks=0)
    grid = {"classifier__balance": [None, "group"]}
    plain, batched = (
        kind(estimator, grid, cv=2).fit(DATA.data, DATA.target)
        for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    for column in ("split0_test_score", "split1_test_score"):
        np.testing.assert_allclose(batched.cv_results_[column], plain.cv_results_[column])
    assert batched.estimator.groups_as == "auto"
    # Weighted alike by either road.
    np.testing.assert_allclose(*batched.cv_results_["mean_test_score"])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_it_scores_as_grid_search_does(name):
    plain = search(GridSearchCV, name)
    batched = search(BatchedGridSearchCV, name)
    for column in ("split0_test_score", "split1_test_score"):
        np.testing.assert_allclose(batched.cv_results_[column], plain.cv_results_[column])
    np.testing.assert_array_equal(
        batched.best_estimator_.predict(DATA.data), plain.best_estimator_.predict(DATA.data)
    )


def test_candidates_are_whole_estimators():
    seen = []

    def scorer(estimator, X, y):
        seen.append(estimator)
        return estimator.score(X, y)

    search(BatchedGridSearchCV, "alone", scoring=scorer, refit=False)
    for estimator in seen:
        assert estimator.classes_.tolist() == [0, 1]
        assert estimator.n_features_in_ == DATA.data.shape[1]
        assert estimator.bias_labels_.shape == (150,)
        assert estimator.classifier_ is not estimator.classifier
        assert not hasattr(estimator.classifier, "classes_")
        assert estimator.classifier_.lr in (0.01, 0.1)


def test_a_fold_is_inferred_once(monkeypatch):
    fits = []
    fit = GroupInferrer.fit

    def counted(self, *args, **kwargs):
        fits.append(self.method)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(GroupInferrer, "fit", counted)
    estimator = InferredGroupsClassifier(DRO, random_state=0, n_checks=0)
    BatchedGridSearchCV(estimator, {"classifier__lr": [0.01, 0.1]}, cv=2, refit=False).fit(
        DATA.data, DATA.target
    )
    assert fits == ["errors", "errors"]
    fits.clear()
    BatchedGridSearchCV(estimator, {"inferrer": ["eiil", "errors"]}, cv=2, refit=False).fit(
        DATA.data, DATA.target
    )
    assert sorted(fits) == ["eiil", "eiil", "errors", "errors"]


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (InferredGroupsClassifier(), "got InferredGroupsClassifier"),
        (InferredGroupsClassifier(LogisticRegression()), "got LogisticRegression"),
        (
            InferredGroupsClassifier(clone(DRO), fallback=ERMClassifier()),
            "`fallback` of InferredGroupsClassifier cannot be decided",
        ),
    ],
)
def test_what_a_stack_cannot_train_is_refused(estimator, words):
    with pytest.raises(TypeError, match=words):
        BatchedGridSearchCV(estimator, {"n_checks": [0]}).fit(DATA.data, DATA.target)
