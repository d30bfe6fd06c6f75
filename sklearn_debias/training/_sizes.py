"""Sizes of memory that users give."""

import re
from typing import Any

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def n_bytes(value: Any, name: str) -> int:
    """Return the bytes of an int or a text such as "2GB", the value of the parameter ``name``."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?B)\s*", value, flags=re.IGNORECASE)
        size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    else:
        size = int(value)
    if size < 1:
        raise ValueError(
            f"`{name}` must be an int >= 1 (bytes) or a text such as '500MB' or '2GB', got "
            f"{value!r}."
        )
    return size
