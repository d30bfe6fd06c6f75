"""FGSM, PGD, C&W and the losses they raise: against naive transcriptions, in double precision."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sklearn_debias.attacks import (
    FGSM,
    PGD,
    AutoAttack,
    CarliniWagner,
    RandomSearch,
    Threat,
    confidence_loss,
    dlr_loss,
    get_attack,
    margin_loss,
)

generator = torch.Generator().manual_seed(0)
CLASSES = 5
NET = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, CLASSES)).double()
with torch.no_grad():
    for p in NET.parameters():
        p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
        p.requires_grad_(False)
X = torch.rand(9, 3, 2, 2, generator=generator, dtype=torch.float64)
Y = torch.arange(9) % CLASSES
CLIP = (0.0, 1.0)


def naive_loss(name, logits, label):
    others = torch.cat([logits[:label], logits[label + 1 :]])
    if name == "ce":
        return F.cross_entropy(logits[None], torch.tensor([label]))
    margin = others.max() - logits[label]
    if name == "margin":
        return margin
    top = logits.sort(descending=True).values
    return margin / (top[0] - top[2])


def naive_pgd(x, label, start, *, norm, radius, step, n_steps, loss, clip):
    """One sample at a time; the gradient by autograd of the loss as the papers print it."""
    delta = start.clone()
    for _ in range(n_steps):
        point = (x + delta).requires_grad_()
        (g,) = torch.autograd.grad(naive_loss(loss, NET(point[None])[0], label), point)
        if norm == "linf":
            delta = (delta + step * g.sign()).clamp(-radius, radius)
        else:
            delta = delta + step * g / g.norm()
            delta = delta * min(1.0, radius / delta.norm().item())
        if clip is not None:
            delta = (x + delta).clamp(*clip) - x
    return x + delta


@pytest.mark.parametrize("clip", [None, CLIP])
@pytest.mark.parametrize("loss", ["ce", "margin", "dlr"])
@pytest.mark.parametrize(("norm", "radius"), [("linf", 0.1), ("l2", 0.4)])
def test_pgd_equals_a_naive_transcription(norm, radius, loss, clip):
    y, step = Y, 0.03
    if loss == "dlr":  # constant where the class comes third: from the first place, and not far
        y, step, radius = NET(X).argmax(1), step / 20, radius / 20
    attack = PGD(7, step_size=step, loss=loss, random_start=False)
    actual = attack.attack(NET, X, y, Threat(radius, norm, clip))
    options = {
        "norm": norm,
        "radius": radius,
        "step": step,
        "n_steps": 7,
        "loss": loss,
        "clip": clip,
    }
    expected = [
        naive_pgd(x, int(t), torch.zeros_like(x), **options) for x, t in zip(X, y, strict=True)
    ]
    torch.testing.assert_close(actual, torch.stack(expected), atol=1e-10, rtol=0)


def test_random_starts_are_where_pgd_begins():
    threat, keys = Threat(0.2, clip=CLIP), torch.arange(9)
    start = PGD(5).begin(X, threat, keys)["delta"]
    state = {"delta": start, "t": torch.zeros(9, dtype=torch.int64)}
    for _ in range(5):
        state = PGD(5).step(NET, X, Y, threat, state).state
    options = {"norm": "linf", "radius": 0.2, "step": 0.1, "n_steps": 5, "loss": "ce", "clip": CLIP}
    expected = [naive_pgd(x, int(y), d, **options) for x, y, d in zip(X, Y, start, strict=True)]
    torch.testing.assert_close(X + state["delta"], torch.stack(expected), atol=1e-10, rtol=0)
    assert 0.01 < start.abs().mean() < 0.2
    assert len(start.flatten(1).unique(dim=0)) == 9


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fgsm_is_one_step_of_the_whole_radius(norm):
    actual = FGSM().attack(NET, X, Y, Threat(0.3, norm, CLIP))
    options = {"norm": norm, "radius": 0.3, "step": 0.3, "n_steps": 1, "loss": "ce", "clip": CLIP}
    expected = [
        naive_pgd(x, int(y), torch.zeros_like(x), **options) for x, y in zip(X, Y, strict=True)
    ]
    torch.testing.assert_close(actual, torch.stack(expected), atol=1e-10, rtol=0)


@pytest.mark.parametrize("loss", ["ce", "margin", "dlr"])
def test_the_losses_are_those_of_the_papers(loss):
    logits = torch.randn(
        6, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    y = torch.tensor([0, 1, 2, 3, 4, 0])
    expected = torch.stack([naive_loss(loss, z, int(t)) for z, t in zip(logits, y, strict=True)])
    actual = {"ce": confidence_loss, "margin": margin_loss, "dlr": dlr_loss}[loss](logits, y)
    torch.testing.assert_close(
        F.softplus(actual) if loss == "ce" else actual, expected, atol=1e-10, rtol=0
    )


def test_the_gradient_of_the_confidence_loss_outlives_that_of_the_cross_entropy():
    logits = torch.tensor([[0.0, 400.0, 1.0]], dtype=torch.float32, requires_grad=True)
    y = torch.tensor([1])
    assert torch.autograd.grad(F.cross_entropy(logits, y), logits)[0].abs().max() == 0
    assert torch.autograd.grad(confidence_loss(logits, y).sum(), logits)[0].abs().max() == 1


def test_saturated_logits_are_attacked_like_others():
    x, threat = X.float(), Threat(0.1, clip=CLIP)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).float().requires_grad_(False)
    y = net(x).argmax(1)
    margin = PGD(5, loss="margin", random_start=False).attack(net, x, y, threat)
    scaled = PGD(5, random_start=False).attack(lambda x: 1e6 * net(x), x, y, threat)
    assert (F.softmax(1e6 * net(x), 1).amax(1) == 1).any()
    assert (margin_loss(net(scaled), y) > margin_loss(net(x), y)).all()
    torch.testing.assert_close(scaled, margin)  # the cross entropy of such logits is the margin


ATTACKS = [
    FGSM(),
    PGD(4),
    PGD(3, step_size=5.0, loss="margin"),
    RandomSearch(6),
    CarliniWagner(15, 2, lr=0.1, c=1.0),
]


@given(
    attack=st.sampled_from(ATTACKS),
    norm=st.sampled_from(["linf", "l2"]),
    epsilon=st.floats(0, 2),
    clip=st.sampled_from([None, CLIP, (-1.0, 2.0)]),
    seed=st.integers(0, 100),
)
@settings(max_examples=80)
def test_points_stay_in_the_ball_and_in_the_range(attack, norm, epsilon, clip, seed):
    # It knows that norm alone.
    threat = Threat(epsilon, "l2" if isinstance(attack, CarliniWagner) else norm, clip)
    moved = attack.attack(NET, X, Y, threat, generator=torch.Generator().manual_seed(seed))
    assert threat.size(moved - X).max() <= epsilon + 1e-9
    assert moved.dtype == X.dtype
    assert not moved.requires_grad
    if clip is not None:
        assert clip[0] <= moved.min()
        assert moved.max() <= clip[1]


def test_the_range_may_differ_between_channels():
    low = torch.tensor([0.0, -0.2, 0.0], dtype=torch.float64).view(3, 1, 1)
    high = torch.tensor([1.0, 1.0, 1.3], dtype=torch.float64).view(3, 1, 1)
    for attack in ATTACKS:
        moved = attack.attack(
            NET, X, Y, Threat(0.6, "l2", (low, high)), generator=torch.Generator().manual_seed(0)
        )
        assert ((low - 1e-12 <= moved) & (moved <= high + 1e-12)).all()


def boundary(net, x, label):
    """Distance of a linear network's nearest other class, and whether x is of the class."""
    W, b = net.weight, net.bias
    z = x @ W.T + b
    return min(
        float((z[label] - z[k]) / (W[label] - W[k]).norm()) for k in range(len(b)) if k != label
    )


