"""Published pairs of an inference and a training on what it infers."""

from copy import deepcopy
from typing import Any

from sklearn_debias.arguments import is_one_of

# By name: parameters of GroupInferrer, what its model has in place of the shared parameters, the
# classifier that is trained, and how it is given the groups.
PRESETS: dict[str, dict[str, Any]] = {
    # Section 5.2 of the paper: on Waterbirds ERM of one epoch, then GroupDRO. 10,000 steps of Adam
    # at 1e-3 are those of the released code.
    "eiil": {
        "inferrer": {"method": "eiil", "n_splits": 1, "n_steps": 10_000},
        "reference": {"max_epochs": 1},
        "classifier": "GroupDROClassifier",
        "groups_as": "bias_labels",
    },
    # Clusters of the outputs after an early epoch, then training by importance sampling.
    "spare": {
        "inferrer": {"method": "clusters", "n_splits": 1, "features": "outputs"},
        "reference": {"max_epochs": 1},
        "classifier": "ERMClassifier",
        "groups_as": "sampling_weight",
    },
    # Three parts of the rows without labels, sure above .95, then GroupDRO.
    "ssa": {
        "inferrer": {"method": "ssa", "n_splits": 3, "threshold": 0.95},
        "reference": {},
        "classifier": "GroupDROClassifier",
        "groups_as": "bias_labels",
    },
    # Phase 1, and phase 2 with GroupDRO, as in Table 2.
    "xrm": {
        "inferrer": {"method": "xrm"},
        "reference": {},
        "classifier": "GroupDROClassifier",
        "groups_as": "bias_labels",
    },
    # Clusters of the features of a trained ERM, then GroupDRO.
    "george": {
        "inferrer": {
            "method": "clusters",
            "n_splits": 1,
            "features": "embeddings",
            "max_clusters": 10,
        },
        "reference": {},
        "classifier": "GroupDROClassifier",
        "groups_as": "bias_labels",
    },
}


def inferred_groups_preset(name: str) -> dict[str, Any]:
    """Return the settings of a published pair."""
    if not is_one_of(name, PRESETS):
        raise ValueError(f"`name` must be one of {', '.join(map(repr, PRESETS))}, got {name!r}.")
    return deepcopy(PRESETS[name])
