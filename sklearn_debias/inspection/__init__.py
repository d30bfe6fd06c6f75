"""What data and models hide: a report on shortcuts in the data, and pictures of what models do."""

from sklearn_debias.inspection._bias_report import bias_report
from sklearn_debias.inspection._bias_table import BiasReport
from sklearn_debias.inspection._group_accuracy import GroupAccuracyDisplay
from sklearn_debias.inspection._saliency import SaliencyDisplay
from sklearn_debias.inspection._sensitivity import SensitivityDisplay
from sklearn_debias.inspection._tradeoff import TradeoffDisplay
from sklearn_debias.inspection._training import TrainingDisplay

__all__ = [
    "BiasReport",
    "GroupAccuracyDisplay",
    "SaliencyDisplay",
    "SensitivityDisplay",
    "TradeoffDisplay",
    "TrainingDisplay",
    "bias_report",
]
