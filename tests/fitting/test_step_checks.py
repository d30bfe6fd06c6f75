"""An objective from elsewhere that returns nonsense is told by which method."""

import pytest
import torch
from elsewhere import X, with_step, y

from sklearn_debias.core import Objective, Step
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.objectives import ERM


def returns(make):
    """A step that returns what is made of the logits and the loss."""

    def step(self, nets, batch, state):
        logits = nets["model"](batch.x)
        return make(logits, logits.square().mean())

    return {"step": step}


STEPS = {
    "no step": ({"step": lambda self, nets, batch, state: None}, TypeError, "step"),
    "a loss alone": (
        {"step": lambda self, nets, batch, state: nets["model"](batch.x).sum()},
        TypeError,
        "step",
    ),
    "a loss per row": (
        {"step": lambda self, nets, batch, state: Step({"model": nets["model"](batch.x)[:, 0]})},
        ValueError,
        "step",
    ),
    "a number": (
        {"step": lambda self, nets, batch, state: Step({"model": 1.0})},
        ValueError,
        "step",
    ),
    "a stranger": (
        {"step": lambda self, nets, batch, state: Step({"other": nets["model"](batch.x).sum()})},
        ValueError,
        "step",
    ),
    "a state of none": ({"init": lambda self, nets, data: None}, TypeError, "init"),
    "a state of numbers": ({"init": lambda self, nets, data: {"n": 1}}, TypeError, "init"),
    "visits in a list": ({"visits": lambda self, *given: [0, 1]}, ValueError, "visits"),
    "visits to nobody": (
        {"visits": lambda self, *given: torch.zeros(0, dtype=torch.int64)},
        ValueError,
        "visits",
    ),
    "visits beyond the rows": (
        {"visits": lambda self, *given: torch.tensor([99])},
        ValueError,
        "visits",
    ),
    "an unknown requirement": ({"requires": frozenset({"magic"})}, ValueError, "requires"),
    "requirements in a list": ({"requires": ["pairs"]}, TypeError, "requires"),
    "one requirement": ({"requires": "pairs"}, TypeError, "requires"),
    "no requirements": ({"requires": None}, TypeError, "requires"),
    "one role": ({"roles": "model"}, TypeError, "roles"),
    "no roles": ({"roles": None}, TypeError, "roles"),
    "a role by number": ({"roles": ("model", 1)}, TypeError, "roles"),
    "a role with a dot": ({"roles": ("model", "a.b")}, ValueError, "roles"),
    "a role without a name": ({"roles": ("model", "")}, ValueError, "roles"),
    "never": ({"every": 0}, ValueError, "every"),
    "every half batch": ({"every": 0.5}, ValueError, "every"),
    "losses alone": (returns(lambda logits, loss: Step(loss)), TypeError, "step"),
    "no losses": (returns(lambda logits, loss: Step({})), ValueError, "step"),
    "a loss of none": (returns(lambda logits, loss: Step({"model": None})), ValueError, "step"),
    "a loss of ints": (
        returns(lambda logits, loss: Step({"model": loss.int()})),
        ValueError,
        "step",
    ),
    "a detached loss": (
        returns(lambda logits, loss: Step({"model": loss.detach()})),
        ValueError,
        "step",
    ),
    "a log of numbers": (
        returns(lambda logits, loss: Step({"model": loss}, log={"accuracy": 1.0})),
        TypeError,
        "step",
    ),
    "a log per row": (
        returns(lambda logits, loss: Step({"model": loss}, log={"margin": logits[:, 0]})),
        ValueError,
        "step",
    ),
    "no log": (returns(lambda logits, loss: Step({"model": loss}, log=None)), TypeError, "step"),
    "a step's state of none": (
        returns(lambda logits, loss: Step({"model": loss}, None)),
        TypeError,
        "step",
    ),
    "a carry alone": (
        returns(lambda logits, loss: Step({"model": loss}, carry=loss)),
        TypeError,
        "step",
    ),
}


@pytest.mark.parametrize("fault", STEPS)
def test_a_method_of_an_objective_is_named(fault):
    methods, error, name = STEPS[fault]
    with pytest.raises(error, match=f"`Odd.{name}`"):
        with_step(**methods).fit(X, y)


def test_a_step_that_forgets_to_return_later_is_named():
    calls = []

    def step(self, nets, batch, state):
        calls.append(1)
        return ERM.step(self, nets, batch, state) if len(calls) < 3 else None

    with pytest.raises(TypeError, match=r"`Odd.step` must return .* got a NoneType"):
        with_step(step=step).fit(X, y)


REQUIRED = {
    "meta": "`Outside._training_set` must return a TrainingSet with 'meta'",
    "attention_maps": "`Outside._training_set` must return a TrainingSet with 'attention_maps'",
    "pairs": "`batch_size` must be at least 2 for Outside",
    "every_row": "`net_params` must not set iterator_train__drop_last for Outside",
}


@pytest.mark.parametrize("need", REQUIRED)
def test_what_an_objective_requires_is_checked_before_it_steps(need):
    clf = with_step(
        requires=frozenset({need}), step=lambda self, *given: pytest.fail("a step was taken")
    )
    clf.set_params(batch_size=1, net_params={"iterator_train__drop_last": need == "every_row"})
    with pytest.raises(ValueError, match=REQUIRED[need]):
        clf.fit(X, y)


@pytest.mark.parametrize("fault", ["no step", "a loss per row", "a number"])
def test_a_search_names_a_method_of_an_objective(fault):
    methods, error, name = STEPS[fault]
    search = BatchedGridSearchCV(
        with_step(**methods), {"lr": [0.1, 0.2]}, cv=2, error_score="raise"
    )
    with pytest.raises(error, match=f"`Odd.{name}`"):
        search.fit(X, y)


def test_an_objective_from_elsewhere_is_an_objective():
    assert isinstance(with_step()._phases()[0].steps[0], Objective)
