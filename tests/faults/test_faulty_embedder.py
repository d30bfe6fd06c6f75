"""faults.md for the embedder: what users hand it by mistake, and a machine at its limits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from faulty import IMAGES, UINT8, GradientModeOff, X, fitted_names, y
from fresh import said_by
from PIL import Image
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from sklearn_debias.exceptions import DebiasWarning, OutOfMemoryError
from sklearn_debias.feature_extraction import Embedder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("SKLEARN_DEBIAS_CACHE", str(folder))
    return folder


def embedder(module="simple_cnn", **params):
    return Embedder(module, **params)


holes = IMAGES.copy()
holes[3, 1, 2, 2] = np.nan
REFUSED = {
    "NaN": (holes, ValueError, "X contains NaN"),
    "infinity": (np.where(np.isnan(holes), np.inf, holes), ValueError, "X contains infinity"),
    "overflow": (np.full((4, 3, 8, 8), 1e39), ValueError, "too large for dtype\\('float32'\\)"),
    "NHWC": (
        IMAGES.transpose(0, 2, 3, 1),
        ValueError,
        "channel axis second.*Use X.transpose\\(0, 3, 1, 2\\)",
    ),
    "a single image": (IMAGES[0], ValueError, "4-D images.* a single sample needs X\\[None\\]"),
    "no rows": (IMAGES[:0], ValueError, "Found array with 0 sample"),
    "no paths": ([], ValueError, "Expected 2D array|0 sample"),
    "2-D": (
        X,
        ValueError,
        "`module`='simple_cnn' needs 4-D images .*got 2-D X|must have rows of shape",
    ),
    "sparse": (sparse.csr_array(X), TypeError, "dense"),
    "sparse tensor": (torch.tensor(X).to_sparse(), TypeError, "dense"),
    "complex": (IMAGES + 1j, ValueError, "Complex data not supported"),
    "a path": ("image.png", TypeError, "`X` must be a list of image paths.* Pass \\[path\\]"),
    "text": (pd.DataFrame({"a": ["x", "y"]}), ValueError, "could not convert string to float"),
    "an iterable dataset": (
        torch.utils.data.DataLoader([1]),
        TypeError,
        "`X` must be a Dataset with len",
    ),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused_inputs(row):
    bad, error, words = REFUSED[row]
    unfitted, fitted = embedder(), embedder().fit(IMAGES)
    with pytest.raises(error, match=words):
        unfitted.fit(bad)
    assert fitted_names(unfitted) == []
    with pytest.raises(error, match=words):
        fitted.transform(bad)


def test_another_size_and_range():
    fitted = embedder().fit(IMAGES)
    for other in (IMAGES[:, :, :6], IMAGES[:, :1]):
        with pytest.raises(
            ValueError,
            match="`X` must have rows of shape \\(3, 8, 8\\), as in fit, got .*`image_size`",
        ):
            fitted.transform(other)
    with pytest.warns(
        DebiasWarning, match="`X` holds images with values up to .* another range"
    ) as caught:
        fitted.transform(255 * IMAGES)
    assert [w.filename for w in caught] == [__file__]


KINDS = {
    "float64": np.float64,
    "float16": np.float16,
    "big-endian": ">f4",
    "list": list,
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "tensor": torch.tensor,
}


@pytest.mark.parametrize("row", KINDS)
def test_other_kinds_of_numbers(row):
    images = np.round(IMAGES * 64) / 64  # what all kinds can hold
    given = (
        KINDS[row](images)
        if callable(KINDS[row]) and row not in ("float64", "float16")
        else images.astype(KINDS[row])
    )
    given = images.tolist() if row == "list" else given
    np.testing.assert_array_equal(embedder().fit_transform(given), embedder().fit_transform(images))


@pytest.fixture
def paths(tmp_path):
    for i, image in enumerate(UINT8):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{i}.png")
    return [tmp_path / f"{i}.png" for i in range(len(UINT8))]


@pytest.mark.parametrize("cache_dir", ["auto", None])
@pytest.mark.parametrize("row", ["truncated", "text", "empty", "missing", "folder"])
def test_a_file_that_cannot_be_read_is_named(row, cache_dir, paths, tmp_path):
    content = {"truncated": paths[7].read_bytes()[:100], "text": b"hello", "empty": b""}
    bad = tmp_path / f"{row}.png"
    if row in content:
        bad.write_bytes(content[row])
    elif row == "folder":
        bad.mkdir()
    fitted = embedder(cache_dir=cache_dir).fit(paths)
    with pytest.raises(ValueError, match=f"(?s)`X\\[7\\]`: cannot read the image .*{row}.png"):
        fitted.transform([*paths[:7], bad, *paths[8:]])
    assert fitted.transform(paths).shape == (40, 128)


@pytest.mark.parametrize("cache_dir", ["auto", None])
def test_files_of_another_size(paths, tmp_path, cache_dir):
    Image.new("RGB", (9, 9)).save(tmp_path / "large.png")
    mixed = [*paths[:7], tmp_path / "large.png", *paths[8:]]
    fitted = embedder(cache_dir=cache_dir).fit(paths)
    fitted.transform(paths)
    with pytest.raises(ValueError, match="image_size"):
        fitted.transform(mixed)
    assert embedder(image_size=8, cache_dir=cache_dir).fit_transform(mixed).shape == (40, 128)


PARAMETERS = {
    "module": ("no such net", ValueError, "`module` must be one of"),
    "module ": (3, ValueError, "'module' parameter of Embedder must be"),
    "layer": ("body.99", ValueError, "`layer` must be one of .*'body.0'.*'head'.* got 'body.99'"),
    "pool": ("max", ValueError, "'pool' parameter"),
    "normalize": (([0.5], [0.0]), ValueError, "`normalize` must hold .*positive stds"),
    "normalize ": (
        ([0.5, 0.5], [1.0, 1.0]),
        ValueError,
        "`normalize` must have one number for each of the 3 channels",
    ),
    "image_size": ((8, 8, 8), ValueError, "`image_size` must be a positive int or"),
    "batch_size": (0, ValueError, "'batch_size' parameter"),
    "batch_size ": (2.5, ValueError, "'batch_size' parameter"),
    "dtype": ("float16", ValueError, "'dtype' parameter"),
    "device": ("no such device", ValueError, "`device` must be 'auto' or a torch device"),
    "cache_size": (
        "2 apples",
        ValueError,
        "`cache_size` must be an int >= 1 .*'500MB'.*got '2 apples'",
    ),
    "cache_size ": (0, ValueError, "'cache_size' parameter"),
    "max_memory": ("0GB", ValueError, "`max_memory` must be an int >= 1"),
    "weights": (3, ValueError, "'weights' parameter"),
    "cache_dir": (3, ValueError, "'cache_dir' parameter"),
}


@pytest.mark.parametrize("row", PARAMETERS)
def test_refused_parameters(row):
    value, error, words = PARAMETERS[row]
    unfitted = embedder(**{row.strip(): value}) if row.strip() != "module" else Embedder(value)
    with pytest.raises(error, match=words):
        unfitted.fit(IMAGES)
    assert fitted_names(unfitted) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_cuda_where_there_is_none():
    with pytest.raises(
        ValueError, match="`device`='cuda' was asked for, but this torch finds no CUDA device"
    ):
        embedder(device="cuda").fit(IMAGES)


def test_layers_of_a_deep_network_are_listed_by_their_first_names():
    with pytest.raises(
        ValueError,
        match="`layer` must be one of .*'layer4.1'.* layers inside of these .*got 'layer5'",
    ):
        embedder("resnet18", layer="layer5").fit(IMAGES)


class Broken(nn.Module):
    """A network that misbehaves in one way."""

    def __init__(self, how):
        super().__init__()
        self.flat, self.idle = (
            nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.Tanh()),
            nn.Identity(),
        )
        self.how = how

    def forward(self, x):
        return getattr(self, self.how)(self.flat(x), x)

    def nan(self, z, x):
        return torch.where(x.amax((1, 2, 3))[:, None] > 0.8, float("nan"), z)

    def constant(self, z, x):
        return 0 * z

    def draws(self, z, x):
        return nn.functional.dropout(z, training=True)

    def dictionary(self, z, x):
        return {"out": z}

    def integers(self, z, x):
        return z.long()

    def one_number(self, z, x):
        return z.mean(1)

    def fewer_rows(self, z, x):
        return z[:1]

    def in_place(self, z, x):
        x += 1
        return z

    def cuda_memory(self, z, x):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def cpu_memory(self, z, x):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"
        )

    def numpy_memory(self, z, x):
        raise MemoryError


MODULES = {
    "dictionary": "`module` must give a floating tensor .*got dict",
    "integers": "`module` must give a floating tensor",
    "one_number": "`module` must give a floating tensor with one row for each of 2 inputs, got "
    "\\(2,\\)",
    "fewer_rows": "`module` must give a floating tensor .*got \\(1, 4\\)",
    "draws": "`module` draws random numbers in eval mode",
}


@pytest.mark.parametrize("how", MODULES)
def test_modules_without_embeddings(how):
    unfitted = embedder(Broken(how))
    with pytest.raises(ValueError, match=MODULES[how]):
        unfitted.fit(IMAGES)
    assert fitted_names(unfitted) == []


def test_a_module_for_other_inputs():
    with pytest.raises(
        ValueError, match="`module` cannot process a batch of shape \\(2, 3, 8, 8\\).*image_size"
    ):
        embedder(nn.Conv2d(5, 2, 3)).fit(IMAGES)


def test_a_layer_that_never_runs():
    with pytest.raises(ValueError, match="`layer`='idle' does not run"):
        embedder(Broken("constant"), layer="idle").fit(IMAGES)


def test_embeddings_that_are_not_finite(cache):
    high = np.flatnonzero(IMAGES.max((1, 2, 3)) > 0.8)
    assert 0 < len(high) < 38
    fitted = embedder(Broken("nan"), batch_size=4).fit(IMAGES)
    with pytest.raises(
        ValueError, match=f"`module` gives embeddings that are not finite, `X\\[{high[0]}\\]`"
    ):
        fitted.transform(IMAGES)
    assert np.isfinite(fitted.transform(np.delete(IMAGES, high, axis=0))).all()
    with pytest.raises(ValueError, match="not finite"):
        fitted.transform(IMAGES)


def test_constant_embeddings():
    fitted = embedder(Broken("constant")).fit(IMAGES)
    for _ in range(2):
        with pytest.warns(
            DebiasWarning, match="embeddings of all 40 rows of X are equal"
        ) as caught:
            fitted.transform(IMAGES)
        assert [w.filename for w in caught] == [__file__]
    fitted.transform(IMAGES[:1])
    fitted.transform(IMAGES[[0, 0]])


def test_a_module_that_writes_to_its_input():
    given, module = IMAGES.copy(), Broken("in_place")
    found = embedder(module).fit_transform(given)
    np.testing.assert_array_equal(given, IMAGES)
    np.testing.assert_array_equal(embedder(module, cache_dir=None).fit_transform(given), found)


def test_a_module_that_switches_gradients_off():
    embedder(GradientModeOff(4, 2)).fit_transform(X)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("how", ["cuda_memory", "cpu_memory", "numpy_memory"])
def test_out_of_memory(how):
    fitted = embedder(Broken("in_place"), batch_size=16).fit(IMAGES)
    fitted.module_.network.how = how
    with pytest.raises(
        OutOfMemoryError,
        match="Out of memory with `batch_size`=16: .* Lower `batch_size`, or pass X",
    ) as e:
        fitted.transform(IMAGES)
    assert "amp" not in str(e.value)
    with pytest.raises(OutOfMemoryError, match="Out of memory"):
        embedder(Broken(how)).fit(IMAGES)


def test_a_cache_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    named = embedder(cache_dir=tmp_path / "file" / "cache")
    with pytest.raises(
        ValueError, match="`cache_dir`='.*cache' cannot be written to: .*cache_dir=None"
    ):
        named.fit(IMAGES)
    assert fitted_names(named) == []
    monkeypatch.setenv("SKLEARN_DEBIAS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(
        DebiasWarning, match="Embeddings are not cached: `cache_dir`=.*cannot be written to"
    ):
        fitted = embedder().fit(IMAGES)
    np.testing.assert_array_equal(
        fitted.transform(IMAGES), embedder(cache_dir=None).fit_transform(IMAGES)
    )


def test_a_cache_folder_that_goes_away(tmp_path):
    fitted = embedder(cache_dir=tmp_path / "named").fit(IMAGES)
    expected = fitted.transform(IMAGES)
    fitted._fitted.params["cache_dir"] = "/proc/nowhere"
    with pytest.warns(DebiasWarning, match="Embeddings are not cached"):
        np.testing.assert_array_equal(fitted.transform(IMAGES), expected)


def test_a_failed_fit_forgets_the_one_before():
    fitted = embedder().fit(IMAGES)
    with pytest.raises(ValueError, match="NaN"):
        fitted.fit(holes)
    assert fitted_names(fitted) == []


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the test scores"
)
def test_a_bad_candidate_does_not_stop_a_search():
    pipe = make_pipeline(embedder(), LogisticRegression())
    search = GridSearchCV(pipe, {"embedder__layer": [None, "no such layer"]}, cv=2).fit(IMAGES, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, False]


FORKED = """
    import sys, numpy as np, torch
    torch.set_num_threads(2)
    from joblib import Parallel, delayed, parallel_config
    from faulty import IMAGES
    from sklearn_debias.feature_extraction import Embedder

    torch.nn.functional.conv2d(torch.randn(8, 3, 64, 64), torch.randn(8, 3, 3, 3))
    fitted = Embedder("simple_cnn").fit(IMAGES)
    torch.set_num_threads(1)
    expected = Embedder("simple_cnn", cache_dir=None).fit_transform(IMAGES)
    torch.set_num_threads(2)
    with parallel_config("multiprocessing", n_jobs=2):
        found = Parallel()(delayed(fitted.transform)(IMAGES[i:]) for i in (0, 20, 10, 0))
    assert all(np.array_equal(z, expected[i:]) for z, i in zip(found, (0, 20, 10, 0)))
    print("agreed")
"""


@pytest.mark.slow
def test_forked_children_of_a_threaded_parent_neither_hang_nor_differ():
    assert said_by(FORKED, Path(__file__).parent).splitlines()[-1:] == ["agreed"]
