"""One paper, one file: the objectives as pure steps."""

from sklearn_debias.objectives._biasadv import BiasAdv
from sklearn_debias.objectives._erm import ERM
from sklearn_debias.objectives._jtt import UpweightErrors
from sklearn_debias.objectives._lff import LfF

__all__ = ["ERM", "BiasAdv", "LfF", "UpweightErrors"]
