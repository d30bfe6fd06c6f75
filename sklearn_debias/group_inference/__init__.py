"""Who is in the minority, where nobody has bias labels."""

from sklearn_debias.group_inference._classifier import InferredGroupsClassifier
from sklearn_debias.group_inference._inferrer import GroupInferrer
from sklearn_debias.group_inference._report import InferredGroupsReport, inferred_groups_report

__all__ = [
    "GroupInferrer",
    "InferredGroupsClassifier",
    "InferredGroupsReport",
    "inferred_groups_report",
]
