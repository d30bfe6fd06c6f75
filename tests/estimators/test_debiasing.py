"""The point of it all: the worst group gains on a shortcut."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sklearn_debias import (
    AFRClassifier,
    BiasAdvClassifier,
    ClassScaling,
    DFRClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
)
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.metrics import worst_group_accuracy_score

SEEDS = range(3)


def worst_group(clf, seed):
    data = make_spurious_embeddings(2000, n_test=1000, conflict_ratio=0.05, random_state=seed)
    clf.set_params(module="mlp", max_epochs=15, random_state=seed).fit(
        data.train.data, data.train.target
    )
    test = data.test
    return worst_group_accuracy_score(
        test.target, clf.predict(test.data), bias_labels=test.bias_labels
    )


@pytest.fixture(scope="module")
def plain():
    return np.mean([worst_group(ERMClassifier(), seed) for seed in SEEDS])


@pytest.mark.slow
@pytest.mark.parametrize(
    "clf",
    [
        LfFClassifier(),
        JTTClassifier(identification_epochs=2),
        BiasAdvClassifier(base="lff"),
        AFRClassifier(),
    ],
    ids=repr,
)
def test_worst_group_accuracy_rises_on_a_shortcut(clf, plain):
    assert np.mean([worst_group(clf, seed) for seed in SEEDS]) > plain + 0.05


@pytest.mark.slow
def test_group_balanced_training_closes_most_of_the_gap(plain):
    data = make_spurious_embeddings(2000, n_test=1000, conflict_ratio=0.05, random_state=0)
    scores = {}
    for by in ("weight", "sample", "subsample"):
        clf = ERMClassifier("mlp", balance="group", balance_by=by, max_epochs=15, random_state=0)
        clf.fit(data.train.data, data.train.target, bias_labels=data.train.bias_labels)
        test = data.test
        scores[by] = worst_group_accuracy_score(
            test.target, clf.predict(test.data), bias_labels=test.bias_labels
        )
    assert min(scores.values()) > plain + 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    "clf", [GroupDROClassifier("mlp", max_epochs=15), DFRClassifier()], ids=repr
)
def test_with_bias_labels_most_of_the_gap_closes(clf, plain):
    """Group DRO by those of the training rows, DFR by those of 500 unbiased ones."""
    scores = []
    for seed in SEEDS:
        data = make_spurious_embeddings(2000, n_test=1000, conflict_ratio=0.05, random_state=seed)
        rows, test = (
            (data.train if isinstance(clf, GroupDROClassifier) else data.validation),
            data.test,
        )
        clf.set_params(random_state=seed).fit(rows.data, rows.target, bias_labels=rows.bias_labels)
        scores.append(
            worst_group_accuracy_score(
                test.target, clf.predict(test.data), bias_labels=test.bias_labels
            )
        )
    assert np.mean(scores) > plain + 0.2


@pytest.mark.slow
def test_class_scaling_helps_against_a_rare_class_and_not_against_a_shortcut():
    """A shortcut that is fair to the classes leaves nothing to gain; a class that was rare does."""
    gain = {}
    for name, strength, kept in (("shortcut", 4.0, 1), ("rare class", 0.5, 10)):
        before, after = [], []
        for seed in SEEDS:
            data = make_spurious_embeddings(
                2000, n_test=1000, spurious_strength=strength, random_state=seed
            )
            keep = (data.train.target == 0) | (np.arange(2000) % kept == 0)
            erm = ERMClassifier("mlp", max_epochs=15, random_state=seed)
            erm.fit(data.train.data[keep], data.train.target[keep])
            rows, test = data.validation, data.test
            scaled = ClassScaling(erm).fit(rows.data, rows.target, bias_labels=rows.bias_labels)
            for clf, scores in ((erm, before), (scaled, after)):
                found = clf.predict(test.data)
                scores.append(
                    worst_group_accuracy_score(test.target, found, bias_labels=test.bias_labels)
                )
        gain[name] = np.mean(after) - np.mean(before)
    assert gain["rare class"] > 0.1
    assert abs(gain["shortcut"]) < 0.05


def test_the_attack_moves_the_biased_net_more_than_the_model():
    """On x_adv the biased net's loss rises, and more than the model's."""
    data = make_spurious_embeddings(1000, n_test=10, conflict_ratio=0.05, random_state=0).train
    clf = BiasAdvClassifier(
        base="erm", module="mlp", epsilon=2.0, lam=1.0, max_epochs=5, random_state=0
    )
    clf.fit(data.data, data.target)
    adversarial = clf.adversarial_examples(data.data, data.target)
    before, after = (losses(clf, x, data.target) for x in (data.data, adversarial))
    rise = {role: (after[role] - before[role]).mean() for role in before}
    assert rise["biased"] > 0
    assert rise["biased"] > rise["model"]


def losses(clf, X, y):
    x, t = torch.as_tensor(X), torch.as_tensor(y)
    with torch.no_grad():
        return {
            role: F.cross_entropy(net(x), t, reduction="none").numpy()
            for role, net in (("model", clf.module_), ("biased", clf.biased_module_))
        }
