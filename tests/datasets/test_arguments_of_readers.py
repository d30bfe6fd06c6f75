"""Arguments of another type are named, before any file is looked at."""

import numpy as np
import pytest
from grown import grow

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
        ("read_bar", "check_counts", "yes"),
        ("read_metadata_csv", "check_files", None),
        ("read_metadata_csv", "root", 5),
        ("read_long_tail", "root", 5),
        ("read_group_folders", "random_state", "nonsense"),
        ("read_group_folders", "random_state", -1),
        ("read_group_folders", "random_state", 0.5),
    ],
)
def test_an_argument_of_another_type_is_named(reader, parameter, wrong):
    with pytest.raises(ValueError, match=f"`{parameter}` must be "):
        getattr(datasets, reader)("/nowhere", **{parameter: wrong})


READERS = [name for name in datasets.__all__ if name.startswith("read_")]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("wrong", [5, None, ["/nowhere"], b"/nowhere"])
def test_a_folder_that_is_no_path_is_named(reader, wrong):
    with pytest.raises(ValueError, match="`folder` must be a str or a path, got "):
        getattr(datasets, reader)(wrong)


def test_a_generator_of_random_numbers_is_not_moved_where_nothing_is_drawn(tmp_path):
    grow(tmp_path, {"cat/in": 1, "cat/out": 1})
    for rng in (np.random.default_rng(0), np.random.RandomState(0)):
        datasets.read_group_folders(tmp_path, random_state=rng)
        same = type(rng)(0) if isinstance(rng, np.random.RandomState) else np.random.default_rng(0)
        assert rng.uniform() == same.uniform()


@pytest.mark.parametrize("name", ["x.npz", "features.pt", "x.parquet"])
def test_a_table_belongs_to_features_without_labels(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"`csv` belongs to feats_train\.npy.* Leave it out"):
        datasets.read_features(tmp_path, csv="none.csv")


@pytest.mark.parametrize("layout", ["civilcomments", "multinli"])
@pytest.mark.parametrize("given", [{"root": "."}, {"strip": "zzz"}])
def test_text_has_no_folder_of_images(layout, given):
    (name,) = given
    with pytest.raises(ValueError, match=f"`{name}` belongs to sets of images, got "):
        datasets.read_metadata_csv("/nowhere", layout, **given)


def test_labels_are_read_without_their_images(tmp_path):
    lines = "filename,split,y,a", "/old/a.jpg,0,1,0", "/old/b.jpg,2,0,1"
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    with pytest.raises(FileNotFoundError, match="2 of which are not in"):
        datasets.read_metadata_csv(tmp_path, strip="/old/")
    found = datasets.read_metadata_csv(tmp_path, strip="/old/", check_files=False)
    assert found.train.data.tolist() == [str(tmp_path / "a.jpg")]
    assert found.test.bias_labels.tolist() == [1]
    # Names are looked at in any case.
    with pytest.raises(ValueError, match="paths within its folder"):
        datasets.read_metadata_csv(tmp_path, check_files=False)


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