def test_carlini_wagner_finds_the_nearest_boundary_of_a_linear_network():
    net = nn.Linear(4, 3).double().requires_grad_(False)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = net(x).argmax(1)
    attack = CarliniWagner(n_steps=300, search_steps=8)
    moved = attack.attack(net, x, y, Threat(float("inf"), "l2"))
    assert (net(moved).argmax(1) != y).all()
    found = (moved - x).norm(dim=1)
    nearest = torch.tensor(
        [boundary(net, row, int(label)) for row, label in zip(x, y, strict=True)]
    )
    assert (found >= nearest - 1e-9).all()
    torch.testing.assert_close(found, nearest.to(found), rtol=0.1, atol=0.02)


def test_carlini_wagner_takes_adam_steps_on_the_papers_loss():
    """Three steps by torch's Adam, of the tanh variable, at one constant."""
    attack, threat = (
        CarliniWagner(n_steps=50, c=2.0, lr=0.05, confidence=0.5),
        Threat(1.0, "l2", CLIP),
    )
    state = attack.begin(X, threat, torch.zeros(9, dtype=torch.int64))
    w = torch.atanh((2 * X - 1) * 0.999999).requires_grad_()
    optimizer = torch.optim.Adam([w], lr=0.05)
    for _ in range(3):
        state = attack.step(NET, X, Y, threat, state).state
        point = (torch.tanh(w) + 1) / 2
        logits = NET(point)
        margins = torch.stack(
            [naive_loss("margin", z, int(t)) for z, t in zip(logits, Y, strict=True)]
        )
        loss = (point - X).square().flatten(1).sum(1) + 2.0 * (0.5 - margins).clamp(min=0)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    torch.testing.assert_close(state["w"], w.detach(), atol=1e-10, rtol=0)


