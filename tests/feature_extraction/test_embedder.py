"""What an embedding is, and which inputs have one."""

import copy
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from embedded import IMAGES, UINT8, Counting, counting, y
from PIL import Image
from sklearn.base import clone
from torch import nn
from torch.utils.data import TensorDataset

from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.models import Normalize, mlp, simple_cnn
from sklearn_debias.testing._asserts import generators_untouched
from sklearn_debias.training import inference_rows


def embed(module=None, X=IMAGES, **params):
    return Embedder(module, **params).fit_transform(X)


def reference(module, x):
    with torch.inference_mode():
        return module.eval()(torch.as_tensor(x)).numpy()


def test_features_are_their_own_embedding_by_default():
    X = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_array_equal(embed(None, X), X)


NETWORKS = {
    "body and head": (simple_cnn(3, 2), lambda m: m.body),
    "ends in a linear layer": (
        nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU(), nn.Linear(4, 2)),
        lambda m: m[:3],
    ),
    "ends otherwise": (nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.Tanh()), lambda m: m),
    "no linear layer": (counting(), lambda m: m),
}


@pytest.mark.parametrize("row", NETWORKS)
def test_layer_none_is_what_the_last_linear_layer_takes_in(row):
    module, expected = NETWORKS[row]
    np.testing.assert_allclose(embed(module), reference(expected(module), IMAGES), atol=1e-6)


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.act, self.fc = nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Linear(6, 2)

    def forward(self, x):
        z = self.stem(x)
        return self.fc(input=self.act(self.act(z) - 0.1).mean((2, 3)))


def test_a_network_of_any_class_is_embedded_before_its_last_linear_layer():
    own = Own().eval()
    with torch.no_grad():
        before = (own.stem(torch.tensor(IMAGES)).relu() - 0.1).relu().mean((2, 3)).numpy()
    np.testing.assert_allclose(embed(own), before, atol=1e-6)


def test_a_layer_by_name_is_not_changed_by_what_works_in_place_after_it():
    own = Own().eval()
    stem = reference(own.stem, IMAGES)
    np.testing.assert_allclose(embed(own, layer="stem"), stem.mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(
        embed(own, layer="stem", pool="flatten"), stem.reshape(40, -1), atol=1e-6
    )
    np.testing.assert_allclose(embed(own, layer=""), reference(own, IMAGES), atol=1e-6)


def test_a_layer_that_runs_more_than_once_counts_by_its_last_output():
    own = Own().eval()
    np.testing.assert_array_equal(embed(own, layer="act"), embed(own))


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.norm = nn.LayerNorm(5)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.norm(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))


def test_channels_are_kept_and_places_averaged_where_the_channels_are_last():
    module = Last().eval()
    with torch.no_grad():
        expected = module.norm(module.conv(torch.from_numpy(IMAGES)).permute(0, 2, 3, 1))
    np.testing.assert_allclose(
        embed(module, layer="norm"), expected.mean((1, 2)).numpy(), atol=1e-6
    )


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Flatten(2)

    def forward(self, x):
        return self.tokens(x)


def test_tokens_are_averaged_or_flattened():
    expected = IMAGES.reshape(40, 3, 64)
    np.testing.assert_allclose(embed(Tokens()), expected.mean(1), atol=1e-6)
    np.testing.assert_array_equal(embed(Tokens(), pool="flatten"), expected.reshape(40, -1))


@pytest.mark.parametrize("normalize", [([0.4] * 3, [0.2] * 3), "imagenet"])
def test_normalisation_happens_inside(normalize):
    module = counting()
    mean, std = (
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if normalize == "imagenet" else normalize
    )
    expected = reference(nn.Sequential(Normalize(mean, std), module), IMAGES)
    np.testing.assert_allclose(embed(module, normalize=normalize), expected, atol=1e-6)
    assert not np.allclose(embed(module), expected, atol=1e-3)


@pytest.mark.parametrize(
    "params", [{}, {"cache_dir": None}, {"batch_size": 7}, {"image_size": 12}, {"dtype": "float64"}]
)
@pytest.mark.parametrize("module", ["simple_cnn", counting()], ids=["simple_cnn", "counting"])
def test_an_embedding_does_not_depend_on_the_rows_beside_it(module, params):
    embedder = Embedder(module, **{"cache_dir": None, **params}).fit(IMAGES)
    whole, order = embedder.transform(IMAGES), np.random.default_rng(1).permutation(40)
    for rows in (order[:1], order[1:20], order):
        np.testing.assert_array_equal(embedder.transform(IMAGES[rows]), whole[rows])


def test_uint8_equals_floats():
    expected = embed("simple_cnn", UINT8.astype(np.float32) / 255)
    for same in (UINT8, torch.tensor(UINT8), TensorDataset(torch.tensor(UINT8), torch.tensor(y))):
        np.testing.assert_allclose(embed("simple_cnn", same), expected, atol=1e-6)


@pytest.fixture
def paths(tmp_path):
    for i, image in enumerate(UINT8):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{i}.png")
    return [tmp_path / f"{i}.png" for i in range(len(UINT8))]


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda p: [str(q) for q in p]])
@pytest.mark.parametrize("cache_dir", ["auto", None])
def test_paths_equal_arrays(kind, paths, cache_dir):
    np.testing.assert_array_equal(
        embed("simple_cnn", kind(paths), cache_dir=cache_dir), embed("simple_cnn", UINT8)
    )


