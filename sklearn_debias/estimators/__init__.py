"""The public base class, one file per method, and what a method of your own is written with."""

from typing import TYPE_CHECKING

from sklearn_debias.lazy import on_demand

if TYPE_CHECKING:
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

_PLACES = {
    "AFRClassifier": "sklearn_debias.estimators._afr",
    "AdversarialTrainingClassifier": "sklearn_debias.estimators._adversarial_training",
    "BaseDebiasClassifier": "sklearn_debias.estimators._base",
    "BiasAdvClassifier": "sklearn_debias.estimators._biasadv",
    "CRTClassifier": "sklearn_debias.estimators._crt",
    "ClassBalancedRetrainingClassifier": "sklearn_debias.estimators._class_balanced_retraining",
    "ClassScaling": "sklearn_debias.estimators._class_scaling",
    "DFRClassifier": "sklearn_debias.estimators._dfr",
    "DHATClassifier": "sklearn_debias.estimators._dhat",
    "DPEClassifier": "sklearn_debias.estimators._dpe",
    "ERMClassifier": "sklearn_debias.estimators._erm",
    "FishClassifier": "sklearn_debias.estimators._fish",
    "Given": "sklearn_debias.fitting",
    "GroupDROClassifier": "sklearn_debias.estimators._group_dro",
    "ISDAClassifier": "sklearn_debias.estimators._isda",
    "InvarianceClassifier": "sklearn_debias.estimators._invariance",
    "JTTClassifier": "sklearn_debias.estimators._jtt",
    "LfFClassifier": "sklearn_debias.estimators._lff",
    "LongTailClassifier": "sklearn_debias.estimators._long_tail",
    "MetaIADAClassifier": "sklearn_debias.estimators._meta_iada",
    "MetaSAugClassifier": "sklearn_debias.estimators._isda",
    "MetaWeightNetClassifier": "sklearn_debias.estimators._meta_weight_net",
    "MixUpClassifier": "sklearn_debias.estimators._mixup",
    "SELFClassifier": "sklearn_debias.estimators._self",
    "TrainingSet": "sklearn_debias.fitting",
    "UIATClassifier": "sklearn_debias.estimators._uiat",
    "ULEClassifier": "sklearn_debias.estimators._ule",
    "View": "sklearn_debias.fitting",
    "fit_method": "sklearn_debias.fitting",
}

if not TYPE_CHECKING:
    # Each name with its file only: whoever wants one method does not wait for all.
    __getattr__, __dir__ = on_demand(__name__, _PLACES)
