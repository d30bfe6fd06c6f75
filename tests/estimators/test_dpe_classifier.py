"""Diverse prototypical ensembles as an estimator: stages, attributes, warnings, what they gain."""

import numpy as np
import pytest
import torch

from sklearn_debias import DPEClassifier, ERMClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import worst_group_accuracy_score
from sklearn_debias.objectives._two_stages import features_of_part

FAST = {"lr": 0.05, "max_epochs": 5, "head_epochs": 4, "n_heads": 3, "random_state": 0}
SEEDS = range(3)
# A few steps on a few rows, to see which are taken.
pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")


@pytest.fixture(scope="module")
def train():
    return make_spurious_embeddings(
        200, n_validation=20, n_test=20, conflict_ratio=0.1, random_state=0
    ).train


def fit(clf, part):
    return clf.fit(part.data, part.target, bias_labels=part.bias_labels)


def members(clf):
    return [
        {name: value.clone() for name, value in member.state_dict().items()}
        for member in clf.module_.head.members
    ]


def test_a_network_is_trained_first_and_embeddings_have_heads_only(train):
    deep = fit(DPEClassifier("mlp", **FAST), train)
    heads = {f"head {i}": 4 for i in range(3)}
    assert deep.history_.groupby("phase").size().to_dict() == {"train": 5, **heads}
    flat = fit(DPEClassifier(**FAST), train)
    assert flat.history_.groupby("phase").size().to_dict() == heads


def test_the_heads_of_embeddings_have_all_rows_and_groups_of_one_size(train):
    clf = fit(DPEClassifier(**{**FAST, "n_heads": 40, "head_epochs": 1}), train)
    assert clf.rows_per_head_ == 40
    group = 2 * train.target + train.bias_labels
    drawn = np.bincount(group[clf.head_rows_])
    assert drawn[[1, 2]].tolist() == [10, 10]
    # Of 90 rows that ten of each subset are drawn from, one in a hundred is missed by 40 subsets.
    assert drawn[[0, 3]].min() > 80


def test_the_heads_of_a_network_have_the_rows_that_were_held_out(train):
    clf = fit(DPEClassifier("mlp", **FAST), train)
    assert clf.rows_per_head_ == 8
    assert len(clf.head_rows_) <= 40
    validated = fit(DPEClassifier("mlp", **FAST, validation=0.5, held_out_share=0.5), train)
    assert validated.head_rows_.max() > 100


def test_the_features_of_the_held_out_rows_are_computed_once_for_all_heads(train, monkeypatch):
    sizes = []

    def counted(net, data, role, mask):
        sizes.append(int(mask.sum()))
        return features_of_part(net, data, role, mask)

    monkeypatch.setattr("sklearn_debias.objectives._dpe.features_of_part", counted)
    one = fit(DPEClassifier("mlp", **{**FAST, "n_heads": 5}), train)
    assert sizes == [40]
    # A fit that finds none, as each head would alone, is the same.
    monkeypatch.setattr("sklearn_debias.fitting._fit.Fit._left_to", lambda self, phase: {})
    other = fit(DPEClassifier("mlp", **{**FAST, "n_heads": 5}), train)
    assert sizes == [40] * 6
    for mine, theirs in zip(members(one), members(other), strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_held_out_share_and_max_epochs_have_no_effect_without_a_body_to_train(train):
    plain = fit(DPEClassifier(**FAST), train)
    other = fit(DPEClassifier(**{**FAST, "max_epochs": 50}, held_out_share=0.5), train)
    np.testing.assert_array_equal(
        plain.decision_function(train.data), other.decision_function(train.data)
    )


def test_a_frozen_body_has_heads_only_which_are_those_of_its_features(train):
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Linear(8, 5), torch.nn.Tanh()).double()
    own = SplitModule(body, torch.nn.Linear(5, 2).double())
    exact = {**FAST, "dtype": "float64"}
    frozen = fit(DPEClassifier(own, freeze="body", **exact), train)
    with torch.no_grad():
        features = body(torch.as_tensor(train.data, dtype=torch.float64)).numpy()
    head = DPEClassifier(SplitModule(torch.nn.Identity(), own.head), **exact)
    head.fit(features, train.target, bias_labels=train.bias_labels)
    np.testing.assert_allclose(
        frozen.decision_function(train.data), head.decision_function(features), atol=1e-10
    )


