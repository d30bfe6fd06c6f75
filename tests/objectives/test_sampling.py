"""How an epoch's rows are drawn group by group."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.objectives import ERM
from sklearn_debias.objectives._sampling import balanced_rows, random_ranks, smallest_from_each
from sklearn_debias.testing import Problem
from sklearn_debias.training import Streams

groups = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(torch.tensor)


def draw(*names):
    return Streams(0).generator(*names)


@given(group=groups)
def test_the_smallest_size_is_drawn_from_each_group_without_replacement(group):
    rows = smallest_from_each(group, draw("rows"))
    present = group.bincount()[group.bincount() > 0]
    assert len(rows.unique()) == len(rows) == len(present) * present.min()
    assert (group[rows].bincount()[group.bincount() > 0] == present.min()).all()


@given(group=groups)
def test_ranks_count_each_group_from_zero(group):
    rank = random_ranks(group, draw("rows"))
    for g in group.unique():
        own = rank[group == g]
        assert own.sort().values.tolist() == list(range(len(own)))


def test_each_epoch_draws_another_subsample_and_all_rows_come_in_time():
    problem = Problem(ERM(balanced=True, replace=False))
    generator = draw("rows")
    epochs = [problem.objective.visits(problem.data, {}, generator) for _ in range(200)]
    assert any(not torch.equal(epochs[0], other) for other in epochs[1:])
    assert len(torch.cat(epochs).unique()) == len(problem.data.y)


def test_draws_with_replacement_are_as_many_as_there_are_rows():
    group = torch.tensor([0] * 90 + [1] * 10)
    generator = draw("rows")
    rows = torch.cat([balanced_rows(group, generator) for _ in range(50)])
    assert len(rows) == 50 * 100
    assert abs(group[rows].double().mean().item() - 0.5) < 0.03


def test_groups_are_the_classes_where_none_are_given():
    problem = Problem(ERM(balanced=True, replace=False))
    problem.feed.columns.pop("group")
    rows = problem.objective.visits(problem.data, {}, draw("rows"))
    assert problem.data.y[rows].bincount().tolist() == [13, 13, 13]  # of 14, 13 and 13
