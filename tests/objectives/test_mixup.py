"""MixUp, DomainMix, LISA: the Beta draws, the partners, the loss, and nothing mixed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch.func import vmap

from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM, MixUp
from sklearn_debias.objectives._mixup import choose_partners, symmetric_beta
from sklearn_debias.testing import Problem


def uniform(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("alpha", [0.01, 0.2, 0.5, 1.0, 2.0, 7.5, 300.0])
def test_beta_draws(alpha, dtype):
    n = 100_000
    drawn = symmetric_beta(uniform(2, n, dtype=dtype), alpha)
    assert drawn.dtype == dtype
    assert drawn.shape == (n,)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    exact = stats.beta(alpha, alpha)
    x = drawn.double().numpy()
    for power in (1, 2, 4):
        spread = np.sqrt((exact.moment(2 * power) - exact.moment(power) ** 2) / n)
        assert np.mean(x**power) == pytest.approx(exact.moment(power), abs=4.5 * spread)
    grid = np.linspace(0.001, 0.999, 999)
    gap = np.abs((x[:, None] <= grid).mean(0) - exact.cdf(grid)).max()
    assert gap < 1.63 / np.sqrt(
        n
    )  # Kolmogorov-Smirnov at 1 %, where rounding to 0 and 1 is no matter


def test_beta_of_a_tensor_and_at_the_ends():
    alphas = torch.tensor([0.0, 0.2, 2.0], dtype=torch.float64)
    u = uniform(2, 50)
    together = vmap(lambda a: symmetric_beta(u, a))(alphas)
    assert (together[0] == 1).all()
    for i in (1, 2):
        torch.testing.assert_close(
            together[i], symmetric_beta(u, float(alphas[i])), atol=1e-14, rtol=0
        )
    ends = torch.tensor([[0.0, 0.0, 1 - 1e-16, 0.5], [0.0, 0.5, 0.3, 0.25]], dtype=torch.float64)
    for alpha in (1e-8, 0.2, 1e8):
        assert torch.isfinite(symmetric_beta(ends, alpha)).all()


def test_partners_are_uniform_over_what_is_allowed():
    allowed = torch.tensor([[0, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]).bool()
    counts = torch.zeros(4, 4)
    for seed in range(3000):
        partner, found = choose_partners(allowed, uniform(4, 4, seed=seed))
        counts[torch.arange(4), partner] += 1
    assert found.tolist() == [True, True, False, True]
    assert not counts[[0, 1, 3]][~allowed[[0, 1, 3]]].any()
    assert counts[2, 2] == counts[3, 3] == 3000  # the third row has nobody, and keeps itself
    assert stats.chisquare(counts[0, 1:]).pvalue > 0.01
    assert stats.chisquare(counts[1, :2]).pvalue > 0.01


def qualifies(kind, y, g, i, j, same_label):
    """Whether row i may be mixed with row j, in words."""
    if kind == "label":
        return y[i] == y[j] and i != j
    if kind == "domain":
        return g[i] != g[j]
    if kind == "lisa":
        return (y[i] == y[j] and g[i] != g[j]) if same_label else (g[i] == g[j] and y[i] != y[j])
    return True


def naive_loss(problem, objective, batch):
    """The draws in their order, then row by row: a partner, a mixed input, two cross entropies."""
    y, g, b = batch.y.tolist(), batch.group.tolist(), len(batch.y)
    kind, generator = objective.partners, batch.generator

    def draw(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    lam = symmetric_beta(draw(2, b if kind == "lisa" else 1), objective.alpha).expand(b)
    same_label = bool(draw(1) < objective.p_sel) if kind == "lisa" else False
    scores, total, mixed = draw(b, b), [], 0
    for i in range(b):
        rows = [j for j in range(b) if qualifies(kind, y, g, i, j, same_label)]
        j, share = (max(rows, key=lambda j: scores[i, j]), lam[i]) if rows else (i, 1.0)
        mixed += bool(rows)
        x = share * batch.x[i] + (1 - share) * batch.x[j]
        log_p = problem.nets["model"](x[None]).log_softmax(1)[0]
        wi, wj = batch.weight[i], batch.weight[j]
        total.append(-share * wi * log_p[y[i]] - (1 - share) * wj * log_p[y[j]])
    return torch.stack(total).mean(), mixed / b


@pytest.mark.parametrize("kind", ["any", "label", "domain", "lisa"])
@pytest.mark.parametrize("batch_size", [3, 8, 40])
def test_it_follows_a_naive_transcription(kind, batch_size):
    objective = MixUp(kind, alpha=0.7, p_sel=0.5)
    problem = Problem(objective)
    problem.feed.batch_size = batch_size
    problem.feed.columns["group"] = torch.arange(40) % 2
    shares = []
    for seed in range(6):
        batch, again = problem.batch(), problem.batch()
        batch.generator.manual_seed(seed)
        out = objective.step(problem.nets, batch, {})
        again.generator.manual_seed(seed)
        expected, mixed = naive_loss(problem, objective, again)
        torch.testing.assert_close(out.losses["model"], expected, atol=1e-10, rtol=0)
        assert out.log["mixed"].item() == pytest.approx(mixed)
        shares.append(mixed)
    if kind == "any":
        assert shares == [1.0] * 6


def gradient(problem, **settings):
    loss = problem.step(**settings).losses["model"]
    return loss, torch.autograd.grad(loss, list(problem.modules.parameters()))


@pytest.mark.parametrize("kind", ["any", "label", "domain", "lisa"])
def test_alpha_0_is_erm_to_the_last_bit(kind):
    torch.testing.assert_close(
        gradient(Problem(MixUp(kind, alpha=0.0))), gradient(Problem(ERM())), atol=0, rtol=0
    )


@pytest.mark.parametrize("kind", ["domain", "lisa"])
def test_lam_1_and_rows_without_a_partner_are_erm(kind):
    problem, erm = Problem(MixUp(kind, p_sel=1.0)), Problem(ERM())
    problem.feed.columns["group"] = torch.zeros(40, dtype=torch.int64)
    torch.testing.assert_close(gradient(problem), gradient(erm), atol=1e-15, rtol=0)
    mixed = Problem(MixUp(kind))
    of_a_tensor = gradient(
        mixed, alpha=torch.zeros((), dtype=torch.float64)
    )  # lam is 1 then, and all is drawn
    torch.testing.assert_close(of_a_tensor, gradient(erm), atol=1e-15, rtol=0)


@pytest.mark.parametrize(("kind", "instead"), [("domain", "any"), ("lisa", "label")])
def test_without_groups(kind, instead):
    found = []
    for partners in (kind, instead):
        problem = Problem(MixUp(partners, alpha=1.0))
        del problem.feed.columns["group"]
        found.append(gradient(problem))
    torch.testing.assert_close(found[0], found[1], atol=0, rtol=0)


def test_p_sel_chooses_the_kind_of_mixing():
    """Within a label the targets are not mixed: all that the loss sees of lam is the input."""
    for p_sel, same_label in ((1.0, True), (0.0, False)):
        problem = Problem(MixUp("lisa", alpha=1.0, p_sel=p_sel))
        batch, again = problem.batch(), problem.batch()
        out = problem.objective.step(problem.nets, batch, {})
        expected, _ = naive_loss(problem, MixUp("lisa", alpha=1.0, p_sel=float(same_label)), again)
        torch.testing.assert_close(out.losses["model"], expected, atol=1e-12, rtol=0)


def test_images_are_mixed_like_features():
    problem = Problem(MixUp(alpha=1.0))
    flat = problem.step().losses["model"]
    batch = problem.batch()
    images = batch.x.view(-1, 3, 2, 1)
    nets = {"model": lambda x: problem.nets["model"](x.flatten(1))}
    out = problem.objective.step(nets, replace(batch, x=images), {})
    torch.testing.assert_close(out.losses["model"], flat, atol=0, rtol=0)


def test_balanced_rows_visit_the_cells_equally():
    problem = Problem(MixUp(balanced=True))
    group = (torch.arange(40) == 3).long()
    problem.feed.columns["group"] = group
    data = problem.data
    cell = 2 * data.y + group
    draws = [problem.objective.rows(data, {}, torch.Generator().manual_seed(i)) for i in range(100)]
    share = cell[torch.cat(draws)].bincount(minlength=6).double() / 4000
    np.testing.assert_allclose(share[share > 0], 1 / 4, atol=0.03)


def test_the_loss_at_lam_one_half():
    """A huge alpha is lam = 1/2: the midpoint, at both labels alike."""
    problem = Problem(MixUp(alpha=1e12))
    problem.feed.columns.pop("weight")
    batch = problem.batch()
    torch.rand(2, 1, generator=batch.generator, dtype=torch.float64)
    partner = torch.rand(8, 8, generator=batch.generator, dtype=torch.float64).argmax(1)
    logits = problem.nets["model"]((batch.x + batch.x[partner]) / 2)
    expected = (cross_entropy(logits, batch.y) + cross_entropy(logits, batch.y[partner])).mean() / 2
    torch.testing.assert_close(problem.step().losses["model"], expected, atol=1e-5, rtol=0)
