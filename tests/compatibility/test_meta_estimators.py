"""scikit-learn's meta-estimators: the right value is that of the parts, put together by hand."""

import numpy as np
import pytest
from data import X, b, erm, y
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    cross_val_predict,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from sklearn_debias import GroupDROClassifier

IRIS = load_iris()
SCALED = StandardScaler().fit_transform(IRIS.data)
FITTED = erm().fit(X, y)


def test_bagging_is_the_mean_of_its_members():
    bagged = BaggingClassifier(erm(), n_estimators=3, random_state=0).fit(X, y)
    mean = np.mean([m.predict_proba(X) for m in bagged.estimators_], axis=0)
    np.testing.assert_allclose(bagged.predict_proba(X), mean)


def test_bagging_draws_by_weights_where_they_are_routed():
    weight = np.arange(len(y)) % 2 * 1.0
    with config_context(enable_metadata_routing=True):
        member = erm().set_fit_request(sample_weight=True)
        bagged = BaggingClassifier(member, n_estimators=2, random_state=0)
        bagged.fit(X, y, sample_weight=weight)
    drawn = np.concatenate(bagged.estimators_samples_)
    assert (weight[drawn] > 0).all()
    assert bagged.score(X, y) > 0.9


def test_boosting_gives_weights():
    boosted = AdaBoostClassifier(erm(), n_estimators=3, random_state=0).fit(X, y)
    assert boosted.score(X, y) >= FITTED.score(X, y) - 0.02


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_voting(voting):
    members = [("erm", erm()), ("logistic", LogisticRegression())]
    votes = VotingClassifier(members, voting=voting).fit(X, y)
    parts = [m.predict_proba(X) for m in votes.estimators_]
    if voting == "soft":
        np.testing.assert_allclose(votes.predict_proba(X), np.mean(parts, axis=0))
    assert votes.score(X, y) > 0.9


def test_stacking_sees_probabilities():
    stacked = StackingClassifier([("erm", erm())], LogisticRegression(), cv=2).fit(X, y)
    np.testing.assert_allclose(
        stacked.transform(X)[:, 0], stacked.estimators_[0].predict_proba(X)[:, 1]
    )


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method):
    calibrated = CalibratedClassifierCV(FrozenEstimator(FITTED), method=method).fit(X, y)
    proba = calibrated.predict_proba(X)
    np.testing.assert_allclose(proba.mean(0), np.bincount(y) / len(y), atol=0.02)


@pytest.mark.parametrize(
    ("wrapper", "options"),
    [
        (OneVsRestClassifier, {}),
        (OneVsOneClassifier, {}),
        (OutputCodeClassifier, {"code_size": 4, "random_state": 0}),
    ],
)
def test_several_classes_by_two(wrapper, options):
    several = wrapper(erm(max_epochs=20), **options).fit(SCALED, IRIS.target)
    assert several.score(SCALED, IRIS.target) > 0.7


def test_several_outputs():
    Y = np.column_stack([y, b])
    both = MultiOutputClassifier(erm()).fit(X, Y)
    np.testing.assert_array_equal(both.predict(X)[:, 0], FITTED.predict(X))
    assert ClassifierChain(erm(), order=[0, 1]).fit(X, Y).predict(X).shape == Y.shape


def test_a_threshold_moves_predictions():
    high = FixedThresholdClassifier(FITTED, threshold=0.9, response_method="predict_proba").fit(
        X, y
    )
    np.testing.assert_array_equal(high.predict(X), FITTED.predict_proba(X)[:, 1] >= 0.9)


def test_a_tuned_threshold_is_the_best_on_its_rows():
    tuned = TunedThresholdClassifierCV(
        FrozenEstimator(FITTED), scoring="accuracy", cv="prefit", refit=False, thresholds=50
    ).fit(X, y)
    assert tuned.score(X, y) >= FITTED.score(X, y)


def test_self_training_needs_probabilities():
    some = np.where(np.arange(len(y)) % 2, y, -1)
    assert SelfTrainingClassifier(erm()).fit(X, some).score(X, y) > 0.9


def test_features_are_selected_by_score():
    chosen = SequentialFeatureSelector(erm(max_epochs=2), n_features_to_select=1, cv=2).fit(
        X[:, :3], y
    )
    assert chosen.get_support().sum() == 1


def test_a_table_of_columns():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    table = ColumnTransformer([("scale", StandardScaler(), list(frame.columns))])
    table.set_output(transform="pandas")
    model = make_pipeline(table, erm()).fit(frame, y)
    assert list(model[-1].feature_names_in_) == [f"scale__f{i}" for i in range(X.shape[1])]


def test_curves():
    _, _, scores = learning_curve(erm(), X, y, train_sizes=[0.5, 1.0], cv=2)
    assert scores.shape == (2, 2)
    _, scores = validation_curve(erm(), X, y, param_name="lr", param_range=[1e-3, 0.05], cv=2)
    assert scores[1].mean() > scores[0].mean()


def test_the_feature_that_decides_is_the_one_that_matters():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3))
    fitted = erm().fit(rows, rows[:, 1] > 0)
    found = permutation_importance(fitted, rows, rows[:, 1] > 0, n_repeats=2, random_state=0)
    assert found.importances_mean.argmax() == 1
    assert found.importances_mean[1] > 0.3


def test_bias_labels_are_routed_through_cross_validation():
    with config_context(enable_metadata_routing=True):
        dro = GroupDROClassifier(max_epochs=5, lr=0.05, random_state=0)
        routed = dro.set_fit_request(bias_labels=True)
        predicted = cross_val_predict(routed, X, y, cv=2, params={"bias_labels": b})
    assert accuracy_score(y, predicted) > 0.8
