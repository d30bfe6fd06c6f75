"""The classifiers with a meta set, and ISDA: what they hold out and keep, how they are called."""

import copy
import pickle
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR, OneCycleLR, ReduceLROnPlateau

from sklearn_debias import (
    ERMClassifier,
    ISDAClassifier,
    MetaIADAClassifier,
    MetaSAugClassifier,
    MetaWeightNetClassifier,
)
from sklearn_debias.core import SplitModule
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.fitting._meta_set import held_out

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # these fits are short

QUICK = {"max_epochs": 3, "batch_size": 16, "lr": 0.05, "random_state": 0, "device": "cpu"}
META = [MetaSAugClassifier, MetaWeightNetClassifier, MetaIADAClassifier]
SHORT = {
    MetaSAugClassifier: {"warmup": 1},
    MetaWeightNetClassifier: {},
    MetaIADAClassifier: {"warmup": 1},
}


def quick(kind, **options):
    return kind(**{**QUICK, **SHORT[kind], **options})


def rows(n=90, seed=0, k=3):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    X = rng.normal(size=(n, 5)).astype(np.float32)
    X[np.arange(n), y] += 2
    return X, y


@pytest.fixture(scope="module")
def train():
    return rows()


@pytest.fixture(scope="module")
def ahead():
    return dict(zip(("X_meta", "y_meta"), rows(30, seed=1), strict=True))


def state_of(clf):
    return {name: value.clone() for name, value in clf.net_.module_.state_dict().items()}


def assert_same(one, other, **tolerance):
    for name, value in state_of(one).items():
        torch.testing.assert_close(
            state_of(other)[name], value, **(tolerance or {"rtol": 0, "atol": 0})
        )


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_at_most_a_fifth_of_a_class_is_held_out_evenly_over_the_bias_values(size):
    y = np.repeat([0, 1, 2, 3], [100, 40, 4, 1])
    bias = np.arange(len(y)) % 2
    bias[:90], bias[90:100] = 0, 1
    group = 2 * y + bias
    held = held_out(y, group, size, np.random.default_rng(0))
    found = Counter(y[held].tolist())
    assert found[0] == min(size, 20)
    assert found[1] == min(size, 8)
    assert found[2] == 1  # four rows have no fifth, but one may go
    assert found[3] == 0
    for code in (0, 1):
        parts = [int((held & (group == g)).sum()) for g in np.unique(group[y == code])]
        rest = [int((~held & (group == g)).sum()) for g in np.unique(group[y == code])]
        least = int(np.argmin(parts))
        assert all(
            kept >= gone for kept, gone in zip(rest, parts, strict=True)
        )  # half of each group stays
        assert max(parts) - min(parts) <= 1 or rest[least] - parts[least] <= 1


def test_a_group_of_one_row_keeps_it_unless_the_class_has_no_other():
    y = np.array([0] * 20 + [1, 1])
    group = np.array([0] * 19 + [1, 2, 3])
    for seed in range(10):
        held = held_out(y, group, 10, np.random.default_rng(seed))
        assert not held[19]
        assert held[20:].sum() == 1


@pytest.mark.parametrize("kind", META)
def test_the_meta_set_is_held_out_of_the_training_rows(kind, train):
    X, y = train
    bias = np.arange(90) // 3 % 2
    clf = quick(kind, meta_size=4, verbose=0).fit(X, y, bias_labels=bias)
    out = clf.meta_indices_
    assert Counter((2 * y[out] + bias[out]).tolist()) == dict.fromkeys(range(6), 2)
    moved = X.copy()
    moved[out] += 100  # they are looked at
    assert any(
        not torch.equal(v, state_of(clf)[k]) for k, v in state_of(clone(clf).fit(moved, y)).items()
    )
    if kind is MetaIADAClassifier:
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(clf.epsilon_)), np.sort(out))


def test_the_meta_set_is_told_at_verbose(train, capsys):
    quick(MetaSAugClassifier, verbose=1).fit(*train)
    assert "Meta set: 18 rows held out of X" in capsys.readouterr().out


