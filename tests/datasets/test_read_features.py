"""Embeddings in the files of XRM and DPE, in npz and in parquet."""

import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_debias.datasets import read_features

rng = np.random.default_rng(0)
N, D = 12, 5
X = rng.standard_normal((N, D)).astype(np.float16)
Y = np.arange(N) % 2
A = np.arange(N) // 2 % 2
SPLIT = np.repeat([0, 1, 2], [6, 3, 3])
NAMES = {0: "train", 1: "validation", 2: "test"}


def frame():
    names = [f"{i}.jpg" for i in range(N)]
    return pd.DataFrame({"id": range(N), "filename": names, "split": SPLIT, "y": Y, "a": A})


def write_pt(folder, **changed):
    parts = {}
    for key, code in (("tr", 0), ("va", 1), ("te", 2)):
        own = code == SPLIT
        arrays = {"x": X[own], "y": Y[own, None], "m": A[own, None]}  # as XRM's script does
        parts[key] = {name: torch.from_numpy(values) for name, values in arrays.items()}
    parts["va"].update(changed)
    torch.save(parts, folder / "features.pt")


def write_npy(folder, parts=(0, 1, 2)):
    order = rng.permutation(N)  # splits are not side by side in a table
    frame().iloc[order].to_csv(folder / "metadata.csv", index=False)
    for code, name in enumerate(("train", "val", "test")):
        if code in parts:
            np.save(folder / f"feats_{name}.npy", X[order][SPLIT[order] == code])


def write_npz(folder, name="birds.npz", **changed):
    np.savez(folder / name, **{"x": X, "y": Y, "a": A, "split": SPLIT, **changed})


def write_parquet(folder, **changed):
    pytest.importorskip("pyarrow")
    features = pd.DataFrame(X.astype(np.float32), columns=[f"f{i}" for i in range(D)])
    table = pd.concat([frame(), features], axis=1).assign(**changed)
    table.to_parquet(folder / "birds.parquet")


WRITERS = {"pt": write_pt, "npy": write_npy, "npz": write_npz, "parquet": write_parquet}


@pytest.mark.parametrize("kind", WRITERS)
def test_each_kind_of_file_gives_the_same_sets(tmp_path, kind):
    WRITERS[kind](tmp_path)
    sets = read_features(tmp_path)
    for code, name in NAMES.items():
        part = sets[name]
        # Rows of DPE's table are in another order: a row is known by its features.
        rows = [int(np.flatnonzero((x.astype(np.float16) == X).all(axis=1))[0]) for x in part.data]
        assert sorted(rows) == np.flatnonzero(code == SPLIT).tolist()
        np.testing.assert_array_equal(part.target, Y[rows])
        np.testing.assert_array_equal(part.bias_labels, A[rows])
        assert part.data.dtype == (np.float32 if kind == "parquet" else np.float16)
        assert part.target.dtype == part.bias_labels.dtype == np.int64
        assert (part.metadata["split"] == name).all()
        if kind in ("npy", "parquet"):
            assert part.metadata["filename"].tolist() == [f"{i}.jpg" for i in rows]
    np.testing.assert_array_equal(sets.target_names, ["0", "1"])
    np.testing.assert_array_equal(sets.bias_names, ["0", "1"])
    assert "12 rows of features" in sets.DESCR


def test_labels_of_torch_may_be_columns_or_not(tmp_path):
    write_pt(tmp_path)
    columns = read_features(tmp_path)
    parts = torch.load(tmp_path / "features.pt")
    assert parts["tr"]["y"].shape == (6, 1)
    for part in parts.values():
        part.update({name: part[name].squeeze(1) for name in ("y", "m")})
    torch.save(parts, tmp_path / "features.pt")
    assert read_features(tmp_path).fingerprint == columns.fingerprint


