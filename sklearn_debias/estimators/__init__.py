"""The public base class, one file per method, and what a method of your own is written with."""

from sklearn_debias.estimators._adversarial_training import AdversarialTrainingClassifier
from sklearn_debias.estimators._afr import AFRClassifier
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.estimators._biasadv import BiasAdvClassifier
from sklearn_debias.estimators._class_balanced_retraining import (
    ClassBalancedRetrainingClassifier,
)
from sklearn_debias.estimators._class_scaling import ClassScaling
from sklearn_debias.estimators._crt import CRTClassifier
from sklearn_debias.estimators._dfr import DFRClassifier
from sklearn_debias.estimators._dhat import DHATClassifier
from sklearn_debias.estimators._dpe import DPEClassifier
from sklearn_debias.estimators._erm import ERMClassifier
from sklearn_debias.estimators._fish import FishClassifier
from sklearn_debias.estimators._group_dro import GroupDROClassifier
from sklearn_debias.estimators._invariance import InvarianceClassifier
from sklearn_debias.estimators._isda import ISDAClassifier, MetaSAugClassifier
from sklearn_debias.estimators._jtt import JTTClassifier
from sklearn_debias.estimators._lff import LfFClassifier
from sklearn_debias.estimators._long_tail import LongTailClassifier
from sklearn_debias.estimators._meta_iada import MetaIADAClassifier
from sklearn_debias.estimators._meta_weight_net import MetaWeightNetClassifier
from sklearn_debias.estimators._mixup import MixUpClassifier
from sklearn_debias.estimators._self import SELFClassifier
from sklearn_debias.estimators._uiat import UIATClassifier
from sklearn_debias.estimators._ule import ULEClassifier
from sklearn_debias.fitting import Given, TrainingSet, View, fit_method

__all__ = [
    "AFRClassifier",
    "AdversarialTrainingClassifier",
    "BaseDebiasClassifier",
    "BiasAdvClassifier",
    "CRTClassifier",
    "ClassBalancedRetrainingClassifier",
    "ClassScaling",
    "DFRClassifier",
    "DHATClassifier",
    "DPEClassifier",
    "ERMClassifier",
    "FishClassifier",
    "Given",
    "GroupDROClassifier",
    "ISDAClassifier",
    "InvarianceClassifier",
    "JTTClassifier",
    "LfFClassifier",
    "LongTailClassifier",
    "MetaIADAClassifier",
    "MetaSAugClassifier",
    "MetaWeightNetClassifier",
    "MixUpClassifier",
    "SELFClassifier",
    "TrainingSet",
    "UIATClassifier",
    "ULEClassifier",
    "View",
    "fit_method",
]
