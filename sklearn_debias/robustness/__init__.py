"""Accuracy under attack: scores, scorers and reports for fitted estimators and plain modules."""

from sklearn_debias.robustness._corruption_report import corruption_report
from sklearn_debias.robustness._corruption_table import CorruptionReport
from sklearn_debias.robustness._report import robust_report
from sklearn_debias.robustness._robust_report import RobustReport
from sklearn_debias.robustness._scorer import RobustAccuracy, robust_accuracy
from sklearn_debias.robustness._scores import (
    adversarial_examples,
    robust_accuracy_score,
    robust_generalization_gap_score,
)
from sklearn_debias.robustness._transfer import epsilon_sweep, transfer_accuracy_score

__all__ = [
    "CorruptionReport",
    "RobustAccuracy",
    "RobustReport",
    "adversarial_examples",
    "corruption_report",
    "epsilon_sweep",
    "robust_accuracy",
    "robust_accuracy_score",
    "robust_generalization_gap_score",
    "robust_report",
    "transfer_accuracy_score",
]