def test_index_is_the_row_of_the_file(tmp_path):
    for kind in ("pt", "npy", "npz"):
        folder = tmp_path / kind
        folder.mkdir()
        WRITERS[kind](folder, *([(1, 2)] if kind == "npy" else []))
        test = read_features(folder).test
        if kind == "npy":
            table = pd.read_csv(folder / "metadata.csv")
            np.testing.assert_array_equal(table["y"][test.index], test.target)
            assert table["filename"][test.index].tolist() == test.metadata["filename"].tolist()
        else:
            first = 0 if kind == "pt" else 9
            np.testing.assert_array_equal(test.index, np.arange(first, first + 3))


def test_npy_files_are_mapped_and_a_split_may_be_missing(tmp_path):
    write_npy(tmp_path, parts=(1, 2))
    sets = read_features(tmp_path)
    assert "train" not in sets
    assert isinstance(sets.validation.data, np.memmap)
    assert not sets.validation.data.flags.writeable


def test_tensors_are_mapped(tmp_path):
    """A file that is larger than what a reading takes."""
    big = torch.zeros(2000, 1000)
    labels = torch.zeros(2000, dtype=torch.int64)
    torch.save({"tr": {"x": big, "y": labels, "m": labels}}, tmp_path / "features.pt")
    data = read_features(tmp_path).train.data
    assert data.shape == (2000, 1000)
    assert not data.flags.owndata
    data[0, 0] = 1  # a private copy of the page, and no file that has changed
    assert read_features(tmp_path).train.data[0, 0] == 0


def test_files_of_torch_in_other_forms(tmp_path):
    """The old format, which cannot be mapped; arrays of NumPy; bfloat16."""
    x = torch.from_numpy(X.astype(np.float32))
    part = {"x": x.bfloat16(), "y": Y, "m": A.tolist()}
    torch.save({"tr": part}, tmp_path / "features.pt", _use_new_zipfile_serialization=False)
    train = read_features(tmp_path).train
    np.testing.assert_array_equal(train.data, x.bfloat16().float().numpy())
    np.testing.assert_array_equal(train.target, Y)
    np.testing.assert_array_equal(train.bias_labels, A)


@pytest.mark.parametrize(
    "listed",
    [
        tuple,
        lambda values: [torch.tensor(value) for value in values],
        lambda values: [(value,) for value in values],
    ],
    ids=["tuple", "0-d tensors", "rows"],
)
def test_labels_of_torch_may_be_lists(tmp_path, listed):
    own = SPLIT == 1
    write_pt(tmp_path, y=listed(Y[own].tolist()), m=listed(A[own].tolist()))
    validation = read_features(tmp_path).validation
    np.testing.assert_array_equal(validation.target, Y[own])
    np.testing.assert_array_equal(validation.bias_labels, A[own])


@pytest.mark.parametrize(
    "x",
    [
        list(torch.arange(15.0).reshape(3, 5)),
        tuple(torch.arange(15.0).reshape(3, 5).bfloat16()),
        torch.arange(15.0).reshape(3, 5).tolist(),
    ],
    ids=["tensors", "bfloat16", "numbers"],
)
def test_features_of_torch_may_be_lists_of_rows(tmp_path, x):
    write_pt(tmp_path, x=x)
    data = read_features(tmp_path).validation.data
    np.testing.assert_array_equal(data, np.arange(15.0).reshape(3, 5))


LONG_TENSOR, LONG_LIST = torch.zeros(10_000), [0.0] * 10_000


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([torch.zeros(5), [0.0] * 5], "found a list of 'Tensor', 'list'"),
        ([[[0.0]] * 5] * 3, "found a list that holds a list of 'list'"),
        ([[torch.zeros(())]] * 3, "found a list that holds a list of 'Tensor'"),
        ([[0.0], [0.0, 1.0]], "must hold lists of one length; found 1, 2"),
        ([torch.zeros(5), torch.zeros(4)], r"must hold tensors of one shape; found \(4,\), \(5,\)"),
        ({}, "found a dict"),
        ([LONG_TENSOR] * 10_000, "must hold each row once; its rows would take 400,000,000 bytes"),
        ([LONG_LIST] * 10_000, "must hold each row once; its rows would take 800,000,000 bytes"),
    ],
)
def test_other_lists_of_torch(tmp_path, x, message):
    write_pt(tmp_path, x=x)
    with pytest.raises(ValueError, match=message) as error:
        read_features(tmp_path)
    assert "features.pt, validation, 'x'" in str(error.value)


