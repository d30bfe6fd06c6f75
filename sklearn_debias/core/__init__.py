"""The nouns every method is written with; see ``docs/design/seams.md``."""

from sklearn_debias.core._net import Across, Net
from sklearn_debias.core._objective import (
    Batch,
    ConvexLoss,
    Data,
    Nets,
    Objective,
    Phase,
    State,
    Step,
    is_divided,
    static,
)
from sklearn_debias.core._role import Role
from sklearn_debias.core._split import SplitModule, layer_of, split
from sklearn_debias.core._weighted import WeightedObjective, Weights

__all__ = [
    "Across",
    "Batch",
    "ConvexLoss",
    "Data",
    "Net",
    "Nets",
    "Objective",
    "Phase",
    "Role",
    "SplitModule",
    "State",
    "Step",
    "WeightedObjective",
    "Weights",
    "is_divided",
    "layer_of",
    "split",
    "static",
]
