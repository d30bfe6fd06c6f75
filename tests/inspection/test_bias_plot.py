"""The picture of a bias report."""

import numpy as np
import pytest

from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.inspection import bias_report

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

QUICK = {"n_permutations": 19, "random_state": 0}


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture
def report():
    rng = np.random.default_rng(0)
    y = np.array(["a", "b"])[np.arange(200) % 2]
    metadata = {"noise": rng.random(200), "$x": np.where(y == "a", "left", "right")}
    metadata["one of very many long names of columns"] = rng.integers(0, 30, 200).astype(str)
    return bias_report(y, metadata, **QUICK)


def texts(labels):
    return [label.get_text() for label in labels]


def test_columns_by_rank_and_cells_of_the_first(report):
    columns, cells = report.plot()
    order = report.columns["column"].tolist()
    assert order[0] == "$x"
    drawn = texts(columns.get_yticklabels())
    assert drawn[0] == r"\$x"
    assert [name[:5] for name in drawn[1:]] == [name[:5] for name in order[1:]]
    assert columns.yaxis_inverted()
    assert texts(columns.get_legend().get_texts()) == [
        "chance",
        "beyond chance",
        "not beyond chance",
    ]
    shares = np.asarray(cells.images[0].get_array())
    np.testing.assert_array_equal(shares, [[1, 0], [0, 1]])
    assert texts(cells.texts) == ["100", "0", "0", "100"]
    assert texts(cells.get_xticklabels()) == ["left", "right"]
    assert texts(cells.get_yticklabels()) == ["a", "b"]
    columns.figure.canvas.draw()


def test_cells_of_another_column_and_axes_of_mine(report):
    figure, mine = plt.subplots(1, 2)
    name = "one of very many long names of columns"
    axes = report.plot(mine, column=name, most=2)
    assert axes[0].figure is figure
    assert len(axes[0].get_yticks()) == 2
    assert len(axes[1].get_xticks()) == 15
    assert axes[1].get_title().endswith("15 of 30 values")
    assert axes[1].get_xlabel().endswith("…")
    assert len(plt.get_fignums()) == 1


def test_candidates_where_there_are_no_columns():
    data = make_spurious_embeddings(1000, random_state=0).train
    report = bias_report(data.target, embeddings=data.data, **QUICK)
    (axis,) = report.plot()
    assert len(axis.get_yticks()) == len(report.candidates) == 2
    assert "errors" in texts(axis.get_yticklabels())[0]
    drawn = axis.containers[1][0].get_xdata()
    np.testing.assert_array_equal(drawn, report.candidates["accuracy"])
    (axis,) = report.plot(plt.subplots()[1])
    axis.figure.canvas.draw()


def test_candidates_are_drawn_beside_the_columns():
    data = make_spurious_embeddings(1000, random_state=0).train
    metadata = {"bias": data.bias_labels}
    report = bias_report(data.target, metadata, embeddings=data.data, **QUICK)
    columns, cells, candidates = report.plot()
    assert texts(columns.get_yticklabels()) == ["bias"]
    assert len(cells.images) == 1
    drawn = candidates.containers[1][0].get_xdata()
    np.testing.assert_array_equal(drawn, report.candidates["accuracy"])
    assert len(report.plot(most=1)[2].get_yticks()) == 1
    assert len(report.plot(plt.subplots(1, 3)[1])) == 3
    with pytest.raises(ValueError, match="`ax` must be 3 Axes"):
        report.plot(plt.subplots(1, 2)[1])
    columns.figure.canvas.draw()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"column": "x"}, "`column` must be one of"),
        ({"most": 0}, "`most` must be an int >= 1"),
        ({"ax": 3}, "`ax` must be 2 Axes"),
        ({"ax": [1, 2]}, "`ax` must be 2 Axes"),
    ],
)
def test_what_cannot_be_drawn_is_named(report, options, words):
    with pytest.raises(ValueError, match=words):
        report.plot(**options)
