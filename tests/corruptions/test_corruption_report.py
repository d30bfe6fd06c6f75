"""Every figure of the report by hand: on estimators, pipelines and foreign classifiers."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_debias import ERMClassifier
from sklearn_debias.corruptions import Corruption, corrupt, corruption_names
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import aligned_map, conflicting_accuracy_score
from sklearn_debias.robustness import corruption_report

digits = load_biased_digits(conflict_ratio=0.05, random_state=0)
train, test = digits.train, digits.test


@pytest.fixture(scope="module")
def fitted():
    clf = ERMClassifier(module="mlp", max_epochs=15, random_state=0)
    return clf.fit(train.data, train.target, bias_labels=train.bias_labels)


def test_table_equals_the_figures_by_hand(fitted):
    report = corruption_report(
        fitted, test.data, test.target, bias_labels=test.bias_labels, random_state=7
    )
    table = report.table.set_index("corruption")
    assert list(table.index) == ["clean", *corruption_names("biasadv"), "mean"]
    assert table["severity"].isna().all()
    aligned = aligned_map(train.target, train.bias_labels)
    for name in corruption_names("biasadv"):
        predicted = fitted.predict(corrupt(test.data, name, random_state=7))
        assert table.loc[name, "average"] == pytest.approx((predicted == test.target).mean())
        conflicting = conflicting_accuracy_score(
            test.target, predicted, aligned=aligned, bias_labels=test.bias_labels
        )
        assert table.loc[name, "conflicting"] == pytest.approx(conflicting)
        hits = round(table.loc[name, "average"] * report.n_samples)
        exact = binomtest(hits, report.n_samples).proportion_ci(0.95, "exact")
        assert table.loc[name, ["average_lower", "average_upper"]].tolist() == pytest.approx(
            [exact.low, exact.high]
        )
    assert table.loc["clean", "average"] == pytest.approx(fitted.score(test.data, test.target))
    for column in ("average", "conflicting"):
        assert table.loc["mean", column] == pytest.approx(table[column].iloc[1:-1].mean())
    assert (report.n_samples, report.n_conflicting) == (
        len(test.target),
        int((test.bias_labels != test.target).sum()),
    )


def test_uint8_and_floats_are_scored_alike(fitted):
    levels = np.rint(test.data[:80] * 255).astype(np.uint8)
    asked = {"corruptions": ["cutout", ("snow", 3), "original"]}
    one = corruption_report(fitted, levels, test.target[:80], **asked).table
    two = corruption_report(
        fitted, (levels / 255).astype(np.float32), test.target[:80], **asked
    ).table
    pd.testing.assert_frame_equal(one, two)
    assert one.loc[3, "average"] == one.loc[0, "average"]  # "original"


def test_a_pipeline_is_corrupted_before_its_first_step():
    seen = []

    def flat(X):
        seen.append(X.shape)
        return X.reshape(len(X), -1)

    pipe = make_pipeline(FunctionTransformer(flat), LogisticRegression(max_iter=1000)).fit(
        train.data, train.target
    )
    aligned = aligned_map(train.target, train.bias_labels)
    report = corruption_report(
        pipe,
        test.data,
        test.target,
        bias_labels=test.bias_labels,
        aligned=aligned,
        corruptions=["gaussian_blur"],
    )
    assert set(seen) == {train.data.shape, test.data.shape}
    assert report.table["average"].iloc[1] < report.table["average"].iloc[0]
    behind = make_pipeline(Corruption("gaussian_blur"), pipe)
    assert (
        behind.predict(test.data).tolist()
        == pipe.predict(corrupt(test.data, "gaussian_blur")).tolist()
    )


class Brightness(ClassifierMixin, BaseEstimator):
    """Calls images above the middle grey bright."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.where(X.reshape(len(X), -1).mean(1) > 0.5, "bright", "dark")


