"""Weights: from a file, by torchvision's names, and of real networks."""

import hashlib
import io
import os
import pickle

import numpy as np
import pytest
import torch
from embedded import IMAGES, Counting, counting
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

from sklearn_debias import ERMClassifier
from sklearn_debias.datasets import data_folder
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.models import load_weights, simple_cnn

NAME = "squeezenet1_1"  # the smallest network of torchvision
LARGE = np.random.default_rng(0).random((3, 3, 40, 40), dtype=np.float32)


@pytest.fixture
def saved(tmp_path):
    def save(state, name="weights.pt"):
        torch.save(state, tmp_path / name)
        return tmp_path / name

    return save


def embed(module, X=IMAGES, **params):
    return Embedder(module, **params).fit_transform(X)


@pytest.mark.parametrize("kind", [str, lambda path: path])
@pytest.mark.parametrize("half", [False, True])
def test_a_file_fills_the_network(saved, kind, half):
    donor = counting(seed=5)
    state = {k: v.half() if half else v for k, v in donor.state_dict().items()}
    found = embed(Counting, weights=kind(saved(state)))
    np.testing.assert_allclose(found, embed(donor), atol=1e-2 if half else 0)


def test_a_file_for_an_instance_leaves_the_instance_alone(saved):
    own, donor = counting(), counting(seed=5)
    np.testing.assert_array_equal(embed(own, weights=saved(donor.state_dict())), embed(donor))
    assert torch.equal(own.conv.weight, counting().conv.weight)


def test_the_head_may_be_that_of_another_task_or_missing(saved):
    donor = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU(), nn.Linear(4, 10))
    own = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU(), nn.Linear(4, 2))
    state, expected = donor.state_dict(), embed(donor)
    np.testing.assert_array_equal(
        embed(own, weights=saved({k: v for k, v in state.items() if k[0] != "3"})), expected
    )
    np.testing.assert_array_equal(
        embed(own, weights=saved({**state, **own[3].state_dict(prefix="3.")})), expected
    )
    np.testing.assert_array_equal(embed(own, weights=saved(state)), expected)


def test_the_head_of_a_named_network_does_not_count(saved):
    donor = simple_cnn(3, 7)
    np.testing.assert_array_equal(
        embed("simple_cnn", weights=saved(donor.state_dict())), embed(donor)
    )
    found = [Embedder("linear", random_state=seed).fit(IMAGES) for seed in (0, 1)]
    assert found[0]._name == found[1]._name  # nothing random is left


def test_torchvision_by_name_with_a_file_and_with_its_own_weights(saved, tmp_path, monkeypatch):
    from torchvision import models

    torch.manual_seed(3)
    donor = models.get_model(NAME)
    file = models.get_model_weights(NAME).DEFAULT.url.rsplit("/", 1)[1]
    hub = tmp_path / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    torch.save(donor.state_dict(), hub / file)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    by_file = embed(NAME, LARGE, weights=hub / file)
    np.testing.assert_allclose(
        by_file, donor.eval()(torch.tensor(LARGE)).detach(), rtol=1e-5, atol=1e-6
    )
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = embed(NAME, LARGE, weights=hub / file, normalize=(mean, std))
    assert not np.allclose(expected, by_file, rtol=1e-3)
    for name in ("DEFAULT", "IMAGENET1K_V1"):
        np.testing.assert_array_equal(embed(NAME, LARGE, weights=name), expected)
        np.testing.assert_array_equal(embed(NAME, LARGE, weights=name, normalize=None), by_file)
    grey = embed(NAME, LARGE[:, :1], weights="DEFAULT")
    np.testing.assert_array_equal(grey, embed(NAME, LARGE[:, :1].repeat(3, 1), weights="DEFAULT"))


def test_a_file_of_googlenet_sees_the_pixels_that_its_name_does(saved, monkeypatch):
    from torchvision import models

    donor = models.get_model("googlenet", init_weights=False)
    state = donor.state_dict()
    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", lambda self, **kwargs: state)
    path = saved(state)
    given = {"normalize": "imagenet", "cache_dir": None}
    by_file = Embedder("googlenet", weights=path, **given).fit(LARGE)
    named = Embedder("googlenet", weights="DEFAULT", **given).fit(LARGE)
    np.testing.assert_array_equal(by_file.transform(LARGE), named.transform(LARGE))
    loaded = pickle.loads(pickle.dumps(by_file))
    np.testing.assert_array_equal(loaded.transform(LARGE), by_file.transform(LARGE))


