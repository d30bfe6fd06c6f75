"""Intervals of metrics: exact ones, replicates as scikit-learn has them, coverage, speed."""

import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as skm
from measured import MANY, QUICK, draw
from scipy.stats import binomtest, norm

from sklearn_debias.metrics import expected_calibration_error, group_report
from sklearn_debias.metrics._callables import NAMED, read_metrics
from sklearn_debias.metrics._responses import read_responses
from sklearn_debias.metrics._rules import rule_of


def test_shares_of_scikit_learn_have_exact_bounds():
    y, predicted, _, bias, _ = draw()
    names = {"recall": skm.recall_score, "precision": skm.precision_score}
    report = group_report(y, predicted, bias_labels=bias, by="bias", metrics=names, **QUICK)
    for (_, row), value in zip(report.frame.iterrows(), np.unique(bias), strict=True):
        inside = bias == value
        both = int((y & predicted)[inside].sum())
        for name, n in [("recall", y[inside].sum()), ("precision", predicted[inside].sum())]:
            exact = binomtest(both, int(n)).proportion_ci()
            assert row[f"{name}_lower"] == pytest.approx(exact.low)
            assert row[f"{name}_upper"] == pytest.approx(exact.high)
    # As the report's own accuracy.
    same = group_report(
        y, predicted, bias_labels=bias, metrics={"error": skm.zero_one_loss}, **QUICK
    )
    np.testing.assert_allclose(same.frame["error"], 1 - same.frame["accuracy"])
    np.testing.assert_allclose(same.frame["error_lower"], 1 - same.frame["upper"])


KNOWN = {
    **{name: given for name, given in MANY.items() if name not in ("ap", "mcc", "selected")},
    **{
        name: name
        for name in NAMED
        if name not in ("average_precision", "ece", "f1", "recall", "precision", "brier")
    },
    "ece5": partial(expected_calibration_error, n_bins=5, norm="l2"),
    "ece_max": partial(expected_calibration_error, norm="max"),
    "ece_debiased": partial(expected_calibration_error, norm="l2", debias=True),
    "recall0": partial(skm.recall_score, pos_label=0),
}


