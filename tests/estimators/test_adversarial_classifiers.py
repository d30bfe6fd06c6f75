"""The classifiers of adversarial training: identities, attention, extra rows, routing."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import config_context
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from torch import nn
from torch.utils.data import Dataset

from sklearn_debias import (
    AdversarialTrainingClassifier,
    DHATClassifier,
    ERMClassifier,
    UIATClassifier,
)
from sklearn_debias.core import Net
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.fitting._params import drops
from sklearn_debias.maps import grad_cam_attention, last_conv_layer
from sklearn_debias.robustness import robust_accuracy
from sklearn_debias.training import crop_flip

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # these fits are short

N = 48
ATTACK = {"epsilon": 0.1, "step_size": 0.05, "n_steps": 2}


def tiny_cnn(in_channels, n_classes):
    body = nn.Sequential(
        nn.Conv2d(in_channels, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()
    )
    return nn.Sequential(*body, nn.Linear(4 * 16, n_classes))


QUICK = {
    "module": tiny_cnn,
    "lr": 0.02,
    "max_epochs": 2,
    "batch_size": 16,
    "random_state": 0,
    **ATTACK,
}
LINEAR = {"attention_module": "linear", "attention": "integrated_gradients"}
SGD = {
    "optimizer": "sgd",
    "weight_decay": 5e-4,
    "net_params": {"optimizer__momentum": 0.9},
    "lr_schedule": "drops",
}


@pytest.fixture(scope="module")
def rows():
    train = load_biased_digits(random_state=0).train
    return train.data[:N], train.target[:N] % 3


def weights(clf):
    return {name: tensor.clone() for name, tensor in clf.module_.state_dict().items()}


def assert_same(one, other):
    for (name, a), b in zip(weights(one).items(), weights(other).values(), strict=True):
        assert torch.equal(a, b), name


# What one estimator is with parts of it switched off
# -----------------------------------------------------------


@pytest.mark.parametrize(
    "switched_off",
    [UIATClassifier(**QUICK, lam=0), DHATClassifier(**QUICK, lam1=0, lam2=0)],
    ids=["uiat", "dhat"],
)
def test_it_is_pgd_at_to_the_last_bit(rows, switched_off):
    assert_same(switched_off.fit(*rows), AdversarialTrainingClassifier(**QUICK).fit(*rows))


def test_no_radius_is_plain_training_to_the_last_bit(rows):
    shared = {k: v for k, v in QUICK.items() if k not in ATTACK}
    attacked = AdversarialTrainingClassifier(**{**QUICK, "epsilon": 0}).fit(*rows)
    assert_same(attacked, ERMClassifier(**shared, **SGD).fit(*rows))


def test_without_a_second_term_no_attention_is_trained(rows):
    clf = DHATClassifier(**QUICK, lam1=0, lam2=0).fit(*rows)
    assert set(clf.history_["phase"]) == {"train"}
    with pytest.raises(AttributeError, match="trained no network for attention"):
        clf.attention_module_  # noqa: B018


@pytest.mark.parametrize("loss", ["ce", "trades", "mart"])
def test_history_has_the_robust_accuracy_of_the_batches(rows, loss):
    history = AdversarialTrainingClassifier(**QUICK, loss=loss).fit(*rows).history_
    assert history["adversarial_accuracy"].between(0, 1).all()
    assert history["model_loss"].gt(0).all()


def test_every_term_is_in_the_history_of_dhat(rows):
    clf = DHATClassifier(**QUICK, lam1=0.5, lam2=0.3).fit(*rows)
    last = clf.history_.iloc[-1]
    assert clf.history_["phase"].tolist() == ["attention"] * 2 + ["train"] * 2
    assert last["model_loss"] == pytest.approx(
        last["adversarial"] + 0.5 * last["dhlr"] + 0.3 * last["floe"], rel=1e-5
    )


def test_the_attention_network_is_trained_plainly(rows):
    clf = DHATClassifier(**{**QUICK, "max_epochs": 1}, **LINEAR, attention_epochs=40).fit(*rows)
    assert clf.history_["phase"].value_counts().to_dict() == {"attention": 40, "train": 1}
    with torch.no_grad():
        fitted = clf.attention_module_.eval()(torch.from_numpy(rows[0])).argmax(1)
    assert (clf.classes_[fitted] == rows[1]).mean() > 0.9
    assert not clf.attention_module_.training


def test_schedule_drops():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule, rates = drops(10)(optimizer), []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(rates, [1] * 8 + [0.1, 0.01])


def test_schedule_of_phases(rows):
    clf = DHATClassifier(**{**QUICK, "max_epochs": 10}, **LINEAR, attention_epochs=5).fit(*rows)
    rates = clf.history_.groupby("phase", sort=False)["lr"].apply(list)
    # the history has the rate after the epoch's step of the schedule
    np.testing.assert_allclose(rates["attention"], [0.02] * 4 + [0.002], rtol=1e-6)
    np.testing.assert_allclose(rates["train"], [0.02] * 8 + [0.002, 0.0002], rtol=1e-6)


# Attention
# --------------------------------------------------------------------------------------------------


def left_half(images, labels):
    maps = np.zeros((len(images), *images.shape[2:]))
    maps[:, :, : images.shape[3] // 2] = 1
    return maps


def test_maps_given_to_fit_are_those_of_a_callable(rows):
    X, y = rows
    given = DHATClassifier(**QUICK).fit(X, y, attention_maps=left_half(X, y))
    assert_same(given, DHATClassifier(**QUICK, attention=left_half).fit(X, y))
    assert set(given.history_["phase"]) == {"train"}


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float64, "tensor", "channel"])
def test_kinds_of_maps(rows, kind):
    X, y = rows
    maps = left_half(X, y)
    reference = DHATClassifier(**QUICK).fit(X, y, attention_maps=maps)
    made = {"tensor": lambda: torch.from_numpy(maps), "channel": lambda: maps[:, None]}
    other = made[kind]() if isinstance(kind, str) else maps.astype(kind)
    assert_same(reference, DHATClassifier(**QUICK).fit(X, y, attention_maps=other))


def test_a_callable_sees_images_in_the_unit_range_and_labels(rows):
    seen = []

    def attention(images, labels):
        seen.append((images, labels))
        return left_half(images, labels)

    X, y = rows
    names = np.array([f"digit {value}" for value in y])
    DHATClassifier(**QUICK, attention=attention).fit((255 * X).astype(np.uint8), names)
    images = np.concatenate([images for images, _ in seen])
    np.testing.assert_allclose(images, (255 * X).astype(np.uint8) / np.float32(255), rtol=1e-6)
    assert np.concatenate([labels for _, labels in seen]).tolist() == names.tolist()


def test_a_fitted_estimator_attends_by_grad_cam(rows):
    X, y = rows
    plain = ERMClassifier(**{k: v for k, v in QUICK.items() if k not in ATTACK}).fit(X, y)
    net, x = Net(plain.module_).frozen(), torch.from_numpy(X)
    layer = last_conv_layer(net, x)
    maps = grad_cam_attention(
        net, x, torch.from_numpy(np.searchsorted(plain.classes_, y)), layer
    ).numpy()
    by_estimator = DHATClassifier(**QUICK, attention=plain).fit(X, y)
    assert_same(by_estimator, DHATClassifier(**QUICK).fit(X, y, attention_maps=maps))
    assert_same(by_estimator, DHATClassifier(**QUICK, attention=FrozenEstimator(plain)).fit(X, y))


def test_an_estimator_that_is_not_fitted_is_fitted_on_the_rows(rows):
    X, y = rows
    plain = ERMClassifier(**{k: v for k, v in QUICK.items() if k not in ATTACK})
    by_clone = DHATClassifier(**QUICK, attention=plain).fit(X, y)
    assert not hasattr(plain, "classes_")
    assert_same(by_clone, DHATClassifier(**QUICK, attention=plain.fit(X, y)).fit(X, y))


def test_maps_are_cropped_and_flipped_with_their_images(rows):
    """A map that is 1 where the image's first channel is lit stays so under augmentation."""
    X, y = rows
    lit = (X[:, 0] > 0.5).astype(np.float32)
    clf = DHATClassifier(**QUICK, augment="crop-flip")
    fit = clf._open(DHATClassifier.fit.given(clf, X, y, attention_maps=lit))
    batches = list(fit.epochs(fit.phases[-1], fit.data(), {}))
    moved = 0
    for batch in batches:
        torch.testing.assert_close(
            batch.inputs["attention_maps"][:, 0], (batch.x[:, 0] > 0.5).float()
        )
        moved += int((batch.x != torch.from_numpy(X)[batch.index]).flatten(1).any(1).sum())
    assert moved > N / 2