def test_a_download_that_fails_is_told(tmp_path, monkeypatch):
    import urllib.request

    def refused(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(urllib.request, "urlopen", refused)
    monkeypatch.setattr(torch.hub, "urlopen", refused)
    with pytest.raises(ValueError, match="`weights`.* failed with OSError: no network.*file"):
        embed(NAME, LARGE, weights="DEFAULT")


UNKNOWN = {
    "no file": (
        NAME,
        "no such file",
        "`weights` must be None, an existing file .*one of \\['IMAGENET1K_V1', 'DEFAULT'\\]",
    ),
    "no name of torchvision": (
        "simple_cnn",
        "DEFAULT",
        "`weights` must be None, an existing file .*`module` of torchvision",
    ),
    "an instance": (counting(), "DEFAULT", "`weights` must be None, an existing file"),
}


@pytest.mark.parametrize("row", UNKNOWN)
def test_unknown_weights(row):
    module, weights, words = UNKNOWN[row]
    with pytest.raises(ValueError, match=words):
        embed(module, LARGE, weights=weights)


WRONG = {
    "missing": (
        lambda s: {k: v for k, v in s.items() if k != "body.0.weight"},
        "lacks 1 entries.*body.0.weight",
    ),
    "unknown": (
        lambda s: {**s, "body.9.weight": torch.ones(1)},
        "has unknown 1 entries.*body.9.weight",
    ),
    "shapes": (
        lambda s: {**s, "body.0.weight": torch.ones(1)},
        "has differently shaped 1 entries.*body.0.weight",
    ),
    "no tensors": (lambda s: {"a": 3}, "must hold a state_dict, got a mapping with \\['a'\\]"),
    "a tensor": (lambda s: torch.ones(3), "must hold a state_dict, got Tensor"),
}


@pytest.mark.parametrize("row", WRONG)
def test_a_file_of_another_architecture(row, saved):
    change, words = WRONG[row]
    path = saved(change(simple_cnn(3, 2).state_dict()))
    embedder = Embedder("simple_cnn", weights=path)
    with pytest.raises(ValueError, match=f"`weights`='.*weights.pt' .*{words}"):
        embedder.fit(IMAGES)
    assert not [name for name in vars(embedder) if name.endswith("_")]


def test_a_larger_network_of_the_same_family_is_another_architecture(saved):
    from torchvision.models import resnet18, resnet34

    path = saved(resnet34().state_dict())
    with pytest.raises(
        ValueError, match="another architecture than ResNet: it has unknown .* entries"
    ):
        embed("resnet18", weights=path)
    embed("resnet18", weights=saved(resnet18(num_classes=7).state_dict()))


@pytest.mark.parametrize("kind", ["cut short", "text", "one bit", "folder"])
def test_a_damaged_file(kind, saved, tmp_path):
    path = saved(simple_cnn(3, 2).state_dict())
    content = path.read_bytes()
    if kind == "one bit":
        at = (
            content.index(simple_cnn(3, 2).state_dict()["body.0.weight"].numpy().tobytes()[:0])
            + len(content) // 2
        )
        content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    path.write_bytes(
        {"cut short": content[: len(content) // 2], "text": b"hello"}.get(kind, content)
    )
    with pytest.raises(ValueError, match="`weights`"):
        embed("simple_cnn", weights=tmp_path if kind == "folder" else path)


def of_old(state):
    """The bytes of a file in torch's format before 1.6."""
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_the_format_without_checksums_is_refused_but_with_a_hash_in_the_name(tmp_path):
    donor = simple_cnn(3, 2)
    content = of_old(donor.state_dict())
    digest = hashlib.sha256(content).hexdigest()[:8]
    for name in ("weights.pt", "weights-00000000.pt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="no zip archive.*torch.load.*weights_only=True"):
            embed("simple_cnn", weights=tmp_path / name)
    named = tmp_path / f"weights-{digest}.pt"  # as torchvision names its downloads
    named.write_bytes(content)
    np.testing.assert_array_equal(embed("simple_cnn", weights=named), embed(donor))


@pytest.mark.parametrize("kind", ["zip", "old", "named by its hash"])
def test_damaged_files_never_load_as_other_numbers(kind, tmp_path, saved):
    donor = nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.ReLU(), nn.Linear(3, 2))
    content = of_old(donor.state_dict())
    path = tmp_path / f"w-{hashlib.sha256(content).hexdigest()[:8]}.pt"
    if kind == "zip":
        content = saved(donor.state_dict()).read_bytes()
    if kind != "named by its hash":
        path = tmp_path / "w.pt"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(40):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        own = nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.ReLU(), nn.Linear(3, 2))
        try:
            load_weights(own, path)
        except ValueError:
            refused += 1
        else:
            for name, value in donor.state_dict().items():
                assert torch.equal(own.state_dict()[name], value)
    assert refused >= (20 if kind == "zip" else 40)  # a zip archive has bytes that say nothing


def test_safetensors(tmp_path):
    donor = simple_cnn(3, 2)
    path = tmp_path / "model.safetensors"
    save_file(donor.state_dict(), path)
    np.testing.assert_array_equal(embed("simple_cnn", weights=path), embed(donor))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="`weights`=.*model.safetensors' cannot be read"):
        embed("simple_cnn", weights=path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_weights_are_not_read_from_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    clf = ERMClassifier("resnet18", net_params={"module__weights": tmp_path / "pipe"})
    with pytest.raises(ValueError, match="`module__weights`=.* cannot be read: it is no file"):
        clf.fit(LARGE, [0, 1, 0])


class SamePadding(nn.Module):
    """A convolution of stride 2 that pads as TensorFlow does."""

    def __init__(self, conv):
        super().__init__()
        self.conv = conv
        conv.padding = (0, 0)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class FromTensorFlow(nn.Module):
    """MobileNetV2 with the weights of a file, for images in [0, 1]."""

    def __init__(self, path):
        from torchvision.models import mobilenet_v2

        super().__init__()
        net = mobilenet_v2(num_classes=1001)
        net.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in _load(path).items()}
        )
        for block in list(net.features.modules()):
            for name, child in list(block.named_children()):
                if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
                    setattr(block, name, SamePadding(child))
        self.net = net

    def forward(self, x):
        return self.net(2 * x - 1)


