"""docs/guide/trackers.md: each recipe runs, and what the page says of it holds."""

import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from recipes import QUIET, cases, check_form, run
from sklearn.model_selection import cross_val_score
from skorch.callbacks import WandbLogger

from sklearn_debias import CRTClassifier, ERMClassifier, JTTClassifier

pytestmark = QUIET


def stopped_early(made):
    clf = made["clf"]
    assert clf.n_iter_ < 50
    assert clf.history_["valid_loss"].idxmin() < clf.n_iter_ - 1
    assert {"valid_loss", "validation_accuracy", "lr"} <= set(clf.history_)
    for method in (JTTClassifier, CRTClassifier):
        with pytest.raises(ValueError, match="EarlyStopping.*valid_loss"):
            method(validation=0.2, callbacks=made["callbacks"]).fit(made["X"], made["y"])


def events_written(made):
    assert list(Path("runs/erm").glob("events.out.tfevents.*"))
    with made["SummaryWriter"]("runs/search") as writer:
        live = made["TensorBoard"](writer, close_after_train=False)  # another fit writes still
        estimator = ERMClassifier(max_epochs=5, callbacks=[live], **made["settings"])
        with pytest.raises(TypeError, match="lock"):  # as another process would do it
            pickle.dumps(estimator)
        with joblib.parallel_config("threading", n_jobs=2):
            scores = cross_val_score(estimator, made["X"], made["y"], cv=2, error_score="raise")
    assert (scores > 0.8).all()


def steps(made, metric):
    """Return which steps of a metric were logged, in order."""
    run = made["run"].info.run_id
    logged = made["mlflow"].MlflowClient().get_metric_history(run, metric)
    return sorted(value.step for value in logged)


def metrics_of_each_epoch(made):
    assert steps(made, "valid_loss") == [1, 2, 3, 4, 5]
    settings = {"max_epochs": 2, "callbacks": [made["MlflowLogger"]()], **made["settings"]}
    with made["mlflow"].start_run() as made["run"]:
        cross_val_score(ERMClassifier(**settings), made["X"], made["y"], cv=2)
    assert steps(made, "valid_loss") == [1, 1, 2, 2]  # of two fits
    with made["mlflow"].start_run() as made["run"]:
        JTTClassifier(identification_epochs=1, **settings).fit(made["X"], made["y"])
    assert steps(made, "train_loss") == [1, 1, 2]  # of two phases


def search_logged(made):
    mlflow = made["mlflow"]
    run = made["run"].info.run_id
    of_candidates = mlflow.search_runs(filter_string=f"tags.`mlflow.parentRunId` = '{run}'")
    scores = made["search"].cv_results_["mean_test_score"]
    assert sorted(of_candidates["metrics.mean_test_score"]) == pytest.approx(sorted(scores))
    best = mlflow.sklearn.load_model(f"runs:/{run}/best_estimator")
    expected = made["search"].predict_proba(made["X"])
    np.testing.assert_array_equal(best.predict_proba(made["X"]), expected)
    mlflow.sklearn.autolog(log_models=False)
    try:
        with mlflow.start_run() as alone:
            ERMClassifier(max_epochs=5, **made["settings"]).fit(made["X"], made["y"])
    finally:
        mlflow.sklearn.autolog(disable=True)
    assert mlflow.get_run(alone.info.run_id).data.params == {}


def same_model(made):
    expected = made["clf"].predict_proba(made["X"])
    np.testing.assert_array_equal(made["again"].predict_proba(made["X"]), expected)
    with pytest.raises(made["mlflow"].MlflowException, match="trusted"):
        made["mlflow"].sklearn.save_model(made["clf"], "default", serialization_format="skops")


def rows_of_each_epoch(made):
    run = made["run"]
    assert len(run.rows) == 5
    assert {"train_loss", "valid_loss", "validation_accuracy", "lr"} <= set(run.rows[0])
    assert all(isinstance(value, float) for row in run.rows for value in row.values())
    assert list(Path(run.dir).glob("*.pth"))
    settings = made["settings"] | {"validation": None, "max_epochs": 5}
    with pytest.raises(ValueError, match="WandbLogger.*valid_loss_best"):
        ERMClassifier(callbacks=[WandbLogger(run)], **settings).fit(made["X"], made["y"])
    logger = WandbLogger(run, save_model=False)
    ERMClassifier(callbacks=[logger], **settings).fit(made["X"], made["y"])


CHECKS = {
    "skorch's callbacks": stopped_early,
    "TensorBoard": events_written,
    "MLflow, epoch by epoch": metrics_of_each_epoch,
    "MLflow, autologging": search_logged,
    "MLflow, models": same_model,
    "Weights & Biases": rows_of_each_epoch,
}


@pytest.mark.parametrize("name", cases(CHECKS, slow=("MLflow", "TensorBoard")))
def test_recipe_runs_and_does_what_the_page_says(name, tmp_path, monkeypatch):
    CHECKS[name](run("trackers", name, tmp_path, monkeypatch))


def test_every_recipe_is_checked_and_short():
    check_form("trackers", CHECKS)