def test_maps_do_not_change_how_images_are_augmented():
    x = torch.rand(5, 3, 8, 8)
    both = crop_flip(torch.cat([x, torch.rand(5, 1, 8, 8)], 1), torch.Generator().manual_seed(0))
    assert torch.equal(both[:, :3], crop_flip(x, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("attention", ["gradcam", "integrated_gradients", left_half])
def test_maps_of_features(attention, rows):
    X = rows[0].reshape(N, -1)[:, :20]
    if callable(attention):
        attention = lambda X, y: np.tile(np.arange(20) < 10, (len(X), 1))  # noqa: E731
    clf = DHATClassifier(**{**QUICK, "module": "linear"}, attention=attention).fit(X, rows[1])
    assert np.isfinite(clf.history_[["dhlr", "floe"]].iloc[-1]).all()


def test_omega_decides_what_is_background(rows):
    """All background: z* is 0, and FLOE's residual small. None: z~_B is a constant."""
    terms = []
    for omega in (1.0, 0.5):
        clf = DHATClassifier(**{**QUICK, "max_epochs": 1, "lr": 1e-6}, omega=omega, floe="paper")
        terms.append(
            -clf.fit(*rows, attention_maps=np.full((N, *rows[0].shape[2:]), 0.7))
            .history_["floe"]
            .iloc[-1]
        )
    assert terms[0] == pytest.approx(0, abs=1e-5)
    assert terms[1] > 0.01


def test_an_adaptive_omega_cuts_each_map_by_itself(rows):
    """Faint maps have no foreground at .1; their own cut finds the half that they mean."""
    maps = left_half(*rows) * 0.04 + 0.02  # at 0 they have nothing else
    settings = {**QUICK, "max_epochs": 1}
    with pytest.warns(DebiasWarning, match="calls all of the image background"):
        DHATClassifier(**settings).fit(*rows, attention_maps=maps)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*calls all of the image")
        adaptive = DHATClassifier(**settings, omega="adaptive").fit(*rows, attention_maps=maps)
    # The same as bright maps at a fixed threshold.
    bright = DHATClassifier(**settings).fit(*rows, attention_maps=left_half(*rows))
    assert_same(adaptive, bright)
    with pytest.warns(DebiasWarning, match="at `omega`=adaptive: there is nothing to tell apart"):
        DHATClassifier(**settings, omega="adaptive").fit(*rows, attention_maps=0 * maps + 0.5)


def test_the_norm_of_floe_is_the_papers():
    with pytest.raises(ValueError, match="`floe_norm`=1 needs `floe`='paper'"):
        DHATClassifier(floe_norm=1)._check_params()
    assert DHATClassifier(floe_norm=1, floe="paper").floe_norm == 1


# Searches and routing
# -------------------------------------------------------------------------------------------


def test_maps_and_extra_rows_through_a_search(rows):
    X, y = rows
    maps = left_half(X, y)
    maps[::2] = 0
    search = GridSearchCV(
        DHATClassifier(**QUICK), {"lam1": [0.5]}, cv=KFold(2), refit=False, return_train_score=True
    )
    with config_context(enable_metadata_routing=True):
        search.fit(X, y, attention_maps=maps)
        found = cross_validate(
            DHATClassifier(**QUICK, lam1=0.5), X, y, cv=KFold(2), params={"attention_maps": maps}
        )
    for fold, (train, test) in enumerate(KFold(2).split(X)):
        alone = DHATClassifier(**QUICK, lam1=0.5).fit(
            X[train], y[train], attention_maps=maps[train]
        )
        assert search.cv_results_[f"split{fold}_test_score"][0] == alone.score(X[test], y[test])
        assert found["test_score"][fold] == alone.score(X[test], y[test])


def test_robust_accuracy_chooses_the_epoch_and_the_candidate(rows):
    X, y = rows
    scorer = robust_accuracy(attack="pgd-2", epsilon=0.05)
    clf = AdversarialTrainingClassifier(
        **{**QUICK, "max_epochs": 3}, validation=0.3, monitor=scorer
    ).fit(X, y)
    score = next(name for name in clf.history_ if name.startswith("validation_"))
    assert clf.history_[score].between(0, 1).all()
    search = GridSearchCV(
        AdversarialTrainingClassifier(**QUICK), {"epsilon": [0.0, 0.1]}, scoring=scorer, cv=2
    )
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()


# Extra rows
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AdversarialTrainingClassifier, UIATClassifier, DHATClassifier])
def test_extra_rows_are_training_rows(rows, kind):
    X, y = rows
    apart = kind(**QUICK).fit(X[:30], y[:30], X_extra=X[30:], y_extra=y[30:])
    assert_same(apart, kind(**QUICK).fit(X, y))


