"""Group DRO, AFR and balanced ERM as estimators: their identities, fitted attributes, fallbacks."""

from typing import ClassVar

import numpy as np
import pytest
import sklearn
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_debias import AFRClassifier, ERMClassifier, GroupDROClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import worst_group_accuracy_scorer
from sklearn_debias.model_selection import BiasStratifiedKFold
from sklearn_debias.models import mlp

FAST = {"lr": 0.05, "max_epochs": 4, "random_state": 0}
EXACT = {**FAST, "dtype": "float64", "batch_size": 1000}


@pytest.fixture(scope="module")
def train():
    return make_spurious_embeddings(
        200, n_validation=20, n_test=20, conflict_ratio=0.1, random_state=0
    ).train


def fit(clf, part, **given):
    return clf.fit(part.data, part.target, bias_labels=part.bias_labels, **given)


def test_group_dro_with_step_size_zero_is_group_balanced_erm(train):
    dro = fit(GroupDROClassifier(step_size=0, **EXACT), train)
    erm = fit(ERMClassifier(balance="group", **EXACT), train)
    np.testing.assert_allclose(
        dro.decision_function(train.data), erm.decision_function(train.data), atol=1e-10
    )
    assert list(dro.group_weights_.values()) == pytest.approx([0.25] * 4)


def test_the_weights_of_group_dro_move_with_the_step_size(train):
    slow, quick = (
        fit(GroupDROClassifier(step_size=step, **EXACT), train).group_weights_
        for step in (0.01, 5.0)
    )
    assert sum(quick.values()) == pytest.approx(1)
    assert max(quick.values()) > max(slow.values()) > 0.25
    assert set(quick) == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_an_adjustment_weighs_small_groups_more(train):
    plain, adjusted = (
        fit(GroupDROClassifier(adjustment=c, step_size=1, **EXACT), train) for c in (0.0, 5.0)
    )
    rare, common = (0, 1), (0, 0)
    ratio = [clf.group_weights_[rare] / clf.group_weights_[common] for clf in (plain, adjusted)]
    assert ratio[1] > ratio[0]


def test_group_dro_draws_by_group_only_where_asked(train):
    plain, drawn = (fit(GroupDROClassifier(balance=b, **FAST), train) for b in (None, "group"))
    assert not np.array_equal(
        plain.decision_function(train.data), drawn.decision_function(train.data)
    )


def test_group_dro_without_bias_labels_warns_once_and_takes_the_classes(train):
    with pytest.warns(
        DebiasWarning, match="no bias_labels: the classes are taken as groups"
    ) as caught:
        clf = GroupDROClassifier(**FAST).fit(train.data, np.array(["a", "b"])[train.target])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert set(clf.group_weights_) == {"a", "b"}


@pytest.mark.parametrize("attributes", [1, 2])
def test_an_empty_cell_is_named(train, attributes):
    bias = np.where(train.target == 1, 0, train.bias_labels)
    empty, n_groups = "(1, 1)", 3
    if attributes == 2:
        bias = np.column_stack([bias, train.target])
        empty, n_groups = "(0, (0, 1)), (1, (0, 0)), (1, (1, 0))", 3
    with pytest.warns(DebiasWarning, match="No training row has") as caught:
        clf = GroupDROClassifier(**FAST).fit(train.data, train.target, bias_labels=bias)
    assert len(caught) == 1
    assert f"[{empty}]: they have no weight" in str(caught[0].message)
    assert len(clf.group_weights_) == n_groups


def test_afr_trains_its_first_stage_on_the_rows_it_does_not_reweight(train):
    clf = fit(AFRClassifier(**EXACT, reweighting_epochs=3), train)
    rows = np.setdiff1d(np.arange(200), clf.reweighted_rows_)
    assert len(rows) == 160
    erm = ERMClassifier(**EXACT).fit(train.data[rows], train.target[rows])
    first, other = (c.history_.query("phase == 'train'").model_loss.to_numpy() for c in (clf, erm))
    np.testing.assert_allclose(first, other, atol=1e-12)


def test_afr_with_a_huge_lam_keeps_the_first_stage(train):
    rows = fit(AFRClassifier(**EXACT), train).reweighted_rows_
    erm = ERMClassifier(**EXACT).fit(np.delete(train.data, rows, 0), np.delete(train.target, rows))
    moved, stays = (
        fit(AFRClassifier(**EXACT, lam=lam, reweighting_epochs=50), train) for lam in (0.0, 1e4)
    )
    score = {clf: clf.decision_function(train.data) for clf in (erm, moved, stays)}
    assert np.abs(score[stays] - score[erm]).max() < 0.5 * np.abs(score[moved] - score[erm]).max()


def test_afr_changes_the_head_only(train):
    options = {
        **EXACT,
        "module": "mlp",
        "weight_decay": 0.1,
    }  # which must not touch the body in the second stage
    one, many = (
        fit(AFRClassifier(**options, reweighting_epochs=n), train).module_ for n in (1, 20)
    )
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            one.body.state_dict().values(), many.body.state_dict().values(), strict=True
        )
    )
    assert not torch.equal(one.head.weight, many.head.weight)


