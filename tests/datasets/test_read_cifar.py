"""CIFAR in both versions, and the labels of CIFAR-N."""

import os
import pickle
import random
import struct
import time

import numpy as np
import pytest
import torch

from sklearn_debias.datasets import read_cifar
from sklearn_debias.datasets.readers._array_pickle import read_pickle
from sklearn_debias.exceptions import DebiasWarning

rng = np.random.default_rng(0)
N = 20  # images of a file
PIXELS = 3 * 32 * 32
BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
IMAGES = {name: rng.integers(0, 256, (N, PIXELS), dtype=np.uint8) for name in BATCHES}
LABELS = {name: rng.permutation(np.arange(N) % 10) for name in BATCHES}
FINE = {name: rng.permutation(np.arange(N) * 5) for name in ("train", "test")}


class Python2(pickle._Pickler):
    """Writes bytes as Python 2 wrote its text, as the published files are."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        size = struct.pack("<i", len(value))
        self.write(b"T" + size if len(value) > 255 else b"U" + size[:1])
        self.write(value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def write_pickle(path, content, how):
    if how == "python 3":
        path.write_bytes(pickle.dumps(content, protocol=2))
        return
    with path.open("wb") as stream:
        Python2(stream, protocol=2).dump(content)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.multi", b"numpy.core.multi"))


def write_ten(folder, version="bin", how="python 2"):
    for name in BATCHES:
        if version == "bin":
            rows = np.column_stack([LABELS[name].astype(np.uint8), IMAGES[name]])
            (folder / f"{name}.bin").write_bytes(rows.tobytes())
        else:
            content = {
                b"batch_label": b"one",
                b"labels": LABELS[name].tolist(),
                b"data": IMAGES[name],
                b"filenames": [b"a.png"] * N,
            }
            write_pickle(folder / name, content, how)
    if version == "bin":
        (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    else:
        meta = {b"label_names": [name.encode() for name in TEN], b"num_cases_per_batch": N}
        write_pickle(folder / "batches.meta", meta, how)


def write_hundred(folder, version="bin"):
    for name, fine in FINE.items():
        coarse = fine // 5
        images = IMAGES["test_batch"]
        if version == "bin":
            rows = np.column_stack([coarse.astype(np.uint8), fine.astype(np.uint8), images])
            (folder / f"{name}.bin").write_bytes(rows.tobytes())
        else:
            labels = {b"fine_labels": fine.tolist(), b"coarse_labels": coarse.tolist()}
            write_pickle(folder / name, {b"data": images, **labels}, "python 2")
    names = {"fine": [f"fine{c}" for c in range(100)], "coarse": [f"c{c}" for c in range(20)]}
    for kind, own in names.items():
        if version == "bin":
            (folder / f"{kind}_label_names.txt").write_text("\n".join(own))
    if version != "bin":
        meta = {f"{k}_label_names".encode(): [n.encode() for n in v] for k, v in names.items()}
        write_pickle(folder / "meta", meta, "python 2")


def read(*args, **kwargs):
    """The small copy announces that it is not the published one."""
    with pytest.warns(DebiasWarning, match=r"train has .* rows of \(y=0\), the published set"):
        return read_cifar(*args, check_counts=False, **kwargs)


@pytest.mark.parametrize(("version", "how"), [("bin", ""), ("py", "python 2"), ("py", "python 3")])
@pytest.mark.parametrize("nested", [True, False])
def test_cifar10(tmp_path, version, how, nested):
    place = tmp_path / f"cifar-10-batches-{version}" if nested else tmp_path
    place.mkdir(exist_ok=True)
    write_ten(place, version, how)
    cifar = read(tmp_path)
    assert cifar.train.data.shape == (5 * N, 3, 32, 32)
    assert cifar.train.data.dtype == np.uint8
    np.testing.assert_array_equal(
        cifar.train.data.reshape(-1, PIXELS), np.concatenate([IMAGES[n] for n in BATCHES[:5]])
    )
    np.testing.assert_array_equal(cifar.test.data.reshape(-1, PIXELS), IMAGES["test_batch"])
    np.testing.assert_array_equal(cifar.test.target, LABELS["test_batch"])
    assert cifar.test.target.dtype == np.int64
    assert cifar.target_names.tolist() == TEN
    np.testing.assert_array_equal(cifar.test.index, np.arange(N))
    assert "coarse" not in cifar.train


@pytest.mark.parametrize("version", ["bin", "python"])
def test_cifar100(tmp_path, version):
    write_hundred(tmp_path, version)
    cifar = read(tmp_path, "cifar100")
    for name in ("train", "test"):
        np.testing.assert_array_equal(cifar[name].target, FINE[name])
        np.testing.assert_array_equal(cifar[name].coarse, FINE[name] // 5)
        np.testing.assert_array_equal(cifar[name].data.reshape(-1, PIXELS), IMAGES["test_batch"])
    assert cifar.target_names[7] == "fine7"
    assert cifar.coarse_names.tolist() == [f"c{c}" for c in range(20)]


def test_both_versions_have_one_fingerprint_and_other_images_another(tmp_path):
    found = []
    for version in ("bin", "py", "other"):
        folder = tmp_path / version
        folder.mkdir()
        write_ten(folder, "bin" if version == "other" else version)
        if version == "other":
            path = folder / "test_batch.bin"
            path.write_bytes(path.read_bytes()[:-1] + b"\x07")
        found.append(read(folder).fingerprint)
    assert found[0] == found[1] != found[2]


def test_without_names_classes_are_numbered(tmp_path):
    write_ten(tmp_path)
    (tmp_path / "batches.meta.txt").unlink()
    assert read(tmp_path).target_names.tolist() == list("0123456789")
    (tmp_path / "batches.meta.txt").write_text("cat\ndog")
    with pytest.raises(ValueError, match="must name 10 classes, found 2"):
        read_cifar(tmp_path, check_counts=False)


def test_names_in_a_pickle_of_python_3(tmp_path):
    """Which somebody has written again, with text for bytes."""
    write_ten(tmp_path, "py")
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": TEN, "num_vis": 3072}))
    assert read(tmp_path).target_names.tolist() == TEN
    for content in ({"x": 1}, {"label_names": "cat"}, {"label_names": [1] * 10}):
        (tmp_path / "batches.meta").write_bytes(pickle.dumps(content))
        with pytest.raises(ValueError, match="batches.meta must hold 'label_names', a list of na"):
            read_cifar(tmp_path, check_counts=False)


def test_names_that_are_no_text(tmp_path):
    write_ten(tmp_path)
    (tmp_path / "batches.meta.txt").write_bytes(b"\xe9t\xe9")
    with pytest.raises(ValueError, match="batches.meta.txt must name 10 classes, found 1"):
        read_cifar(tmp_path, check_counts=False)


def test_counts_are_compared(tmp_path):
    write_ten(tmp_path)
    with pytest.raises(ValueError, match=r"train has 10 rows of \(y=0\).*5,000.*\(19 more"):
        read_cifar(tmp_path)


@pytest.mark.parametrize("lost", [1, PIXELS, PIXELS + 2])
def test_a_binary_file_that_is_cut_off(tmp_path, lost):
    write_ten(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(ValueError, match=r"data_batch_3\.bin must hold whole records of 3073 byt"):
        read_cifar(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"found 0 bytes"):
        read_cifar(tmp_path)


def test_files_of_the_other_set(tmp_path):
    write_hundred(tmp_path)
    for name in BATCHES:
        (tmp_path / f"{name}.bin").write_bytes(bytes([11]) * (PIXELS + 1))
    with pytest.raises(ValueError, match=r"labels in 0\.\.9; .* from 11 to 11. Is it another"):
        read_cifar(tmp_path)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="`folder` must name what exists"):
        read_cifar(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"has no data_batch_1\.bin and no cifar-10.*kriz"):
        read_cifar(tmp_path)
    write_ten(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no test_batch\.bin"):
        read_cifar(tmp_path)
    with pytest.raises(ValueError, match="`name` must be one of 'cifar10', 'cifar100', got 'ci"):
        read_cifar(tmp_path, "cifar")
    with pytest.raises(ValueError, match="`noise` must be one of 'worse', 'aggre', 'random1'"):
        read_cifar(tmp_path, noise="noisy")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "it holds a list, and no dict"),
        ({b"data": IMAGES["test_batch"]}, "data_batch_1 has no labels, only data"),
        ({b"data": b"abc", b"labels": []}, r"`data` of shape \(n, 3072\), found bytes"),
        ({b"data": np.zeros((2, 5), "u1"), b"labels": [0, 0]}, r"found \(2, 5\)"),
        ({b"data": np.zeros((2, PIXELS)), b"labels": [0, 0]}, "another type than uint8"),
        ({b"data": np.array([[object]]), b"labels": [0]}, "it asks for __builtin__.object"),
        ({b"data": np.zeros((2, PIXELS), "u1"), b"labels": [0]}, "list of 2 whole numbers.*of 1"),
        ({b"data": np.zeros((1, PIXELS), "u1"), b"labels": ["a"]}, "list of 1 whole numbers"),
        ({b"data": np.zeros((1, PIXELS), "u1"), b"labels": np.zeros(1, "u1")}, "found a ndarray"),
    ],
)
def test_pickles_of_something_else(tmp_path, content, message):
    write_ten(tmp_path, "py")
    write_pickle(tmp_path / "data_batch_1", content, "python 2")
    with pytest.raises(ValueError, match=message) as error:
        read_cifar(tmp_path)
    assert "data_batch_1" in str(error.value)


class Call:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


HOSTILE = {
    "a call": Call(os.mkdir, ("ran",)),
    "a call of the shell": Call(os.system, ("mkdir ran",)),
    "code": Call(eval, ("__import__('os').mkdir('ran')",)),
    "the attribute of an attribute": Call(getattr, (int, "real")),
    "a function of numpy": Call(np.save, ("ran", 1)),
    "state of what is known": Call(np._core.multiarray._reconstruct, (), {"__class__": 1}),
    "an array without content": Call(np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b")),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("file", ["data_batch_2", "batches.meta"])
def test_a_hostile_pickle_runs_nothing(tmp_path, monkeypatch, name, file):
    monkeypatch.chdir(tmp_path)
    write_ten(tmp_path, "py")
    content = {b"data": HOSTILE[name], b"labels": [0], b"label_names": [b"a"] * 10}
    (tmp_path / file).write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ValueError, match=f"{file} must be a pickle of CIFAR's") as error:
        read_cifar(tmp_path)
    assert "Nothing in it was run" in str(error.value)
    assert not list(tmp_path.glob("ran*"))


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"no pickle",
        b"\x80\x02cos\nmkdir\n(S'ran'\ntR.",
        b"\x80\x02(S'ran'\nios\nmkdir\n.",
        # What is known keeps its nature, whatever is set on it.
        b"\x80\x02cnumpy\nndarray\n}X\x0c\x00\x00\x00__setstate__K\x01sb.",
        b"\x80\x02c_codecs\nencode\nN}X\x07\x00\x00\x00__new__K\x01s\x86b.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86R.",
        b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93.",
        b"\x80\x02P1\n.",
        b"\x80\x02]r\xff\xff\xff\x7f.",  # the memo as large as the number says: 32 GB in C
        b"\x80\x02" + b"(" * 10_000,
    ],
)
def test_streams_of_opcodes(tmp_path, monkeypatch, stream):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "batch"
    path.write_bytes(stream)
    start = time.process_time()
    with pytest.raises(ValueError, match="must be a pickle of CIFAR's"):
        read_pickle(path)
    assert time.process_time() - start < 1
    assert not (tmp_path / "ran").exists()


def test_damaged_pickles_are_value_errors(tmp_path):
    content = {b"data": np.zeros((2, 8), np.uint8), b"labels": [0, 1], b"filenames": [b"a", b"b"]}
    write_pickle(tmp_path / "batch", content, "python 2")
    whole = (tmp_path / "batch").read_bytes()
    draw = random.Random(0)
    outcomes = set()
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        (tmp_path / "batch").write_bytes(damaged[: draw.randint(1, 2 * len(damaged))])
        try:
            read_pickle(tmp_path / "batch")
            outcomes.add("read")
        except ValueError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_a_batch_of_full_size_is_read_in_little_time(tmp_path):
    content = {
        b"data": np.zeros((10_000, PIXELS), np.uint8),
        b"labels": [3] * 10_000,
        b"filenames": [b"a_file_of_some_name.png"] * 10_000,
    }
    write_pickle(tmp_path / "batch", content, "python 2")
    start = time.process_time()
    assert read_pickle(tmp_path / "batch")["data"].shape == (10_000, PIXELS)
    assert time.process_time() - start < 1


def human(labels, **changed):
    clean = np.concatenate([LABELS[name] for name in BATCHES[:5]])
    return {"clean_label": clean, "worse_label": labels, **changed}


@pytest.mark.parametrize("is_zip", [True, False])
def test_labels_of_people(tmp_path, is_zip):
    write_ten(tmp_path)
    clean = human(None)["clean_label"]
    given = (clean + (np.arange(5 * N) < 40)) % 10
    path = tmp_path / "CIFAR-10_human.pt"
    torch.save(human(given), path, _use_new_zipfile_serialization=is_zip)
    cifar = read(tmp_path, noise="worse")
    np.testing.assert_array_equal(cifar.train.target, given)
    np.testing.assert_array_equal(cifar.train.clean_target, clean)
    np.testing.assert_array_equal(cifar.test.target, LABELS["test_batch"])
    assert cifar.noise_rate == 0.4
    assert "40.00% of them wrong" in cifar.DESCR
    assert cifar.fingerprint != read(tmp_path).fingerprint


def test_human_labels_beside_the_folder_of_cifar100(tmp_path):
    (tmp_path / "cifar-100-binary").mkdir()
    write_hundred(tmp_path / "cifar-100-binary")
    content = {"clean_label": FINE["train"], "noisy_label": FINE["train"][::-1].copy()}
    torch.save(content, tmp_path / "CIFAR-100_human.pt")
    cifar = read(tmp_path, "cifar100", noise="noisy")
    np.testing.assert_array_equal(cifar.train.target, FINE["train"][::-1])


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_human_labels_of_other_images(tmp_path):
    write_ten(tmp_path)
    with pytest.raises(FileNotFoundError, match="no CIFAR-10_human.pt, which `noise` needs"):
        read_cifar(tmp_path, noise="worse", check_counts=False)
    ones = np.ones(5 * N, dtype=int)
    for content, message in (
        ({"clean_label": ones}, "has no worse_label, only clean_label"),
        (human(ones, clean_label=ones), "must be of the same images in the same order"),
        (human(ones * 10), r"100 whole numbers in 0\.\.9"),
        (human(ones[1:]), r"found int64 \(99,\)"),
    ):
        torch.save(content, tmp_path / "CIFAR-10_human.pt")
        with pytest.raises(ValueError, match=message):
            read_cifar(tmp_path, noise="worse", check_counts=False)