def _load(path):
    return torch.load(path, map_location="cpu", weights_only=True)


def jpegs(pack, rows, folder):
    for i in rows:
        (folder / f"{i}.jpg").write_bytes(
            pack["data"].tobytes()[pack["off"][i] : pack["off"][i + 1]]
        )
    return [folder / f"{i}.jpg" for i in rows]


def cosine(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.slow
@pytest.mark.skipif(data_folder(required=False) is None, reason="SKLEARN_DEBIAS_DATA is not set")
def test_real_image_files_through_a_real_network(tmp_path):
    folder = data_folder()
    pack = np.load(folder / "bar_64.npz", allow_pickle=False)
    rows = np.random.default_rng(0).choice(np.flatnonzero(pack["split"] == 0), 120, replace=False)
    paths, labels = jpegs(pack, rows, tmp_path), pack["y"][rows]
    module = FromTensorFlow(folder / "mobilenet_v2_imagenet_fp16.pt")
    Z = embed(module, paths, image_size=96)
    assert Z.shape == (120, 1280)
    reference = np.load(folder / "bar_mobilenet_v2_embeddings.npz", allow_pickle=False)["x"][
        rows
    ].astype(np.float32)
    likeness = cosine(Z, reference)  # of the same pictures in full size
    assert np.median(likeness) > 0.5
    assert np.mean(likeness > cosine(Z, np.roll(reference, 1, axis=0))) > 0.95
    classifier = LogisticRegression(max_iter=1000).fit(Z[:80], labels[:80])
    assert classifier.score(Z[80:], labels[80:]) > 0.6
    weights = folder / "mobilenet_v2_imagenet_fp16.pt"
    assert embed("mobilenet_v2", paths[:8], weights=weights, image_size=96).shape == (8, 1280)


@pytest.mark.parametrize("key", ["state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_a_checkpoint_holds_the_weights_under_names_of_its_own(key, prefix, saved):
    donor = simple_cnn(3, 2)
    wrapped = {prefix + name: value for name, value in donor.state_dict().items()}
    path = saved({key: wrapped, "epoch": 3})
    np.testing.assert_array_equal(embed("simple_cnn", weights=path), embed(donor))


def test_a_pickled_module_is_no_file_of_tensors(saved):
    with pytest.raises(
        ValueError,
        match=r"cannot be read: it is no file of tensors.*torch\.save\(module\.state_dict",
    ):
        embed("simple_cnn", weights=saved(simple_cnn(3, 2)))
