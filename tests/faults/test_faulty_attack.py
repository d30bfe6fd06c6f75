"""faults.md, the rows on the attack: radii, gradients, saturation, and what it leaves alone."""

import copy

import numpy as np
import pytest
import torch
from faulty import IMAGES, UINT8, Linear, NoGradient, Rounded, Saturated, X, biasadv, make, rng, y
from sklearn.datasets import make_blobs
from torch import nn
from torch.utils.data import Dataset, Subset

from sklearn_debias.exceptions import DebiasWarning

IN_GREY_LEVELS = {
    "float images": (IMAGES, {"epsilon": 8, "norm": "linf"}),
    "uint8 images": (UINT8, {"epsilon": 8, "norm": "linf"}),
    "L2": (IMAGES, {"epsilon": 0.3 * 255}),
    "features in [0, 1]": (X / X.max() * (X > 0), {"epsilon": 100}),
    "clip": (X, {"epsilon": 30, "norm": "linf", "clip": (-5, 10)}),
}


@pytest.mark.parametrize("row", IN_GREY_LEVELS)
def test_a_radius_in_grey_levels_is_refused(row):
    given, params = IN_GREY_LEVELS[row]
    with pytest.raises(
        ValueError, match="`epsilon`=.* is larger than the whole range .* divide by 255"
    ):
        biasadv(module="linear", **params).fit(given, y)


@pytest.mark.parametrize(
    "module", [NoGradient, nn.Sequential(nn.Linear(4, 2)).requires_grad_(False)]
)
def test_a_module_without_gradient_is_refused(module):
    with pytest.raises(ValueError, match="`module`.*gradient"):
        biasadv(module=module).fit(X, y)


@pytest.mark.filterwarnings(
    "ignore:`module` seems to end in a softmax", "ignore:The fitted model predicts"
)
@pytest.mark.parametrize("module", [Rounded, Saturated])
def test_an_attack_that_moves_nothing_is_warned_about(module):
    with pytest.warns(
        DebiasWarning, match="The attack moves .* samples by less than 1% of `epsilon`"
    ):
        clf = biasadv(module=module).fit(X, y)
    with pytest.warns(DebiasWarning, match="The attack moves"):
        clf.adversarial_examples(X, y)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0])
def test_the_attack_does_not_depend_on_the_scale_of_the_logits(scale):
    class Scaled(Linear):
        def forward(self, x):
            return scale * self.linear(x)

    clf = biasadv(module=Scaled, optimizer="sgd", lr=1e-3, max_epochs=20).fit(X, y)
    moved = np.linalg.norm(clf.adversarial_examples(X, y) - X, axis=1)
    assert (moved > 0.9 * clf.epsilon).mean() > 0.5


@pytest.mark.filterwarnings("ignore:`module` seems to end in a softmax")
def test_softmax_outputs_still_move():
    clf = biasadv(module=nn.Sequential(nn.Linear(4, 2), nn.Softmax(-1))).fit(X, y)
    assert (np.abs(clf.adversarial_examples(X, y) - X).max(1) > 0).all()


NOISY = nn.Sequential(
    nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 2)
)


@pytest.fixture(scope="module")
def noisy():
    return biasadv(module=NOISY, max_epochs=5, random_start=True).fit(X, y)


def test_the_attack_leaves_nets_and_generators_as_they_were(noisy):
    nets = noisy.module_, noisy.biased_module_
    for net in nets:
        net.train()
        net[0] if isinstance(net, nn.Sequential) else net.body[0].requires_grad_(False)
    before = [copy.deepcopy(net.state_dict()) for net in nets]
    flags = [
        [(m.training, [p.requires_grad for p in m.parameters()]) for m in net.modules()]
        for net in nets
    ]
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = noisy.adversarial_examples(X, y)
    noisy.predict(X)
    for net, state, flag in zip(nets, before, flags, strict=True):
        assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
        assert all(p.grad is None for p in net.parameters())
        assert [
            (m.training, [p.requires_grad for p in m.parameters()]) for m in net.modules()
        ] == flag
        net.eval()
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    np.testing.assert_array_equal(
        noisy.adversarial_examples(X, y), first
    )  # in eval mode, whatever the flags


