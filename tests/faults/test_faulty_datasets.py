"""Torch datasets as X: the same as arrays, and what their items must be."""

import numpy as np
import pytest
import torch
from faulty import X, erm, fitted_names, y
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset


class Items(Dataset):
    """A dataset whose items pass through a function of (x, number)."""

    def __init__(self, item, rows=X):
        self.item, self.rows = item, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.item(torch.tensor(self.rows[i]), i)


class Endless(IterableDataset):
    def __iter__(self):
        yield torch.zeros(4)


DATASETS = {
    "tensor": lambda x, i: x,
    "pair": lambda x, i: (x, 0),
    "list": lambda x, i: [x, 0],
    "array": lambda x, i: x.numpy(),
    "float32": lambda x, i: x.float(),
    "requires grad": lambda x, i: x.requires_grad_(),
}


@pytest.mark.parametrize("row", DATASETS)
def test_datasets_equal_arrays(row):
    logits = erm().fit(Items(DATASETS[row]), y).decision_function(Items(DATASETS[row]))
    np.testing.assert_array_equal(logits, erm().fit(X, y).decision_function(X))


def test_a_subset_is_a_dataset():
    subset = Subset(TensorDataset(torch.tensor(X)), list(range(20)))
    assert erm().fit(subset, y[:20]).n_features_in_ == 4


DATASETS_REFUSED = {
    "NaN": (
        lambda x, i: x / 0 * 0 if i == 5 else x,
        ValueError,
        "X contains NaN or infinity: item 5",
    ),
    "overflow": (lambda x, i: x * 1e300, ValueError, "X contains NaN or infinity: item 0"),
    "another shape": (
        lambda x, i: x[:3] if i == 5 else x,
        ValueError,
        "`X\\[5\\]`: the items .* must be alike",
    ),
    "another dtype": (
        lambda x, i: x.byte() if i == 5 else x,
        ValueError,
        "`X\\[5\\]`: the items .* must be alike",
    ),
    "raises": (
        lambda x, i: 1 / 0 if i == 5 else x,
        ValueError,
        "`X\\[5\\]` failed with ZeroDivisionError",
    ),
    "text": (lambda x, i: "a", TypeError, "`X\\[0\\]` failed"),
    "dictionary": (lambda x, i: {"x": x}, TypeError, "`X\\[0\\]` failed"),
    "empty tuple": (lambda x, i: (), ValueError, "`X\\[0\\]` failed"),
    "scalar": (lambda x, i: 3.0, ValueError, "`X` must hold rows of features or images"),
    "complex": (lambda x, i: x + 1j, TypeError, "`X\\[0\\]` failed .*complex"),
}


@pytest.mark.parametrize("row", DATASETS_REFUSED)
def test_faulty_datasets(row):
    item, error, words = DATASETS_REFUSED[row]
    estimator = erm()
    with pytest.raises(error, match=words):
        estimator.fit(Items(item), y)
    assert fitted_names(estimator) == []


def test_datasets_without_a_length_or_items():
    with pytest.raises(TypeError, match="`X` must be a Dataset with len"):
        erm().fit(Endless(), y)
    with pytest.raises(ValueError, match="0 sample"):
        erm().fit(Items(DATASETS["tensor"], X[:0]), y[:0])
