"""The blocks of the guide's page on clusters: those of dask, and the one of ray."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "clusters.md"


def programs():
    """Return the program on dask, and the one on ray, which needs what the first has left."""
    parts = PAGE.read_text(encoding="utf-8").split("## Ray instead")
    block = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return ["\n".join(block.findall(part)) for part in parts]
