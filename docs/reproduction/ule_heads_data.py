"""Embeddings with a shortcut for ule_heads.py: synthetic ones, BAR, and digits through a small CNN.

All but the synthetic data are read from the folder named by SKLEARN_DEBIAS_DATA.
"""

import functools
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch
from torch import nn
from torch.nn.functional import cross_entropy

from sklearn_debias.datasets import (
    colour_mnist,
    data_folder,
    make_spurious_embeddings,
    patch_mnist,
    read_mnist,
)

sys.path.insert(0, str(Path(__file__).parent))
import biased_data

BATCH = 256


def synthetic(seed, n_classes=2, n_features=50, conflict=0.05, axes=False, **options):
    """Make spurious embeddings; axes=True rotates each concept to coordinates of its own."""
    bunch = make_spurious_embeddings(
        1000,
        n_validation=1000,
        n_test=4000,
        n_classes=n_classes,
        n_features=n_features,
        conflict_ratio=conflict,
        random_state=seed,
        **options,
    )
    rotation = np.eye(n_features)
    if axes:
        centres = np.concatenate(
            [c[:-1] - c[-1] for c in (bunch.class_centres, *bunch.bias_centres)]
        )
        others = np.random.default_rng(0).normal(size=(n_features, n_features))
        rotation = np.linalg.qr(np.concatenate([centres.T, others], 1))[0]
    parts = (bunch.train, bunch.validation, bunch.test)
    return [part(p.data @ rotation, p.target, p.bias_labels) for p in parts]


def part(data, target, shortcut, conflicting=None):
    """Rows of one set."""
    conflicting = shortcut != target if conflicting is None else conflicting
    return Bunch(
        data=np.asarray(data, np.float32), target=target, shortcut=shortcut, conflicting=conflicting
    )


def bar(seed, conflict):
    """BAR through MobileNetV2, split as in biased_data.py."""
    return [
        part(p.data, p.target, None, p.bias_labels == 1) for p in biased_data.bar(conflict, seed)
    ]


def digits(seed, bias, body, conflict):
    """Embed coloured or patched MNIST by a small CNN: 3000 training images, 2000 unbiased ones.

    body : {"biased", "other"}
        Whether the CNN was trained on these 3000 images, or on Fashion-MNIST in random colours or
        patches, to tell both the garment and the colour or patch.
    """
    source = read_mnist(data_folder())
    rows = np.random.default_rng(seed).permutation(50_000)[:3000]
    draw = {"colour": colour_mnist, "patch": patch_mnist}[bias]
    held_out = slice(50_000, 52_000)
    sets = [
        draw(
            source.train.data[rows],
            source.train.target[rows],
            conflict_ratio=conflict,
            random_state=seed,
        ),
        draw(
            source.train.data[held_out],
            source.train.target[held_out],
            conflict_ratio="unbiased",
            random_state=77,
        ),
        draw(source.test.data, source.test.target, conflict_ratio="unbiased", random_state=78),
    ]
    if body == "biased":
        network = trained_body(sets[0].data, [sets[0].target], epochs=20, seed=seed)
    else:
        network = other_body(bias)
    return [part(embed(network, s.data), s.target, s.bias_labels) for s in sets]


@functools.cache
def other_body(bias):
    """A CNN that has learned garments and colours (or patches) alike, without a bias."""
    pack = np.load(Path(data_folder()) / "fashion_mnist_12k.npz", allow_pickle=False)
    images, target = (pack[k][:10_000] for k in ("x_train", "y_train"))
    draw = {"colour": colour_mnist, "patch": patch_mnist}[bias]
    made = draw(images, target.astype(np.int64), conflict_ratio="unbiased", random_state=5)
    return trained_body(made.data, [made.target, made.bias_labels], epochs=5, seed=5)


def trained_body(images, targets, epochs, seed):
    """Train three convolutions, averaged to 64 features, with a linear head for each target."""
    torch.manual_seed(seed)
    layers, channels = [], images.shape[1]
    for width in (16, 32, 64):
        layers += [
            nn.Conv2d(channels, width, 3, stride=1 if width == 64 else 2, padding=1),
            nn.ReLU(),
        ]
        channels = width
    body, heads = (
        nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten()),
        nn.Linear(64, 10 * len(targets)),
    )
    optimizer = torch.optim.Adam([*body.parameters(), *heads.parameters()], 2e-3)
    x, y = torch.from_numpy(images), torch.from_numpy(np.stack(targets, 1))
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(BATCH):
            logits = heads(body(x[batch].float() / 255)).reshape(len(batch), 10, len(targets))
            optimizer.zero_grad()
            cross_entropy(logits, y[batch]).backward()
            optimizer.step()
    return body.eval()


@torch.no_grad()
def embed(body, images):
    """Features of images."""
    return torch.cat([body(x.float() / 255) for x in torch.from_numpy(images).split(500)]).numpy()


DATA = {
    "synthetic": functools.partial(synthetic),
    "synthetic axes": functools.partial(synthetic, axes=True),
    "synthetic raw": functools.partial(synthetic),
    "synthetic axes raw": functools.partial(synthetic, axes=True),
    "colour, own body": functools.partial(digits, bias="colour", body="biased", conflict=0.01),
    "colour, other body": functools.partial(digits, bias="colour", body="other", conflict=0.01),
    "patch, own body": functools.partial(digits, bias="patch", body="biased", conflict=0.01),
    "patch, other body": functools.partial(digits, bias="patch", body="other", conflict=0.01),
    "bar 1%": functools.partial(bar, conflict=0.01),
    "bar 5%": functools.partial(bar, conflict=0.05),
}


@functools.lru_cache(maxsize=4)
def load_data(name, seed):
    """Return a biased training set and unbiased others, standardised unless the name says raw."""
    sets = DATA[name](seed)
    if name.endswith("raw"):
        return sets
    scaler = StandardScaler().fit(sets[0].data)
    for s in sets:
        s.data = scaler.transform(s.data).astype(np.float32)
    return sets


def scores(predicted, rows):
    """Return four accuracies: the worse half, conflicting, aligned, and the worst group.

    A half is all aligned or all conflicting rows; a group is a class's part of a half.
    """
    right, group = predicted == rows.target, 2 * rows.target + rows.conflicting
    conflicting, aligned = (
        right[..., rows.conflicting].mean(-1),
        right[..., ~rows.conflicting].mean(-1),
    )
    cells = np.min([right[..., group == g].mean(-1) for g in np.unique(group)], axis=0)
    return {
        "worst": np.minimum(conflicting, aligned),
        "conflicting": conflicting,
        "aligned": aligned,
        "wga": cells,
    }
