"""What is told of inferred groups without bias labels: luck, wrong labels, and a way back."""

import re
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.tree import DecisionTreeClassifier

from sklearn_debias import ERMClassifier, GroupDROClassifier, LfFClassifier
from sklearn_debias.datasets import flip_labels, make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.group_inference import (
    GroupInferrer,
    InferredGroupsClassifier,
    inferred_groups_report,
)
from sklearn_debias.group_inference._check import _split, agreement, held_out_scores, minority
from sklearn_debias.metrics import worst_group_accuracy_score

BIASED = make_spurious_embeddings(1000, random_state=0).train
EVEN = make_spurious_embeddings(1000, conflict_ratio=0.5, n_features=50, random_state=0).train
WRONG = flip_labels(EVEN.target, 0.2, random_state=0)
PLAIN = LogisticRegression(C=1e-2)


def test_agreement_is_the_rand_index_within_classes():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [30, 10])
    one, other = rng.integers(0, 2, (2, 40))
    expected = 0.75 * adjusted_rand_score(one[:30], other[:30])
    expected += 0.25 * adjusted_rand_score(one[30:], other[30:])
    assert agreement(codes, one, other) == pytest.approx(expected)
    assert agreement(codes, one, 1 - one) == pytest.approx(1)  # names do not matter


def test_the_minority_is_all_but_the_largest_part_of_a_class():
    codes = np.array([0, 0, 0, 1, 1, 1])
    rows = np.flatnonzero(minority(codes, np.array([5, 5, 7, 0, 1, 1])))
    assert rows.tolist() == [2, 3]


def test_held_out_scores_by_hand():
    codes = np.tile([0, 1], 60)
    labels = np.repeat([0, 1], [90, 30])
    rare = labels == 1
    X = np.column_stack([codes, rare]).astype(float)

    class Majority:
        def predict(self, X):
            return np.where(X[:, 1] == 1, 1 - X[:, 0], X[:, 0]).astype(int)

    def always(part):
        return Majority()

    def ideal(part):
        return LogisticRegression(C=1e6).fit(X[part], codes[part])

    scores = held_out_scores(ideal, always, X, codes, codes, labels, seed=0)
    # 1 on the majority of each class, 0 on the minority
    assert (scores["groups"], scores["plain"]) == (1.0, 0.5)
    # In each cell of n rows all change alike, and the variance is taken to be 1 / n.
    _, judged = _split(rare, 0)
    sizes = np.bincount(2 * codes[judged] + rare[judged])
    assert scores["error"] == pytest.approx(np.sqrt(np.sum(1 / sizes**2)) / 4)
    assert held_out_scores(ideal, always, X, codes, codes, np.zeros(120), seed=0) is None


def test_groups_that_hold_up_are_kept_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = InferredGroupsClassifier(fallback=PLAIN, random_state=0)
        clf.fit(BIASED.data, BIASED.target)
    assert clf.stability_ > 0.9
    assert clf.held_out_scores_["groups"] > clf.held_out_scores_["plain"] + 0.1
    assert not clf.fell_back_
    assert clf.minority_share_ == pytest.approx(0.05, abs=0.01)


def test_wrong_labels_are_told():
    with pytest.warns(DebiasWarning, match="shows no gain.*Set `fallback`"):
        clf = InferredGroupsClassifier(random_state=0).fit(EVEN.data, WRONG)
    scores = clf.held_out_scores_
    assert scores["groups"] - scores["plain"] < 1.645 * scores["error"]
    assert not clf.fell_back_


def test_the_fallback_is_fitted_where_groups_serve_nobody():
    with pytest.warns(DebiasWarning, match="shows no gain.*`fallback` is fitted"):
        clf = InferredGroupsClassifier(fallback=PLAIN, random_state=0).fit(EVEN.data, WRONG)
    assert clf.fell_back_
    expected = clone(PLAIN).fit(EVEN.data, WRONG)
    np.testing.assert_array_equal(clf.predict_proba(EVEN.data), expected.predict_proba(EVEN.data))


