import numpy as np
import pytest

from sklearn_debias.datasets import data_folder


@pytest.fixture(scope="session")
def real_data():
    folder = data_folder(required=False)
    if folder is None:
        pytest.skip("needs real data: SKLEARN_DEBIAS_DATA is not set")
    return folder


@pytest.fixture(autouse=True)
def global_generator_untouched():
    before = np.random.get_state()  # noqa: NPY002
    yield
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    assert before[2:] == after[2:]
    np.testing.assert_array_equal(before[1], after[1])
