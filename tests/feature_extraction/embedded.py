"""What the tests of the embedder share: small images, networks that count the rows they see."""

import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)
IMAGES = rng.random((40, 3, 8, 8), dtype=np.float32)
UINT8 = (IMAGES * 255).astype(np.uint8)
y = np.arange(40) % 2
ROWS = {"seen": 0}


class Counting(nn.Module):
    """A small network that counts the rows that go through it, in all copies together."""

    def __init__(self, in_channels=3, width=5):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        ROWS["seen"] += len(x)
        return self.relu(self.conv(x)).mean((2, 3))


def counting(seed=0, **params):
    """A `Counting` network with weights of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Counting(**params)


def rows_seen(run):
    """Rows that went through `Counting` networks while ``run()`` ran."""
    before = ROWS["seen"]
    run()
    return ROWS["seen"] - before
