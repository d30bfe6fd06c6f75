"""Labels, predictions and scores in groups, and metrics of them."""

import numpy as np
import sklearn.metrics as skm
from fairlearn.metrics import selection_rate as fairlearn_selection_rate

from sklearn_debias.metrics import expected_calibration_error

QUICK = {"n_resamples": 100, "random_state": 0}


def draw(n=400, seed=0):
    """Labels, predictions, probabilities that are right more often at sea, places, and weights."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    bias = np.array(["air", "land", "sea"])[rng.choice(3, n, p=[0.2, 0.3, 0.5])]
    logit = (2 * y - 1) * np.where(bias == "sea", 2, 1) + rng.normal(0, 1.5, n)
    score = (1 / (1 + np.exp(-logit))).round(2)  # rounded, so that there are ties
    return y, (score > 0.6).astype(int), score, bias, rng.exponential(size=n)


MANY = {
    "auroc": skm.roc_auc_score,
    "ap": skm.average_precision_score,
    "ece": expected_calibration_error,
    "brier": skm.brier_score_loss,
    "nll": skm.log_loss,
    "recall": skm.recall_score,
    "precision": skm.precision_score,
    "f1": skm.f1_score,
    "balanced": skm.balanced_accuracy_score,
    "error": skm.zero_one_loss,
    "mcc": skm.matthews_corrcoef,
    "selected": fairlearn_selection_rate,
}
OF_SCORES = ("auroc", "ap", "ece", "brier", "nll")