def test_a_head_is_not_touched_by_those_after_it(train):
    # Weight decay would show.
    few, many = (
        fit(DPEClassifier("mlp", **{**FAST, "n_heads": n}, weight_decay=0.1), train) for n in (2, 4)
    )
    for one, other in zip(members(few), members(many), strict=False):
        assert all(torch.equal(one[name], other[name]) for name in one)
    body = few.module_.body.state_dict()
    assert all(torch.equal(value, body[n]) for n, value in many.module_.body.state_dict().items())


def test_the_first_head_starts_anew(train):
    options = {**FAST, "head_epochs": 1, "lr": 1e-12, "n_heads": 1}
    short, long = (
        fit(DPEClassifier("mlp", **{**options, "max_epochs": n}, held_out_share=0.2), train)
        for n in (1, 9)
    )
    for name, value in members(short)[0].items():
        torch.testing.assert_close(members(long)[0][name], value, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("module", [None, "mlp"])
def test_decorrelation_makes_heads_unlike_each_other(train, module):
    alike = [
        fit(
            DPEClassifier(module, **{**FAST, "head_epochs": 50}, decorrelation=weight), train
        ).history_.similarity.iloc[-1]
        for weight in (0.0, 20.0)
    ]
    assert alike[1] < 0.5 * alike[0]


def test_probabilities_are_the_mean_of_the_heads(train):
    clf = fit(DPEClassifier(**FAST), train)
    z = torch.as_tensor(train.data, dtype=torch.float64)
    with torch.no_grad():
        each = [member.double()(z).softmax(1).numpy() for member in clf.module_.head.members]
    np.testing.assert_allclose(clf.predict_proba(train.data), np.mean(each, axis=0), atol=1e-10)


def test_without_bias_labels_the_classes_are_balanced_in_silence(train):
    y = np.where(np.arange(200) < 150, train.target, 0)
    clf = DPEClassifier(**FAST).fit(train.data, y)
    assert clf.rows_per_head_ == 2 * (y == 1).sum()


def test_a_group_of_one_held_out_row_and_an_empty_cell_are_named(train):
    rare = np.where(train.target != train.bias_labels)[0]
    rows = np.r_[np.setdiff1d(np.arange(200), rare), rare[train.target[rare] == 0][:1]]
    clf = DPEClassifier("mlp", **FAST)
    with pytest.warns(DebiasWarning) as caught:
        clf.fit(train.data[rows], train.target[rows], bias_labels=train.bias_labels[rows])
    messages = [str(warning.message) for warning in caught]
    told = "\n".join(text for text in messages if "The fitted model predicts" not in text)
    assert told.count("\n") == 1
    assert "[(1, 0)]: no head is trained on them." in told
    assert "The smallest group leaves 1 row to the heads, and each is trained on 3 rows" in told
    assert clf.rows_per_head_ == 3


def test_a_head_that_is_not_linear_is_refused_before_the_first_epoch(train):
    own = SplitModule(torch.nn.Identity(), torch.nn.Sequential(torch.nn.Linear(8, 2)))
    clf = DPEClassifier(own, **{**FAST, "max_epochs": 10**9})
    with pytest.raises(TypeError, match=r"`module` must end in a plain linear layer for DPE.*Seq"):
        fit(clf, train)


def test_on_images():
    rng = np.random.default_rng(0)
    images = 0.7 * rng.random((60, 3, 8, 8), dtype=np.float32)
    y = np.arange(60) % 2
    images[y == 1, 0] += 0.3
    clf = DPEClassifier("simple_cnn", **{**FAST, "lr": 1e-3, "max_epochs": 15, "head_epochs": 30})
    assert clf.fit(images, y).score(images, y) > 0.9
    assert clf.rows_per_head_ == 12


@pytest.mark.slow
@pytest.mark.parametrize("module", ["linear", "mlp"])
def test_the_worst_group_gains_on_a_shortcut(module):
    found = {}
    for clf in (ERMClassifier(), DPEClassifier(n_heads=5)):  # fifteen gain as much
        scores = []
        for seed in SEEDS:
            data = make_spurious_embeddings(
                2000, n_test=1000, conflict_ratio=0.05, random_state=seed
            )
            clf.set_params(module=module, max_epochs=15, random_state=seed)
            fit(clf, data.train)
            test = data.test
            scores.append(
                worst_group_accuracy_score(
                    test.target, clf.predict(test.data), bias_labels=test.bias_labels
                )
            )
        found[type(clf)] = np.mean(scores)
    assert found[DPEClassifier] > found[ERMClassifier] + 0.2
    assert found[DPEClassifier] > 0.8
