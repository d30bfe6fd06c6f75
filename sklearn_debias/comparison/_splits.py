"""The rows that a method is fitted to, and those that judge it, when its settings are selected."""

from collections.abc import Mapping
from typing import Any

from sklearn.model_selection import check_cv

from sklearn_debias.arguments import is_whole
from sklearn_debias.comparison._contenders import Contender, needs_bias_labels, takes
from sklearn_debias.comparison._parts import Part
from sklearn_debias.model_selection import BiasStratifiedKFold

FOLDS = 5  # of the validation rows, for a method that trains on them


def splits_of(
    contender: Contender, parts: Mapping[str, Part], cv: Any, seed: int
) -> list[tuple[Part, Part]]:
    """Return pairs of rows to fit to and to be judged by, for the selection."""
    if contender.trains_on == "train" and "validation" in parts:
        return [(parts["train"], parts["validation"])]
    if cv is None and contender.trains_on == "train":
        return []
    if contender.trains_on == "validation":
        rows, cv = parts["validation"], FOLDS
    else:
        rows = parts["train"]
    metadata = {}
    if is_whole(cv) and rows.bias_labels is not None:
        cv = BiasStratifiedKFold(int(cv), shuffle=True, random_state=seed)
    splitter = check_cv(cv, rows.y, classifier=True)
    if rows.bias_labels is not None and takes(splitter, "bias_labels", "split"):
        metadata["bias_labels"] = rows.bias_labels
    return [
        (rows.take(fit, rows.name), rows.take(judged, rows.name))
        for fit, judged in splitter.split(rows.X, rows.y, **metadata)
    ]


def check_labels(
    contenders: list[Contender],
    parts: Mapping[str, Part],
    splits: Mapping[str, list[tuple[Part, Part]]],
    scorer: Any,
) -> None:
    """Raise where bias labels are needed and missing, before anything runs."""
    blind = [
        c.name
        for c in contenders
        if parts[c.trains_on].bias_labels is None and needs_bias_labels(c.estimator)
    ]
    if blind:
        raise ValueError(
            f"`train` must have bias labels for {', '.join(blind)}, got none. Pass (X, y, "
            "bias_labels), leave these methods out, or wrap them in an InferredGroupsClassifier."
        )
    if takes(scorer, "bias_labels", "score"):
        judges = [judged for own in splits.values() for _, judged in own]
        bare = {part.name for part in judges if part.bias_labels is None}
        if bare:
            raise ValueError(
                f"`scoring` needs bias labels of the rows that select, and `{min(bare)}` has none. "
                "Pass them, or a scorer that needs none, such as inferred_worst_group_scorer."
            )
