"""CIFAR-10-C, in files of a few images."""

import numpy as np
import pytest

from sklearn_debias.datasets import read_cifar_c
from sklearn_debias.datasets.readers._cifar_c import MAIN
from sklearn_debias.exceptions import DebiasWarning

N = 4  # images of a severity
rng = np.random.default_rng(0)
LABELS = np.tile([3, 0, 9, 3], 5)
NAMES = ["fog", "gaussian_noise", "speckle_noise"]
IMAGES = {name: rng.integers(0, 256, (5 * N, 32, 32, 3), dtype=np.uint8) for name in NAMES}


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "labels.npy", LABELS.astype(np.uint8))
    for name, images in IMAGES.items():
        np.save(tmp_path / f"{name}.npy", images)
    return tmp_path


def read(*args, **kwargs):
    with pytest.warns(DebiasWarning, match="a severity has 4 images, in the published set 10,000"):
        return read_cifar_c(*args, check_counts=False, **kwargs)


def test_images_by_corruption_and_severity(folder):
    found = read(folder, corruptions=["speckle_noise", "fog"])
    assert found.corruptions == ["speckle_noise", "fog"]
    assert found.severities == [1, 2, 3, 4, 5]
    assert set(found.images) == {(n, s) for n in ("speckle_noise", "fog") for s in range(1, 6)}
    for (name, level), images in found.images.items():
        expected = IMAGES[name][(level - 1) * N : level * N].transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(images, expected)
        assert images.shape == (N, 3, 32, 32)
        assert isinstance(images, np.memmap)
        assert not images.flags.writeable
    np.testing.assert_array_equal(found.target, [3, 0, 9, 3])
    assert found.target.dtype == np.int64


@pytest.mark.parametrize(("severity", "levels"), [(3, [3]), ([5, 1], [5, 1]), (np.int64(2), [2])])
def test_some_severities(folder, severity, levels):
    found = read(folder, corruptions=["fog"], severity=severity)
    assert list(found.images) == [("fog", level) for level in levels]


def test_all_that_are_there_the_benchmarks_first(folder):
    with pytest.warns(DebiasWarning, match="lacks 13 of the benchmark's 15 corruptions"):
        found = read(folder)
    assert found.corruptions == ["gaussian_noise", "fog", "speckle_noise"]
    assert len(MAIN) == 15
    for name in MAIN:
        np.save(folder / f"{name}.npy", IMAGES["fog"])
    assert read(folder).corruptions == [*MAIN, "speckle_noise"]


def test_the_fingerprint_is_of_what_is_read(folder):
    one = read(folder, corruptions=["fog"]).fingerprint
    assert one == read(folder, corruptions=["fog"], severity=1).fingerprint
    assert one != read(folder, corruptions=["gaussian_noise"]).fingerprint
    np.save(folder / "fog.npy", IMAGES["gaussian_noise"])
    assert one != read(folder, corruptions=["fog"]).fingerprint


def test_the_folder_above(folder, tmp_path_factory):
    above = tmp_path_factory.mktemp("data")
    folder.rename(above / "CIFAR-100-C")
    assert "CIFAR-100-C" in read(above, corruptions=["fog"]).DESCR
    (above / "CIFAR-10-C").mkdir()
    np.save(above / "CIFAR-10-C" / "labels.npy", LABELS)
    with pytest.raises(ValueError, match="has 2 sets to choose from"):
        read_cifar_c(above)


def test_the_number_of_images_is_compared(folder):
    with pytest.raises(ValueError, match="a severity has 4 images.*10,000.*check_counts=False"):
        read_cifar_c(folder, corruptions=["fog"])


@pytest.mark.parametrize(
    "images",
    [
        IMAGES["fog"].astype(float),
        IMAGES["fog"][:-1],
        IMAGES["fog"].transpose(0, 3, 1, 2),
        IMAGES["fog"][0],
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_images_of_another_shape_or_type(folder, images):
    np.save(folder / "fog.npy", images)
    with pytest.raises(ValueError, match=r"fog\.npy must hold uint8 images of shape \(20, 32, 32"):
        read_cifar_c(folder, corruptions=["fog"], check_counts=False)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:-1], r"for 5 severities of one length; found int64 \(19,\)"),
        (LABELS.astype(float), "must hold whole numbers"),
        (LABELS[::-1] + np.arange(20), "the same labels for each of the 5 severities"),
    ],
)
def test_wrong_labels(folder, labels, message):
    np.save(folder / "labels.npy", labels)
    with pytest.raises(ValueError, match=message):
        read_cifar_c(folder, corruptions=["fog"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"severity": 0}, r"`severity` must be of \(1, 2, 3, 4, 5\).*got 0"),
        ({"severity": [1, 6]}, r"got \[1, 6\]"),
        ({"severity": []}, "`severity`"),
        ({"severity": True}, "`severity`"),
        ({"corruptions": "fog"}, "`corruptions` must be a sequence of names, got 'fog'"),
        ({"corruptions": ["fogg"]}, "there is no 'fogg', only 'fog', 'gaussian_noise'"),
        ({"corruptions": ["../fog"]}, r"there is no '\.\./fog'"),
    ],
)
def test_wrong_settings(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        read_cifar_c(folder, **settings)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="`folder` must name what exists"):
        read_cifar_c(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"has no labels\.npy.*CIFAR-10-C\.tar"):
        read_cifar_c(tmp_path)
    np.save(tmp_path / "labels.npy", LABELS)
    with pytest.raises(FileNotFoundError, match="no file of a corruption"):
        read_cifar_c(tmp_path)
    (tmp_path / "fog.npy").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"fog\.npy must be a whole npy file"):
        read_cifar_c(tmp_path, check_counts=False)
