"""Rows of tokens are looked at before the first step: a bad one must not end a long fit."""

import numpy as np
import pytest
import torch
from tokens import N_IDS, Bag, N, Rows, bag, columns_of, make_rows
from torch import nn

from sklearn_debias import ERMClassifier, LfFClassifier, MetaIADAClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.core.internal import TokenLimits
from sklearn_debias.fitting import open_inputs
from sklearn_debias.testing._reproducibility import Steps
from sklearn_debias.training import JoinedSource

X, y, _ = make_rows(longest=30)
OTHERS = make_rows(N - 1, longest=30, seed=1)[0]
LAST = N - 1


class Limited(Bag):
    """A body that says what it takes, as those of transformers do."""

    class config:
        max_position_embeddings = 30
        vocab_size = N_IDS


def limited():
    torch.manual_seed(0)
    return SplitModule(Limited(), nn.Linear(8, 2))


def erm(module, **params):
    return ERMClassifier(module, max_epochs=1, lr=0.01, random_state=0, **params)


LONG = {"input_ids": [5] * 31}
BAD = {
    "long": (LONG, "has 31 tokens, and `module` takes 30 at most"),
    "unknown": ({"input_ids": [N_IDS]}, f"has the id {N_IDS}, and the vocabulary"),
    "unequal": ({"input_ids": [5, 6], "attention_mask": [1]}, "its columns have several lengths"),
    "typed": ({"input_ids": [5], "token_type_ids": [0]}, "the first row has"),
    "masked": ({"input_ids": [5], "attention_mask": [0]}, "no token"),
    "floats": ({"input_ids": [1.5]}, "must hold integers"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_refused_before_the_first_step(case):
    row, message = BAD[case]
    rows = [*X[:-1], row]
    meta = MetaIADAClassifier(limited(), max_epochs=1, random_state=0)
    steps = Steps()
    with steps:
        for form in (rows, np.array(rows, dtype=object)):
            with pytest.raises((TypeError, ValueError), match=rf"`X\[{LAST}\]`.*{message}"):
                erm(limited()).fit(form, y)
            beside = rf"`validation_data\[0\]\[{LAST}\]`.*{message}"
            with pytest.raises((TypeError, ValueError), match=beside):
                erm(limited()).fit(X, y, validation_data=(form, y))
            with pytest.raises((TypeError, ValueError), match=rf"`X_meta\[{LAST}\]`.*{message}"):
                meta.fit(OTHERS, y[:-1], X_meta=form, y_meta=y)
    assert steps.taken == 0


def test_columns_are_looked_at_too():
    rows = columns_of([{"input_ids": row["input_ids"]} for row in [*X[:-1], LONG]])
    steps = Steps()
    with steps:
        with pytest.raises(ValueError, match=rf"`X\[{LAST}\]` has 31 tokens"):
            erm(limited()).fit(rows, y)
        with pytest.raises(ValueError, match=rf"`validation_data\[0\]\[{LAST}\]` has 31 tokens"):
            erm(limited()).fit(X, y, validation_data=(rows, y))
    assert steps.taken == 0


@pytest.mark.parametrize("params", [{}, {"freeze": "body"}])
def test_held_out_rows_go_by_their_numbers_in_X(params):
    steps = Steps()
    with steps:
        for place in range(0, N, 7):
            rows = [*X[:place], LONG, *X[place + 1 :]]
            with pytest.raises(ValueError, match=rf"`X\[{place}\]` has 31 tokens"):
                erm(limited(), validation=0.5, **params).fit(rows, y)
    assert steps.taken == 0


def test_rows_without_weight_may_be_of_any_length():
    weight = np.arange(N).clip(0, 1)
    assert erm(limited()).fit([LONG, *X[1:]], y, sample_weight=weight).n_iter_ == 1


def test_joined_rows_are_looked_at_where_they_are_shown():
    one, other = (open_inputs(rows, dtype="float32").source for rows in (X, [*X[:3], LONG]))
    joined = JoinedSource((one, other)).limited(TokenLimits(30, None))
    joined.subset(np.arange(N + 3)).look()
    with pytest.raises(ValueError, match=r"`X\[3\]` has 31 tokens"):
        joined.subset(np.array([2, N + 3])).look()


def test_validation_rows_need_suit_only_the_network_that_predicts():
    lff = LfFClassifier(bag(), biased_module=limited(), max_epochs=1, random_state=0)
    assert lff.fit(X, y, validation_data=([*X[:-1], LONG], y)).n_iter_ == 1


class Counted(Rows):
    """Rows that count how often one is read, and how often before the first step."""

    def __init__(self, rows, y, steps=None):
        super().__init__(rows, y)
        self.steps = steps
        self.n_read = self.n_ahead = 0

    def __getitem__(self, i):
        self.n_read += 1
        self.n_ahead += self.steps is not None and self.steps.taken == 0
        return super().__getitem__(i)


def test_what_a_dataset_makes_is_read_when_it_is_due():
    with Steps() as steps:
        rows, validation = Counted(X, y, steps), Counted(OTHERS, y[:-1], steps)
        erm(limited(), batch_size=8).fit(rows, y, validation_data=(validation, y[:-1]))
    assert rows.n_ahead < N // 2  # a few to try the network on, and the first batch
    assert validation.n_ahead < N // 2
    with pytest.raises(ValueError, match=rf"`X\[{LAST}\]`.*has 31 tokens"):
        erm(limited()).fit(Rows([*X[:-1], LONG], y), y)


def test_where_workers_read_no_row_is_looked_at_first():
    class Slow(list):
        n_read = 0

        def __getitem__(self, i):
            Slow.n_read += isinstance(i, int)
            return super().__getitem__(i)

    read = []
    for n_workers in (0, 2):
        Slow.n_read = 0
        loader = {"iterator_train__num_workers": n_workers}
        erm(limited(), net_params=loader).fit(X, y, validation_data=(Slow(OTHERS), y[:-1]))
        read.append(Slow.n_read)
    assert read[0] - read[1] >= N - 1
