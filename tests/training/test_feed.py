"""Batches: their order and sizes, and the same bits wherever the rows come from."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from sklearn_debias import BiasAdvClassifier, ERMClassifier, LfFClassifier
from sklearn_debias.training import ArraySource, Feed, Prepare, padded
from sklearn_debias.training._order import Order

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # these fits are short

CPU = Prepare(torch.device("cpu"), torch.float32)
QUICK = {"max_epochs": 2, "batch_size": 8, "lr": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return rng.random((20, 4), dtype=np.float32), np.arange(20) % 2


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(20, 3, 8, 8), dtype=np.uint8), np.arange(20) % 2


def bits(clf):
    return [value.numpy().tobytes() for value in clf.net_.module_.state_dict().values()]


def order(n, **options):
    return Order(lambda: torch.arange(n), 8, torch.Generator().manual_seed(0), **options)


@pytest.mark.parametrize(
    ("n", "options", "sizes"),
    [
        (17, {}, [8, 8, 1]),
        (17, {"merge_single": True}, [8, 9]),
        (18, {"merge_single": True}, [8, 8, 2]),
        (1, {"merge_single": True}, [1]),
        (17, {"drop_last": True}, [8, 8]),
        (16, {"drop_last": True}, [8, 8]),
    ],
)
def test_sizes_of_the_batches(n, options, sizes):
    assert [len(index) for index in order(n, **options)] == sizes


def test_an_epoch_visits_each_row_once_and_the_next_in_another_order():
    batches = order(17)
    first, second = torch.cat(list(batches)), torch.cat(list(batches))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(17))
    assert not torch.equal(first, second)


def test_without_shuffling_the_rows_come_as_they_are():
    assert torch.cat(list(order(17, shuffle=False))).tolist() == list(range(17))


class Normed(nn.Module):
    """Raises in train mode on a batch of one row."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(n_features), nn.Linear(n_features, n_classes))

    def forward(self, x):
        return self.layers(x)


def test_batch_norm_never_sees_a_batch_of_one_row(features):
    X, y = features
    clf = ERMClassifier(Normed, **QUICK).fit(X[:17], y[:17])
    assert clf.n_iter_ == 2


def test_drop_last_reaches_the_batches(features):
    X, y = features
    whole = ERMClassifier(**QUICK).fit(X[:17], y[:17])
    dropped = ERMClassifier(**QUICK, net_params={"iterator_train__drop_last": True}).fit(
        X[:17], y[:17]
    )
    assert bits(whole) != bits(dropped)


def test_drop_last_with_fewer_rows_than_a_batch_is_an_error(features):
    clf = ERMClassifier(
        **{**QUICK, "batch_size": 32}, net_params={"iterator_train__drop_last": True}
    )
    with pytest.raises(ValueError, match="no training step"):
        clf.fit(*features)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "clf",
    [
        LfFClassifier(**QUICK),
        BiasAdvClassifier(**QUICK, base="erm", random_start=True, augment="crop-flip"),
    ],
    ids=["lff", "biasadv"],
)
def test_a_data_loader_gives_the_same_bits_as_resident_rows(clf, workers, images):
    resident = clf.set_params(net_params=None).fit(*images)
    expected = bits(resident)
    assert (
        bits(clf.set_params(net_params={"iterator_train__num_workers": workers}).fit(*images))
        == expected
    )


def test_uint8_images_are_floats_over_255(images):
    X, y = images
    expected = ERMClassifier(**QUICK).fit(X.astype(np.float32) / 255, y)
    clf = ERMClassifier(**QUICK).fit(X, y)
    assert bits(clf) == bits(expected)
    np.testing.assert_array_equal(
        clf.predict_proba(X), expected.predict_proba(X.astype(np.float32) / 255)
    )


@pytest.mark.parametrize("data", ["features", "images"])
def test_memory_maps_that_are_read_only_give_the_same_bits(data, tmp_path, request):
    X, y = request.getfixturevalue(data)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = LfFClassifier(**QUICK).fit(mapped, y)
    assert bits(clf) == bits(LfFClassifier(**QUICK).fit(X, y))
    np.testing.assert_array_equal(clf.predict_proba(mapped), clf.predict_proba(X))


def test_a_memory_map_is_read_batch_by_batch(tmp_path):
    X = np.zeros((5, 4), dtype=np.float32)
    np.save(tmp_path / "X.npy", X)
    columns = {"y": torch.zeros(5, dtype=torch.int64)}
    for rows, resident in ((X, True), (np.load(tmp_path / "X.npy", mmap_mode="r")[1:], False)):
        assert (Feed(ArraySource(rows), columns, CPU, 2).resident is not None) == resident


@pytest.mark.parametrize("container", [list, np.array, pd.Series], ids=["list", "array", "series"])
def test_image_files_give_the_bits_of_their_pixels(container, images, tmp_path):
    X, y = images
    paths = [tmp_path / f"{i}.png" for i in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    clf = ERMClassifier(**QUICK).fit(container([str(path) for path in paths]), y)
    assert bits(clf) == bits(ERMClassifier(**QUICK).fit(X, y))
    np.testing.assert_array_equal(clf.predict_proba(paths), clf.predict_proba(X))


def test_a_dataset_gives_the_bits_of_its_arrays(images):
    X, y = images
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    assert bits(ERMClassifier(**QUICK).fit(dataset, y)) == bits(ERMClassifier(**QUICK).fit(X, y))


def test_a_callable_augmentation_draws_from_a_stream_of_its_own(features):
    def jitter(x):
        return x + 0.1 * torch.randn_like(x)

    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(ERMClassifier(**QUICK, augment=jitter).fit(*features))
    assert bits(models[0]) == bits(models[1]) != bits(ERMClassifier(**QUICK).fit(*features))


@pytest.mark.parametrize("n", [1, 4, 5, 9])
def test_every_padded_batch_has_one_shape_and_the_outputs_come_in_row_order(n):
    X, seen = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2), []

    def forward(x, index):
        seen.append(x.shape)
        np.testing.assert_array_equal(x.numpy(), X[index])
        return x

    out = torch.cat(list(padded(forward, ArraySource(X), CPU, 4)))
    np.testing.assert_array_equal(out.numpy(), X)
    assert set(seen) == {(4, 2)}