def test_palette_and_16_bit_files_are_scaled_right(paths, tmp_path):
    rgb = Image.fromarray(UINT8[0].transpose(1, 2, 0))
    palette, grey = rgb.quantize(8), Image.fromarray(UINT8[0, 0].astype(np.uint16) * 257)
    palette.save(tmp_path / "palette.png")
    grey.save(tmp_path / "16 bit.tif")
    expected = [np.asarray(palette.convert("RGB")).transpose(2, 0, 1), UINT8[0, :1].repeat(3, 0)]
    found = embed("simple_cnn", [tmp_path / "palette.png", tmp_path / "16 bit.tif"])
    np.testing.assert_array_equal(found, embed("simple_cnn", np.stack(expected)))


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("module", ["simple_cnn", Counting, "squeezenet1_1"])
def test_other_numbers_of_channels(module, channels):
    X = np.random.default_rng(0).random((3, channels, 40, 40))
    assert np.isfinite(embed(module, X)).all()


def test_random_weights_are_those_of_the_seed():
    first = embed("simple_cnn")
    np.testing.assert_array_equal(embed("simple_cnn", cache_dir=None), first)
    assert not np.array_equal(embed("simple_cnn", random_state=1), first)
    assert not np.array_equal(
        embed("simple_cnn", random_state=None), embed("simple_cnn", random_state=None)
    )


def test_nothing_global_and_nothing_of_the_user_changes():
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 2)
    )
    before, X = copy.deepcopy(module.state_dict()), IMAGES.copy()
    X.flags.writeable = False
    threads, mode = torch.get_num_threads(), torch.is_grad_enabled()
    with generators_untouched():
        for given in (module, "simple_cnn", "squeezenet1_1"):
            embed(given, X=np.tile(X, (1, 1, 4, 4)) if given == "squeezenet1_1" else X)
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, mode)
    assert X.tobytes() == IMAGES.tobytes()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(part.training and not part._forward_hooks for part in module.modules())
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_frames_come_out_with_names_and_the_index_of_the_input(paths):
    embedder = Embedder(counting()).set_output(transform="pandas").fit(IMAGES)
    names = [f"embedder{i}" for i in range(5)]
    assert list(embedder.get_feature_names_out()) == names
    assert list(embedder.transform(IMAGES).columns) == names
    found = embedder.transform(pd.Series(paths, index=range(7, 47)))
    assert list(found.index) == list(range(7, 47))
    assert embedder.transform(paths).shape == (40, 5)


def test_clone_and_pickle():
    embedder = Embedder(counting(), layer="conv").fit(IMAGES)
    expected = embedder.transform(IMAGES)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(embedder)).transform(IMAGES), expected)
    np.testing.assert_array_equal(clone(embedder).fit(IMAGES).transform(IMAGES), expected)


def test_parameters_count_at_the_next_fit():
    embedder = Embedder("simple_cnn").fit(IMAGES)
    expected = embedder.transform(IMAGES)
    embedder.set_params(
        module="linear", layer="no such layer", dtype="float64", batch_size=3, cache_dir="/proc/no"
    )
    np.testing.assert_array_equal(embedder.transform(IMAGES), expected)


def test_embeddings_that_do_not_fit_in_memory_come_as_a_memory_map():
    expected = embed("simple_cnn")
    found = embed("simple_cnn", max_memory="10KB")
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, expected)
    path, view = found.filename, found[3:]
    del found
    np.testing.assert_array_equal(view, expected[3:])
    del view
    assert not Path(path).exists()


def test_a_memory_map_as_input():
    with tempfile.NamedTemporaryFile() as file:
        X = np.memmap(file.name, np.float32, mode="w+", shape=IMAGES.shape)
        X[:] = IMAGES
        np.testing.assert_array_equal(embed("simple_cnn", X), embed("simple_cnn"))


def test_progress_is_told_only_where_asked_for(capsys):
    embed("simple_cnn")
    assert capsys.readouterr() == ("", "")
    embed("simple_cnn", verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Embedder: 100%" in err
    assert "40/40" in err
    assert "0 new" in err


@pytest.mark.parametrize(("shape", "rows"), [((4,), 32), ((3, 64, 64), 32), ((3, 224, 224), 8)])
def test_default_batches_are_small_for_large_images(shape, rows):
    assert inference_rows(torch.device("cpu"), shape) == rows
    assert inference_rows(torch.device("cuda"), shape) == 256


def test_mlp_factories_get_the_number_of_features():
    X = np.random.default_rng(0).normal(size=(6, 3))
    assert embed(mlp, X).shape == (6, 100)


@pytest.mark.parametrize("layer", [None, "body.0"])
def test_the_network_can_be_exported_for_batches_of_any_size(layer):
    module = Embedder("simple_cnn", layer=layer, cache_dir=None).fit(IMAGES).module_
    x = torch.from_numpy(IMAGES)
    sizes = ({0: torch.export.Dim("b", min=1)},)
    exported = torch.export.export(module, (x[:2],), dynamic_shapes=sizes).module()
    for n in (1, 3, 40):
        torch.testing.assert_close(exported(x[:n]), module(x[:n]))
