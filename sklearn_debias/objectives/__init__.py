"""One paper, one file: the objectives as pure steps."""

from typing import TYPE_CHECKING

from sklearn_debias.lazy import on_demand

if TYPE_CHECKING:
    from sklearn_debias.objectives._adversarial_training import AdversarialTraining
    from sklearn_debias.objectives._afr import ReweightHead
    from sklearn_debias.objectives._biasadv import BiasAdv
    from sklearn_debias.objectives._characteristics import Samples, fifteen
    from sklearn_debias.objectives._crt import RetrainHead
    from sklearn_debias.objectives._dhat import DHAT
    from sklearn_debias.objectives._dpe import FitPrototypes, IsoMaxOnPart
    from sklearn_debias.objectives._erm import ERM
    from sklearn_debias.objectives._fish import Fish
    from sklearn_debias.objectives._group_dro import GroupDRO
    from sklearn_debias.objectives._invariance import Invariance
    from sklearn_debias.objectives._isda import ISDA
    from sklearn_debias.objectives._jtt import UpweightErrors
    from sklearn_debias.objectives._learn_strategy import LearnStrategy
    from sklearn_debias.objectives._lff import LfF
    from sklearn_debias.objectives._long_tail import LongTail
    from sklearn_debias.objectives._meta_iada import IADA
    from sklearn_debias.objectives._meta_saug import MetaSAug
    from sklearn_debias.objectives._meta_weight_net import LearnWeights, WeightedByNet
    from sklearn_debias.objectives._mixup import MixUp
    from sklearn_debias.objectives._self import FinetuneHead, RetrainHeadOnPart
    from sklearn_debias.objectives._two_stages import ERMOnPart
    from sklearn_debias.objectives._uiat import UIAT
    from sklearn_debias.objectives._ule import ULE
    from sklearn_debias.objectives._xrm import XRM

__all__ = [
    "DHAT",
    "ERM",
    "IADA",
    "ISDA",
    "UIAT",
    "ULE",
    "XRM",
    "AdversarialTraining",
    "BiasAdv",
    "ERMOnPart",
    "FinetuneHead",
    "Fish",
    "FitPrototypes",
    "GroupDRO",
    "Invariance",
    "IsoMaxOnPart",
    "LearnStrategy",
    "LearnWeights",
    "LfF",
    "LongTail",
    "MetaSAug",
    "MixUp",
    "RetrainHead",
    "RetrainHeadOnPart",
    "ReweightHead",
    "Samples",
    "UpweightErrors",
    "WeightedByNet",
    "fifteen",
]

_PLACES = {
    "AdversarialTraining": "sklearn_debias.objectives._adversarial_training",
    "BiasAdv": "sklearn_debias.objectives._biasadv",
    "DHAT": "sklearn_debias.objectives._dhat",
    "ERM": "sklearn_debias.objectives._erm",
    "ERMOnPart": "sklearn_debias.objectives._two_stages",
    "FinetuneHead": "sklearn_debias.objectives._self",
    "Fish": "sklearn_debias.objectives._fish",
    "FitPrototypes": "sklearn_debias.objectives._dpe",
    "GroupDRO": "sklearn_debias.objectives._group_dro",
    "IADA": "sklearn_debias.objectives._meta_iada",
    "ISDA": "sklearn_debias.objectives._isda",
    "Invariance": "sklearn_debias.objectives._invariance",
    "IsoMaxOnPart": "sklearn_debias.objectives._dpe",
    "LearnStrategy": "sklearn_debias.objectives._learn_strategy",
    "LearnWeights": "sklearn_debias.objectives._meta_weight_net",
    "LfF": "sklearn_debias.objectives._lff",
    "LongTail": "sklearn_debias.objectives._long_tail",
    "MetaSAug": "sklearn_debias.objectives._meta_saug",
    "MixUp": "sklearn_debias.objectives._mixup",
    "RetrainHead": "sklearn_debias.objectives._crt",
    "RetrainHeadOnPart": "sklearn_debias.objectives._self",
    "ReweightHead": "sklearn_debias.objectives._afr",
    "Samples": "sklearn_debias.objectives._characteristics",
    "UIAT": "sklearn_debias.objectives._uiat",
    "ULE": "sklearn_debias.objectives._ule",
    "UpweightErrors": "sklearn_debias.objectives._jtt",
    "WeightedByNet": "sklearn_debias.objectives._meta_weight_net",
    "XRM": "sklearn_debias.objectives._xrm",
    "fifteen": "sklearn_debias.objectives._characteristics",
}

if not TYPE_CHECKING:
    # Each name with its file only: whoever wants one method does not wait for all.
    __getattr__, __dir__ = on_demand(__name__, _PLACES)
