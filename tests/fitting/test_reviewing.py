"""A fit that taught nothing is warned about, with numbers and with advice; others are not."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from torch import nn

from sklearn_debias import (
    ERMClassifier,
    InvarianceClassifier,
    ISDAClassifier,
    MetaIADAClassifier,
    MetaSAugClassifier,
)
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.fitting._reviewing import advised
from sklearn_debias.testing import all_estimators, default


@pytest.mark.parametrize("name", [n for n, cls in all_estimators() if hasattr(cls, "_phases")])
def test_advice_names_parameters(name):
    clf = default(dict(all_estimators())[name])
    named = advised(clf).replace(" and ", ", ").split(", ")
    assert named[:2] == ["`lr`", "`max_epochs`"]
    assert 2 <= len(set(named)) == len(named) <= 4
    assert {word.strip("`") for word in named} <= set(clf.get_params(deep=False))


class Told(nn.Module):
    """Has four times the features for logits, and learns nothing."""

    def __init__(self):
        super().__init__()
        self.idle = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return 4 * x + 0 * self.idle


def told(classes, y, recalls):
    """Fit to ``y`` so that of each class this share is predicted right, the rest as the next."""
    predicted = y.copy()
    for c, recall in enumerate(recalls):
        rows = np.flatnonzero(y == c)
        predicted[rows[round(recall * len(rows)) :]] = (c + 1) % len(recalls)
    clf = ERMClassifier(Told, max_epochs=1, random_state=0)
    return clf.fit(np.eye(len(recalls))[predicted], np.array(classes)[y])


@pytest.mark.parametrize(
    ("sizes", "recalls", "right", "share"),
    [
        ((60, 60), (0.3, 0.5), "40.0%", "50.0%"),  # worse than a guess
        ((60, 60), (0.5, 0.5), "50.0%", "50.0%"),
        ((50, 50, 50), (0.34, 0.4, 0.36), "36.7%", "33.3%"),  # within the noise of a guess
        ((90, 30), (0.6, 0.6), "60.0%", "75.0%"),  # below the largest class
        ((190, 10), (0.99, 0.1), "94.5%", "95.0%"),
    ],
)
def test_a_model_no_better_than_one_class_for_all_is_warned_about(sizes, recalls, right, share):
    y = np.repeat(np.arange(len(sizes)), sizes)
    words = (
        f"predicts {right} of {len(y)} training rows right, and 'a' for all would be right on "
        f"{share}: it has learned nothing. Try other values of `lr`"
    )
    with pytest.warns(DebiasWarning, match=words):
        told(list("abc"[: len(sizes)]), y, recalls)


@pytest.mark.parametrize(
    ("sizes", "recalls"),
    [
        ((60, 60), (0.7, 0.6)),
        ((50, 50, 50), (0.5, 0.4, 0.4)),
        ((190, 10), (0.9, 0.8)),  # balanced: less often right than the largest class, for a reason
        ((190, 10), (0.99, 0.4)),
        ((20, 20), (0.5, 0.5)),  # too few rows to tell
    ],
)
def test_a_model_that_tells_classes_apart_is_not(sizes, recalls):
    told(list("abc"[: len(sizes)]), np.repeat(np.arange(len(sizes)), sizes), recalls)


def test_a_model_that_is_mostly_wrong_has_learned_something():
    with pytest.warns(DebiasWarning, match="predicts 25.0% .* learned the opposite of most"):
        told(list("ab"), np.repeat([0, 1], 60), (0.3, 0.2))


def test_a_rare_class_that_only_scores_tell_apart_needs_a_threshold():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 5))
    y = (X[:, 0] + rng.normal(size=3000) > 2.9).astype(int)
    with pytest.warns(DebiasWarning, match=r"predicts 0 for all.*AUC 0\.9.*Move the threshold"):
        ERMClassifier(random_state=0).fit(X, y)


def test_rows_of_weight_zero_were_not_learned_from():
    X = np.repeat(np.eye(2), 100, axis=0)
    y = np.repeat([0, 1], 100)
    weight = np.ones(200)
    weight[:60] = weight[100:160] = 0
    X[weight == 0] = X[weight == 0, ::-1]  # predicted wrong
    ERMClassifier(Told, max_epochs=1).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("load", [load_iris, load_digits])
@pytest.mark.parametrize("penalty", ["irm", "ib_irm"])
def test_invariance_by_default_learns_what_erm_learns(load, penalty):
    X, y = (part[:400] for part in load(return_X_y=True))
    environments = np.random.default_rng(0).integers(5, size=len(y))
    module = "mlp" if penalty == "ib_irm" else None
    erm = ERMClassifier(module, random_state=0).fit(X, y)
    clf = InvarianceClassifier(module, penalty=penalty, random_state=0)
    assert clf.fit(X, y, bias_labels=environments).score(X, y) > erm.score(X, y) - 0.1


@pytest.mark.parametrize("kind", [ISDAClassifier, MetaIADAClassifier, MetaSAugClassifier])
def test_feature_augmentation_by_default_learns_from_unscaled_embeddings(kind):
    train = make_spurious_embeddings(random_state=0).train
    clf = kind(random_state=0).fit(10 * train.data, train.target)
    assert clf.score(10 * train.data, train.target) > 0.9
