import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_debias.datasets import read_bar
from sklearn_debias.exceptions import DebiasWarning

rng = np.random.default_rng(0)
TARGET = np.repeat([0, 1, 2, 0, 1, 2], [6, 5, 4, 10, 20, 30]).astype(np.uint8)
SPLIT = np.repeat([0, 1], [15, 60]).astype(np.uint8)
N = len(TARGET)
LABELS = {
    "y": TARGET,
    "split": SPLIT,
    "classes": np.array(["climbing", "diving", "pole vaulting"]),
    "names": np.array([f"image_{i}.jpg" for i in range(N)], dtype="S27"),
}
X = rng.standard_normal((N, 4)).astype(np.float16)
COLOURS = rng.integers(0, 256, size=(N, 3), dtype=np.uint8)


def picture(colour, size=(64, 64), mode="RGB", format="JPEG"):
    stream = io.BytesIO()
    Image.new("RGB", size, tuple(map(int, colour))).convert(mode).save(stream, format)
    return stream.getvalue()


def bomb():
    """A JPEG whose header claims 65535 x 65535 pixels."""
    whole = picture([0, 0, 0])
    size = whole.index(b"\xff\xc0") + 5
    return whole[:size] + b"\xff" * 4 + whole[size + 4 :]


def pack(pictures):
    offsets = np.cumsum([0, *map(len, pictures)])
    return {"data": np.frombuffer(b"".join(pictures), dtype=np.uint8), "off": offsets}


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "bar_mobilenet_v2_embeddings.npz", x=X, **LABELS)
    np.savez(tmp_path / "bar_64.npz", **pack([picture(colour) for colour in COLOURS]), **LABELS)
    return tmp_path


def read(*args, **kwargs):
    """The small pack announces that it is not the published one."""
    with pytest.warns(DebiasWarning, match=r"train has 6 rows of \(y=0\), the published set 326"):
        return read_bar(*args, check_counts=False, **kwargs)


def test_as_published(folder):
    bar = read(folder)
    np.testing.assert_array_equal(bar.train.index, np.arange(15))
    np.testing.assert_array_equal(bar.test.index, np.arange(15, N))
    assert not bar.train.bias_labels.any()
    assert bar.test.bias_labels.all()
    np.testing.assert_array_equal(bar.train.data, X[:15].astype(np.float32))
    assert bar.train.data.dtype == np.float32
    assert bar.test.target.dtype == bar.test.bias_labels.dtype == np.int64
    np.testing.assert_array_equal(bar.target_names[bar.test.target], LABELS["classes"][TARGET[15:]])
    assert bar.test.filenames[0] == "image_15.jpg"
    assert "Moved from the test to the training set: 0" in bar.DESCR


def test_images(folder):
    bar = read(folder, kind="images", conflicting=6)
    for part in (bar.train, bar.test):
        assert part.data.shape[1:] == (3, 64, 64)
        assert part.data.dtype == np.uint8
        colours = part.data.mean(axis=(2, 3))
        assert np.abs(colours - COLOURS[part.index]).max() < 6  # JPEG is lossy


def test_counts_are_compared_and_a_pack_of_others_is_an_error(folder):
    message = r"train has 6 rows of \(y=0\), the published set 326 \(11 more differ\).*check_counts"
    with pytest.raises(ValueError, match=message):
        read_bar(folder)
    with pytest.raises(ValueError, match=message):
        read_bar(folder, kind="images")


def test_the_bunch_is_that_of_all_readers(folder):
    bar = read(folder, conflicting=6)
    assert set(bar) == {"train", "test", "target_names", "bias_names", "fingerprint", "DESCR"}
    names = LABELS["names"].astype(str)
    for name in ("train", "test"):
        part = bar[name]
        own = {"file": names[part.index], "split": name, "y": part.target, "a": part.bias_labels}
        pd.testing.assert_frame_equal(part.metadata, pd.DataFrame(own), check_dtype=False)
        np.testing.assert_array_equal(part.filenames, names[part.index])
        assert part.index.dtype == np.int64
    assert bar.bias_names.tolist() == ["aligned", "conflicting"]


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_a_pack_of_aligned_samples_has_no_test_set(tmp_path):
    np.savez(tmp_path / "pack.npz", x=X, **{**LABELS, "split": np.zeros_like(SPLIT)})
    bar = read_bar(tmp_path / "pack.npz", check_counts=False)
    assert "test" not in bar
    assert len(bar.train.data) == N


def test_a_fingerprint_tells_packs_apart(folder, tmp_path):
    first = read(folder).fingerprint
    assert read(folder).fingerprint == first
    found = {
        first,
        read(folder, conflicting=6).fingerprint,
        read(folder, kind="images").fingerprint,
    }
    np.savez(tmp_path / "other.npz", x=X + np.float16(1), **LABELS)
    found.add(read(tmp_path / "other.npz").fingerprint)
    assert len(found) == 4