@pytest.mark.parametrize("kind", META)
def test_a_meta_set_that_is_given_is_used_and_nothing_is_held_out(kind, train, ahead):
    clf = quick(kind).fit(*train, **ahead)
    assert clf.meta_indices_ is None
    other = quick(kind).fit(*train, X_meta=ahead["X_meta"][:, ::-1].copy(), y_meta=ahead["y_meta"])
    assert any(not torch.equal(v, state_of(clf)[k]) for k, v in state_of(other).items())
    assert_same(clf, quick(kind).fit(*train, **ahead))
    assert_same(
        clf,
        quick(kind).fit(
            *train, X_meta=torch.from_numpy(ahead["X_meta"]), y_meta=list(ahead["y_meta"])
        ),
    )


def test_the_meta_set_and_the_validation_rows_are_apart(train):
    clf = quick(MetaIADAClassifier, validation=0.2, monitor="accuracy").fit(*train)
    trained = np.flatnonzero(~np.isnan(clf.epsilon_))
    assert len(trained) + len(clf.meta_indices_) < 90
    assert not set(trained) & set(clf.meta_indices_)


def test_without_a_term_to_learn_no_row_is_held_out(train, ahead):
    for off in ({"alpha": 0}, {"sigma_lr": 0}, {"n_copies": 2}):
        clf = quick(MetaIADAClassifier, epsilon=0.2, **off).fit(*train)
        assert clf.meta_indices_ is None
        assert np.isfinite(clf.epsilon_).all()
        with pytest.warns(DebiasWarning, match="serves nothing here"):
            assert_same(clf, quick(MetaIADAClassifier, epsilon=0.2, **off).fit(*train, **ahead))
    assert quick(MetaIADAClassifier, epsilon=0.2).fit(*train).meta_indices_ is not None


def test_weights_of_classes_that_are_all_one_are_refused(train):
    """pi ** -0 is 1: the class proportions would do nothing."""
    weighed = quick(MetaIADAClassifier, class_weights=True, beta=0.0)
    with pytest.raises(ValueError, match="`class_weights`=True needs a `beta` above 0"):
        weighed.fit(*train)
    weighed.set_params(beta=0.1)._check_params()
    weighed.set_params(beta=0, class_weights=False)._check_params()
    assert weighed.search_space("embeddings", train[0])["beta"] == [0.0, 0.5, 1.0]
    weighed.set_params(class_weights=True)
    assert weighed.search_space("embeddings", train[0])["beta"] == [0.5, 1.0]


@pytest.mark.parametrize("module", [None, "mlp"])
@pytest.mark.usefixtures("by_autograd")
def test_with_every_term_off_it_is_erm_to_the_last_bit(train, module):
    options = {**QUICK, "optimizer": "sgd", "module": module}
    off = MetaIADAClassifier(**options, alpha=0, beta=0, epsilon=0.0, warmup=0).fit(*train)
    momentum = {"optimizer__momentum": 0.9}
    assert_same(ERMClassifier(**options, net_params=momentum).fit(*train), off)
    assert_same(off, ISDAClassifier(**options, strength=0).fit(*train))


@pytest.mark.parametrize("beta", [1, 0.5])
def test_class_weights_are_sample_weights_by_the_share_of_the_class(beta):
    X, y = rows()
    y = np.repeat([0, 1, 2], [60, 24, 6])
    exact = {**QUICK, "optimizer": "sgd", "dtype": "float64"}
    off = {"epsilon": 0.0, "alpha": 0, "warmup": 0, "beta": beta}
    weighed = MetaIADAClassifier(**exact, **off, class_weights=True).fit(X, y)
    weights = (90 / np.bincount(y)[y]) ** beta
    erm = ERMClassifier(**exact).fit(X, y, sample_weight=weights / weights.mean())
    assert_same(weighed, erm, rtol=0, atol=1e-12)
    moved = MetaIADAClassifier(**exact, **off).fit(X, y)
    assert np.abs(moved.coef_ - weighed.coef_).max() > 0.01


