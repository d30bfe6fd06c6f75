"""Times of two functions in turns, for the benchmarks and for the table of `table.py`."""

import resource
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Pair = tuple[Callable, Callable]


@dataclass(frozen=True)
class Case:
    """A row of the table: what is timed, against what, and how much of that it may take.

    `make(quick)` prepares the data and returns the two functions; quick ones do less, and their
    ratio means nothing. Where `unit` is no "ratio", ours alone is asked for seconds, or for the
    megabytes that it returns, and the second function is there to be called before.
    """

    name: str
    what: str
    against: str
    asked: float
    make: Callable[[bool], Pair]
    rounds: int = 5
    share: float = 1.0  # of the reference's work that the second function does
    holds: float | None = None  # what the benchmark asserts, where what is asked is not reached
    unit: str = "ratio"
    warm_up: bool = True  # once before the rounds, where these are short

    @property
    def limit(self) -> float:
        """What the benchmark asserts."""
        return self.asked if self.holds is None else self.holds


@dataclass(frozen=True)
class Timing:
    """Median, smallest and largest value over the rounds, and the reference's median seconds."""

    middle: float
    low: float
    high: float
    reference_seconds: float


def cpu_seconds() -> float:
    """Return the CPU time of this process, and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def seconds(function: Callable) -> float:
    """Return the CPU time of a call."""
    start = cpu_seconds()
    function()
    return cpu_seconds() - start


def measure(case: Case, *, quick: bool = False) -> Timing:
    """Time a case: ours and the reference in turns, in each round one after the other."""
    ours, reference = case.make(quick)
    rounds = 1 if quick else case.rounds
    if case.warm_up:
        reference()  # imports, caches, allocators
    if case.unit == "MB":
        first = ours()  # later calls find what this one leaves to the allocator
        return Timing(first, first, first, float("nan"))
    if case.warm_up:
        ours()
    spent = []
    for _ in range(rounds):
        before = seconds(reference) / case.share
        spent.append((seconds(ours), before))
    of_reference = median(before for _, before in spent)
    if case.unit == "s":
        found = [own for own, _ in spent]
    else:
        found = [own / before for own, before in spent]
    return Timing(median(found), min(found), max(found), of_reference)


def extra_megabytes(function: Callable) -> float:
    """Return by how much the memory of this process grew within a call, without mapped files."""

    def anonymous() -> float:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("The kernel does not tell RssAnon.")

    done = threading.Event()
    seen = [anonymous()]

    def watch() -> None:
        while not done.wait(0.001):
            seen.append(anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return max(seen) - seen[0]
