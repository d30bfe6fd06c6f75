"""Invariance penalties, Fish and MixUp as classifiers: fallbacks, phases, a flipped shortcut."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import ERMClassifier, FishClassifier, InvarianceClassifier, MixUpClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.models import mlp

FAST = {"max_epochs": 2, "batch_size": 64, "random_state": 0, "lr": 0.05, "optimizer": "adam"}
EXACT = {**FAST, "batch_size": 1000, "dtype": "float64", "max_epochs": 3}
QUIET = pytest.mark.filterwarnings(
    "ignore:The fitted model predicts"
)  # of fits that are this short
SHIFT = [
    InvarianceClassifier(**FAST),
    InvarianceClassifier("mlp", **FAST, penalty="mmd"),
    FishClassifier(**FAST),
    MixUpClassifier(**FAST, partners="domain"),
    MixUpClassifier(**FAST, partners="lisa"),
]


@pytest.fixture(scope="module")
def train():
    return make_spurious_embeddings(
        200, n_validation=20, n_test=20, conflict_ratio=0.2, random_state=0
    ).train


def fit(clf, train, bias=None):
    bias = train.bias_labels if bias is None else bias
    return clf.fit(train.data, train.target, bias_labels=bias)


def assert_equal(one, other, X):
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))


@pytest.mark.parametrize("clf", SHIFT, ids=repr)
@pytest.mark.parametrize("bias", ["none", "a single value"])
@pytest.mark.usefixtures("by_autograd")
def test_without_two_bias_values_one_warning_and_the_fallback(clf, bias, train):
    given, words = (
        (None, "was given no bias_labels")
        if bias == "none"
        else (200 * ["x"], "a single value, 'x'")
    )
    with pytest.warns(DebiasWarning, match=words) as caught:
        clf.fit(train.data, train.target, bias_labels=given)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert clf.environments_ == []
    if isinstance(clf, MixUpClassifier):
        instead = {"domain": "any", "lisa": "label"}[clf.partners]
        alpha = {"domain": 0.2, "lisa": 2.0}[clf.partners]
        plain = MixUpClassifier(**FAST, partners=instead, alpha=alpha)
    else:
        plain = ERMClassifier(clf.module, **FAST)
    assert_equal(clf, plain.fit(train.data, train.target), train.data)


@pytest.mark.parametrize("clf", SHIFT, ids=repr)
def test_with_bias_labels_nothing_is_said_and_they_matter(clf, train):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = fit(clf, train).decision_function(train.data)
    assert clf.environments_ == [0, 1]
    other = fit(clf, train, np.arange(200) % 2).decision_function(train.data)
    assert not np.array_equal(scores, other)


def test_environments_are_bias_values_and_not_groups(train):
    two = np.column_stack([train.bias_labels, np.arange(200) % 2])
    assert fit(InvarianceClassifier(**FAST), train, two).environments_ == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    assert fit(
        FishClassifier(**FAST), train, np.array(["sea", "land"])[train.bias_labels]
    ).environments_ == [
        "land",
        "sea",
    ]


def environment_balanced(train, **params):
    """ERM whose every environment has the same share of the loss."""
    size = np.bincount(train.bias_labels)
    clf = ERMClassifier(**{**EXACT, **params})
    weight = (1 / size)[train.bias_labels]
    return clf.fit(train.data, train.target, sample_weight=weight).decision_function(train.data)


@pytest.mark.parametrize(
    "clf",
    [
        InvarianceClassifier(**EXACT, penalty_weight=0),
        InvarianceClassifier(**EXACT, penalty="vrex", penalty_weight=0, anneal_epochs=2),
        FishClassifier(**EXACT, inner_lr=0),
        FishClassifier(**EXACT, inner_lr=1e-12),
    ],
    ids=repr,
)
def test_at_weight_0_environments_have_equal_shares(clf, train):
    scores = fit(clf, train).decision_function(train.data)
    np.testing.assert_allclose(scores, environment_balanced(train), atol=1e-8)


@pytest.mark.parametrize("partners", ["any", "label", "domain", "lisa"])
@pytest.mark.usefixtures("by_autograd")
def test_mixup_with_alpha_0_is_erm_to_the_last_bit(partners, train):
    mixed = fit(MixUpClassifier(**FAST, partners=partners, alpha=0), train)
    assert_equal(mixed, fit(ERMClassifier(**FAST), train), train.data)


@QUIET
def test_fish_takes_the_step_of_the_paper_by_default(train):
    """One full batch: theta + (epsilon / 2) (theta~ - theta), epsilon = lr / inner_lr = 1/2."""
    options = {
        "batch_size": 1000,
        "max_epochs": 1,
        "dtype": "float64",
        "random_state": 0,
        "weight_decay": 0.0,
    }
    assert FishClassifier().lr / FishClassifier().inner_lr == 0.5
    X, y, e = (
        torch.tensor(train.data).double(),
        torch.tensor(train.target),
        torch.tensor(train.bias_labels),
    )
    start = fit(FishClassifier(**options, lr=1e-300), train).module_
    reached = [p.detach() for p in fit(FishClassifier(**options), train).module_.parameters()]
    found = []
    for order in ((0, 1), (1, 0)):
        copy = [p.detach().clone().requires_grad_() for p in start.parameters()]
        for value in order:
            logits = X[e == value] @ copy[0].T + copy[1]
            slopes = torch.autograd.grad(nn.functional.cross_entropy(logits, y[e == value]), copy)
            copy = [
                (p - 0.1 * slope).detach().requires_grad_()
                for p, slope in zip(copy, slopes, strict=True)
            ]
        found.append([p + 0.25 * (c - p) for p, c in zip(start.parameters(), copy, strict=True)])
    gaps = [max((a - b).abs().max().item() for a, b in zip(reached, f, strict=True)) for f in found]
    assert min(gaps) < 1e-12 < max(gaps)


def phases(**params):
    X, y, e, _ = coloured(100)
    history = InvarianceClassifier("mlp", **{**FAST, **params}).fit(X, y, bias_labels=e).history_
    return {name: len(rows) for name, rows in history.groupby("phase", sort=False)}


@QUIET
def test_annealing():
    assert phases(max_epochs=20, penalty="vrex") == {"anneal": 2, "train": 18}
    assert phases(max_epochs=20, penalty="ib_irm") == {"anneal": 2, "train": 18}
    assert phases(max_epochs=9, penalty="vrex") == {"train": 9}
    assert phases(max_epochs=20, penalty="vrex", anneal_epochs=0) == {"train": 20}
    assert phases(max_epochs=20, penalty="coral") == {"train": 20}
    assert phases(max_epochs=5, penalty="coral", penalty_weight=10, anneal_epochs=4) == {
        "anneal": 4,
        "train": 1,
    }
    assert phases(max_epochs=20) == {"train": 20}  # nothing to anneal
    assert phases(max_epochs=20, penalty_weight=100) == {"anneal": 2, "train": 18}


@QUIET
def test_before_the_penalty_has_its_weight_it_is_at_most_one():
    X, y, e, _ = coloured(100)
    options = {**EXACT, "max_epochs": 4, "anneal_epochs": 2}
    annealed = (
        InvarianceClassifier(**options, penalty_weight=50.0).fit(X, y, bias_labels=e).history_
    )
    for phase, weight in (("anneal", 1.0), ("train", 50.0)):
        rows = annealed[annealed.phase == phase]
        np.testing.assert_allclose(
            rows.model_loss, (rows.risk + weight * rows.penalty) / weight, rtol=1e-12
        )
    bottled = InvarianceClassifier(
        "mlp", **options, penalty="ib_irm", penalty_weight=50.0, bottleneck_weight=3.0
    )
    bottled = bottled.fit(X, y, bias_labels=e).history_
    for phase, weight, bottleneck in (("anneal", 1.0, 0.0), ("train", 50.0, 3.0)):
        rows = bottled[bottled.phase == phase]
        total = rows.risk + weight * rows.penalty + bottleneck * rows.bottleneck
        np.testing.assert_allclose(rows.model_loss, total / weight, rtol=1e-12)


@QUIET
@pytest.mark.parametrize("penalty", ["irm", "ib_irm", "vrex", "coral", "mmd"])
def test_default_weights(penalty):
    X, y, e, _ = coloured(60)
    weight = {"irm": 1, "ib_irm": 1, "vrex": 10, "coral": 1, "mmd": 1}[penalty]
    default, given = (
        InvarianceClassifier("mlp", **FAST, penalty=penalty, penalty_weight=w)
        for w in (None, weight)
    )
    assert_equal(default.fit(X, y, bias_labels=e), given.fit(X, y, bias_labels=e), X)


@pytest.mark.parametrize("penalty", ["ib_irm", "coral", "mmd"])
def test_features_that_cannot_learn_are_refused(penalty, train):
    for module, freeze in (("linear", None), (None, None), (mlp, "body")):
        with pytest.raises(
            ValueError, match=f"`penalty`='{penalty}' compares the features of `module`"
        ):
            fit(InvarianceClassifier(module, **FAST, penalty=penalty, freeze=freeze), train)
    whole = nn.Sequential(nn.Linear(train.data.shape[1], 2), nn.Tanh())
    with pytest.raises(TypeError, match="`module` must have a body and a head"):
        fit(InvarianceClassifier(whole, **FAST, penalty=penalty), train)


def test_annealing_must_end_before_the_fit():
    with pytest.raises(
        ValueError, match="`anneal_epochs` must be less than `max_epochs`=2, .* got 2"
    ):
        InvarianceClassifier(max_epochs=2, anneal_epochs=2).fit([[0.0], [1.0]], [0, 1])


def test_a_balanced_fit_without_bias_labels_and_with_an_empty_cell(train):
    with pytest.warns(DebiasWarning, match="the classes are balanced instead") as caught:
        MixUpClassifier(**FAST, balance="group").fit(train.data, train.target)
    assert len(caught) == 1
    with pytest.warns(
        DebiasWarning, match="rows of the same label are mixed, and classes balanced"
    ) as caught:
        MixUpClassifier(**FAST, partners="lisa", balance="group").fit(train.data, train.target)
    assert len(caught) == 1
    with pytest.warns(DebiasWarning, match=r"\[\(1, 1\)\]: they are never drawn"):
        fit(
            MixUpClassifier(**FAST, balance="group"),
            train,
            np.where(train.target == 1, 0, train.bias_labels),
        )


def test_balancing_finds_more_partners_for_lisa(train):
    rare = (np.arange(200) % 20 == 3).astype(int)
    plain, balanced = (
        MixUpClassifier(**FAST, partners="lisa", p_sel=1.0, balance=b) for b in (None, "group")
    )
    shares = [fit(clf, train, rare).history_.mixed.mean() for clf in (plain, balanced)]
    assert shares[0] > 0.5  # even the many find one of the few
    plain.set_params(batch_size=4), balanced.set_params(batch_size=4)
    shares = [fit(clf, train, rare).history_.mixed.mean() for clf in (plain, balanced)]
    assert shares[0] < 0.5 * shares[1]


class Square(nn.Module):
    """A body whose features of a mixture are no mixture of features."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * x.square()