def test_a_first_stage_and_a_second_without_terms_are_one_fit(train):
    full = {**QUICK, "batch_size": 1000, "dtype": "float64", "max_epochs": 6}
    off = MetaIADAClassifier(**full, alpha=0, beta=0, epsilon=0.0, warmup=0.5).fit(*train)
    assert_same(ERMClassifier(**full).fit(*train), off, rtol=0, atol=1e-12)
    assert off.history_["phase"].tolist() == ["warmup"] * 3 + ["train"] * 3


@pytest.mark.parametrize("warmup", [0, 2, 0.8, 0.99])
def test_the_first_stage_is_cross_entropy(train, warmup):
    clf = MetaIADAClassifier(**{**QUICK, "max_epochs": 4}, warmup=warmup).fit(*train)
    first = {0: 0, 2: 2, 0.8: 3, 0.99: 3}[warmup]
    assert clf.history_["phase"].tolist() == ["warmup"] * first + ["train"] * (4 - first)
    assert len(clf.adversarial_share_) == 4 - first


def test_a_pipeline_sends_the_meta_set_through_its_steps(train, ahead):
    X, y = train
    scaler = StandardScaler().fit(10 * X)
    expected = quick(MetaIADAClassifier).fit(
        scaler.transform(10 * X),
        y,
        X_meta=scaler.transform(10 * ahead["X_meta"]),
        y_meta=ahead["y_meta"],
    )
    steps = [("scale", StandardScaler()), ("clf", quick(MetaIADAClassifier))]
    given = {**ahead, "X_meta": 10 * ahead["X_meta"]}
    with config_context(enable_metadata_routing=True):
        model = Pipeline(steps, transform_input=["X_meta"]).fit(10 * X, y, **given)
        without = Pipeline(copy.deepcopy(steps)).fit(10 * X, y, **given)
    assert_same(expected, model[-1])
    assert any(not torch.equal(v, state_of(expected)[k]) for k, v in state_of(without[-1]).items())


@pytest.mark.parametrize("kind", META)
def test_a_search_does_not_slice_the_meta_set(kind, train, ahead):
    X, y = train
    folds = [(np.arange(60), np.arange(60, 90)), (np.arange(30, 90), np.arange(30))]
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            quick(kind), {"lr": [0.05]}, cv=folds, refit=False, error_score="raise"
        )
        search.fit(X, y, **ahead)
    alone = [quick(kind).fit(X[a], y[a], **ahead).score(X[b], y[b]) for a, b in folds]
    assert [search.cv_results_[f"split{i}_test_score"][0] for i in range(2)] == alone


def test_fitted_attributes_of_meta_iada(train):
    X, y = train
    names = np.array(["ant", "bee", "cat"])
    clf = quick(MetaIADAClassifier, max_epochs=4).fit(X, names[y])
    seen = ~np.isnan(clf.epsilon_)
    assert clf.epsilon_.shape == (90,)
    assert (np.abs(clf.epsilon_[seen]) < 1).all()
    assert clf.covariances_.shape == (3, 5, 5)
    np.testing.assert_allclose(clf.covariances_, clf.covariances_.transpose(0, 2, 1), atol=1e-6)
    for c in range(3):  # features of a linear head are X
        expected = np.cov(X[seen & (y == c)].T, ddof=0)
        np.testing.assert_allclose(clf.covariances_[c], expected, atol=1e-4)
    shares = clf.adversarial_share_
    assert shares.columns.tolist() == names.tolist()
    assert len(shares) == 3
    last = [(clf.epsilon_[seen & (y == c)] > 0).mean() for c in range(3)]
    np.testing.assert_allclose(shares.iloc[-1], last)
    history = clf.history_[clf.history_["phase"] == "train"]
    assert {"model_loss", "perturber_loss", "adversarial", "floored"} <= set(history.columns)
    assert (
        history[["model_loss", "perturber_loss", "adversarial", "floored"]].notna().all(axis=None)
    )
    sizes = np.array([(seen & (y == c)).sum() for c in range(3)])
    np.testing.assert_allclose(
        history["adversarial"], shares.to_numpy() @ sizes / sizes.sum(), atol=1e-6
    )
    assert quick(MetaIADAClassifier, covariance="diagonal").fit(X, y).covariances_.shape == (3, 5)


