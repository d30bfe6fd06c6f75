"""Rows of tokens with a shortcut, and a network of embeddings that takes them by name."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from sklearn_debias.core import SplitModule

N_IDS = 20
N = 40
MARKED = 10  # the first ids that have no meaning


class Bag(nn.Module):
    """The mean of the embeddings of the tokens that the mask shows, and their share of an id."""

    def __init__(self, n_ids=N_IDS, width=8):
        super().__init__()
        self.embedding = nn.Embedding(n_ids, width)
        self.mix = nn.Linear(width, width)

    def forward(self, input_ids, attention_mask):
        seen = attention_mask[:, :, None]
        z = torch.tanh(self.mix(self.embedding(input_ids)))
        return (z * seen).sum(1) / seen.sum(1)


def bag(n_classes=2):
    torch.manual_seed(0)
    return SplitModule(Bag(), nn.Linear(8, n_classes))


def make_rows(n=N, longest=50, seed=0):
    """Rows whose class is one id, and whose shortcut is another, 4 in 5 times the same."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    b = np.where(rng.random(n) < 0.8, y, 1 - y)
    rows = []
    for label, marker in zip(y, b, strict=True):
        ids = rng.integers(MARKED, N_IDS, rng.integers(4, longest))
        ids[0] = 1 + marker
        ids[1] = 3 + label
        rows.append({"input_ids": ids.tolist(), "attention_mask": [1] * len(ids)})
    return rows, y, b


class Rows(Dataset):
    """The rows one by one, as tensors, beside their labels."""

    def __init__(self, rows, y):
        self.rows = rows
        self.y = y

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return {k: torch.tensor(v) for k, v in self.rows[i].items()}, int(self.y[i])


def columns_of(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


def padded_columns(rows):
    """The rows as a tokenizer returns them with padding=True."""
    width = max(len(row["input_ids"]) for row in rows)
    columns = columns_of(rows)
    return {k: np.array([v + [0] * (width - len(v)) for v in vs]) for k, vs in columns.items()}