def test_two_names_for_one_thing_in_two_splits_of_torch(tmp_path):
    write_pt(tmp_path, y=["cat", "dog", "cat"])
    parts = torch.load(tmp_path / "features.pt")
    for key, word in (("tr", "cat"), ("te", "Cat")):
        parts[key]["y"] = [word if value else "dog" for value in parts[key]["y"]]
    torch.save(parts, tmp_path / "features.pt")
    with pytest.raises(ValueError, match="'y' must not hold two names .* 'Cat' and 'cat'"):
        read_features(tmp_path)


@pytest.mark.parametrize("name", ["y", "a", "split"])
def test_a_missing_label_among_words_is_none(tmp_path, name):
    write_npz(tmp_path, **{name: np.array(["train", "NA", "", "test"] * 3)})
    with pytest.raises(ValueError, match="; 6 have none"):
        read_features(tmp_path)


def test_splits_may_be_words_and_lie_anywhere(tmp_path):
    mixed = np.array(["val", "train", "test"] * 4)
    write_npz(tmp_path, split=mixed)
    for words in (mixed, mixed.astype("S5")):
        write_npz(tmp_path, split=words)
        sets = read_features(tmp_path)
        np.testing.assert_array_equal(sets.train.data, X[1::3])
        np.testing.assert_array_equal(sets.validation.index, [0, 3, 6, 9])


def test_columns_of_another_name_and_no_bias_values(tmp_path):
    np.savez(tmp_path / "a.npz", embeddings=X, y=Y, fold=SPLIT)
    sets = read_features(tmp_path, columns={"x": "embeddings", "split": "fold", "a": None})
    assert "bias_labels" not in sets.train
    assert "bias_names" not in sets
    write_npy(tmp_path)
    (tmp_path / "a.npz").unlink()
    assert "bias_labels" not in read_features(tmp_path, columns={"a": None}).train


def test_the_file_itself_and_a_table_elsewhere(tmp_path):
    write_npz(tmp_path)
    assert read_features(tmp_path / "birds.npz").test.data.shape == (3, D)
    write_npy(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    shutil.move(tmp_path / "metadata.csv", data / "metadata.csv")
    sets = read_features(tmp_path, file="feats_val.npy", csv=data / "metadata.csv")
    assert sets.test.data.shape == (3, D)


def test_the_fingerprint_tells_features_and_labels_apart(tmp_path):
    found = set()
    for changed in ({}, {"y": 1 - Y}, {"x": X * 2}, {"x": X.astype(np.float32)}):
        write_npz(tmp_path, **changed)
        found.add(read_features(tmp_path).fingerprint)
    assert len(found) == 4
    write_npz(tmp_path)
    assert read_features(tmp_path).fingerprint in found


def test_identifiers_and_text_are_no_features(tmp_path):
    write_parquet(tmp_path, hospital="north", is_new=True)
    train = read_features(tmp_path).train
    assert train.data.shape == (6, D)
    assert {"hospital", "is_new", "id"} <= set(train.metadata)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": X[:, :, None]}, r"must be floats of shape \(n, d\).*found float16 \(12, 5, 1\)"),
        ({"x": X.astype(int)}, "must be floats.*found int64"),
        ({"x": X[:, :0]}, "must be floats of shape"),
        ({"x": X[1:]}, r"'split' must have one value for each row.*\(11, 5\).*\(12,\)"),
        ({"y": Y[1:]}, r"'y' must have one value for each row.*found the shape \(11,\)"),
        ({"a": np.eye(N)}, r"'a' must have one value for each row.*found the shape \(12, 12\)"),
        ({"y": Y + 0.5}, "'y' must hold whole numbers or text"),
        ({"split": SPLIT + 7}, "the splits must be 0"),
        ({"x": np.where(X[3, 2] == X, np.nan, X)}, "must be finite; row 3 holds NaN"),
        ({"x": np.where(X[3, 2] == X, np.inf, X)}, r"row 3 holds.*float16 ends at 65,504"),
        ({"x": X.astype(object)}, "must be an npz file with x, y, a, split"),
    ],
)
def test_wrong_arrays(tmp_path, changed, message):
    write_npz(tmp_path, **changed)
    with pytest.raises(ValueError, match=message) as error:
        read_features(tmp_path)
    assert "birds.npz" in str(error.value)


