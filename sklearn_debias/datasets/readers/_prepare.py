"""From the data that a reader gave to embeddings of them."""

from typing import Any

from sklearn.base import clone
from sklearn.utils import Bunch


def prepare_embeddings(bunch: Bunch, embedder: Any) -> Bunch:
    """Embed what a reader gave.

    The embedder is fitted on the training set, and on nothing else.

    Parameters
    ----------
    bunch : Bunch
        Of any reader or generator here but `read_cifar_c`, which has no training set: with `train`,
        and other sets that have `data`. It is not changed.
    embedder : transformer
        An `Embedder`, whose cache keeps each row's embedding for the next call, or any other
        transformer that takes the data, such as a PCA of features. It is cloned.

    Returns
    -------
    prepared : sklearn.utils.Bunch
        A copy of ``bunch`` with `embedder`, the fitted transformer. Each set has the embeddings as
        `data`, and as `paths` what was `data` before. All else stays as it was: `fingerprint` is
        that of the data.

    Raises
    ------
    TypeError
        If the embedder is no transformer.
    ValueError
        If there is no `train`, or the embedder returns another number of rows.

    See Also
    --------
    read_features : Reads embeddings that are there already.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_debias.datasets import make_spurious_embeddings, prepare_embeddings
    >>> sets = make_spurious_embeddings(random_state=0)
    >>> prepared = prepare_embeddings(sets, PCA(2))
    >>> prepared.test.data.shape[1], prepared.test.paths is sets.test.data
    (2, True)
    """
    is_transformer = all(hasattr(embedder, method) for method in ("fit", "transform"))
    if isinstance(embedder, type) or not is_transformer:
        raise TypeError(
            "`embedder` must be a transformer with `fit` and `transform`, as Embedder(), got "
            f"{embedder!r}."
        )
    sets = _sets(bunch)
    embedder = clone(embedder, safe=False)
    # The training set first: it is what the embedder is fitted on.
    found = {"train": _fitted(embedder, sets["train"])}
    found |= {name: embedder.transform(part.data) for name, part in sets.items() if name != "train"}
    prepared = Bunch(**bunch)
    for name, part in sets.items():
        n_rows, n_found = _length(part.data), _length(found[name])
        if n_found != n_rows:
            raise ValueError(
                f"`embedder` must return one row for each row of the data: of {n_rows:,} in "
                f"{name!r} it made {n_found:,}."
            )
        prepared[name] = Bunch(**{**part, "data": found[name], "paths": part.data})
    prepared.embedder = embedder
    prepared.DESCR = f"{bunch.get('DESCR', '').rstrip()}\n\nEmbedded by {embedder!r}.".lstrip()
    return prepared


def _sets(bunch: Any) -> dict[str, Bunch]:
    """Return the sets of a Bunch."""
    if not isinstance(bunch, Bunch):
        raise TypeError(f"`bunch` must be what a reader returns, got a {type(bunch).__name__}.")
    sets = {
        name: part for name, part in bunch.items() if isinstance(part, Bunch) and "data" in part
    }
    if "train" not in sets and "images" in bunch:
        raise ValueError(
            "`bunch` must have `train`, which the embedder is fitted on; that of `read_cifar_c` "
            "has images alone. Embed them by the embedder of the set they are from: "
            "prepared.embedder.transform(bunch.images[corruption, severity])."
        )
    if "train" not in sets:
        raise ValueError(
            "`bunch` must have `train`, which the embedder is fitted on; it has the sets "
            f"{list(sets)}."
        )
    return sets


def _fitted(embedder: Any, train: Bunch) -> Any:
    """Fit an embedder, and return the embeddings of the training set."""
    target = train.get("target")
    if hasattr(embedder, "fit_transform"):
        # Not always what fit and transform give: some see a row with its own class left out.
        return embedder.fit_transform(train.data, target)
    return embedder.fit(train.data, target).transform(train.data)


def _length(rows: Any) -> int:
    return rows.shape[0] if hasattr(rows, "shape") else len(rows)
