"""Networks of the papers, by name: their sizes, their parts, and methods that take them."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import MetaIADAClassifier, ULEClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.models import build_module
from sklearn_debias.models._preactivated import PreactivatedBlock, preactivated

# name, shape, parameters for ten classes, width of the features. Published: 1.2 (PyTorch's example
# for MNIST), 11.17, 36.5 and 14.7 million.
NETWORKS = [
    ("ule_cnn", (1, 28, 28), 1_199_882, 128),
    ("cifar_preact_resnet18", (3, 32, 32), 11_172_170, 512),
    ("cifar_wide_resnet28_10", (3, 32, 32), 36_479_194, 640),
    ("cifar_vgg16", (3, 32, 32), 14_728_266, 512),
]
STILL = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # few rows, one epoch
NAMES = [row[0] for row in NETWORKS]


@pytest.mark.parametrize(("name", "shape", "size", "d"), NETWORKS, ids=NAMES)
def test_a_network_has_the_published_size_and_is_split(name, shape, size, d):
    module = build_module(name, shape, 10, options={}).eval()
    assert sum(p.numel() for p in module.parameters()) == size
    x = torch.rand(2, *shape)
    features = module.body(x)
    assert features.shape == (2, d)
    assert isinstance(module.head, nn.Linear)
    assert torch.equal(module.head(features), module(x))
    # Grey or small images take the same names.
    other = build_module(name, (2, 40, 36), 3, options={}).eval()
    assert other(torch.rand(1, 2, 40, 36)).shape == (1, 3)


@pytest.mark.parametrize(("before", "stride"), [(4, 1), (4, 2), (3, 1)])
def test_a_block_is_as_its_paper_draws_it(before, stride):
    block = PreactivatedBlock(before, 4, stride, dropout=0.0).eval()
    x = torch.rand(2, before, 6, 6) - 0.5
    active = torch.relu(x / (1 + 1e-5) ** 0.5)  # BatchNorm as it starts
    between = torch.relu(block.conv1(active) / (1 + 1e-5) ** 0.5)
    beside = x if (before, stride) == (4, 1) else block.shortcut(active)
    torch.testing.assert_close(block(x), block.conv2(between) + beside)


def test_stages_halve_the_size_and_dropout_is_asked_for():
    module = preactivated(3, 5, stem=2, widths=(2, 4, 6), blocks=1, dropout=0.3)
    x = torch.rand(1, 3, 16, 16)
    assert module.body[:4](x).shape == (1, 6, 4, 4)
    wide = build_module("cifar_wide_resnet28_10", (3, 8, 8), 2, options={"dropout": 0.3})
    rates = {m.p for m in wide.modules() if isinstance(m, nn.Dropout)}
    assert rates == {0.3}


def images(side, n=8, channels=3):
    X = np.random.default_rng(0).random((n, channels, side, side), dtype=np.float32)
    return X, np.arange(n) % 2


@STILL
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[1:])
def test_meta_iada_trains_it(name):
    X, y = images(32 if name == "cifar_vgg16" else 8)
    clf = MetaIADAClassifier(name, warmup=0, max_epochs=1, lr=1e-4, random_state=0).fit(X, y)
    assert len(clf.covariances_[0]) == clf.module_.head.in_features


@STILL
def test_meta_iada_and_ule_train_the_cnn_of_ule():
    X, y = images(28, channels=1)
    clf = MetaIADAClassifier("ule_cnn", warmup=0, max_epochs=1, lr=1e-4, random_state=0)
    assert clf.fit(X, y).covariances_.shape == (2, 128, 128)
    ule = ULEClassifier("ule_cnn", max_epochs=1, student_warmup=0, lr=1e-4, random_state=0)
    assert ule.fit(X, y).where_ == "input"


@pytest.mark.parametrize(("name", "shape", "size", "d"), NETWORKS[1::2], ids=NAMES[1::2])
def test_an_embedder_gives_its_features(name, shape, size, d):
    X, _ = images(32, n=3)
    embedder = Embedder(name, cache_dir=None, random_state=0).fit(X)
    assert embedder.transform(X).shape == (3, d)