def last_logits(samples):
    return torch.cat([samples.logits, samples.epsilon[:, None]], 1)


def test_the_perturbation_module_makes_strategies_from_characteristics(train):
    clf = quick(MetaIADAClassifier).fit(*train)
    f = torch.randn(7, 15)
    module = clf.perturbation_module_
    assert not any(part.training for part in module.modules())
    assert [p.shape for p in module.parameters()] == [(100, 15), (100,), (1, 100), (1,)]
    mean, variance = module[0].running_mean, module[0].running_var
    assert (variance > 0).all()
    with torch.no_grad():
        expected = clf.net_.module_["perturber"]((f - mean) / (variance + 1e-5).sqrt()).tanh()
        torch.testing.assert_close(module(f), expected)
    assert (module(f).abs() < 1).all()
    with pytest.raises(AttributeError):
        MetaIADAClassifier().perturbation_module_  # noqa: B018
    with pytest.raises(AttributeError):
        quick(MetaIADAClassifier, epsilon=0.1).fit(*train).perturbation_module_  # noqa: B018


def test_batches_of_one_row_have_no_statistics_to_standardise_by(train):
    X, y = train
    clf = quick(
        MetaIADAClassifier, batch_size=1, warmup=0, max_epochs=1, characteristics=last_logits
    )
    clf.fit(X[:12], y[:12], X_meta=X[60:66], y_meta=y[60:66])
    assert clf.net_.module_["perturber"][0].in_features == 4
    assert (clf.perturbation_module_[0].running_mean == 0).all()  # no batch to take statistics of
    assert np.isfinite(clf.epsilon_).all()


def test_characteristics_may_be_any_two(train):
    def two(samples):
        p = samples.logits.softmax(1)
        return torch.stack([p.amax(1), samples.prior[samples.y]], 1)

    clf = quick(MetaIADAClassifier, characteristics=two).fit(*train)
    assert clf.net_.module_["perturber"][0].in_features == 2
    assert clf.perturbation_module_(torch.zeros(3, 2)).shape == (3, 1)


def small_net():
    body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return SplitModule(body, nn.Linear(36, 3))


