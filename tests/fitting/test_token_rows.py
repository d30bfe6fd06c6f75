"""Rows of tokens: every form gives one fit, each row its own prediction, and bad ones a reason."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import cross_val_score
from tokens import N_IDS, Bag, N, Rows, bag, columns_of, make_rows, padded_columns
from torch import nn

import sklearn_debias as sd
from sklearn_debias import ERMClassifier, GroupDROClassifier, MetaIADAClassifier
from sklearn_debias.attribution import input_gradients
from sklearn_debias.core import SplitModule
from sklearn_debias.core.internal import TokenLimits, Unpacked
from sklearn_debias.deployment import export_onnx
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.fitting import open_inputs
from sklearn_debias.robustness import adversarial_examples

try:  # `tox -e compat` installs both
    import polars as pl
    import pyarrow as pa
except ImportError:
    pl = pa = None

X, y, b = make_rows()
X_SHORT = make_rows(longest=30)[0]
FORMS = {
    "list": X,
    "array of dicts": np.array(X, dtype=object),
    "columns": columns_of(X),
    "padded columns": padded_columns(X),
    "padded tensors": {k: torch.tensor(v) for k, v in padded_columns(X).items()},
    "Dataset": Rows(X, y),
    "without masks": [{"input_ids": row["input_ids"]} for row in X],
    "frame": pd.DataFrame(columns_of(X)),
    # By place, whatever their labels are.
    "columns of pandas": {k: pd.Series(v, range(N)[::-1]) for k, v in columns_of(X).items()},
    "masks that are None": [{**row, "attention_mask": None} for row in X],
    "types that are None": [{**row, "token_type_ids": None} for row in X],
    "no column of types": {**columns_of(X), "token_type_ids": None},
    "with labels": [{**row, "labels": 0, "text": "as it was"} for row in X],
}
if pl is not None:
    FORMS |= {
        "frame of polars": pl.DataFrame(columns_of(X)),
        "columns of polars": {k: pl.Series(v) for k, v in columns_of(X).items()},
        "columns of pyarrow": {k: pa.array(v) for k, v in columns_of(X).items()},
        "table of pyarrow": pa.table(columns_of(X)),
    }


def erm(module=None, **params):
    settings = {"max_epochs": 1, "lr": 0.01, "random_state": 0, **params}
    return ERMClassifier(bag() if module is None else module, **settings)


FITTED = erm().fit(X, y)


class Named(nn.Module):
    """A network of one's own that has no body and no head."""

    def __init__(self, n_classes):
        super().__init__()
        self.embedding = nn.Embedding(N_IDS, 4)
        self.out = nn.Linear(4, n_classes)

    def forward(self, input_ids, attention_mask):
        hidden = attention_mask[:, :, None] == 0
        return self.out(self.embedding(input_ids).masked_fill(hidden, -9.0).amax(1))


class Open(Bag):
    """A network that takes whatever there is, and looks at types."""

    def forward(self, input_ids, attention_mask, **others):
        assert set(others) == {"token_type_ids"}
        return super().forward(input_ids, attention_mask)


class Limited(Bag):
    """A body that says what it takes, as those of transformers do."""

    class config:
        max_position_embeddings = 30
        vocab_size = N_IDS


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_rows_gives_the_same_fit(form):
    clf = erm().fit(FORMS[form], y)
    expected = FITTED.predict_proba(X)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    np.testing.assert_array_equal(FITTED.predict_proba(FORMS[form]), expected)
    assert clf.input_shape_ == (2, -1)
    assert clf.n_features_in_ == 2


def test_the_classes_are_learned():
    rows, target, bias = make_rows(400)
    params = {"max_epochs": 30, "lr": 0.01, "batch_size": 32, "random_state": 0}
    plain = ERMClassifier(bag(), **params).fit(rows, target)
    robust = GroupDROClassifier(bag(), **params).fit(rows, target, bias_labels=bias)
    assert min(plain.score(rows, target), robust.score(rows, target)) > 0.9


def test_a_row_is_predicted_the_same_alone_and_in_company():
    together = FITTED.decision_function(X)
    for _ in range(3):  # from the second call on, short batches are tried
        alone = np.concatenate([FITTED.decision_function([row]) for row in X])
        np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(FITTED.decision_function(X[::-1]), together[::-1])


def test_predictions_are_those_of_the_network_called_by_name():
    module = FITTED.module_
    ids = torch.tensor([X[0]["input_ids"]])
    with torch.no_grad():
        expected = module.head(
            module.body.network(input_ids=ids, attention_mask=ids.new_ones(ids.shape))
        )
    proba = expected.softmax(1).numpy()[0]
    np.testing.assert_allclose(FITTED.predict_proba(X)[0], proba, atol=1e-6)