def test_severities_strings_and_no_bias_labels():
    X = (
        np.random.default_rng(0).random((40, 3, 8, 8))
        * np.linspace(0.2, 2, 40)[:, None, None, None]
        / 2
    )
    y = np.where(X.mean((1, 2, 3)) > 0.5, "bright", "dark")
    model = Brightness().fit(X, y)
    report = corruption_report(model, X, y, corruptions=["brightness", "cutout"], severities=None)
    assert report.table["severity"].tolist() == [pd.NA, 1, 2, 3, 4, 5, pd.NA, pd.NA]
    assert "conflicting" not in report.table
    assert report.n_conflicting is None
    assert report.table["average"].iloc[0] == 1
    assert report.table["average"].iloc[5] < 1
    asked = {"corruptions": [("brightness", 4), "contrast", "original"], "severities": [2, 5, 2]}
    rows = corruption_report(model, X, y, **asked).table[["corruption", "severity"]].iloc[1:-1]
    expected = [("brightness", 4), ("contrast", 2), ("contrast", 5), ("original", pd.NA)]
    assert list(rows.itertuples(index=False, name=None)) == expected
    assert len(corruption_report(model, X, y, corruptions="classic", severities=3).table) == 19 + 2


def test_classic_leaves_out_what_grey_images_cannot_have():
    X = np.random.default_rng(0).random((6, 1, 8, 8))
    model = Brightness().fit(X, ["bright", "dark"] * 3)
    with pytest.warns(DebiasWarning, match="Images with 1 channels cannot have saturate") as found:
        report = corruption_report(
            model, X, ["bright", "dark"] * 3, corruptions="classic", severities=1
        )
    assert found[0].filename == __file__
    assert len(report.table) == 18 + 2
    with pytest.raises(ValueError, match="3 channels for 'saturate'"):
        corruption_report(model, X, ["bright", "dark"] * 3, corruptions=["saturate"])


def test_one_seed_for_all_models_and_fresh_ones_without(fitted):
    asked = {"X": test.data, "y": test.target, "corruptions": ["rotation"]}
    same = [corruption_report(fitted, **asked, random_state=1).table for _ in range(2)]
    pd.testing.assert_frame_equal(*same)
    fresh = [
        corruption_report(fitted, **asked, random_state=None).table["average"].tolist()
        for _ in range(4)
    ]
    assert len({tuple(v) for v in fresh}) > 1


def test_text_progress_and_plot(fitted, capsys):
    asked = {"bias_labels": test.bias_labels, "corruptions": ["cutout", "rotation"]}
    report = corruption_report(fitted, test.data, test.target, **asked, verbose=1)
    assert "corruption_report" in capsys.readouterr().err
    assert "449 images, " in report._repr_html_()
    assert "<NA>" not in report._repr_html_()
    assert "449 images, " in str(report)
    assert "<NA>" not in str(report)
    with mpl.rc_context({"backend": "agg"}):
        ax = report.plot()
        assert [label.get_text() for label in ax.get_yticklabels()] == [
            "clean",
            "cutout",
            "rotation",
            "mean",
        ]
        assert {text.get_text() for text in ax.get_legend().get_texts()} == {
            "average",
            "conflicting",
        }
        several = corruption_report(fitted, test.data, test.target, corruptions=["snow"])
        assert several.plot(ax=ax) is ax
        mpl.pyplot.close(ax.figure)


class Never(BaseEstimator, ClassifierMixin):
    """A classifier that must not be asked."""

    def predict(self, X):
        raise AssertionError("predicted")


def test_errors_come_before_the_first_prediction():
    grey = test.data[:, :1]
    with pytest.raises(ValueError, match="3 channels for 'saturate' of `corruptions`, got 1"):
        corruption_report(Never(), grey, test.target, corruptions=["rotation", ("saturate", 1)])
    with pytest.raises(ValueError, match="`aligned` says"):
        corruption_report(Never(), test.data, test.target, aligned={0: 0})


def test_severities_of_numpy(fitted):
    given = {"corruptions": ["contrast"], "random_state": 0}
    few, labels = test.data[:20], test.target[:20]
    tables = [
        corruption_report(fitted, few, labels, severities=s, **given).table
        for s in (np.array([1, 2]), [1, 2])
    ]
    pd.testing.assert_frame_equal(*tables)
