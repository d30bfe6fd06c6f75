"""SELF and class-balanced retraining as estimators: identities, attributes, warnings."""

import pickle
import re

import numpy as np
import pytest
import torch

from sklearn_debias import (
    ClassBalancedRetrainingClassifier,
    CRTClassifier,
    ERMClassifier,
    SELFClassifier,
)
from sklearn_debias.core import SplitModule
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import worst_group_accuracy_score

FAST = {"lr": 0.05, "max_epochs": 10, "random_state": 0}
# In one batch, so that the order of the rows does not matter.
EXACT = {**FAST, "dtype": "float64", "batch_size": 1000}
SEEDS = range(5)


@pytest.fixture(scope="module")
def train():
    return make_spurious_embeddings(
        200, n_validation=20, n_test=20, conflict_ratio=0.1, random_state=0
    ).train


def fit(clf, part):
    return clf.fit(part.data, part.target)


def self_of(**params):
    return SELFClassifier(**{**EXACT, "k": 20, "finetuning_epochs": 3, **params})


def losses(clf, *phases):
    history = clf.history_
    return history[history.phase.isin(phases)].model_loss.to_numpy()


@pytest.mark.parametrize("module", [None, "mlp"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_first_stage_is_erm_on_the_rows_that_are_not_held_out(train, module, optimizer):
    clf = fit(self_of(module=module, optimizer=optimizer, early_stop=0.3), train)
    assert clf.history_.phase.value_counts().to_dict() == {"train": 7, "early": 3, "finetuning": 3}
    rest = np.setdiff1d(np.arange(200), clf.held_out_rows_)
    assert len(rest) == 160
    erm = ERMClassifier(module, optimizer=optimizer, **EXACT)
    erm.fit(train.data[rest], train.target[rest])
    np.testing.assert_allclose(losses(clf, "early", "train"), losses(erm, "train"), atol=1e-12)


def test_disagreement_is_between_what_training_is_after_a_part_and_in_the_end(train):
    clf = fit(self_of(early_stop=0.3), train)
    rows = clf.held_out_rows_
    rest = np.setdiff1d(np.arange(200), rows)
    early, final = (
        ERMClassifier(**{**EXACT, "max_epochs": n})
        .fit(train.data[rest], train.target[rest])
        .predict_log_proba(train.data[rows])
        for n in (3, 10)
    )
    expected = (np.exp(early) * (early - final)).sum(1)
    np.testing.assert_allclose(clf.dispute_scores_, expected, atol=1e-10)
    assert set(clf.finetuned_rows_) == set(rows[np.argsort(expected)[-20:]])
    assert (np.diff(clf.finetuned_rows_) > 0).all()


@pytest.mark.parametrize("module", [None, "mlp"])
def test_the_early_network_does_not_outlive_the_fit(train, module):
    with_early, without = (
        fit(self_of(module=module, disagreement=kind), train)
        for kind in ("early_stop_misclassification", "misclassification")
    )
    assert set(with_early.net_.module_) == {"model"}
    held = [p for group in with_early.net_.optimizer_.param_groups for p in group["params"]]
    assert len(held) == len(list(with_early.module_.parameters()))
    assert len(pickle.dumps(with_early)) < 1.05 * len(pickle.dumps(without))
    again = pickle.loads(pickle.dumps(with_early))
    np.testing.assert_array_equal(again.predict(train.data), with_early.predict(train.data))
    # A second fit begins with an early network again.
    repeated = fit(with_early, train)
    np.testing.assert_array_equal(repeated.dispute_scores_, again.dispute_scores_)


def test_misclassification_takes_the_rows_that_the_network_fits_worst(train):
    clf = fit(self_of(disagreement="misclassification"), train)
    rows = clf.held_out_rows_
    rest = np.setdiff1d(np.arange(200), rows)
    erm = ERMClassifier(**EXACT).fit(train.data[rest], train.target[rest])
    log_p = erm.predict_log_proba(train.data[rows])[np.arange(len(rows)), train.target[rows]]
    np.testing.assert_allclose(clf.dispute_scores_, -log_p, atol=1e-10)


def test_every_choice_is_another(train):
    chosen = [
        tuple(fit(self_of(module="mlp", disagreement=name), train).finetuned_rows_)
        for name in ("early_stop", "dropout", "misclassification", "early_stop_misclassification")
    ]
    assert len(set(chosen)) == 4


@pytest.mark.parametrize(
    "clf",
    [
        self_of(module="mlp", weight_decay=0.1),
        ClassBalancedRetrainingClassifier("mlp", **EXACT, weight_decay=0.1),
    ],
    ids=repr,
)
def test_the_second_stage_changes_the_head_only(train, clf):
    (name,) = [name for name in ("finetuning_epochs", "retraining_epochs") if hasattr(clf, name)]
    one, many = (fit(clf.set_params(**{name: n}), train).module_.state_dict() for n in (1, 20))
    for key, value in one.items():
        assert torch.equal(value, many[key]) == key.startswith("body"), key


def test_rows_to_label_ranks_the_held_out_rows(train):
    clf = fit(self_of(), train)
    ranked = clf.rows_to_label(40)
    assert sorted(ranked) == clf.held_out_rows_.tolist()
    score = dict(zip(clf.held_out_rows_, clf.dispute_scores_, strict=True))
    assert (np.diff([score[row] for row in ranked]) <= 0).all()
    np.testing.assert_array_equal(clf.rows_to_label(np.int64(20)), ranked[:20])
    assert set(ranked[:20]) == set(clf.finetuned_rows_)


def test_rows_to_label_counts_rows_of_x_where_some_are_for_validation(train):
    clf = fit(self_of(validation=0.25), train)
    assert len(clf.held_out_rows_) == 30
    assert clf.rows_to_label(30).max() > 150


@pytest.mark.parametrize("k", [0, -1, 41, 2.0, True, None, "all"])
def test_rows_to_label_says_how_many_there_are(train, k):
    clf = fit(self_of(), train)
    with pytest.raises(ValueError, match=r"`k` must be an int from 1 to 40, .*`held_out_share`"):
        clf.rows_to_label(k)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"k": 41}, r"`k`=41 is more than the 40 held-out rows: all of them are taken. Lower it"),
        (
            {"max_epochs": 1, "module": "mlp"},
            "The two networks agree on all 40 held-out rows.* Lower `early_stop`",
        ),
        (
            {"disagreement": "dropout", "dropout": 1e-9},
            "The two networks agree on all 40 held-out rows.* Raise `dropout`",
        ),
        ({"k": 1}, r"All rows that were taken \(1\) are of class '[ab]'.* Raise `k`"),
    ],
)
@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_a_choice_that_says_nothing_is_warned_about(train, params, words):
    clf = self_of(**params)
    with pytest.warns(DebiasWarning) as caught:
        clf.fit(train.data, np.array(["a", "b"])[train.target])
    told = [str(warning.message) for warning in caught]
    assert sum(bool(re.search(words, text)) for text in told) == 1, told
    assert clf.finetuned_rows_.shape == (min(clf.k, 40),)


