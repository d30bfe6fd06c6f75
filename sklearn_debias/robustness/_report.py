"""Several attacks at once, and the worst of them for each sample."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import in_our_words
from sklearn_debias.attacks import AutoAttack, StepwiseAttack, Threat, get_attack
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import Model
from sklearn_debias.metrics import GroupReport, group_report
from sklearn_debias.metrics.internal import binomial_bounds, check_confidence, check_group_size
from sklearn_debias.robustness._evaluate import Evaluation, Outcome, open_rows
from sklearn_debias.robustness._masking import CHANCE, masking_signs
from sklearn_debias.robustness._robust_report import CLEAN, WORST, RobustReport
from sklearn_debias.robustness._scores import open_evaluation
from sklearn_debias.robustness._threats import check_switch, row_shape
from sklearn_debias.robustness._transfer import transfer_codes
from sklearn_debias.rows import check_same_rows

__all__ = ["robust_report"]

TAKEN = {CLEAN, WORST, "class", "bias", "n", "lower", "upper"}  # columns of the report's frames


@in_our_words
def robust_report(
    estimator: Model,
    X: Any,
    y: Any,
    *,
    attacks: Any = ("fgsm", "pgd-20", "cw"),
    bias_labels: Any = None,
    transfer_from: Any = (),
    epsilon: Any = "auto",
    norm: str = "linf",
    clip: Any = "auto",
    judge: str = "any",
    min_group_size: int = 1,
    confidence: float = 0.95,
    check_masking: bool = True,
    random_state: Any = 0,
    verbose: int = 0,
) -> RobustReport:
    """Report the accuracy under several attacks, and under the worst of them for each sample.

    Parameters
    ----------
    estimator, X, y, epsilon, norm, clip, judge, random_state, verbose
        As in `robust_accuracy_score`.
    attacks : sequence of str or attack, or dict of them by name, default=("fgsm", "pgd-20", "cw")
        Add "autoattack" for figures to be compared with papers.
    bias_labels : array-like of shape (n,) or (n, attributes), default=None
        Adds the accuracy of every group, and of the worst one.
    transfer_from : sequence of models, or dict of them by name, default=()
        Fitted classifiers or modules: the inputs that "pgd-20" finds at each are one attack more.
    min_group_size : int, default=1
        Groups with fewer rows are left out of the worst one, as in
        :func:`sklearn_debias.metrics.group_report`.
    confidence : float, default=0.95
        Coverage of the exact intervals, in (0, 1).
    check_masking : bool, default=True
        Whether to look for signs of gradient masking on up to 100 rows: that one step fools more
        than ten, that random restarts change much, that a search without gradients (or a transfer)
        fools what no gradient did, or that a ball which holds all inputs does not fool them all
        [1]_.

    Returns
    -------
    RobustReport

    Raises
    ------
    TypeError, ValueError, ImportError
        As `robust_accuracy_score`.

    Warns
    -----
    DebiasWarning
        On signs of gradient masking: the robust accuracy is then overstated.

    References
    ----------
    .. [1] Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security", ICML
       2018.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn_debias.robustness import robust_report
    >>> X, y = np.random.default_rng(0).random((20, 3)), np.arange(20) % 2
    >>> report = robust_report(torch.nn.Linear(3, 2).double(), X, y, attacks=["fgsm"], epsilon=0.2)
    >>> report.frame.attack.tolist()
    ['clean', 'fgsm', 'worst case']
    """
    confidence = check_confidence(confidence)
    check_group_size(min_group_size)
    check_same_rows({"X": X, "y": y, "bias_labels": bias_labels})
    check_switch("check_masking", check_masking)
    sources = _named(transfer_from, "transfer_from", "source")
    named = _named_attacks(attacks, {f"transfer from {name}" for name in sources})
    options = {
        "epsilon": epsilon,
        "norm": norm,
        "clip": clip,
        "random_state": random_state,
        "verbose": verbose,
    }
    evaluation, threat = open_evaluation(estimator, X, y, judge=judge, **options)
    _check_before(evaluation, threat, named, sources, X, y)
    outcomes = {CLEAN: evaluation.clean}
    how = {
        "bias_labels": bias_labels,
        "min_group_size": min_group_size,
        "confidence": confidence,
    }
    if bias_labels is not None:
        # Bad labels raise now, and not after hours of attacks.
        _groups(evaluation, outcomes, how)
    for name, attack in named.items():
        outcomes[name] = evaluation.run(attack, threat)
    # What no attack on this network fools: a transfer that fools it is a sign of masking.
    white = np.logical_and.reduce([outcome.robust for outcome in outcomes.values()])
    for name, source in sources.items():
        codes = transfer_codes(source, estimator, X, y, **options).clean.codes
        # A row that is missed as it is stays wrong, even where its attacked copy is not.
        codes = np.where(evaluation.clean.robust, codes, evaluation.clean.codes)
        outcomes[f"transfer from {name}"] = Outcome(evaluation.y, codes)
    outcomes[WORST] = _worst(list(outcomes.values()))
    signs = masking_signs(evaluation, threat, white) if check_masking else []
    if check_masking and sources:
        signs += _transfer_signs(white & ~outcomes[WORST].robust)
    if signs:
        warn(
            f"Signs of gradient masking: {'; '.join(signs)}. The robust accuracy is overstated. "
            "Remove what hides the gradient, attack with more restarts, 'autoattack' or "
            "'random-search', and read the worst case."
        )
    groups = {} if bias_labels is None else _groups(evaluation, outcomes, how)
    right = pd.DataFrame({name: outcome.robust for name, outcome in outcomes.items()})
    frame = _frame(right, groups, confidence)
    return RobustReport(frame, right, groups, threat.epsilon, norm, confidence, tuple(signs))


def _worst(outcomes: list[Outcome]) -> Outcome:
    """Return for each row the code of the first attack that fools it."""
    codes = outcomes[0].codes.copy()
    for outcome in outcomes[1:]:
        codes = np.where(codes == outcome.y, outcome.codes, codes)
    return Outcome(outcomes[0].y, codes)


def _transfer_signs(only: np.ndarray) -> list[str]:
    n = int(only.sum())
    words = f"a transfer from another model fools {n} of {len(only)} rows that no gradient did"
    return [words] if n >= 2 and n > CHANCE * len(only) else []


def _groups(
    evaluation: Evaluation, outcomes: dict[str, Outcome], how: dict[str, Any]
) -> dict[str, GroupReport]:
    classes = evaluation.classes
    return {
        name: group_report(classes[evaluation.y], classes[outcome.codes], **how)
        for name, outcome in outcomes.items()
    }


def _frame(right: pd.DataFrame, groups: dict[str, GroupReport], confidence: float) -> pd.DataFrame:
    half = (1 - confidence) / 2
    hits = right.sum().to_numpy()
    n = len(right)
    lower, upper = binomial_bounds(hits, n, half, half)
    columns = {"attack": list(right), "accuracy": hits / n, "lower": lower, "upper": upper}
    if groups:
        columns["worst_group_accuracy"] = [groups[str(name)].worst_group_accuracy for name in right]
    return pd.DataFrame(columns)


def _named_attacks(attacks: Any, transfers: set[str]) -> dict[str, StepwiseAttack | AutoAttack]:
    found = {name: get_attack(attack) for name, attack in _named(attacks, "attacks", "").items()}
    taken = sorted({*TAKEN, *transfers}.intersection(found))
    if taken or not found:
        clash = f", which takes {taken!r}" if taken else ""
        raise ValueError(
            "`attacks` must hold at least one attack, by names that the report has no other "
            f"column for, got {attacks!r}{clash}."
        )
    return found


def _check_before(
    evaluation: Evaluation,
    threat: Threat,
    attacks: dict[str, Any],
    sources: dict[str, Any],
    X: Any,
    y: Any,
) -> None:
    """Raise what an attack or a source would raise when its turn comes, perhaps after hours."""
    for attack in attacks.values():
        attack.check(threat, evaluation.n_classes, row_shape(evaluation.opened))
    for source in sources.values():
        open_rows(source, X, y, "transfer_from")


def _named(things: Any, parameter: str, prefix: str) -> dict[str, Any]:
    """Return things by name: a dict's own; in a sequence the number, the text or the repr."""
    if isinstance(things, Mapping):
        if len({str(name) for name in things}) < len(things):
            raise ValueError(
                f"`{parameter}` must not repeat a name, got {[str(name) for name in things]}."
            )
        return {str(name): thing for name, thing in things.items()}
    if isinstance(things, str) or not isinstance(things, list | tuple):
        raise TypeError(f"`{parameter}` must be a sequence, or a dict by name, got {things!r}.")
    if prefix:
        names = [f"{prefix} {i}" for i in range(len(things))]
    else:
        names = [thing if isinstance(thing, str) else repr(thing) for thing in things]
    if len(set(names)) < len(names):
        raise ValueError(f"`{parameter}` must not repeat a name, got {names}.")
    return dict(zip(names, things, strict=True))
