"""Settings of the papers' experiments, by name: plain data."""

from sklearn_debias.presets._biasadv import biasadv_preset
from sklearn_debias.presets._dhat import dhat_preset
from sklearn_debias.presets._inferred_groups import inferred_groups_preset

__all__ = ["biasadv_preset", "dhat_preset", "inferred_groups_preset"]
