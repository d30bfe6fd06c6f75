"""Networks of timm, compiled ones and those shared out over devices, where a body is needed."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import (
    AFRClassifier,
    CRTClassifier,
    ERMClassifier,
    ISDAClassifier,
    MetaIADAClassifier,
    MetaSAugClassifier,
)
from sklearn_debias.core import SplitModule

QUICK = {"lr": 0.01, "max_epochs": 2, "batch_size": 12, "random_state": 0}
rng = np.random.default_rng(0)
y = np.arange(24) % 3
X = (0.4 * rng.random((24, 3, 16, 16)) + 0.3 * y[:, None, None, None]).astype("f4")
pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")


def vit():
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    sizes = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3}
    return timm.create_model("vit_tiny_patch16_224", num_classes=3, **sizes)


@pytest.mark.parametrize(
    "cls", [AFRClassifier, CRTClassifier, ISDAClassifier, MetaIADAClassifier, MetaSAugClassifier]
)
def test_methods_that_need_a_body_find_it_in_timm(cls):
    clf = cls(module=vit(), **QUICK).fit(X, y)
    assert isinstance(clf.module_.head, nn.Linear)
    np.testing.assert_allclose(clf.predict_proba(X).sum(1), 1, rtol=1e-5)


def test_a_frozen_body_of_timm_stays_as_it_was():
    before = vit()
    clf = ERMClassifier(before, freeze="body", **QUICK).fit(X, y)
    blocks = clf.module_.body.blocks.state_dict()
    assert all(torch.equal(blocks[name], p) for name, p in before.blocks.state_dict().items())
    assert not torch.equal(clf.module_.head.weight, before.get_classifier().weight)


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, lambda module: torch.compile(module, backend="eager")]
)
@pytest.mark.parametrize("cls", [ERMClassifier, ISDAClassifier, CRTClassifier])
def test_a_wrapped_network_trains_as_the_one_inside(cls, wrap):
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    plain = nn.Sequential(*layers, nn.Linear(4, 3))
    expected = cls(module=plain, **QUICK).fit(X, y).predict_proba(X)
    found = cls(module=wrap(plain), **QUICK).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(found, expected)


class Attends(nn.Module):
    """Attention over features, whose quick kernels have no second derivative."""

    def forward(self, x):
        tokens = x[:, None, :, None]
        return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).flatten(1)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize("cls", [MetaIADAClassifier, MetaSAugClassifier])
def test_the_virtual_step_goes_through_attention(cls):
    body = nn.Sequential(nn.Linear(4, 4), Attends())
    module = SplitModule(body, nn.Linear(4, 2))
    rows = np.random.default_rng(0).normal(size=(40, 4))
    clf = cls(module, max_epochs=2, warmup=1, meta_size=2, random_state=0)
    assert np.isfinite(clf.fit(rows, np.arange(40) % 2).predict_proba(rows)).all()
