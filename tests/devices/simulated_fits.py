"""What the tests on the simulated device ask of fits."""

import numpy as np
import torch
from sklearn.base import clone


def on(device, estimator):
    """Return a clone whose parts all name the device."""
    names = estimator.get_params()
    chosen = {name: device for name in names if name.rpartition("__")[2] == "device"}
    return clone(estimator).set_params(**chosen)


def kernels_of(device, run):
    """Return, for each kernel that a call runs on the device, whether a backward pass runs it."""
    found = []
    check = device._check

    def noted(*args):
        found.append(torch._C._current_graph_task_id() >= 0)
        check(*args)

    device._check = noted
    run()
    del device._check
    return found


def answers(model, X):
    """Return what a model says of rows."""
    return {
        name: getattr(model, name)(X)
        for name in ("predict", "predict_proba", "decision_function")
        if hasattr(model, name)
    }


def assert_alike(found, expected, atol=0.0):
    """Check two dicts of arrays."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if np.asarray(value).dtype.kind == "f":
            np.testing.assert_allclose(found[name], value, rtol=0, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], value, err_msg=name)
