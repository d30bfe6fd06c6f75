"""Model files: skops archives with a digest, written whole or not at all."""

import contextlib
import hashlib
import importlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator
from torch import nn

from sklearn_debias.deployment._slim import slimmed
from sklearn_debias.exceptions import SavedModelError
from sklearn_debias.files import place_of, written_whole

OURS = __name__.partition(".")[0]
NETWORKS = f"{OURS}.models"
LARGEST_RATIO = 200  # of what is unpacked to the file: text shrinks to a hundredth at most
DIGEST = b"sklearn_debias sha256 "  # in the comment of the archive, before the digest


def save_model(estimator: Any, path: str | os.PathLike, *, slim: bool = False) -> None:
    """Save a model to a file that `load_model` reads without running code.

    The file is an archive of skops: text and numpy arrays, no pickle. It is written beside its
    place, read back, and renamed into it, so that there is a whole file or none.

    Parameters
    ----------
    estimator : estimator
        Of this package or of scikit-learn: alone, or in a Pipeline. Networks must be given by a
        name, or by a class or function that can be imported; an instance is refused.
    path : str or path-like
        By custom it ends in ``.skops``. A file that is there is replaced.
    slim : bool, default=False
        Save what prediction needs only, see `slimmed`.

    Raises
    ------
    ValueError
        If a part cannot be saved without pickle. The message names it, and what to pass.
    ImportError
        If skops is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_debias import ERMClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> from sklearn_debias.deployment import load_model, save_model
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = ERMClassifier(max_epochs=2, random_state=0).fit(train.data, train.target)
    >>> path = Path(tempfile.mkdtemp()) / "model.skops"
    >>> save_model(clf, path, slim=True)
    >>> load_model(path).score(train.data, train.target) == clf.score(train.data, train.target)
    True
    """
    io_of_skops = _skops()
    model = slimmed(estimator) if slim else estimator
    path = place_of(path)
    with written_whole(path) as part:
        with part.open("w+b") as file:
            try:
                io_of_skops.dump(model, file)
            except (ValueError, OSError, MemoryError):
                raise
            except Exception as error:  # its own, and those of parts that say what they cannot
                raise ValueError(
                    f"`estimator` holds what skops cannot save: {error} Keep it for yourself, by "
                    "joblib."
                ) from error
            _sign(file)
        # A file that nobody can read is no copy: this is the time to know.
        content = part.read_bytes()
        _loaded(path, content, io_of_skops.get_untrusted_types(data=content))


def load_model(path: str | os.PathLike, *, trusted: Iterable[str | type] = ()) -> Any:
    """Load a model that `save_model`, or skops, has saved; no code of the file is run.

    Parameters
    ----------
    path : str or path-like
    trusted : iterable of str or type, default=()
        Names of classes and functions, beside those of this package, of scikit-learn and of numpy,
        that may be imported and made: your network's class, say. Each is code of yours that the
        file makes run: look at the names before you pass them.

    Returns
    -------
    estimator
        On the device of the fit where it is here, else on the CPU.

    Raises
    ------
    ValueError
        If the file holds other types.
    SavedModelError
        If it is damaged, or was written by a version that this one cannot read. The message says
        which.
    FileNotFoundError
        If there is no such file.
    ImportError
        If skops is not installed.

    Examples
    --------
    See `save_model`.
    """
    io_of_skops = _skops()
    path = Path(path).expanduser()
    content = path.read_bytes()
    with _readable(path):
        _check_content(content)
        untrusted = io_of_skops.get_untrusted_types(data=content)
    given = {_name_of(one) for one in ([trusted] if isinstance(trusted, str | type) else trusted)}
    strangers = [name for name in untrusted if name not in given and not _is_harmless(name)]
    if strangers:
        raise ValueError(
            f"{str(path)!r} asks for code that is not of this package: {strangers}. If you know "
            f"where the file is from, and these names, pass trusted={strangers}."
        )
    return _loaded(path, content, untrusted)


def _loaded(path: Path, content: bytes, trusted: list[str]) -> Any:
    with _readable(path):
        return _skops().loads(content, trusted=trusted)


@contextlib.contextmanager
def _readable(path: Path) -> Any:
    """Say of any error inside that the file is damaged, except where it is said already."""
    try:
        yield
    except (SavedModelError, MemoryError, ImportError):
        raise
    except Exception as error:
        raise SavedModelError(
            f"{str(path)!r} is no model file of this package or of skops, or it is damaged: "
            f"{type(error).__name__}: {error}"
        ) from error


def _skops() -> ModuleType:
    try:
        return importlib.import_module("skops.io")
    except ImportError as error:
        raise ImportError(
            "Model files need skops: pip install skops, or pip install sklearn-debias[save]."
        ) from error


def _sign(file: BinaryIO) -> None:
    """Write a digest of all that an archive holds into its comment."""
    with ZipFile(file, "a") as archive:
        archive.comment = DIGEST + _digest(archive).encode()


def _check_content(content: bytes) -> None:
    """Raise where an archive does not hold what was written: the parts of other libraries, too."""
    with ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > LARGEST_RATIO * len(content):
            raise BadZipFile(f"its {len(content)} bytes would take {unpacked} in memory")
        digest = _digest(archive)  # reads all of it, and so compares the checksums of zip
        signed = archive.comment
    if signed.startswith(DIGEST) and signed[len(DIGEST) :] != digest.encode():
        raise BadZipFile("its digest is not that of its content")


def _digest(archive: ZipFile) -> str:
    found = hashlib.sha256()
    for name in sorted(archive.namelist()):
        with archive.open(name) as part:
            content = hashlib.file_digest(part, "sha256")  # type: ignore[arg-type]
        found.update(f"{name} {content.hexdigest()}\n".encode())
    return found.hexdigest()


def _is_harmless(name: str) -> bool:
    """Return whether a name is that of an estimator, splitter or network, which do no harm.

    Any other function of this package may do more than make a network, where it is called by what
    a file says.
    """
    module, _, attribute = name.rpartition(".")
    if name == "sklearn.metrics._scorer._PassthroughScorer":
        return True  # of a search without `scoring`
    if module.startswith("torch.optim."):  # a class that a fit is given; loading makes none
        kind = getattr(importlib.import_module("torch.optim"), attribute, None)
        return isinstance(kind, type) and kind.__module__ == module
    if module.partition(".")[0] != OURS and module != "sklearn.model_selection._split":
        return False
    try:
        value = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    if getattr(value, "__module__", None) != module:
        return False
    if isinstance(value, type):
        return issubclass(value, BaseEstimator | BaseCrossValidator | nn.Module)
    return callable(value) and module.startswith(f"{NETWORKS}.")


def _name_of(one: str | type) -> str:
    return one if isinstance(one, str) else f"{one.__module__}.{one.__name__}"
