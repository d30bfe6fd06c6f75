"""The worst group's accuracy against the average, of several models."""

from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import in_our_words
from sklearn_debias.inspection._drawing import one_axes, pyplot
from sklearn_debias.inspection._labels import place_labels, short, style
from sklearn_debias.inspection._models import predictions_of, reports_of
from sklearn_debias.metrics import GroupReport
from sklearn_debias.metrics.internal import binomial_share
from sklearn_debias.rows import as_array

SCORES = ("average", "worst_group")
BOUNDS = ("average_lower", "average_upper", "worst_group_lower", "worst_group_upper")
SIZE = (6.4, 4.8)


class TradeoffDisplay:
    """A point per model: the accuracy of its worst group against its average.

    It is recommended to use `from_estimator`, `from_predictions` or `from_frame`. No model lies
    above the dashed line, where the worst group is as good as the average. The points have their
    names beside them, placed so that none covers another.

    Parameters
    ----------
    frame : DataFrame
        A row per model, whose name is in the index. Columns "average" and "worst_group", in [0, 1];
        "average_lower", "average_upper", "worst_group_lower" and "worst_group_upper" are drawn
        where they are given, both ends of an interval or none. NaN has no bar.

    Attributes
    ----------
    points_ : list of Line2D
        A point per model. Set by `plot`.
    labels_ : list of Annotation
        Its name. Set by `plot`.
    ax_ : Axes
        Set by `plot`.
    figure_ : Figure
        Set by `plot`.

    See Also
    --------
    GroupAccuracyDisplay : every group of every model.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_debias.inspection import TradeoffDisplay
    >>> scores = {"average": [0.95, 0.9], "worst_group": [0.5, 0.8]}
    >>> display = TradeoffDisplay(pd.DataFrame(scores, index=["ERM", "JTT"])).plot()
    >>> [label.get_text() for label in display.labels_]
    ['ERM', 'JTT']
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def plot(self, ax: Any = None, *, name: str | None = None) -> "TradeoffDisplay":
        """Draw the points.

        Parameters
        ----------
        ax : Axes, default=None
            None makes a figure.
        name : str, default=None
            What to call the model, if it is one. None takes the name it has.

        Returns
        -------
        TradeoffDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If an argument, or what the display holds, is invalid.
        """
        pyplot()
        table = _checked(self.frame)
        if name is not None and len(table) > 1:
            raise ValueError(f"`name` names a single model, got {name!r:.60} for {len(table)}.")
        names = [short(key) for key in (table.index if name is None else [name])]
        self.ax_ = one_axes(ax, SIZE)
        self.figure_ = self.ax_.figure
        self.ax_.set(xlabel="average accuracy", ylabel="accuracy of the worst group")
        self.ax_.grid(color="0.92")
        self.ax_.set_axisbelow(True)
        numbers = table.to_numpy()
        bars = _bars(numbers)
        self.points_ = [self._draw(row, k) for k, row in enumerate(numbers)]
        self._set_limits(bars)
        self.labels_ = place_labels(self.ax_, numbers[:, :2], names, bars)
        return self

    @classmethod
    @in_our_words
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        bias_labels: Any = None,
        membership: Any = None,
        min_group_size: int = 1,
        confidence: float = 0.95,
        name: str | None = None,
        ax: Any = None,
    ) -> "TradeoffDisplay":
        """Predict with several models, and draw the worst group of each against its average.

        Parameters
        ----------
        estimator : fitted classifier, or dict of str to these
            A dict names the models.
        X : array-like
            As in the classifiers' ``predict``.
        y : array-like of shape (n,)
            True class labels.
        bias_labels, membership, min_group_size, confidence
            As in `sklearn_debias.metrics.group_report`.
        name : str, default=None
            What to call a single model. None takes its class.
        ax : Axes, default=None
            None makes a figure.

        Returns
        -------
        TradeoffDisplay

        Raises
        ------
        ImportError, ValueError
            As `plot` and `group_report` do, and if a model cannot predict.

        Warns
        -----
        DebiasWarning
            As `group_report` does.
        """
        pyplot()
        return cls.from_predictions(
            y,
            predictions_of(estimator, X, name),
            bias_labels=bias_labels,
            membership=membership,
            min_group_size=min_group_size,
            confidence=confidence,
            ax=ax,
        )

    @classmethod
    @in_our_words
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        bias_labels: Any = None,
        membership: Any = None,
        min_group_size: int = 1,
        confidence: float = 0.95,
        name: str | None = None,
        ax: Any = None,
    ) -> "TradeoffDisplay":
        """Draw the worst group of each model against its average, from predictions.

        The average is that over all rows, with its exact binomial interval; the interval of the
        worst group is simultaneous over the groups, as in `sklearn_debias.metrics.group_report`.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            True class labels.
        y_pred : array-like of shape (n,), or dict of str to these
            Predicted class labels; a dict names the models.
        bias_labels, membership, min_group_size, confidence
            As in `sklearn_debias.metrics.group_report`.
        name : str, default=None
            What to call a single model. None is "Classifier".
        ax : Axes, default=None
            None makes a figure.

        Returns
        -------
        TradeoffDisplay

        Raises
        ------
        ImportError, ValueError
            As `plot` and `group_report` do.
        """
        pyplot()
        given = {"bias_labels": bias_labels, "membership": membership}
        given |= {"min_group_size": min_group_size, "confidence": confidence}
        reports = reports_of(y_true, y_pred, name, given)
        rows = {key: _scores(report) for key, report in reports.items()}
        return cls(pd.DataFrame.from_dict(rows, orient="index")).plot(ax)

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, *, name: str | None = None, ax: Any = None
    ) -> "TradeoffDisplay":
        """Draw numbers that exist: a row per model.

        Parameters
        ----------
        frame : DataFrame
            See `TradeoffDisplay`. A column "model" holds the names, where there is one.
        name, ax
            As in `plot`.

        Returns
        -------
        TradeoffDisplay

        Raises
        ------
        ImportError, ValueError
            As `plot` does.
        """
        if isinstance(frame, pd.DataFrame) and "model" in frame:
            frame = frame.set_index("model")
        return cls(frame).plot(ax, name=name)

    def _draw(self, row: np.ndarray, k: int) -> Any:
        """Draw the point of model ``k``, over its intervals."""
        look = style(k)
        x, y, left, right, low, high = row
        line = {"color": look.color, "lw": 1.2, "zorder": 2, "solid_capstyle": "butt"}
        self.ax_.plot([left, right], [y, y], **line)
        self.ax_.plot([x, x], [low, high], **line)
        point = {"marker": look.marker, "ms": 7, "mec": "black", "mew": 0.8, "zorder": 3}
        return self.ax_.plot(x, y, color=look.color, ls="", **point)[0]

    def _set_limits(self, bars: np.ndarray) -> None:
        """Leave room for the names, and draw the line that no model is above, if it is in view."""
        low = np.nanmin(bars[:, :2], axis=0)
        high = np.nanmax(bars[:, 2:], axis=0)
        margin = np.maximum(0.12 * (high - low), 0.02)
        low -= margin
        high += margin
        self.ax_.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        if low.max() < high.min():
            equal = {"color": "0.5", "lw": 1, "ls": "--", "label": "worst group = average"}
            self.ax_.axline((0, 0), slope=1, zorder=1, **equal)
            above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2}
            self.ax_.legend(frameon=False, fontsize="small", **above)


def _scores(report: GroupReport) -> dict[str, float]:
    """Return the numbers of one model."""
    average = report.averages["raw"]
    hits = round(average * report.n_samples)
    _, lower, upper = binomial_share(hits, report.n_samples, report.confidence)
    worst_lower, worst_upper = report.worst_group_interval
    values = (average, report.worst_group_accuracy, lower, upper, worst_lower, worst_upper)
    return dict(zip(SCORES + BOUNDS, values, strict=True))


def _checked(frame: Any) -> pd.DataFrame:
    """Return the numbers of the frame, all columns of them; raise a ValueError for others."""
    known = list(frame.columns) if isinstance(frame, pd.DataFrame) else []
    if not set(SCORES) <= set(known) or not len(frame):
        what = known if isinstance(frame, pd.DataFrame) else type(frame).__name__
        raise ValueError(
            f"`frame` must be a DataFrame with a row per model and the columns {list(SCORES)}, "
            f"got {what!s:.200}."
        )
    if frame.index.map(str).has_duplicates:
        raise ValueError(f"`frame` must have one row per model, got {list(frame.index)!s:.200}.")
    for score in SCORES:
        if (f"{score}_lower" in known) != (f"{score}_upper" in known):
            raise ValueError(
                f"`frame` must have both '{score}_lower' and '{score}_upper', or none of them."
            )
    given = [column for column in SCORES + BOUNDS if column in known]
    numbers = as_array(frame[given], "frame", dtype=float)
    table = pd.DataFrame(numbers, frame.index, given).reindex(columns=[*SCORES, *BOUNDS])
    values = table.to_numpy()
    if np.isnan(values[:, :2]).any() or (values < 0).any() or (values > 1).any():
        raise ValueError(
            f"`frame` must hold accuracies in [0, 1] in {given}, and none that is missing in "
            f"{list(SCORES)}, got others."
        )
    return table


def _bars(numbers: np.ndarray) -> np.ndarray:
    """Return left, bottom, right and top of both intervals of each model; the point where none."""
    x, y, left, right, low, high = numbers.T
    across = np.stack([np.fmin(left, x), y, np.fmax(right, x), y], axis=1)
    along = np.stack([x, np.fmin(low, y), x, np.fmax(high, y)], axis=1)
    return np.concatenate([across, along])