@QUIET
def test_with_a_frozen_body_inputs_are_mixed_all_the_same():
    """Halfway between 1 and -1 is 0, whose square is 0: the head sees nothing and stays."""
    X, y = np.array([[1.0], [-1.0]]).repeat(20, 0), np.arange(2).repeat(20)
    module = SplitModule(Square(), nn.Linear(1, 2))
    options = {
        **EXACT,
        "optimizer": "sgd",
        "lr": 0.5,
        "weight_decay": 0.0,
        "alpha": 1e12,
        "partners": "domain",
    }
    clf = MixUpClassifier(module, **options, freeze="body").fit(X, y, bias_labels=y)
    torch.testing.assert_close(
        clf.module_.head.weight.float(), module.head.weight, atol=1e-6, rtol=0
    )
    assert (clf.module_.head.bias.float() - module.head.bias).abs().max() > 1e-3


def coloured(n, flips=(0.2, 0.1), seed=0):
    """Coloured MNIST without images: shape says y in 75 %, colour in 80 % and 90 %, or in 10 %."""
    rng = np.random.default_rng(seed)
    found = []
    for flip in (*flips, 0.9):
        shape = rng.integers(2, size=n)
        y = shape ^ (rng.random(n) < 0.25)
        found.append((2.0 * np.column_stack([shape, y ^ (rng.random(n) < flip)]) - 1, y))
    X, y = (np.concatenate([part[i] for part in found[:-1]]) for i in range(2))
    return X.astype(np.float32), y, np.repeat(np.arange(len(flips)), n), found[-1]


