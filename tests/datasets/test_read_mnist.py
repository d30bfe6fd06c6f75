import gzip
import struct

import numpy as np
import pytest

from sklearn_debias.datasets import data_folder, read_mnist

rng = np.random.default_rng(0)
ARRAYS = {
    "x_train": rng.integers(0, 256, size=(7, 5, 4), dtype=np.uint8),
    "y_train": rng.integers(0, 10, size=7, dtype=np.uint8),
    "x_test": rng.integers(0, 256, size=(3, 5, 4), dtype=np.uint8),
    "y_test": rng.integers(0, 10, size=3, dtype=np.uint8),
}
FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder, end="", dotted=False, **changed):
    for key, name in FILES.items():
        content = changed.get(key, idx(ARRAYS[key]))
        name = name.replace("-idx", ".idx") if dotted else name
        (folder / (name + end)).write_bytes(gzip.compress(content) if end else content)
    return folder


def check(mnist):
    for part in ("train", "test"):
        np.testing.assert_array_equal(mnist[part].data[:, 0], ARRAYS[f"x_{part}"])
        np.testing.assert_array_equal(mnist[part].target, ARRAYS[f"y_{part}"])
        assert mnist[part].data.ndim == 4
        assert mnist[part].data.dtype == np.uint8
        assert mnist[part].target.dtype == np.int64


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_idx_round_trip(tmp_path, end, dotted):
    mnist = read_mnist(write(tmp_path, end, dotted))
    check(mnist)
    check(read_mnist(str(tmp_path)))
    assert "7 training and 3 test images, grey, 5x4" in mnist.DESCR


def test_npz_round_trip(tmp_path):
    np.savez_compressed(tmp_path / "mnist.npz", **ARRAYS)
    check(read_mnist(tmp_path))
    np.savez(tmp_path / "other.npz", extra=np.arange(3), **ARRAYS)
    check(read_mnist(tmp_path / "other.npz"))


def test_idx_files_come_before_the_npz_and_plain_before_gzip(tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"nonsense")
    write(tmp_path, ".gz", x_train=b"nonsense")
    check(read_mnist(write(tmp_path)))


HUGE = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**16, 2**16)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        (
            "x_train",
            idx(ARRAYS["x_train"])[:-1],
            "must hold 140 bytes after its header.*found 139 bytes",
        ),
        ("x_train", idx(ARRAYS["x_train"]) + b"\0", "must hold 140 bytes .*found more"),
        ("x_train", HUGE + bytes(10), "found 10 bytes"),
        ("x_train", idx(ARRAYS["x_train"])[:9], "must have a header of 16 bytes, found 9"),
        ("x_train", b"", "magic number 2051; found 0"),
        (
            "x_train",
            idx(ARRAYS["y_train"]),
            r"images, with the magic number 2051; found 2049 \(that of labels\)",
        ),
        (
            "y_test",
            idx(ARRAYS["x_test"]),
            r"labels, with the magic number 2049; found 2051 \(that of images\)",
        ),
        (
            "y_test",
            idx(ARRAYS["y_test"][:2]),
            "one label per image; its test set has 3 images and 2 labels",
        ),
        ("x_train", idx(ARRAYS["x_train"][:0]), "n >= 1; its train images"),
        ("x_test", idx(ARRAYS["x_test"][:, :4]), r"one size, found \(5, 4\) and \(4, 4\)"),
    ],
)
def test_damaged_idx(tmp_path, end, key, content, message):
    with pytest.raises(ValueError, match=message) as error:
        read_mnist(write(tmp_path, end, **{key: content}))
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b"nonsense", lambda b: b[:30] + b"\xff" + b[31:]]
)
def test_damaged_gzip(tmp_path, damage):
    path = write(tmp_path, ".gz") / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        ValueError, match=r"train-images-idx3-ubyte\.gz is not a complete gzip file"
    ):
        read_mnist(tmp_path)


