"""Where outcomes are kept: in memory, or in a file that outlives the process."""

import contextlib
import hashlib
import io
import json
import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.comparison._fits import Outcome

FORMAT = "1"
PATIENCE = 60.0  # seconds that another process may hold the file
LEASE = 60.0  # seconds after which a claim that nobody renews has no owner
APPLICATION = 0x64656269  # SQLite's mark of what a file is for
TABLES = """
create table if not exists study (name text primary key, value text not null);
create table if not exists fits (
    key text primary key, method text not null, stage text not null, settings text not null,
    score real, seconds real not null, error text not null, warnings text not null,
    arrays blob not null, checksum text not null);
create table if not exists claims (
    key text primary key, owner text not null, host text not null, pid integer not null,
    until real not null);
create table if not exists readings (question text primary key);
"""


class Memory:
    """Outcomes of this process only."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.readings: set[str] = set()

    def get(self, key: str) -> Outcome | None:
        """Return an outcome, where there is one."""
        return self.outcomes.get(key)

    def put(self, rows: Sequence[tuple[str, Mapping[str, str], Outcome]]) -> None:
        """Keep outcomes under their keys, all or none."""
        self.outcomes.update({key: outcome for key, _, outcome in rows})

    def claim(self, keys: Sequence[str]) -> bool:
        """Return whether fits are this process's to do, all of them."""
        return True

    def read(self, question: str) -> int:
        """Note that the test rows answer a question; return how many they have answered."""
        self.readings.add(question)
        return len(self.readings)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Hold the claims while fits run."""
        yield


class Store(Memory):
    """Outcomes in an SQLite file, which several processes may share.

    Parameters
    ----------
    path : str or Path
        Made where there is none.
    facts : dict of str to str
        What tells the data of a study from others.

    Raises
    ------
    ValueError
        If the file is no store, holds another study, or cannot be opened.
    """

    def __init__(self, path: Any, facts: Mapping[str, str]) -> None:
        super().__init__()
        self.path = Path(path)
        self.owner = uuid.uuid4().hex
        if not self.path.parent.is_dir():
            raise ValueError(f"`store` must be a file in a folder that exists, got {str(path)!r}.")
        with self._open() as file:
            self._recognise(file)
            file.executescript(TABLES)
            self._check({"format": FORMAT, **facts}, file)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction; say what is wrong with it in the user's words."""
        try:
            # A connection of its own each time: neither threads nor forks may share one.
            with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as file, file:
                yield file
        except sqlite3.OperationalError as error:
            advice = (
                f"another process has held it for {PATIENCE:g} seconds"
                if "locked" in str(error)
                else "check that it can be written, and that its disk has room"
            )
            raise ValueError(f"`store` {str(self.path)!r}: {error}; {advice}.") from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"`store` {str(self.path)!r} is damaged, or no store of a comparison: {error}. "
                "Name another file, or restore it from a copy."
            ) from error

    def _recognise(self, file: sqlite3.Connection) -> None:
        """Mark a new file, or raise where it is another program's."""
        (mark,) = file.execute("pragma application_id").fetchone()
        (n_tables,) = file.execute("select count(*) from sqlite_master").fetchone()
        if mark not in (0, APPLICATION) or (mark == 0 and n_tables):
            raise ValueError(
                f"`store` {str(self.path)!r} is a database of something else. Name another file."
            )
        file.execute(f"pragma application_id = {APPLICATION}")

    def _check(self, facts: Mapping[str, str], file: sqlite3.Connection) -> None:
        """Note what the study is about, or raise where the file is about another one.

        A part may be new to the file: its rows are in the keys of the fits.
        """
        known = dict(file.execute("select name, value from study"))
        if known.get("format", FORMAT) != FORMAT:
            raise ValueError(
                f"`store` {str(self.path)!r} was written by another version. Name another file."
            )
        file.executemany("insert or ignore into study values (?, ?)", facts.items())
        if others := [name for name in facts if known.get(name, facts[name]) != facts[name]]:
            raise ValueError(
                f"`store` {str(self.path)!r} is of other data: {', '.join(sorted(others))} differ. "
                "Name another file for these data."
            )

    def get(self, key: str) -> Outcome | None:
        """Return an outcome, where there is one."""
        if key not in self.outcomes:
            with self._open() as file:
                row = file.execute(
                    "select score, seconds, error, warnings, arrays, checksum from fits "
                    "where key = ?",
                    (key,),
                ).fetchone()
            if row is None:
                return None
            if _checksum(key, *row[:-1]) != row[-1]:
                raise ValueError(
                    f"`store` {str(self.path)!r} is damaged: a fit is not what was written. Name "
                    "another file, or restore it from a copy."
                )
            self.outcomes[key] = _outcome(*row[:-1])
        return self.outcomes[key]

    def put(self, rows: Sequence[tuple[str, Mapping[str, str], Outcome]]) -> None:
        """Keep outcomes under their keys, all or none; of two for a key the first stays.

        What failed for want of memory or disk is kept in this process alone: it may work next time.
        """
        with self._open() as file:
            for key, facts, outcome in rows:
                if outcome.is_transient:
                    self.outcomes[key] = outcome
                    continue
                values = (
                    None if np.isnan(outcome.score) else outcome.score,
                    outcome.seconds,
                    outcome.error,
                    json.dumps(outcome.warnings),
                    _packed(outcome.arrays),
                )
                names = (key, facts["method"], facts["stage"], facts["settings"])
                file.execute(
                    "insert or ignore into fits values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*names, *values, _checksum(key, *values)),
                )
            file.executemany("delete from claims where key = ?", [(row[0],) for row in rows])

    def claim(self, keys: Sequence[str]) -> bool:
        """Return whether fits are this process's to do, all of them, and let others know.

        Where one of them has been done meanwhile, they are not.
        """
        now = time.time()
        claim = (self.owner, socket.gethostname(), os.getpid(), now + LEASE)
        with self._open() as file:
            file.execute("begin immediate")
            for key in keys:
                if file.execute("select 1 from fits where key = ?", (key,)).fetchone():
                    return False
                found = file.execute(
                    "select owner, host, pid, until from claims where key = ?", (key,)
                ).fetchone()
                if found is not None and found[0] != self.owner and _is_alive(*found[1:], now=now):
                    return False
            file.executemany(
                "insert or replace into claims values (?, ?, ?, ?, ?)",
                [(key, *claim) for key in keys],
            )
        return True

    def read(self, question: str) -> int:
        """Note that the test rows answer a question; return how many they have answered."""
        with self._open() as file:
            file.execute("insert or ignore into readings values (?)", (question,))
            return int(file.execute("select count(*) from readings").fetchone()[0])

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Renew the claims while fits run, and give them up in the end."""
        over = threading.Event()
        thread = threading.Thread(target=self._renew, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            # What went wrong before is what the user should read.
            with contextlib.suppress(ValueError), self._open() as file:
                file.execute("delete from claims where owner = ?", (self.owner,))

    def _renew(self, over: threading.Event) -> None:
        """Renew the claims of this process until it is done."""
        while not over.wait(LEASE / 4):
            # A file that is held for long is met again in a moment.
            with contextlib.suppress(ValueError), self._open() as file:
                file.execute(
                    "update claims set until = ? where owner = ?", (time.time() + LEASE, self.owner)
                )


def _is_alive(host: str, pid: int, until: float, *, now: float) -> bool:
    """Return whether the owner of a claim may still be at work."""
    if until < now:
        return False
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _checksum(key: str, *values: Any) -> str:
    """Return a digest of what is written for a fit."""
    digest = hashlib.blake2b(key.encode(), digest_size=16)
    for value in values:
        digest.update(value if isinstance(value, bytes) else repr(value).encode())
    return digest.hexdigest()


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays of numbers as bytes; these need no pickle, and none is read."""
    file = io.BytesIO()
    # No allow_pickle here: up to NumPy 2.1 it would be one more array, of that name.
    by_name: dict[str, Any] = dict(arrays)
    np.savez_compressed(file, **by_name)
    return file.getvalue()


def _outcome(
    score: float | None, seconds: float, error: str, warnings: str, arrays: bytes
) -> Outcome:
    """Return an outcome from the columns of its row."""
    with np.load(io.BytesIO(arrays), allow_pickle=False) as file:
        unpacked = {name: file[name] for name in file.files}
    value = float("nan") if score is None else score
    return Outcome(value, seconds, error, tuple(json.loads(warnings)), unpacked)
