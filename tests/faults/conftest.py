import pytest

# Of fits that are not about these: without bias labels, and too short for a second stage to settle.
EXPECTED = (
    r"\w+ was given no bias_labels",
    "The fitted model predicts .* `gamma` and `lam`",
)


def pytest_collection_modifyitems(items):
    """Leave two warnings to the tests that are about them."""
    for item in items:
        if "faults" in item.path.parts:
            for words in EXPECTED:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{words}"))