def images(n=48, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = 0.3 * rng.random((n, 3, 8, 8), dtype=np.float32)
    X[np.arange(n), y] += 0.5
    return X, y


@pytest.mark.parametrize("kind", META)
def test_a_frozen_body_sees_the_meta_images_once(kind):
    X, y = images()
    X_meta, y_meta = images(12, seed=1)
    torch.manual_seed(0)
    module = small_net()
    clf = quick(kind, module=module, freeze="body").fit(X, y, X_meta=X_meta, y_meta=y_meta)
    for name, value in module.body.state_dict().items():
        assert torch.equal(clf.module_.body.state_dict()[name], value), name
    frozen = copy.deepcopy(module).eval()
    with torch.no_grad():
        features, ahead = (frozen.body(torch.from_numpy(part)).numpy() for part in (X, X_meta))
    head = quick(kind, module=SplitModule(nn.Identity(), copy.deepcopy(module.head)))
    head.fit(features, y, X_meta=ahead, y_meta=y_meta)
    torch.testing.assert_close(head.module_.head.weight, clf.module_.head.weight, rtol=0, atol=1e-5)
    assert clf.score(X, y) > 0.5


@pytest.mark.parametrize("virtual_step", ["head", "all"])
@pytest.mark.parametrize("kind", META)
def test_images_with_augmentation(kind, virtual_step):
    X, y = images()
    calls = []

    def noisy(x):
        calls.append(len(x))
        return x + 0.01 * torch.randn_like(x)

    options = {"module": small_net(), "virtual_step": virtual_step}
    clf = quick(kind, **options, augment=noisy).fit(
        (255 * X).astype(np.uint8), y, X_meta=X[:3] * 0.9, y_meta=[0, 1, 2]
    )
    assert set(calls) == {16, 3}  # the training rows, and the meta rows
    assert_same(
        clf, clone(clf).fit((255 * X).astype(np.uint8), y, X_meta=X[:3] * 0.9, y_meta=[0, 1, 2])
    )
    quick(kind, **options, augment="crop-flip").fit(X, y)


@pytest.mark.parametrize("kind", META)
def test_the_dataloader_gives_the_same_fit(kind, train, ahead):
    one = quick(kind).fit(*train, **ahead)
    assert_same(
        one, quick(kind, net_params={"iterator_train__num_workers": 0}).fit(*train, **ahead)
    )


@pytest.mark.parametrize("kind", META)
def test_in_float64_everything_is(kind, train, ahead):
    clf = quick(kind, dtype="float64").fit(*train, **ahead)
    assert all(v.dtype == torch.float64 for v in clf.net_.module_.state_dict().values())
    if hasattr(clf, "covariances_"):
        assert clf.covariances_.dtype == np.float64
    if kind is MetaIADAClassifier:
        assert (
            clf.perturbation_module_(torch.zeros(1, 15, dtype=torch.float64)).dtype == torch.float64
        )


@pytest.mark.parametrize(("width", "part"), [(512, "all"), (513, "head")])
@pytest.mark.parametrize("kind", [MetaSAugClassifier, MetaIADAClassifier])
def test_by_default_the_virtual_step_moves_all_parameters_up_to_512_features(kind, width, part):
    net = nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 3))
    options = {"module": net, "max_epochs": 2, "covariance": "diagonal", "sigma_lr": 10.0}
    other = "head" if part == "all" else "all"
    default = quick(kind, **options).fit(*rows(30))
    same, differs = (
        quick(kind, **options, virtual_step=step).fit(*rows(30)) for step in (part, other)
    )
    assert_same(default, same)
    with pytest.raises(AssertionError):
        assert_same(default, differs)


@pytest.mark.parametrize("virtual_step", ["head", "all"])
@pytest.mark.parametrize("kind", [*META, ISDAClassifier])
def test_bfloat16_stays_close_to_full_precision(kind, virtual_step, train):
    options = {**QUICK, "module": "mlp", "lr": 0.01}
    options |= {} if kind is ISDAClassifier else {"virtual_step": virtual_step, **SHORT[kind]}
    full, half = (kind(**options, amp=amp).fit(*train) for amp in (False, True))
    assert_same(full, half, rtol=0, atol=0.05)
    if hasattr(full, "covariances_"):
        scale = np.abs(full.covariances_).max()
        np.testing.assert_allclose(half.covariances_, full.covariances_, atol=0.05 * scale)
        assert half.covariances_.dtype == np.float32


@pytest.mark.parametrize("kind", [MetaSAugClassifier, MetaIADAClassifier])
def test_one_schedule_runs_through_both_stages(kind, train):
    schedule = partial(MultiStepLR, milestones=[2, 5], gamma=0.1)
    clf = quick(kind, max_epochs=6, warmup=0.5, lr_schedule=schedule).fit(*train)
    np.testing.assert_allclose(clf.history_["lr"], [0.05] * 2 + [0.005] * 3 + [0.0005])
    assert clf.history_["phase"].tolist() == ["warmup"] * 3 + ["train"] * 3


