"""`from_preset` of ULE, Meta-IADA and rivals against what the papers state, typed a second time."""

import re
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn, optim
from torchvision.models import resnet18

from sklearn_debias import (
    AFRClassifier,
    BiasAdvClassifier,
    GroupDROClassifier,
    JTTClassifier,
    MetaIADAClassifier,
    ULEClassifier,
)

CLASSES = {
    "ule": ULEClassifier,
    "iada": MetaIADAClassifier,
    "jtt": JTTClassifier,
    "afr": AFRClassifier,
    "dro": GroupDROClassifier,
}
SCHEDULE = "lr_schedule"  # a partial: looked at in a test of its own
# method  preset               what is set, and nothing else is
TABLE = """
ule   waterbirds           module=resnet50 max_epochs=300 optimizer=sgd freeze=body monitor=worst_group_accuracy monitor_every=10 student_warmup=0
ule   celeba               module=resnet50 max_epochs=300 optimizer=sgd freeze=body monitor=worst_group_accuracy monitor_every=10 student_warmup=0
ule   urbancars            module=resnet50 max_epochs=300 optimizer=sgd freeze=body monitor=worst_group_accuracy monitor_every=10 student_warmup=0
ule   spawrious            module=resnet50 max_epochs=300 optimizer=sgd freeze=body monitor=worst_group_accuracy monitor_every=10 student_warmup=0
ule   mnist                module=ule_cnn max_epochs=300 student_warmup=0
ule   mnist_sc             module=ule_cnn max_epochs=300 student_warmup=0
ule   coloured_mnist       module=ule_cnn max_epochs=300 student_warmup=0
iada  cifar_lt             module=cifar_resnet32 max_epochs=200 optimizer=sgd lr=.1 weight_decay=5e-4 warmup=.8 alpha=.5 beta=1 perturbation_lr=1e-3 meta_size=10
iada  cifar_noise_uniform  module=cifar_resnet32 max_epochs=200 optimizer=sgd lr=.1 weight_decay=5e-4 warmup=.8 alpha=.5 beta=1 perturbation_lr=1e-3
iada  cifar_noise_flip     module=cifar_resnet32 max_epochs=200 optimizer=sgd lr=.1 weight_decay=5e-4 warmup=.8 alpha=.5 beta=1 perturbation_lr=1e-3
iada  inat                 alpha=.5 beta=1 perturbation_lr=1e-4
iada  glt                  alpha=.5 beta=1 perturbation_lr=1e-3
iada  subpopulation        alpha=.5 beta=1 perturbation_lr=1e-3
jtt   waterbirds           max_epochs=300 optimizer=sgd lr=1e-5 weight_decay=1 batch_size=64 identification_epochs=60 upweight=100 monitor=worst_group_accuracy
jtt   celeba               max_epochs=50 optimizer=sgd lr=1e-5 weight_decay=.1 batch_size=64 identification_epochs=1 upweight=50 monitor=worst_group_accuracy
afr   waterbirds           max_epochs=50 optimizer=sgd lr=3e-3 weight_decay=1e-4 batch_size=32 gamma=10 lam=0 reweighting_share=.2 reweighting_epochs=500 monitor=worst_group_accuracy
afr   celeba               max_epochs=20 optimizer=sgd lr=3e-3 weight_decay=1e-4 batch_size=100 gamma=1.44 lam=1e-3 reweighting_share=.2 reweighting_epochs=1000 monitor=worst_group_accuracy
dro   waterbirds           max_epochs=300 optimizer=sgd lr=1e-5 weight_decay=1 batch_size=128 balance=group step_size=.01
"""  # noqa: E501
ROWS = [line.split() for line in TABLE.strip().splitlines()]
FROZEN = ("waterbirds", "celeba", "urbancars", "spawrious")
STILL = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # few rows, one epoch
CIFAR = ("cifar_lt", "cifar_noise_uniform", "cifar_noise_flip")


def read(text):
    try:
        return float(text)
    except ValueError:
        return text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:2]))
