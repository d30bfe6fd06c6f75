"""Is there a shortcut? A report to read before fitting, with metadata, embeddings or images."""

from typing import Any

import numpy as np

from sklearn_debias.arguments import in_our_words
from sklearn_debias.feature_extraction import image_properties
from sklearn_debias.fitting import on_own_terms, open_inputs
from sklearn_debias.inspection._bias_settings import Settings
from sklearn_debias.inspection._bias_table import BiasReport
from sklearn_debias.inspection._candidates import Candidates, candidates_of
from sklearn_debias.inspection._dependence import Folds
from sklearn_debias.inspection._judging import judge_columns, tables_of
from sklearn_debias.inspection._metadata import OTHER, Column, read_metadata
from sklearn_debias.metrics.internal import check_rng, encode_labels, shorten
from sklearn_debias.rows import check_same_rows
from sklearn_debias.training import blamed

__all__ = ["bias_report"]

FEWEST_ROWS = 20
SEEDS = 2**31


@in_our_words
def bias_report(
    y: Any,
    metadata: Any = None,
    embeddings: Any = None,
    images: Any = None,
    *,
    inferred_labels: Any = None,
    alpha: float = 0.05,
    n_permutations: int = 999,
    cv: int = 5,
    min_cell: int = 5,
    confidence: float = 0.95,
    random_state: Any = None,
    verbose: int = 0,
) -> BiasReport:
    """Report what predicts the classes beyond chance, and which groups a model may fail on.

    No bias labels are needed, and no fitted model. Columns of metadata, and simple properties of
    images, are judged one by one: how well does this column alone predict ``y``? On embeddings a
    linear model is fitted, and where it errs with confidence candidate groups are formed, to look
    at.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class labels of the training data, of at least 20 rows and two classes.
    metadata : DataFrame, dict of columns, array-like of shape (n,) or (n, columns), default=None
        What is known of each row: place, device, time, text length. Texts, categories, booleans and
        numbers of up to ten values count as they are; other numbers and times are binned by their
        quantiles, into 2 bins, or up to 8 of at least 25 rows. A missing value is one of its own.
        Columns that are constant, or have another whole number in every row, or a text of its own
        in nine of ten rows or more, are named and left out. Of more than 100 texts or categories
        the 99 most frequent count as they are, but none that occurs once; the rest are pooled as
        "(other)", which a note names.
    embeddings : array-like of shape (n, features), default=None
        Outputs of a pretrained network for each row, or other features.
    images : array-like of shape (n, channels, height, width) or list of paths, default=None
        Their properties, see :func:`sklearn_debias.feature_extraction.image_properties`, are judged
        as columns "image brightness", "image colour", ...
    inferred_labels : fitted GroupInferrer, or array-like of shape (n,), default=None
        Bias labels that were inferred, by any method. With ``embeddings`` each of them in each
        class is a candidate group, too.
    alpha : float, default=0.05
        Probability, in (0, 1), of calling any column spurious where none is.
    n_permutations : int, default=999
        Permutations of ``y``, at least ``1 / alpha - 1``. The smallest p-value is
        ``1 / (1 + n_permutations)``.
    cv : int, default=5
        Folds, >= 2.
    min_cell : int, default=5
        Cells (class, value) with fewer rows, but some, count as tiny; >= 1.
    confidence : float, default=0.95
        Coverage of each interval, in (0, 1).
    random_state : None, int, RandomState or Generator, default=None
        Decides folds, permutations and slices. No global generator is read or moved.
    verbose : int, default=0
        Whether to show the progress of the permutations.

    Returns
    -------
    report : BiasReport
        Tables, text, HTML and a picture.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, nothing is given beside ``y``, or ``y`` has fewer than 20 rows,
        one class, or no class of several rows.

    See Also
    --------
    sklearn_debias.metrics.group_report : accuracy by group once a model is fitted.

    Notes
    -----
    "Spurious" says: predicts ``y`` beyond chance. A ruler beside the lesion and the lesion's size
    both do; which one is a shortcut, the data cannot tell.

    The balanced accuracy is that of the class with the greatest lift, out of fold: the class that
    has this value most often among the training rows, by its share. A majority class gains nothing
    by that. The balanced accuracy and the mutual information, each in standard deviations of
    their permutations, are the evidence; the greater counts. Its null distribution is that of the
    same statistic with the rows of ``y`` permuted, so that noise is called spurious with
    probability at most ``alpha`` over all columns together [1]_, whatever the share of the
    majority. Rare values are pooled by their frequency alone, which permuting ``y`` leaves as it
    is. Rows must be exchangeable: many rows of one patient are not.

    The intervals are of each column alone, and approximate: they take the rows predicted out of
    fold for independent. What is spurious, the permutations say.

    Slices come from half of the rows of each class, and their accuracies from the other half, in
    the manner of [2]_ but with a linear model. A model errs in one region or another on noise, too;
    a candidate is a slice that also stands apart from the rest of its class, of a model that is
    better than chance: one of noise is wrong about one class in each cluster of rows. That its rows
    share a cause is for the eye. Features of heavy tails can look like groups. The accuracies of
    inferred labels are measured on all rows: where errors were what the labels were inferred from,
    they are low by construction.

    References
    ----------
    .. [1] P. Westfall and S. Young, "Resampling-Based Multiple Testing", Wiley 1993.
    .. [2] S. Eyuboglu et al., "Domino: Discovering Systematic Errors with Cross-Modal Embeddings",
       ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.inspection import bias_report
    >>> rng = np.random.default_rng(0)
    >>> y = np.array(["camel", "cow"])[np.arange(100) % 2]
    >>> ground = np.where(y == "cow", "grass", "sand")
    >>> ground[:10] = "grass"
    >>> report = bias_report(y, {"ground": ground, "noise": rng.random(100)}, random_state=0)
    >>> report.spurious, report.aligned["ground"]
    (['ground'], {'camel': 'sand', 'cow': 'grass'})
    """
    settings = Settings(alpha, n_permutations, cv, min_cell, confidence, verbose).checked()
    rng = check_rng(random_state)
    rows = {"y": y, "metadata": metadata, "embeddings": embeddings, "images": images}
    # An inferrer that was fitted to the same rows has their labels.
    inferred_labels = getattr(inferred_labels, "bias_labels_", inferred_labels)
    check_same_rows(rows | {"inferred_labels": inferred_labels})
    codes, classes = _read_y(y)
    if metadata is None and embeddings is None and images is None:
        raise ValueError("`metadata`, `embeddings` or `images` must be given, got none of them.")
    if inferred_labels is not None and embeddings is None:
        raise ValueError(
            "`inferred_labels` must come with `embeddings`, on which the accuracy of their groups "
            "is measured. Or pass them as `metadata`."
        )
    # Drawn first: what else is given does not change what is found of one of them.
    folds_seed, order_seed, slice_seed = (int(rng.random() * SEEDS) for _ in range(3))
    columns = _columns_of(metadata, images, len(codes))
    points = None if embeddings is None else _read_embeddings(embeddings, len(codes))
    labels = None if inferred_labels is None else _read_inferred(inferred_labels, len(codes))
    folds = Folds.stratified(codes, len(classes), cv, np.random.default_rng(folds_seed))
    frame = judge_columns(columns, folds, settings, np.random.default_rng(order_seed))
    cells, aligned = tables_of(columns, codes, classes)
    found = Candidates()
    if points is not None:
        found = candidates_of(points, folds, classes, labels, settings, slice_seed)
    return BiasReport(
        columns=frame,
        cells=cells,
        aligned=aligned,
        candidates=found.frame,
        members=found.members,
        n_samples=len(codes),
        classes=tuple(classes),
        alpha=float(alpha),
        n_permutations=int(n_permutations),
        model_accuracy=found.model_accuracy,
        notes=(*_notes(codes, classes, cv), *_pools(columns)),
    )


