"""Time two functions in turns: machines drift, but the median of the ratios stays."""

import os
import re
import time
from pathlib import Path
from statistics import median

import pytest
import torch


def pytest_collection_modifyitems(config, items):
    """Skip benchmarks among tests: they run by `pytest tests/benchmarks --benchmark-only -s`."""
    if not config.getoption("--benchmark-only"):
        here = Path(__file__).parent
        items[:] = [item for item in items if here not in item.path.parents]


@pytest.fixture
def compare(benchmark):
    """Time `ours` and `reference` in alternation and print the median of their ratios."""

    def run(ours, reference, *, rounds, limit):
        seconds = {"ours": [], "reference": []}

        def timed(name, function):
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)

        ours(), reference()  # imports, caches, allocators
        benchmark.pedantic(
            lambda: timed("ours", ours),
            setup=lambda: timed("reference", reference),
            rounds=rounds,
            iterations=1,
        )
        middle = {name: median(values) for name, values in seconds.items()}
        # each round runs the two one after the other, under the same load of the machine
        ratio = median(a / b for a, b in zip(seconds["ours"], seconds["reference"], strict=True))
        benchmark.extra_info.update(ratio=ratio, limit=limit, reference_seconds=middle["reference"])
        print(
            f"\n{benchmark.name}: ours {middle['ours']:.3f} s, reference {middle['reference']:.3f} "
            f"s, ratio {ratio:.2f} (at most {limit:.2f})"
        )
        assert ratio <= limit

    return run


@pytest.fixture(autouse=True)
def _few_threads(request):
    """Loops of heads on one thread; images, and skorch as it comes, on torch's own number."""
    before = torch.get_num_threads()
    own = os.cpu_count() or 1
    torch.set_num_threads(own if re.search("image|as_it_comes", request.node.name) else 1)
    yield
    torch.set_num_threads(before)
