"""Rows without a mask: padding in them is refused, and a network that sees no mask gets none."""

import pickle

import numpy as np
import pytest
import torch
from tokens import N_IDS, Bag, N, Rows, columns_of, make_rows
from torch import nn

from sklearn_debias import ERMClassifier, LfFClassifier, MetaIADAClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.core.internal import TokenLimits, Unpacked
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.testing._reproducibility import Steps

X, y, _ = make_rows()
OTHERS = make_rows(N - 1, seed=1)[0]
PLAIN = [{"input_ids": row["input_ids"]} for row in X]
PAD = 0  # which no row of these has
LAST = N - 1


class Padding(Bag):
    """A body that says what pads its rows, as those of transformers do."""

    class config:
        pad_token_id = PAD
        eos_token_id = 2


class Ending(Bag):
    """A body of a family that pads with the end of a text, as GPT-2's users do."""

    class config:
        pad_token_id = PAD
        bos_token_id = None
        eos_token_id = (2, PAD)


class Blind(nn.Module):
    """The mean of the embeddings of all that it is given."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(N_IDS, 8)

    def forward(self, input_ids):
        return self.embedding(input_ids).mean(1)


class Skipping(Blind):
    """The mean of the embeddings of all ids but 0: it masks by itself, as many by hand do."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(N_IDS, 8, padding_idx=PAD)

    def forward(self, input_ids):
        seen = (input_ids != PAD)[:, :, None]
        return (self.embedding(input_ids) * seen).sum(1) / seen.sum(1).clamp(min=1)


class Masked(Skipping):
    """The same, told by the mask."""

    def forward(self, input_ids, attention_mask):
        return super().forward(input_ids * attention_mask)


class Recurrent(Skipping):
    """Answers at the last place, which is padding in short rows."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 8, batch_first=True)

    def forward(self, input_ids):
        return self.gru(self.embedding(input_ids))[0][:, -1]


class Highest(Skipping):
    """Takes the highest of each feature, among padding too."""

    def forward(self, input_ids):
        return self.embedding(input_ids).amax(1)


class Positioned(Skipping):
    """Has no more positions than the longest of the rows."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Embedding(9, 8)

    def forward(self, input_ids):
        seen = (input_ids != PAD)[:, :, None]
        z = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        return (z * seen).sum(1) / seen.sum(1).clamp(min=1)


class Deaf(Blind):
    """Answers the same to any text."""

    def forward(self, input_ids):
        return self.embedding.weight[:1].expand(len(input_ids), -1)


def on(body):
    torch.manual_seed(0)
    return SplitModule(body(), nn.Linear(8, 2))


def erm(body, **params):
    return ERMClassifier(on(body), **{"max_epochs": 1, "lr": 0.01, "random_state": 0, **params})


def padded(row, n, *, first=False):
    more = [PAD] * n
    return {"input_ids": [*more, *row["input_ids"]] if first else [*row["input_ids"], *more]}


@pytest.mark.parametrize(("body", "fewest"), [(Padding, 1), (Ending, 2)])
@pytest.mark.parametrize(("first", "verb"), [(False, "ends"), (True, "starts")])
def test_padding_without_a_mask_is_refused_by_row(body, fewest, first, verb):
    rows = [*PLAIN[:-1], padded(PLAIN[-1], fewest, first=first)]
    message = rf"\[{LAST}\]` has no attention_mask and {verb} in {fewest} of the id 0, .*Pass the"
    steps = Steps()
    with steps:
        for form in (rows, columns_of(rows), Rows(rows, y)):
            with pytest.raises(ValueError, match="`X" + message):
                erm(body).fit(form, y)
        with pytest.raises(ValueError, match=r"`validation_data\[0\]" + message):
            erm(body).fit(X, y, validation_data=(rows, y))
        meta = MetaIADAClassifier(on(body), max_epochs=1, random_state=0)
        with pytest.raises(ValueError, match="`X_meta" + message):
            meta.fit(OTHERS, y[:-1], X_meta=rows, y_meta=y)
    assert steps.taken == 0
    fitted = erm(body).fit(PLAIN, y)
    embedder = Embedder(on(body), cache_dir=None).fit(PLAIN)
    for predict in (fitted.predict, embedder.transform):
        with pytest.raises(ValueError, match="`X" + message):
            predict(rows)
    with pytest.raises(ValueError, match=r"`X\[0\]` has no attention_mask"):
        Embedder(on(body), cache_dir=None).fit(rows[::-1])


