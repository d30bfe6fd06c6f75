"""The folder of one fit's checkpoints: written whole, the last two kept, locked by its writer."""

import contextlib
import errno
import hashlib
import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.files import PART, written_whole

FORMAT = 1  # of the files
KEPT = 2
NAME = re.compile(r"epoch-(\d{6,})\.json")
BLOCK = 2**22


@dataclass(frozen=True)
class Saved:
    """A checkpoint as it was written.

    Parameters
    ----------
    path : Path
        Of its text.
    text : Any
        What JSON can hold.
    arrays : mapping of str to ndarray
    """

    path: Path
    text: Any
    arrays: Mapping[str, np.ndarray]


class Checkpoints:
    """The checkpoints of one fit, in a folder that it alone writes to.

    A checkpoint is a file of safetensors and a text beside it, with the checksums of both. The text
    is written last, so that whatever happens there is a whole checkpoint or the one before.

    Parameters
    ----------
    folder : path-like
        Made if it is missing.

    Raises
    ------
    ValueError
        If it is a file, or another fit is writing to it.
    OSError
        If it cannot be written to.
    """

    def __init__(self, folder: Any) -> None:
        self.folder = Path(folder).expanduser()
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(
                f"`checkpoint` must be a folder, got the file {str(self.folder)!r}. Name another."
            )
        from filelock import FileLock, Timeout  # not at the top: few fits need it

        self.made = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(self.folder / "lock")
        try:
            self.lock.acquire(timeout=0)
        except Timeout as error:
            raise ValueError(
                f"`checkpoint`={str(self.folder)!r} is in use by another fit, in {self._owner()}. "
                "Wait for it, or name another folder."
            ) from error
        # The lock ends with its process; this text stays, and is only for words.
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        try:
            self._put("owner", owner.encode())
        except OSError:
            self.close()
            raise
        for part in self.folder.glob(f".*{PART}"):  # of a writer that was killed
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Let other fits write to the folder; remove it where it was made for nothing."""
        if self.made and not self.numbers():
            with contextlib.suppress(OSError):
                for name in ("owner", "lock"):
                    (self.folder / name).unlink(missing_ok=True)
                self.folder.rmdir()
        self.lock.release()

    def _owner(self) -> str:
        try:
            return (self.folder / "owner").read_text(encoding="utf-8")
        except OSError:
            return "another process"

    def write(self, number: int, text: Any, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the checkpoint ``number``, and remove those but the last two.

        Raises
        ------
        OSError
            If there is no room, say; those written before are still there.
        """
        from safetensors.numpy import save_file

        stem = f"epoch-{number:06d}"
        tensors = self.folder / f"{stem}.safetensors"
        with self._new(tensors) as part:
            save_file(dict(arrays), part)
            size = part.stat().st_size
            digest = _digest(part)
        body = json.dumps({"text": text, "tensors": [digest, size], "format": FORMAT})
        whole = json.dumps({"checksum": _checksum(body), "body": body})
        self._put(f"{stem}.json", whole.encode())
        for old in self.numbers()[:-KEPT]:
            # The text first: without it the numbers beside it are no checkpoint.
            for suffix in ("json", "safetensors"):
                (self.folder / f"epoch-{old:06d}.{suffix}").unlink(missing_ok=True)

    def numbers(self) -> list[int]:
        """Return the numbers of the checkpoints that are there, the last one last."""
        found = (NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def last(self) -> Saved | None:
        """Return the last checkpoint that is whole; warn of those that are not.

        Raises
        ------
        ValueError
            If there are checkpoints, and none is whole.
        """
        broken: list[str] = []
        for number in reversed(self.numbers()):
            path = self.folder / f"epoch-{number:06d}.json"
            try:
                saved = _read(path)
            except _BrokenError as error:
                broken.append(f"{path.name} ({error})")
                continue
            if broken:
                warn(
                    f"`checkpoint`: {', '.join(broken)} in {str(self.folder)!r} is damaged. The "
                    f"fit goes on from {path.name}, the one before."
                )
            return saved
        if broken:
            raise ValueError(
                f"`checkpoint`={str(self.folder)!r} holds no whole checkpoint: "
                f"{', '.join(broken)}. Remove the folder to start anew."
            )
        return None

    def _put(self, name: str, content: bytes) -> None:
        """Write a file whole, or leave what was there."""
        path = self.folder / name
        with self._new(path) as part:
            part.write_bytes(content)

    @contextlib.contextmanager
    def _new(self, path: Path) -> Any:
        """Give the name of a file that takes the place of ``path`` once it is on the disk."""
        from safetensors import SafetensorError

        try:
            with written_whole(path) as part:
                yield part
        except (OSError, SafetensorError) as error:
            # safetensors has an error of its own, and the system's may not say which file.
            said = re.search(r"os error (\d+)", str(error))
            number = getattr(error, "errno", None) or (int(said[1]) if said else errno.EIO)
            words = f"The checkpoint is not written: {os.strerror(number)}"
            raise OSError(number, words, str(path)) from error


class _BrokenError(Exception):
    """A checkpoint is not as it was written; the message says how."""


def _read(path: Path) -> Saved:
    try:
        whole = json.loads(path.read_bytes())
        body = whole["body"]
        if whole["checksum"] != _checksum(body):
            raise _BrokenError("its text is not as it was written")
        held = json.loads(body)
        if held["format"] != FORMAT:
            raise ValueError(
                f"`checkpoint`: {str(path)!r} has the format {held['format']}, and this version "
                f"reads {FORMAT}. Go on with the version that wrote it, or remove the folder."
            )
        digest, size = held["tensors"]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise _BrokenError("its text cannot be read") from error
    from safetensors.numpy import load_file

    tensors = path.with_suffix(".safetensors")
    try:
        if tensors.stat().st_size != size:
            raise _BrokenError(f"{tensors.stat().st_size} of {size} bytes of tensors")
        if _digest(tensors) != digest:
            raise _BrokenError("its tensors are not as they were written")
        return Saved(path, held["text"], load_file(tensors))
    except OSError as error:
        raise _BrokenError("its tensors cannot be read") from error


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(path: Path) -> str:
    """Return the checksum of a file, read block by block."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