def test_moved_samples_are_shared_out_by_class_and_leave_the_test_set(folder):
    for conflicting, by_class in ((6, [1, 2, 3]), (7, [1, 2, 4]), (59, [10, 20, 29])):
        bar = read(folder, conflicting=conflicting)
        index = np.concatenate([bar.train.index, bar.test.index])
        np.testing.assert_array_equal(np.sort(index), np.arange(N))
        moved = bar.train.target[bar.train.bias_labels == 1]
        np.testing.assert_array_equal(np.bincount(moved), by_class)
        assert bar.test.bias_labels.all()
        for part in (bar.train, bar.test):
            np.testing.assert_array_equal(part.data, X[part.index].astype(np.float32))
            np.testing.assert_array_equal(part.bias_labels, SPLIT[part.index])


def test_a_seed_determines_what_moves_whatever_the_kind(folder):
    one = read(folder, conflicting=6).train.index
    np.testing.assert_array_equal(one, read(folder, conflicting=6, kind="images").train.index)
    assert set(one) != set(read(folder, conflicting=6, random_state=1).train.index)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "pixels"}, "`kind` must be one of 'embeddings', 'images', got 'pixels'"),
        ({"conflicting": -1}, "`conflicting` must be an int >= 0"),
        ({"conflicting": 0.05}, "`conflicting` must be an int >= 0, got 0.05"),
        ({"random_state": -1}, "`random_state`"),
        ({"check_counts": "no"}, "`check_counts` must be True or False, got 'no'"),
    ],
)
def test_bad_input(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        read_bar(folder, **settings)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_moving_every_conflicting_sample(folder):
    with pytest.raises(
        ValueError, match="`conflicting` must be less than the 60 conflicting samples, got 60"
    ):
        read_bar(folder, conflicting=60, check_counts=False)


def test_missing_pack(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r'`folder` must hold bar_64\.npz for kind="images"'
    ):
        read_bar(tmp_path, kind="images")


def test_pack_of_the_other_kind(folder):
    with pytest.raises(ValueError, match="it has no data, off, only x"):
        read_bar(folder / "bar_mobilenet_v2_embeddings.npz", kind="images")


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": TARGET[1:]}, r"one length; found shapes \(74,\), \(75,\) and \(75,\)"),
        ({"y": TARGET + 1}, r"`y` in 0\.\.2"),
        ({"split": SPLIT + 1}, r"`split` in 0\.\.1"),
        ({"split": SPLIT.astype(float)}, "integers in `y` and `split`"),
        ({"x": X[1:]}, r"floats `x` of shape \(75, d\); found float16 \(74, 4\)"),
        ({"x": np.full((N, 4), np.nan)}, "without NaN or infinity"),
        ({"x": np.full((N, 4), 1e300)}, "within the range of float32"),
    ],
)
def test_damaged_embeddings(tmp_path, changed, message):
    path = tmp_path / "pack.npz"
    np.savez(path, **({"x": X} | LABELS | changed))
    with pytest.raises(ValueError, match=message) as error:
        read_bar(path, check_counts=False)
    assert str(path) in str(error.value)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize(
    ("second", "message"),
    [
        (picture([0, 0, 0])[:-300], "image 1 cannot be read"),
        (b"nonsense", "image 1 cannot be read"),
        (bomb(), "image 1 cannot be read: Image size"),
        (picture([0, 0, 0], format="PNG"), "image 1 cannot be read"),
        (
            picture([0, 0, 0], size=(64, 32)),
            r"image 1 must be 64x64 RGB, found \(\(64, 32\), 'RGB'\)",
        ),
        (picture([0, 0, 0], mode="L"), "image 1 must be 64x64 RGB"),
    ],
)
def test_damaged_images_are_named(tmp_path, second, message):
    pictures = [picture(colour) for colour in COLOURS]
    pictures[1] = second
    path = tmp_path / "pack.npz"
    np.savez(path, **pack(pictures), **LABELS)
    with pytest.raises(ValueError, match=message):
        read_bar(path, kind="images", check_counts=False)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize(
    "damage", [lambda off: off[1:], lambda off: off[::-1], lambda off: off + 1.0]
)
def test_damaged_offsets(tmp_path, damage):
    images = pack([picture(colour) for colour in COLOURS])
    images["off"] = damage(images["off"])
    np.savez(tmp_path / "pack.npz", **images, **LABELS)
    with pytest.raises(ValueError, match="in `off` where each of 75 images begins"):
        read_bar(tmp_path / "pack.npz", kind="images", check_counts=False)


@pytest.mark.parametrize("conflicting", [0, 17, 94])
def test_real_bar(real_data, conflicting):
    bar = read_bar(real_data, conflicting=conflicting)
    assert bar.train.data.shape == (1941 + conflicting, 1280)
    assert bar.test.data.shape == (654 - conflicting, 1280)
    assert (bar.train.bias_labels == 1).sum() == conflicting
    if conflicting:
        assert set(bar.train.target[bar.train.bias_labels == 1]) == set(range(6))


def test_real_bar_images(real_data):
    bar = read_bar(real_data, kind="images")
    assert bar.train.data.shape == (1941, 3, 64, 64)
    assert bar.train.data.std() > 40
