"""Weights by which classes count alike, whatever their sizes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.objectives import FinetuneHead
from sklearn_debias.objectives._sampling import class_balance
from sklearn_debias.testing import Problem


def test_class_balance_weighs_losses_to_the_sum_of_class_means():
    rng = np.random.default_rng(0)
    y = np.array([0, 2, 2, 0, 2, 2])  # a class may be absent from a batch
    loss = rng.uniform(size=6)
    expected = sum(loss[y == c].mean() for c in (0, 2))
    weight = class_balance(torch.from_numpy(y), 3, torch.float64).numpy()
    assert weight @ loss == pytest.approx(expected, abs=1e-12)


@given(y=st.lists(st.sampled_from([0, 1, 3]), min_size=1, max_size=30).map(torch.tensor))
def test_every_class_that_is_there_has_weights_that_sum_to_one(y):
    weight = class_balance(y, 4, torch.float64)
    for c in y.unique():
        assert weight[y == c].sum().item() == pytest.approx(1)


def test_the_weights_of_self_sum_to_one_and_to_the_same_for_each_class():
    state = Problem(FinetuneHead(7, share=0.5)).state()
    present = state["y"].unique()
    assert len(present) > 1
    for c in present:
        share = state["weight"][state["y"] == c].sum().item()
        assert share == pytest.approx(1 / len(present))


def test_many_batches_at_once_have_the_weights_of_each_alone():
    y = torch.randint(3, (5, 8), generator=torch.Generator().manual_seed(0))
    together = torch.func.vmap(lambda row: class_balance(row, 3, torch.float64))(y)
    alone = torch.stack([class_balance(row, 3, torch.float64) for row in y])
    assert torch.equal(together, alone)
