"""Where outcomes are kept: in memory, or in a file that outlives the process."""

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
TABLES = """
create table if not exists study (name text primary key, value text not null);
create table if not exists fits (
    key text primary key, method text not null, stage text not null, settings text not null,
    score real, seconds real not null, error text not null, warnings text not null, arrays blob);
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

    def claim(self, key: str) -> bool:
        """Return whether a fit is this process's to do."""
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

    def _check(self, facts: Mapping[str, str], file: sqlite3.Connection) -> None:
        """Note what the study is about, or raise where the file is about another one."""
        file.executemany("insert or ignore into study values (?, ?)", facts.items())
        known = dict(file.execute("select name, value from study"))
        if others := [name for name in {*facts, *known} if facts.get(name) != known.get(name)]:
            raise ValueError(
                f"`store` {str(self.path)!r} is of other data: {', '.join(sorted(others))} differ. "
                "Name another file for these data."
            )

    def get(self, key: str) -> Outcome | None:
        """Return an outcome, where there is one."""
        if key not in self.outcomes:
            with self._open() as file:
                row = file.execute(
                    "select score, seconds, error, warnings, arrays from fits where key = ?", (key,)
                ).fetchone()
            if row is None:
                return None
            self.outcomes[key] = _outcome(*row)
        return self.outcomes[key]

    def put(self, rows: Sequence[tuple[str, Mapping[str, str], Outcome]]) -> None:
        """Keep outcomes under their keys, all or none; of two for a key the first stays."""
        with self._open() as file:
            for key, facts, outcome in rows:
                file.execute(
                    "insert or ignore into fits values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        key,
                        facts["method"],
                        facts["stage"],
                        facts["settings"],
                        None if np.isnan(outcome.score) else outcome.score,
                        outcome.seconds,
                        outcome.error,
                        json.dumps(outcome.warnings),
                        _packed(outcome.arrays),
                    ),
                )
                file.execute("delete from claims where key = ?", (key,))

    def claim(self, key: str) -> bool:
        """Return whether a fit is this process's to do, and let others know."""
        now = time.time()
        claim = (key, self.owner, socket.gethostname(), os.getpid(), now + LEASE)
        with self._open() as file:
            file.execute("begin immediate")
            found = file.execute(
                "select owner, host, pid, until from claims where key = ?", (key,)
            ).fetchone()
            if found is not None and found[0] != self.owner and _is_alive(*found[1:], now=now):
                return False
            file.execute("insert or replace into claims values (?, ?, ?, ?, ?)", claim)
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
            with self._open() as file:
                file.execute("delete from claims where owner = ?", (self.owner,))

    def _renew(self, over: threading.Event) -> None:
        """Renew the claims of this process until it is done."""
        while not over.wait(LEASE / 4):
            with self._open() as file:
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


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as bytes, without pickle."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _outcome(
    score: float | None, seconds: float, error: str, warnings: str, arrays: bytes
) -> Outcome:
    """Return an outcome from the columns of its row."""
    with np.load(io.BytesIO(arrays), allow_pickle=False) as file:
        unpacked = {name: file[name] for name in file.files}
    value = float("nan") if score is None else score
    return Outcome(value, seconds, error, tuple(json.loads(warnings)), unpacked)
