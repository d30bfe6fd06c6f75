"""One paper, one file: the objectives as pure steps."""

from sklearn_debias.objectives._afr import ERMOnPart, ReweightHead
from sklearn_debias.objectives._biasadv import BiasAdv
from sklearn_debias.objectives._erm import ERM
from sklearn_debias.objectives._group_dro import GroupDRO
from sklearn_debias.objectives._jtt import UpweightErrors
from sklearn_debias.objectives._lff import LfF
from sklearn_debias.objectives._ule import ULE

__all__ = ["ERM", "ULE", "BiasAdv", "ERMOnPart", "GroupDRO", "LfF", "ReweightHead", "UpweightErrors"]
