"""Whatever X is, and whoever asks, the network sees the same rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

from sklearn_debias import BiasAdvClassifier, ERMClassifier, LfFClassifier
from sklearn_debias.attribution import attribute
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.fitting import open_inputs, open_model
from sklearn_debias.robustness import robust_accuracy_score

rng = np.random.default_rng(0)
N = 12
PIXELS = rng.integers(0, 256, size=(N, 3, 8, 8), dtype=np.uint8)
y = np.arange(N) % 2
MODULE = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


class Items(Dataset):
    """Images one by one; it counts how often the first is read."""

    def __init__(self):
        self.first = 0

    def __len__(self):
        return N

    def __getitem__(self, i):
        self.first += i == 0
        return PIXELS[i]


class Arrayed:
    """An array to NumPy, as those of dask are."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array.astype(dtype or self.array.dtype)


class Column(Sequence):
    """Rows one by one, as a column of a Hugging Face dataset gives them."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{i}.png" for i in range(N)]
    for path, pixels in zip(paths, PIXELS, strict=True):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path)
    np.save(folder / "pixels.npy", PIXELS)
    pictures = [Image.fromarray(pixels.transpose(1, 2, 0)) for pixels in PIXELS]
    return {
        "pixels": PIXELS,
        "floats": (PIXELS / 255).astype(np.float32),
        "tensor": torch.from_numpy(PIXELS),
        "float tensor": torch.from_numpy(PIXELS).float() / 255,
        "memory map": np.load(folder / "pixels.npy", mmap_mode="r"),
        "paths": paths,
        "names": [str(path) for path in paths],
        "column": pd.DataFrame({"path": [str(path) for path in paths]}),
        "dataset": Items(),
        "list": list(PIXELS),
        "tuple": tuple(PIXELS),
        "list of tensors": list(torch.from_numpy(PIXELS)),
        "list of arrays to NumPy": [Arrayed(pixels) for pixels in PIXELS],
        "an array to NumPy": Arrayed(PIXELS),
        "series": pd.Series(list(PIXELS), index=range(3, 3 + N)),
        "sequence": Column(list(PIXELS)),
        "memory view": memoryview(PIXELS),
        "pictures": pictures,
        "sequence of pictures": Column(pictures),
        "series of pictures": pd.Series(pictures),
        "column of pictures": pd.DataFrame({"image": pictures}),
        "sequence of paths": Column(paths),
    }


KINDS = [
    "floats",
    "tensor",
    "float tensor",
    "memory map",
    "paths",
    "names",
    "column",
    "dataset",
    "list",
    "tuple",
    "list of tensors",
    "list of arrays to NumPy",
    "an array to NumPy",
    "series",
    "sequence",
    "memory view",
    "pictures",
    "sequence of pictures",
    "series of pictures",
    "column of pictures",
    "sequence of paths",
]
ASKING = {
    "fit": lambda X: ERMClassifier(MODULE, max_epochs=2, random_state=0).fit(X, y).predict_proba(X),
    "predict": lambda X: (
        ERMClassifier(MODULE, max_epochs=2, random_state=0).fit(PIXELS, y).predict_proba(X)
    ),
    "embedder": lambda X: Embedder("simple_cnn", cache_dir=None).fit(X).transform(X),
    "map of a module": lambda X: attribute(MODULE, X, method="input_gradient"),
    "attack on a module": lambda X: robust_accuracy_score(MODULE, X, y, attack="fgsm", epsilon=0.1),
}


@pytest.mark.filterwarnings("ignore:The fitted model predicts")  # in two epochs, of noise
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asking", ASKING)
def test_every_door_opens_every_kind_alike(asking, kind, kinds):
    ask = ASKING[asking]
    np.testing.assert_allclose(ask(kinds[kind]), ask(PIXELS), atol=1e-6)


def test_a_range_is_that_of_what_networks_see(kinds):
    whole = open_inputs(PIXELS, dtype="float32")
    assert (whole.low, whole.high) == (PIXELS.min() / 255, PIXELS.max() / 255)
    floats = open_inputs(kinds["floats"], dtype="float32")
    np.testing.assert_allclose((floats.low, floats.high), (whole.low, whole.high), rtol=1e-6)
    assert whole.shape == floats.shape == (3, 8, 8)


def test_grey_levels_are_images_only():
    """uint8 features, such as counts, are numbers as any other."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 256, size=(N, 5), dtype=np.uint8)
    inputs = open_inputs(counts, dtype="float32")
    assert inputs.high == counts.max()
    assert open_model(nn.Linear(5, 2), counts).inputs.high == counts.max()


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")  # of noise
@pytest.mark.parametrize("classifier", [ERMClassifier, LfFClassifier, BiasAdvClassifier])
def test_the_first_row_is_read_once_for_what_it_tells(classifier):
    """At the door, to try the networks on, in the epoch; then come the looks after it."""
    items = Items()
    classifier("simple_cnn", max_epochs=1, random_state=0).fit(items, y)
    looks = 1 + (classifier is BiasAdvClassifier)  # predictions; whether the attack still moves
    assert items.first == 3 + looks


class Rows(Dataset):
    """Any array, row by row."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def __getitem__(self, i):
        return self.array[i]


@pytest.mark.parametrize("shape", [(4, 5), (7, 9, 3), (2, 3, 2, 2)])
def test_a_plain_module_takes_rows_of_any_rank_however_they_come(shape):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, *shape)).astype(np.float32)
    module = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 2))
    maps = [attribute(module, x, y, method="input_gradient") for x in (X, Rows(X))]
    np.testing.assert_array_equal(*maps)
