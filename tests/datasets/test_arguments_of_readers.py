"""Arguments of another type are named, before any file is looked at."""

import numpy as np
import pytest

from sklearn_debias import datasets


@pytest.mark.parametrize(
    ("reader", "parameter", "wrong"),
    [
        ("read_metadata_csv", "csv", 3),
        ("read_metadata_csv", "strip", None),
        ("read_metadata_csv", "check_counts", "no"),
        ("read_group_folders", "check_counts", 2.5),
        ("read_features", "file", ["x.npz"]),
        ("read_features", "csv", 3),
        ("read_features", "check_finite", None),
        ("read_long_tail", "strip", b"images/"),
        ("read_long_tail", "check_files", np.ones(3)),
        ("read_long_tail", "check_counts", np.nan),
        ("read_cifar", "check_counts", "yes"),
        ("read_cifar_c", "check_counts", None),
    ],
)
def test_an_argument_of_another_type_is_named(reader, parameter, wrong):
    with pytest.raises(ValueError, match=f"`{parameter}` must be "):
        getattr(datasets, reader)("/nowhere", **{parameter: wrong})


@pytest.mark.parametrize("columns", [{"y": 3}, {"y": None}, {"b": "a"}, "y", 3])
@pytest.mark.parametrize("reader", ["read_metadata_csv", "read_features"])
def test_columns_are_named(reader, columns, tmp_path):
    (tmp_path / "metadata.csv").write_text("filename,y,a,split\n")
    np.savez(tmp_path / "x.npz", x=np.eye(2), y=[0, 1], a=[0, 1], split=[0, 0])
    with pytest.raises(ValueError, match="`columns` m"):
        getattr(datasets, reader)(tmp_path, columns=columns)


@pytest.mark.parametrize("corruptions", [3, True, [1], np.array("fog"), {"fog": 1}])
def test_corruptions_are_named(corruptions, tmp_path):
    np.save(tmp_path / "labels.npy", np.zeros(10, dtype=int))
    with pytest.raises(ValueError, match="`corruptions` must be a sequence"):
        datasets.read_cifar_c(tmp_path, corruptions=corruptions)


def test_a_transformer_must_be_fitted():
    sets = datasets.make_spurious_embeddings(random_state=0)

    class Half:
        def transform(self, X):
            return X

    with pytest.raises(TypeError, match="`embedder` must be a transformer"):
        datasets.prepare_embeddings(sets, Half())