def test_a_preset_sets_what_the_table_has_and_nothing_else(row):
    method, name, *stated = row
    expected = {key: read(value) for key, _, value in (one.partition("=") for one in stated)}
    own = {SCHEDULE} if name in CIFAR or (method, name) == ("afr", "celeba") else set()
    if method in ("jtt", "afr", "dro"):
        # torchvision's weights of 2019 to 2023, as all three released codes take them.
        expected |= {
            "module": "resnet50",
            "net_params": {"module__weights": "IMAGENET1K_V1"},
            "normalize": "imagenet",
        }
    if method == "ule" and name in FROZEN:
        # Ours, and documented as ours: a frozen network has to come from somewhere.
        expected |= {"net_params": {"module__weights": "DEFAULT"}, "normalize": "imagenet"}
    clf = CLASSES[method].from_preset(name)
    default = CLASSES[method]()
    for field in fields(clf):
        if field.name not in own:
            value = expected.get(field.name, getattr(default, field.name))
            assert getattr(clf, field.name) == value, field.name


@pytest.mark.parametrize("method", CLASSES)
def test_every_preset_has_a_row(method):
    with pytest.raises(ValueError, match="`name` must be one of .*, got 'imagenet'") as caught:
        CLASSES[method].from_preset("imagenet")
    named = set(re.findall(r"'(\w+)'", str(caught.value)))
    assert named == {row[1] for row in ROWS if row[0] == method} | {"imagenet"}


@pytest.mark.parametrize("name", CIFAR)
def test_the_rate_on_cifar_is_divided_by_a_hundred_at_160_and_180(name):
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    schedule = MetaIADAClassifier.from_preset(name).lr_schedule(optimizer)
    rates = []
    for _ in range(200):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(rates, [0.1] * 160 + [1e-3] * 20 + [1e-5] * 20)


def test_the_rate_of_afr_on_celeba_is_a_cosine_of_twenty_epochs_to_a_hundredth():
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=3e-3)
    schedule = AFRClassifier.from_preset("celeba").lr_schedule(optimizer)
    rates = []
    for _ in range(21):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    expected = 3e-5 + (3e-3 - 3e-5) * (1 + np.cos(np.pi * np.arange(21) / 20)) / 2
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def settings_of(schedule):
    return {"class": schedule.func, **schedule.keywords}


@pytest.mark.parametrize(
    ("preset", "epochs", "expected"),
    [
        (partial(MetaIADAClassifier.from_preset, "cifar_lt"), 20, {"milestones": [16, 18]}),
        (partial(MetaIADAClassifier.from_preset, "cifar_lt"), 5, {"milestones": [4, 5]}),
        (partial(MetaIADAClassifier.from_preset, "cifar_lt"), 400, {"milestones": [320, 360]}),
        (partial(BiasAdvClassifier.from_preset, "cifar10c", "erm"), 20, {"step_size": 4}),
        (partial(BiasAdvClassifier.from_preset, "bffhq", "jtt"), 6, {"step_size": 2}),
        (partial(BiasAdvClassifier.from_preset, "bar", "lff"), 1, {"step_size": 1}),
        (partial(AFRClassifier.from_preset, "celeba"), 30, {"T_max": 30}),
        (partial(AFRClassifier.from_preset, "celeba"), np.int64(3), {"T_max": 3}),
    ],
)
def test_a_schedule_is_stretched_to_other_epochs(preset, epochs, expected):
    published = settings_of(preset().lr_schedule)
    assert settings_of(preset(max_epochs=preset().max_epochs).lr_schedule) == published
    assert settings_of(preset(max_epochs=epochs).lr_schedule) == {**published, **expected}
    own = partial(optim.lr_scheduler.StepLR, step_size=7)
    assert preset(max_epochs=epochs, lr_schedule=own).lr_schedule is own
    assert settings_of(preset().lr_schedule) == published  # the preset is as it was