def test_an_early_network_is_never_the_final_one_where_there_are_two_epochs(train):
    for share in (1e-6, 0.999):
        phases = fit(self_of(early_stop=share, max_epochs=2), train).history_.phase
        assert phases.value_counts().to_dict() == {"finetuning": 3, "early": 1, "train": 1}


def test_a_body_that_keeps_statistics_is_copied_with_them(train, monkeypatch):
    monkeypatch.setattr("sklearn_debias.training.Engine.drop_role", lambda engine, role: None)
    own = SplitModule(
        torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.BatchNorm1d(4)), torch.nn.Linear(4, 2)
    )
    clf = fit(self_of(module=own, early_stop=0.5), train)
    final, early = (clf.net_.module_[role].body[1] for role in ("model", "early"))
    assert early.num_batches_tracked == 5
    assert final.num_batches_tracked == 10
    assert not torch.equal(early.running_mean, final.running_mean)


def test_a_frozen_body_finds_what_a_head_on_its_features_finds(train):
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Linear(8, 5), torch.nn.Tanh()).double()
    own = SplitModule(body, torch.nn.Linear(5, 2).double())
    frozen = fit(self_of(module=own, freeze="body"), train)
    with torch.no_grad():
        features = body(torch.as_tensor(train.data, dtype=torch.float64)).numpy()
    head = self_of(module=SplitModule(torch.nn.Identity(), own.head)).fit(features, train.target)
    np.testing.assert_allclose(frozen.dispute_scores_, head.dispute_scores_, atol=1e-10)
    np.testing.assert_allclose(
        frozen.decision_function(train.data), head.decision_function(features), atol=1e-8
    )


