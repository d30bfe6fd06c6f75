"""The maps as functions of nets: by hand, against captum, and inside a training step."""

import copy

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Saliency
from networks import cnn, images, residual
from torch import nn
from torch.func import vmap

from sklearn_debias.core import Net, SplitModule, split
from sklearn_debias.maps import _maps
from sklearn_debias.maps._maps import (
    grad_cam,
    grad_cam_attention,
    gradient_x_input,
    gradient_x_input_attention,
    input_gradient,
    integrated_gradients,
    integrated_gradients_attention,
)
from sklearn_debias.maps._places import last_conv_layer
from sklearn_debias.maps._quadrature import gauss_legendre
from sklearn_debias.maps._scaling import min_max, resize
from sklearn_debias.models._cifar_resnet import cifar_resnet32
from sklearn_debias.models._nets import cifar_resnet18, mlp, simple_cnn, ule_cnn
from sklearn_debias.models._preactivated import cifar_preact_resnet18
from sklearn_debias.models._vgg import cifar_vgg16

Y = torch.tensor([0, 3, 1, 2, 3])


class Toy(nn.Module):
    """z_0 = a^2 + 3 mean(relu(x)), z_1 = 0, where a is the first pixel."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        first = x.flatten(1)[:, 0] ** 2 + 3 * self.relu(x).mean((1, 2, 3))
        return torch.stack([first, torch.zeros_like(first)], dim=1)


def test_a_network_done_by_hand():
    net, x = Net(Toy()), torch.tensor([[[[2.0, 1.0], [-1.0, 3.0]]]], dtype=torch.float64)
    gradient = torch.tensor([[[[4.75, 0.75], [0.0, 0.75]]]], dtype=torch.float64)
    torch.testing.assert_close(input_gradient(net, x, torch.tensor([0])), gradient)
    torch.testing.assert_close(input_gradient(net, x), gradient)  # the predicted class is 0
    assert not input_gradient(net, x, torch.tensor([1])).any()
    torch.testing.assert_close(gradient_x_input(net, x), x * gradient)
    whole = torch.tensor(
        [[[[5.5, 0.75], [0.0, 2.25]]]], dtype=torch.float64
    )  # the integral of 2a is a^2
    torch.testing.assert_close(integrated_gradients(net, x, n_steps=2), whole)
    cam = torch.tensor([[[1.5, 0.75], [0.0, 2.25]]], dtype=torch.float64)  # alpha = 3/4
    torch.testing.assert_close(grad_cam(net, x, None, "relu"), cam)


@pytest.mark.parametrize("scalar", ["logit", "log_prob"])
def test_the_scalar_is_the_label_s_and_its_gradient_that_of_finite_differences(scalar):
    module, x = cnn(), images()
    found = input_gradient(Net(module), x, Y, scalar=scalar)
    direction, h = images(seed=9) - 0.5, 1e-6

    def value(x):
        out = module(x) if scalar == "logit" else module(x).log_softmax(1)
        return out.gather(1, Y[:, None])[:, 0]

    slope = (value(x + h * direction) - value(x - h * direction)) / (2 * h)
    torch.testing.assert_close(
        (found * direction).sum((1, 2, 3)), slope.detach(), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 8, 10), (1, 8, 8), (1, 13, 9)])
@pytest.mark.parametrize("labels", [True, False])
def test_captum_finds_the_same(channels, height, width, labels):
    module, x = cnn(channels), images(5, channels, height, width)
    net, y = Net(module), Y if labels else None
    target = Y if labels else module(x).argmax(1)
    with_gradient = x.clone().requires_grad_()
    expected = Saliency(module).attribute(with_gradient, target=target)
    torch.testing.assert_close(
        input_gradient(net, x, y).abs(), expected.detach(), rtol=1e-12, atol=1e-14
    )
    for baseline in (0.0, 0.5):
        expected = IntegratedGradients(module).attribute(x, baseline, target=target, n_steps=50)
        found = integrated_gradients(net, x, y, n_steps=50, baseline=baseline)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    for name in ("0", "2", "5"):
        layer = module.get_submodule(name)
        expected = LayerGradCam(module, layer).attribute(x, target=target, relu_attributions=True)
        found = grad_cam(net, x, y, name)
        torch.testing.assert_close(found, expected[:, 0].detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "make", [lambda inplace: cnn(1, inplace=inplace), lambda inplace: residual(inplace=inplace)]
)
def test_layers_that_write_in_place_change_no_map(make):
    twin, written, x = Net(make(inplace=False)), Net(make(inplace=True)), images(3, 1, 9, 9)
    before, y = x.clone(), torch.tensor([0, 2, 1])
    for name, layer in twin.module.named_modules():
        if name and twin.with_layer(x, name)[1].ndim == 4:
            found = grad_cam(written, x, y, name)
            torch.testing.assert_close(found, grad_cam(twin, x, y, name), rtol=1e-12, atol=0)
            assert found.any() or isinstance(layer, nn.BatchNorm2d), name
    torch.testing.assert_close(
        input_gradient(written, x, y), input_gradient(twin, x, y), rtol=1e-12, atol=1e-15
    )
    assert torch.equal(x, before)


def test_a_first_layer_in_place_leaves_the_images_alone():
    module = nn.Sequential(nn.ReLU(inplace=True), cnn())
    twin = nn.Sequential(nn.ReLU(), cnn())
    x = images() - 0.5
    before = x.clone()
    for find in (input_gradient, integrated_gradients, lambda net, x, y: grad_cam(net, x, y, "0")):
        torch.testing.assert_close(
            find(Net(module), x, Y), find(Net(twin), x, Y), rtol=1e-12, atol=1e-15
        )
    assert torch.equal(x, before)


def test_the_last_call_of_a_layer_used_twice_counts():
    module = residual(inplace=False)
    at_layer, at_block = (
        grad_cam(Net(module), images(2, 1), None, name) for name in ("3.relu", "3")
    )
    torch.testing.assert_close(at_layer, at_block)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 50, 200])
def test_the_quadrature_is_numpy_s(n):
    nodes, weights = np.polynomial.legendre.leggauss(n)
    np.testing.assert_allclose(
        gauss_legendre(n), [(1 + nodes) / 2, weights / 2], rtol=0, atol=3e-15
    )


def test_integrated_gradients_sum_to_the_difference_of_the_scalars():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 20), nn.Softplus(), nn.Linear(20, 3)).double()
    x, baseline = torch.randn(4, 6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    y = torch.tensor([2, 0, 1, 1])
    for scalar, end in (("logit", module), ("log_prob", lambda x: module(x).log_softmax(1))):
        found = integrated_gradients(Net(module), x, y, baseline=baseline, scalar=scalar)
        gap = (end(x) - end(baseline.expand(4, 6))).gather(1, y[:, None])[:, 0]
        torch.testing.assert_close(found.sum(1), gap.detach(), rtol=1e-9, atol=1e-12)


def test_the_size_of_a_chunk_changes_nothing(monkeypatch):
    module, x = cnn(), images()
    whole = integrated_gradients(Net(module), x, Y, n_steps=7)
    monkeypatch.setattr(_maps, "STEP_ROWS", 11)
    torch.testing.assert_close(
        integrated_gradients(Net(module), x, Y, n_steps=7), whole, rtol=1e-12, atol=1e-15
    )


def test_gradient_x_input_shares_out_the_logit_of_a_linear_network():
    module, x = nn.Linear(7, 3, bias=False).double(), torch.randn(4, 7, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 0])
    found = gradient_x_input(Net(module), x, y)
    torch.testing.assert_close(found.sum(1), module(x).gather(1, y[:, None])[:, 0].detach())
    torch.testing.assert_close(found, x * module.weight[y].detach())
    torch.testing.assert_close(found, integrated_gradients(Net(module), x, y, n_steps=1))


ATTENTION = {
    "grad_cam": lambda net, x, y: grad_cam_attention(net, x, y, "5"),
    "integrated_gradients": lambda net, x, y: integrated_gradients_attention(net, x, y, 8),
    "gradient_x_input": gradient_x_input_attention,
    "input_gradient": _maps.input_gradient_attention,
}


@pytest.mark.parametrize("name", ATTENTION)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_is_one_map_per_image_in_0_1(name, dtype):
    x = images().to(dtype).requires_grad_()
    found = ATTENTION[name](Net(cnn().to(dtype)), x, Y)
    assert found.shape == (5, 8, 10)
    assert found.dtype == dtype
    assert not found.requires_grad
    assert found.min() >= 0
    assert found.max() <= 1
    if name != "grad_cam":  # which is resized last
        assert (found.amax((1, 2)) == 1).all()
        assert (found.amin((1, 2)) == 0).all()


def test_grad_cam_attention_is_relu_then_min_max_then_bilinear():
    net, x = Net(cnn()), images()
    cam = grad_cam(net, x, Y, "5").numpy()
    assert cam.shape == (5, 4, 5)
    low, high = cam.min((1, 2), keepdims=True), cam.max((1, 2), keepdims=True)
    scaled = torch.from_numpy((cam - low) / np.maximum(high - low, 1e-300))[:, None]
    expected = nn.functional.interpolate(scaled, (8, 10), mode="bilinear")[:, 0]
    torch.testing.assert_close(grad_cam_attention(net, x, Y, "5"), expected)


@pytest.mark.parametrize("name", ATTENTION)
def test_a_map_in_the_middle_of_a_training_step_touches_nothing(name):
    module = cnn().train()
    nn.init.zeros_(module[9].bias)
    module[4].weight.grad = torch.ones_like(module[4].weight)
    net, x = Net(module), images()
    state, mode = copy.deepcopy(module.state_dict()), [m.training for m in module.modules()]
    rng = torch.get_rng_state()
    expected = ATTENTION[name](Net(copy.deepcopy(module).eval()), x, Y)
    with torch.no_grad():
        torch.testing.assert_close(ATTENTION[name](net, x, Y), expected, rtol=0, atol=0)
    torch.testing.assert_close(ATTENTION[name](net, x, Y), expected, rtol=0, atol=0)
    for key, value in module.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert [m.training for m in module.modules()] == mode
    assert torch.equal(torch.get_rng_state(), rng)
    assert (module[4].weight.grad == 1).all()
    assert all(p.grad is None for n, p in module.named_parameters() if n != "4.weight")
    twin = net.frozen().module
    assert not any(m._forward_hooks for m in [*module.modules(), *twin.modules()])


@pytest.mark.parametrize("name", ATTENTION)
def test_nothing_waits_for_the_device(name):
    """On the meta device a value that is read, or a shape that depends on one, is an error."""
    found = ATTENTION[name](Net(cnn().to("meta")), images().to("meta"), Y.to("meta"))
    assert found.shape == (5, 8, 10)


@pytest.mark.parametrize("name", ATTENTION)
def test_given_parameters_are_used(name):
    module, other = cnn(), cnn(seed=3)
    other.load_state_dict(
        {k: v for k, v in module.state_dict().items() if "running" in k}, strict=False
    )
    given = {n: p.detach() for n, p in other.named_parameters()}
    torch.testing.assert_close(
        ATTENTION[name](Net(module, given), images(), Y), ATTENTION[name](Net(other), images(), Y)
    )


@pytest.mark.parametrize("find", [gradient_x_input_attention, integrated_gradients_attention])
def test_maps_of_features_can_be_vmapped_over_networks(find):
    torch.manual_seed(0)
    module = split(mlp(4, 3, hidden=5).double())
    x, y = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    many = [{n: p.detach() * (1 + k) + k for n, p in module.named_parameters()} for k in range(3)]
    stacked = {n: torch.stack([params[n] for params in many]) for n in many[0]}
    together = vmap(lambda params: find(Net(module, params), x, y))(stacked)
    for k, params in enumerate(many):
        torch.testing.assert_close(together[k], find(Net(module, params), x, y))


def test_constant_maps_become_zeros_whatever_their_value_and_rounding():
    maps = torch.tensor(
        [[5.0, 5.0], [0.1 + 0.2, 0.3], [0.0, 0.0], [1e300, 1e300]], dtype=torch.float64
    )
    assert not min_max(maps).any()
    tiny = torch.tensor([[0.0, 1e-300, 2e-300]], dtype=torch.float64)
    assert min_max(tiny).tolist() == [[0.0, 0.5, 1.0]]
    assert min_max(torch.tensor([[1.0, float("nan")], [1.0, float("inf")]])).isnan().any(1).all()


def test_min_max_does_not_depend_on_scale_and_offset():
    maps = images(4, 1)[:, 0]
    for scale in (1e-20, 1.0, 1e20):
        torch.testing.assert_close(min_max(scale * maps), min_max(maps))
    torch.testing.assert_close(min_max(3 * maps + 7), min_max(maps))


def test_resized_maps_stay_in_range():
    maps = images(4, 1, 3, 5)[:, 0]
    for size in ((8, 10), (2, 3), (3, 5)):
        found = resize(maps, size)
        assert found.shape == (4, *size)
        assert (found.amax((1, 2)) <= maps.amax((1, 2))).all()
        assert (found.amin((1, 2)) >= maps.amin((1, 2))).all()


def pooled_then_dropped():
    return nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.ReLU(),
        nn.Sequential(nn.MaxPool2d(2), nn.Dropout2d()),
        nn.Flatten(),
        nn.LazyLinear(2),
    )


LAST = {
    "simple_cnn": (lambda: simple_cnn(1, 10), (1, 8, 8), "body.3"),
    "cifar_resnet18": (lambda: cifar_resnet18(3, 10), (3, 16, 20), "body.layer4"),
    "cifar_resnet32": (lambda: cifar_resnet32(3, 10), (3, 8, 8), "body.17"),
    "cifar_preact_resnet18": (lambda: cifar_preact_resnet18(3, 10), (3, 16, 16), "body.10"),
    "cifar_vgg16": (lambda: cifar_vgg16(3, 10), (3, 32, 32), "body.42"),
    "ule_cnn": (lambda: ule_cnn(1, 10), (1, 28, 28), "body.3"),
    "pooling and dropout": (pooled_then_dropped, (1, 8, 8), "1"),
    "no flat body": (lambda: SplitModule(nn.Conv2d(1, 2, 3), nn.Flatten()), (1, 8, 8), "body"),
}


@pytest.mark.parametrize("row", LAST)
def test_the_last_convolutional_layer(row):
    make, shape, expected = LAST[row]
    module = make()
    module(torch.zeros(2, *shape))
    was = [m.training for m in module.modules()]
    assert last_conv_layer(module, torch.zeros(2, *shape)) == expected
    assert last_conv_layer(Net(module).frozen(), torch.zeros(2, *shape)) == expected
    assert [m.training for m in module.modules()] == was


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("resnet18", 64, "body.layer4"),
        ("resnet18", 32, "body.layer3"),  # the fourth stage has one position left
        ("mobilenet_v2", 64, "body.features"),
        ("vgg11", 64, "body.features.19"),
    ],
)
def test_the_last_convolutional_layer_of_torchvision_s_networks(name, size, expected):
    models = pytest.importorskip("torchvision.models")
    module = split(getattr(models, name)(num_classes=2))
    assert last_conv_layer(module, torch.zeros(1, 3, size, size)) == expected


@pytest.mark.parametrize("module", [mlp(192, 2), nn.Sequential(nn.Conv2d(3, 2, 8), nn.Flatten())])
def test_a_module_without_positions_is_told_what_to_use(module):
    with pytest.raises(
        ValueError, match='Use "integrated_gradients" or "input_gradient", or name a `layer`'
    ):
        last_conv_layer(module, torch.zeros(1, 3, 8, 8))
    assert not any(m._forward_hooks for m in module.modules())


def test_layers_that_do_not_serve_are_refused():
    net = Net(cnn())
    with pytest.raises(ValueError, match="there is no layer 'nope'; the layers are '0', '1'"):
        grad_cam(net, images(), Y, "nope")
    with pytest.raises(ValueError, match=r"`layer`='9' must give outputs of shape .* got \(n, 4\)"):
        grad_cam(net, images(), Y, "9")
    module = cnn()
    module.spare = nn.Identity()
    module.forward = lambda x: module[:10](x)
    with pytest.raises(ValueError, match="`layer`='spare' is not used"):
        grad_cam(Net(module), images(), Y, "spare")
    assert not any(m._forward_hooks for m in net.frozen().module.modules())


def test_a_layer_that_does_not_reach_the_logits_has_a_zero_map():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(64, 2)

        def forward(self, x):
            self.conv(x)
            return self.head(x.flatten(1))

    assert not grad_cam(Net(Aside()), torch.rand(2, 1, 8, 8), None, "conv").any()