def test_extra_rows_of_another_kind(rows):
    X, y = rows
    whole = AdversarialTrainingClassifier(**QUICK).fit(
        np.round(X * 255).astype(np.float32) / 255, y
    )
    raw = np.round(X[30:] * 255).astype(np.uint8)
    mixed = AdversarialTrainingClassifier(**QUICK).fit(
        np.round(X[:30] * 255).astype(np.float32) / 255, y[:30], X_extra=raw, y_extra=y[30:]
    )
    assert_same(mixed, whole)


class Items(Dataset):
    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return torch.from_numpy(self.images[index]), 0


@pytest.mark.parametrize("batch_size", [3, 16])
@pytest.mark.parametrize("kind", ["paths", "dataset", "both"])
def test_extra_rows_that_are_read_when_they_are_needed(rows, tmp_path, kind, batch_size):
    images, y = np.round(rows[0] * 255).astype(np.uint8), rows[1]
    paths = [str(tmp_path / f"{i:02}.png") for i in range(N)]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    given = {
        "paths": (paths[:30], paths[30:]),
        "dataset": (Items(images[:30]), Items(images[30:])),
        "both": (images[:30], paths[30:]),
    }[kind]
    settings = {**QUICK, "batch_size": batch_size, "attention": left_half}
    apart = DHATClassifier(**settings).fit(given[0], y[:30], X_extra=given[1], y_extra=y[30:])
    assert_same(apart, DHATClassifier(**settings).fit(images, y))


