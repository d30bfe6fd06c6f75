import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test, never the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SKLEARN_DEBIAS_CACHE", str(folder))
    return folder
