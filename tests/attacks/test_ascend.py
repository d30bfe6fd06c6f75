"""Projected gradient ascent: against a transcription in NumPy, and inside its ball."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_debias.attacks import L2, Linf, ascend, make_ball

W = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])  # loss of a row: |W x|^2 / 2, its gradient W'W x
X = np.array([[1.0, 0.5, -1.0], [0.1, -0.2, 0.3], [2.0, 0.0, 0.0]])
NORMS = {"l2": L2, "linf": Linf}


def quadratic(x):
    return ((x @ torch.from_numpy(W).to(x.dtype).T) ** 2).sum(1) / 2


def transcription(norm, radius, step, n_steps, clip=None, sign=1.0):
    """Algorithm by hand, row by row; the gradient of a linear model with squared loss is known."""
    moved = X.copy()
    for row, start in zip(moved, X, strict=True):
        for _ in range(n_steps):
            gradient = W.T @ (W @ row)
            if norm == "l2":
                row += sign * step * gradient / (np.linalg.norm(gradient) + 1e-12)
                away = row - start
                row[:] = start + away * min(1.0, radius / max(np.linalg.norm(away), 1e-12))
            else:
                row += sign * step * np.sign(gradient)
                row[:] = start + np.clip(row - start, -radius, radius)
            if clip is not None:
                row[:] = np.clip(row, *clip)
    return moved


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("clip", [None, (-0.9, 1.7)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_equals_a_transcription(norm, clip, sign, n_steps):
    actual = ascend(
        quadratic,
        torch.from_numpy(X),
        ball=NORMS[norm](0.4, 0.15),
        n_steps=n_steps,
        clip=clip,
        sign=sign,
    )
    np.testing.assert_allclose(
        actual.numpy(), transcription(norm, 0.4, 0.15, n_steps, clip, sign), atol=1e-12
    )


@given(
    norm=st.sampled_from(sorted(NORMS)),
    radius=st.floats(0, 5),
    step=st.floats(1e-3, 10),
    n_steps=st.integers(1, 6),
    random_start=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_stays_in_the_ball(norm, radius, step, n_steps, random_start, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    ball = NORMS[norm](radius, step)
    start = ball.random(x, generator) if random_start else None
    away = ascend(quadratic, x, ball=ball, n_steps=n_steps, start=start) - x
    assert away.norm(dim=1, p={"l2": 2, "linf": float("inf")}[norm]).max() <= radius + 1e-9


@given(
    low=st.lists(st.floats(-2, 0), min_size=3, max_size=3),
    width=st.lists(st.floats(0.1, 2), min_size=3, max_size=3),
    norm=st.sampled_from(sorted(NORMS)),
)
@settings(max_examples=40)
def test_clip_is_honoured_per_channel(low, width, norm):
    low = torch.tensor(low, dtype=torch.float64).view(3, 1, 1)
    high = low + torch.tensor(width, dtype=torch.float64).view(3, 1, 1)
    x = low + (high - low) * torch.rand(
        4, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    moved = ascend(
        lambda x: (x**2).sum((1, 2, 3)), x, ball=NORMS[norm](5.0, 1.0), n_steps=4, clip=(low, high)
    )
    assert ((low - 1e-12 <= moved) & (moved <= high + 1e-12)).all()
    assert (moved - x).abs().max() > 0


def test_rows_are_attacked_one_by_one():
    x = torch.from_numpy(X)
    options = {"ball": L2(0.4, 0.15), "n_steps": 3}
    alone = torch.cat([ascend(quadratic, row[None], **options) for row in x])
    torch.testing.assert_close(ascend(quadratic, x, **options), alone)


def test_a_loss_without_a_gradient_moves_nothing():
    x = torch.from_numpy(X)
    for ball in (L2(1.0, 0.5), Linf(1.0, 0.5)):
        assert torch.equal(ascend(lambda x: 0 * x.sum(1), x, ball=ball, n_steps=3), x)


@pytest.mark.parametrize("norm", NORMS)
def test_a_longer_attack_does_not_lower_a_convex_loss(norm):
    x = torch.from_numpy(X)
    values = [
        quadratic(ascend(quadratic, x, ball=NORMS[norm](1.0, 0.2), n_steps=n)).sum()
        for n in (1, 2, 4, 8)
    ]
    assert all(a <= b for a, b in pairwise(values))


def test_the_result_is_detached_and_the_input_as_it_was():
    x = torch.from_numpy(X.copy()).requires_grad_()
    moved = ascend(quadratic, x, ball=L2(1.0, 0.5), n_steps=2)
    assert not moved.requires_grad
    assert x.grad is None
    np.testing.assert_array_equal(x.detach().numpy(), X)


def test_works_where_gradients_are_switched_off():
    with torch.no_grad():
        moved = ascend(quadratic, torch.from_numpy(X), ball=L2(1.0, 0.5), n_steps=2)
    assert not torch.equal(moved, torch.from_numpy(X))


@pytest.mark.parametrize(
    ("n_steps", "step_size", "expected"),
    [(5, None, 0.15), (10, None, 0.075), (1, None, 0.3), (2, None, 0.3), (5, 2.0, 2.0)],
)
@pytest.mark.parametrize("norm", NORMS)
def test_the_step_is_two_and_a_half_radii_over_the_number_of_steps_at_most_the_radius(
    norm, n_steps, step_size, expected
):
    ball = make_ball(norm, 0.3, step_size, n_steps)
    assert type(ball) is NORMS[norm]
    assert ball.radius == 0.3
    assert ball.step_size == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(2000, 3), (2000, 1, 2, 2)])
def test_random_starts_are_uniform_in_the_ball(shape):
    x, generator = torch.zeros(shape, dtype=torch.float64), torch.Generator().manual_seed(0)
    d = x[0].numel()
    share = (L2(2.0, 1.0).random(x, generator).flatten(1).norm(dim=1) / 2) ** d  # uniform on [0, 1]
    assert share.max() <= 1
    assert share.mean().item() == pytest.approx(0.5, abs=0.03)
    spread = Linf(2.0, 1.0).random(x, generator)
    assert spread.abs().max() <= 2
    assert spread.mean().item() == pytest.approx(0, abs=0.06)
    assert spread.var().item() == pytest.approx(4 / 3, abs=0.08)