def test_one_end_of_a_text_is_no_padding():
    rows = [padded(padded(row, 1), 1, first=True) for row in PLAIN]
    assert erm(Ending).fit(rows, y).predict(rows).shape == (N,)


@pytest.mark.parametrize("body", [Padding, Ending])
def test_with_a_mask_any_id_is_taken_at_its_word(body):
    rows = [
        {**padded(row, 3), "attention_mask": [1] * len(row["input_ids"]) + [0] * 3} for row in X
    ]
    expected = erm(body).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(erm(body).fit(rows, y).predict_proba(rows), expected)
    seen = [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in ([5, 0, 0], [0, 0, 6])]
    assert len(erm(body).fit(X, y).predict(seen)) == 2


def test_of_a_network_without_a_configuration_nothing_is_known():
    rows = [padded(row, 3) for row in PLAIN]
    assert erm(Bag).fit(rows, y).predict(rows).shape == (N,)
    for value in (None, -1, [1, 2]):
        body = Bag()
        body.config = type("Config", (), {"pad_token_id": value})()
        assert TokenLimits.of(Unpacked(body)).padding == frozenset()


def test_all_networks_of_a_fit_say_what_pads():
    limits = TokenLimits.of(Unpacked(Padding())) & TokenLimits.of(Unpacked(Ending()))
    assert limits.padding == {(PAD, 1), (PAD, 2)}
    lff = LfFClassifier(on(Bag), biased_module=on(Padding), max_epochs=1)
    with pytest.raises(ValueError, match="has no attention_mask and ends in 1"):
        lff.fit([padded(PLAIN[0], 1), *PLAIN[1:]], y)


def of_one_length(n, rows=X):
    return [{"input_ids": (row["input_ids"] * n)[:n]} for row in rows]


@pytest.mark.parametrize("length", [5, 40])
def test_a_network_that_sees_no_mask_predicts_on_what_it_was_trained_on(length):
    rows, target, _ = make_rows(200)
    rows = of_one_length(length, rows)
    clf = erm(Blind, max_epochs=30, lr=0.03, batch_size=32).fit(rows, target)
    module = clf.module_
    with torch.no_grad():
        ids = torch.tensor([row["input_ids"] for row in rows])
        expected = module.head(module.body.network(ids)).softmax(1)
    np.testing.assert_allclose(clf.predict_proba(rows), expected, atol=1e-5)
    mixed = [*rows[:3], *of_one_length(length + 2, rows[3:9]), *rows[9:]]
    together = clf.predict_proba(mixed)
    alone = np.concatenate([clf.predict_proba([row]) for row in mixed])
    np.testing.assert_array_equal(together, alone)


def test_a_network_that_sees_no_mask_is_trained_on_rows_of_one_length():
    rows = of_one_length(9)
    longer = [*rows[:-1], *of_one_length(10)[-1:]]
    message = rf"\[{LAST}\]` has 10 tokens, and the first row has 9, .*takes no attention_mask"
    steps = Steps()
    with steps:
        for form in (longer, columns_of(longer), Rows(longer, y)):
            with pytest.raises(ValueError, match="`X" + message):
                erm(Blind).fit(form, y)
        lff = LfFClassifier(on(Bag), biased_module=on(Blind), max_epochs=1)
        with pytest.raises(ValueError, match="`X" + message):
            lff.fit(longer, y)
        meta = MetaIADAClassifier(on(Blind), max_epochs=1, random_state=0)
        with pytest.raises(ValueError, match="`X_meta" + message):
            meta.fit(of_one_length(9, OTHERS), y[:-1], X_meta=longer, y_meta=y)
    assert steps.taken == 0
    # What is only predicted may be of any length.
    clf = erm(Blind).fit(rows, y, validation_data=(longer, y))
    assert clf.predict(longer).shape == (N,)


