"""Any metric by group: the values of fairlearn, under weights, in groups of every kind."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as skm
from fairlearn.metrics import MetricFrame
from measured import MANY, OF_SCORES, QUICK, draw
from scipy.stats import binomtest

from sklearn_debias.metrics import group_report
from sklearn_debias.metrics._callables import read_metrics


@pytest.mark.parametrize("is_weighted", [False, True])
def test_equals_fairlearn(is_weighted):
    y, predicted, score, bias, weight = draw()
    report = group_report(
        y,
        predicted,
        bias_labels=bias,
        by="bias",
        metrics=MANY,
        y_score=score,
        sample_weight=weight if is_weighted else None,
        **QUICK,
    )
    table = report.frame.set_index("bias")
    between = report.metrics.set_index("metric")
    for name, function in {"accuracy": skm.accuracy_score, **MANY}.items():
        response = score if name in OF_SCORES else predicted
        frame = MetricFrame(
            metrics=function,
            y_true=y,
            y_pred=response,
            sensitive_features=bias,
            sample_params={"sample_weight": weight} if is_weighted else None,
        )
        np.testing.assert_allclose(table[name], frame.by_group.astype(float), atol=1e-12)
        row = between.loc[name]
        assert row["overall"] == pytest.approx(frame.overall)
        assert row["difference"] == pytest.approx(frame.difference(method="between_groups"))
        if name != "mcc":  # which may be negative
            assert row["ratio"] == pytest.approx(frame.ratio(method="between_groups"))
        assert row["lowest_group"] == frame.by_group.idxmin()
        assert row["highest_group"] == frame.by_group.idxmax()


def test_named_rates_equal_fairlearn_and_have_exact_bounds():
    from fairlearn import metrics as theirs

    y, predicted, _, bias, _ = draw()
    names = [
        "selection_rate",
        "true_positive_rate",
        "false_positive_rate",
        "true_negative_rate",
        "false_negative_rate",
    ]
    report = group_report(y, predicted, bias_labels=bias, by="bias", metrics=names, **QUICK)
    assert set(report.metrics["interval"]) == {"binomial"}
    for name in names:
        frame = MetricFrame(
            metrics=getattr(theirs, name), y_true=y, y_pred=predicted, sensitive_features=bias
        )
        np.testing.assert_allclose(report.frame[name], frame.by_group)
    sea = bias == "sea"
    negative = sea & (y == 0)
    exact = binomtest(int(predicted[negative].sum()), int(negative.sum())).proportion_ci()
    row = report.frame.set_index("bias").loc["sea"]
    assert row["false_positive_rate_lower"] == pytest.approx(exact.low)
    assert row["false_positive_rate_upper"] == pytest.approx(exact.high)


def test_weight_0_removes_a_sample():
    y, predicted, score, bias, _ = draw(200)
    kept = np.arange(200) % 3 > 0
    how = {"by": "bias", "metrics": ["roc_auc", "ece"], **QUICK}
    weighted = group_report(
        y, predicted, bias_labels=bias, y_score=score, sample_weight=kept * 2.0, **how
    )
    removed = group_report(
        y[kept], predicted[kept], bias_labels=bias[kept], y_score=score[kept], **how
    )
    pd.testing.assert_frame_equal(weighted.frame, removed.frame)
    pd.testing.assert_frame_equal(weighted.metrics, removed.metrics)


def test_small_groups_are_left_out_of_groups_and_pooled_in_all():
    y, predicted, score, bias, _ = draw(200)
    bias[:4] = "bay"
    how = {"by": "bias", "metrics": {"auroc": skm.roc_auc_score}, "y_score": score, **QUICK}
    report = group_report(y, predicted, bias_labels=bias, min_group_size=5, **how)
    assert report.left_out == ("bay",)
    row = report.metrics.set_index("metric").loc["auroc"]
    assert row["overall"] == skm.roc_auc_score(y, score)
    for value, found in zip(report.frame["bias"], report.frame["auroc"], strict=True):
        assert found == skm.roc_auc_score(y[bias == value], score[bias == value])


def test_overlapping_groups():
    y, predicted, score, bias, _ = draw(300)
    member = pd.DataFrame({"sea": bias == "sea", "wet": bias != "land", "none": False})
    how = {"metrics": ["roc_auc", "recall"], "y_score": score, **QUICK}
    report = group_report(y, predicted, membership=member, **how)
    wet = bias != "land"
    row = report.frame.set_index("group").loc["wet"]
    assert row["roc_auc"] == skm.roc_auc_score(y[wet], score[wet])
    assert row["roc_auc_lower"] < row["roc_auc"] < row["roc_auc_upper"]
    assert row["recall"] == skm.recall_score(y[wet], predicted[wet])


def test_labels_that_are_texts():
    y, predicted, score, bias, _ = draw(200)
    names = np.array(["no", "yes"])
    metrics = ["recall", "f1", "brier", "log_loss", "ece", "roc_auc", "average_precision"]
    how = {"bias_labels": bias, "by": "bias", "y_score": score, "metrics": metrics, **QUICK}
    texts = group_report(names[y], names[predicted], **how)
    pd.testing.assert_frame_equal(texts.frame, group_report(y, predicted, **how).frame)
    # A callable has its own idea of what is positive.
    with pytest.raises(ValueError, match=r"`metrics`\['r'\] cannot be computed.*pos_label"):
        group_report(
            names[y], names[predicted], bias_labels=bias, metrics={"r": skm.recall_score}, **QUICK
        )


def test_two_columns_of_scores_are_the_second():
    y, predicted, score, bias, _ = draw(200)
    how = {"bias_labels": bias, "by": "bias", "metrics": ["roc_auc", "ece", "brier"], **QUICK}
    both = np.column_stack([1 - score, score])
    pd.testing.assert_frame_equal(
        group_report(y, predicted, y_score=both, **how).frame,
        group_report(y, predicted, y_score=score, **how).frame,
    )


def test_which_way_is_better_goes_by_scikit_learn_s_names():
    better = {measure.name: measure.greater_is_better for measure in read_metrics(MANY)}
    assert better["auroc"] is better["recall"] is True
    assert better["ece"] is better["brier"] is better["nll"] is better["error"] is False
    assert better["selected"] is better["mcc"] is None
    y, predicted, score, bias, _ = draw()
    report = group_report(
        y,
        predicted,
        bias_labels=bias,
        by="bias",
        metrics=["roc_auc", "brier", "selection_rate"],
        y_score=score,
        **QUICK,
    )
    rows = {line.split()[0]: line for line in str(report).splitlines() if "[" in line}
    assert rows["roc_auc"].count("(worst)") == rows["brier"].count("(worst)") == 1
    assert rows["roc_auc"].index("(worst)") < rows["brier"].index("(worst)")
    assert "(worst)" not in rows["selection_rate"]


def test_without_metrics_nothing_is_drawn_or_changed():
    y, predicted, _, bias, _ = draw()
    report = group_report(y, predicted, bias_labels=bias)
    assert report.metrics.empty
    assert report.undefined == {}
    assert "between groups" not in str(report)
    state = np.random.default_rng(0)
    group_report(y, predicted, bias_labels=bias, random_state=state)
    assert state.random() == np.random.default_rng(0).random()


def test_groups_by_bias_value():
    y, predicted, _, bias, _ = draw()
    report = group_report(
        y, predicted, bias_labels=bias, by="bias", universe=["sea", "land", "air", 3]
    )
    assert report.frame["bias"].tolist() == ["air", "land", "sea"]
    assert report.absent == (3,)
    assert report.frame["n"].tolist() == [(bias == b).sum() for b in ("air", "land", "sea")]
    assert report.worst_group in ("air", "land")
    with pytest.raises(ValueError, match="`by`='bias' groups by the values of `bias_labels`"):
        group_report(y, predicted, by="bias")
    with pytest.raises(ValueError, match="`by`='bias' has no .* `aligned`"):
        group_report(y, predicted, bias_labels=bias, by="bias", aligned={0: "sea", 1: "land"})
    with pytest.raises(ValueError, match="`by` must be one of"):
        group_report(y, predicted, bias_labels=bias, by="x")


def test_no_other_warning(recwarn):
    y, predicted, score, bias, _ = draw()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group_report(
            y, predicted, bias_labels=bias, by="bias", metrics=MANY, y_score=score, **QUICK
        )