@pytest.mark.parametrize("name", KNOWN)
def test_replicates_equal_the_function_with_weights(name):
    y, predicted, score, _, weight = draw(120)
    (measure,) = read_metrics({name: KNOWN[name]})
    responses = read_responses(y, predicted, score)
    sample = responses.of(measure)
    bound = measure.bind(sample.classes)
    rule = rule_of(bound.function, bound.keywords, sample)
    counts = np.random.default_rng(1).multinomial(120, np.full(120, 1 / 120), size=20) * weight
    if name == "ece_debiased":
        counts = np.round(counts)
    expected = [bound(sample.labels, sample.response, row) for row in counts]
    np.testing.assert_allclose(rule(counts), expected, rtol=1e-10, atol=1e-12)
    # ... and without the samples that are not drawn.
    drawn = [np.flatnonzero(row) for row in counts]
    expected = [
        bound(sample.labels[rows], sample.response[rows], row[rows])
        for rows, row in zip(drawn, counts, strict=True)
    ]
    np.testing.assert_allclose(rule(counts), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("metric", ["brier", "log_loss", "ece", "balanced_accuracy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_replicates_of_several_classes(metric, dtype):
    rng = np.random.default_rng(0)
    score = rng.dirichlet(np.ones(3), 90).astype(dtype)
    score[:3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]  # whose logarithm is clipped
    y = np.array(["a", "b", "c"])[rng.integers(0, 3, 90)]
    predicted = np.array(["a", "b", "c"])[score.argmax(1)]
    (measure,) = read_metrics([metric])
    sample = read_responses(y, predicted, score).of(measure)
    bound = measure.bind(sample.classes)
    rule = rule_of(bound.function, bound.keywords, sample)
    counts = rng.multinomial(90, np.full(90, 1 / 90), size=10).astype(float)
    expected = [bound(sample.labels, sample.response, row) for row in counts]
    np.testing.assert_allclose(rule(counts), expected, rtol=1e-5 if dtype == np.float32 else 1e-10)


def unweighted_auroc(y_true, y_score):
    return skm.roc_auc_score(y_true, y_score)


def weighted_auroc(y_true, y_score, sample_weight=None):
    return skm.roc_auc_score(y_true, y_score, sample_weight=sample_weight)


@pytest.mark.parametrize("groups", ["bias", "membership"])
def test_any_callable_has_the_intervals_of_the_known_one(groups):
    y, predicted, score, bias, _ = draw(200)
    how = {"bias_labels": bias, "by": "bias"}
    if groups == "membership":
        how = {"membership": pd.DataFrame({"air": bias == "air", "all": True})}
    metrics = {
        "known": skm.roc_auc_score,
        "plain": unweighted_auroc,
        "weighing": weighted_auroc,
        "told": (lambda y, s: skm.roc_auc_score(y, s), "score"),
    }
    frame = group_report(y, predicted, metrics=metrics, y_score=score, **how, **QUICK).frame
    for name in ("plain", "weighing", "told"):
        for part in ("", "_lower", "_upper"):
            np.testing.assert_allclose(frame[name + part], frame["known" + part], rtol=1e-9)


def test_weights_are_replicated_with_their_samples():
    y, predicted, score, bias, weight = draw(200)
    metrics = {"known": skm.roc_auc_score, "weighing": weighted_auroc}
    how = {"bias_labels": bias, "by": "bias", "metrics": metrics, "y_score": score, **QUICK}
    frame = group_report(y, predicted, sample_weight=weight, **how).frame
    for part in ("", "_lower", "_upper"):
        np.testing.assert_allclose(frame[f"weighing{part}"], frame[f"known{part}"], rtol=1e-9)
    # Equal weights are none, for what takes none as well.
    plain = how | {"metrics": {"known": skm.roc_auc_score, "plain": unweighted_auroc}}
    equal = group_report(y, predicted, sample_weight=np.full(200, 3.0), **plain).frame
    pd.testing.assert_frame_equal(equal, group_report(y, predicted, **plain).frame)
    with pytest.raises(ValueError, match=r"`metrics`\['plain'\] must take `sample_weight`"):
        group_report(y, predicted, sample_weight=weight, **plain)


def test_reproducible_and_the_global_generator_is_left_alone():
    y, predicted, score, bias, _ = draw()
    how = {"bias_labels": bias, "by": "bias", "metrics": ["roc_auc"], "y_score": score}
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = group_report(y, predicted, random_state=3, **how)
    again = group_report(y, predicted, random_state=3, **how)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    pd.testing.assert_frame_equal(first.metrics, again.metrics)
    state = np.random.RandomState(0)
    moved = [group_report(y, predicted, random_state=state, **how).frame for _ in range(2)]
    assert not moved[0].equals(moved[1])
    group_report(y, predicted, **how)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_blocks_of_replicates_are_all_drawn(monkeypatch):
    from sklearn_debias.metrics import _bootstrap

    y, predicted, score, bias, _ = draw(100)
    how = {"bias_labels": bias, "by": "bias", "metrics": ["brier"], "y_score": score}
    whole = group_report(y, predicted, n_resamples=2000, random_state=0, **how).frame
    monkeypatch.setattr(_bootstrap, "BLOCK", 700)
    parts = group_report(y, predicted, n_resamples=2000, random_state=0, **how).frame
    np.testing.assert_allclose(parts["brier_lower"], whole["brier_lower"], rtol=0.05)
    np.testing.assert_allclose(parts["brier_upper"], whole["brier_upper"], rtol=0.05)


@pytest.mark.parametrize("metric", ["roc_auc", "ece", "brier", "log_loss", "f1", "recall"])
def test_2000_replicates_of_10_000_rows_take_less_than_a_second(metric):
    y, predicted, score, bias, _ = draw(10_000)
    needs = None if metric in ("f1", "recall") else score
    start = time.process_time()  # of this process alone, however busy the machine
    group_report(
        y,
        predicted,
        bias_labels=bias,
        by="bias",
        metrics=[metric],
        y_score=needs,
        random_state=0,
    )
    assert time.process_time() - start < 1


def cover(draw_one, metric, true, n_draws, seed=0):
    """Shares of draws whose intervals hold the groups' true values, difference and ratio."""
    rng = np.random.default_rng(seed)
    true = np.array(true)
    found = {"values": [], "difference": [], "ratio": []}
    for _ in range(n_draws):
        y, score, bias = draw_one(rng)
        report = group_report(
            y,
            y,
            bias_labels=bias,
            by="bias",
            metrics={"m": metric},
            y_score=score,
            n_resamples=400,
            random_state=rng,
        )
        table = report.frame
        found["values"].extend((table["m_lower"] <= true) & (true <= table["m_upper"]))
        row = report.metrics.set_index("metric").loc["m"]
        for name, value in (("difference", np.ptp(true)), ("ratio", true.min() / true.max())):
            inside = row[f"{name}_lower"] <= value <= row[f"{name}_upper"]
            found[name].append(inside)
    return {name: np.mean(inside) for name, inside in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("shifts", [(1, 2, 2.5), (1,) * 6])
def test_intervals_of_the_area_cover(shifts):
    def draw_one(rng):
        bias = np.repeat(np.arange(len(shifts)), 100)
        y = np.arange(len(bias)) % 2
        return y, norm.cdf(y * np.array(shifts)[bias] + rng.normal(size=len(y))), bias

    true = norm.cdf(np.array(shifts) / np.sqrt(2))
    shares = cover(draw_one, "roc_auc", true, 200)
    assert shares["values"] > 0.88
    assert min(shares["difference"], shares["ratio"]) > 0.92


@pytest.mark.slow
@pytest.mark.parametrize("powers", [(1, 1, 1), (1, 1.5, 3)])
@pytest.mark.parametrize("debias", [False, True])
def test_intervals_of_the_calibration_error_cover_with_and_without_an_error(powers, debias):
    def draw_one(rng):
        bias = np.repeat([0, 1, 2], 300)
        score = rng.random(900)
        return (rng.random(900) < score ** np.array(powers)[bias]).astype(int), score, bias

    how = {"norm": "l2", "debias": True} if debias else {}
    grid = (np.arange(15_000) + 0.5) / 15_000
    gaps = [np.abs((grid**power - grid).reshape(15, -1).mean(axis=1)) for power in powers]
    true = [np.sqrt((gap**2).mean()) if debias else gap.mean() for gap in gaps]
    metric = partial(expected_calibration_error, **how)
    with np.errstate(invalid="ignore"):  # a ratio of errors of 0, which has no interval
        assert cover(draw_one, metric, true, 80)["values"] > 0.89


def test_calibration_errors_are_compared_without_intervals():
    y, predicted, score, bias, _ = draw()
    metrics = ["ece", "brier"]
    report = group_report(
        y, predicted, bias_labels=bias, by="bias", metrics=metrics, y_score=score, **QUICK
    )
    row = report.metrics.set_index("metric").loc["ece"]
    assert row["difference"] == report.frame["ece"].max() - report.frame["ece"].min()
    bounds = [f"{name}_{side}" for name in ("difference", "ratio") for side in ("lower", "upper")]
    assert row[bounds].isna().all()
    assert report.metrics.set_index("metric").loc["brier", bounds].notna().all()


def test_a_calibrated_model_may_have_no_error():
    rng = np.random.default_rng(0)
    score = rng.random(300)
    y = (rng.random(300) < score).astype(int)
    how = {"membership": np.ones((300, 1), dtype=bool), "y_score": score, **QUICK}
    quantile = partial(expected_calibration_error, strategy="quantile")
    report = group_report(y, y, metrics={"ece": "ece", "quantile": quantile}, **how)
    (row,) = report.frame.to_dict("records")
    assert row["ece"] > 0.03
    assert row["ece_lower"] == row["quantile_lower"] == 0.0
    assert 0 < row["ece_upper"] < 0.2
    off = group_report(y, y, metrics=["ece"], **(how | {"y_score": score**3})).frame
    assert off["ece_lower"].item() > 0.1


def test_a_small_difference_may_be_a_larger_one():
    y, predicted, score, _, _ = draw()
    first = np.repeat([True, False], 200)
    same = {"by": "bias", "bias_labels": np.where(first, "a", "b"), **QUICK}
    twice = [np.tile(part[:200], 2) for part in (y, predicted, score)]
    report = group_report(*twice[:2], metrics=["roc_auc"], y_score=twice[2], **same)
    row = report.metrics.set_index("metric").loc["roc_auc"]
    assert row["difference"] == row["difference_lower"] == 0
    assert row["difference_upper"] > 0.05
    assert row["ratio"] == row["ratio_upper"] == 1
    assert row["ratio_lower"] < 0.95


def test_a_ratio_to_nothing_has_no_interval():
    y, predicted, _, bias, _ = draw()
    predicted[bias == "air"] = 0
    report = group_report(
        y, predicted, bias_labels=bias, by="bias", metrics=["selection_rate"], **QUICK
    )
    row = report.metrics.set_index("metric").loc["selection_rate"]
    assert row["ratio"] == 0
    assert np.isnan(row["ratio_lower"])
    assert row["difference_lower"] > 0.3
