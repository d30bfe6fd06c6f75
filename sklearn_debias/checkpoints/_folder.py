"""The folder of one fit's checkpoints: written whole, the last two kept, locked by its writer."""

import contextlib
import errno
import hashlib
import json
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.files import PART, written_whole

FORMAT = 1  # of the files
KEPT = 2
NAME = re.compile(r"epoch-(\d{6,})\.json")
LOCK = "checkpoint.lock"
OWNER = "checkpoint.owner"
# What fits leave in a folder; that of a clone is a folder inside.
OURS = re.compile(
    rf"{LOCK}|{OWNER}|epoch-\d+\.(json|safetensors)|\.(epoch|checkpoint).*\{PART}|\w+-[0-9a-f]{{16}}"
)
HEAD = '{"checksum": "", "body": '  # of a text, without its checksum
PATIENCE = 60.0  # seconds of a wait that is worth no word


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
    history : list
        Rows of what JSON can hold.
    """

    path: Path
    text: Any
    arrays: Mapping[str, np.ndarray]
    history: list[Any]


class Checkpoints:
    """The checkpoints of one fit, in a folder that it alone writes to.

    A checkpoint is a file of safetensors and a text beside it, with the checksums of both. The text
    is written last, so that whatever happens there is a whole checkpoint or the one before.

    Parameters
    ----------
    folder : path-like
        Made if it is missing.
    wait : bool, default=False
        Whether to wait for another fit that writes to it, instead of an error.

    Raises
    ------
    ValueError
        If it is a file, or holds others than ours, or another fit is writing to it.
    OSError
        If it cannot be written to.
    """

    def __init__(self, folder: Any, *, wait: bool = False) -> None:
        from filelock import FileLock, Timeout  # not at the top: few fits need it

        self.folder = Path(folder).expanduser()
        self._check_place()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(self.folder / LOCK)
            try:
                self.lock.acquire(timeout=PATIENCE if wait else 0)
            except Timeout:
                if not wait:
                    raise
                warn(
                    f"`checkpoint`: an equal fit is running in {self._owner()}, in "
                    f"{str(self.folder)!r}. This one waits for it, and takes its result."
                )
                self.lock.acquire()
        except Timeout as error:
            raise ValueError(
                f"`checkpoint`={str(self.folder)!r} is in use by another fit, in {self._owner()}. "
                "Wait for it, or name another folder."
            ) from error
        except OSError as error:
            words = f"`checkpoint` cannot be written to: {error.strerror or error}"
            raise OSError(error.errno, words, str(self.folder)) from error
        # The lock ends with its process; this text stays, and is only for words.
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        try:
            self._put(OWNER, owner.encode())
        except OSError:
            self.close()
            raise
        for part in self.folder.glob(f".epoch*{PART}"):  # of a writer that was killed
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Let other fits write to the folder."""
        # Its file stays: whoever waits for it would wait for another one than who comes later.
        self.lock.release()

    def _check_place(self) -> None:
        """Raise where there is a file, or a folder with something of the user's own."""
        named = f"`checkpoint`={str(self.folder)!r}"
        try:
            found = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            found = []
        except NotADirectoryError as error:
            raise ValueError(f"{named} must be a folder, and is a file. Name another.") from error
        except ValueError as error:  # of a text that names nothing
            raise ValueError(f"{named} must be the name of a folder: {error}.") from error
        except OSError as error:
            words = f"`checkpoint` cannot be read: {error.strerror or error}"
            raise OSError(error.errno, words, str(self.folder)) from error
        foreign = [name for name in found if not OURS.fullmatch(name) and not _is_litter(name)]
        if foreign and not any(map(NAME.fullmatch, found)):
            raise ValueError(
                f"{named} must be a folder of its own, and holds {foreign[0]!r}. Name a new one."
            )

    def _owner(self) -> str:
        for _ in range(20):  # it may have the lock for a moment, and not have written yet
            with contextlib.suppress(OSError):
                return (self.folder / OWNER).read_text(encoding="utf-8")
            sleep(0.05)
        return "another process"

    def write(
        self,
        number: int,
        text: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        history: Sequence[str] = (),
    ) -> None:
        """Write the checkpoint ``number``, and remove those but the last two.

        ``history`` are rows in JSON: of a long fit they are many, and each is written often.

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
        body = json.dumps({"format": FORMAT, "tensors": [digest, size], "text": text})
        body = f'{body[:-1]}, "history": [{", ".join(history)}]}}'
        whole = f'{{"checksum": "{_checksum(body)}", "body": {body}}}'
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


def _is_litter(name: str) -> bool:
    """Return whether systems and tools leave such files wherever somebody looks."""
    return name.startswith(".") or name in ("lost+found", "Thumbs.db", "desktop.ini")


class _BrokenError(Exception):
    """A checkpoint is not as it was written; the message says how."""


def _read(path: Path) -> Saved:
    try:
        whole = path.read_bytes().decode()
        begin = len(HEAD) + len(_checksum(""))
        body = whole[begin:-1]
        if whole != f'{{"checksum": "{_checksum(body)}", "body": {body}}}':
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
        return Saved(path, held["text"], load_file(tensors), held["history"])
    except OSError as error:
        raise _BrokenError("its tensors cannot be read") from error


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(path: Path) -> str:
    """Return the checksum of a file, read block by block."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