def overlapping(n=2000):
    """Return rows whose classes overlap: what a plain model gets wrong is noise."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 10)).astype(np.float32) + 0.4 * (2 * y[:, None] - 1)
    return X, y


def group_dro(epochs):
    return GroupDROClassifier(max_epochs=epochs, lr=0.01, step_size=1, random_state=0, device="cpu")


def test_a_classifier_that_noise_has_cost_what_was_known_is_told():
    X, y = overlapping()
    clf = InferredGroupsClassifier(group_dro(20), random_state=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")  # the classifier may say its own word
        clf.fit(X, y)
    known = clf.bias_labels_ == 0
    right = np.mean(clf.predict(X)[known] == y[known])
    pattern = r"has cost what a plain model knows: .* right about (\d+)% of 1000"
    (share,) = re.findall(pattern, " ".join(str(one.message) for one in told))
    assert right < 0.75
    assert int(share) / 100 == pytest.approx(right, abs=0.05)
    assert np.mean(LogisticRegression().fit(X, y).score(X, y)) > 0.85


def test_a_classifier_that_keeps_what_was_known_is_not_told_of():
    X, y = BIASED.data, BIASED.target
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        InferredGroupsClassifier(group_dro(5), random_state=0).fit(X, y)


def test_groups_of_luck_are_told():
    y = np.random.default_rng(0).integers(0, 2, 300)
    X = np.random.default_rng(1).normal(size=(300, 5))
    inferrer = GroupInferrer(estimator=DecisionTreeClassifier(), random_state=0)
    clf = InferredGroupsClassifier(LogisticRegression(), inferrer, random_state=0)
    with pytest.warns(DebiasWarning, match="a matter of luck: inferred from other rows"):
        clf.fit(X, y)
    assert clf.stability_ < 0.2


def test_no_checks_on_request():
    clf = InferredGroupsClassifier(n_checks=0, random_state=0).fit(EVEN.data, WRONG)
    assert clf.stability_ is None
    assert clf.held_out_scores_ is None


def test_what_several_fits_would_say_is_said_once():
    separate = (10 * BIASED.target[:, None] + BIASED.data[:, :1] * 1e-3).astype(np.float32)
    with pytest.warns(DebiasWarning) as caught:
        InferredGroupsClassifier(random_state=0).fit(separate, BIASED.target)
    assert len(caught) == 1
    told = str(caught[0].message)
    assert "the model is right about all 1000, and no mistake tells of a minority" in told


def test_a_classifier_that_has_no_use_for_groups_is_named():
    lff = LfFClassifier(max_epochs=1, lr=0.05, random_state=0)
    with pytest.warns(DebiasWarning, match="LfFClassifier does not train on bias labels"):
        InferredGroupsClassifier(lff, n_checks=0, random_state=0).fit(BIASED.data, BIASED.target)


def test_an_erm_that_does_not_balance_is_weighted():
    erm = ERMClassifier(max_epochs=3, lr=0.05, random_state=0)
    clf = InferredGroupsClassifier(erm, n_checks=0, random_state=0)
    clf.fit(BIASED.data, BIASED.target)
    assert clf.handed_as() == "sample_weight"
    weighted = clone(erm).set_params(balance="group")
    other = InferredGroupsClassifier(weighted, clf.inferrer_, n_checks=0)
    other.fit(BIASED.data, BIASED.target)
    assert other.handed_as() == "bias_labels"
    np.testing.assert_allclose(
        clf.predict_proba(BIASED.data), other.predict_proba(BIASED.data), atol=1e-6
    )


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_a_seed_of_a_net_does_not_make_groups_stable():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    y = rng.integers(0, 2, 300)
    net = ERMClassifier(optimizer="sgd", lr=1e-2, max_epochs=20, random_state=0)
    inferrer = GroupInferrer("xrm", estimator=net, random_state=0)
    clf = InferredGroupsClassifier(LogisticRegression(), inferrer, random_state=0)
    with pytest.warns(DebiasWarning, match="a matter of luck"):
        clf.fit(X, y)
    assert clf.stability_ < 0.5


def test_sampling_weights_go_with_their_rows():
    inferrer = GroupInferrer("clusters", random_state=0)
    clf = InferredGroupsClassifier(
        LogisticRegression(), inferrer, groups_as="sampling_weight", fallback=PLAIN, n_checks=0
    )
    clf.fit(BIASED.data, BIASED.target)
    assert set(clf.held_out_scores_) == {"groups", "plain", "error"}


def test_what_is_no_inferrer_is_named():
    with pytest.raises(TypeError, match="`inferrer` must be a GroupInferrer, or an estimator with"):
        InferredGroupsClassifier(inferrer=PLAIN).fit(BIASED.data, BIASED.target)


def imbalanced(n=3000, share=0.15):
    """Two classes, one of them rare, with a shortcut twice as strong as the class."""
    rng = np.random.default_rng(0)
    y = (rng.random(n) < share).astype(int)
    bias = np.where(rng.random(n) < 0.05, 1 - y, y)
    X = rng.normal(size=(n, 8))
    X[:, 0] += 2 * y - 1
    X[:, 1] += 2 * (2 * bias - 1)
    return X, y, bias


def test_a_rare_class_is_not_taken_for_a_minority():
    X, y, bias = imbalanced()
    frame = inferred_groups_report(y, GroupInferrer(random_state=0).fit(X, y), bias).to_frame()
    assert (frame.precision > 0.3).all()
    assert (frame.recall > 0.5).all()


def test_a_favoured_large_class_is_no_gain():
    X, y, bias = imbalanced(8000)
    plain = LogisticRegression()
    clf = InferredGroupsClassifier(fallback=plain, random_state=0).fit(X, y)
    assert not clf.fell_back_
    worst = [
        worst_group_accuracy_score(y, model.predict(X), bias_labels=bias)
        for model in (clf, plain.fit(X, y))
    ]
    assert worst[0] > worst[1] + 0.2


@pytest.mark.parametrize(
    "inferrer",
    [GroupInferrer("clusters", random_state=0), GroupInferrer(n_splits=1, random_state=0)],
    ids=["clusters", "of rows it has seen"],
)
def test_groups_of_noise_are_unstable_though_no_seed_moves_them(inferrer):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 8))
    y = rng.integers(0, 2, 500)
    clf = InferredGroupsClassifier(LogisticRegression(), inferrer, random_state=0)
    with pytest.warns(DebiasWarning, match="a matter of luck"):
        clf.fit(X, y)
    assert clf.stability_ < 0.5
