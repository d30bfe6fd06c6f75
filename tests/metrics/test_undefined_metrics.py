"""Metrics that are undefined in a group: NaN, a warning, and a count."""

from functools import partial

import numpy as np
import pytest
import sklearn.metrics as skm
from measured import QUICK, draw

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import group_report


def test_a_metric_that_is_undefined_in_groups_is_nan_warned_of_and_counted():
    y, predicted, score, bias, _ = draw(200)
    y[bias == "air"] = 1
    metrics = {"auroc": skm.roc_auc_score, "fpr": "false_positive_rate", "nll": skm.log_loss}
    how = {"bias_labels": bias, "by": "bias", "y_score": score, **QUICK}
    with pytest.warns(DebiasWarning) as caught:
        report = group_report(y, predicted, metrics=metrics, **how)
    (only,) = caught
    assert only.filename == __file__
    said = str(only.message)
    assert "'auroc' in 1 of 3 groups: 'air' (Only one class is present" in said
    assert "'fpr' in 1 of 3 groups: 'air'" in said
    assert "nll" not in said
    assert report.undefined == {"auroc": ("air",), "fpr": ("air",)}
    table = report.frame.set_index("bias")
    assert table.loc["air", ["auroc", "auroc_lower", "auroc_upper"]].isna().all()
    assert table.loc[["land", "sea"], "auroc_lower"].notna().all()
    between = report.metrics.set_index("metric")
    assert between["n_undefined"].to_dict() == {"accuracy": 0, "auroc": 1, "fpr": 1, "nll": 0}
    two = table["auroc"].dropna()
    assert between.loc["auroc", "difference"] == two.max() - two.min()
    assert between.loc["auroc", "difference_upper"] > 0
    assert "undefined       auroc in 1: 'air'" in str(report)
    # Of one class only: the loss of all labels, which scikit-learn asks for, is defined.
    air = bias == "air"
    assert table.loc["air", "nll"] == skm.log_loss(y[air], score[air], labels=[0, 1])


def test_pairs_of_class_and_bias_have_no_ranking_and_the_warning_says_what_has():
    y, predicted, score, bias, _ = draw(200)
    with pytest.warns(DebiasWarning, match="in 6 of 6 groups.*by='bias' groups by the bias value"):
        report = group_report(
            y, predicted, bias_labels=bias, metrics=["roc_auc"], y_score=score, **QUICK
        )
    row = report.metrics.set_index("metric").loc["roc_auc"]
    assert np.isnan(row["difference"])
    assert row["lowest_group"] is None
    assert row["overall"] == skm.roc_auc_score(y, score)


def test_what_a_callable_says_of_undefined_groups():
    y, predicted, _, bias, _ = draw(200)
    y[bias == "air"] = 0

    def refusing(y_true, y_pred):
        if not y_true.any():
            raise ValueError("no positive")
        return float(y_true.mean())

    how = {"bias_labels": bias, "by": "bias", **QUICK}
    with pytest.warns(DebiasWarning, match=r"'a' in 1 of 3 groups: 'air' \(no positive\)"):
        assert group_report(y, predicted, metrics={"a": refusing}, **how).undefined
    # scikit-learn's own word for what to take instead is taken
    zero = partial(skm.recall_score, zero_division=0.0)
    report = group_report(y, predicted, metrics={"recall": zero}, **how)
    assert report.frame.set_index("bias").loc["air", "recall"] == 0.0
    # other warnings are given once, not for each replicate
    with pytest.warns(DebiasWarning, match="y_pred contains classes not in y_true") as caught:
        group_report(y, predicted, metrics=["balanced_accuracy"], **how)
    assert len(caught) == 1


def test_one_sample_tells_no_spread():
    y, predicted, score, bias, _ = draw(100)
    bias[0] = "bay"
    report = group_report(
        y, predicted, bias_labels=bias, by="bias", metrics=["brier"], y_score=score, **QUICK
    )
    row = report.frame.set_index("bias").loc["bay"]
    assert row["brier"] == pytest.approx((score[0] - y[0]) ** 2)
    assert np.isnan(row["brier_lower"])
    assert f"{row['brier']:.3f}\n" in str(report)  # without brackets


def test_undefined_replicates_are_left_out():
    # One positive in twelve: a third of the replicates has none.
    y = np.array([1] + [0] * 11 + [0, 1] * 6)
    score = np.random.default_rng(0).random(24)
    bias = np.repeat(["a", "b"], 12)
    report = group_report(
        y, y, bias_labels=bias, by="bias", metrics=["roc_auc"], y_score=score, **QUICK
    )
    assert report.frame["roc_auc_lower"].notna().all()
    assert report.undefined == {}
