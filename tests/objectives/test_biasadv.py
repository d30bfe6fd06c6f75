"""BiasAdv: the attack, the weights of what it makes, and what beta = 0 leaves."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sklearn_debias.core import Net
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM, BiasAdv, LfF, UpweightErrors
from sklearn_debias.objectives._biasadv import bias_adversarial_loss
from sklearn_debias.testing import Problem, toy_module

BASES = {
    "erm": ERM(),
    "lff": LfF(),
    "raw lff": LfF(ema=0.0, class_normalize=False),
    "jtt": UpweightErrors(5.0),
    "weighted jtt": UpweightErrors(5.0, duplicate=False),
}


def with_batch_norm_and_dropout(role):
    module = toy_module(role)
    extra = nn.Sequential(nn.BatchNorm1d(5), nn.Dropout(0.3)).double()
    module.body = nn.Sequential(module.body, extra)
    return module


@given(
    norm=st.sampled_from(["l2", "linf"]),
    epsilon=st.floats(0, 3),
    lam=st.floats(0, 2),
    n_steps=st.integers(1, 5),
    random_start=st.booleans(),
)
@settings(max_examples=30)
def test_the_attack_stays_in_the_ball(norm, epsilon, lam, n_steps, random_start):
    objective = BiasAdv(norm=norm, epsilon=epsilon, lam=lam, n_steps=n_steps)
    problem = Problem(objective)
    batch = problem.batch()
    start = objective.ball.random(batch.x, batch.generator) if random_start else None
    away = objective.attack(problem.nets, batch.x, batch.y, start) - batch.x
    assert away.norm(dim=1, p={"l2": 2, "linf": float("inf")}[norm]).max() <= epsilon + 1e-9


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_with_equal_nets_and_lam_one_the_attack_moves_nothing(norm):
    problem = Problem(BiasAdv(lam=1.0, norm=norm, epsilon=1.0))
    batch = problem.batch()
    problem.modules["biased"].load_state_dict(problem.modules["model"].state_dict())
    assert torch.equal(problem.objective.attack(problem.nets, batch.x, batch.y), batch.x)


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_the_attack_raises_what_it_maximises(lam):
    problem = Problem(BiasAdv(lam=lam, epsilon=0.2))
    batch, nets = problem.batch(), problem.nets
    moved = problem.objective.attack(nets, batch.x, batch.y)
    before, after = (
        bias_adversarial_loss(nets["model"], nets["biased"], x, batch.y, lam)
        for x in (batch.x, moved)
    )
    assert (after > before).all()


def test_without_lam_the_model_has_no_say():
    problem = Problem(BiasAdv(lam=0.0))
    batch = problem.batch()
    moved = problem.objective.attack(problem.nets, batch.x, batch.y)
    with torch.no_grad():
        problem.modules["model"].head.weight.add_(1.0)
    assert torch.equal(problem.objective.attack(problem.nets, batch.x, batch.y), moved)


def test_the_attack_leaves_buffers_gradients_and_training_mode_alone():
    problem = Problem(BiasAdv(), with_batch_norm_and_dropout)
    problem.modules.train()
    batch, before = problem.batch(), copy.deepcopy(problem.modules.state_dict())
    moved = problem.objective.attack(problem.nets, batch.x, batch.y)
    assert all(
        torch.equal(value, before[name]) for name, value in problem.modules.state_dict().items()
    )
    assert all(p.grad is None for p in problem.modules.parameters())
    assert all(m.training for m in problem.modules.modules())
    assert torch.equal(
        problem.objective.attack(problem.nets, batch.x, batch.y), moved
    )  # no dropout


@pytest.mark.parametrize("base", BASES)
def test_a_step_adds_beta_times_the_weighted_loss_of_the_attacked_inputs(base):
    problem = Problem(BiasAdv(base=BASES[base], beta=1.7))
    batch, state = problem.batch(), problem.state()
    moved = problem.objective.attack(problem.nets, batch.x, batch.y)
    plain = BASES[base].step(problem.nets, batch, state)
    weight = (
        torch.ones_like(batch.weight) if plain.adversary_weight is None else plain.adversary_weight
    )
    added = (weight * cross_entropy(problem.nets["model"](moved), batch.y)).mean()
    torch.testing.assert_close(problem.step().losses["model"], plain.losses["model"] + 1.7 * added)


def test_a_twin_weighs_what_its_sample_weighs_on_weighted_bases():
    """ERM's sample weights and JTT's upweights count for the adversarial samples, too."""
    erm = Problem(ERM())
    batch = erm.batch()
    assert torch.equal(erm.step().adversary_weight, batch.weight)
    jtt = Problem(UpweightErrors(5.0, duplicate=False))
    state = {"error": torch.arange(len(jtt.data.y)) % 2 == 0}
    expected = torch.where(state["error"][jtt.batch().index], 5.0, 1.0)
    assert torch.equal(jtt.step(state=state).adversary_weight, expected.double())


def test_the_attack_comes_before_the_forward_passes_that_move_batch_norm():
    """docs/design/attack_first.md: the attack sees the buffers of the iteration's beginning."""
    problem = Problem(BiasAdv(base=ERM(), beta=1.0), with_batch_norm_and_dropout)
    problem.modules.train()
    for module in problem.modules.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    batch = problem.batch()
    moved = problem.objective.attack(problem.nets, batch.x, batch.y)
    live = copy.deepcopy(problem.modules)
    logits = live["model"](batch.x), live["model"](moved)
    clean, adversarial = (cross_entropy(z, batch.y) for z in logits)
    expected = (batch.weight * clean).mean() + (batch.weight * adversarial).mean()
    torch.testing.assert_close(problem.step().losses["model"], expected, rtol=1e-12, atol=0)


