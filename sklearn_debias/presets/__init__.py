"""Settings of the papers' experiments, by name: plain data."""

from sklearn_debias.presets._biasadv import biasadv_preset
from sklearn_debias.presets._dhat import dhat_preset
from sklearn_debias.presets._inferred_groups import inferred_groups_preset
from sklearn_debias.presets._meta_iada import meta_iada_preset
from sklearn_debias.presets._overrides import overridden
from sklearn_debias.presets._rivals import afr_preset, group_dro_preset, jtt_preset
from sklearn_debias.presets._ule import ule_preset

__all__ = [
    "afr_preset",
    "biasadv_preset",
    "dhat_preset",
    "group_dro_preset",
    "inferred_groups_preset",
    "jtt_preset",
    "meta_iada_preset",
    "overridden",
    "ule_preset",
]
