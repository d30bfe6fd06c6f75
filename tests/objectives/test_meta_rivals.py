"""ISDA, MetaSAug and Meta-Weight-Net against naive code."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from meta_problem import (
    LR,
    D,
    K,
    N,
    Rows,
    Y,
    buffers,
    difference,
    explicit_meta_loss,
    learned_covariance,
)
from torch import nn

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.losses import class_balanced_weights, cross_entropy
from sklearn_debias.objectives import (
    ERM,
    ISDA,
    LearnStrategy,
    LearnWeights,
    MetaSAug,
    WeightedByNet,
)
from sklearn_debias.objectives._class_statistics import with_batch
from sklearn_debias.objectives._meta_weight_net import sample_weights

SIZES = np.array([7, 3, 2])


@pytest.fixture
def rows():
    return Rows()


def naive_isda(logits, weight, y, covariance, strength, class_weight):
    losses = []
    for i in range(len(y)):
        own = covariance[y[i]]
        own = np.diag(own) if own.ndim == 1 else own
        steps = weight - weight[y[i]]
        z = logits[i] + strength / 2 * np.einsum("jd,de,je->j", steps, own, steps)
        losses.append(class_weight[y[i]] * (np.log(np.exp(z).sum()) - z[y[i]]))
    return np.array(losses)


@pytest.mark.parametrize("balance", [0.0, 0.9])
@pytest.mark.parametrize("diagonal", [False, True])
def test_isda_follows_a_naive_transcription(rows, diagonal, balance):
    objective = ISDA(0.8, balance=balance, epochs=4, done=1, diagonal=diagonal)
    state = rows.state(objective)
    out = objective.step(rows.nets, rows.batch(slice(0, 9)), state)
    known = with_batch(state, rows.model.body(rows.x[:9]), Y[:9])["covariance"].numpy()
    logits, weight = (
        rows.model(rows.x[:9]).detach().numpy(),
        rows.model.head.weight.detach().numpy(),
    )
    class_weight = np.ones(K)
    if balance:
        class_weight = (1 - balance) / (1 - balance**SIZES)
        class_weight *= K / class_weight.sum()
    expected = naive_isda(logits, weight, Y[:9].numpy(), known, 0.8 * 1 / 4, class_weight).mean()
    assert float(out.losses["model"].detach()) == pytest.approx(expected, abs=1e-10)


def test_the_strength_grows_with_the_epochs_done(rows):
    objective = ISDA(0.8, epochs=3)
    state = objective.init(rows.nets, rows.data)
    logits, weight = rows.model(rows.x).detach().numpy(), rows.model.head.weight.detach().numpy()
    for epoch in range(3):
        for batch in torch.arange(N).split(5):
            out = objective.step(rows.nets, rows.batch(batch), state)
            state = out.state
            given = (
                logits[batch],
                weight,
                Y[batch].numpy(),
                state["covariance"].numpy(),
                0.8 * epoch / 3,
                np.ones(K),
            )
            assert float(out.losses["model"].detach()) == pytest.approx(
                naive_isda(*given).mean(), abs=1e-10
            )


def test_isda_without_strength_is_erm_to_the_last_bit(rows):
    objective = ISDA(0.0, epochs=2, done=1)
    out = objective.step(rows.nets, rows.batch(), rows.state(objective))
    assert torch.equal(out.losses["model"], ERM().step(rows.nets, rows.batch(), {}).losses["model"])


def test_isda_learns_nothing_by_its_covariances(rows):
    objective = ISDA(1.0, epochs=2, done=1)
    out = objective.step(rows.nets, rows.batch(), rows.state(objective))
    assert not any(value.requires_grad for value in out.state.values())


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("virtual", ["head", "all", "auto"])
@pytest.mark.parametrize("diagonal", [False, True])
def test_the_covariance_gradient_of_metasaug_follows_finite_differences(
    diagonal, virtual, batch_norm
):
    rows = Rows(batch_norm=batch_norm)
    isda = ISDA(1.5, balance=0.9, epochs=2, done=1, diagonal=diagonal)
    ahead = MetaSAug(isda, sigma_lr=0.1, virtual=virtual)
    state, before = rows.state(ahead), buffers(rows.model)
    out = ahead.step(rows.nets, rows.batch(), state)
    assert out.losses == {}
    for name, value in buffers(rows.model).items():
        assert torch.equal(value, before[name]), name
    h = Rows(batch_norm=batch_norm).model.body(rows.x).detach()
    known = with_batch(state, h, Y)
    for name in ("count", "mean", "covariance"):
        torch.testing.assert_close(out.state[name], known[name], rtol=0, atol=1e-12)
    now = known["covariance"]

    def meta(covariance):
        def training_loss(model):
            features = model.body(rows.x) if virtual != "head" else h
            return isda.loss(Net(model), features, Y, covariance, known).mean()

        return explicit_meta_loss(rows, training_loss, virtual)

    assert float(out.log["meta"]) == pytest.approx(float(meta(now)), abs=1e-12)
    direction = torch.randn(now.shape, generator=torch.Generator().manual_seed(3), dtype=D)
    direction = direction if diagonal else direction + direction.mT
    learned = learned_covariance(out.carry, now, rows.model.head.weight)
    found = float(((now - learned) / 0.1 * direction).sum())
    assert found == pytest.approx(
        difference(lambda t: meta(now + t * direction)), rel=1e-5, abs=1e-9
    )
    assert found != 0


def test_the_real_step_of_metasaug_weighs_classes_and_uses_the_covariance_once(rows):
    isda = ISDA(1.5, balance=0.9999, epochs=2, done=1)
    ahead, real = MetaSAug(isda, sigma_lr=3.0), replace(isda, starts=False)
    first = ahead.step(rows.nets, rows.batch(), rows.state(ahead))
    second = real.step(rows.nets, rows.batch(carry=first.carry), first.state)
    weight = class_balanced_weights(torch.from_numpy(SIZES), 0.9999)
    torch.testing.assert_close(first.state["class_weight"], weight)
    assert weight.sum() == pytest.approx(K)
    logits, head = rows.model(rows.x).detach().numpy(), rows.model.head.weight.detach().numpy()
    steps = torch.from_numpy(head)[None] - torch.from_numpy(head)[:, None]
    learned = learned_covariance(first.carry, first.state["covariance"], rows.model.head.weight)
    raised = torch.einsum("cjd,cde,cje->cj", steps, learned, steps).clamp(min=0).numpy()
    z = logits + 1.5 / 2 / 2 * raised[Y.numpy()]
    terms = weight.numpy()[Y] * (np.log(np.exp(z).sum(1)) - z[np.arange(N), Y.numpy()])
    assert float(second.losses["model"].detach()) == pytest.approx(terms.mean(), abs=1e-10)
    for name in ("count", "mean", "covariance"):
        assert torch.equal(second.state[name], first.state[name])


def mlp():
    return SplitModule(nn.Sequential(nn.Linear(6, 5), nn.Tanh()), nn.Linear(5, K)).to(D)


def linear():
    return SplitModule(nn.Identity(), nn.Linear(6, K)).to(D)


def naive_meta_weight_net(rows, forward, virtual):
    """Return both networks' parameters after one iteration, by the paper's Eqs. 6 to 8.

    The second-order graphs are explicit.
    """
    theta = dict(rows.model.named_parameters())
    first, second = rows.weigher[0], rows.weigher[2]
    omega = [first.weight, first.bias, second.weight, second.bias]

    def weights(losses, omega):
        hidden = torch.tanh(losses.detach()[:, None] @ omega[0].T + omega[1])
        weight = torch.sigmoid(hidden @ omega[2].T + omega[3])[:, 0]
        return weight / weight.sum()

    def losses(theta, x, y):
        log_p = forward(theta, x).log_softmax(1)
        return -log_p[torch.arange(len(y)), y]

    moving = [name for name in theta if virtual == "all" or name.startswith("head.")]
    own = losses(theta, rows.x, Y)
    step = torch.autograd.grad(
        (weights(own, omega) * own).sum(), [theta[n] for n in moving], create_graph=True
    )
    ahead = {**theta, **{name: theta[name] - LR * g for name, g in zip(moving, step, strict=True)}}
    meta = losses(ahead, rows.meta_x, rows.meta_y).mean()
    gradients = torch.autograd.grad(meta, omega)
    learned = [p - 0.2 * g for p, g in zip(omega, gradients, strict=True)]
    own = losses(theta, rows.x, Y)
    real = (weights(own, learned).detach() * own).sum()
    gradients = torch.autograd.grad(real, list(theta.values()))
    moved = {name: p - LR * g for (name, p), g in zip(theta.items(), gradients, strict=True)}
    return meta.detach(), learned, real.detach(), moved


def by_hand(theta, x):
    if "body.0.weight" in theta:
        x = torch.tanh(x @ theta["body.0.weight"].T + theta["body.0.bias"])
    return x @ theta["head.weight"].T + theta["head.bias"]


@pytest.mark.parametrize("virtual", ["all", "head"])
@pytest.mark.parametrize("network", [linear, mlp])
def test_meta_weight_net_follows_a_naive_transcription_of_an_iteration(rows, network, virtual):
    rows.model = network()
    meta, learned, real, moved = naive_meta_weight_net(rows, by_hand, virtual)
    first = LearnWeights(virtual).step(rows.nets, rows.batch(), {})
    assert first.losses.keys() == {"weigher"}
    torch.testing.assert_close(first.losses["weigher"].detach(), meta, rtol=0, atol=1e-10)
    own = list(rows.weigher.parameters())
    gradients = torch.autograd.grad(first.losses["weigher"], own)
    with torch.no_grad():
        for parameter, gradient, expected in zip(own, gradients, learned, strict=True):
            parameter -= 0.2 * gradient
            torch.testing.assert_close(parameter.data, expected.data, rtol=0, atol=1e-10)
    second = WeightedByNet().step(rows.nets, rows.batch(carry=first.carry), first.state)
    assert second.losses.keys() == {"model"}
    torch.testing.assert_close(second.losses["model"].detach(), real, rtol=0, atol=1e-10)
    named = dict(rows.model.named_parameters())
    gradients = torch.autograd.grad(second.losses["model"], list(named.values()))
    for (name, parameter), gradient in zip(named.items(), gradients, strict=True):
        torch.testing.assert_close(parameter - LR * gradient, moved[name], rtol=0, atol=1e-10)


def test_the_weights_sum_to_one_over_the_batch_and_are_detached_from_the_loss(rows):
    loss = cross_entropy(rows.model(rows.x), Y)
    weight = sample_weights(Net(rows.weigher), loss)
    assert float(weight.sum().detach()) == pytest.approx(1)
    assert (weight > 0).all()
    reached = torch.autograd.grad(weight[0], list(rows.model.parameters()), allow_unused=True)
    assert not any(g is not None for g in reached)


def test_a_weight_net_that_shuts_down_stays_finite(rows):
    with torch.no_grad():
        rows.weigher[2].bias.fill_(-1e4)
    first = LearnWeights().step(rows.nets, rows.batch(), {})
    second = WeightedByNet().step(rows.nets, rows.batch(), {})
    assert first.losses["weigher"].isfinite()
    assert float(second.losses["model"].detach()) == 0


def test_a_constant_weight_net_is_erm(rows):
    with torch.no_grad():
        rows.weigher[2].weight.zero_()
    found = WeightedByNet().step(rows.nets, rows.batch(), {}).losses["model"]
    torch.testing.assert_close(found, F.cross_entropy(rows.model(rows.x), Y), rtol=0, atol=1e-12)


def test_batch_norm_moves_with_the_real_step_only():
    rows = Rows(batch_norm=True)
    before = buffers(rows.model)
    LearnWeights().step(rows.nets, rows.batch(), {})
    assert all(torch.equal(value, before[name]) for name, value in buffers(rows.model).items())
    WeightedByNet().step(rows.nets, rows.batch(), {})
    assert int(rows.model.body[1].num_batches_tracked) == 1


def test_parameters_that_do_not_learn_do_not_step_virtually(rows):
    for parameter in rows.model.body.parameters():
        parameter.requires_grad_(False)
    found = {
        v: LearnWeights(v).step(rows.nets, rows.batch(), {}).losses["weigher"].detach()
        for v in ("head", "all")
    }
    torch.testing.assert_close(found["all"], found["head"], rtol=0, atol=1e-12)


class WithSpare(nn.Module):
    """A body with a layer that its output does not depend on."""

    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Linear(6, 5), nn.Linear(6, 5)

    def forward(self, x):
        return self.used(x).tanh()


@pytest.mark.parametrize("virtual", ["head", "all"])
@pytest.mark.parametrize(
    "objective", [LearnWeights(), MetaSAug(ISDA(done=1, epochs=2)), LearnStrategy()]
)
def test_live_and_given_parameters_look_ahead_alike(rows, objective, virtual):
    rows.model.body = WithSpare().to(D)
    objective = replace(objective, virtual=virtual)
    state = objective.init(rows.nets, rows.data)
    given = {role: replace(net, params=net.parameters) for role, net in rows.nets.items()}
    one, other = (objective.step(nets, rows.batch(), state) for nets in (rows.nets, given))
    for name in ("losses", "carry", "log"):
        for key, value in getattr(one, name).items():
            torch.testing.assert_close(getattr(other, name)[key], value, rtol=0, atol=1e-12)
    for role, loss in one.losses.items():
        own = list(getattr(rows, role).parameters())
        first, second = (torch.autograd.grad(step.losses[role], own) for step in (one, other))
        assert any(g.any() for g in first)
        torch.testing.assert_close(first, second, rtol=0, atol=1e-12)
        assert loss.isfinite()
