"""The ranges are the published ones, radii have the unit of X, and mistakes are named."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import uniform

from sklearn_debias import (
    AdversarialTrainingClassifier,
    AFRClassifier,
    BiasAdvClassifier,
    DFRClassifier,
    DHATClassifier,
    ERMClassifier,
    FishClassifier,
    GroupDROClassifier,
    InvarianceClassifier,
    JTTClassifier,
    LfFClassifier,
    LongTailClassifier,
    MetaIADAClassifier,
    MixUpClassifier,
    SELFClassifier,
    UIATClassifier,
)
from sklearn_debias.core import Phase
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.objectives import ERM


def rows(scale=1.0, shift=0.0, shape=(50, 9)):
    return shift + scale * np.random.default_rng(0).normal(size=shape)


def pixels(n=30):
    return np.random.default_rng(0).random((n, 3, 8, 8), dtype=np.float32)


def ends(values):
    return pytest.approx(
        (min(values), max(values)) if isinstance(values, list) else values.support()
    )


@pytest.mark.parametrize(
    ("estimator", "name", "low", "high"),
    [
        (GroupDROClassifier(), "step_size", 1e-3, 1e-1),  # DomainBed: 10^U(-3, -1)
        (InvarianceClassifier(), "penalty_weight", 1e-1, 1e5),  # 10^U(-1, 5)
        (InvarianceClassifier(penalty="vrex"), "penalty_weight", 1e-1, 1e5),
        (InvarianceClassifier(penalty="coral"), "penalty_weight", 1e-1, 1e1),  # 10^U(-1, 1)
        (InvarianceClassifier(penalty="mmd"), "penalty_weight", 1e-1, 1e1),
        (InvarianceClassifier(penalty="ib_irm"), "bottleneck_weight", 1e-1, 1e5),
        (MixUpClassifier(), "alpha", 1e-1, 1e1),  # 10^U(-1, 1)
        (MixUpClassifier(partners="lisa"), "p_sel", 0.0, 1.0),  # SubpopBench: U(0, 1)
        (LfFClassifier(), "q", 0.05, 0.95),  # U(.05, .95)
        (LongTailClassifier(loss="focal"), "gamma", 0.5, 5.0),  # .5 * 10^U(0, 1)
        (LongTailClassifier(loss="ldam"), "max_margin", 10**-1, 10**-0.1),  # 10^U(-1, -.1)
        (DFRClassifier(), "C", 0.01, 10.0),  # DFR's grid ends at 1
        (AFRClassifier(), "gamma", 1.0, 20.0),  # holds 1.8 and 14, which were released
        (JTTClassifier(), "upweight", 5, 100),
    ],
)
def test_published_ends(estimator, name, low, high):
    assert ends(estimator.search_space()[name]) == (low, high)


@pytest.mark.parametrize(
    ("params", "lr", "weight_decay"),
    [
        ({}, (10**-4.5, 10**-2.5), (1e-6, 1e-2)),  # DomainBed, small images
        ({"net_params": {"module__weights": "DEFAULT"}}, (10**-5, 10**-3.5), (1e-6, 1.0)),
        ({"module": torch.nn.Linear(2, 2)}, (10**-5, 10**-3.5), (1e-6, 1.0)),
        ({"optimizer": "sgd"}, (1e-2, 2e-1), (1e-6, 1e-2)),
        ({"freeze": "body"}, (3e-4, 3e-2), (1e-5, 1.0)),
        ({"freeze": "body", "optimizer": torch.optim.SGD}, (1e-3, 1e-1), (1e-5, 1.0)),
    ],
)
def test_what_is_trained_decides_the_rate(params, lr, weight_decay):
    space = ERMClassifier(**params).search_space("images")
    assert ends(space["lr"]) == lr
    assert ends(space["weight_decay"]) == weight_decay


def test_heads_may_be_regularised_strongly_and_stopped_early():
    space = FishClassifier().search_space("embeddings")
    assert ends(space["weight_decay"]) == (1e-5, 1.0)
    assert ends(space["max_epochs"]) == (3, 100)
    assert ends(space["lr"]) == (1e-3, 1e-1)  # plain SGD


def test_few_rows_are_visited_often_enough_for_thirty_steps():
    for n, epochs in ((5000, [3, 10, 30, 100]), (400, [10, 30, 100]), (130, [30, 100]), (9, [100])):
        assert (
            ERMClassifier().search_space("embeddings", rows(shape=(n, 4)))["max_epochs"] == epochs
        )


def test_a_table_tries_a_perceptron_unless_the_module_is_chosen():
    assert ERMClassifier().search_space("tabular")["module"] == ["linear", "mlp"]
    assert "module" not in ERMClassifier().search_space("embeddings")
    chosen = ERMClassifier("mlp").search_space("tabular")
    assert "module" not in chosen
    assert {"module__hidden", "module__dropout"} <= set(chosen)
    assert "module__hidden" not in ERMClassifier("linear").search_space("tabular")


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("cls", [BiasAdvClassifier, AdversarialTrainingClassifier, UIATClassifier])
def test_radii_have_the_unit_of_X(cls, norm):
    near, far, moved = (
        cls(norm=norm).search_space("embeddings", X)["epsilon"]
        for X in (rows(), rows(10.0), rows(shift=100.0))
    )
    assert ends(far) == tuple(10 * end for end in near.support())
    assert ends(moved) == near.support()


def test_a_radius_is_a_share_of_the_median_distance_from_the_mean_row():
    X = rows()
    spread = np.median(np.linalg.norm(X - X.mean(0), axis=1))
    for norm, unit in (("l2", spread), ("linf", spread / 3)):
        found = BiasAdvClassifier(norm=norm).search_space("embeddings", X)["epsilon"]
        np.testing.assert_allclose(found.support(), (0.05 * unit, unit))


def test_rows_that_are_mostly_equal_have_a_spread():
    X = np.zeros((20, 3))
    X[0] = 1.0
    assert BiasAdvClassifier().search_space("embeddings", X)["epsilon"].support()[0] > 0


def test_radii_of_images_are_the_published_ones_times_their_range():
    images = pixels()
    space = DHATClassifier().search_space("images")
    assert space["epsilon"] == [2 / 255, 4 / 255, 8 / 255]
    assert space["inverse_epsilon"] == [1 / 255, 2 / 255, 4 / 255]
    for X in (images, (255 * images).astype(np.uint8)):
        assert DHATClassifier().search_space("images", X)["epsilon"] == space["epsilon"]
    centred = 2 * images - 1
    wider = DHATClassifier().search_space("images", centred)["epsilon"]
    width = float(centred.max() - centred.min())
    np.testing.assert_allclose(wider, np.multiply(width, space["epsilon"]), rtol=1e-6)
    l2 = AdversarialTrainingClassifier(norm="l2").search_space("images")["epsilon"]
    assert l2 == [64 / 255, 128 / 255, 1.0]


def test_biasadv_draws_the_papers_radii_of_images_unless_it_sees_them():
    assert ends(BiasAdvClassifier().search_space("images")["epsilon"]) == (0.1, 1.0)
    images = pixels()
    levels = np.round(255 * images).astype(np.uint8)
    seen = BiasAdvClassifier().search_space("images", levels / np.float32(255))["epsilon"]
    as_levels = BiasAdvClassifier().search_space("images", levels)["epsilon"]
    assert seen.support() != (0.1, 1.0)
    np.testing.assert_allclose(as_levels.support(), seen.support(), rtol=1e-6)


@pytest.mark.parametrize("kind", ["embeddings", "tabular"])
@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (BiasAdvClassifier(), "`epsilon`"),
        (DHATClassifier(), "`epsilon`, `inverse_epsilon`"),
    ],
)
def test_radii_of_rows_that_nobody_has_shown_are_left_out_with_a_warning(estimator, names, kind):
    with pytest.warns(DebiasWarning, match=f"units of X, {names}, which.* Pass `X`"):
        space = estimator.search_space(kind)
    assert space
    assert not {"epsilon", "inverse_epsilon"} & set(space)


def test_a_strategy_reaches_no_farther_than_a_features_spread():
    clf = MetaIADAClassifier(epsilon=0.0)
    assert ends(clf.search_space("embeddings")["epsilon"]) == (-1.0, 1.0)
    assert "reach" not in clf.search_space("embeddings")
    low, high = clf.search_space("embeddings", rows(0.1))["reach"].support()
    assert 0.05 < high < 0.15
    assert low == pytest.approx(high / 100)


def test_no_more_rows_are_finetuned_than_half_of_those_held_out():
    clf = SELFClassifier(held_out_share=0.5)
    assert clf.search_space("embeddings", rows(shape=(200, 4)))["k"] == [5, 10, 20, 50]
    assert clf.search_space("embeddings", rows(shape=(8, 4)))["k"] == [2]
    assert max(clf.search_space("embeddings")["k"]) == 500


def test_epochs_of_annealing_are_fewer_than_the_fewest_epochs():
    for kind in ("embeddings", "images", "tabular"):
        space = InvarianceClassifier().search_space(kind)
        assert max(space["anneal_epochs"]) < min(space["max_epochs"])


@pytest.mark.parametrize("kind", ["text", None, 3, np.array(["images"])])
def test_a_kind_that_there_is_not_is_named_with_the_others(kind):
    words = "`kind` must be one of 'embeddings', 'images', 'tabular', got"
    with pytest.raises(ValueError, match=words):
        JTTClassifier().search_space(kind)


@pytest.mark.parametrize(
    ("kind", "X", "words"),
    [
        ("images", rows(), "`X` must be 4-D images where `kind` is 'images'"),
        ("embeddings", pixels(), "`X` must be 2-D where `kind` is 'embeddings'"),
        ("tabular", pixels(), "`X` must be 2-D where `kind` is 'tabular'"),
        ("embeddings", np.ones((9, 2)), "`X` must hold finite rows that differ"),
        ("embeddings", np.full((9, 2), np.nan), "NaN"),
        ("embeddings", np.zeros((0, 2)), "0 sample"),
    ],
)
def test_rows_that_do_not_suit_the_kind_are_refused(kind, X, words):
    with pytest.raises(ValueError, match=words):
        BiasAdvClassifier().search_space(kind, X)


@dataclass(kw_only=True, eq=False, repr=False)
class Outside(BaseDebiasClassifier):
    """A method from elsewhere, whose space is what a test says."""

    alpha: float = 0.5
    says = {}

    def _phases(self):
        return (Phase("train", (ERM(),), self.max_epochs),)

    def _search_space(self, rows):
        return self.says


def test_a_method_from_elsewhere_inherits_the_shared_space_and_adds_to_it():
    class Silent(Outside):
        _search_space = BaseDebiasClassifier._search_space

    class Telling(Outside):
        def _search_space(self, rows):
            return super(Outside, self)._search_space(rows) | {"alpha": uniform(0, 1)}

    silent = Silent().search_space()
    assert list(silent) == ["lr", "weight_decay", "batch_size", "max_epochs"]
    assert list(Telling().search_space()) == [*silent, "alpha"]


@pytest.mark.parametrize(
    ("says", "error", "words"),
    [
        (None, TypeError, "Outside._search_space must return a dict"),
        ([("alpha", [1])], TypeError, "Outside._search_space must return a dict"),
        ({"gamma": [1.0]}, ValueError, "Outside._search_space names 'gamma', which is no"),
        ({3: [1.0]}, ValueError, "Outside._search_space names 3, which is no"),
        ({"alpha": []}, TypeError, "must give 'alpha' as a non-empty list or a distribution"),
        ({"alpha": 0.5}, TypeError, "must give 'alpha' as a non-empty list or a distribution"),
        ({"alpha": "low"}, TypeError, "must give 'alpha' as a non-empty list or a distribution"),
    ],
)
def test_a_hook_that_returns_nonsense_is_named(monkeypatch, says, error, words):
    monkeypatch.setattr(Outside, "says", says)
    with pytest.raises(error, match=words):
        Outside().search_space()
