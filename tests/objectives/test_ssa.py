"""Spread Spurious Attribute: which rows count, and the loss of a step."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives._ssa import SSA, UNSEEN, keep_rows
from sklearn_debias.testing import Problem
from sklearn_debias.testing._problem import N_CLASSES, N_SAMPLES

SEEDS = st.integers(0, 2**32 - 1)
N_LABELS = 2


def naive_kept(confidence, group, known, threshold):
    """Take rows from the surest down, group by group, until the smallest group's size is full."""
    sure = [i for i in range(len(group)) if confidence[i] >= threshold]
    sizes = {}
    for g, labelled in enumerate(known):
        if labelled > 0:
            sizes[g] = labelled + sum(group[i] == g for i in sure)
    kept = np.zeros(len(group), dtype=bool)
    for g, labelled in enumerate(known):
        size = labelled
        of_group = [i for i in sure if group[i] == g]
        for i in sorted(of_group, key=lambda i: -confidence[i]):
            if size >= min(sizes.values()):
                break
            kept[i] = True
            size += 1
    return kept


def drawn(seed, n=60, n_groups=4, empty=False):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1, n)
    group = rng.choice(n_groups, n, p=rng.dirichlet(np.ones(n_groups)))
    known = rng.integers(1, 15, n_groups)
    if empty:
        known[rng.integers(n_groups)] = 0
    return confidence, group, known


@given(SEEDS, st.sampled_from([0.0, 0.6, 0.95, 1.0]), st.booleans())
def test_kept_rows_follow_a_naive_transcription(seed, threshold, empty):
    confidence, group, known = drawn(seed, empty=empty)
    given_ = map(torch.from_numpy, (confidence, group, known))
    found = keep_rows(*given_, threshold).numpy()
    np.testing.assert_array_equal(found, naive_kept(confidence, group, known, threshold))


@given(SEEDS)
def test_no_group_outgrows_the_smallest_and_that_takes_all_its_sure_rows(seed):
    confidence, group, known = drawn(seed)
    threshold = 0.7
    kept = keep_rows(*map(torch.from_numpy, (confidence, group, known)), threshold).numpy()
    sure = confidence >= threshold
    size = known + np.bincount(group[sure], minlength=4)
    smallest = size.argmin()
    assert (kept[group == smallest] == sure[group == smallest]).all()
    after = known + np.bincount(group[kept], minlength=4)
    assert (after <= np.maximum(size[smallest], known)).all()
    assert (confidence[kept] >= threshold).all()


def test_a_group_without_labelled_rows_sets_no_size_and_takes_no_more_than_the_others():
    confidence = torch.tensor([0.99, 0.98, 0.97, 0.96, 0.95])
    group = torch.tensor([0, 0, 0, 1, 1])
    kept = keep_rows(confidence, group, torch.tensor([0, 2]), 0.9)
    assert kept.tolist() == [True, True, True, True, True]
    kept = keep_rows(confidence, group, torch.tensor([0, 1]), 0.96)
    assert kept.tolist() == [True, True, False, True, False]


def problem(threshold=0.4):
    rng = np.random.default_rng(3)
    known = torch.from_numpy(rng.uniform(size=N_SAMPLES) < 0.25)
    label = torch.from_numpy(rng.integers(0, N_LABELS, N_SAMPLES))
    return Problem(SSA(known, label, N_LABELS, threshold))


def test_a_step_follows_a_naive_transcription_over_a_whole_epoch():
    tried = problem()
    objective, state = tried.objective, tried.state()
    known, label = objective.known.numpy(), objective.label.numpy()
    y = tried.data.y.numpy()
    counts = np.zeros(N_LABELS * N_CLASSES, dtype=int)
    for i in np.flatnonzero(known):
        counts[label[i] * N_CLASSES + y[i]] += 1
    confidence = np.full(N_SAMPLES, UNSEEN)
    group = label * N_CLASSES + y
    n_kept = 0
    for batch in tried.epochs(state):
        out = objective.step(tried.nets, batch, state)
        state = out.state
        logits = tried.nets["model"](batch.x).detach()
        p = logits.softmax(1).numpy()
        for row, i in enumerate(batch.index.tolist()):
            group[i] = label[i] * N_CLASSES + p[row].argmax()
            confidence[i] = UNSEEN if known[i] else p[row].max()
        kept = naive_kept(confidence, group, counts, objective.threshold)
        supervised, spread = [], []
        for row, i in enumerate(batch.index.tolist()):
            if known[i]:
                supervised.append(-np.log(p[row, y[i]]))
            elif kept[i]:
                spread.append(-np.log(p[row].max()))
        n_kept += len(spread)
        expected = sum(np.mean(part) for part in (supervised, spread) if part)
        assert out.losses["model"].item() == pytest.approx(expected, abs=1e-10)
        assert out.log["kept"].item() == pytest.approx(len(spread) / len(batch.y), abs=1e-12)
    assert n_kept > 0


def test_with_a_threshold_that_nothing_reaches_it_is_erm_of_the_known_rows():
    tried = problem(threshold=1.0)
    batch = tried.batch()
    known = tried.objective.known[batch.index]
    expected = cross_entropy(tried.nets["model"](batch.x), batch.y)[known].mean()
    torch.testing.assert_close(tried.step().losses["model"], expected, rtol=0, atol=1e-12)


def test_what_stands_for_unknown_bias_values_means_nothing():
    tried = problem()
    batch, state = tried.batch(), tried.state()
    known = tried.objective.known[batch.index]
    other = torch.where(known, batch.y, (batch.y + 1) % N_CLASSES)
    batch2 = type(batch)(**{**vars(batch), "y": other})
    one, two = (tried.objective.step(tried.nets, b, state) for b in (batch, batch2))
    assert torch.equal(one.losses["model"], two.losses["model"])


def test_an_epoch_visits_rows_without_labels_once_and_the_others_as_often_in_all():
    known = torch.zeros(N_SAMPLES, dtype=torch.bool)
    known[:7] = True
    tried = Problem(SSA(known, torch.arange(N_SAMPLES) % 2))
    visited = torch.cat([batch.index for batch in tried.epochs(tried.state())])
    times = visited.bincount(minlength=N_SAMPLES)
    assert (times[7:] == 1).all()
    assert times[:7].sum() == N_SAMPLES - 7
    assert times[:7].max() - times[:7].min() <= 1


def test_where_most_rows_have_labels_each_row_is_visited_once():
    known = torch.arange(N_SAMPLES) >= 10
    tried = Problem(SSA(known, torch.arange(N_SAMPLES) % 2))
    visited = torch.cat([batch.index for batch in tried.epochs(tried.state())])
    assert visited.sort().values.tolist() == list(range(N_SAMPLES))


def test_an_epoch_is_as_before():
    tried = problem()
    state = tried.state()
    found = np.zeros(2)
    for batch in tried.epochs(state):
        out = tried.objective.step(tried.nets, batch, state)
        state = out.state
        found += out.losses["model"].item(), out.log["kept"].item()
    np.testing.assert_allclose(found, FROZEN, rtol=0, atol=1e-10)


FROZEN = (15.640559270578, 1.25)
