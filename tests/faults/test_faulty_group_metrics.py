"""Metrics, scores and settings that no report can be made of: each error names its argument."""

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    get_scorer,
    log_loss,
    recall_score,
    roc_auc_score,
)

from sklearn_debias.metrics import expected_calibration_error, group_report

Y = np.arange(40) % 2
BIAS = np.arange(40) // 2 % 2
SCORE = (np.arange(40) * 7 % 40 + 0.5) / 40
AUROC = {"auroc": roc_auc_score}


def call(**given):
    how = {"bias_labels": BIAS, "by": "bias", "n_resamples": 100, "random_state": 0}
    return group_report(given.pop("y_true", Y), given.pop("y_pred", Y), **(how | given))


WRONG = {
    "no metric": ({"metrics": {}}, "`metrics` must be a non-empty dict"),
    "a number": ({"metrics": 3}, "`metrics` must be a non-empty dict"),
    "a text": ({"metrics": "f1"}, "`metrics` must be a non-empty dict"),
    "a function": ({"metrics": f1_score}, "`metrics` must be a non-empty dict"),
    "a list of functions": ({"metrics": [f1_score]}, "`metrics` must be a non-empty dict"),
    "twice": ({"metrics": ["f1", "f1"]}, "`metrics` must name each metric once"),
    "an unknown name": ({"metrics": ["recal"]}, "`metrics` must name one of .* mean `recall`"),
    "no callable": ({"metrics": {"a": 3}}, r"`metrics`\['a'\] must be a callable"),
    "no text": ({"metrics": {3: f1_score}}, "`metrics` must have texts as keys"),
    "no letters": ({"metrics": {" ": f1_score}}, "`metrics` must have texts as keys"),
    "a column": ({"metrics": {"n": f1_score}}, "`metrics` must have names that no other column"),
    "a bound": (
        {"metrics": {"f1": f1_score, "f1_lower": f1_score}},
        "`metrics` must have names that no other column has, got 'f1_lower'",
    ),
    "another accuracy": (
        {"metrics": {"accuracy": f1_score}},
        r"`metrics`\['accuracy'\] must be accuracy_score",
    ),
    "a scorer": ({"metrics": {"a": get_scorer("roc_auc")}}, r"`metrics`\['a'\] is a scorer"),
    "another response": (
        {"metrics": {"a": (f1_score, "proba")}},
        r"`metrics\['a'\]\[1\]` must be one of 'label', 'score'",
    ),
    "too many arguments": (
        {"metrics": {"a": lambda: 3}},
        r"`metrics`\['a'\] cannot be computed from `y_true` and `y_pred`",
    ),
    "no result": ({"metrics": {"a": lambda y, p: None}}, r"`metrics`\['a'\] cannot be computed"),
    "two results": (
        {"metrics": {"a": lambda y, p: [1.0, 2.0]}},
        r"`metrics`\['a'\] cannot be computed .*must return one number",
    ),
    "scores that are missing": (
        {"metrics": AUROC},
        r"`y_score` must be given for `metrics`\['auroc'\]",
    ),
    "scores that nothing takes": (
        {"metrics": {"a": lambda y, p: roc_auc_score(y, p)}, "y_score": SCORE},
        r"`y_score` is given, but no metric .*\(callable, 'score'\)",
    ),
    "scores alone": ({"y_score": SCORE}, "`y_score` is given, but no metric"),
    "scores of other rows": (
        {"metrics": AUROC, "y_score": SCORE[:39]},
        r"`y_score` must hold the scores .*\(40,\).*got \(39,\)",
    ),
    "scores in three dimensions": (
        {"metrics": AUROC, "y_score": SCORE.reshape(40, 1, 1)},
        "`y_score` must hold the scores of each sample",
    ),
    "no columns of scores": (
        {"metrics": AUROC, "y_score": np.zeros((40, 0))},
        "`y_score` must hold the scores of each sample",
    ),
    "a score that is NaN": (
        {"metrics": AUROC, "y_score": np.where(Y, SCORE, np.nan)},
        "`y_score` must be finite, got nan in 20 places",
    ),
    "an infinite score": (
        {"metrics": AUROC, "y_score": np.where(Y, SCORE, np.inf)},
        "`y_score` must be finite, got inf",
    ),
    "scores that are texts": (
        {"metrics": AUROC, "y_score": ["a"] * 40},
        "`y_score` must hold numbers",
    ),
    "complex scores": ({"metrics": AUROC, "y_score": SCORE + 1j}, "`y_score` must be real numbers"),
    "a sparse tensor": (
        {"metrics": AUROC, "y_score": torch.zeros(40).to_sparse()},
        "`y_score` must be",
    ),
    "logits for probabilities": (
        {"metrics": {"ece": expected_calibration_error}, "y_score": 9 * SCORE - 4},
        r"`metrics`\['ece'\] cannot be computed .*`y_score`: .*probabilities in \[0, 1\]",
    ),
    "logits for scikit-learn": (
        {"metrics": {"nll": log_loss}, "y_score": 9 * SCORE - 4},
        r"`metrics`\['nll'\] cannot be computed from `y_true` and `y_score`",
    ),
    "columns of other classes": (
        {"metrics": {"nll": log_loss}, "y_score": np.full((40, 3), 1 / 3)},
        r"`metrics`\['nll'\] cannot be computed",
    ),
    "a rate of three classes": (
        {"metrics": ["recall"], "y_true": np.arange(40) % 3},
        "`metrics`: 'recall' by its name is one of two classes, but there are 3",
    ),
    "a recall of three classes": (
        {"metrics": {"r": recall_score}, "y_true": np.arange(40) % 3},
        r"`metrics`\['r'\] cannot be computed .*multiclass",
    ),
    "resamples": ({"metrics": ["f1"], "n_resamples": 10}, r"`n_resamples` must be an int in 100"),
    "fractions": ({"metrics": ["f1"], "n_resamples": 200.0}, "`n_resamples`"),
    "a seed": ({"metrics": ["f1"], "random_state": -1}, "`random_state` must be"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(case):
    given, words = WRONG[case]
    with pytest.raises(ValueError, match=words):
        call(**given)


@pytest.mark.parametrize(
    "score",
    [
        SCORE.tolist(),
        SCORE[:, None],
        SCORE.astype(np.float16),
        SCORE.astype(">f8"),
        torch.tensor(SCORE, requires_grad=True),
        SCORE.astype(object),
        (40 * SCORE).astype(int),
    ],
    ids=["list", "column", "float16", "big-endian", "tensor", "object", "int"],
)
def test_scores_of_any_kind(score):
    expected = call(metrics=AUROC, y_score=SCORE).frame["auroc"]
    found = call(metrics=AUROC, y_score=score).frame["auroc"]
    np.testing.assert_allclose(found, expected)


def test_inputs_are_not_changed():
    inputs = {"y_true": Y.copy(), "y_pred": Y.copy(), "y_score": SCORE.copy()}
    for array in inputs.values():
        array.setflags(write=False)
    metrics = {"auroc": roc_auc_score, "accuracy": accuracy_score}
    call(metrics=metrics, **inputs)
    assert metrics == {"auroc": roc_auc_score, "accuracy": accuracy_score}
