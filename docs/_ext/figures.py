"""Draw what each method makes of two columns, one of them a shortcut, beside plain training."""

import inspect
import warnings

import matplotlib
import numpy as np
import torch
from joblib import Parallel, delayed
from matplotlib.figure import Figure
from registry import LABELS, METHODS, ROOT, TABLES, groups_of_methods
from sklearn.utils import Bunch

from sklearn_debias import ERMClassifier, GroupInferrer
from sklearn_debias.metrics import worst_group_accuracy_score
from sklearn_debias.robustness import robust_accuracy_score

FOLDER = ROOT / "docs" / "methods" / "images"
COLOURS = ["#d95f02", "#2166ac"]
SHORTCUT, RARE, ATTACKED = "shortcut", "rare", "attacked"
RADIUS = 0.3
GIVEN = {"random_state": 0, "module": "mlp", "lr": 0.01}
OWN = {"ERMClassifier": {"balance": "group"}}  # by default it is what the others stand beside
MISSING = inspect.Parameter("missing", inspect.Parameter.KEYWORD_ONLY, default=None)


def kind_of(name):
    """Return which data show what a method is for."""
    groups = groups_of_methods()
    if name in groups.get(TABLES[1], []):
        return RARE
    return ATTACKED if name in groups.get(TABLES[2], []) else SHORTCUT


def rows(kind, n=600, conflicting=0.03, seed=0):
    """Return two columns, classes and bias labels."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < (0.05 if kind == RARE else 0.5)).astype(int)
    bias = np.where(rng.random(n) < conflicting, 1 - y, y)
    noise = rng.normal(size=(n, 2))
    signs = 2 * y - 1
    if kind == RARE:
        return Bunch(X=noise + np.c_[1.6 * y, 1.6 * y], y=y, bias=y)
    if kind == ATTACKED:
        # Across the classes are told apart exactly, by less than an attacker may move a row.
        return Bunch(
            X=np.c_[0.2 * signs + 0.04 * noise[:, 0], signs + 0.7 * noise[:, 1]], y=y, bias=y
        )
    return Bunch(
        X=np.c_[2 * bias - 1 + 0.3 * noise[:, 0], signs + 0.8 * noise[:, 1]], y=y, bias=bias
    )


def balanced(kind):
    """Return unseen rows, of all groups alike."""
    if kind == RARE:
        found = rows(kind, n=20_000, seed=1)
        few = np.r_[
            np.flatnonzero(found.y == 1), np.flatnonzero(found.y == 0)[: (found.y == 1).sum()]
        ]
        return Bunch(X=found.X[few], y=found.y[few], bias=found.bias[few])
    return rows(kind, n=4000, conflicting=0.5, seed=1)


def plain():
    """Return plain training."""
    return ERMClassifier(**GIVEN)


def made(name):
    """Return a method with its defaults, but for what all share."""
    parameters = inspect.signature(METHODS[name]).parameters
    settings = {key: value for key, value in GIVEN.items() if key in parameters}
    if parameters.get("estimator", MISSING).default is inspect.Parameter.empty:
        settings["estimator"] = plain()  # it works on any classifier
    if kind_of(name) == ATTACKED and "epsilon" in parameters:
        settings["epsilon"] = RADIUS
    return METHODS[name](**settings | OWN.get(name, {}))


def fitted(estimator, name, data):
    """Return a fitted estimator, told the bias labels where its method needs them."""
    fit = {"bias_labels": data.bias} if name in groups_of_methods().get(LABELS, []) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(data.X.astype(np.float32), data.y, **fit)


def draw(name):
    """Draw plain training beside a method."""
    torch.set_num_threads(1)
    kind = kind_of(name)
    data = rows(kind)
    try:
        method = fitted(made(name), name, data)
    except (TypeError, ValueError) as error:
        print(f"{name} has no figure: {error}")  # it takes other rows than these
        return
    figure = Figure(figsize=(7, 3), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    own = ", ".join(f"{key}={value!r}" for key, value in OWN.get(name, {}).items())
    show(left, "ERM", fitted(plain(), "", data), data, kind)
    show(right, f"{name}({own})" if own else name, method, data, kind)
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(file_of(name), dpi=110)


def show(axes, title, estimator, data, kind):
    """Draw regions and rows; of an inferrer the rows as it labels them."""
    if isinstance(estimator, GroupInferrer):
        found = estimator.bias_labels_ != estimator.bias_labels_[0]
        colours = [COLOURS[k] for k in found.astype(int)]
        axes.set_title(f"{title}\nrows by inferred label", fontsize=11)
    else:
        corners = data.X.min(axis=0) - 0.5, data.X.max(axis=0) + 0.5
        grid = np.meshgrid(*(np.linspace(a, b, 150) for a, b in zip(*corners, strict=True)))
        flat = np.stack([g.ravel() for g in grid], axis=1).astype(np.float32)
        regions = estimator.predict(flat).reshape(grid[0].shape)
        axes.contourf(*grid, regions, levels=[-0.5, 0.5, 1.5], colors=COLOURS, alpha=0.2)
        axes.set_title(f"{title}\n{said_of(estimator, kind)}", fontsize=11)
        colours = [COLOURS[k] for k in data.y]
    axes.scatter(*data.X.T, c=colours, s=7, linewidths=0)
    few = data.bias != data.y
    axes.scatter(*data.X[few].T, s=22, facecolors="none", edgecolors="black", linewidths=0.8)
    across, up = {
        SHORTCUT: ("the shortcut", "what matters"),
        RARE: ("first column", "second column"),
        ATTACKED: ("exact, with a narrow margin", "noisy, with a wide one"),
    }[kind]
    axes.set(xlabel=across, ylabel=up)


def said_of(estimator, kind):
    """Return the figure that counts, on unseen rows."""
    unseen = balanced(kind)
    X = unseen.X.astype(np.float32)
    if kind == ATTACKED:
        right = robust_accuracy_score(estimator, X[:500], unseen.y[:500], epsilon=RADIUS)
        return f"{100 * right:.0f} % right under attack"
    worst = worst_group_accuracy_score(unseen.y, estimator.predict(X), bias_labels=unseen.bias)
    word = "worst group" if kind == SHORTCUT else "worst class"
    return f"{word} {100 * worst:.0f} % right"


def file_of(name):
    """Return where the figure of a method lies."""
    return FOLDER / f"{name}.png"


def alt(name):
    """Return what the figure shows, for those who do not see it."""
    return f"Two columns: what ERM predicts on the left, {name} on the right"


def caption(name):
    """Return what to look at."""
    data = {
        SHORTCUT: "600 rows of two classes; in 97 % of them the column across gives it away, "
        "in the others (circles) it misleads. Right is a border that runs across, not up.",
        RARE: "600 rows, of which one in twenty is of the rare class (blue).",
        ATTACKED: f"600 rows of two classes, and an attacker who may move each column by {RADIUS}: "
        "across, that is more than the distance of the classes.",
    }[kind_of(name)]
    is_told = name in groups_of_methods().get(LABELS, [])
    told = f" {name} is told the bias labels." if is_told else ""
    return (
        f"{data} Points are training rows, areas what is predicted, with defaults but for "
        f'``module="mlp"`` and ``lr=.01``. Shares are of unseen rows, all groups alike.{told}'
    )


def draw_all():
    """Draw what is not drawn yet, two at a time."""
    matplotlib.use("agg")
    missing = [name for name in METHODS if not file_of(name).exists()]
    Parallel(n_jobs=2)(delayed(draw)(name) for name in missing)
