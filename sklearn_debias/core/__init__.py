"""The nouns every method is written with; see ``docs/design/seams.md``."""

from sklearn_debias.core._net import Net
from sklearn_debias.core._objective import Batch, Data, Objective, Phase, Step, static
from sklearn_debias.core._split import SplitModule, split

__all__ = ["Batch", "Data", "Net", "Objective", "Phase", "SplitModule", "Step", "split", "static"]
