"""How a fit went: every term and the score of the validation rows, over epochs and phases."""

from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.inspection._drawing import pyplot
from sklearn_debias.inspection._history import History, kept_epoch, open_history
from sklearn_debias.inspection._labels import plain, short, style
from sklearn_debias.inspection._panels import (
    finish_panels,
    mark_best,
    mark_phases,
    stacked_axes,
)
from sklearn_debias.metrics.internal import find_fitted

WIDTH = 7.2  # inches
HEIGHT = 1.9  # of a panel
FEW = 40  # epochs, of which each has its mark
LOG = 1000  # between the ends of what is drawn on a logarithmic axis


class TrainingDisplay:
    """Curves of a fit over its epochs: losses, other terms, the monitored score, each in a panel.

    It is recommended to use `from_estimator`. Phases follow each other on one axis, shaded in turn
    and named above; the epoch that ``monitor`` kept is marked. A panel whose values are positive
    and more than a thousandfold apart is logarithmic.

    Parameters
    ----------
    history : DataFrame
        A row per epoch with the column "phase", as `history_` of the classifiers of this package.
        Columns that end in "_loss" share a panel, those that begin with ``validation_`` another,
        all other numbers a third ("epoch", "lr" and "seconds" excepted). NaN is not drawn.
    best : int, default=None
        Position of the row whose epoch was kept, from 0. None marks none.

    Attributes
    ----------
    lines_ : dict of str to Line2D
        Per column that is drawn. Set by `plot`.
    axes_ : ndarray of Axes of shape (panels,)
        Those of losses, other terms and scores, as far as there are any. Set by `plot`.
    figure_ : Figure
        Set by `plot`.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_debias.inspection import TrainingDisplay
    >>> history = pd.DataFrame(
    ...     {"phase": ["early", "train"], "model_loss": [None, 0.5], "biased_loss": [1, None]}
    ... )
    >>> display = TrainingDisplay(history).plot()
    >>> list(display.lines_), display.axes_.shape
    (['model_loss', 'biased_loss'], (1,))
    """

    def __init__(self, history: pd.DataFrame, *, best: int | None = None) -> None:
        self.history = history
        self.best = best

    def plot(
        self, ax: Any = None, *, name: str | None = None, terms: Any = None
    ) -> "TrainingDisplay":
        """Draw the curves.

        Parameters
        ----------
        ax : Axes or array of Axes of shape (panels,), default=None
            One Axes is divided; None makes a figure.
        name : str, default=None
            What to call the model, above all.
        terms : list of str, default=None
            The columns to draw. None draws all.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If an argument, or what the display holds, is invalid.
        """
        pyplot()
        history = open_history(self.history, self.best, terms)
        self.axes_ = stacked_axes(ax, len(history.panels), (WIDTH, HEIGHT))
        self.figure_ = self.axes_[0].figure
        self.lines_ = {}
        for axis, (title, columns) in zip(self.axes_, history.panels.items(), strict=True):
            for k, column in enumerate(columns):
                self.lines_[column] = self._draw(axis, history, column, k)
            axis.set_ylabel(title)
            values = history.frame[columns].to_numpy()
            values = values[np.isfinite(values)]
            if values.size and values.min() > 0 and values.max() > LOG * values.min():
                axis.set_yscale("log")
        if history.best is not None:
            mark_best(self.axes_, history)
        several = len(history.phases) > 1
        self.axes_[-1].set_xlabel("epoch, over all phases" if several else "epoch")
        finish_panels(self.axes_)
        mark_phases(self.axes_, history.phases, None if name is None else short(name))
        return self

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, terms: Any = None, ax: Any = None
    ) -> "TrainingDisplay":
        """Draw how a classifier was fitted.

        Parameters
        ----------
        estimator : fitted classifier
            One of this package; in a pipeline, or the best of a search, too.
        name, terms, ax
            As in `plot`.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If the estimator has no history, and as `plot` does.
        """
        pyplot()
        history = None if isinstance(estimator, type) else find_fitted(estimator, "history_")
        if history is None:
            raise ValueError(
                "`estimator` must be a fitted classifier of this package that trains a network, "
                f"which has `history_`, got {estimator!r:.100}. Call its fit first."
            )
        best = kept_epoch(history, find_fitted(estimator, "net_"))
        return cls(history, best=best).plot(ax, name=name, terms=terms)

    @classmethod
    def from_history(
        cls,
        history: pd.DataFrame,
        *,
        best: int | None = None,
        name: str | None = None,
        terms: Any = None,
        ax: Any = None,
    ) -> "TrainingDisplay":
        """Draw a history that was kept, of a fit or of any training.

        Parameters
        ----------
        history, best
            See `TrainingDisplay`.
        name, terms, ax
            As in `plot`.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ImportError, ValueError
            As `plot` does.
        """
        return cls(history, best=best).plot(ax, name=name, terms=terms)

    def _draw(self, axis: Any, history: History, column: str, k: int) -> Any:
        """Draw one column."""
        look = style(k)
        values = history.frame[column].to_numpy()
        there = np.isfinite(np.pad(values, 1, constant_values=np.nan))
        alone = there[1:-1] & ~there[:-2] & ~there[2:]  # no line leads to it
        marks = np.ones(len(values), dtype=bool) if len(values) <= FEW else alone
        epochs = np.arange(1, len(values) + 1)
        line = {"color": look.color, "ls": look.line, "lw": 1.5, "marker": look.marker, "ms": 4}
        label = plain(column.removeprefix("validation_").replace("_", " "))
        return axis.plot(epochs, values, label=label, markevery=list(marks), **line)[0]
