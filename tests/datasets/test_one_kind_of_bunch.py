"""All readers return one kind of Bunch, but for those that both pages name."""

from pathlib import Path

import numpy as np
import pytest
from grown import grow
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch

from sklearn_debias import datasets
from sklearn_debias.datasets._bar_protocol import ACTIONS

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
N = 12
WITHOUT_BIAS = {"read_cifar", "read_long_tail", "read_mnist"}
SETS = ("train", "validation", "test")


def metadata_csv(folder):
    lines = [f"{i}.jpg,{i % 3},{i % 2},{i // 2 % 2}" for i in range(N)]
    (folder / "metadata.csv").write_text("\n".join(["filename,split,y,a", *lines]))
    grow(folder, {".": [f"{i}.jpg" for i in range(N)]})
    return datasets.read_metadata_csv(folder)


def group_folders(folder):
    grow(folder, {f"{split}/{y}/{a}": 2 for split in ("train", "test") for y in "cd" for a in "io"})
    return datasets.read_group_folders(folder)


def features(folder):
    i = np.arange(N)
    np.savez(folder / "x.npz", x=np.eye(N), y=i % 2, a=i // 2 % 2, split=i % 3)
    return datasets.read_features(folder)


def bar(folder):
    i = np.arange(N)
    labels = {"y": i % 6, "split": i % 2, "classes": np.array(ACTIONS), "names": i.astype("S2")}
    np.savez(folder / "pack.npz", x=np.eye(N), **labels)
    return datasets.read_bar(folder / "pack.npz", check_counts=False)


def long_tail(folder):
    for split in ("train", "val"):
        (folder / f"{split}.txt").write_text(
            "\n".join(f"{split}/{i}.jpg {i % 3}" for i in range(N))
        )
    return datasets.read_long_tail(folder, check_files=False)


def cifar(folder):
    record = bytes(1 + 3072)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (folder / f"{name}.bin").write_bytes(record * 2)
    return datasets.read_cifar(folder, check_counts=False)


def mnist(folder):
    x, y = np.zeros((N, 4, 4), dtype=np.uint8), np.arange(N, dtype=np.uint8) % 10
    path = folder / "mnist.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    return datasets.read_mnist(path)


READERS = {
    "read_metadata_csv": metadata_csv,
    "read_group_folders": group_folders,
    "read_features": features,
    "read_bar": bar,
    "read_long_tail": long_tail,
    "read_cifar": cifar,
    "read_mnist": mnist,
}


def cifar_c(folder):
    np.save(folder / "labels.npy", np.zeros(10, dtype=int))
    np.save(folder / "fog.npy", np.zeros((10, 32, 32, 3), dtype=np.uint8))
    return datasets.read_cifar_c(folder, check_counts=False)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_returns_sets_with_data_target_and_the_rest(tmp_path, name):
    found = READERS[name](tmp_path)
    sets = {key: part for key, part in found.items() if isinstance(part, Bunch)}
    assert "train" in sets
    assert set(sets) <= set(SETS)
    bias = set() if name in WITHOUT_BIAS else {"bias_labels"}
    for part in sets.values():
        expected = {"data", "target"} | bias
        if name != "read_mnist":
            expected |= {"metadata", "index"}
            assert len(part.metadata) == len(part.index) == len(part.target)
            assert {"file", "split", "y"} <= set(part.metadata)
        assert expected <= set(part)
        assert ("bias_labels" in part) == bool(bias)
        assert len(part.data) == len(part.target)
    beside = {"target_names", "DESCR"} | ({"bias_names"} if bias else set())
    beside |= set() if name == "read_mnist" else {"fingerprint"}
    assert beside <= set(found)
    assert ("bias_names" in found) == bool(bias)


def test_the_corrupted_sets_of_cifar_are_of_another_kind(tmp_path):
    found = cifar_c(tmp_path)
    assert not any(isinstance(part, Bunch) for part in found.values())
    assert found.images["fog", 5].shape == (2, 3, 32, 32)
    assert len(found.target) == 2


def test_every_reader_is_looked_at_here():
    assert {name for name in datasets.__all__ if name.startswith("read_")} == {
        *READERS,
        "read_cifar_c",
    }


@pytest.mark.parametrize("page", ["design/readers.md", "guide/real_data.md"])
def test_both_pages_name_those_that_differ(page):
    text = (DOCS / page).read_text(encoding="utf-8").partition("\n## ")[0]
    said = text.partition("differ")[2].partition("\n\n")[0]
    assert {name for name in datasets.__all__ if f"`{name}`" in said} == {
        *WITHOUT_BIAS,
        "read_cifar_c",
    }


@pytest.mark.parametrize("name", READERS)
def test_what_each_reader_gives_is_embedded(tmp_path, name):
    sets = READERS[name](tmp_path)
    numbers = FunctionTransformer(lambda rows: np.ones((len(rows), 2)))
    prepared = datasets.prepare_embeddings(sets, numbers)
    assert prepared.train.data.shape == (len(sets.train.target), 2)


def test_corrupted_images_are_embedded_by_the_embedder_of_their_set(tmp_path):
    with pytest.raises(ValueError, match=r"`read_cifar_c` has images alone\. Embed them by"):
        datasets.prepare_embeddings(cifar_c(tmp_path), PCA(2))
