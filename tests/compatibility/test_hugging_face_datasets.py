"""Datasets of Hugging Face by content: checkpoints and caches know their rows again."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import GridSearchCV
from tokens import Rows, bag, columns_of, make_rows

from sklearn_debias import ERMClassifier
from sklearn_debias.checkpoints import describe_rows
from sklearn_debias.content import fingerprint
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.model_selection.batched._stackable import NotStackableError
from sklearn_debias.testing._reproducibility import Steps

pytest.importorskip("datasets.arrow_dataset")  # tests/datasets has the other name, too
import datasets
import pyarrow as pa

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
X, y, _ = make_rows()
COLUMNS = {**columns_of(X), "text": [f"row {i}" for i in range(len(X))]}
WHOLE = datasets.Dataset.from_dict(COLUMNS)
KNOWN = fingerprint(WHOLE)


def erm(**params):
    settings = {"max_epochs": 3, "batch_size": 8, "lr": 0.01, "random_state": 0, **params}
    return ERMClassifier(bag(), **settings)


def changed(column, number, value):
    columns = {name: list(values) for name, values in COLUMNS.items()}
    columns[column][number] = value
    return datasets.Dataset.from_dict(columns)


def test_equal_rows_have_one_name_wherever_they_lie(tmp_path):
    WHOLE.save_to_disk(tmp_path / "saved", num_shards=3)
    backwards = np.arange(len(X))[::-1]
    others = [
        datasets.Dataset.from_dict(COLUMNS),
        datasets.load_from_disk(tmp_path / "saved"),
        datasets.concatenate_datasets([WHOLE.select(range(7)), WHOLE.select(range(7, len(X)))]),
        WHOLE.select(backwards).select(backwards),
        WHOLE.select(backwards).flatten_indices().select(backwards).flatten_indices(),
        WHOLE.map(lambda row: row, keep_in_memory=True, new_fingerprint="of another run"),
    ]
    assert [fingerprint(other) for other in others] == [KNOWN] * len(others)


def test_other_rows_have_another_name():
    others = [
        changed("input_ids", 17, [5]),
        changed("text", 39, "row 40"),
        WHOLE.select(range(len(X) - 1)),
        WHOLE.select([1, 0, *range(2, len(X))]),
        WHOLE.rename_column("text", "words"),
        WHOLE.remove_columns("text"),
        WHOLE.with_transform(lambda rows: rows),
        WHOLE.with_transform(lambda rows: {**rows}),
        WHOLE.cast_column("text", datasets.Value("large_string")),
    ]
    names = [fingerprint(other) for other in others]
    assert len({KNOWN, *names}) == len(names) + 1


def test_what_the_library_calls_alike_is_told_apart():
    # Its own fingerprint names how a dataset was made.
    one, other = (
        data.map(lambda row: row, new_fingerprint="same", keep_in_memory=True)
        for data in (WHOLE, changed("input_ids", 0, [7]))
    )
    assert one._fingerprint == other._fingerprint
    assert fingerprint(one) != fingerprint(other)


def test_a_process_finds_the_name_that_another_has_found(tmp_path):
    WHOLE.save_to_disk(tmp_path / "saved")
    program = (
        "import datasets, sys; from sklearn_debias.content import fingerprint;"
        "print(fingerprint(datasets.load_from_disk(sys.argv[1])))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "saved")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == KNOWN


def test_files_of_images_count_by_name_and_size(tmp_path):
    path = tmp_path / "image.png"
    image = Image.fromarray(np.zeros((8, 8, 3), "uint8"))
    image.save(path)
    column = datasets.Dataset.from_dict({"image": [str(path)]})
    named = column.cast_column("image", datasets.Image())
    inside = datasets.Dataset.from_dict({"image": [image]}, features=named.features)
    before = fingerprint(named), fingerprint(inside)
    assert before[0] != before[1]
    path.write_bytes(path.read_bytes() + b"more")
    assert fingerprint(named) != before[0]
    assert fingerprint(inside) == before[1]


def weights(clf):
    return {name: value.numpy() for name, value in clf.module_.state_dict().items()}


FORMS = {
    "dataset": WHOLE,
    "tensors": WHOLE.with_format("torch"),
    "in a Dataset of torch": Rows(WHOLE.select_columns(["input_ids", "attention_mask"]), y),
    "dicts": X,
    "columns": columns_of(X),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("until", [2, 9])
def test_a_fit_goes_on_bit_for_bit(tmp_path, form, until):
    rows = FORMS[form]
    params = {"validation": 0.2, "monitor": "accuracy"}
    expected = erm(**params).fit(rows, y)
    with Steps(until), pytest.raises(KeyboardInterrupt):
        erm(checkpoint=tmp_path, **params).fit(rows, y)
    model = erm(checkpoint=tmp_path, **params).fit(rows, y)
    for name, value in weights(expected).items():
        np.testing.assert_array_equal(weights(model)[name], value, err_msg=name)
    history = expected.history_.drop(columns="seconds")
    assert model.history_.drop(columns="seconds").equals(history)
    with Steps() as steps:
        erm(checkpoint=tmp_path, **params).fit(rows, y)
    assert steps.taken == 0


def test_a_fit_of_changed_rows_is_refused_by_name(tmp_path):
    labels = datasets.Dataset.from_dict({"label": y.tolist()})["label"]
    given = {"validation_data": (WHOLE.select(range(8)), y[:8])}
    erm(checkpoint=tmp_path / "dataset").fit(WHOLE, labels, **given)
    with pytest.raises(ValueError, match=r"of another fit. What differs: `X`\."):
        erm(checkpoint=tmp_path / "dataset").fit(changed("input_ids", 17, [5]), labels, **given)
    other = changed("input_ids", 3, [5]).select(range(8))
    with pytest.raises(ValueError, match=r"What differs: `validation_data`\."):
        erm(checkpoint=tmp_path / "dataset").fit(WHOLE, labels, validation_data=(other, y[:8]))
    rows = [*X[:17], {**X[17], "input_ids": [7] * len(X[17]["input_ids"])}, *X[18:]]
    for name, known, new in (("rows", X, rows), ("columns", columns_of(X), columns_of(rows))):
        erm(checkpoint=tmp_path / name).fit(known, y)
        with pytest.raises(ValueError, match=r"What differs: `X`\."):
            erm(checkpoint=tmp_path / name).fit(new, y)


@pytest.mark.parametrize("kind", ["numpy", "torch", "arrow", "pandas", "polars"])
def test_every_format_and_a_transform_give_the_same_rows(kind):
    expected = erm().fit(X, y).predict_proba(X)
    rows = WHOLE.with_format(kind)
    np.testing.assert_array_equal(erm().fit(rows, y).predict_proba(rows), expected)


@pytest.mark.parametrize("kind", ["numpy", "pandas"])
def test_a_format_shows_the_columns_it_names(kind):
    typed = WHOLE.map(lambda row: {"token_type_ids": [0] * len(row["input_ids"])})
    shown = typed.with_format(kind, columns=["input_ids", "attention_mask"])
    assert erm().fit(shown, y).input_shape_ == (2, -1)


def test_a_transform_makes_the_rows():
    def tokenised(batch):
        return {name: [X[i][name] for i in batch["number"]] for name in X[0]}

    numbered = datasets.Dataset.from_dict({"number": list(range(len(X)))})
    rows = numbered.with_transform(tokenised)
    held = {"validation": 0.2}
    expected = erm(**held).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(erm(**held).fit(rows, y).predict_proba(rows), expected)


def test_splits_are_refused_by_name():
    with pytest.raises(TypeError, match=r"got the splits \['test'\]\. Pass one .* X\['test'\]"):
        erm().fit(datasets.DatasetDict({"test": WHOLE}), y)


def as_table(rows):
    return pa.table({name: pa.array(values) for name, values in columns_of(rows).items()})


UNPICKABLE = {
    "dataset": (WHOLE, "list(X)"),
    "splits": (datasets.DatasetDict({"test": WHOLE}), "list(X['test'])"),
    "columns": (columns_of(X), "[dict(zip(X, row)) for row in zip(*X.values())]"),
    "table": (as_table(X), "X.to_pylist()"),
}


@pytest.mark.parametrize("form", UNPICKABLE)
def test_searches_say_what_splitters_can_cut(form):
    rows, advice = UNPICKABLE[form]
    kind = type(rows).__name__
    search = BatchedGridSearchCV(erm(), {"lr": [0.01, 0.1]}, cv=2)
    message = f"must be 2-D to train a stack of candidates, got a {kind}.*{re.escape(advice)}"
    with pytest.raises(NotStackableError, match=message):
        search.fit(rows, y)
    listed = eval(advice, {"X": rows})
    assert [row["input_ids"] for row in listed] == [row["input_ids"] for row in X]
    # The answer works, and the guide quotes what scikit-learn says without it.
    GridSearchCV(erm(max_epochs=1), {"lr": [0.01]}, cv=2, error_score="raise").fit(listed, y)


def test_the_guide_quotes_scikit_learn():
    page = Path(__file__).parents[2] / "docs" / "guide" / "text.md"
    with pytest.raises(TypeError) as error:
        GridSearchCV(erm(), {"lr": [0.01]}, cv=2, error_score="raise").fit(WHOLE, y)
    assert f"`TypeError: {error.value}`" in page.read_text(encoding="utf-8")


def test_what_pyarrow_holds_is_known_again(tmp_path):
    labels = pa.array(y)
    columns = {name: pa.array(values) for name, values in columns_of(X).items()}
    erm(checkpoint=tmp_path).fit(columns, labels)
    with Steps() as steps:
        erm(checkpoint=tmp_path).fit({**columns}, pa.array(y.tolist()))
    assert steps.taken == 0
    with pytest.raises(ValueError, match="What differs: `y`"):
        erm(checkpoint=tmp_path).fit(columns, pa.array(1 - y))
    table = pa.table(columns)
    erm(checkpoint=tmp_path / "table").fit(table, labels)
    with Steps() as steps:
        erm(checkpoint=tmp_path / "table").fit(pa.concat_tables([table[:9], table[9:]]), labels)
    assert steps.taken == 0
    with pytest.raises(ValueError, match="What differs: `X`"):
        erm(checkpoint=tmp_path / "table").fit(table.take([1, 0, *range(2, len(y))]), labels)


def test_rows_of_several_keys_or_lengths_are_told_apart():
    base = describe_rows("X", [{"input_ids": [1, 2]}, {"input_ids": [3]}])
    others = [
        [{"input_ids": [1]}, {"input_ids": [2, 3]}],
        [{"input_ids": [1, 2]}, {"input_ids": [3], "attention_mask": [1]}],
        [{"input_ids": [1, 2]}, {"ids": [3]}],
        [{"input_ids": [1.0, 2.0]}, {"input_ids": [3.0]}],
        [{"input_ids": [1, 2]}, {"input_ids": "3"}],
    ]
    assert base[0] not in {describe_rows("X", rows)[0] for rows in others}


def test_cached_embeddings_of_a_dataset_are_found_again(tmp_path):
    embedder = Embedder(bag(), cache_dir=tmp_path).fit(WHOLE)
    first = embedder.transform(WHOLE)
    files = sorted(tmp_path.rglob("*.npy"))
    again = Embedder(bag(), cache_dir=tmp_path).fit(X).transform(WHOLE.with_format("numpy"))
    np.testing.assert_array_equal(again, first)
    assert sorted(tmp_path.rglob("*.npy")) == files  # nothing was computed and written anew
