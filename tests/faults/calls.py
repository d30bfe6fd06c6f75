"""Random calls of `fit` and `predict`, and how they may end."""

import re
import warnings

import numpy as np
import torch
from draws import BIAS, INPUTS, LABELS, WEIGHTS, space
from faulty import CLASSES, arguments, fitted_names, is_finite


def pick(rng, values, sound=0.7):
    """The first value mostly, else any."""
    return values[0 if rng.random() < sound else rng.integers(len(values))]


def few(values, m):
    """The first ``m`` rows, of what has rows."""
    return values[:m] if hasattr(values, "__getitem__") else values


def draw(name, seed, sound):
    """An estimator of the class and arguments of its fit, at random."""
    rng = np.random.default_rng([seed, *name.encode()])
    params = {parameter: pick(rng, values, sound) for parameter, values in space(name).items()}
    X, y = pick(rng, INPUTS, sound), pick(rng, LABELS, sound)
    n = len(X) if hasattr(X, "__len__") else 0
    if 0 < n < 40 and hasattr(y, "__len__") and not isinstance(y, str):
        y = y[:n]
    given = {"bias_labels": pick(rng, BIAS, sound)}
    taken = arguments(name)
    if "sample_weight" in taken:
        given["sample_weight"] = pick(rng, WEIGHTS, sound)
    if "X_meta" in taken and rng.random() < 0.3 and sound < 1:
        m = rng.integers(40)
        given |= {"X_meta": few(pick(rng, INPUTS), m), "y_meta": few(pick(rng, LABELS), m)}
    if "validation_data" in taken and rng.random() < 0.1 and sound < 1:
        given["validation_data"] = (
            (X, y) if rng.random() < 0.5 else (X, y, given["bias_labels"], 3)[: rng.integers(5)]
        )
    return CLASSES[name](**params), X, y, given


# Words of scikit-learn, numpy and pandas on data that are no data; all else names its parameter.
STANDARD = (
    r"Found array with|Found input variables|Expected 2D array|Expected 2-?D|contains "
    "(NaN|infinity)|Complex data|could not convert|y should be a 1d "
    "array|An empty dict was passed|inconsistent|inhomogeneous|Unknown label type|requires y to be "
    "passed|[Ss]ample.weight|must be 1-?D|must be a real number, not|label type"
)
NAMED = re.compile(rf"['`]\w+(__\*|\[\d\])?['`=]|{STANDARD}")


def check(name, seed, sound):
    """Make one random call; return how it ended."""
    estimator, X, y, given = draw(name, seed, sound)
    threads, mode, state = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(X, y, **given)
        except (ValueError, TypeError) as error:
            ended = f"{type(error).__name__}: {error}"
        else:
            assert not hasattr(estimator, "module_") or is_finite(estimator), seed
            probability = estimator.predict_proba(X)
            assert np.isfinite(probability).all(), seed
            np.testing.assert_allclose(probability.sum(1), 1, atol=1e-6)
            assert set(estimator.predict(X).tolist()) <= set(estimator.classes_.tolist()), seed
            ended = "fitted"
    if ended != "fitted":
        assert NAMED.search(ended), f"seed {seed}: {ended}"
        assert fitted_names(estimator) == [], seed
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, mode), seed
    assert torch.equal(torch.get_rng_state(), state), seed
    return ended