def test_batches_are_as_long_as_their_longest_row():
    source = open_inputs(X, dtype="float32").source
    few = np.array([3, 1])
    rows = source.take(few)
    lengths = [len(X[i]["input_ids"]) for i in few]
    assert rows.shape == (2, 2, max(lengths))
    assert rows.dtype == torch.float32
    ids, mask = rows.unbind(1)
    for row, shown, i in zip(ids, mask, few, strict=True):
        n = len(X[i]["input_ids"])
        assert row[:n].tolist() == X[i]["input_ids"]
        assert set(row[n:].tolist()) <= {-1.0}
        assert shown.sum() == n


def test_padding_gets_the_id_of_the_networks_configuration():
    class Seen(nn.Module):
        class config:
            pad_token_id = 7

        def forward(self, input_ids, attention_mask):
            return input_ids

    rows = torch.tensor([[[5.0, 6.0], [1, 1]], [[5, -1], [1, 0]]])
    assert Unpacked(Seen())(rows).tolist() == [[5, 6], [5, 7]]


@pytest.mark.parametrize("network", [Bag, Open], ids=["no types", "any name"])
def test_types_are_left_out_where_the_network_takes_none(network):
    typed = [{**row, "token_type_ids": [0] * len(row["input_ids"])} for row in X]
    torch.manual_seed(0)
    clf = erm(SplitModule(network(), nn.Linear(8, 2))).fit(typed, y)
    assert clf.input_shape_ == (3, -1)
    np.testing.assert_array_equal(clf.predict_proba(typed), FITTED.predict_proba(X))


def test_types_reach_the_network():
    class Typed(Bag):
        def forward(self, input_ids, attention_mask, token_type_ids):
            assert token_type_ids.max() == 1
            return super().forward(input_ids, attention_mask)

    typed = [{**row, "token_type_ids": [0, *[1] * (len(row["input_ids"]) - 1)]} for row in X]
    clf = erm(SplitModule(Typed(), nn.Linear(8, 2))).fit(typed, y)
    assert clf.input_shape_ == (3, -1)
    with pytest.raises(ValueError, match=r"with \['input_ids'.*'token_type_ids'\], as in fit, got"):
        clf.predict(X)


def test_types_beyond_those_that_the_network_knows_are_refused():
    class TwoTypes(Bag):
        class config:
            type_vocab_size = 2

        def forward(self, input_ids, attention_mask, token_type_ids):
            return super().forward(input_ids, attention_mask)

    typed = [{**row, "token_type_ids": [1] * len(row["input_ids"])} for row in X]
    clf = erm(SplitModule(TwoTypes(), nn.Linear(8, 2))).fit(typed, y)
    with pytest.raises(ValueError, match=r"`X\[0\]` has a token_type_id of 2, .* knows 2 types"):
        clf.predict([{"input_ids": [5, 6], "token_type_ids": [0, 2]}])


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_a_frame_of_numbers_may_have_a_column_of_that_name():
    frame = pd.DataFrame({"input_ids": np.arange(N) / N, "other": 0.0})
    assert ERMClassifier(max_epochs=1).fit(frame, y).feature_names_in_.tolist()[0] == "input_ids"


def test_networks_for_tokens_are_searched_as_those_for_images_are():
    assert erm().search_space("images", X).keys() == erm().search_space("images").keys()
    with pytest.raises(ValueError, match=r"must be 2-D where .* of tokens, 'images'"):
        erm().search_space("embeddings", X)


def test_columns_are_scaled_by_class():
    scaled = sd.ClassScaling(erm(), random_state=0)
    expected = scaled.fit(X, y, bias_labels=b).predict(X)
    for rows in [FORMS[kind] for kind in ("columns", "table of pyarrow") if kind in FORMS]:
        found = scaled.fit(rows, y, bias_labels=b).predict(rows)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_a_module_that_is_not_split_trains_too():
    clf = erm(Named).fit(X, y)
    assert isinstance(clf.module_, Unpacked)
    with pytest.raises(TypeError, match="must end in a plain linear layer"):
        MetaIADAClassifier(Named, max_epochs=1).fit(X, y)


REFUSING = {
    "AdversarialTrainingClassifier",
    "BiasAdvClassifier",
    "DHATClassifier",
    "MixUpClassifier",
    "UIATClassifier",
    "ULEClassifier",
}
TORCH = [n for n in sd.__all__ if n.endswith("Classifier") and hasattr(getattr(sd, n), "module")]


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_methods_train_on_tokens_or_refuse_them_by_name(name):
    clf = getattr(sd, name)(bag(), max_epochs=1, random_state=0)
    needs_bias = name in ("GroupDROClassifier", "FishClassifier", "InvarianceClassifier")
    given = {"bias_labels": b} if needs_bias else {}
    if name in REFUSING:
        with pytest.raises(ValueError, match=f"`X` must hold features or images for {name}"):
            clf.fit(X, y, **given)
    else:
        assert clf.fit(X, y, **given).predict(X).shape == (N,)


def test_reading_a_fitted_model_by_gradients_is_refused():
    for read in (input_gradients, adversarial_examples):
        with pytest.raises(ValueError, match="no gradient reaches them"):
            read(FITTED, X, y, **({"epsilon": 0.1} if read is adversarial_examples else {}))
    with pytest.raises(ValueError, match="fitted to features or images to be exported"):
        export_onnx(FITTED, "never_written.onnx")


