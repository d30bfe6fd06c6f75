"""Export fitted classifiers to ONNX."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sklearn_debias.arguments import check_option
from sklearn_debias.deployment._graph import make_graph, open_session
from sklearn_debias.deployment._parts import Rows, parts_of, rows_of
from sklearn_debias.files import place_of, written_whole
from sklearn_debias.fitting import on_own_terms

DTYPES = ("float32", "float64", "uint8")
LIMIT = 2**31  # bytes of a file of protobuf
CHECKED = 3  # rows that a file is tried on
TOLERANCE = 1e-3  # of probabilities of made-up rows: what is wrong differs by far more
CLEAR = 1e-2  # from this margin on labels must be equal, too


def export_onnx(estimator: Any, path: str | os.PathLike, *, input_dtype: str = "float32") -> Path:
    """Write a fitted classifier as one ONNX file.

    All that ``predict_proba`` does with an array is inside of the graph: uint8 images in [0, 1],
    resizing, normalisation, the network, the scales of ClassScaling. In onnxruntime the
    probabilities are those of ``predict_proba`` to 1e-5.

    Parameters
    ----------
    estimator : fitted classifier
        Of this package; also a Pipeline of an Embedder or of scikit-learn's transformers and such a
        classifier, a FrozenEstimator, and a search, whose best estimator is exported.
    path : str or path-like
        The file. One that is there is replaced when the new one is complete.
    input_dtype : {"float32", "float64", "uint8"}, default="float32"
        Type of X in the graph. "uint8" is for images of grey levels 0 to 255. "float64" is for
        features that float32 would round, before a StandardScaler say.

    Returns
    -------
    pathlib.Path
        The file. Its graph has the input ``X``, (rows, features) or (rows, channels, height,
        width), and two outputs:

        * ``label`` (rows,): the predicted classes, in the labels of ``fit``: int64, text, bool or
          float64.
        * ``probabilities`` (rows, classes), float32, in the order of `classes_`.

        The number of rows is free, and with ``image_size`` height and width of the images are.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the classifier is not fitted.
    TypeError
        If it contains what no graph can hold, or labels that ONNX does not have.
    ValueError
        If the network cannot be exported, or images are asked for as uint8 where X are features.
    FileNotFoundError
        If the folder of ``path`` does not exist.
    ImportError
        If ``sklearn-debias[onnx]`` is not installed.
    RuntimeError
        If onnxruntime does not give the same as the classifier on a few made-up rows. Then nothing
        is written.

    Notes
    -----
    Image files are not read by a graph. A classifier that was fitted on paths is exported like any
    other, and its file takes the decoded images as arrays (rows, 3, height, width). With
    ``image_size`` Pillow resizes files, and the graph arrays: they differ by up to a grey level or
    two, unless the images that the graph is given are of that size already.

    Networks of 2-D X compute in float64, as in ``predict``, where onnxruntime can, and in float32
    otherwise; networks of images compute in float32. Steps of scikit-learn compute in float64: on
    float32 X scikit-learn itself rounds more. The global generators are not touched, and the
    classifier is left as it is.

    The file is of opset 18.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import onnxruntime
    >>> from sklearn_debias import ERMClassifier
    >>> from sklearn_debias.deployment import export_onnx
    >>> X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    >>> clf = ERMClassifier("mlp", max_epochs=2, random_state=0).fit(X, X[:, 0] > 0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     session = onnxruntime.InferenceSession(export_onnx(clf, f"{folder}/clf.onnx"))
    >>> label, probabilities = session.run(None, {"X": X})
    >>> bool(np.allclose(probabilities, clf.predict_proba(X), atol=1e-5))
    True
    """
    check_option("input_dtype", input_dtype, DTYPES)
    _check_installed()
    file = place_of(path)
    with on_own_terms(small=False):
        content = _exported(estimator, input_dtype)
        with written_whole(file) as part:
            part.write_bytes(content)
    return Path(path).expanduser()


def _exported(estimator: Any, input_dtype: str) -> bytes:
    """Return the bytes of the file, checked."""
    dtype = getattr(torch, input_dtype)
    parts = parts_of(estimator, torch.float64)
    rows = rows_of(estimator)
    classes = _labels(estimator.classes_)
    if input_dtype == "uint8" and not rows.images:
        raise ValueError(
            f"`input_dtype`='uint8' is for images, and X has {rows.shape[0]} features here. Use "
            "'float32'."
        )
    content = _serialised(make_graph(parts, rows, dtype, classes))
    if not _runs(content):
        # Of some functions, such as GELU, onnxruntime has no kernel in float64.
        parts = parts_of(estimator, torch.float32)
        content = _serialised(make_graph(parts, rows, dtype, classes))
    _check_same(content, estimator, rows, input_dtype)
    return content


def _check_installed() -> None:
    """Raise where a package that is needed is missing, with the way to get it."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Exporting needs onnx, onnxruntime, onnxscript and skl2onnx. Install them: pip install "
            "'sklearn-debias[onnx]'."
        ) from error


