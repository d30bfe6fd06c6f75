"""Accuracy under corruptions: Table 6 of BiasAdv's paper, for any fitted classifier."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from sklearn_debias.arguments import in_our_words, is_whole
from sklearn_debias.corruptions import corrupt, corruption_names
from sklearn_debias.corruptions.internal import (
    BIASADV,
    ORIGINAL,
    SEVERITIES,
    check_images,
    find,
    fits,
    read_seed,
)
from sklearn_debias.exceptions import warn
from sklearn_debias.metrics.internal import (
    Predictor,
    aligned_mask,
    binomial_bounds,
    check_confidence,
    correctness,
    encode_labels,
    find_fitted,
    find_groups,
    refuse_unseen,
)
from sklearn_debias.robustness._corruption_table import CorruptionReport
from sklearn_debias.robustness._threats import check_switch
from sklearn_debias.rows import check_same_rows

CLEAN = "clean"
MEAN = "mean"
Task = tuple[str, int | None]


@in_our_words
def corruption_report(
    estimator: Predictor,
    X: Any,
    y: Any,
    *,
    bias_labels: Any = None,
    aligned: Any = None,
    corruptions: Any = "biasadv",
    severities: Any = None,
    confidence: float = 0.95,
    random_state: Any = 0,
    verbose: int = 0,
) -> CorruptionReport:
    """Report the accuracy of a fitted classifier on corrupted images: Table 6 of [1]_.

    Parameters
    ----------
    estimator : fitted classifier
        Anything with ``predict`` that takes such images. The corruption comes before the first step
        of a Pipeline.
    X : ndarray or Tensor of shape (n, c, h, w)
        uint8 in 0..255, or floats in [0, 1]. They are not changed.
    y : array-like of shape (n,)
        True labels.
    bias_labels : array-like of shape (n,) or (n, n_attributes), default=None
        Bias attribute of each sample; adds the accuracy on the bias-conflicting ones.
    aligned : dict, default=None
        Class label -> aligned bias value. None takes what the estimator learned, where its ``fit``
        was given bias labels; else compute it by :func:`sklearn_debias.metrics.aligned_map` on the
        TRAINING data.
    corruptions : {"biasadv", "classic"} or list, default="biasadv"
        The eight of BiasAdv's supplement, the nineteen classic ones [2]_, or names and (name,
        severity) pairs. "classic" leaves out what the number of channels does not allow, with a
        warning.
    severities : int or array-like of int, default=None
        Of the corruptions that are not given as pairs, in 1..5. None: all five, except that each
        image draws its own where the corruption is one of BiasAdv's eight.
    confidence : float, default=0.95
        Coverage of each interval, in (0, 1). They are exact (Clopper-Pearson) for a new sample of
        images, with the model as it is. That of the mean is as wide as if an image were right under
        all corruptions, or under none.
    random_state : None, int, RandomState or Generator, default=0
        Of the corruptions; with an int every model meets the same images.
    verbose : int, default=0
        1 shows the progress.

    Returns
    -------
    report : CorruptionReport
        ``report.table`` and ``report.plot()``.

    Raises
    ------
    TypeError
        If X is neither an array nor a tensor, or the estimator has no ``predict``.
    ValueError
        If X or the labels have another shape or range, a corruption does not exist, or nobody knows
        the aligned values.

    Warns
    -----
    DebiasWarning
        If "classic" holds corruptions that the images cannot have.

    References
    ----------
    .. [1] J. Lim et al., "BiasAdv: Bias-Adversarial Augmentation for Model Debiasing", CVPR 2023.
    .. [2] D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common
       Corruptions and Perturbations", ICLR 2019.

    Examples
    --------
    >>> from sklearn_debias import ERMClassifier
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> from sklearn_debias.robustness import corruption_report
    >>> train, test = (load_biased_digits(random_state=0)[part] for part in ("train", "test"))
    >>> clf = ERMClassifier(
    ...     module="mlp", max_epochs=5, random_state=0
    ... ).fit(train.data, train.target)
    >>> report = corruption_report(clf, test.data, test.target, corruptions=["rotation"])
    >>> list(report.table["corruption"])
    ['clean', 'rotation', 'mean']
    """
    if not hasattr(estimator, "predict"):
        raise TypeError(f"`estimator` must have `predict`, got {type(estimator).__name__}.")
    confidence = check_confidence(confidence)
    check_switch("verbose", verbose)
    seed = read_seed(random_state)
    n_channels = check_images(X, "X").shape[1]
    tasks = _tasks(corruptions, severities, n_channels)
    check_same_rows({"X": X, "y": y, "bias_labels": bias_labels})
    labels = encode_labels(y, "y")
    if len(labels[0]) != len(X):
        raise ValueError(
            f"`y` must have one label per image of X: expected {len(X)}, got {len(labels[0])}."
        )
    if aligned is not None and bias_labels is None:
        raise ValueError(
            "`aligned` says which `bias_labels` go with which class: pass these too, or leave it "
            "None."
        )
    conflicting = None
    if bias_labels is not None:
        conflicting = _conflicting(estimator, y, bias_labels, aligned)
    shown = {"desc": "corruption_report", "unit": "corruption", "disable": not verbose}
    bar = tqdm([(CLEAN, None), *tasks], **shown)
    right = []
    for name, severity in bar:
        bar.set_postfix_str(name)
        images = X if name == CLEAN else corrupt(X, name, severity, seed)
        right.append(correctness(labels[0], labels[1], estimator.predict(images)))
    # The mean counts as one corruption more, with the share of them under which an image is right.
    right.append(np.mean(right[1:], axis=0))
    rows = [(CLEAN, None), *tasks, (MEAN, None)]
    table = pd.DataFrame(rows, columns=["corruption", "severity"]).astype({"severity": "Int64"})
    parts = {"average": np.ones(len(X), dtype=bool)}
    if conflicting is not None:
        parts["conflicting"] = conflicting
    for part, chosen in parts.items():
        hits = np.sum(np.stack(right)[:, chosen], axis=1)
        n = int(chosen.sum())
        half = (1 - confidence) / 2
        lower, upper = binomial_bounds(hits, n, half, half)
        table = table.assign(**{part: hits / n, f"{part}_lower": lower, f"{part}_upper": upper})
    n_conflicting = None if conflicting is None else int(conflicting.sum())
    return CorruptionReport(table, len(X), n_conflicting, confidence)


def _tasks(corruptions: Any, severities: Any, n_channels: int) -> list[Task]:
    """Return (name, severity) of each row, in order, each once."""
    if isinstance(corruptions, str) and corruptions in ("biasadv", "classic"):
        if corruptions == "classic" and severities is None:
            severities = SEVERITIES
        names: list = list(corruption_names(corruptions))
    elif isinstance(corruptions, list | tuple) and len(corruptions):
        names = list(corruptions)
    else:
        raise ValueError(
            "`corruptions` must be 'biasadv', 'classic', or a list of names and (name, severity), "
            f"got {corruptions!r}."
        )
    if isinstance(severities, np.ndarray | pd.Series):
        severities = np.atleast_1d(severities).tolist()
    given = list(severities) if isinstance(severities, list | tuple | range) else [severities]
    if not given:
        raise ValueError("`severities` must hold at least one of 1..5, got an empty list.")
    for severity in given:
        if severity is not None and not (is_whole(severity) and 1 <= severity <= 5):
            raise ValueError(f"`severities` must be ints in 1..5, or None, got {severity!r:.60}.")
    tasks: list[Task] = []
    for entry in names:
        pair = isinstance(entry, tuple) and len(entry) == 2
        name, asked = (entry[0], [entry[1]]) if pair else (entry, given)
        if asked == [None] and isinstance(name, str) and name not in (*BIASADV, ORIGINAL):
            asked = list(SEVERITIES)
        said = ("`corruptions`", "A severity of `corruptions`" if pair else "`severities`")
        tasks += [(name, find(name, severity, said)[1]) for severity in asked]
    tasks = list(dict.fromkeys(tasks))
    unfit = dict.fromkeys(name for name, severity in tasks if not fits(name, severity, n_channels))
    if not unfit:
        return tasks
    if not isinstance(corruptions, str):
        name, severity = next(task for task in tasks if task[0] in unfit)
        allowed = " or ".join(map(str, find(name, severity)[0].channels or ()))
        raise ValueError(
            f"`X` must have {allowed} channels for {name!r} of `corruptions`, got {n_channels}."
        )
    message = (
        f"Images with {n_channels} channels cannot have {', '.join(unfit)}: left out of "
        f"{corruptions!r}."
    )
    warn(message)
    return [task for task in tasks if task[0] not in unfit]


def _conflicting(estimator: Predictor, y: Any, bias_labels: Any, aligned: Any) -> np.ndarray:
    """Tell which samples (n,) have another bias value than their class mostly had in training."""
    labels = encode_labels(y, "y")
    groups = find_groups(labels, keep=np.ones(len(labels[0]), dtype=bool), bias_labels=bias_labels)
    if aligned is None:
        aligned = find_fitted(estimator, "aligned_bias_")
        refuse_unseen(estimator, y, bias_labels)
    if not isinstance(aligned, Mapping) or not aligned:
        raise ValueError(
            "`aligned` must be given with `bias_labels` where the estimator was fitted without "
            "bias labels: pass aligned_map(y_train, bias_train), or a dict from class label to "
            "aligned bias value."
        )
    conflicting = ~aligned_mask(groups, aligned)[groups.strata]
    if not conflicting.any():
        raise ValueError(
            "`bias_labels` must hold at least one conflicting sample, but all go with their class."
        )
    return conflicting