def test_on_lff_the_weights_of_a_sample_and_of_its_twin_over_beta_add_up_to_one():
    problem = Problem(BiasAdv(base=LfF(), beta=1.3))
    batch, state = problem.batch(), problem.state()
    plain = problem.objective.base.step(problem.nets, batch, state)
    difficulty = problem.objective.base.difficulty(plain.state, batch.index)
    torch.testing.assert_close(difficulty + plain.adversary_weight, torch.ones_like(difficulty))


def test_on_erm_the_biased_net_learns_by_gce_and_on_jtt_it_is_fixed():
    assert set(Problem(BiasAdv(base=ERM())).step().losses) == {"model", "biased"}
    assert set(Problem(BiasAdv(base=UpweightErrors())).step().losses) == {"model"}


@pytest.mark.parametrize("gce_factor", [True, False])
def test_on_erm_gce_has_the_factor_q_or_the_gradient_of_the_published_formula(gce_factor):
    problem = Problem(BiasAdv(base=ERM(), q=0.4, gce_factor=gce_factor))
    batch = problem.batch()
    parameters = list(problem.modules["biased"].parameters())
    actual = torch.autograd.grad(problem.step().losses["biased"], parameters)
    own = problem.nets["biased"](batch.x).softmax(1).gather(1, batch.y[:, None])
    published = ((1 - own**0.4) / 0.4).mean()
    for ours, theirs in zip(actual, torch.autograd.grad(published, parameters), strict=True):
        torch.testing.assert_close(ours, theirs * (0.4 if gce_factor else 1.0))


@pytest.mark.parametrize("base", BASES)
def test_with_beta_zero_the_base_loss_comes_back_to_the_last_bit(base):
    augmented, plain = (
        Problem(objective, with_batch_norm_and_dropout)
        for objective in (BiasAdv(base=BASES[base], beta=0.0), replace(BASES[base]))
    )
    steps = []
    for problem in (augmented, plain):
        problem.modules.train()
        torch.manual_seed(0)
        steps.append(problem.step())
    assert torch.equal(steps[0].losses["model"], steps[1].losses["model"])
    model = augmented.modules["model"].state_dict()
    assert all(
        torch.equal(model[name], value)
        for name, value in plain.modules["model"].state_dict().items()
    )


def test_a_random_start_comes_from_the_stream_of_the_batch():
    first, again = (Problem(BiasAdv(random_start=True)).step() for _ in range(2))
    assert torch.equal(first.losses["model"], again.losses["model"])
    assert not torch.equal(first.losses["model"], Problem(BiasAdv()).step().losses["model"])


def test_the_attack_sees_the_nets_without_their_noise():
    problem = Problem(BiasAdv())
    batch = problem.batch()

    class Forbidden:
        def __enter__(self):
            raise AssertionError("The attack entered the noise of a net.")

        def __exit__(self, *exc):
            pass

    nets = {role: Net(module, noise=Forbidden()) for role, module in problem.modules.items()}
    problem.objective.attack(nets, batch.x, batch.y)