def test_not_looking_for_nan(tmp_path):
    write_npz(tmp_path, x=np.full_like(X, np.nan))
    assert np.isnan(read_features(tmp_path, check_finite=False).train.data).all()


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": torch.zeros(2)}, r"'y' must have one value for each row.*\(3, 5\).*\(2,\)"),
        ({"x": torch.zeros(3)}, r"validation must be floats of shape \(n, d\)"),
        ({"x": torch.zeros(3, 5).to_sparse()}, "must be a dense tensor"),
        ({"x": torch.full((3, 5), torch.nan)}, "row 0 holds NaN"),
    ],
)
def test_wrong_tensors(tmp_path, changed, message):
    write_pt(tmp_path, **changed)
    with pytest.raises(ValueError, match=message) as error:
        read_features(tmp_path)
    assert "features.pt" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "must hold a dict, found a list"),
        ({}, "it is empty"),
        ({"tr": [1]}, "must hold a dict for each of 'tr'"),
        ({"head": {"x": 1}}, "the splits must be"),
        ({"tr": {"x": torch.zeros(1, 1), "y": torch.zeros(1)}}, "has no 'm', only 'x', 'y'"),
        ({"va": {}, "val": {}}, "'val' is another 'validation'"),
    ],
)
def test_other_files_of_torch(tmp_path, content, message):
    write_pt(tmp_path)
    if "another" in message:
        part = torch.load(tmp_path / "features.pt")["va"]
        content = dict.fromkeys(content, part)
    torch.save(content, tmp_path / "features.pt")
    with pytest.raises(ValueError, match=message):
        read_features(tmp_path)


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_a_file_of_torch_is_not_run(tmp_path, monkeypatch, is_zip):
    monkeypatch.chdir(tmp_path)
    content = {"tr": {"x": Hostile(), "y": 0, "m": 0}}
    torch.save(content, tmp_path / "features.pt", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ValueError, match="features.pt must be a whole file of torch.save"):
        read_features(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", WRITERS)
def test_files_that_are_cut_off(tmp_path, kind):
    WRITERS[kind](tmp_path)
    path = sorted(tmp_path.glob("[bf]*"))[0]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=path.name):
        read_features(tmp_path)


def test_objects_in_npy_files_are_not_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_npy(tmp_path)
    np.save(tmp_path / "feats_val.npy", np.array([[Hostile()]] * 3, dtype=object))
    with pytest.raises(ValueError, match="feats_val.npy must be a whole npy file of numbers"):
        read_features(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_table_of_another_length(tmp_path):
    write_npy(tmp_path)
    np.save(tmp_path / "feats_val.npy", X[:2])
    with pytest.raises(ValueError, match="'validation'.*it has 2, the table 3"):
        read_features(tmp_path)


def test_missing_and_several_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="`folder` must name what exists"):
        read_features(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"none of features\.pt.*XRM's scripts write"):
        read_features(tmp_path)
    write_npy(tmp_path)
    write_npz(tmp_path)
    with pytest.raises(ValueError, match=r"2 files to choose from: 'feats_train\.npy', 'birds"):
        read_features(tmp_path)
    assert read_features(tmp_path, file="birds.npz").test.data.shape == (3, D)
    with pytest.raises(FileNotFoundError, match="`file` must name a file in"):
        read_features(tmp_path, file="other.npz")
    with pytest.raises(ValueError, match=r"must end in \.pt.*got 'metadata\.csv'"):
        read_features(tmp_path, file="metadata.csv")
    (tmp_path / "metadata.csv").unlink()
    with pytest.raises(FileNotFoundError, match="has no metadata"):
        read_features(tmp_path, file="feats_val.npy")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"z": "x"}, "`columns` must be a mapping of 'x', 'y', 'a', 'split'"),
        (["x"], "`columns` must be a mapping"),
        ({"y": None}, "`columns` may be None for 'a' only"),
        ({"x": "embeddings"}, "it has no embeddings, only"),
    ],
)
def test_wrong_columns(tmp_path, columns, message):
    write_npz(tmp_path)
    with pytest.raises(ValueError, match=message):
        read_features(tmp_path, columns=columns)


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "birds.parquet").write_bytes(b"PAR1")
    for name in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="birds.parquet is a parquet file.*pip install pyarrow"):
        read_features(tmp_path)


