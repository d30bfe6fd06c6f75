"""Who is in the minority, where nobody has bias labels."""

from sklearn_debias.group_inference._classifier import InferredGroupsClassifier
from sklearn_debias.group_inference._inferrer import GroupInferrer

__all__ = ["GroupInferrer", "InferredGroupsClassifier"]