def test_held_out_rows_searches_and_copies_work_on_every_form():
    kinds = ("list", "columns", "frame", "frame of polars", "table of pyarrow", "Dataset")
    for form in FORMS.keys() & kinds:
        clf = erm(validation=0.3, monitor="accuracy").fit(FORMS[form], y)
        assert "validation_accuracy" in clf.history_
    scores = cross_val_score(erm(), X, y, cv=2)
    for form in FORMS.keys() & ("frame", "frame of polars"):
        np.testing.assert_array_equal(cross_val_score(erm(), FORMS[form], y, cv=2), scores)
    again = pickle.loads(pickle.dumps(FITTED))
    np.testing.assert_array_equal(again.predict_proba(X), FITTED.predict_proba(X))
    frozen = erm(freeze="body", optimizer="lbfgs", max_epochs=100).fit(X, y)
    assert frozen.score(X, y) > 0.5


def test_a_meta_set_and_extra_columns_are_rows_of_tokens_too():
    clf = MetaIADAClassifier(bag(), max_epochs=1, random_state=0)
    others = make_rows(10, seed=1)[0]
    clf.fit(X, y, X_meta=columns_of(others), y_meta=y[:10])
    assert clf.predict(X).shape == (N,)
    shared = [*others, *X[:4]]
    padded = padded_columns(shared)  # which makes them no other rows
    for X_meta in (shared, columns_of(shared), padded):
        with pytest.warns(DebiasWarning, match="`X_meta` shares 4 of its 14 rows with X"):
            clf.fit(X, y, X_meta=X_meta, y_meta=np.r_[y[:10], y[:4]])


LONG = {"input_ids": [5] * 31}


def limited():
    return SplitModule(Limited(), nn.Linear(8, 2))


def test_rows_longer_than_the_network_takes_are_refused_in_fit_and_predict():
    short = X_SHORT
    message = r"has 31 tokens, and `module` takes 30 at most. .*truncation=True, max_length=30\)"
    for place in (0, 20):
        rows = [*short[:place], LONG, *short[place + 1 :]]
        for form in (
            rows,
            columns_of([{"input_ids": r["input_ids"]} for r in rows]),
            Rows(rows, y),
        ):
            with pytest.raises(ValueError, match=rf"`X\[{place}\]` {message}"):
                erm(limited()).fit(form, y)
    clf = erm(limited()).fit(short, y)
    with pytest.raises(ValueError, match=rf"`X\[{N}\]` {message}"):
        clf.predict([*short, LONG])
    with pytest.raises(ValueError, match=message):
        erm(limited(), monitor="accuracy").fit(short, y, validation_data=([LONG, *short], [0, *y]))
    # A padded row counts without its padding, and the widest that is predicted is no wider.
    full = {"input_ids": [5] * 30 + [0] * 9, "attention_mask": [1] * 30 + [0] * 9}
    assert clf.predict([full]).shape == (1,)


def test_ids_beyond_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"`X\[3\]` has the id 20, and the vocabulary .* has 20"):
        erm(limited()).fit([*X_SHORT[:3], {"input_ids": [20]}, *X_SHORT[4:]], y)


def test_all_networks_of_a_fit_limit_the_rows():
    assert TokenLimits(5, None, 2) & TokenLimits(7, 3) == TokenLimits(5, 3, 2)
    lff = sd.LfFClassifier(bag(), biased_module=limited(), max_epochs=1)
    with pytest.raises(ValueError, match="takes 30 at most"):
        lff.fit(X, y)


def test_settings_that_change_numbers_are_refused():
    for params in ({"augment": torch.sin}, {"normalize": (0.0, 1.0)}):
        (name,) = params
        with pytest.raises(ValueError, match=f"`{name}` must be None for rows of tokens"):
            erm(**params).fit(X, y)
    with pytest.raises(ValueError, match="`image_size`=8 needs 4-D images"):
        erm(image_size=8).fit(X, y)
    for module in ("linear", "resnet18"):
        with pytest.raises(ValueError, match="`module` must be a module for rows of tokens"):
            erm(module).fit(X, y)


def test_a_model_of_one_kind_of_rows_refuses_the_other():
    with pytest.raises(ValueError, match=r"must have rows of tokens .* got rows of shape \(3,\)"):
        FITTED.predict(np.zeros((2, 3)))
    table = ERMClassifier(max_epochs=1).fit(np.random.default_rng(0).normal(size=(N, 3)), y)
    with pytest.raises(ValueError, match=r"must have rows of shape \(3,\)"):
        table.predict(X)


def test_the_first_item_of_a_dataset_is_read_once_at_the_door():
    class Counted(Rows):
        first = 0

        def __getitem__(self, i):
            self.first += i == 0
            return super().__getitem__(i)

    rows = Counted(X, y)
    open_inputs(rows, dtype="float32")
    assert rows.first == 1
