"""What the tests of robust evaluation share: small data, a fixed convolution, references."""

import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)
IMAGES = rng.random((70, 3, 8, 8), dtype=np.float32)
generator = torch.Generator().manual_seed(0)


def conv(n_classes=3, channels=3, size=8):
    """A convolution and a head, with weights of their own and not of the global generator."""
    net = nn.Sequential(
        nn.Conv2d(channels, 6, 3, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * (size // 2) ** 2, n_classes),
    )
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=draws) / p[0].numel() ** 0.5)
    return net


NET = conv()
with torch.no_grad():
    CODES = NET(torch.from_numpy(IMAGES)).argmax(1).numpy()
CODES[::7] = (CODES[::7] + 1) % 3  # some are missed as they are
EPSILON = 0.03

X = np.vstack([rng.normal(-1, 1, (50, 4)), rng.normal(1, 1, (50, 4))]).astype(np.float32)
y = np.repeat([0, 1], 50)


def data_folder():
    """Folder of the real data, or None."""
    folder = os.environ.get("SKLEARN_DEBIAS_DATA")
    return (
        Path(folder) if folder and (Path(folder) / "adversarial_reference.json").exists() else None
    )


class Normalize(nn.Module):
    """(x - mean) / std of CIFAR-10 in the units of [0, 1]."""

    def forward(self, x):
        mean, std = x.new_tensor([125.3, 123, 113.9]) / 255, x.new_tensor([63, 62.1, 66.7]) / 255
        return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def reference(kind):
    """A robust network, 200 test images and labels, the radius, accuracies measured elsewhere."""
    folder = data_folder()
    file, channels, flat = {
        "cifar": ("cifar_cnn_adv_2_255.pt", 3, 2048),
        "mnist": ("mnist_cnn_adv_0.3.pt", 1, 1568),
    }[kind]
    net = nn.Sequential(
        *[
            nn.Conv2d(channels, 16, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
        ],
        *[nn.Linear(flat, 100), nn.ReLU(), nn.Linear(100, 10)],
    )
    net.load_state_dict(torch.load(folder / file, weights_only=True))
    images = np.load(folder / f"{kind}_200_images.npy").transpose(0, 3, 1, 2).astype(np.float32)
    facts = json.loads((folder / "adversarial_reference.json").read_text(encoding="utf-8"))[file]
    net = nn.Sequential(Normalize(), net) if kind == "cifar" else net
    return net, images, np.load(folder / f"{kind}_200_labels.npy"), facts["eps"], facts["acc"]
