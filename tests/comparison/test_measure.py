"""Any metric of the fits of a comparison, by group."""

import warnings
from functools import partial

import numpy as np
import pytest
from comparing import compared, rows
from scipy import stats
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics.internal import Fits, find_groups, metrics_of_fits, read_metrics

SCORES = ["roc_auc", "ece", "log_loss"]


@pytest.fixture(scope="module")
def result():
    return compared(n_seeds=3)


def test_a_value_is_the_mean_of_the_fits_own(result):
    table = result.measure(["roc_auc", "accuracy"], by="bias", n_resamples=100)
    y, bias = result.y_true, result.bias_labels
    for row in table.itertuples():
        inside = bias == row.group if row.group is not None else np.ones(len(y), bool)
        assert row.n == inside.sum()
        if row.metric == "accuracy":
            own = (result.predictions_[row.method] == y)[:, inside].mean(axis=1)
        else:
            probabilities = result.probabilities_[row.method][:, inside, 1]
            own = [roc_auc_score(y[inside], p) for p in probabilities]
        assert row.value == pytest.approx(np.mean(own))
    assert len(table) == 2 * 3 * 3


def test_with_one_fit_the_interval_is_the_reports():
    result = compared({"logistic": LogisticRegression()}, search_spaces={"logistic": {}}, n_seeds=1)
    table = result.measure(SCORES, by="bias", n_resamples=1000).set_index(["metric", "group"])
    report = result.report(
        "logistic",
        metrics=SCORES,
        by="bias",
        n_resamples=1000,
        random_state=np.random.default_rng(0),
    )
    for name in SCORES:
        for row in report.frame.itertuples():
            found = table.loc[(name, row.bias)]
            assert found["value"] == pytest.approx(getattr(row, name))
            for end in ("lower", "upper"):
                assert found[end] == pytest.approx(getattr(row, f"{name}_{end}"), abs=1e-9)


def test_seeds_widen_the_interval(result):
    table = result.measure({"brier": brier_score_loss}, n_resamples=20_000)
    every = table[[group is None for group in table["group"]]].set_index("method")
    y = result.y_true
    own = ((result.probabilities_["JTT"][:, :, 1] - y) ** 2).mean(axis=1)
    half = stats.t.ppf(0.975, 2) * own.std(ddof=1) / np.sqrt(3)
    assert every.loc["JTT", "value"] == pytest.approx(own.mean(), rel=1e-5)
    for end, sign in (("lower", -1), ("upper", 1)):
        # The luck of the rows comes on top of that of the seeds.
        assert sign * (every.loc["JTT", end] - own.mean()) > 0.95 * half


def test_an_interval_keeps_to_the_range_of_its_metric(result):
    table = result.measure(SCORES, by="bias", n_resamples=100)
    assert (table["lower"] >= 0).all()
    assert (table.loc[table["metric"] != "log_loss", "upper"] <= 1).all()


def test_a_metric_of_one_class_is_undefined_and_said_once_per_method(result):
    with pytest.warns(DebiasWarning, match="3 of 3 fits: .*roc_auc") as caught:
        table = result.measure(["roc_auc"], n_resamples=100)
    assert len(caught) == 3
    cells = table[[group is not None for group in table["group"]]]
    assert cells[["value", "lower", "upper"]].isna().all(axis=None)


def of_fits(y, *fits, scores=None):
    """The table of one model whose predictions are given, with one group for each class."""
    y = np.asarray(y)
    groups = find_groups((y, np.unique(y)), keep=np.ones(len(y), bool))
    given = {"model": Fits(np.array(fits), scores)}
    measures = read_metrics(["accuracy"] if scores is None else ["ece"])
    settings = {"confidence": 0.95, "n_resamples": 500, "seed": 0}
    return metrics_of_fits(measures, y, given, groups, **settings).set_index("group")


def test_a_group_without_an_error_is_not_sure_to_have_none():
    y = np.repeat([0, 1], [20, 100])
    table = of_fits(y, y, y)
    low = stats.beta.ppf(0.025, 20, 1)
    assert table.loc[0, ["lower", "upper"]].tolist() == pytest.approx([low, 1])


def test_calibrated_scores_seldom_have_an_error_for_sure():
    rng = np.random.default_rng(0)
    sure = 0
    for _ in range(30):
        scores = rng.uniform(size=(1, 200)).repeat(3, axis=0)
        y = (rng.random(200) < scores[0]).astype(int)
        table = of_fits(y, *(scores > 0.5).astype(int), scores=scores)
        sure += table.loc[[None], "lower"].item() > 0
    assert sure <= stats.binom.ppf(0.999, 30, 0.05)


def signed_error(y_true, y_pred):
    """A metric of its own name, below 0."""
    return float(np.mean(y_pred) - np.mean(y_true) - 1)


@pytest.mark.parametrize(
    "metric", [partial(accuracy_score, normalize=False), signed_error, brier_score_loss]
)
def test_every_value_is_inside_its_interval(result, metric):
    table = result.measure({"m": metric}, n_resamples=100)
    assert (table["lower"] <= table["value"]).all()
    assert (table["value"] <= table["upper"]).all()
    if metric is not brier_score_loss:
        assert (table["upper"] != table["value"]).any()


def test_what_a_metric_warns_of_is_told(result):
    def old(y_true, y_pred):
        warnings.warn("it is old", FutureWarning, stacklevel=1)
        return 0.0

    with pytest.warns(DebiasWarning, match="it is old"):
        result.measure({"old": old}, n_resamples=100)


def test_its_draws_have_a_seed(result):
    one, same = (result.measure(["accuracy"], n_resamples=100) for _ in range(2))
    assert one.equals(same)
    assert not one.equals(result.measure(["accuracy"], n_resamples=100, random_state=1))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"metrics": ["auroc"]}, "must name one of"),
        ({"metrics": ["accuracy"], "by": "class"}, "`by`"),
        ({"metrics": ["accuracy"], "n_resamples": 1}, "`n_resamples`"),
        ({"metrics": ["accuracy"], "random_state": -1}, "`random_state`"),
    ],
)
def test_what_makes_no_sense_is_refused(result, arguments, said):
    with pytest.raises(ValueError, match=said):
        result.measure(**arguments)


def test_scores_need_probabilities_and_groups_bias_labels():
    bare = [part[:2] for part in rows()]
    settings = {"validation": None, "n_configurations": 1, "scoring": "accuracy"}
    settings |= {"train": bare[0], "test": bare[2]}
    methods = {"ridge": RidgeClassifier(), "logistic": LogisticRegression()}
    ridge = compared({"ridge": methods["ridge"]}, search_spaces={"ridge": {}}, **settings)
    with pytest.raises(ValueError, match="have no `predict_proba`"):
        ridge.measure(["roc_auc"])
    with pytest.raises(ValueError, match="needs bias labels"):
        ridge.measure(["accuracy"], by="bias")
    assert ridge.measure(["accuracy"], n_resamples=100)["group"].tolist() == [None, 0, 1]
    both = compared(methods, search_spaces={name: {} for name in methods}, **settings)
    with pytest.warns(DebiasWarning, match="Left out are ridge"):
        table = both.measure(["log_loss"], n_resamples=100)
    assert set(table["method"]) == {"logistic"}


def test_without_a_seed_each_bootstrap_is_another(result):
    one, other = (
        result.measure(["accuracy"], n_resamples=100, random_state=None) for _ in range(2)
    )
    assert not one.equals(other)