@pytest.mark.parametrize("epochs", ["many", 0, -3, 2.5, None])
def test_no_number_of_epochs_is_left_to_fit(epochs):
    clf = AFRClassifier.from_preset("celeba", max_epochs=epochs)
    with pytest.raises(ValueError, match="'max_epochs' parameter"):
        clf.fit(np.zeros((4, 3, 8, 8), np.uint8), [0, 1, 0, 1])


@STILL
@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize(
    ("method", "short"),
    [
        ("jtt", {"identification_epochs": 1, "upweight": 2}),
        ("afr", {"reweighting_epochs": 2}),
        ("dro", {}),
    ],
)
def test_a_rival_begins_with_weights_from_a_file(method, short, tmp_path):
    file = tmp_path / "resnet18.pt"
    torch.save(resnet18().state_dict(), file)
    X = np.random.default_rng(0).random((16, 3, 32, 32), dtype=np.float32)
    y = np.arange(16) % 2
    bias = np.arange(16) // 2 % 2
    clf = CLASSES[method].from_preset(
        "waterbirds",
        module="resnet18",
        net_params={"module__weights": str(file)},
        # The steps are too small to see: what comes out is what went in.
        lr=1e-12,
        weight_decay=0,
        max_epochs=1,
        random_state=0,
        **short,
    )
    clf.fit(X, y, bias_labels=bias, validation_data=(X, y, bias))
    given = torch.load(file)["conv1.weight"]
    found = [p for p in clf.module_.parameters() if p.shape == given.shape]
    assert any(torch.allclose(p, given, atol=1e-6) for p in found)


def test_overrides_win_and_presets_share_nothing():
    clf = ULEClassifier.from_preset("celeba", lam=0.9, module="resnet18", random_state=3)
    assert (clf.lam, clf.module, clf.random_state, clf.max_epochs) == (0.9, "resnet18", 3, 300)
    clf.net_params["module__weights"] = "own.pt"
    other = ULEClassifier.from_preset("celeba")
    assert other.net_params == {"module__weights": "DEFAULT"}


@STILL
@pytest.mark.parametrize("name", ["mnist_sc", "coloured_mnist"])
def test_ule_from_scratch(name):
    X = np.random.default_rng(0).random((12, 1, 28, 28), dtype=np.float32)
    clf = ULEClassifier.from_preset(name, max_epochs=1, random_state=0).fit(X, np.arange(12) % 2)
    assert (clf.where_, clf.saliency_, clf.student_warmup_) == ("input", "label_log_prob", 0)


@STILL
@pytest.mark.parametrize(("name", "own"), [("waterbirds", {}), ("spawrious", {"image_size": 72})])
def test_ule_on_a_frozen_network(name, own, tmp_path):
    file = tmp_path / "resnet18.pt"
    torch.save(resnet18().state_dict(), file)
    X = np.random.default_rng(0).random((16, 3, 32, 32), dtype=np.float32)
    y = np.arange(16) % 2
    bias = np.arange(16) // 2 % 2
    own = {"module": "resnet18", "max_epochs": 2, "random_state": 0, **own}
    clf = ULEClassifier.from_preset(name, net_params={"module__weights": str(file)}, **own)
    with pytest.raises(ValueError, match="`monitor` needs validation rows"):
        clf.fit(X, y)
    clf.fit(X, y, validation_data=(X, y, bias))
    assert clf.where_ == "features"
    assert "validation_worst_group_accuracy" in clf.history_


@STILL
def test_meta_iada_on_a_long_tail():
    X = np.random.default_rng(0).random((24, 3, 8, 8), dtype=np.float32)
    y = np.repeat([0, 1], [16, 8])
    own = {"max_epochs": 5, "random_state": 0, "lr": 0.01}
    clf = MetaIADAClassifier.from_preset("cifar_lt", **own).fit(X, y)
    assert clf.history_["phase"].tolist() == ["warmup"] * 4 + ["train"]
    assert clf.covariances_.shape == (2, 64, 64)
