"""The estimators, one file per method."""

from sklearn_debias.estimators._biasadv import BiasAdvClassifier
from sklearn_debias.estimators._erm import ERMClassifier
from sklearn_debias.estimators._jtt import JTTClassifier
from sklearn_debias.estimators._lff import LfFClassifier
from sklearn_debias.estimators._ule import ULEClassifier

__all__ = ["BiasAdvClassifier", "ERMClassifier", "JTTClassifier", "LfFClassifier", "ULEClassifier"]
