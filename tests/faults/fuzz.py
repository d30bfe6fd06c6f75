"""Calls drawn at random over what the package exports, and how a call may end.

`python tests/faults/fuzz.py 100000` makes as many, and prints each kind of wrong end with a call
that repeats it.
"""

import inspect
import random
import re
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import pytest
import torch
from calls import STANDARD, check
from faulty import CLASSES, IMAGES, X, b, y
from fuzz_values import CONVNET, HEAD, ODD, OWN, POOLS
from sklearn.exceptions import NotFittedError

from sklearn_debias.attacks import CarliniWagner, StepwiseAttack, Threat
from sklearn_debias.metrics import GroupScorer
from sklearn_debias.robustness import RobustAccuracy

NOTHING = inspect.Parameter.empty
# What scikit-learn's search looks at, in words of its own; and a name that messages repeat.
ELSEWHERE = {
    "model_selection.BatchedGridSearchCV": ("param_grid", "cv", "refit", "scoring"),
    "metrics.encode_bias": ("name",),
}
COSTLY = {"parts", "n_steps", "search_steps", "n_permutations"}  # whose defaults take seconds
ROOMS = (
    "attacks",
    "attribution",
    "corruptions",
    "datasets",
    "feature_extraction",
    "group_inference",
    "inspection",
    "metrics",
    "model_selection",
    "robustness",
)
# What functions return, and functions of tensors, which check nothing by design.
LEFT_OUT = {
    "Ball",
    "BiasReport",
    "CorruptionReport",
    "GroupReport",
    "GroupScorer",
    "InferredGroupsReport",
    "L2",
    "Linf",
    "Look",
    "MeanShare",
    "PairedDifference",
    "RobustReport",
    "StepwiseAttack",
    "ascend",
    "confidence_loss",
    "dlr_loss",
    "make_ball",
    "margin_loss",
    "row_keys",
}


@dataclass
class Call:
    """A function or class of a room, and arguments."""

    function: object
    given: dict

    def run(self):
        """Make the call; what it makes is then used on sound data, as its kind is."""
        made = self.function(**self.given)
        if hasattr(made, "split"):
            return list(made.split(X, y, bias_labels=b))
        if hasattr(made, "predict"):
            return made.fit(X, y).predict(X)
        if hasattr(made, "fit_transform"):
            return made.fit_transform(IMAGES)
        if hasattr(made, "check") and inspect.isclass(self.function):
            return self._attacked(made)
        if type(made).__name__.endswith("Display"):
            return self._drawn(made)
        if isinstance(made, GroupScorer):
            # Some find the groups themselves, and take no labels.
            bias = {"bias_labels": b} if "bias_labels" in made._metadata_names() else {}
            return made(HEAD, X, y, **bias)
        if isinstance(made, RobustAccuracy):
            return made(HEAD, X, y)
        return made

    def _attacked(self, made):
        norm = "l2" if isinstance(made, CarliniWagner) else "linf"
        labels = torch.tensor(y)
        if isinstance(made, StepwiseAttack):
            rows = torch.tensor(X).float()
            seeded = torch.Generator().manual_seed(0)
            return made.attack(HEAD.module_, rows, labels, Threat(0.1, norm), generator=seeded)
        few = slice(0, 4)
        x = torch.tensor(IMAGES[few])
        return made.attack(CONVNET.module_, x, labels[few], Threat(0.1, norm, clip=(0, 1)))

    def _drawn(self, made):
        pyplot = pytest.importorskip("matplotlib.pyplot")
        pyplot.switch_backend("Agg")
        try:
            return made.plot()
        finally:
            pyplot.close("all")

    @property
    def arguments(self):
        """Names that an error may give: those of the signature, and what else was given."""
        named = {str(self.given["name"])} if "name" in self.given else set()
        return {*inspect.signature(self.function).parameters, *self.given, "bias_labels", *named}


def surface():
    """Return what is called, by name: the functions and classes of the rooms."""
    found = {}
    for room in ROOMS:
        module = import_module(f"sklearn_debias.{room}")
        for name in module.__all__:
            if name not in LEFT_OUT and callable(getattr(module, name)):
                found[f"{room}.{name}"] = getattr(module, name)
    return found


SURFACE = surface()


def pool(name, parameter):
    """Values of a parameter of a function, sound ones first."""
    own = OWN.get(name.rpartition(".")[2], {})
    return own.get(parameter.name) or POOLS.get(parameter.name)