def test_an_estimator_for_attention_is_fitted_on_what_is_not_in_memory(rows):
    images, y = np.round(rows[0] * 255).astype(np.uint8), rows[1]
    plain = ERMClassifier(**{k: v for k, v in QUICK.items() if k not in ATTACK})
    lazy = DHATClassifier(**QUICK, attention=plain).fit(Items(images), y)
    assert_same(lazy, DHATClassifier(**QUICK, attention=plain).fit(images, y))


def test_extra_rows_never_validate(rows):
    X, y = rows
    given = {"X_extra": X[30:], "y_extra": y[30:]}
    held_out = AdversarialTrainingClassifier(**QUICK, validation=0.4).fit(X[:30], y[:30], **given)
    assert (
        held_out.history_["validation_accuracy"].mul(12).round(6).mod(1).eq(0).all()
    )  # 12 of 30 rows


def test_attention_of_extra_rows_is_made_for_them_too(rows):
    X, y = rows
    apart = DHATClassifier(**QUICK, attention=left_half).fit(
        X[:30], y[:30], X_extra=X[30:], y_extra=y[30:]
    )
    assert_same(apart, DHATClassifier(**QUICK, attention=left_half).fit(X, y))


# Settings
# --------------------------------------------------------------------------------------------------


def test_clip_is_the_unit_range_of_images_only(rows):
    X, y = rows
    assert_same(
        AdversarialTrainingClassifier(**QUICK).fit(X, y),
        AdversarialTrainingClassifier(**QUICK, clip=(0, 1)).fit(X, y),
    )
    flat = {**QUICK, "module": "linear"}
    X = X.reshape(N, -1)
    assert_same(
        AdversarialTrainingClassifier(**flat).fit(X, y),
        AdversarialTrainingClassifier(**flat, clip=None).fit(X, y),
    )