def test_a_network_that_sees_no_mask_is_told_where_one_hides_tokens():
    rows = [{**row, "attention_mask": [1, 1, 0, 1]} for row in of_one_length(4)]
    clf = erm(Blind).fit(of_one_length(4), y)
    for use in (lambda: erm(Blind).fit(rows, y), lambda: clf.predict(rows)):
        with pytest.raises(ValueError, match=r"`X\[0\]` has an attention_mask of 0 amid"):
            use()


def test_rows_that_are_padded_to_one_length_are_text_to_who_sees_no_mask():
    class Configured(Blind):
        config = Padding.config

    rows = [{"input_ids": [*row["input_ids"][:4], PAD, PAD]} for row in X]
    clf = erm(Configured).fit(rows, y)
    assert clf.predict(rows).shape == (N,)


@pytest.mark.parametrize("with_mask", [True, False])
def test_a_network_that_masks_by_itself_learns_as_one_that_is_told(with_mask):
    longest = max(len(row["input_ids"]) for row in X)
    rows = columns_of(X if with_mask else PLAIN)
    if with_mask:  # as a tokenizer pads
        rows = {k: [v + [PAD] * (longest - len(v)) for v in vs] for k, vs in rows.items()}
    settings = {"max_epochs": 3, "batch_size": 8}
    clf = erm(Skipping, **settings).fit(rows, y)
    expected = erm(Masked, **settings).fit(rows, y).predict_proba(rows)
    np.testing.assert_allclose(clf.predict_proba(rows), expected, atol=1e-6)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(rows), clf.predict_proba(rows))
    assert TokenLimits.of(again.module_).may_pad
    hidden = [{**row, "attention_mask": [1, 1, 0, 1]} for row in of_one_length(4)]
    with pytest.raises(ValueError, match=r"`X\[0\]` has an attention_mask of 0 amid"):
        clf.predict(hidden)


UNLEARNED = pytest.mark.filterwarnings("ignore:The fitted model predicts")


@UNLEARNED
def test_a_network_that_answers_zero_at_first_may_mask_by_itself():
    module = nn.Sequential(Skipping(), nn.Linear(8, 2))
    nn.init.zeros_(module[1].weight)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, input_ids):
            return self.inner(input_ids)

    assert ERMClassifier(Whole(), max_epochs=1).fit(PLAIN, y).n_iter_ == 1


@UNLEARNED
def test_padding_is_tried_in_no_more_places_than_a_row_has():
    rows = [{"input_ids": row["input_ids"][: 3 + i % 7]} for i, row in enumerate(X)]
    for form in (rows, of_one_length(9, rows)):
        clf = erm(Positioned).fit(form, y)
        assert clf.predict(form).shape == (N,)
        assert 0 < TokenLimits.of(clf.module_).pad_to <= 9


@pytest.mark.parametrize("body", [Blind, Recurrent, Highest, Deaf])
def test_a_network_that_padding_changes_is_refused_rows_of_several_lengths(body):
    with pytest.raises(ValueError, match=r"`X\[\d+\]` has \d+ tokens, and the first row has"):
        erm(body).fit(X, y)


def test_embeddings_of_a_network_that_sees_no_mask_are_of_the_tokens_alone():
    module = Blind()
    found = Embedder(module, cache_dir=None).fit(X).transform(X)
    with torch.no_grad():
        expected = [module(torch.tensor([row["input_ids"]]))[0].numpy() for row in X]
    np.testing.assert_allclose(found, expected, atol=1e-6)