def test_a_gzip_bomb_is_not_inflated(tmp_path, monkeypatch):
    from sklearn_debias.datasets import _files

    read = []

    def counting(stream, size, original=_files._read_at_most):
        content = original(stream, size)
        read.append(len(content))
        return content

    monkeypatch.setattr(_files, "_read_at_most", counting)
    bomb = idx(ARRAYS["x_train"]) + bytes(10_000_000)
    with pytest.raises(ValueError, match="found more"):
        read_mnist(write(tmp_path, ".gz", x_train=bomb))
    assert read == [141]


def test_missing_files_are_named(tmp_path):
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"there is no mnist\.npz, and no t10k-labels-idx1-ubyte"
    ) as error:
        read_mnist(tmp_path)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_test": np.zeros(2, dtype=int)}, "3 images and 2 labels"),
        ({"x_train": ARRAYS["x_train"].astype(float)}, "its train images are float64"),
        ({"x_train": ARRAYS["x_train"][0]}, r"uint8 \(5, 4\)"),
        ({"y_train": np.zeros((7, 10), dtype=int)}, "its train labels are int64"),
        (
            {"y_train": np.array(list("abcdefg"), dtype=object)},
            "must be an npz file with x_train.*allow_pickle",
        ),
    ],
)
def test_bad_npz(tmp_path, changed, message):
    np.savez(tmp_path / "mnist.npz", **(ARRAYS | changed))
    with pytest.raises(ValueError, match=message):
        read_mnist(tmp_path)


def test_npz_without_an_array(tmp_path):
    np.savez(tmp_path / "set.npz", x_train=ARRAYS["x_train"], data=np.zeros(2))
    with pytest.raises(ValueError, match="it has no y_train, x_test, y_test, only x_train, data"):
        read_mnist(tmp_path / "set.npz")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04" + bytes(40)])
def test_not_an_npz(tmp_path, content):
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(ValueError, match="must be an npz file with x_train"):
        read_mnist(tmp_path / "set.npz")


def test_a_mutated_npz_gives_the_arrays_or_a_value_error(tmp_path):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **ARRAYS)
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    mutations = np.random.default_rng(0)
    for _ in range(300):
        content = whole.copy()
        content[mutations.integers(len(whole), size=2)] = mutations.integers(256, size=2)
        path.write_bytes(content.tobytes())
        try:
            check(read_mnist(path))
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize("bad", [None, 3, ["folder"]])
def test_not_a_path(bad):
    with pytest.raises(ValueError, match="`folder` must be a str or a path"):
        read_mnist(bad)


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="`folder` must name what exists"):
        read_mnist(tmp_path / "nowhere")


def test_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_DEBIAS_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    (tmp_path / "file").touch()
    for value, message in ((tmp_path / "nowhere", "no '"), (tmp_path / "file", "is a file")):
        monkeypatch.setenv("SKLEARN_DEBIAS_DATA", str(value))
        with pytest.raises(ValueError, match=f"`SKLEARN_DEBIAS_DATA` must name .*{message}"):
            data_folder(required=False)


@pytest.mark.parametrize("unset", [True, False])
def test_data_folder_without_the_variable(monkeypatch, unset):
    monkeypatch.setenv("SKLEARN_DEBIAS_DATA", "")
    if unset:
        monkeypatch.delenv("SKLEARN_DEBIAS_DATA")
    assert data_folder(required=False) is None
    with pytest.raises(
        ValueError, match=r"`SKLEARN_DEBIAS_DATA` is not set\. Set it to the folder"
    ):
        data_folder()


def test_real_mnist(real_data):
    mnist = read_mnist(real_data)
    assert mnist.train.data.shape == (60_000, 1, 28, 28)
    assert mnist.test.data.shape == (10_000, 1, 28, 28)
    published = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    np.testing.assert_array_equal(np.bincount(mnist.train.target), published)
    np.testing.assert_array_equal(mnist.train.target[:10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])


def test_real_fashion_mnist(real_data):
    fashion = read_mnist(real_data / "fashion_mnist_12k.npz")
    assert (len(fashion.train.data), len(fashion.test.data)) == (10_000, 2_000)
    assert set(fashion.train.target) == set(range(10))
