import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images


@pytest.fixture(autouse=True)
def global_generators_untouched():
    before, torch_before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    yield
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    assert before[2:] == after[2:]
    np.testing.assert_array_equal(before[1], after[1])
    assert torch.equal(torch_before, torch.get_rng_state())


@pytest.fixture(scope="session")
def photographs():
    """30 crops of two photographs, uint8 (30, 3, 32, 32)."""
    crops = []
    for picture in load_sample_images().images:
        for top in range(0, 150, 50):
            for left in range(0, 360, 72):
                crop = Image.fromarray(picture[top : top + 250, left : left + 250])
                crops.append(
                    np.asarray(crop.resize((32, 32), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
                )
    return np.stack(crops)
