"""Splitting a module into body and head changes none of its outputs."""

import pytest
import torch
from torch import nn

from sklearn_debias.core import SplitModule, split


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