def test_parquet_without_numbers(tmp_path):
    pytest.importorskip("pyarrow")
    frame().to_parquet(tmp_path / "birds.parquet")
    with pytest.raises(ValueError, match="must have columns of numbers or of their lists"):
        read_features(tmp_path)


def as_columns(values):
    """Return labels (n, 1), as XRM's script keeps them."""
    return torch.as_tensor(values).view(-1, 1)


def test_labels_may_be_columns(tmp_path):
    parts = {"tr": (0, 6), "va": (6, 9), "te": (9, 12)}
    torch.save(
        {
            key: {"x": torch.from_numpy(X[a:b]), "y": as_columns(Y[a:b]), "m": as_columns(A[a:b])}
            for key, (a, b) in parts.items()
        },
        tmp_path / "features.pt",
    )
    sets = read_features(tmp_path)
    np.testing.assert_array_equal(sets.train.target, Y[:6])
    np.testing.assert_array_equal(sets.test.bias_labels, A[9:])
    write_npz(tmp_path, y=Y[:, None], a=A[:, None], split=SPLIT[:, None])
    train = read_features(tmp_path, file="birds.npz").train
    np.testing.assert_array_equal(train.target, Y[:6])


def with_lists(kind=np.float32, **changed):
    pytest.importorskip("pyarrow")
    lists = list(np.arange(N * 3).reshape(N, 3).astype(kind))
    return frame().drop(columns="id").assign(embedding=lists, **changed)


def test_a_column_of_lists_is_the_features(tmp_path):
    """Numbers beside it are none, whatever they are called."""
    table = with_lists(image_id=range(N), age=range(N), score=0.5)
    table.to_parquet(tmp_path / "birds.parquet")
    sets = read_features(tmp_path)
    np.testing.assert_array_equal(sets.train.data, np.arange(18).reshape(6, 3))
    assert sets.train.data.dtype == np.float32
    assert {"image_id", "age", "score"} <= set(sets.train.metadata)
    assert "Features: 3 numbers, from 'embedding'." in sets.DESCR


def test_lists_of_whole_numbers_and_of_a_fixed_size(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.Table.from_pandas(with_lists(np.int64))
    place = table.schema.get_field_index("embedding")
    fixed = table["embedding"].cast(pyarrow.list_(pyarrow.int64(), 3))
    parquet.write_table(table.set_column(place, "e", fixed), tmp_path / "birds.parquet")
    data = read_features(tmp_path).train.data
    np.testing.assert_array_equal(data, np.arange(18).reshape(6, 3))
    assert data.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "columns", "message"),
    [
        (lambda t: t.assign(other=t["embedding"]), None, "2 columns of lists.*'other'. Name the"),
        (
            lambda t: t.assign(embedding=[[1.0], *[[1.0, 2.0]] * (N - 1)]),
            None,
            "must have one length; row 0 has 1, row 1 2",
        ),
        (lambda t: t, {"x": "f"}, "no column of numbers or of their lists that is called 'f'"),
    ],
)
def test_wrong_lists(tmp_path, change, columns, message):
    change(with_lists()).to_parquet(tmp_path / "birds.parquet")
    with pytest.raises(ValueError, match=message):
        read_features(tmp_path, columns=columns)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([1, 2, 3, 4], "lists 'box' of 4 whole numbers beside 5 columns of floats"),
        ([0.1, 0.2, 0.3, 0.4], "lists 'box' of 4 floats beside 5 columns of floats"),
        ([0.1] * 5, "lists 'box' of 5 floats beside 5 columns of floats"),
    ],
)
def test_lists_beside_features_are_refused(tmp_path, box, message):
    write_parquet(tmp_path, box=[box] * N)
    with pytest.raises(ValueError, match=rf"{message}.*columns=..x"):
        read_features(tmp_path)
    data = read_features(tmp_path, columns={"x": "f"}).train.data
    np.testing.assert_array_equal(data, X[:6].astype(np.float32))
    assert read_features(tmp_path, columns={"x": "box"}).train.data.shape == (6, len(box))


