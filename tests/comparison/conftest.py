"""One comparison for all tests that only read."""

import pytest
from comparing import compared


@pytest.fixture(scope="session")
def result():
    """A small comparison of three methods."""
    return compared()
