"""What the system does not let us read is named, with what to do."""

import os

import numpy as np
import pytest

from sklearn_debias.datasets import (
    read_cifar,
    read_features,
    read_group_folders,
    read_long_tail,
    read_metadata_csv,
)


@pytest.fixture
def folder(tmp_path):
    for name in ("train/cat/in/0.jpg", "train/dog/in/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"an image")
    lines = ["filename,split,y,a", "train/cat/in/0.jpg,0,0,0", "train/dog/in/1.jpg,0,1,0"]
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    (tmp_path / "pets_train.txt").write_text("train/cat/in/0.jpg 0\n")
    np.savez(tmp_path / "x.npz", x=np.eye(2), y=[0, 1], a=[0, 1], split=[0, 0])
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        (tmp_path / name).write_bytes(bytes(3073))
    return tmp_path


def forbid(monkeypatch, part):
    """Let nobody read what has a name: root, who may run tests, reads all."""
    for module, name in (("builtins", "open"), ("io", "open"), ("os", "scandir")):
        real = getattr(__import__(module), name)

        def refuse(path, *args, real=real, **params):
            if part in str(path):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *args, **params)

        monkeypatch.setattr(f"{module}.{name}", refuse)
    real_fromfile = np.fromfile

    def fromfile(path, *args, **params):
        with open(path, "rb"):
            return real_fromfile(path, *args, **params)

    monkeypatch.setattr("numpy.fromfile", fromfile)


@pytest.mark.parametrize(
    ("read", "part"),
    [
        (read_group_folders, "train/dog"),
        (read_metadata_csv, "train/dog"),
        (read_metadata_csv, "metadata.csv"),
        (read_long_tail, "train/cat"),
        (read_long_tail, "pets_train.txt"),
        (read_cifar, "data_batch_3.bin"),
    ],
)
def test_what_is_unreadable_is_named(folder, monkeypatch, read, part):
    forbid(monkeypatch, part)
    with pytest.raises(ValueError, match=f"{part}.* must be readable: Permission denied. Give y"):
        read(folder)


@pytest.mark.parametrize("name", ["x.npz", "features.pt"])
def test_an_unreadable_file_of_features_is_named(folder, monkeypatch, name):
    (folder / "features.pt").write_bytes(b"x")
    forbid(monkeypatch, name)
    with pytest.raises(ValueError, match=f"{name}.*Permission denied"):
        read_features(folder, file=name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
@pytest.mark.parametrize("read", [read_group_folders, read_metadata_csv, read_long_tail])
def test_an_unreadable_folder_is_named(folder, read):
    folder.chmod(0o300)
    with pytest.raises(ValueError, match="`folder` must be readable"):
        read(folder)
    folder.chmod(0o700)


@pytest.mark.parametrize("read", [read_group_folders, read_metadata_csv, read_features])
def test_a_folder_by_too_long_a_name(read):
    with pytest.raises(ValueError, match="xxx must be readable: File name too long"):
        read("x" * 300)


def test_a_table_by_too_long_a_name(folder):
    with pytest.raises(ValueError, match="must be readable: File name too long"):
        read_metadata_csv(folder, csv="x" * 300)