@pytest.mark.parametrize("interval", [1, 2, 4, 100])
def test_the_meta_interval_is_between_batches_that_look_ahead(interval, train, ahead):
    class Terms(Callback):
        def on_batch_end(self, net, batch, training, **step):
            seen.append("perturber_loss" in step["terms"])

    seen = []
    clf = quick(MetaIADAClassifier, meta_interval=interval, warmup=0, callbacks=[Terms()]).fit(
        *train, **ahead
    )
    assert seen == [i % interval == 0 for i in range(18)]
    assert clf.history_["perturber_loss"].notna().tolist() == [
        interval <= 6 or e == 0 for e in range(3)
    ]


def test_copies_have_the_optimiser_and_files_do_not(train):
    clf = quick(MetaWeightNetClassifier).fit(*train)
    for other, has_parts in ((pickle.loads(pickle.dumps(clf)), False), (copy.deepcopy(clf), True)):
        assert hasattr(other.net_.optimizer_, "parts") == has_parts
        np.testing.assert_array_equal(other.predict_proba(train[0]), clf.predict_proba(train[0]))
        assert (
            other.weight_module_(torch.tensor([[1.0]])).item()
            == clf.weight_module_(torch.tensor([[1.0]])).item()
        )


def test_the_weight_module_maps_losses_to_weights(train):
    clf = quick(MetaWeightNetClassifier).fit(*train)
    weight = clf.weight_module_(torch.tensor([[0.0], [1.0], [1e6]]))
    assert weight.shape == (3, 1)
    assert ((weight >= 0) & (weight <= 1)).all()


def noisy_toy(seed, n=300, k=4, d=8):
    centre = 1.5 * np.random.default_rng(9).normal(size=(k, d))
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    X = (centre[y] + rng.normal(size=(n, d))).astype(np.float32)
    flipped = rng.random(n) < 0.2
    return X, y, np.where(flipped, (y + 1 + rng.integers(k - 1, size=n)) % k, y), flipped


@pytest.mark.parametrize("seed", [0, 1])
def test_noisy_samples_become_anti_adversarial(seed):
    X, _, y, flipped = noisy_toy(seed)
    X_meta, clean, _, _ = noisy_toy(100 + seed, n=60)
    clf = MetaIADAClassifier(max_epochs=30, warmup=0.3, batch_size=50, lr=0.05, random_state=0)
    epsilon = clf.fit(X, y, X_meta=X_meta, y_meta=clean).epsilon_
    assert (epsilon[flipped] > 0).mean() < 0.1
    assert (epsilon[~flipped] > 0).mean() > 0.3


def test_meta_weight_net_weighs_noisy_samples_less():
    X, _, y, flipped = noisy_toy(0)
    X_meta, clean, _, _ = noisy_toy(100, n=60)
    clf = MetaWeightNetClassifier(
        max_epochs=30, batch_size=50, lr=0.05, weight_lr=0.01, random_state=0
    )
    clf.fit(X, y, X_meta=X_meta, y_meta=clean)
    loss = -np.log(clf.predict_proba(X)[np.arange(len(y)), y].clip(1e-6))
    weight = clf.weight_module_(torch.from_numpy(loss)[:, None].float()).detach().numpy()[:, 0]
    assert weight[flipped].mean() < 0.5 * weight[~flipped].mean()


def test_a_class_of_a_single_row_is_told(train):
    X, y = train
    with pytest.warns(
        DebiasWarning, match=r"no row of the classes \[3\].*Pass `X_meta` and `y_meta`"
    ):
        clf = quick(MetaIADAClassifier).fit(X, np.r_[y[:-1], 3])
    assert not clf.covariances_[3].any()
    assert np.isfinite(clf.covariances_).all()
    assert np.isfinite(clf.epsilon_[-1])
    assert np.isfinite(clf.predict_proba(X)).all()


def test_pipelines_need_no_request(train, ahead):
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(quick(MetaSAugClassifier)).fit(*train, **ahead)
    assert model[-1].meta_indices_ is None


def test_a_rare_group_keeps_half_of_its_rows():
    y = np.repeat([0, 1], 500)
    group = np.repeat([0, 1, 2, 3], [494, 6, 6, 494])
    held = held_out(y, group, 10, np.random.default_rng(0))
    assert np.bincount(group[held]).tolist() == [7, 3, 3, 7]


