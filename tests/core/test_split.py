"""Splitting a module into body and head changes none of its outputs."""

import pytest
import torch
from torch import nn

from sklearn_debias.core import Net, SplitModule, split


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(4, 2),
        lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)),
        Own,
    ],
    ids=["linear", "sequential", "own"],
)
def test_the_parts_compose_to_the_whole(make):
    module, x = make(), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    whole = module(x)
    parts = split(module)
    assert torch.equal(parts(x), whole)
    assert torch.equal(parts.head(parts.body(x)), whole)
    assert isinstance(parts.head, nn.Linear)


def test_what_has_body_and_head_is_returned_itself():
    module = Own()
    assert split(module) is module
    parts = SplitModule(nn.Identity(), nn.Linear(2, 2))
    assert split(parts) is parts


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Linear(4, 2), nn.LogSoftmax(1)),
        nn.Sequential(nn.Linear(4, 2)),
        nn.Bilinear(2, 2, 2),
    ],
    ids=["ends in softmax", "one layer", "unknown"],
)
def test_what_cannot_be_split_safely_is_left_alone(module):
    assert split(module) is module


def with_a_forward(module):
    forward = type(module).forward
    module.forward = lambda x: forward(module, x) / 2
    return module


def with_a_hook(module):
    module.register_forward_hook(lambda module, args, out: out / 2)
    return module


def with_a_hook_before(module):
    module.register_forward_pre_hook(lambda module, args: (2 * args[0],))
    return module


def with_a_hook_on_gradients(module):
    module.register_full_backward_pre_hook(lambda module, gradients: (0 * gradients[0],))
    return module


def test_a_hook_on_gradients_is_not_lost():
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    found = split(with_a_hook_on_gradients(module))
    found(torch.ones(5, 4)).sum().backward()
    assert not module[0].weight.grad.any()


@pytest.mark.parametrize("put", [with_a_forward, with_a_hook, with_a_hook_on_gradients])
def test_what_keeps_a_module_whole_is_told(put):
    module = put(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    with pytest.raises(TypeError, match="Sequential with a hook, or a forward of its own"):
        Net(split(module)).body(torch.ones(5, 4))


@pytest.mark.parametrize("put", [with_a_forward, with_a_hook, with_a_hook_before])
def test_what_was_put_on_a_module_is_not_lost(put):
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    for module in (nn.Linear(4, 2), nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))):
        before = module(x)
        expected = put(module)(x)
        assert not torch.equal(expected, before)
        assert torch.equal(split(module)(x), expected)


@pytest.mark.parametrize(
    "name", ["resnet18", "squeezenet1_0", "mobilenet_v3_small", "vit_b_16", "densenet121"]
)
@pytest.mark.slow
def test_torchvision_classifiers(name):
    from torchvision import models

    module = models.get_model(name, num_classes=3).eval()
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = module(x)
        parts = split(module)
        assert torch.equal(parts(x), whole)
        if name != "squeezenet1_0":  # ends in a convolution
            assert isinstance(parts.head, nn.Linear)
            assert torch.equal(parts.head(parts.body(x)), whole)


def sequential():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        lambda module: torch.compile(module, backend="eager"),
        lambda module: nn.DataParallel(torch.compile(module, backend="eager")),
    ],
    ids=["DataParallel", "compiled", "both"],
)
def test_wrappers_are_looked_through(wrap):
    module, x = sequential(), torch.rand(5, 4)
    parts = split(wrap(module))
    assert torch.equal(parts.head(parts.body(x)), module(x))
    assert parts.head is module[-1]
    whole = nn.Bilinear(2, 2, 2)
    assert split(wrap(whole)) is whole


SMALL_VIT = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3}
TIMM = {
    "vit": ("vit_tiny_patch16_224", SMALL_VIT, 16),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 56, "embed_dim": 24, "depths": (1, 1), "num_heads": (1, 2)},
        56,
    ),
    "resnet": ("resnet10t", {}, 32),
    "convnext": ("convnext_atto", {}, 32),
}


@pytest.mark.parametrize("row", TIMM)
def test_classifiers_of_timm(row):
    timm = pytest.importorskip("timm")
    name, settings, side = TIMM[row]
    torch.manual_seed(0)
    module = timm.create_model(name, num_classes=3, **settings).eval()
    x = torch.rand(2, 3, side, side)
    leaf = module.get_classifier()
    with torch.no_grad():
        whole = module(x)
        features = module.forward_head(module.forward_features(x), pre_logits=True)
        parts = split(module)
        assert parts.head is leaf
        assert torch.equal(parts(x), whole)
        assert torch.equal(parts.body(x), features)


def test_networks_of_timm_with_two_classifiers_or_a_forward_of_their_own_are_left_alone():
    timm = pytest.importorskip("timm")
    from timm.models.vision_transformer import VisionTransformer

    class Cool(VisionTransformer):
        def forward(self, x):
            return super().forward(x) / 2

    # Two classifiers, whose mean counts; one more for the patches; and a subclass of the user's.
    for module in (
        timm.create_model("deit_tiny_distilled_patch16_224", num_classes=3, **SMALL_VIT),
        timm.create_model("volo_d1_224", num_classes=3),
        Cool(num_classes=3, **SMALL_VIT),
    ):
        assert split(module) is module
