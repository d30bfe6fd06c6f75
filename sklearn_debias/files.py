"""Files that are there whole, or as they were before."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PART", "place_of", "written_whole"]

PART = ".part"  # ends the name of a file that is being written


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give the name of a file beside ``path``, which takes its place once it is on the disk.

    An error inside leaves nothing but what was there.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_debias.files import written_whole
    >>> path = Path(tempfile.mkdtemp()) / "file"
    >>> with written_whole(path) as part:
    ...     _ = part.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PART}")
    try:
        yield part
        _flush(part)
        os.replace(part, path)
        with contextlib.suppress(OSError):  # some systems flush no folders; the file is there
            _flush(path.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def place_of(path: str | os.PathLike) -> Path:
    """Return where a file is to be written: behind a link, in the folder of ``~``.

    Raises
    ------
    ValueError
        If it names no file.
    FileNotFoundError
        If its folder does not exist.

    Examples
    --------
    >>> from sklearn_debias.files import place_of
    >>> place_of("model.skops").name
    'model.skops'
    """
    place = Path(os.path.realpath(os.path.expanduser(path)))
    if not os.fspath(path) or place.is_dir():
        raise ValueError(f"`path` must name a file, got {os.fspath(path)!r}.")
    if not place.parent.is_dir():
        raise FileNotFoundError(
            f"`path` must be in a folder that exists, got {os.fspath(path)!r}. Make it first."
        )
    return place


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":  # where folders cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