@pytest.mark.parametrize("random_start", [False, True])
@pytest.mark.parametrize("random_state", [0, None])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_samples_are_attacked_alike_in_any_order_and_batch(random_start, random_state, norm):
    clf = biasadv(
        module="mlp", norm=norm, random_start=random_start, random_state=random_state
    ).fit(X, y)
    whole, order = clf.adversarial_examples(X, y), rng.permutation(40)
    np.testing.assert_array_equal(clf.adversarial_examples(X[order], y[order]), whole[order])
    parts = [clf.adversarial_examples(X[i : i + 7], y[i : i + 7]) for i in range(0, 40, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    clf.set_params(batch_size=3, epsilon=9.0, norm="linf", random_state=5)  # acts at the next fit
    np.testing.assert_array_equal(clf.adversarial_examples(X, y), whole)


def test_images_are_attacked_alike_too():
    clf = biasadv(module="simple_cnn", lr=1e-3, max_epochs=10, clip=(0, 1), random_start=True).fit(
        UINT8, y
    )
    whole = clf.adversarial_examples(UINT8, y)
    assert whole.min() >= 0
    assert whole.max() <= 1
    np.testing.assert_array_equal(clf.adversarial_examples(UINT8[30:], y[30:]), whole[30:])


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("random_start", [False, True])
def test_samples_stay_in_the_ball(norm, random_start):
    clf = biasadv(norm=norm, random_start=random_start, step_size=10.0).fit(X, y)
    delta = clf.adversarial_examples(X, y) - X
    size = np.linalg.norm(delta, axis=1) if norm == "l2" else np.abs(delta).max(1)
    assert size.max() <= clf.epsilon * (1 + 1e-5) + 1e-6


LABELS = {
    "unseen": (y + 5, "`y` must hold labels seen in fit"),
    "NaN": (np.full(40, np.nan), "`y` must hold labels seen in fit"),
    "text": (["a"] * 40, "`y` must hold labels seen in fit"),
    "too short": (y[:3], "`y` must have one label per row of X, 40, got 3"),
    "None": (None, "1d array"),
}


@pytest.mark.parametrize("row", LABELS)
def test_labels_of_adversarial_examples(row, noisy):
    bad, words = LABELS[row]
    with pytest.raises(ValueError, match=words):
        noisy.adversarial_examples(X, bad)


def test_inputs_of_adversarial_examples_outside_of_clip():
    clf = biasadv(clip=(-5, 10)).fit(X, y)
    with pytest.raises(ValueError, match="`clip`=.* must hold X, which reaches"):
        clf.adversarial_examples(X + 50, y)


def test_networks_that_are_sure_of_themselves_are_attacked_at_full_length():
    """Cross entropies of 1e-20 have gradients of that size, and a direction all the same."""
    X, y = make_blobs(120, centers=3, n_features=6, random_state=0)
    sure = {"lr": 0.1, "max_epochs": 30, "weight_decay": 0.0, "batch_size": 30}
    clf = biasadv(base="erm", module="mlp", n_steps=5, **sure).fit(X / 3, y)
    moved = np.linalg.norm(clf.adversarial_examples(X / 3, y) - X / 3, axis=1)
    # It was .225 where 1e-12 was added to each norm.
    assert (moved > 0.5 * clf.epsilon).mean() > 0.95


class Late(Dataset):
    """Rows in [0, 1], but for the last one."""

    def __init__(self, shape=(4,), channel=slice(None)):
        self.rows = np.full((40, *shape), 0.5, dtype="f4") + 0.1 * (y * 2 - 1).reshape(
            -1, *[1] * len(shape)
        ).astype("f4")
        self.rows[39, channel] = 14.0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


RANGES = {
    "one range": (Late(), (0, 1)),
    "a range of each feature": (Late(channel=2), ([0, 0, 0, 0], [20, 20, 1, 20])),
    "a range of each channel": (Late((3, 8, 8), 1), ([0, 0, 0], [20, 1, 20])),
}


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("row", RANGES)
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_every_row_of_a_dataset_must_lie_in_the_range(row, norm, workers):
    rows, clip = RANGES[row]
    settings = {"clip": clip, "norm": norm, "epsilon": 0.1, "module": "linear"}
    if workers:
        settings["net_params"] = {"iterator_train__num_workers": workers}
    for make_one in (biasadv, lambda **params: make("UIATClassifier", n_steps=2, **params)):
        with pytest.raises(ValueError, match="`clip`=.* must hold X, which reaches from"):
            make_one(**settings).fit(rows, y)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_adversarial_examples_of_a_dataset_stay_in_the_ball_or_are_refused():
    rows = Late()
    clf = biasadv(clip=(0, 1), epsilon=0.1, module="linear").fit(rows.rows[:39], y[:39])
    with pytest.raises(ValueError, match="`clip`=.* must hold X, which reaches from 0.4 to 14"):
        clf.adversarial_examples(rows, y)
    found = clf.adversarial_examples(Subset(rows, range(39)), y[:39])
    assert np.linalg.norm(found - rows.rows[:39], axis=1).max() <= 0.1 + 1e-6