def test_an_instance_whose_layers_cannot_start_anew_will_do(train):
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(2, 8))

        def forward(self, z):
            return z @ self.weight.T

    clf = fit(self_of(module=SplitModule(torch.nn.Identity(), Plain())), train)
    assert (clf.predict(train.data) == train.target).mean() > 0.8


def test_on_images():
    rng = np.random.default_rng(0)
    images = rng.random((60, 3, 8, 8), dtype=np.float32)
    y = np.arange(60) % 2
    images[y == 1] += 0.3
    images = images.clip(0, 1)
    clf = SELFClassifier("simple_cnn", k=4, max_epochs=10, finetuning_epochs=2, random_state=0)
    assert clf.fit(images, y).held_out_rows_.shape == (12,)
    balanced = ClassBalancedRetrainingClassifier(
        "simple_cnn", max_epochs=10, retraining_epochs=2, random_state=0
    )
    assert balanced.fit(images, y).held_out_rows_.shape == (12,)


def test_retraining_trains_its_first_stage_on_the_rows_it_does_not_retrain_on(train):
    clf = fit(ClassBalancedRetrainingClassifier("mlp", **EXACT, retraining_epochs=3), train)
    rest = np.setdiff1d(np.arange(200), clf.held_out_rows_)
    erm = ERMClassifier("mlp", **EXACT).fit(train.data[rest], train.target[rest])
    np.testing.assert_allclose(losses(clf, "train"), losses(erm, "train"), atol=1e-12)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_retraining_begins_with_the_head_as_it_was_built(train):
    options = {**EXACT, "module": "mlp", "lr": 1e-12}
    clf = fit(ClassBalancedRetrainingClassifier(**options), train)
    crt = fit(CRTClassifier(**options), train)
    for name, value in crt.module_.head.state_dict().items():
        torch.testing.assert_close(clf.module_.head.state_dict()[name], value, atol=1e-9, rtol=0)


def test_a_linear_head_leaves_no_trace_of_the_first_stage(train):
    few, many = (
        fit(
            ClassBalancedRetrainingClassifier(**{**FAST, "max_epochs": n}, retraining_epochs=5),
            train,
        )
        for n in (1, 20)
    )
    np.testing.assert_array_equal(
        few.decision_function(train.data), many.decision_function(train.data)
    )


@pytest.mark.parametrize("cls", [SELFClassifier, ClassBalancedRetrainingClassifier])
def test_dropping_the_last_batch_is_refused(train, cls):
    clf = cls(**FAST, net_params={"iterator_train__drop_last": True})
    with pytest.raises(ValueError, match=f"iterator_train__drop_last for {cls.__name__}"):
        fit(clf, train)


def test_one_class_is_refused(train):
    for clf in (self_of(), ClassBalancedRetrainingClassifier(**FAST)):
        with pytest.raises(ValueError, match="class"):
            clf.fit(train.data, np.zeros(200))


@pytest.mark.slow
@pytest.mark.parametrize(("module", "max_epochs", "gain"), [("mlp", 15, 0.1), ("linear", 100, 0.1)])
def test_the_worst_group_gains_on_a_shortcut(module, max_epochs, gain):
    found = {}
    for clf in (ERMClassifier(), SELFClassifier()):
        scores = []
        for seed in SEEDS:
            data = make_spurious_embeddings(
                2000, n_test=1000, conflict_ratio=0.05, random_state=seed
            )
            clf.set_params(module=module, max_epochs=max_epochs, random_state=seed)
            fit(clf, data.train)
            test = data.test
            scores.append(
                worst_group_accuracy_score(
                    test.target, clf.predict(test.data), bias_labels=test.bias_labels
                )
            )
        found[type(clf)] = np.mean(scores)
    assert found[SELFClassifier] > found[ERMClassifier] + gain


@pytest.mark.slow
@pytest.mark.parametrize("module", ["linear", "mlp"])
def test_conflicting_rows_are_frequent_among_the_disputed(module):
    """Of 400 held-out rows 20 are conflicting; five times as many of the 20 that are taken."""
    shares = []
    for seed in SEEDS:
        train = make_spurious_embeddings(2000, conflict_ratio=0.05, random_state=seed).train
        clf = fit(SELFClassifier(module, finetuning_epochs=1, random_state=seed), train)
        rows = clf.rows_to_label(20)
        shares.append(np.mean(train.bias_labels[rows] != train.target[rows]))
    assert np.mean(shares) > 0.25
