"""Where Grad-CAM looks: channels at positions, in whatever order a layer has its axes."""

import pytest
import torch
from torch import nn

from sklearn_debias.core import Net
from sklearn_debias.maps import find_place, grad_cam, grad_cam_attention

SIDE = 6


class Norm(nn.Module):
    """Normalise over channels, between a convolution and the mean over positions."""

    def __init__(self, width, last):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.LayerNorm(width) if last else Second(width)
        self.act = nn.GELU()
        self.head = nn.Linear(width, 3)
        self.last = last

    def forward(self, x):
        z = self.conv(x)
        z = z.permute(0, 2, 3, 1) if self.last else z
        z = self.act(self.norm(z))
        return self.head(z.mean((1, 2) if self.last else (2, 3)))


class Second(nn.LayerNorm):
    """The same with the channels second, as ConvNeXt has it."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def twins(width):
    torch.manual_seed(0)
    last, second = Norm(width, last=True).double(), Norm(width, last=False).double()
    second.load_state_dict(last.state_dict())
    return last.eval(), second.eval()


def images(n=4, side=SIDE, width=None):
    generator = torch.Generator().manual_seed(1)
    shape = (n, 3, side, width or side)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


# As many channels as positions, too: no shape tells them apart then.
@pytest.mark.parametrize("width", [SIDE, 5])
@pytest.mark.parametrize("layer", ["norm", "act", None])
def test_channels_last_and_second_have_equal_maps(width, layer):
    last, second = twins(width)
    x, y = images(), torch.tensor([0, 2, 1, 1])
    torch.testing.assert_close(last(x), second(x))
    places = [find_place(net, x, layer) for net in (last, second)]
    assert [place.layer for place in places] == [layer or "act"] * 2
    assert [place.order for place in places] == [(0, 3, 1, 2), (0, 1, 2, 3)]
    one, other = (grad_cam(Net(net), x, y, layer or "act") for net in (last, second))
    assert other.any()
    torch.testing.assert_close(one, other)


class Transformer(nn.Module):
    """Patches, a class token or none, and blocks of attention as timm writes them."""

    def __init__(self, tokens=1, heads=2, width=8, depth=2, by="conv"):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 2, 2) if by == "conv" else nn.Linear(12, width)
        self.token = nn.Parameter(torch.randn(1, tokens, width)) if tokens else None
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)
        self.by = by

    def forward(self, x):
        n, c, h, w = x.shape
        if self.by == "conv":
            x = self.patch(x).flatten(2).transpose(1, 2)
        else:
            x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1)
            x = self.patch(x.reshape(n, h * w // 4, 4 * c))
        if self.token is not None:
            x = torch.cat([self.token.expand(n, -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x.mean(1) if self.token is None else x[:, 0])


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.k_norm = nn.LayerNorm(width // heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        n, length, width = x.shape
        parts = self.qkv(self.norm1(x)).reshape(n, length, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        z = nn.functional.scaled_dot_product_attention(q, self.k_norm(k), v)
        x = x + self.proj(z.transpose(1, 2).reshape(n, length, width))
        return x + self.mlp(self.norm2(x))


def transformer(**settings):
    torch.manual_seed(0)
    return Transformer(**settings).double().eval()


# Behind the last attention only the class token reaches the logits, and of the queries before it.
@pytest.mark.parametrize(
    ("settings", "layer", "skip"),
    [
        ({}, "blocks.1.norm1", 1),
        ({"tokens": 3}, "blocks.1.norm1", 3),
        ({"tokens": 0}, "norm", 0),
        ({"tokens": 0, "by": "reshape"}, "norm", 0),
    ],
)
def test_sequences_are_maps_without_the_tokens_that_are_no_patches(settings, layer, skip):
    net, x, y = transformer(**settings), images(3, 8, 12), torch.tensor([0, 2, 1])
    place = find_place(net, x)
    assert (place.layer, place.skip, place.grid) == (layer, skip, (4, 6))
    seen = []
    owner = net.get_submodule(layer)
    hook = owner.register_forward_hook(lambda *event: seen.append(event[-1]))
    scores = net(x).gather(1, y[:, None])
    hook.remove()
    (gradient,) = torch.autograd.grad(scores.sum(), seen)
    patches, slopes = seen[0][:, skip:].detach(), gradient[:, skip:]
    expected = (slopes.mean(1, keepdim=True) * patches).sum(2).relu().view(3, 4, 6)
    assert expected.any()
    torch.testing.assert_close(grad_cam(Net(net), x, y, layer), expected)
    torch.testing.assert_close(grad_cam(Net(net), x, y, place), expected)


def test_a_head_of_zeros_hides_no_sequence():
    net = transformer()
    nn.init.zeros_(net.head.weight)  # as torchvision's ViT begins
    assert find_place(net, images(1, 8)).layer == "blocks.1.norm1"


# 2 x 2 patches without a class token and two heads have keys of shape (n, 2, 4, 4); with as many
# heads as patches they are (n, 4, 4, 2), as a map with its channels last would be.
@pytest.mark.parametrize(("heads", "shape"), [(2, r"\(n, 2, 4, 4\)"), (4, r"\(n, 4, 4, 2\)")])
def test_attention_is_no_image(heads, shape):
    net, x = transformer(tokens=0, heads=heads), images(2, 4)
    assert find_place(net, x).layer == "norm"
    with pytest.raises(
        ValueError,
        match=rf"`layer`='blocks.0.k_norm' must .* got {shape}: .*those that serve are .*'norm'\.",
    ):
        grad_cam(Net(net), x, None, "blocks.0.k_norm")


def test_positions_that_are_not_certain_are_refused():
    class Shuffled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act, self.head = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x):
            z = self.conv(x).flatten(2)
            z = self.act(z[:, :, torch.randperm(z.shape[2])])
            return self.head(z.mean(2))

    with pytest.raises(ValueError, match="`layer`='act' must .* that serve are 'conv'"):
        find_place(Shuffled(), torch.rand(2, 3, 8, 8), "act")


def test_windows_put_back_are_an_image_again():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.inside, self.back = nn.Conv2d(3, 4, 1), nn.Identity(), nn.Identity()

        def forward(self, x):
            n, c, h, w = (z := self.conv(x)).shape
            z = z.view(n, c, h // 2, 2, w // 3, 3).permute(0, 2, 4, 3, 5, 1)
            z = self.inside(z.reshape(-1, 6, c))
            z = z.view(n, h // 2, w // 3, 2, 3, c).permute(0, 1, 3, 2, 4, 5)
            return self.back(z.reshape(n, h, w, c)).mean((1, 2))

    net, x = Windows().double(), images(2, 4, 6)
    assert find_place(net, x).layer == "back"
    with pytest.raises(ValueError, match="`layer`='inside' must"):
        find_place(net, x, "inside")
    one, other = (grad_cam(Net(net), x, None, layer) for layer in ("back", "conv"))
    torch.testing.assert_close(one, other)


def test_tracing_leaves_everything_as_it_was():
    net, x = transformer().train(), images(2, 8)
    state, rng = {k: v.clone() for k, v in net.state_dict().items()}, torch.get_rng_state()
    find_place(net, x)
    assert torch.equal(torch.get_rng_state(), rng)
    assert net.training
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not any(layer._forward_hooks for layer in net.modules())
    assert all(p.grad is None for p in net.parameters())


SMALL_SWIN = {"img_size": 56, "embed_dim": 24, "depths": (1, 1), "num_heads": (1, 2)}
SMALL_VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
TIMM = {
    "swin": ("swin_tiny_patch4_window7_224", SMALL_SWIN, 56, "norm", (0, 3, 1, 2), (7, 7)),
    "vit": (
        "vit_tiny_patch16_224",
        {**SMALL_VIT, "qk_norm": True},
        32,
        "blocks.1.norm1",
        (0, 2, 1),
        (4, 4),
    ),
    "mixer": ("mixer_s32_224", {"img_size": 64}, 64, "norm", (0, 2, 1), (2, 2)),
    "convnext": ("convnext_atto", {}, 64, "norm_pre", (0, 1, 2, 3), (2, 2)),
}


@pytest.mark.parametrize("row", TIMM)
def test_networks_of_timm(row):
    timm = pytest.importorskip("timm")
    name, settings, side, layer, order, grid = TIMM[row]
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=3, **settings).eval()
    x = torch.rand(2, 3, side, side)
    place = find_place(net, x)
    assert (place.layer, place.order, place.grid) == (layer, order, grid)
    assert grad_cam(Net(net), x, None, layer).shape == (2, *grid)
    assert grad_cam_attention(Net(net), x, None, place).shape == (2, side, side)


@pytest.mark.parametrize(
    ("name", "side", "layer"),
    [("vit_b_16", 32, "encoder.layers.encoder_layer_11.ln_1"), ("swin_t", 64, "permute")],
)
@pytest.mark.slow
def test_transformers_of_torchvision(name, side, layer):
    models = pytest.importorskip("torchvision.models")
    size = {"image_size": side} if name == "vit_b_16" else {}
    net = models.get_model(name, num_classes=3, **size).eval()
    assert find_place(net, torch.rand(1, 3, side, side)).layer == layer
