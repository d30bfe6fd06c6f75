"""The estimators, one file per method."""

from sklearn_debias.estimators._afr import AFRClassifier
from sklearn_debias.estimators._biasadv import BiasAdvClassifier
from sklearn_debias.estimators._class_scaling import ClassScaling
from sklearn_debias.estimators._dfr import DFRClassifier
from sklearn_debias.estimators._erm import ERMClassifier
from sklearn_debias.estimators._group_dro import GroupDROClassifier
from sklearn_debias.estimators._jtt import JTTClassifier
from sklearn_debias.estimators._lff import LfFClassifier
from sklearn_debias.estimators._ule import ULEClassifier

__all__ = [
    "AFRClassifier",
    "BiasAdvClassifier",
    "ClassScaling",
    "DFRClassifier",
    "ERMClassifier",
    "GroupDROClassifier",
    "JTTClassifier",
    "LfFClassifier",
    "ULEClassifier",
]