def without_pool():
    """Return the parameters that nothing is drawn for."""
    return {
        f"{name}({parameter.name})"
        for name, function in SURFACE.items()
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and pool(name, parameter) is None
        and parameter.name not in ("scorer", "metadata")
    }


def draw(name, seed):
    """Return a call of the function ``name``; the share of odd arguments varies."""
    rng = random.Random(f"{name} {seed}")
    sound = rng.choice([1.0, 0.95, 0.8, 0.8, 0.5])
    function = SURFACE[name]
    given = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue  # a scorer's metadata are added below
        left_out = parameter.default is not NOTHING and parameter.name not in COSTLY
        if left_out and rng.random() < 0.5:
            continue
        values = pool(name, parameter)
        which = rng.random()
        if parameter.name in ELSEWHERE.get(name, ()):
            which *= (1 + sound) / 2  # never any odd value
        if which < sound:
            given[parameter.name] = values[0]
        elif which < (1 + sound) / 2:
            given[parameter.name] = rng.choice(values)
        else:
            given[parameter.name] = rng.choice(ODD)
    if isinstance(function, GroupScorer):
        given["bias_labels"] = rng.choice(POOLS["bias_labels"])
    if name.endswith("generalization_gap_score"):
        given["epsilon"] = rng.choice(POOLS["epsilon"])
    return Call(function, given)


def named(error, names):
    """Whether an error names one of the arguments, or has scikit-learn's words on data."""
    said = " ".join([str(error), *getattr(error, "__notes__", [])])
    words = set(re.findall(r"[A-Za-z_]\w*", said))
    return bool(words & names) or re.search(STANDARD, str(error)) is not None


def outcome(call):
    """Make a call; return "right", "refused", or what is wrong with how it ended."""
    state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1:3]  # noqa: NPY002 - it must not move
    modes = torch.get_num_threads(), torch.is_grad_enabled()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            call.run()
        ended = "right"
    except (FileNotFoundError, NotFittedError):
        ended = "refused"  # a folder or file that is not there, a model that is not fitted
    except (ValueError, TypeError) as error:
        ended = "refused" if named(error, call.arguments) else f"{type(error).__name__}: {error}"
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        ended = f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno})"
    if (torch.get_num_threads(), torch.is_grad_enabled()) != modes:
        ended = f"torch's threads or gradient mode are others ({ended})"
    if not torch.equal(torch.get_rng_state(), state):
        ended = f"torch's generator has moved ({ended})"
    if not all(map(np.array_equal, np.random.get_state()[1:3], numpy_state)):  # noqa: NPY002
        ended = f"NumPy's generator has moved ({ended})"
    return ended


def shown(call):
    """Return a call as one reads it."""
    arguments = ", ".join(f"{name}={_short(value)}" for name, value in call.given.items())
    return f"({arguments})"


def _short(value):
    text = repr(value)
    if hasattr(value, "shape"):
        text = f"{type(value).__name__}{tuple(value.shape)} {getattr(value, 'dtype', '')}"
    return " ".join(text.split())[:60]


def run(n, seed=0):
    """Make ``n`` calls, one in eight of them a fit; return the ends, and the wrong ones."""
    ends = Counter()
    wrong = {}
    names = sorted(SURFACE)
    for i in range(n):
        if i % 8 == 7:
            name = sorted(CLASSES)[i // 8 % len(CLASSES)]
            try:
                ended = check(name, seed + i, sound=[0.97, 0.9, 0.7][i // 8 % 3])
                ended = "right" if ended == "fitted" else "refused"
            except Exception as error:
                ended = f"{type(error).__name__}: {error}"
            call = f"check({name!r}, {seed + i})"
        else:
            name = names[i % len(names)]
            drawn = draw(name, seed + i)
            ended = outcome(drawn)
            call = f"draw({name!r}, {seed + i}): {shown(drawn)}"
        ends[ended if ended in ("right", "refused") else "wrong"] += 1
        if ended not in ("right", "refused"):
            kind = re.sub(r"\d+", "#", f"{name}: {ended}")[:160]
            wrong.setdefault(kind, []).append(f"{call}\n    {ended[:300]}")
    return ends, wrong


if __name__ == "__main__":
    start = time.process_time()
    torch.set_num_threads(1)
    ends, wrong = run(int(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    for _kind, calls in sorted(wrong.items()):
        print(f"{len(calls)}x {calls[0]}")
    print(dict(ends), f"{len(wrong)} kinds of wrong ends, {time.process_time() - start:.0f} CPU s")