@pytest.mark.parametrize("penalty", ["irm", "vrex"])
def test_invariance_survives_a_flipped_shortcut_and_erm_does_not(penalty):
    X, y, e, shifted = coloured(1000)
    options = {
        "lr": 0.1,
        "max_epochs": 100,
        "batch_size": 2000,
        "weight_decay": 0.0,
        "random_state": 0,
    }
    erm = ERMClassifier(**options).fit(X, y)
    invariant = InvarianceClassifier(**options, penalty=penalty, penalty_weight=1000.0).fit(
        X, y, bias_labels=e
    )
    assert erm.score(X, y) > 0.8
    assert erm.score(*shifted) < 0.2
    assert invariant.score(X, y) > 0.7
    assert invariant.score(*shifted) > 0.7


def test_lisa_lifts_the_worst_group_and_mixup_does_not():
    data = make_spurious_embeddings(random_state=0)
    worst = {}
    for partners in ("any", "lisa"):
        clf = fit(
            MixUpClassifier(partners=partners, lr=0.01, max_epochs=15, random_state=0), data.train
        )
        right = clf.predict(data.test.data) == data.test.target
        cell = 2 * data.test.target + data.test.bias_labels
        worst[partners] = min(right[cell == c].mean() for c in range(4))
    assert worst["lisa"] > worst["any"] + 0.2
