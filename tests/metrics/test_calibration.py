"""The calibration error against a loop by hand, and what its docstring claims."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from sklearn_debias.metrics import expected_calibration_error


def draw(n, seed=0):
    """Labels 0 and 1, and probabilities that are off."""
    rng = np.random.default_rng(seed)
    probability = rng.random(n)
    return (rng.random(n) < probability**2).astype(int), probability


def by_hand(y, probability, n_bins, norm="l1"):
    """Bins closed on the right, one by one."""
    gaps, shares = [], []
    for k in range(n_bins):
        inside = (probability > k / n_bins) & (probability <= (k + 1) / n_bins)
        inside |= (k == 0) & (probability == 0)
        if inside.any():
            gaps.append(abs(y[inside].mean() - probability[inside].mean()))
            shares.append(inside.mean())
    if norm == "max":
        return max(gaps)
    power = {"l1": 1, "l2": 2}[norm]
    return np.dot(shares, np.power(gaps, power)) ** (1 / power)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize("n_bins", [1, 4, 16])
def test_equals_the_loop(norm, n_bins):
    y, probability = draw(300)
    probability[:3] = [0, 0.25, 1]
    found = expected_calibration_error(y, probability, n_bins=n_bins, norm=norm)
    assert found == pytest.approx(by_hand(y, probability, n_bins, norm), abs=1e-12)


def test_bins_are_those_of_calibration_curve():
    y, probability = draw(500)
    for strategy in ("uniform", "quantile"):
        true, promised = calibration_curve(y, probability, n_bins=5, strategy=strategy)
        largest = expected_calibration_error(
            y, probability, n_bins=5, strategy=strategy, norm="max"
        )
        assert largest == pytest.approx(np.abs(true - promised).max(), abs=0.02)


def test_two_columns_are_the_second_and_more_are_the_confidence():
    y, probability = draw(200)
    both = np.column_stack([1 - probability, probability])
    assert expected_calibration_error(y, both) == expected_calibration_error(y, probability)
    rng = np.random.default_rng(0)
    three = rng.dirichlet(np.ones(3), 200)
    labels = np.array(["a", "b", "c"])[rng.integers(0, 3, 200)]
    hit = (np.array(["a", "b", "c"])[three.argmax(1)] == labels).astype(int)
    found = expected_calibration_error(labels, three)
    assert found == expected_calibration_error(hit, three.max(1))


def test_labels_name_classes_that_no_sample_has():
    assert expected_calibration_error(["b"] * 3, [0.5] * 3, labels=["a", "b"]) == 0.5
    assert expected_calibration_error(["a"] * 3, [0.25] * 3, labels=["a", "b"]) == 0.25
    # 0 and 1, -1 and 1 need no naming
    assert expected_calibration_error([0, 0], [0.25, 0.25]) == 0.25
    assert expected_calibration_error([-1, -1], [0.25, 0.25]) == 0.25


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("how", [{}, {"norm": "l2"}, {"norm": "l2", "debias": True}])
def test_weight_0_removes_and_weight_2_doubles(strategy, how):
    y, probability = draw(200)
    weight = np.random.default_rng(1).integers(0, 3, 200)
    how = how | {"strategy": strategy, "n_bins": 7}
    rows = np.repeat(np.arange(200), weight)
    weighted = expected_calibration_error(y, probability, sample_weight=weight, **how)
    repeated = expected_calibration_error(y[rows], probability[rows], **how)
    assert weighted == pytest.approx(repeated, abs=1e-12)


def test_a_calibrated_model_has_the_error_that_the_docstring_says():
    rng = np.random.default_rng(0)
    for n, expected in [(30, 0.21), (100, 0.12), (1000, 0.04)]:
        found = []
        for _ in range(300):
            probability = rng.random(n)
            y = (rng.random(n) < probability).astype(int)
            found.append(expected_calibration_error(y, probability))
        assert np.mean(found) == pytest.approx(expected, abs=0.005)


def test_the_debiased_error_is_centred():
    rng = np.random.default_rng(0)
    squares = {False: [], True: []}
    for _ in range(500):
        probability = rng.random(600)
        y = (rng.random(600) < np.clip(probability + 0.1, 0, 1)).astype(int)
        for debias, found in squares.items():
            found.append(expected_calibration_error(y, probability, norm="l2", debias=debias) ** 2)
    grid = (np.arange(100_000) + 0.5) / 100_000
    gap = np.clip(grid + 0.1, 0, 1) - grid
    true = np.mean(gap.reshape(-1, 5000).mean(axis=1) ** 2)
    assert np.mean(squares[True]) == pytest.approx(true, rel=0.1)
    assert np.mean(squares[False]) > 1.3 * np.mean(squares[True])


Y = [0, 1, 1, 0]
P = [0.2, 0.8, 0.6, 0.4]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"y_prob": [0.2, 0.8, 1.2, 0.4]},
            r"`y_prob` must hold probabilities in \[0, 1\], got 1.2",
        ),
        ({"y_prob": [0.2, -0.8, 0.2, 0.4]}, "`y_prob` must hold probabilities"),
        ({"y_prob": [0.2, np.nan, 0.2, 0.4]}, "`y_prob` must hold probabilities.*got nan"),
        ({"y_prob": P[:3]}, r"`y_prob` .*expected shape \(4,\).*got \(3,\)"),
        ({"y_prob": np.array(P) + 1j}, "`y_prob` must be real numbers"),
        ({"y_prob": ["a"] * 4}, "`y_prob` must hold numbers"),
        ({"y_prob": np.full((4, 3), 1 / 3)}, "`y_prob` has the probabilities of 3 classes"),
        ({"y_prob": np.full((4, 2), 0.6)}, "`y_prob` must hold rows that sum to 1"),
        ({"y_true": [0, 1, 2, 0]}, "`y_prob` has the probabilities of 2 classes.*holds 3"),
        ({"y_true": ["a"] * 4}, "`y_prob` has .* holds 1. Pass all classes as `labels`"),
        ({"labels": [0, 2]}, "`labels` must name all classes of `y_true`, but lacks 1"),
        ({"labels": [0, 1, 2]}, "`labels` names 3"),
        ({"n_bins": 0}, "`n_bins` must be an int in 1"),
        ({"n_bins": 2.5}, "`n_bins`"),
        ({"strategy": "x"}, "`strategy` must be one of"),
        ({"norm": "l3"}, "`norm` must be one of"),
        ({"debias": True}, "`debias` must be False, or True with norm='l2'"),
        ({"sample_weight": [1, 1, 1, -1]}, "`sample_weight` must be"),
    ],
)
def test_what_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        expected_calibration_error(**({"y_true": Y, "y_prob": P} | given))