def test_afr_describes_its_second_part(train):
    clf = fit(AFRClassifier(**FAST, validation=0.25, reweighting_share=0.5), train)
    rows, weight = clf.reweighted_rows_, clf.reweighted_weights_
    assert len(rows) == pytest.approx(75, abs=1)
    assert weight.sum() == pytest.approx(1, abs=1e-5)
    conflicting = train.bias_labels[rows] != train.target[rows]
    assert weight[conflicting].mean() > weight[~conflicting].mean()


def test_afr_keeps_the_best_epoch_of_the_second_stage(train):
    clf = fit(
        AFRClassifier(
            **FAST, reweighting_epochs=7, validation=0.25, monitor="worst_group_accuracy"
        ),
        train,
    )
    scored = clf.history_.dropna(subset="validation_worst_group_accuracy")
    assert scored.phase.tolist() == ["reweighting"] * 7


def test_afr_on_images_and_convolutions():
    rng = np.random.default_rng(0)
    images, y = rng.random((40, 3, 8, 8), dtype=np.float32), np.arange(40) % 2
    images[y == 1] += 0.5
    clf = AFRClassifier("simple_cnn", max_epochs=10, reweighting_epochs=2, random_state=0).fit(
        images, y
    )
    assert clf.reweighted_rows_.shape == (8,)
    assert clf.predict(images).shape == (40,)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_afr_computes_features_of_a_frozen_body_with_batch_norm_in_eval_mode(train):
    own = SplitModule(
        torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.BatchNorm1d(4)), torch.nn.Linear(4, 2)
    )
    one, many = (
        fit(AFRClassifier(own, **FAST, reweighting_epochs=n), train).module_.body[1] for n in (1, 9)
    )
    assert torch.equal(one.running_mean, many.running_mean)


class NoHead(torch.nn.Module):
    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layer = torch.nn.Linear(n_features, n_classes)

    def forward(self, x):
        return self.layer(x)


def test_afr_needs_a_head_and_says_so_before_the_first_epoch(train):
    with pytest.raises(TypeError, match="`module` must have a body and a head .*SplitModule"):
        AFRClassifier(NoHead, max_epochs=10**9).fit(train.data, train.target)


def test_afr_refuses_to_drop_its_only_batch(train):
    clf = AFRClassifier(**FAST, net_params={"iterator_train__drop_last": True})
    with pytest.raises(
        ValueError, match="`net_params` must not set iterator_train__drop_last for AFRClassifier"
    ):
        clf.fit(train.data, train.target)


class Visits(Callback):
    """Counts the rows of each group that an epoch visits; shared with its copies."""

    seen: ClassVar[list] = []

    def on_batch_end(self, net, batch, **kwargs):
        self.seen.extend(batch.group.tolist())


@pytest.mark.parametrize(
    ("by", "expected"), [("subsample", [10] * 4), ("weight", [90, 10, 10, 90])]
)
def test_a_subsample_has_the_smallest_size_of_each_group(train, by, expected):
    Visits.seen.clear()
    clf = ERMClassifier(
        balance="group", balance_by=by, callbacks=[Visits()], **{**FAST, "max_epochs": 1}
    )
    fit(clf, train)
    assert np.bincount(Visits.seen).tolist() == expected


@pytest.mark.parametrize("by", ["weight", "sample", "subsample"])
@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_every_way_to_balance_evens_out_the_classes(by):
    rng = np.random.default_rng(0)
    y = (np.arange(300) % 10 == 0).astype(int)
    X = rng.normal(size=(300, 2)) + 1.0 * y[:, None]
    options = {**FAST, "max_epochs": 60}
    recall = [
        clf.fit(X, y).predict(X)[y == 1].mean()
        for clf in (
            ERMClassifier(**options),
            ERMClassifier(balance="class", balance_by=by, **options),
        )
    ]
    assert recall[1] > recall[0] + 0.3


@pytest.mark.parametrize(
    ("clf", "grid"),
    [
        (GroupDROClassifier(**FAST), {"step_size": [0.0, 0.1], "adjustment": [0.0, 1.0]}),
        (AFRClassifier(**FAST, reweighting_epochs=4), {"gamma": [0.0, 4.0], "lam": [0.0, 0.1]}),
        (ERMClassifier(**FAST, balance="group"), {"balance_by": ["weight", "sample", "subsample"]}),
    ],
    ids=lambda v: type(v).__name__,
)
def test_searches_in_a_pipeline_pass_bias_labels_on(train, clf, grid):
    name = type(clf).__name__.lower()
    grid = {f"{name}__{key}": values for key, values in grid.items()}
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), clf),
            grid,
            scoring=worst_group_accuracy_scorer,
            cv=BiasStratifiedKFold(2),
        )
        fit(search, train)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_[-1].aligned_bias_ == {0: 0, 1: 1}


def test_afr_on_a_frozen_body_trains_both_stages_on_its_features(train):
    clf = fit(AFRClassifier(mlp, freeze="body", **FAST, reweighting_epochs=4), train)
    assert clf.history_.phase.unique().tolist() == ["train", "reweighting"]
    assert clf.history_.distance.dropna().iloc[-1] > 0
    assert clf.predict(train.data).shape == (200,)
