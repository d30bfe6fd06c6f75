"""The rows of the table that `table.py` prints, each against its limit."""

from dataclasses import asdict

import pytest
import table
from timing import measure


@pytest.mark.filterwarnings("ignore")  # noise teaches nothing
@pytest.mark.parametrize("case", table.CASES, ids=lambda case: case.name)
def test_row(benchmark, case):
    found = benchmark.pedantic(measure, args=(case,), rounds=1)
    benchmark.extra_info.update(asdict(found), limit=case.limit)
    print(f"\n{table.line(case, asdict(found))}")
    assert found.middle <= case.limit