def test_random_search_never_lowers_the_margin_and_needs_no_gradient():
    @torch.no_grad()
    def net(x):
        return NET(x)

    threat, y = Threat(0.3, clip=CLIP), NET(X).argmax(1)
    attack = RandomSearch(30)
    state, margins = attack.begin(X, threat, torch.arange(9)), []
    for _ in range(31):
        look = attack.step(net, X, y, threat, state)
        margins.append(margin_loss(net(look.point), y))
        state = look.state
    assert look.over.all()
    assert all((after >= before).all() for before, after in pairwise(margins))
    assert (margins[-1] > margins[0]).any()


def test_rows_do_not_depend_on_their_neighbours():
    threat = Threat(0.2, clip=CLIP)
    for attack in (PGD(3), RandomSearch(5), CarliniWagner(5, 2)):
        where = Threat(0.2, "l2", CLIP) if isinstance(attack, CarliniWagner) else threat
        keys = torch.arange(9) + 10

        def run(rows, attack=attack, where=where, keys=keys):
            state = attack.begin(X[rows], where, keys[rows])
            for _ in range(4):
                look = attack.step(NET, X[rows], Y[rows], where, state)
                state = look.state
            return look.point

        order = torch.tensor([4, 2, 8, 0])
        torch.testing.assert_close(run(order), run(torch.arange(9))[order], atol=1e-12, rtol=0)


NAMES = {
    "fgsm": FGSM(),
    "pgd-10": PGD(10),
    "pgd-20": PGD(20),
    "cw": PGD(30, loss="margin"),
    "cw-50": PGD(50, loss="margin"),
    "cw-l2": CarliniWagner(),
    "random-search": RandomSearch(),
    "autoattack": AutoAttack(),
    # The authors' configs_test.yml and test_robust.py: steps of 2/255, a random start, C&W of 20.
    "fgsm-dhat": PGD(1, 2 / 255),
    "pgd-10-dhat": PGD(10, 2 / 255),
    "pgd-50-dhat": PGD(50, 2 / 255),
    "cw-dhat": PGD(20, 2 / 255, loss="margin"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    assert get_attack(name) == NAMES[name]
    assert get_attack(NAMES[name]) is NAMES[name]


BAD = {
    "no steps": (lambda: PGD(0), "`n_steps` of PGD must be an int >= 1, got 0"),
    "half a step": (lambda: PGD(2.5), "`n_steps` of PGD"),
    "true": (lambda: PGD(True), "`n_steps` of PGD"),
    "no restarts": (lambda: PGD(restarts=0), "`restarts` of PGD"),
    "the same again": (
        lambda: PGD(restarts=2, random_start=False),
        "`restarts` of PGD above 1 need random_start",
    ),
    "no step size": (lambda: PGD(step_size=0.0), "`step_size` of PGD must be a finite number > 0"),
    "unknown loss": (lambda: FGSM(loss="l2"), "`loss` of FGSM must be one of"),
    "search of no steps": (lambda: RandomSearch(0), "`n_steps` of RandomSearch"),
    "no constants": (lambda: CarliniWagner(search_steps=0), "`search_steps` of CarliniWagner"),
    "no lr": (lambda: CarliniWagner(lr=-1), "`lr` of CarliniWagner"),
    "no c": (lambda: CarliniWagner(c=float("inf")), "`c` of CarliniWagner"),
    "negative confidence": (
        lambda: CarliniWagner(confidence=-1.0),
        "`confidence` of CarliniWagner",
    ),
    "unknown part": (lambda: AutoAttack(parts=("apgd",)), "`parts` of AutoAttack must be some of"),
    "no part": (lambda: AutoAttack(parts=()), "`parts` of AutoAttack"),
    "no rows": (lambda: AutoAttack(batch_size=0), "`batch_size` of AutoAttack"),
    "negative radius": (lambda: Threat(-0.1), "`epsilon` must be a number >= 0"),
    "NaN radius": (lambda: Threat(float("nan")), "`epsilon` must be a number >= 0"),
    "unknown norm": (lambda: Threat(0.1, "l1"), "`norm` must be 'linf' or 'l2'"),
    "unknown name": (lambda: get_attack("pgd-0"), "`attack` must be one of"),
}


@pytest.mark.parametrize("row", BAD)
def test_bad_parameters(row):
    make, words = BAD[row]
    with pytest.raises(ValueError, match=words):
        make()


def test_an_attack_must_be_one():
    with pytest.raises(TypeError, match="`attack` must be one of"):
        get_attack(0.1)


def test_a_network_without_a_gradient_is_refused():
    for net in (lambda x: NET(x.detach()), lambda x: F.one_hot(NET(x).argmax(1), CLASSES).double()):
        with pytest.raises(ValueError, match="No gradient of the network's outputs reaches X"):
            PGD(2).attack(net, X, Y, Threat(0.1))
