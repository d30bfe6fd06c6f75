"""Just Train Twice: the error set, and how often an error is visited."""

import pytest
import torch

from sklearn_debias.core import Net
from sklearn_debias.objectives import ERM, UpweightErrors
from sklearn_debias.objectives._jtt import error_set, upweight_of
from sklearn_debias.testing import Problem
from sklearn_debias.training import Streams


def test_the_error_set_is_what_the_biased_net_gets_wrong():
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    assert error_set(logits, torch.tensor([0, 0, 1])).tolist() == [False, True, True]


def test_the_error_set_is_found_in_eval_mode():
    problem = Problem(UpweightErrors())
    module = torch.nn.Sequential(problem.modules["biased"], torch.nn.Dropout(0.9)).train()
    state = problem.objective.init({"biased": Net(module)}, problem.data)
    x = torch.cat(list(problem.data.batches("model")))
    assert torch.equal(state["error"], problem.modules["biased"](x).argmax(1) != problem.data.y)
    assert module.training


@pytest.mark.parametrize("upweight", [1.0, 2.0, 5.0])
def test_an_epoch_visits_each_error_exactly_upweight_times_and_every_other_row_once(upweight):
    problem = Problem(UpweightErrors(upweight))
    state = problem.state()
    visits = torch.cat([batch.index for batch in problem.epochs(state)]).bincount(
        minlength=len(problem.data.y)
    )
    assert torch.equal(visits, torch.where(state["error"], int(upweight), 1))
    assert 0 < state["error"].sum() < len(visits)


def test_weights_ask_for_no_repeats():
    problem = Problem(UpweightErrors(2.5, duplicate=False))
    assert (
        problem.objective.visits(problem.data, problem.state(), Streams(0).generator("rows"))
        is None
    )


def test_the_mean_loss_of_an_epoch_is_the_same_by_copies_and_by_weights():
    """Sums over one epoch: upweight copies of a row, or its loss times upweight."""
    totals = {}
    for duplicate in (True, False):
        problem = Problem(UpweightErrors(3.0, duplicate=duplicate))
        state = problem.state()
        steps = [
            (problem.objective.step(problem.nets, b, state), len(b.y))
            for b in problem.epochs(state)
        ]
        totals[duplicate] = sum(step.losses["model"] * size for step, size in steps)
    torch.testing.assert_close(totals[True], totals[False])


@pytest.mark.parametrize("duplicate", [True, False])
def test_upweight_one_is_the_loss_of_erm_to_the_last_bit(duplicate):
    jtt, erm = Problem(UpweightErrors(1.0, duplicate=duplicate)), Problem(ERM())
    erm.feed.columns.pop("weight")
    pairs = zip(jtt.epochs(jtt.state()), erm.epochs({}), strict=True)
    for one, other in pairs:
        assert torch.equal(one.index, other.index)
        loss = jtt.objective.step(jtt.nets, one, jtt.state()).losses["model"]
        assert torch.equal(loss, erm.objective.step(erm.nets, other, {}).losses["model"])


@pytest.mark.parametrize(
    ("wrong", "n", "expected"),
    [(10, 110, 5.0), (1, 12, 5.5), (60, 100, 1.0), (0, 9, 4.5), (2, 1000, 20.0)],
)
def test_all_errors_weigh_half_as_much_as_the_other_rows_each_1_to_20(wrong, n, expected):
    error = torch.arange(n) < wrong
    assert float(upweight_of(error)) == expected


@pytest.mark.parametrize(("duplicate", "expected"), [(True, 4.0), (False, 4.5)])
def test_an_upweight_left_open_follows_the_error_set(duplicate, expected):
    """Rounded where rows are repeated, and used as if it had been given."""
    problem = Problem(UpweightErrors(None, duplicate))
    given = UpweightErrors(expected, duplicate)
    state = {"error": torch.arange(len(problem.data.y)) % 10 == 0}
    assert len(problem.data.y) == 40
    for batch in problem.epochs(state):
        one, other = (o.step(problem.nets, batch, state) for o in (problem.objective, given))
        assert torch.equal(one.losses["model"], other.losses["model"])
    one, other = (
        o.visits(problem.data, state, Streams(0).generator("rows"))
        for o in (problem.objective, given)
    )
    assert len(one) == 36 + 4 * 4 if duplicate else one is None
    assert one is other is None or torch.equal(one, other)
