"""Meta-IADA: loss against naive code, bound against draws, meta gradients against differences."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from meta_problem import (
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

from sklearn_debias.core import Batch, Net
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM, IADA, LearnStrategy, Samples
from sklearn_debias.objectives._characteristics import EPS, MOMENTUM, fifteen, margin, standardized
from sklearn_debias.objectives._class_statistics import (
    class_counts,
    descended,
    draws,
    with_batch,
)
from sklearn_debias.objectives._meta_iada import perturbation
from sklearn_debias.objectives._reach import reach_of

SIZES = np.array([7, 3, 2])


@pytest.fixture
def rows():
    return Rows()


def naive_loss(h, weight, bias, y, epsilon, covariance, alpha, beta):
    """Eq. 6, a sample and a class at a time."""
    losses = []
    for i in range(len(h)):
        z = weight @ h[i] + bias
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        p[y[i]] -= 1
        delta = epsilon[i] * np.sign(weight.T @ p)
        raised = []
        for j in range(len(weight)):
            step = weight[j] - weight[y[i]]
            own = covariance[y[i]]
            rho = 0.5 * step @ (np.diag(own) if own.ndim == 1 else own) @ step
            raised.append(
                weight[j] @ (h[i] + delta) + bias[j] + alpha * rho + beta * np.log(SIZES[j] / N)
            )
        losses.append(np.log(np.exp(raised).sum()) - raised[y[i]])
    return np.array(losses)


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 1.0), (0.0, 1.0), (2.0, 0.0)])
def test_equation_6_follows_a_naive_transcription(rows, diagonal, alpha, beta):
    objective = IADA(alpha=alpha, beta=beta, diagonal=diagonal)
    state = rows.state(objective)
    h = rows.model.body(rows.x).detach()
    epsilon = torch.linspace(-0.9, 0.9, N, dtype=D)
    actual = objective.loss(
        Net(rows.model), rows.model.head(h), Y, epsilon, state["covariance"], state
    )
    weight, bias = (p.detach().numpy() for p in rows.model.head.parameters())
    arrays = (t.numpy() for t in (Y, epsilon, state["covariance"]))
    expected = naive_loss(h.numpy(), weight, bias, *arrays, alpha, beta)
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("copies", [0, 4])
def test_classes_may_be_weighed_as_in_equation_5(rows, beta, copies):
    weighed, plain = (IADA(beta=b, weigh=w, copies=copies) for b, w in ((beta, True), (0.0, False)))
    state = rows.state(weighed)
    h = rows.model.body(rows.x).detach()
    found, alike = (
        objective.loss(
            Net(rows.model),
            rows.model.head(h),
            Y,
            torch.linspace(-0.9, 0.9, N, dtype=D),
            state["covariance"],
            state,
            torch.Generator().manual_seed(0),
        ).detach()
        for objective in (weighed, plain)
    )
    # One class, one sample at a time; the weights of the rows are 1 on average.
    weights = np.array([(SIZES[y] / N) ** -beta for y in Y.tolist()])
    weights /= weights.mean()
    np.testing.assert_allclose(found.numpy(), weights * alike.numpy(), rtol=1e-12)
    if beta == 1:  # every class counts alike
        each = [alike[c == Y].mean() for c in range(K)]
        assert float(found.mean()) == pytest.approx(float(sum(each)) / K, rel=1e-12)


def test_a_class_without_rows_has_no_weight_and_spoils_none():
    prior = torch.tensor([0.5, 0.0, 0.5], dtype=D)
    found = class_counts(prior, torch.tensor([0, 2]), torch.tensor(1.0, dtype=D))
    torch.testing.assert_close(found, torch.ones(2, dtype=D))
    # A meta set may have it.
    assert torch.isfinite(class_counts(prior, torch.tensor([1]), torch.tensor(1.0, dtype=D)))


def test_alpha_may_grow_with_the_epochs(rows):
    h = rows.model.body(rows.x).detach()
    for visits, done, epochs, share in (
        (0, 0, 4, 0),
        (N - 1, 0, 4, 0),
        (N, 0, 4, 0.25),
        (2 * N + 3, 1, 4, 0.75),
    ):
        ramped = IADA(alpha=0.8, ramp=True, done=done, epochs=epochs)
        state = rows.state(ramped) | {"visits": torch.tensor(visits)}
        found, expected = (
            o.loss(
                Net(rows.model),
                rows.model.head(h),
                Y,
                torch.zeros(N, dtype=D),
                state["covariance"],
                state,
            )
            for o in (ramped, IADA(alpha=0.8 * share))
        )
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_covariance_that_is_indefinite_is_floored_and_counted(rows):
    objective = IADA(beta=0.0, epsilon=0.0)
    state, batch = rows.state(objective), rows.batch(carry={"covariance": -rows.covariance})
    out = objective.step(rows.nets, batch, state)
    torch.testing.assert_close(
        out.losses["model"], cross_entropy(rows.model(rows.x), Y).mean(), rtol=0, atol=1e-12
    )
    assert float(out.log["floored"]) == 1
    good = objective.step(rows.nets, rows.batch(carry={"covariance": rows.covariance}), state)
    assert float(good.log["floored"]) == 0
    assert good.losses["model"] > out.losses["model"]


def test_the_perturbation_is_epsilon_times_the_sign_of_the_gradient(rows):
    h = rows.model.body(rows.x).detach().requires_grad_()
    logits = rows.model.head(h)
    (gradient,) = torch.autograd.grad(cross_entropy(logits, Y).sum(), h)
    epsilon = torch.linspace(-0.9, 0.9, N, dtype=D, requires_grad=True)
    delta = perturbation(logits, Y, rows.model.head.weight, epsilon)
    torch.testing.assert_close(delta, epsilon[:, None] * gradient.sign(), rtol=0, atol=0)
    torch.testing.assert_close(
        perturbation(logits, Y, rows.model.head.weight, -0.3), -0.3 * gradient.sign()
    )
    reached = torch.autograd.grad(
        delta.sum(), [epsilon, h, rows.model.head.weight], allow_unused=True
    )
    assert [g is not None for g in reached] == [True, False, False]


def samples(rows):
    h = rows.model.body(rows.x).detach()
    logits = rows.model.head(h).detach()
    generator = torch.Generator().manual_seed(5)
    per_class = [torch.randn(K, generator=generator, dtype=D) for _ in range(2)]
    per_sample = [torch.rand(N, generator=generator, dtype=D) for _ in range(2)]
    return Samples(
        logits,
        h,
        Y,
        rows.model.head.weight.detach(),
        torch.from_numpy(SIZES / N),
        *per_class,
        *per_sample,
    )


def naive_characteristics(s, i):
    z, h, c = s.logits[i].numpy(), s.features[i].numpy(), int(s.y[i])
    p = np.exp(z) / np.exp(z).sum()
    loss, gap = -np.log(p[c]), p[c] - max(p[j] for j in range(K) if j != c)
    w = s.weight[c].numpy()
    one_hot = np.eye(K)[c]
    return [
        loss,
        gap,
        np.sqrt(((one_hot - p) ** 2).sum()),
        -(p * np.log(p)).sum(),
        SIZES[c] / N,
        float(s.class_loss[c]),
        h @ w / np.sqrt((h @ h) * (w @ w)),
        np.sqrt(w @ w),
        loss - float(s.class_loss[c]),
        gap - float(s.class_margin[c]),
        float(s.epsilon[i]),
        float(s.epsilon_before[i]),
        float(s.epsilon[i] - s.epsilon_before[i]),
        z[c],
        p[c],
    ]


def test_each_of_the_fifteen_characteristics_follows_naive_code(rows):
    s = samples(rows)
    expected = [naive_characteristics(s, i) for i in range(N)]
    np.testing.assert_allclose(fifteen(s).numpy(), expected, rtol=0, atol=1e-10)


def test_the_characteristics_are_finite_where_a_class_is_certain(rows):
    s = samples(rows)
    for factor in (1e4, 1e-4, 0.0):
        assert (
            fifteen(replace(s, logits=factor * s.logits, features=0 * s.features)).isfinite().all()
        )


def test_the_standardisation_is_batch_norm_without_affine_map():
    norm = nn.BatchNorm1d(4, affine=False, dtype=D, eps=EPS, momentum=MOMENTUM)
    generator = torch.Generator().manual_seed(0)
    state = {"f_mean": torch.zeros(4, dtype=D), "f_variance": torch.ones(4, dtype=D)}
    for n in (5, 8, 2):
        f = 3 * torch.randn(n, 4, generator=generator, dtype=D) + 1
        found, running = standardized(f, state)
        torch.testing.assert_close(found, norm(f), rtol=0, atol=1e-12)
        state |= running
    torch.testing.assert_close(state["f_mean"], norm.running_mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(state["f_variance"], norm.running_var, rtol=0, atol=1e-12)
    found, running = standardized(f[:1], state)
    torch.testing.assert_close(found, norm.eval()(f[:1]), rtol=0, atol=1e-12)
    assert running == {}


def drawn(rows, alpha, covariance, epsilon, n):
    """Cross entropies (n, N) of features drawn from N(h + delta, alpha Sigma_y), by NumPy."""
    rng = np.random.default_rng(0)
    h = rows.model.body(rows.x)
    delta = perturbation(rows.model.head(h), Y, rows.model.head.weight, epsilon)
    centre = (h + delta).detach().numpy()
    found = np.empty((n, N))
    for i in range(N):
        own = alpha * covariance[Y[i]].numpy()
        features = rng.multivariate_normal(centre[i], own, size=n)
        logits = rows.model.head(torch.from_numpy(features)).detach()
        found[:, i] = cross_entropy(logits, Y[i].expand(n)).numpy()
    return found


@pytest.mark.parametrize("alpha", [0.1, 0.5, 2.0])
def test_the_expected_cross_entropy_of_draws_is_below_the_bound(rows, alpha):
    objective = IADA(alpha=alpha, beta=0.0)
    state = rows.state(objective)
    epsilon = torch.linspace(-0.9, 0.9, N, dtype=D)
    bound = (
        objective.loss(Net(rows.model), rows.model(rows.x), Y, epsilon, rows.covariance, state)
        .detach()
        .numpy()
    )
    found = drawn(rows, alpha, rows.covariance, epsilon, 4000)
    error = found.std(0) / np.sqrt(len(found))
    assert (found.mean(0) <= bound + 4 * error).all()
    assert (bound - found.mean(0)).max() > 10 * error.max()  # and not by mere noise


@pytest.mark.parametrize("copies", [0, 3])
def test_without_covariance_the_bound_is_the_expected_cross_entropy(rows, copies):
    objective = IADA(alpha=0.7, beta=0.0, copies=copies)
    epsilon = torch.linspace(-0.9, 0.9, N, dtype=D)
    nothing = torch.zeros_like(rows.covariance)
    args = (
        Net(rows.model),
        rows.model(rows.x),
        Y,
        epsilon,
        nothing,
        rows.state(objective),
        torch.Generator(),
    )
    h = rows.model.body(rows.x)
    moved = h + perturbation(rows.model.head(h), Y, rows.model.head.weight, epsilon)
    expected = cross_entropy(rows.model.head(moved), Y)
    torch.testing.assert_close(objective.loss(*args), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("diagonal", [False, True])
def test_copies_converge_to_the_expectation_below_the_bound(rows, diagonal):
    objective = IADA(alpha=0.5, beta=0.0, diagonal=diagonal)
    state = rows.state(objective)
    covariance = state["covariance"]
    epsilon = torch.linspace(-0.9, 0.9, N, dtype=D)
    args = Net(rows.model), rows.model(rows.x), Y, epsilon, covariance, state
    generator = torch.Generator().manual_seed(0)
    many = replace(objective, copies=4000).loss(*args, generator).detach().numpy()
    whole = torch.diag_embed(covariance) if diagonal else covariance
    found = drawn(rows, 0.5, whole, epsilon, 4000)
    error = found.std(0) * np.sqrt(2 / len(found))
    assert (np.abs(many - found.mean(0)) <= 4 * error).all()
    assert (many <= objective.loss(*args).detach().numpy() + 4 * error).all()


@pytest.mark.parametrize("rank", [1, 5])
def test_draws_have_the_covariance_of_the_class(rank):
    root = torch.randn(2, 5, rank, generator=torch.Generator().manual_seed(0), dtype=D)
    covariance = root @ root.mT
    y = torch.tensor([1, 0])
    found = draws(covariance, y, 20_000, torch.Generator().manual_seed(1))
    for i in range(2):
        actual = np.cov(found[:, i].numpy().T)
        np.testing.assert_allclose(
            actual, covariance[y[i]].numpy(), atol=0.05 * covariance.abs().max()
        )


def test_only_a_covariance_and_a_network_that_learn_have_a_meta_gradient(rows):
    fixed = LearnStrategy(IADA(epsilon=0.2))
    assert fixed.roles == ("model",)
    assert LearnStrategy().roles == ("model", "perturber")
    out = fixed.step(rows.nets, rows.batch(), rows.state(fixed))
    assert out.losses == {}
    assert out.carry.keys() == {"rho", "slope", "by_spread", "by_slope", "way"}
    fixed = LearnStrategy(IADA(epsilon=0.2, diagonal=True))
    assert fixed.step(rows.nets, rows.batch(), rows.state(fixed)).carry.keys() == {"covariance"}
    assert set(out.log) == {"meta"}


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("virtual", ["head", "all", "auto"])
@pytest.mark.parametrize(
    "options", [{}, {"diagonal": True, "beta": 0.3}, {"alpha": 0.0}, {"weigh": True}]
)
def test_equations_8_and_9_follow_finite_differences(virtual, batch_norm, options):
    rows = Rows(batch_norm=batch_norm)
    real = IADA(**{"alpha": 0.7, **options})
    ahead = LearnStrategy(real, sigma_lr=0.1, virtual=virtual)
    state, batch = rows.state(real), rows.batch()
    before = buffers(rows.model)
    out = ahead.step(rows.nets, batch, state)
    for name, value in buffers(rows.model).items():
        assert torch.equal(value, before[name]), name
    out.losses["perturber"].backward()
    assert all(p.grad is None for p in rows.model.parameters())

    def meta(perturber=None, covariance=None):
        twin = copy.deepcopy(rows.model)
        h = twin.body(rows.x).detach()
        known = with_batch(state, h, Y)
        network = Net(rows.perturber if perturber is None else perturber)
        epsilon, _, _ = real.strategy(network, Net(twin), h, twin.head(h), batch, known)
        given = known["covariance"] if covariance is None else covariance

        def training_loss(model):
            logits = model(rows.x) if virtual != "head" else model.head(h)
            return real.loss(Net(model), logits, Y, epsilon.detach(), given, known).mean()

        return explicit_meta_loss(rows, training_loss, virtual)

    assert float(meta()) == pytest.approx(float(out.losses["perturber"].detach()), abs=1e-12)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in rows.perturber.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=D)

        def moved(t, name=name, direction=direction):
            network = copy.deepcopy(rows.perturber)
            network.get_parameter(name).data += t * direction
            return meta(perturber=network)

        found = float((parameter.grad * direction).sum())
        assert found == pytest.approx(difference(moved), rel=1e-5, abs=1e-9), name
    twin = copy.deepcopy(rows.model)
    now = with_batch(state, twin.body(rows.x), Y)["covariance"]
    direction = torch.randn(now.shape, generator=generator, dtype=D)
    direction = direction if now.ndim == 2 else direction + direction.mT
    learned = learned_covariance(out.carry, now, rows.model.head.weight)
    found = float(((now - learned) / 0.1 * direction).sum())
    expected = difference(lambda t: meta(covariance=now + t * direction))
    # Where the covariance is positive definite no term is floored, and the bound is smooth.
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert (expected == 0) == (real.alpha == 0)


def test_the_learned_covariances_stay_symmetric():
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(2, 4, 4, generator=generator, dtype=D)
    found = descended(torch.zeros(2, 4, 4, dtype=D), gradient, 0.2)
    assert torch.equal(found, found.mT)
    torch.testing.assert_close(found, -0.1 * (gradient + gradient.mT))
    assert torch.equal(
        descended(torch.zeros(2, 4, dtype=D), gradient[0, :2], 0.2), -0.2 * gradient[0, :2]
    )


def test_the_real_step_moves_the_buffers_once():
    rows = Rows(batch_norm=True)
    ahead, real = LearnStrategy(virtual="all"), IADA(starts=False)
    state = rows.state(ahead)
    assert real.init(rows.nets, rows.data) == {}
    tracked = rows.model.body[1].num_batches_tracked
    out = ahead.step(rows.nets, rows.batch(), state)
    assert int(tracked) == 0
    real.step(rows.nets, rows.batch(carry=out.carry), out.state)
    assert int(tracked) == 1
    expected = rows.model.body[0](rows.x).mean(0) * 0.1
    torch.testing.assert_close(
        rows.model.body[1].running_mean, expected.detach(), rtol=0, atol=1e-12
    )


def test_the_learned_covariance_serves_one_step_and_is_not_kept(rows):
    ahead, real = LearnStrategy(sigma_lr=5.0), IADA(starts=False)
    first = ahead.step(rows.nets, rows.batch(slice(0, 8)), rows.state(ahead))
    second = real.step(rows.nets, rows.batch(slice(0, 8), carry=first.carry), first.state)
    kept = with_batch(rows.state(ahead), rows.model.body(rows.x[:8]), Y[:8], live=True)
    for name in ("count", "mean", "covariance"):  # each batch is counted once
        torch.testing.assert_close(second.state[name], kept[name], rtol=0, atol=0)
    learned = learned_covariance(first.carry, kept["covariance"], rows.model.head.weight)
    assert not torch.allclose(learned, kept["covariance"])
    without = real.step(rows.nets, rows.batch(slice(0, 8)), rows.state(ahead))
    torch.testing.assert_close(without.state["covariance"], kept["covariance"], rtol=0, atol=0)
    assert not torch.equal(without.losses["model"], second.losses["model"])


def test_the_characteristics_are_made_once_and_the_updated_network_reads_them(rows):
    calls = []

    def counted(s):
        calls.append(len(s.y))
        return fifteen(s)

    ahead = LearnStrategy(IADA(characteristics=counted))
    out = ahead.step(rows.nets, rows.batch(), rows.state(ahead))
    with torch.no_grad():
        for parameter in rows.perturber.parameters():
            parameter += 0.1
    real = replace(ahead.iada, starts=False)
    after = real.step(rows.nets, rows.batch(carry=out.carry), out.state)
    assert calls == [N]
    expected = rows.perturber(out.carry["characteristics"])[:, 0].tanh()
    torch.testing.assert_close(after.state["epsilon"], expected.detach(), rtol=0, atol=0)
    torch.testing.assert_close(after.state["f_mean"], out.state["f_mean"], rtol=0, atol=0)


def test_the_last_two_strategies_of_each_sample_are_remembered(rows):
    real = IADA()
    state = real.init(rows.nets, rows.data)
    seen = {i: [0.0, 0.0] for i in range(N)}
    for visited in ([0, 1, 8, 11], [1, 2, 9, 3], [1, 0, 4, 5]):
        out = real.step(rows.nets, rows.batch(visited), state)
        expected = real.strategy(
            Net(rows.perturber),
            Net(rows.model),
            rows.model.body(rows.x[visited]),
            rows.model(rows.x[visited]),
            rows.batch(visited),
            state,
        )[0]
        for i, value in zip(visited, expected.tolist(), strict=True):
            seen[i].append(value)
        state = out.state
    assert state["epsilon"].tolist() == pytest.approx([seen[i][-1] for i in range(N)], abs=1e-12)
    assert state["epsilon_before"].tolist() == pytest.approx(
        [seen[i][-2] for i in range(N)], abs=1e-12
    )
    assert (state["epsilon"].abs() < 1).all()


def test_class_means_begin_with_the_fit_so_far_and_are_refreshed_at_the_end_of_each_epoch(rows):
    real = IADA(epochs=3)
    state = real.init(rows.nets, rows.data)
    logits = rows.model(rows.x).detach()

    def means(values):
        return torch.stack([values[c == Y].mean() for c in range(K)])

    torch.testing.assert_close(
        state["class_loss"], means(cross_entropy(logits, Y)), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(state["class_margin"], means(margin(logits, Y)), rtol=0, atol=1e-12)
    for _ in range(2):
        start, seen_loss, seen_margin = (
            state["class_loss"],
            torch.zeros(N, dtype=D),
            torch.zeros(N, dtype=D),
        )
        for batch in torch.arange(N).split(5):
            assert torch.equal(state["class_loss"], start)
            logits = rows.model(rows.x[batch]).detach()
            seen_loss[batch], seen_margin[batch] = (
                cross_entropy(logits, Y[batch]),
                margin(logits, Y[batch]),
            )
            state = real.step(rows.nets, rows.batch(batch), state).state
            with torch.no_grad():
                rows.model.head.weight.mul_(1.1)
        torch.testing.assert_close(state["class_loss"], means(seen_loss), rtol=0, atol=1e-12)
        torch.testing.assert_close(state["class_margin"], means(seen_margin), rtol=0, atol=1e-12)


def test_adversarial_samples_are_counted_by_epoch_and_class(rows):
    real = IADA(epochs=5, done=3)
    state = real.init(rows.nets, rows.data)
    expected = np.zeros((2, 2, K))
    shares = []
    for epoch in range(2):
        for batch in torch.randperm(N, generator=torch.Generator().manual_seed(epoch)).split(5):
            out = real.step(rows.nets, rows.batch(batch), state)
            state = out.state
            positive = state["epsilon"][batch] > 0
            shares.append((float(out.log["adversarial"]), float(positive.double().mean())))
            for i, p in zip(batch.tolist(), positive.tolist(), strict=True):
                expected[epoch, :, Y[i]] += p, 1
        with torch.no_grad():
            rows.perturber[2].bias -= 0.3
    np.testing.assert_array_equal(state["adversarial"].numpy(), expected)
    np.testing.assert_array_equal(state["adversarial"][:, 1].numpy(), [SIZES, SIZES])
    assert shares == [(a, pytest.approx(a)) for a, _ in shares]
    assert 0 < expected[:, 0].sum() < 2 * N


def test_with_every_term_off_it_is_cross_entropy_to_the_last_bit(rows):
    off = IADA(alpha=0.0, beta=0.0, epsilon=0.0)
    out = off.step(rows.nets, rows.batch(), off.init(rows.nets, rows.data))
    plain = ERM().step(rows.nets, rows.batch(), {})
    assert torch.equal(out.losses["model"], plain.losses["model"])


def test_a_class_of_one_sample_and_a_batch_of_one_stay_finite(rows):
    y = torch.tensor([0] * 11 + [2])
    data = replace(rows.data, y=y)  # one row of class 2, none of class 1
    ahead, real = LearnStrategy(virtual="all"), IADA(starts=False)
    state = ahead.init(rows.nets, data)
    for visited in (slice(11, 12), slice(0, 1), slice(1, 11)):
        batch = replace(rows.batch(visited), y=y[visited])
        out = ahead.step(rows.nets, batch, state)
        after = real.step(rows.nets, replace(batch, carry=out.carry), out.state)
        state = after.state
        after.losses["model"].backward()
        assert all(
            v.double().isfinite().all()
            for v in {**state, **out.carry, **out.log, **after.log}.values()
        )
    assert all(p.grad.isfinite().all() for p in rows.model.parameters())
    assert not state["covariance"][1:].any()


def test_a_batch_of_none_of_the_meta_classes_works(rows):
    ahead = LearnStrategy()
    batch = replace(rows.batch(), meta=Batch(rows.meta_x[:1], rows.meta_y[:1], torch.arange(1)))
    assert ahead.step(rows.nets, batch, rows.state(ahead)).losses["perturber"].isfinite()


def test_characteristics_of_another_shape_are_named(rows):
    wrong = IADA(characteristics=lambda s: s.logits)
    with pytest.raises(
        ValueError, match=r"`characteristics` must return \(b, K\), here \(12, 15\), got \(12, 3\)"
    ):
        wrong.step(rows.nets, rows.batch(), wrong.init(rows.nets, rows.data))


def test_a_reach_scales_every_move(rows):
    near, far = IADA(reach=0.25), IADA()
    state = rows.state(far)
    h = rows.model.body(rows.x).detach()
    epsilon = torch.linspace(-0.9, 0.9, N, dtype=D)
    arguments = (Net(rows.model), rows.model.head(h), Y)
    after = (state["covariance"], state)
    expected = far.loss(*arguments, epsilon / 4, *after)
    torch.testing.assert_close(near.loss(*arguments, epsilon, *after), expected)


def test_a_reach_left_open_is_a_fifth_of_the_spread_of_the_features(rows):
    own = IADA(reach=None)
    state = rows.state(own)
    h = rows.model.body(rows.x).detach().numpy()
    distances = np.sort(np.linalg.norm(h - h.mean(axis=0), axis=1))
    # torch's median is the lower of two
    expected = 0.2 * distances[(N - 1) // 2] / np.sqrt(h.shape[1])
    assert float(state["reach"]) == pytest.approx(expected)
    large = (30 * torch.from_numpy(h)).split(5)
    torch.testing.assert_close(reach_of(lambda: large), 30 * state["reach"])
    epsilon = torch.linspace(-0.9, 0.9, N, dtype=D)
    arguments = (Net(rows.model), rows.model(rows.x), Y, epsilon, state["covariance"], state)
    torch.testing.assert_close(own.loss(*arguments), IADA(reach=expected).loss(*arguments))
