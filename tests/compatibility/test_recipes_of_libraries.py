"""The guide on other libraries and stored embeddings: recipes run, and what it says holds."""

import numpy as np
import pytest
from data import erm
from recipes import QUIET, cases, check_form, optional, run, skip_without
from sklearn import config_context
from sklearn.model_selection import cross_val_predict, cross_val_score
from skorch.callbacks import Callback

from sklearn_debias import ERMClassifier, JTTClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.fitting import open_inputs
from sklearn_debias.metrics import worst_group_accuracy_score

pytestmark = QUIET


def even_groups(made):
    kept = [made["groups"][row] for row in made["rows"]]
    sizes = np.unique(kept, return_counts=True)[1]
    assert len(sizes) == 4
    assert len(set(sizes)) == 1
    np.testing.assert_array_equal(made["X_even"], made["X"][made["rows"]])
    assert worst(made, made["even"]) > worst(made, made["clf"])


def worst(made, model):
    test = made["test"]
    predicted = model.predict(test.data)
    return worst_group_accuracy_score(test.target, predicted, bias_labels=test.bias_labels)


def found_by_the_worst_group(made):
    search = made["search"]
    assert set(search.best_params_) == {"lr"}
    assert search.best_score_ == max(trial.value for trial in search.trials_)
    found = made["GroupDROClassifier"](**made["settings"], **search.best_params_)
    found.fit(made["X"], made["y"], bias_labels=made["bias_labels"])
    np.testing.assert_array_equal(found.predict(made["X"]), search.predict(made["X"]))


