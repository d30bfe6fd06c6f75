import pytest
from simulated_cuda import SimulatedCuda


@pytest.fixture
def cuda():
    with SimulatedCuda() as device:
        yield device
