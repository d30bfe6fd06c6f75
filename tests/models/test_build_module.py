"""From what the user calls a module to one of the right size."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from sklearn_debias import ERMClassifier, LfFClassifier
from sklearn_debias.models import Normalize, build_module, default_name, linear, mlp, simple_cnn


def build(module, shape=(4,), n_classes=3, **options):
    settings = {name: options.pop(name) for name in ("normalize", "auxiliary") if name in options}
    return build_module(module, shape, n_classes, options=options, **settings)


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((5,), "linear"),
        ((1, 8, 8), "simple_cnn"),
        ((3, 16, 16), "simple_cnn"),
        ((3, 16, 32), "cifar_resnet18"),
        ((3, 64, 64), "cifar_resnet18"),
        ((3, 65, 8), "resnet18"),
    ],
)
def test_the_default_follows_the_size_of_the_rows(shape, name):
    assert default_name(shape) == name


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (None, (4,)),
        ("linear", (4,)),
        ("linear", (2, 3, 5)),
        ("mlp", (4,)),
        ("mlp", (1, 4, 4)),
        ("simple_cnn", (1, 5, 7)),
        ("cifar_resnet18", (2, 8, 8)),
        (linear, (4,)),
        (lambda n_features, n_classes: nn.Linear(n_features, n_classes), (4,)),
        (lambda: nn.Linear(4, 3), (4,)),
        (nn.Linear(4, 3), (4,)),
        (nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), (2, 2, 2)),
    ],
)
def test_every_way_to_name_a_module_gives_logits_by_body_and_head(module, shape):
    built = build(module, shape)
    x = torch.rand(2, *shape)
    built.eval()
    assert built(x).shape == (2, 3)
    assert torch.equal(built.head(built.body(x)), built(x))


def test_options_reach_names_classes_and_factories():
    assert build("mlp", hidden=[7, 6]).head.in_features == 6
    assert build(mlp, hidden=5, dropout=0.5).head.in_features == 5
    assert build(simple_cnn, (1, 8, 8), width=2).body[0].out_channels == 2


def test_an_instance_is_copied():
    own = nn.Linear(4, 3)
    built = build(own)
    assert torch.equal(built.head.weight, own.weight)
    with torch.no_grad():
        built.head.weight.add_(1.0)
    assert not torch.equal(built.head.weight, own.weight)


def test_a_second_net_from_one_instance_differs_in_its_head_only():
    own = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    second = build(own, auxiliary=True)
    assert torch.equal(second.body[0].weight, own[0].weight)
    assert not torch.equal(second.head.weight, own[2].weight)


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3))

    def forward(self, x):
        return x @ self.weight


def test_a_second_net_that_cannot_be_initialised_anew_is_an_error():
    with pytest.raises(ValueError, match="start equal"):
        build(Bare(), auxiliary=True)


@pytest.mark.parametrize(
    ("module", "shape", "options", "error", "message"),
    [
        ("no such net", (4,), {}, ValueError, "simple_cnn"),
        ("simple_cnn", (4,), {}, ValueError, "4-D"),
        ("resnet18", (4,), {}, ValueError, "4-D"),
        (nn.Linear(4, 3), (4,), {"bias": False}, ValueError, "Pass the class"),
        (nn.Linear, (4,), {}, TypeError, "could not be built"),
        ("mlp", (4,), {"widths": 3}, TypeError, "widths"),
        (lambda: "not a module", (4,), {}, TypeError, "nn.Module"),
    ],
)
def test_what_cannot_be_built_says_why(module, shape, options, error, message):
    with pytest.raises(error, match=message):
        build(module, shape, **options)


@pytest.mark.parametrize("shape", [(2,), (2, 3, 3)])
def test_normalisation_is_by_feature_or_by_channel(shape):
    x = torch.rand(4, *shape)
    mean, std = [0.1, 0.2], [2.0, 4.0]
    out = Normalize(mean, std)(x)
    for i in range(2):
        torch.testing.assert_close(out[:, i], (x[:, i] - mean[i]) / std[i])


def test_a_normalised_module_is_the_module_of_normalised_rows():
    own = nn.Linear(4, 3)
    x = torch.rand(5, 4)
    built = build(own, normalize=([0.5], [0.25]))
    assert torch.equal(built(x), own((x - 0.5) / 0.25))
    assert torch.equal(built.head(built.body(x)), built(x))


def test_mlp_takes_widths_and_dropout():
    module = mlp(4, 3, hidden=(6, 5), dropout=0.5)
    assert [m.out_features for m in module.modules() if isinstance(m, nn.Linear)] == [6, 5, 3]
    assert sum(isinstance(m, nn.Dropout) for m in module.modules()) == 2


def test_a_linear_head_starts_near_zero():
    torch.manual_seed(0)
    module = linear(500, 10)
    assert module.head.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not module.head.bias.any()


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_torchvision_by_name_takes_any_number_of_channels(channels):
    module = build("resnet18", (channels, 32, 32)).eval()
    assert module(torch.rand(2, channels, 32, 32)).shape == (2, 3)


@pytest.mark.slow
def test_weights_from_a_file_fill_the_body(tmp_path):
    from torchvision.models import resnet18

    donor, path = resnet18(), tmp_path / "weights.pt"
    torch.save(donor.state_dict(), path)
    built = build("resnet18", (3, 32, 32), weights=str(path))
    assert torch.equal(built.body.conv1.weight, donor.conv1.weight)
    assert built.head.out_features == 3
    torch.save({"conv1.weight": donor.conv1.weight}, path)
    with pytest.raises(ValueError, match="lacks"):
        build("resnet18", (3, 32, 32), weights=str(path))


def test_an_unknown_biased_module_is_named():
    clf = LfFClassifier("mlp", biased_module="unknown", max_epochs=1)
    with pytest.raises(ValueError, match="`biased_module` must be one of"):
        clf.fit([[0.0], [1.0]], [0, 1])


def test_a_linear_head_starts_near_zero_or_as_torch_does():
    torch.manual_seed(0)
    near, far = linear(400, 50), linear(400, 50, std=None)
    assert float(near.head.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    assert not near.head.bias.any()
    assert float(far.head.weight.detach().abs().max()) == pytest.approx(1 / 20, rel=0.01)


SIDE = 80  # of images: Inception needs 75
AUXILIARY = {"inception_v3": ["AuxLogits"], "googlenet": ["aux1", "aux2"]}


@pytest.mark.parametrize("name", AUXILIARY)
def test_networks_with_auxiliary_heads_return_their_logits_alone(name, tmp_path):
    # What torchvision sets for weights of its own holds for a file of them.
    donor = models.get_model(name, init_weights=False, transform_input=True)
    torch.save(donor.state_dict(), tmp_path / "weights.pt")
    module = build_module(name, (3, SIDE, SIDE), 2, options={"weights": tmp_path / "weights.pt"})
    assert not [key for key in module.state_dict() if key.startswith(("body.Aux", "body.aux"))]
    x = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    donor.fc = nn.Identity()
    features = donor.eval()(x)
    torch.testing.assert_close(module.eval().body(x), features)
    torch.testing.assert_close(module(x), module.head(features))
    assert module.train()(x).shape == (2, 2)
    options = {"init_weights": False, "aux_logits": True}  # the first would take seconds
    bare = build_module(name, (3, SIDE, SIDE), 3, options=options)
    assert bare.train()(x).shape == (2, 3)


@pytest.mark.parametrize("name", AUXILIARY)
def test_an_instance_with_auxiliary_heads_is_copied_without_them(name):
    instance = models.get_model(name, num_classes=2, init_weights=False)
    x = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    copied = build_module(instance, (3, SIDE, SIDE), 2, options={})
    assert copied.train()(x).shape == (2, 2)
    assert instance.aux_logits
    assert all(isinstance(getattr(instance, head), nn.Module) for head in AUXILIARY[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", AUXILIARY)
@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_networks_with_auxiliary_heads_train_by_name(name):
    X = np.random.default_rng(0).random((4, 3, SIDE, SIDE), dtype=np.float32)
    clf = ERMClassifier(name, max_epochs=1, lr=1e-4, random_state=0).fit(X, [0, 1, 0, 1])
    assert clf.predict_proba(X).shape == (4, 2)


SCRIPTED = [
    ("mlp", (4,), None),
    ("linear", (3, 8, 8), None),
    ("simple_cnn", (3, 8, 8), ([0.5] * 3, [0.2] * 3)),
    ("cifar_resnet32", (1, 16, 16), ([0.5], [0.2])),
    ("cifar_preact_resnet18", (1, 16, 16), ([0.5], [0.2])),
    ("cifar_vgg16", (3, 32, 32), None),
]


@pytest.mark.parametrize(("name", "shape", "normalize"), SCRIPTED)
@pytest.mark.filterwarnings("ignore:`torch.jit.script")
def test_networks_can_be_scripted(name, shape, normalize):
    module = build_module(name, shape, 3, options={}, normalize=normalize).eval()
    x = torch.rand(5, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.jit.script(module)(x), module(x))
