"""scikit-learn estimators that learn what matters instead of the shortcut."""

from typing import TYPE_CHECKING

from sklearn_debias.lazy import on_demand

if TYPE_CHECKING:
    from sklearn_debias.estimators import (
        AdversarialTrainingClassifier,
        AFRClassifier,
        BiasAdvClassifier,
        ClassBalancedRetrainingClassifier,
        ClassScaling,
        CRTClassifier,
        DFRClassifier,
        DHATClassifier,
        DPEClassifier,
        ERMClassifier,
        FishClassifier,
        GroupDROClassifier,
        InvarianceClassifier,
        ISDAClassifier,
        JTTClassifier,
        LfFClassifier,
        LongTailClassifier,
        MetaIADAClassifier,
        MetaSAugClassifier,
        MetaWeightNetClassifier,
        MixUpClassifier,
        SELFClassifier,
        UIATClassifier,
        ULEClassifier,
    )
    from sklearn_debias.group_inference import GroupInferrer, InferredGroupsClassifier

__all__ = [
    "AFRClassifier",
    "AdversarialTrainingClassifier",
    "BiasAdvClassifier",
    "CRTClassifier",
    "ClassBalancedRetrainingClassifier",
    "ClassScaling",
    "DFRClassifier",
    "DHATClassifier",
    "DPEClassifier",
    "ERMClassifier",
    "FishClassifier",
    "GroupDROClassifier",
    "GroupInferrer",
    "ISDAClassifier",
    "InferredGroupsClassifier",
    "InvarianceClassifier",
    "JTTClassifier",
    "LfFClassifier",
    "LongTailClassifier",
    "MetaIADAClassifier",
    "MetaSAugClassifier",
    "MetaWeightNetClassifier",
    "MixUpClassifier",
    "SELFClassifier",
    "UIATClassifier",
    "ULEClassifier",
    "__version__",
]

__version__ = "0.1.0.dev0"  # the only place: packaging reads it here; docs/releasing.md

_PLACES = dict.fromkeys(__all__, "sklearn_debias.estimators")
_PLACES |= dict.fromkeys(
    ["GroupInferrer", "InferredGroupsClassifier"], "sklearn_debias.group_inference"
)

if not TYPE_CHECKING:
    # Metrics and readers need no torch, which takes most of the time of an import.
    __getattr__, __dir__ = on_demand(__name__, _PLACES)
