"""ULE: closed form against autograd, a naive transcription, the identities."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sklearn_debias.core import Batch, Net, SplitModule
from sklearn_debias.losses import SALIENCIES
from sklearn_debias.objectives import ERM, ULE
from sklearn_debias.objectives._ule import power_of_ten
from sklearn_debias.testing import Problem

READINGS = [
    {
        "saliency": saliency,
        "norm": norm,
        "normalize_by": by,
        "distance": distance,
        "magnitude": magnitude,
    }
    for saliency in SALIENCIES
    for norm, by, distance, magnitude in [
        ("max", "sample", "mse", False),
        ("l2", "sample", "l1", True),
        ("max", "batch", "mse", True),
    ]
]


def mixed(role, n_classes=3):
    """Body with dropout-free layers, linear head; another start for each role."""
    torch.manual_seed(len(role))
    return SplitModule(nn.Sequential(nn.Linear(6, 5), nn.Tanh()), nn.Linear(5, n_classes)).double()


def naive(objective, modules, batch, where):
    """L_MSE sample by sample, by differentiating twice."""
    maps = {}
    for role, module in modules.items():
        moving = module.body(batch.x).detach() if where == "features" else batch.x.clone()
        moving.requires_grad_(True)
        logits = module.head(moving) if where == "features" else module(moving)
        total = 0.0
        for z, y in zip(logits, batch.y, strict=True):
            k = int(y) if objective.saliency.startswith("label") else int(z.argmax())
            name = objective.saliency.removeprefix("label_")
            total = (
                total
                + {
                    "logit": z[k],
                    "log_prob": z.log_softmax(0)[k],
                    "prob": z.softmax(0)[k],
                    "sum_log_softmax": z.log_softmax(0).sum(),
                }[name]
            )
        g = torch.autograd.grad(total, moving, create_graph=True)[0]
        g = g.abs() if objective.magnitude else g
        if objective.normalize_by == "sample":
            maps[role] = torch.stack(
                [row / (row.abs().max() if objective.norm == "max" else row.norm()) for row in g]
            )
        else:
            maps[role] = g / (g.abs().max() if objective.norm == "max" else g.norm())
    gap = -maps["student"].detach() - maps["model"]
    return gap.abs().mean() if objective.distance == "l1" else gap.square().mean()


def gradients(loss, module):
    found = torch.autograd.grad(
        loss, list(module.parameters()), allow_unused=True, retain_graph=True
    )
    return [
        torch.zeros_like(p) if g is None else g
        for p, g in zip(module.parameters(), found, strict=True)
    ]


@pytest.mark.parametrize("where", ["features", "input"])
@pytest.mark.parametrize("reading", READINGS, ids=lambda r: "-".join(map(str, r.values())))
def test_value_and_gradient_equal_autograd(where, reading):
    objective = ULE(lam=0.0, where=where, **reading)
    problem = Problem(objective, mixed)
    batch = problem.batch()
    out = problem.step()
    expected = naive(objective, problem.modules, batch, where)
    torch.testing.assert_close(out.log["opposition"], expected, rtol=1e-10, atol=1e-12)
    ours, theirs = (
        gradients(loss, problem.modules["model"].head) for loss in (out.losses["model"], expected)
    )
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("distance", ["mse", "l1"])
@pytest.mark.parametrize(
    "n_classes", [2, 3, 80]
)  # 80 x 80 classes are too many for L1 of all pairs
def test_the_closed_form_equals_the_general_reverse_mode(distance, n_classes):
    objective = ULE(lam=0.3, scale=7.0, distance=distance)
    modules = {role: mixed(role, n_classes) for role in objective.roles}
    x = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = Batch(x, torch.arange(50) % n_classes, torch.arange(50))
    table = objective.step({role: Net(m) for role, m in modules.items()}, batch, {})
    nested = {role: SplitModule(m.body, nn.Sequential(m.head)) for role, m in modules.items()}
    general = objective.step({role: Net(m) for role, m in nested.items()}, batch, {})
    torch.testing.assert_close(table.losses["model"], general.losses["model"])
    for a, b in zip(
        *(gradients(o.losses["model"], modules["model"]) for o in (table, general)), strict=True
    ):
        torch.testing.assert_close(a, b)


class Saturating(nn.Linear):
    """A linear layer by its type only."""

    def forward(self, z):
        return torch.tanh(super().forward(z))


def saturating(head):
    other = Saturating(head.in_features, head.out_features).double()
    other.load_state_dict(head.state_dict())
    return other


@pytest.mark.parametrize("make", [saturating, nn.utils.parametrizations.weight_norm])
def test_the_closed_form_is_of_plain_layers_only(make):
    objective = ULE(lam=0.3, scale=7.0, normalize_by="batch")
    modules = {role: mixed(role) for role in objective.roles}
    for module in modules.values():
        module.head = make(module.head)
    problem = Problem(objective, lambda role: modules[role])
    batch = problem.batch()
    found = objective.step({role: Net(m) for role, m in modules.items()}, batch, {})
    nested = {role: SplitModule(m.body, nn.Sequential(m.head)) for role, m in modules.items()}
    general = objective.step({role: Net(m) for role, m in nested.items()}, batch, {})
    torch.testing.assert_close(found.losses["model"], general.losses["model"])


def test_teacher_opposite_to_the_student_has_no_opposition():
    problem = Problem(ULE(saliency="label_logit"), mixed)
    student, teacher = problem.modules["student"], problem.modules["model"]
    with torch.no_grad():
        teacher.head.weight.copy_(-student.head.weight)
    assert problem.step().log["opposition"] == 0


def test_lambda_one_is_erm():
    problem = Problem(ULE(lam=1.0), mixed)
    batch = replace(problem.batch(), weight=None)
    losses = problem.step().losses
    for role in ("model", "student"):
        assert torch.equal(losses[role], ERM(role=role).step(problem.nets, batch, {}).losses[role])


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_lambda_does_not_move_the_student(lam):
    problem = Problem(ULE(lam=lam, scale=10.0), mixed)
    alone = F.cross_entropy(problem.modules["student"](problem.batch().x), problem.batch().y)
    torch.testing.assert_close(problem.step().losses["student"], alone)


def test_terms_of_the_teacher():
    out = Problem(ULE(lam=0.3, scale=7.0), mixed).step()
    expected = 0.3 * out.log["ce"] + 0.7 * 7.0 * out.log["opposition"]
    torch.testing.assert_close(out.losses["model"], expected)


def test_the_first_batch_sets_a_power_of_ten_and_later_ones_keep_it():
    problem = Problem(ULE(scaling="first"), mixed)
    state = problem.state()
    assert state["scale"] == 0
    out = problem.step(state=state)
    ratio = out.log["ce"] / out.log["opposition"]
    assert out.state["scale"] == 10 ** ratio.log10().round()
    with torch.no_grad():
        problem.modules["model"].head.weight.mul_(50)
    again = problem.step(state=out.state)
    assert again.state["scale"] == out.state["scale"]


@pytest.mark.parametrize(
    ("ce", "mse", "expected"), [(2.0, 0.01, 100.0), (0.1, 1.0, 0.1), (1.0, 0.0, 0), (0.0, 1.0, 0)]
)
def test_power_of_ten(ce, mse, expected):
    found = power_of_ten(
        torch.tensor(ce, dtype=torch.float64), torch.tensor(mse, dtype=torch.float64)
    )
    assert found == pytest.approx(expected)


def test_opposite_maps_leave_the_scale_to_the_next_batch():
    problem = Problem(ULE(scaling="first", saliency="label_logit"), mixed)
    student, teacher = problem.modules["student"], problem.modules["model"]
    with torch.no_grad():
        teacher.head.weight.copy_(-student.head.weight)
    out = problem.step(state=problem.state())
    assert out.state["scale"] == 0
    assert torch.isfinite(out.losses["model"])


def test_the_ratio_makes_both_terms_equal_and_is_not_differentiated():
    problem = Problem(ULE(lam=0.5, scaling="ratio"), mixed)
    out = problem.step()
    torch.testing.assert_close(out.losses["model"], out.log["ce"])
    ratio = float((out.log["ce"] / out.log["opposition"]).detach())
    fixed = Problem(ULE(lam=0.5, scale=ratio), mixed)
    expected = gradients(fixed.step().losses["model"], fixed.modules["model"])
    for a, b in zip(
        gradients(out.losses["model"], problem.modules["model"]), expected, strict=True
    ):
        torch.testing.assert_close(a, b)


def test_gram_by_hand():
    objective = ULE(similarity="gram", where="output", lam=0.0)
    problem = Problem(objective, mixed)
    e = {}
    for role, module in problem.modules.items():
        z = module(problem.batch().x)
        e[role] = (z @ z.T) / (z @ z.T).abs().max()
    expected = (-e["student"].detach() - e["model"]).square().mean()
    torch.testing.assert_close(problem.step().losses["model"], expected)


@pytest.mark.parametrize("where", ["features", "body.0"])
def test_gram_compares_the_activations_asked_for(where):
    problem = Problem(ULE(similarity="gram", where=where), mixed)
    x = problem.batch().x
    layer = (lambda m: m.body(x)) if where == "features" else (lambda m: m.body[0](x))
    e = {role: layer(m).detach() for role, m in problem.modules.items()}
    e = {role: (a @ a.T) / (a @ a.T).abs().max() for role, a in e.items()}
    torch.testing.assert_close(
        problem.step().log["opposition"], (e["student"] + e["model"]).square().mean()
    )


def test_a_layer_by_name_equals_the_features_it_gives():
    by_name = Problem(ULE(where="body.1", saliency="label_log_prob"), mixed).step()
    on_features = Problem(ULE(where="features", saliency="label_log_prob"), mixed).step()
    torch.testing.assert_close(by_name.log["opposition"], on_features.log["opposition"])


@pytest.mark.parametrize(
    "reading",
    [
        {"where": "input", "saliency": "label_log_prob"},
        {"where": "body.0", "saliency": "label_log_prob"},
        {"where": "features"},
        {"where": "features", "saliency": "prob"},
        {"where": "features", "similarity": "gram"},
        {"where": "output", "similarity": "gram"},
    ],
    ids=str,
)
def test_no_gradient_reaches_the_student_through_the_maps(reading):
    problem = Problem(ULE(lam=0.0, **reading), mixed)
    loss = problem.step().losses["model"]
    found = torch.autograd.grad(
        loss, list(problem.modules["student"].parameters()), allow_unused=True
    )
    assert all(g is None for g in found)


@pytest.mark.parametrize("where", ["input", "features", "body.0"])
def test_dropout_and_batch_norm_see_one_forward(where):
    """One forward per net: statistics and mask are those of a plain forward in train mode."""

    def build(role):
        torch.manual_seed(len(role))
        body = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.5))
        return SplitModule(body, nn.Linear(5, 3)).double()

    problem = Problem(ULE(where=where, saliency="label_log_prob", scale=1.0), build)
    plain = build("model")
    problem.modules.train()
    batch = problem.batch()
    torch.manual_seed(7)
    out = problem.objective.step(problem.nets, batch, problem.state())
    torch.manual_seed(7)
    expected = F.cross_entropy(plain(batch.x), batch.y)
    torch.testing.assert_close(out.log["ce"], expected)
    ours = problem.modules["model"].body[1]
    assert torch.equal(ours.running_mean, plain.body[1].running_mean)
    assert torch.equal(ours.running_var, plain.body[1].running_var)
    assert ours.num_batches_tracked == 1


def test_attention_is_differentiated_twice():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.MultiheadAttention(6, 2, batch_first=True, dtype=torch.float64)

        def forward(self, x):
            x = torch.stack([x, x.roll(1, 1)], 1)
            return self.mix(x, x, x, need_weights=False)[0].mean(1)

    def build(role):
        torch.manual_seed(len(role))
        return SplitModule(Attention(), nn.Linear(6, 3).double())

    problem = Problem(ULE(where="input", saliency="label_log_prob", lam=0.0), build)
    problem.modules.train()
    loss = problem.step().losses["model"]
    weight = problem.modules["model"].body.mix.in_proj_weight
    slope = torch.autograd.grad(loss, weight)[0]
    eps, at = 1e-6, (3, 2)
    with torch.no_grad():
        weight[at] += eps
        high = problem.step().losses["model"]
        weight[at] -= 2 * eps
        low = problem.step().losses["model"]
    assert slope[at].item() == pytest.approx(((high - low) / (2 * eps)).item(), rel=1e-4)


@pytest.mark.parametrize("where", ["features", "input"])
def test_all_zero_maps_leave_finite_losses_and_gradients(where):
    problem = Problem(ULE(where=where), mixed)
    with torch.no_grad():
        for parameter in problem.modules.parameters():
            parameter.zero_()
    loss = problem.step().losses["model"]
    assert all(torch.isfinite(g).all() for g in gradients(loss, problem.modules["model"]))
    assert torch.isfinite(loss)


def test_a_student_with_inputs_of_its_own():
    problem = Problem(ULE(similarity="gram", where="output"), mixed)
    batch = problem.batch()
    own = replace(batch, inputs={"student": batch.x.flip(1)})
    out = problem.objective.step(problem.nets, own, {})
    expected = F.cross_entropy(problem.modules["student"](batch.x.flip(1)), batch.y)
    torch.testing.assert_close(out.losses["student"], expected)
    assert torch.equal(out.log["ce"], problem.step().log["ce"])
