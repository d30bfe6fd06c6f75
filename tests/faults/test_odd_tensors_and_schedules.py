"""Tensors that NumPy cannot hold, and schedules that are none."""

import warnings

import numpy as np
import pytest
import torch
from faulty import X, b, erm, fitted_names, y
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, StepLR

from sklearn_debias import DFRClassifier
from sklearn_debias.metrics import worst_group_accuracy_score


def negative(values):
    """The values as a tensor with its negative bit set."""
    values = -torch.as_tensor(np.asarray(values, dtype=np.float64))
    made = torch.complex(torch.zeros_like(values), values).conj().imag
    assert made.is_neg()
    return made


def test_tensors_with_the_negative_bit_are_their_values():
    expected = erm().fit(X, y, sample_weight=np.arange(1, 41)).predict_proba(X)
    clf = erm().fit(negative(X), negative(y), sample_weight=negative(np.arange(1, 41)))
    np.testing.assert_array_equal(clf.predict_proba(negative(X)), expected)
    dfr = [
        DFRClassifier(n_resamples=1, random_state=0).fit(A, y, bias_labels=b)
        for A in (X, negative(X))
    ]
    np.testing.assert_array_equal(dfr[0].coef_, dfr[1].coef_)
    scores = [worst_group_accuracy_score(y, b, bias_labels=labels) for labels in (y, negative(y))]
    assert scores[0] == scores[1]
    assert worst_group_accuracy_score(negative(y), y, bias_labels=b) == 1.0


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch calls nested tensors a prototype
    NESTED = torch.nested.nested_tensor([torch.ones(4)] * 40)
    JAGGED = torch.nested.nested_tensor([torch.ones(4)] * 40, layout=torch.jagged)
CONJUGATE = torch.zeros(40, dtype=torch.complex64).conj()


@pytest.mark.parametrize("odd", [NESTED, JAGGED, [NESTED]], ids=["nested", "jagged", "list"])
def test_nested_tensors_are_named(odd):
    clf = erm().fit(X, y)
    calls = {
        "X": [
            lambda: erm().fit(odd, y),
            lambda: clf.predict(odd),
            lambda: DFRClassifier().fit(odd, y),
        ],
        "y": [lambda: erm().fit(X, odd)],
        "bias_labels": [
            lambda: erm().fit(X, y, bias_labels=odd),
            lambda: worst_group_accuracy_score(y, y, bias_labels=odd),
        ],
        "sample_weight": [lambda: erm().fit(X, y, sample_weight=odd)],
        "y_true": [lambda: worst_group_accuracy_score(odd, y, bias_labels=b)],
    }
    for name, doors in calls.items():
        for door in doors:
            with pytest.raises((TypeError, ValueError), match=f"`{name}` must be"):
                door()


def test_conjugate_tensors_are_complex_and_refused():
    with pytest.raises(ValueError, match="Complex data"):
        erm().fit(torch.zeros(40, 4, dtype=torch.complex64).conj(), y)
    with pytest.raises((TypeError, ValueError), match="`y_true` must be"):
        worst_group_accuracy_score(CONJUGATE, y, bias_labels=b)


class Stepless:
    def __init__(self, optimizer):
        pass


class WithMore(Stepless):
    def step(self, epoch, loss):
        pass


OTHER = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
NO_SCHEDULES = {
    "no step": (Stepless, "which has no step"),
    "a function": (lambda optimizer: print, "which has no step"),
    "a module": (lambda optimizer: nn.Linear(1, 1), "which has no step"),
    "the optimiser": (lambda optimizer: optimizer, "it made a Adam, not a schedule"),
    "a class": (lambda optimizer: WithMore, "not a schedule"),
    "of another optimiser": (lambda optimizer: StepLR(OTHER, 1), "of another optimizer"),
    "a step that wants more": (WithMore, "Its step.. is called after each epoch"),
    "a step that fails": (
        lambda optimizer: LambdaLR(optimizer, lambda epoch: 1 / (1 - epoch)),
        "ZeroDivisionError.* Its step",
    ),
    "a rate of text": (
        lambda optimizer: LambdaLR(optimizer, lambda epoch: "a" if epoch else 1.0),
        "Its step",
    ),
}


@pytest.mark.parametrize("row", NO_SCHEDULES)
def test_what_is_no_schedule(row):
    schedule, words = NO_SCHEDULES[row]
    clf = erm(lr_schedule=schedule)
    with pytest.raises((ValueError, TypeError), match=f"`lr_schedule` failed with .*{words}"):
        clf.fit(X, y)
    assert fitted_names(clf) == []
