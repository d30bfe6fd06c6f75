"""What all displays have in common: scikit-learn's conventions.

A new display needs a row in `MADE`: how it is made of plain data.
"""

import builtins
import inspect
import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_debias import inspection

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from rendered import check_legible  # noqa: E402

DISPLAYS = [name for name in inspection.__all__ if name.endswith("Display")]
FRAME = pd.DataFrame(
    {
        "class": [0, 1],
        "bias": ["a", "b"],
        "n": [10, 20],
        "accuracy": [0.5, 0.9],
        "lower": [0.2, 0.7],
        "upper": [0.8, 1.0],
    }
)
# Positional arguments of the constructor, and keywords.
MADE = {
    "GroupAccuracyDisplay": (({"ERM": FRAME},), {"averages": {"ERM": 0.8}}),
    "SaliencyDisplay": ((np.zeros((2, 1, 8, 8)), {"ERM": np.ones((2, 8, 8))}), {}),
    "SensitivityDisplay": (("lam", [0.5, 1.0], {"accuracy": [0.8, 0.9]}), {"note": "a note"}),
    "TrainingDisplay": ((pd.DataFrame({"phase": "train", "loss": [2, 1.0]}),), {"best": 1}),
    "TradeoffDisplay": ((pd.DataFrame({"average": [0.9, 0.8], "worst_group": [0.5, 0.7]}),), {}),
}
SEVERAL = {
    "SaliencyDisplay": (2, 2),
    "TrainingDisplay": (1,),
}  # displays of several axes, by their shape


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def make(name):
    given, keywords = MADE[name]
    return getattr(inspection, name)(*given, **keywords)


def axes_of(display, name):
    return display.axes_.flat if name in SEVERAL else [display.ax_]


def test_every_display_has_a_row():
    assert DISPLAYS
    assert set(MADE) == set(DISPLAYS)


@pytest.mark.parametrize("name", DISPLAYS)
def test_the_constructor_stores_what_it_is_given(name):
    given, keywords = MADE[name]
    display = make(name)
    parameters = list(inspect.signature(type(display)).parameters)
    for parameter, value in [*zip(parameters, given, strict=False), *keywords.items()]:
        assert getattr(display, parameter) is value
    assert all(hasattr(display, parameter) for parameter in parameters)
    assert not plt.get_fignums()
    assert not hasattr(display, "figure_")


@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_draws_and_returns_the_display(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("the figure was shown"))
    display = make(name)
    assert display.plot() is display
    assert len(plt.get_fignums()) == 1
    assert isinstance(display.figure_, plt.Figure)
    for axis in axes_of(display, name):
        assert isinstance(axis, plt.Axes)
        assert axis.figure is display.figure_
    if name in SEVERAL:
        assert display.axes_.shape == SEVERAL[name]
    check_legible(display.figure_)


@pytest.mark.parametrize("name", DISPLAYS)
def test_axes_of_the_user_are_drawn_on(name):
    figure, ax = plt.subplots(figsize=(8, 6), layout="constrained")
    display = make(name).plot(ax)
    assert display.figure_ is figure
    assert len(plt.get_fignums()) == 1
    if name not in SEVERAL:
        assert display.ax_ is ax
        assert figure.axes == [ax]
    check_legible(figure)
    again = display.plot()
    assert again.figure_ is not figure
    with pytest.raises(ValueError, match="`ax` must be"):
        make(name).plot(3)


@pytest.mark.parametrize("name", DISPLAYS)
def test_there_is_a_way_from_what_users_have(name):
    display = getattr(inspection, name)
    ways = [way for way in vars(display) if way.startswith("from_")]
    assert ways
    for way in ways:
        assert isinstance(inspect.getattr_static(display, way), classmethod)
        accepted = inspect.signature(getattr(display, way)).parameters
        assert accepted["ax"].kind is inspect.Parameter.KEYWORD_ONLY
        assert accepted["ax"].default is None
        # What `plot` takes may be said at once.
        assert set(inspect.signature(display.plot).parameters) - {"self"} <= set(accepted)
    assert inspect.signature(display.plot).parameters["ax"].default is None


@pytest.fixture
def no_matplotlib(monkeypatch):
    found = builtins.__import__

    def without(module, *args, **kwargs):
        if module.startswith("matplotlib"):
            raise ImportError(module)
        return found(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.mark.parametrize("name", DISPLAYS)
def test_without_matplotlib_the_error_names_the_extra(name, no_matplotlib):
    display = make(name)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-debias\[plot\]'"):
        display.plot()


class Slow:
    def predict(self, X):
        pytest.fail("it predicts, for nothing")


@pytest.mark.parametrize("name", ["GroupAccuracyDisplay", "TradeoffDisplay"])
def test_without_matplotlib_nothing_is_predicted(name, no_matplotlib):
    with pytest.raises(ImportError, match="needs matplotlib"):
        getattr(inspection, name).from_estimator(Slow(), [[1]], [1], bias_labels=[1])


@pytest.mark.parametrize("name", DISPLAYS)
def test_what_is_held_is_left_as_it_is(name):
    display = make(name)
    before = {key: pickle.dumps(value) for key, value in vars(display).items()}
    display.plot()
    display.plot()
    for key, value in before.items():
        assert pickle.dumps(getattr(display, key)) == value