def test_step_size_by_the_radius(rows):
    own = AdversarialTrainingClassifier(**{**QUICK, "step_size": None, "n_steps": 5}).fit(*rows)
    assert_same(
        own, AdversarialTrainingClassifier(**{**QUICK, "step_size": 0.05, "n_steps": 5}).fit(*rows)
    )


def test_default_step_is_the_papers():
    assert DHATClassifier()._step() == pytest.approx(2 / 255)
    assert DHATClassifier(epsilon=0)._step() == pytest.approx(1 / 255)  # of the inverse adversaries


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "imagenet"])
def test_presets(name):
    clf = DHATClassifier.from_preset(name, lam1=0.5)
    cifar = name != "imagenet"
    expected = (10, 100, 8, 2) if cifar else (2, 50, 4, 1)
    assert (
        clf.n_steps,
        clf.max_epochs,
        round(255 * clf.epsilon),
        round(255 * clf._step()),
    ) == expected
    assert (clf.lr, clf.optimizer, clf.weight_decay, clf.lr_schedule) == (0.1, "sgd", 5e-4, "drops")
    assert (clf.lam1, clf.lam2, clf.omega, clf.dhlr, clf.floe) == (0.5, 1.0, 0.1, "code", "code")
    inverse = 4 if cifar else 2
    assert (round(255 * clf.inverse_epsilon), clf.batch_size, clf.augment) == (
        inverse,
        128,
        "crop-flip",
    )
    assert clf.module == ("cifar_resnet18" if cifar else "resnet18")
    assert clf.normalize is not None


def test_mixed_precision(rows):
    for attention in ("gradcam", "integrated_gradients"):
        clf = DHATClassifier(**QUICK, amp=True, attention=attention, awp=0.01).fit(*rows)
        assert np.isfinite(clf.history_[["model_loss", "dhlr", "floe"]].iloc[-1]).all()


def test_dropout_in_attacks_is_drawn_from_the_fits_own_stream(rows):
    def dropping(in_channels, n_classes):
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(in_channels * 64, n_classes))

    torch.manual_seed(1)
    before = torch.get_rng_state()
    fits = [
        DHATClassifier(**{**QUICK, "module": dropping}, attention="integrated_gradients").fit(*rows)
        for _ in "ab"
    ]
    assert_same(*fits)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_adversarial_training_is_more_robust_than_plain_training():
    data = load_biased_digits(random_state=0)
    scorer = robust_accuracy(attack="pgd-10", epsilon=0.15)
    shared = {
        "module": "simple_cnn",
        "max_epochs": 6,
        "batch_size": 64,
        "random_state": 0,
        "lr": 0.05,
    }
    attack = {"epsilon": 0.15, "step_size": 0.06, "n_steps": 5}
    plain = ERMClassifier(**shared, **SGD).fit(data.train.data, data.train.target)
    robust = AdversarialTrainingClassifier(**shared, **attack).fit(
        data.train.data, data.train.target
    )
    X, y = data.train.data[:200], data.train.target[:200]
    assert scorer(robust, X, y) > scorer(plain, X, y) + 0.2
