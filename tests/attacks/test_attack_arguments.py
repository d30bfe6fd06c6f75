"""What attacks refuse and take: NumPy's scalars, bfloat16, layers in place, absent gradients."""

import zlib

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias.attacks import (
    FGSM,
    PGD,
    AutoAttack,
    CarliniWagner,
    Linf,
    RandomSearch,
    Threat,
    ascend,
    row_keys,
)

X = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 0, 1])
THREAT = Threat(0.5, "l2", clip=(0, 1))
QUICK = CarliniWagner(n_steps=3, search_steps=1)


def detached(x):
    return torch.stack([x.flatten(1).sum(1), -x.flatten(1).sum(1)], 1).detach()


@pytest.mark.parametrize("attack", [FGSM(), PGD(2), QUICK, AutoAttack(parts=("apgd-ce",))])
def test_a_net_without_a_gradient_is_no_robust_net(attack):
    if isinstance(attack, AutoAttack):
        pytest.importorskip("pyautoattack")
    with pytest.raises(ValueError, match="No gradient of the network's outputs reaches X"):
        attack.attack(detached, X, Y, THREAT)


BAD = {
    "threat": ((X, Y, 0.1), TypeError, "`threat` must be a Threat"),
    "NumPy": ((X.numpy(), Y, THREAT), TypeError, "`x` must be a tensor of floats"),
    "uint8": (
        ((255 * X).byte(), Y, THREAT),
        TypeError,
        "`x` must be a tensor of floats.* divide by 255",
    ),
    "one axis": ((X[:, 0, 0, 0], Y, THREAT), TypeError, "`x` must be a tensor of floats of shape"),
    "labels of another length": (
        (X, Y[:3], THREAT),
        TypeError,
        "`y` must be an int64 tensor of class codes",
    ),
    "labels as floats": ((X, Y.float(), THREAT), TypeError, "`y` must be an int64 tensor"),
    "unknown class": (
        (X, Y + 1, THREAT),
        ValueError,
        "`y` must hold class codes 0 to 1, got 1 to 2",
    ),
    "negative class": (
        (X, Y - 1, THREAT),
        ValueError,
        "`y` must hold class codes 0 to 1, got -1 to 0",
    ),
    "outside of clip": ((3 * X, Y, THREAT), ValueError, "`clip`=.* of the threat must hold x"),
}


@pytest.mark.parametrize("row", BAD)
@pytest.mark.parametrize("attack", [FGSM(), QUICK, AutoAttack(parts=("apgd-ce",))])
def test_rows_labels_and_threats_are_checked(attack, row):
    given, kind, words = BAD[row]
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    with pytest.raises(kind, match=words):
        attack.attack(net, *given)


def test_steps_and_radii_are_checked():
    with pytest.raises(ValueError, match="`n_steps` must be at least 1, got 0"):
        ascend(lambda x: x.sum(1), torch.ones(1, 2), ball=Linf(0.5, 0.2), n_steps=0)


def test_square_needs_no_gradient():
    pytest.importorskip("pyautoattack")
    found = AutoAttack(parts=("square",)).attack(
        detached, X, torch.ones_like(Y), Threat(0.01, clip=(0, 1))
    )
    assert found.shape == X.shape


def test_cw_tells_where_the_margin_is_flat():
    flat = lambda x: torch.stack([x.flatten(1).sum(1) * 0 + 1, x.flatten(1).sum(1) * 0], 1)  # noqa: E731
    look = QUICK.step(flat, X, torch.zeros_like(Y), THREAT, QUICK.begin(X, THREAT, torch.zeros(4)))
    assert look.flat.all()


@pytest.mark.parametrize("attack", [PGD(2), RandomSearch(3), QUICK])
def test_bfloat16_and_layers_in_place(attack):
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(192, 2)).requires_grad_(
        False
    )
    for dtype in (torch.bfloat16, torch.float32):
        x = X.to(dtype)
        moved = attack.attack(net.to(dtype), x, Y, THREAT)
        assert moved.dtype == dtype
        assert moved.isfinite().all()
        torch.testing.assert_close(x, X.to(dtype), rtol=0, atol=0)
    assert len(set(row_keys(X.bfloat16(), 0).tolist())) == 4


