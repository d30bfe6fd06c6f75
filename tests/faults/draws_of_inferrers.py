"""What random calls are drawn from, for what infers groups and trains on them."""

from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from sklearn_debias import DFRClassifier, ERMClassifier, GroupInferrer

# The first value of each list is sound; the others may or may not be.
OF_INFERRERS = {
    "InferredGroupsClassifier": {
        "classifier": [
            None,
            DFRClassifier(C=1.0, n_resamples=1),
            ERMClassifier(max_epochs=1),
            LogisticRegression(),
            LogisticRegression,
            KNeighborsClassifier(),
            "x",
        ],
        "n_checks": [1, 0, 2, -1],
        "groups_as": ["auto", "bias_labels", "sample_weight", "sampling_weight", "x"],
        "fallback": [None, LogisticRegression(), ERMClassifier(max_epochs=1), DFRClassifier, 3],
        "inferrer": [
            "errors",
            "eiil",
            "xrm",
            "clusters",
            GroupInferrer(n_splits=2),
            GroupInferrer("ssa"),
            GroupInferrer,
            "x",
            None,
        ],
    },
}