@pytest.mark.parametrize("kind", [MetaSAugClassifier, MetaIADAClassifier])
def test_a_plateau_of_the_warm_up_is_none_of_the_second_stage(kind, train):
    slower = partial(ReduceLROnPlateau, patience=2, factor=0.1)
    clf = quick(kind, max_epochs=14, warmup=6, lr_schedule=slower).fit(*train)
    second = clf.history_[clf.history_["phase"] == "train"]
    # The losses of the two stages do not compare: at least patience epochs pass before the rate may
    # fall.
    assert second["lr"].iloc[:3].nunique() == 1


@pytest.mark.parametrize("kind", [*META, ISDAClassifier])
def test_the_documentation_has_the_classes_own_defaults(kind):
    assert "lr : float, default=0.01" in kind.__doc__
    assert 'default="adam"' in kind.__doc__
    assert "has momentum 0.9" in kind.__doc__
    assert "lr : float, default=0.001" in ERMClassifier.__doc__


def test_verbose_names_the_terms_of_each_phase(train, capsys):
    quick(MetaIADAClassifier, verbose=1).fit(*train)
    printed = capsys.readouterr().out
    assert printed.index("Phase 'train'") < printed.index("perturber_loss")
    rows = [line for line in printed.splitlines() if "model_loss" in line]
    assert ["perturber_loss" in row for row in rows] == [False, True, True]


def test_a_learned_strategy_is_needed_for_its_network(train):
    clf = quick(MetaIADAClassifier, epsilon=0.1).fit(*train)
    with pytest.raises(AttributeError, match="`epsilon`=None"):
        clf.perturbation_module_  # noqa: B018


@pytest.mark.parametrize("kind", [MetaWeightNetClassifier, MetaIADAClassifier])
def test_the_schedule_is_the_models_alone(kind, train):
    class Rates(Callback):
        def on_epoch_begin(self, net, **kwargs):
            rates.append([group["lr"] for group in net.optimizer_.param_groups])

    rates = []
    options = {
        "lr_schedule": partial(MultiStepLR, milestones=[1], gamma=0.1),
        "callbacks": [Rates()],
    }
    quick(kind, **options).fit(*train)
    np.testing.assert_allclose(rates, [[1e-3, 0.05], [1e-3, 0.005], [1e-3, 0.005]])
    quick(kind, lr_schedule=partial(OneCycleLR, max_lr=0.1, total_steps=4)).fit(*train)


def reach_of_fit(clf, X, y):
    """The reach that the second stage's objectives were given."""
    found = []

    class Asked(type(clf)):
        """Notes what it settles on."""

        def _settle(self, phases, networks):
            settled = super()._settle(phases, networks)
            ahead, real = settled[-1].steps
            found.extend([ahead.iada.reach, real.reach])
            return settled

    Asked(**clf.get_params(deep=False)).fit(X, y)
    (reach,) = set(found)
    return reach


def test_only_features_that_stay_as_they_are_decide_how_far_strategies_reach(train):
    X, y = train
    assert reach_of_fit(quick(MetaIADAClassifier), X, y) is None
    assert reach_of_fit(quick(MetaIADAClassifier, module="mlp"), X, y) == 1.0
    assert reach_of_fit(quick(MetaIADAClassifier, reach=0.5), X, y) == 0.5
    frozen = quick(MetaIADAClassifier, module=Frozen, freeze="body")
    assert reach_of_fit(frozen, X, y) is None
    by_the_user = Frozen()
    by_the_user.body.requires_grad_(False)
    assert reach_of_fit(quick(MetaIADAClassifier, module=by_the_user), X, y) is None
    assert reach_of_fit(quick(MetaIADAClassifier, module=Frozen), X, y) == 1.0


class Frozen(nn.Module):
    """A body with parameters, which do not train."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(5, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.body(x))