def test_keys_are_those_of_the_bytes():
    assert row_keys(X, 3).tolist() == [3 ^ zlib.crc32(row.numpy().tobytes()) for row in X]


def test_numpy_scalars_are_numbers():
    assert PGD(n_steps=np.int64(5), step_size=np.float32(0.5)) == PGD(5, 0.5)
    assert Threat(np.float32(0.5)).epsilon == 0.5
    assert (
        repr(AutoAttack(batch_size=np.int64(7), parts=["square"]))
        == "AutoAttack(parts=('square',), batch_size=7)"
    )
    assert CarliniWagner(confidence=np.float64(1)) == CarliniWagner(confidence=1)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: PGD(loss=["ce"]), "`loss`"),
        (lambda: PGD(n_steps=True), "`n_steps`"),
        (lambda: PGD(step_size=np.bool_(True)), "`step_size`"),
        (lambda: CarliniWagner(confidence="a"), "`confidence`"),
        (lambda: AutoAttack(parts=5), "`parts`"),
        (lambda: AutoAttack(batch_size=True), "`batch_size`"),
        (lambda: Threat(True), "`epsilon`"),
        (lambda: Threat(1, clip=(1, 0)), "`clip`"),
        (lambda: Threat(1, clip=5), "`clip`"),
    ],
)
def test_what_is_wrong_is_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()


def test_autoattack_reads_every_bound():
    pytest.importorskip("pyautoattack")
    low, high = torch.tensor([-0.5, 0.5, 0.0]).view(3, 1, 1), torch.ones(3, 1, 1)
    with pytest.raises(ValueError, match="needs images in"):
        AutoAttack().check(Threat(0.1, clip=(low, high)), 4, (3, 8, 8))
    AutoAttack().check(Threat(0.1, clip=(low * 0, high)), 4, (3, 8, 8))


UNSUITED = {
    "another range": (
        AutoAttack(),
        Threat(0.02, clip=(-1, 1)),
        "needs images in .0, 1. and `clip`=",
    ),
    "no L2": (QUICK, Threat(0.1, clip=(0, 1)), "`norm` must be 'l2' for CarliniWagner"),
    "parts": (AutoAttack(("apgd-t",)), Threat(0.1, clip=(0, 1)), r"`parts`=.* the 2 classes"),
    "loss": (PGD(2, loss="dlr"), Threat(0.1), "`loss`='dlr' of PGD needs 3 classes, got 2"),
    "no radius": (PGD(2), Threat(float("inf")), "`epsilon` of the threat must be finite for PGD"),
    "no radius to search": (RandomSearch(2), Threat(float("inf")), "`epsilon` .* RandomSearch"),
    "clip of other rows": (
        PGD(2),
        Threat(0.1, clip=(torch.zeros(2, 1, 1), torch.ones(2, 1, 1))),
        r"`clip` of the threat must hold numbers, or tensors .* got shape \(2, 1, 1\)",
    ),
}


@pytest.mark.parametrize("row", UNSUITED)
def test_an_attack_called_by_hand_refuses_what_an_evaluation_does(row):
    attack, threat, words = UNSUITED[row]
    if isinstance(attack, AutoAttack):
        pytest.importorskip("pyautoattack")
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    with pytest.raises(ValueError, match=words):
        attack.attack(net, X, Y, threat)


@pytest.mark.parametrize("attack", [PGD(2), QUICK, RandomSearch(2), AutoAttack()])
def test_rows_are_needed_and_finite_ones(attack):
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    with pytest.raises(ValueError, match=r"`x` must hold at least one row.* \(0, 3, 8, 8\)"):
        attack.attack(net, X[:0], Y[:0], THREAT)
    with pytest.raises(ValueError, match="`x` must hold .*with NaN or infinity"):
        attack.attack(net, torch.where(X > 0.5, X, torch.nan), Y, THREAT)
    for wrong in (lambda x: net(x)[:, :1], lambda x: (net(x),), lambda x: x):
        with pytest.raises(ValueError, match="`net` must map a row to logits"):
            attack.attack(wrong, X, 0 * Y, THREAT)
