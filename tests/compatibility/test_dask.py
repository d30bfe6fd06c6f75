"""A comparison, and a batched search, whose fits are asked of joblib's dask backend."""

import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

distributed = pytest.importorskip("distributed")
sys.path.insert(0, str(Path(__file__).parents[1] / "comparison"))
from comparing import METHODS, SPACE, compared  # noqa: E402


@pytest.mark.filterwarnings("ignore")  # of dask's own
def test_a_comparison_runs_on_dask():
    here = compared()
    settings = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with distributed.Client(**settings, dashboard_address=None), joblib.parallel_config("dask"):
        there = compared()
        alone = compared({"ERM": METHODS["ERM"]}, search_spaces={"ERM": SPACE["ERM"]})
    np.testing.assert_array_equal(here.configurations["score"], there.configurations["score"])
    for name, predicted in here.predictions_.items():
        np.testing.assert_array_equal(predicted, there.predictions_[name])
    assert alone.frame["failed"].sum() == 0