def test_features_by_the_beginning_of_their_names(tmp_path):
    write_parquet(tmp_path, age=range(N), label=Y)
    sets = read_features(tmp_path, columns={"x": "f"})
    np.testing.assert_array_equal(sets.train.data, X[:6].astype(np.float32))
    assert "5 numbers, from 'f0', 'f1', 'f2' and 2 more" in sets.DESCR
    assert read_features(tmp_path, columns={"x": "f0"}).train.data.shape == (6, 1)


@pytest.mark.parametrize("name", ["age", "label", "place"])
def test_whole_numbers_beside_floats_are_refused(tmp_path, name):
    write_parquet(tmp_path, **{name: np.arange(N)})
    with pytest.raises(ValueError, match=rf"whole numbers '{name}' beside .*columns=..x"):
        read_features(tmp_path)


@pytest.mark.parametrize("name", ["Unnamed: 0", "img_id", "image_id", "row", "Index"])
def test_numbers_of_rows_are_no_features(tmp_path, name):
    write_parquet(tmp_path, **{name: np.arange(N)})
    assert read_features(tmp_path).train.data.shape == (6, D)


def repeat(folder, times):
    """Write the rows of a parquet file more than once."""
    table = pd.read_parquet(folder / "birds.parquet")
    pd.concat([table] * times).to_parquet(folder / "birds.parquet", index=False)


def test_few_rows_agree_with_a_feature_by_chance(tmp_path):
    write_parquet(tmp_path, unit=Y.astype(float))
    assert read_features(tmp_path).train.data.shape == (6, D + 1)


@pytest.mark.parametrize("copy", [Y.astype(float), 1 - 2.0 * Y, Y * 1e-3])
def test_the_class_is_no_feature(tmp_path, copy):
    write_parquet(tmp_path, target=copy)
    repeat(tmp_path, 3)
    with pytest.raises(ValueError, match="each class has one value of its own in 'target'"):
        read_features(tmp_path)
    # Nor is it in place of all others.
    write_parquet(tmp_path, constant=0.0)  # of a dead unit
    assert read_features(tmp_path).train.data.shape == (6, D + 1)
    frame().assign(target=Y).to_parquet(tmp_path / "birds.parquet")
    repeat(tmp_path, 3)
    with pytest.raises(ValueError, match="each class has one value of its own in 'target'"):
        read_features(tmp_path)


def test_splits_that_are_true_and_false(tmp_path):
    write_npz(tmp_path, split=SPLIT == 0)
    with pytest.raises(ValueError, match="found True, False, which do not say which split"):
        read_features(tmp_path)


def test_names_of_files_stay_text(tmp_path):
    write_npy(tmp_path)
    table = pd.read_csv(tmp_path / "metadata.csv").drop(columns="id")
    table["filename"] = [f"{i:03d}" for i in range(N)]
    table.to_csv(tmp_path / "metadata.csv", index=False)
    files = read_features(tmp_path).test.metadata["file"].tolist()
    assert all(len(name) == 3 for name in files)