def _labels(classes: np.ndarray) -> np.ndarray:
    """Return labels as ONNX has them."""
    kinds = {"i": np.int64, "u": np.int64, "f": np.float64, "b": np.bool_}
    if classes.dtype.kind in kinds:
        return classes.astype(kinds[classes.dtype.kind])
    if all(isinstance(label, str) for label in classes.tolist()):
        return classes.astype(object)
    raise TypeError(
        f"`estimator` has labels that ONNX cannot hold: {classes.tolist()[:3]!r} of the dtype "
        f"{classes.dtype}. Fit it to integers or texts."
    )


def _serialised(graph: Any) -> bytes:
    if graph.ByteSize() >= LIMIT:
        raise ValueError(
            f"`estimator` takes {graph.ByteSize() / 1e9:.1f} GB, and an ONNX file is smaller than "
            "2 GB. Export its `module_` by torch.onnx.export(external_data=True)."
        )
    return graph.SerializeToString()


def _runs(content: bytes) -> bool:
    """Return whether onnxruntime has all that a graph needs."""
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Missing

    try:
        open_session(content)
    except Missing:
        return False
    return True


def _check_same(content: bytes, estimator: Any, rows: Rows, input_dtype: str) -> None:
    """Raise unless a graph gives what the estimator gives, on one row and on several."""
    X = _made_up(rows, input_dtype)
    session = open_session(content)
    for given in (X, X[:1]):
        label, probabilities = session.run(None, {"X": given})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names of columns, and of the range of made-up rows
            expected = estimator.predict_proba(given)
            labels = estimator.predict(given)
        off = np.abs(probabilities - expected).max()
        best = np.sort(expected, axis=1)
        clear = best[:, -1] - best[:, -2] > CLEAR
        if not off <= TOLERANCE or (label != labels)[clear].any():
            raise RuntimeError(
                f"`estimator` was exported, but onnxruntime gives other probabilities than its "
                f"predict_proba, by {off:.2g}, on {len(given)} made-up rows; nothing was written. "
                "Its `module` may branch on values or on the number of rows, or it may predict by "
                "methods of its own."
            )


def _made_up(rows: Rows, input_dtype: str) -> np.ndarray:
    """Return a few rows like those of the fit."""
    rng = np.random.default_rng(0)
    if not rows.images:
        return rng.standard_normal((CHECKED, *rows.shape)).astype(input_dtype)
    channels, height, width = rows.shape
    size = (height + 2, width + 1) if rows.any_size else (height, width)
    if input_dtype == "uint8":
        return rng.integers(0, 256, (CHECKED, channels, *size), dtype=np.uint8)
    # Of values above 2 no bound is known; the graph does with them what it does with others.
    high = rows.high if np.isfinite(rows.high) else 1.0
    return (rng.random((CHECKED, channels, *size)) * high).astype(input_dtype)