def _read_y(y: Any) -> tuple[np.ndarray, list[Any]]:
    """Return class codes (n,) and the classes."""
    codes, classes = encode_labels(y, "y")
    if len(codes) < FEWEST_ROWS:
        raise ValueError(
            f"`y` must have at least {FEWEST_ROWS} rows, got {len(codes)}: with fewer nothing can "
            "be told from chance. Look at them."
        )
    if len(classes) < 2:
        raise ValueError(f"`y` must hold at least 2 classes, got one class: {classes}.")
    if len(classes) == len(codes):
        raise ValueError(
            f"`y` must hold classes of several rows, got {len(classes)} classes of one row each."
        )
    return codes, classes


def _columns_of(metadata: Any, images: Any, n: int) -> list[Column]:
    """Return the columns of the metadata and of the images' properties."""
    columns = [] if metadata is None else read_metadata(metadata, n)
    if images is None:
        return columns
    properties = image_properties(images)
    if len(properties) != n:
        raise ValueError(
            f"`images` must have one image per row of `y`: expected {n}, got {len(properties)}."
        )
    properties.columns = [f"image {name.replace('_', ' ')}" for name in properties.columns]
    taken = {column.name for column in columns}.intersection(properties.columns)
    if taken:
        raise ValueError(
            f"`metadata` must not have columns that are made of `images`, got {shorten(taken)}. "
            "Rename them."
        )
    return [*columns, *read_metadata(properties, n, "images")]


def _read_embeddings(embeddings: Any, n: int) -> np.ndarray:
    """Return the embeddings as floats (n, features)."""
    with (
        on_own_terms(small=True),
        blamed("embeddings", "Pass finite numbers of shape (n, features)."),
    ):
        inputs = open_inputs(embeddings, dtype="float32")
        if len(inputs.shape) != 1:
            raise ValueError(f"they must be 2-D, got rows of shape {inputs.shape}")
        if len(inputs) != n:
            raise ValueError(f"expected one row per row of `y`, {n}, got {len(inputs)}")
        return inputs.source.take(np.arange(n)).numpy().astype(float)


def _read_inferred(inferred_labels: Any, n: int) -> tuple[np.ndarray, list[Any]]:
    """Return codes (n,) of the labels, and the labels."""
    codes, values = encode_labels(inferred_labels, "inferred_labels")
    if len(codes) != n:
        raise ValueError(
            f"`inferred_labels` must have one label per row of `y`: expected {n}, got {len(codes)}."
        )
    return codes, values


def _notes(codes: np.ndarray, classes: list[Any], cv: int) -> tuple[str, ...]:
    """Return notes on classes that are too rare."""
    rare = [label for label, n in zip(classes, np.bincount(codes), strict=True) if n < cv]
    if not rare:
        return ()
    return (f"classes with fewer rows than folds, whose shares say little: {shorten(rare)}",)


def _pools(columns: list[Column]) -> list[str]:
    """Return notes on columns whose rare values are pooled."""
    pooled = [column for column in columns if column.n_pooled]
    return [
        f"rare values of {column.name!r} are pooled as {OTHER!r}: {column.n_pooled} of "
        f"{column.n_pooled + len(column.values) - 1 - (column.n_missing > 0)}"
        for column in pooled
    ]