def pruned(made):
    from optuna import TrialPruned

    class Prunes(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise TrialPruned

    class Report(Callback):
        """What the page says of methods of several phases."""

        seen = []

        def on_epoch_end(self, net, **kwargs):
            score = net.history[-1].get("validation_worst_group_accuracy")
            if score is not None:
                self.seen.append(score)

    two_phases = JTTClassifier(
        identification_epochs=1,
        max_epochs=2,
        random_state=0,
        monitor="worst_group_accuracy",
        callbacks=[Report()],
    )
    given = {"bias_labels": made["bias_labels"], "validation_data": made["held_out"]}
    two_phases.fit(made["X"], made["y"], **given)
    history = two_phases.history_["validation_worst_group_accuracy"]
    assert Report.seen == history.dropna().tolist()
    assert len(Report.seen) == 2
    states = [trial.state.name for trial in made["study"].trials]
    assert set(states) == {"COMPLETE", "PRUNED"}
    for trial in made["study"].trials:
        epochs = list(trial.intermediate_values)
        assert epochs == list(range(len(epochs)))
        assert (len(epochs) < 10) == (trial.state.name == "PRUNED")
    assert made["study"].best_value > 0.5
    with pytest.raises(ValueError, match="(?s)fits failed.*TrialPruned"):
        cross_val_score(erm(callbacks=[Prunes()]), made["X"], made["y"], cv=2)
    with pytest.raises(TrialPruned):
        cross_val_score(erm(callbacks=[Prunes()]), made["X"], made["y"], cv=2, error_score="raise")


def suspects_of_the_minority(made):
    from cleanlab.filter import find_label_issues

    wrong = made["noisy"] != made["y"]
    assert made["suspects"][wrong].mean() > 0.7
    train = make_spurious_embeddings(2_000, random_state=0).train
    noisy = np.where(np.arange(2_000) % 20, train.target, 1 - train.target)
    minority = (train.target != train.bias_labels) & (noisy == train.target)
    majority = (train.target == train.bias_labels) & (noisy == train.target)
    params = {"bias_labels": train.bias_labels}
    flagged = {}
    for balance in (None, "group"):
        model = ERMClassifier(lr=0.03, balance=balance, **made["settings"])
        with config_context(enable_metadata_routing=True):
            proba = cross_val_predict(
                model, train.data, noisy, cv=3, method="predict_proba", params=params
            )
        flagged[balance] = find_label_issues(noisy, proba)
    assert flagged[None][minority].mean() > 0.05 > 0.01 > flagged[None][majority].mean()
    assert flagged["group"][majority].mean() > 0.1  # it believes the wrong labels
    with pytest.raises(ValueError, match="`bias_labels` must have one value per sample"):
        made["cleaner"].fit(made["X"], made["y"], clf_kwargs={"bias_labels": made["bias_labels"]})


def worst_of_the_frame(made):
    assert made["frame"].group_min() == pytest.approx(worst(made, made["clf"]))
    options = made | {"groups": made["test"].bias_labels}
    by_bias = made["MetricFrame"](
        metrics=made["accuracy_score"],
        y_true=options["test"].target,
        y_pred=made["predicted"],
        sensitive_features=options["groups"],
    )
    assert by_bias.group_min() > made["frame"].group_min() + 0.2


def covered_by_group(made):
    assert made["covered"].mean() == pytest.approx(0.9, abs=0.03)
    minority = made["test"].target != made["test"].bias_labels
    assert made["covered"][minority].mean() < 0.85


def two_units(made):
    rows = made["test"].data[:20]
    logits = made["of_logits"]
    total = logits.values.sum(1) + logits.base_values
    np.testing.assert_allclose(total, made["clf"].decision_function(rows), atol=1e-5)
    proba = made["of_probabilities"]
    total = proba.values.sum(1) + proba.base_values
    np.testing.assert_allclose(total, made["clf"].predict_proba(rows), atol=1e-5)


def trained_from_the_map(made):
    """The map stays on disk, and trains as the array does."""
    rows = made["rows"]
    np.testing.assert_array_equal(rows, made["X"])
    opened = open_inputs(rows, dtype="float32").source
    assert not opened.resident()
    expected = made["clf"].predict_proba(made["X"])
    np.testing.assert_array_equal(made["mapped"].predict_proba(rows), expected)


def parquet(made):
    import pandas as pd

    trained_from_the_map(made)
    frame = pd.read_parquet("embeddings.parquet", dtype_backend="pyarrow")
    in_memory(made, frame)


def in_memory(made, rows):
    """What else is said of the format: it trains as well, and is copied into one array."""
    source = open_inputs(rows, dtype="float32").source
    assert source.resident()
    assert type(source.items) is np.ndarray
    fitted = ERMClassifier(lr=0.03, **made["settings"]).fit(rows, made["y"])
    expected = made["clf"].predict_proba(made["X"])
    np.testing.assert_array_equal(fitted.predict_proba(rows), expected)


def zarr_array(made):
    trained_from_the_map(made)
    in_memory(made, made["stored"])


CHECKS = {
    "imbalanced-learn": even_groups,
    "Optuna": found_by_the_worst_group,
    "Optuna, with pruning": pruned,
    "cleanlab": suspects_of_the_minority,
    "fairlearn": worst_of_the_frame,
    "MAPIE": covered_by_group,
    "SHAP": two_units,
}
STORED = {"Parquet": parquet, "zarr": zarr_array}


@pytest.mark.parametrize("name", cases(CHECKS, slow=("SHAP",)))
def test_recipe_runs_and_does_what_the_page_says(name, tmp_path, monkeypatch):
    CHECKS[name](run("other_libraries", name, tmp_path, monkeypatch))


@pytest.mark.parametrize("name", STORED)
def test_stored_embeddings_train_from_disk(name, tmp_path, monkeypatch):
    STORED[name](run("stored_embeddings", name, tmp_path, monkeypatch))


def test_every_recipe_is_checked_and_short():
    check_form("other_libraries", CHECKS)
    check_form("stored_embeddings", STORED)


def test_a_misspelt_import_is_not_skipped():
    skip_without("import mlfow\nfrom skorch.callbacks import TensorBoard")
    assert {"imblearn", "mlflow", "shap", "tensorboard", "fairlearn"} <= optional()
