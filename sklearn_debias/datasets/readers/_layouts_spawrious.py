"""Spawrious: four breeds of dog in six places, and six benchmarks that are drawn from them."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sklearn_debias.arguments import check_option
from sklearn_debias.datasets.readers._counts import Counts
from sklearn_debias.datasets.readers._folders import FolderSet, base, by_number

BREEDS = ("bulldog", "corgi", "dachshund", "labrador")
PLACES = ("beach", "desert", "dirt", "jungle", "mountain", "snow")
PER_FOLDER = 3168
SHARES = (0.97, 0.87)  # of the breed's own place, in the two training environments
WHERE = "It is unpacked from Spawrious' archive of this benchmark, or of the entire set."
# The benchmarks name places in this order of breeds.
ORDER = ("bulldog", "dachshund", "labrador", "corgi")
# Places of training, of the test, and the one that all breeds share in training.
BENCHMARKS: dict[str, tuple[str, str, str | None]] = {
    "o2o_easy": ("desert jungle dirt snow", "dirt snow desert jungle", "beach"),
    "o2o_medium": ("mountain beach dirt jungle", "jungle dirt beach snow", "desert"),
    "o2o_hard": ("jungle mountain snow desert", "mountain snow desert jungle", "beach"),
    "m2m_easy": ("desert mountain dirt jungle", "dirt jungle mountain desert", None),
    "m2m_medium": ("beach snow mountain desert", "desert mountain beach snow", None),
    "m2m_hard": ("dirt jungle snow beach", "snow beach dirt jungle", None),
}


class Part(NamedTuple):
    """The first images of a folder."""

    split: str
    environment: int
    top: str  # folder above the places
    place: str
    breed: str
    n: int


def parts(benchmark: str) -> Iterator[Part]:
    """Yield what a benchmark is made of."""
    train, test, filler = BENCHMARKS[benchmark]
    for environment in (0, 1):
        for i, breed in enumerate(ORDER):
            if filler is None:
                # Breeds go two by two, and change places from one environment to the other.
                own, top = i ^ environment, "0"
                yield Part("train", environment, top, train.split()[own], breed, PER_FOLDER)
            else:
                own, top = i, str(environment)
                n = int(SHARES[environment] * PER_FOLDER)
                yield Part("train", environment, top, train.split()[own], breed, n)
                yield Part("train", environment, top, filler, breed, PER_FOLDER - n)
            yield Part("test", environment, top, test.split()[own], breed, PER_FOLDER)


def counts(benchmark: str) -> Counts:
    """Return the counts by (environment, breed, place)."""
    of: dict[str, Counter] = {"train": Counter(), "test": Counter()}
    for part in parts(benchmark):
        cell = (part.environment, BREEDS.index(part.breed), PLACES.index(part.place))
        of[part.split][cell] += part.n
    return Counts(of, "Spawrious' loader (Lynch et al., 2023)")


def read_spawrious(folder: Path, benchmark: str | None = None) -> FolderSet:
    """Read a benchmark."""
    check_option("benchmark", benchmark, BENCHMARKS)
    assert benchmark is not None
    tree = base(folder, ["spawrious224"], WHERE)
    wanted = list(parts(benchmark))
    for top in dict.fromkeys(part.top for part in wanted):
        own = [part for part in wanted if part.top == top]
        tree.expect("", (top,), None)
        tree.expect(top, dict.fromkeys(part.place for part in own), PLACES)
        for place in dict.fromkeys(part.place for part in own):
            breeds = dict.fromkeys(part.breed for part in own if part.place == place)
            tree.expect(f"{top}/{place}", breeds, BREEDS)
    for part in wanted:
        tree.take(
            f"{part.top}/{part.place}/{part.breed}",
            # Of the test all are read, for a count to see what is too many.
            most=part.n if part.split == "train" else None,
            split=part.split,
            environment=part.environment,
            y=BREEDS.index(part.breed),
            a=PLACES.index(part.place),
        )
    return FolderSet(
        tree,
        tree.rows(),
        target_names=by_number(BREEDS),
        bias_names=by_number(PLACES),
        counts=counts(benchmark),
        by=("environment", "y", "a"),
        note=f"Benchmark {benchmark}: of each folder the first images by sorted names.",
    )
