"""Group-aware metrics, intervals and scorers; needs no torch.

The scorers ask for `bias_labels` by metadata routing: call
``sklearn.set_config(enable_metadata_routing=True)``.
"""

from sklearn_debias.metrics._alignment_scores import (
    aligned_accuracy_score,
    bias_gap_score,
    conflicting_accuracy_score,
    harmonic_accuracy_score,
)
from sklearn_debias.metrics._calibration import expected_calibration_error
from sklearn_debias.metrics._encoding import encode_bias
from sklearn_debias.metrics._group_report import GroupReport
from sklearn_debias.metrics._group_scorer import GroupScorer
from sklearn_debias.metrics._groups import group_cells
from sklearn_debias.metrics._paired import PairedDifference, paired_difference
from sklearn_debias.metrics._report import group_report
from sklearn_debias.metrics._scorers import (
    adjusted_accuracy_scorer,
    aligned_accuracy_scorer,
    bias_gap_scorer,
    conflicting_accuracy_scorer,
    get_scorer,
    get_scorer_names,
    group_mean_accuracy_scorer,
    harmonic_accuracy_scorer,
    make_group_scorer,
    worst_group_accuracy_scorer,
)
from sklearn_debias.metrics._scores import (
    adjusted_accuracy_score,
    group_mean_accuracy_score,
    worst_group_accuracy_score,
)
from sklearn_debias.metrics._training_facts import aligned_map, group_shares_map

__all__ = [
    "GroupReport",
    "GroupScorer",
    "PairedDifference",
    "adjusted_accuracy_score",
    "adjusted_accuracy_scorer",
    "aligned_accuracy_score",
    "aligned_accuracy_scorer",
    "aligned_map",
    "bias_gap_score",
    "bias_gap_scorer",
    "conflicting_accuracy_score",
    "conflicting_accuracy_scorer",
    "encode_bias",
    "expected_calibration_error",
    "get_scorer",
    "get_scorer_names",
    "group_cells",
    "group_mean_accuracy_score",
    "group_mean_accuracy_scorer",
    "group_report",
    "group_shares_map",
    "harmonic_accuracy_score",
    "harmonic_accuracy_scorer",
    "make_group_scorer",
    "paired_difference",
    "worst_group_accuracy_score",
    "worst_group_accuracy_scorer",
]
