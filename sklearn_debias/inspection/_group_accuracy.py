"""The accuracy of every group as bars with intervals, of several models side by side."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sklearn_debias.arguments import in_our_words, is_whole
from sklearn_debias.inspection._drawing import check_keywords, one_axes, pyplot
from sklearn_debias.inspection._group_bars import (
    FIGURE,
    draw_averages,
    draw_groups,
    legend_columns,
    write_axes,
    write_legend,
)
from sklearn_debias.inspection._group_tables import check_averages, check_share, open_tables
from sklearn_debias.inspection._labels import short
from sklearn_debias.inspection._models import by_name, confidence_of, predictions_of, reports_of
from sklearn_debias.metrics import GroupReport
from sklearn_debias.metrics.internal import check_confidence


class GroupAccuracyDisplay:
    """Bars of the accuracy in each group, with intervals, of one model or of several.

    Make it by `from_estimator`, `from_predictions` or `from_report`. The bars lie, so that names
    have room; a star marks each model's worst group. A print in greys keeps the models' hatches.

    Parameters
    ----------
    frames : dict of str to DataFrame
        Per model a row per group, as `GroupReport.to_frame` has it: "class" and "bias" (or one of
        them, or "group"), "n", "accuracy", "lower" and "upper". Groups that a model lacks have no
        bar.
    averages : dict of str to float, default=None
        Per model its accuracy over all rows, in [0, 1], to draw below the groups; a model may have
        none.
    confidence : float, default=0.95
        Coverage of the intervals, which the axis tells.

    Attributes
    ----------
    bars_ : dict of str to BarContainer
        Per model a bar per group that is drawn. Set by `plot`.
    average_bars_ : dict of str to BarContainer
        Per model with an average its bar. Set by `plot`.
    groups_ : list of tuple
        Names of the groups that are drawn, from top to bottom. Set by `plot`.
    ax_ : Axes
        Set by `plot`.
    figure_ : Figure
        Set by `plot`.

    See Also
    --------
    sklearn_debias.metrics.group_report : the same as a table.

    Examples
    --------
    >>> from sklearn_debias.inspection import GroupAccuracyDisplay
    >>> y, bias = [0, 0, 1, 1] * 25, ["sea", "land", "sea", "land"] * 25
    >>> display = GroupAccuracyDisplay.from_predictions(y, [0, 0, 1, 0] * 25, bias_labels=bias)
    >>> display.groups_
    [(0, 'land'), (0, 'sea'), (1, 'land'), (1, 'sea')]
    >>> [float(bar.get_width()) for bar in display.bars_["Classifier"]]
    [1.0, 1.0, 0.0, 1.0]
    """

    def __init__(
        self,
        frames: Mapping[str, pd.DataFrame],
        *,
        averages: Mapping[str, float] | None = None,
        confidence: float = 0.95,
    ) -> None:
        self.frames = frames
        self.averages = averages
        self.confidence = confidence

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        most: int = 20,
        chance: float | None = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> "GroupAccuracyDisplay":
        """Draw the bars.

        Parameters
        ----------
        ax : Axes, default=None
            None makes a figure.
        name : str, default=None
            What to call the model, if it is one. None takes the name it has.
        most : int, default=20
            Groups to draw at most. Where there are more, those are drawn in which some model is
            worst, and the axis tells of it.
        chance : float, default=None
            An accuracy in [0, 1] to draw as a dotted line, such as 0.5 for two classes.
        bar_kw : dict, default=None
            What matplotlib's ``barh`` is to be given, such as ``{"hatch": None}``.

        Returns
        -------
        GroupAccuracyDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If an argument, or what the display holds, is invalid.
        """
        pyplot()
        tables = open_tables(self.frames)
        averages = check_averages(self.averages, list(self.frames))
        confidence = check_confidence(self.confidence)
        if not is_whole(most) or most < 1:
            raise ValueError(f"`most` must be an int >= 1, got {most!r:.60}.")
        if chance is not None:
            check_share(chance, "chance")
        look = check_keywords(bar_kw, "bar_kw")
        if name is not None and len(tables.numbers) > 1:
            raise ValueError(
                f"`name` names a single model, got {name!r:.60} for {len(tables.numbers)}."
            )
        drawn = tables.worst(most)
        names = {key: short(key if name is None else name) for key in tables.numbers}
        n_rows = len(drawn.groups) + bool(averages)
        room = max(0.34, 0.17 * len(names) + 0.12)  # inches of a row
        columns = legend_columns(names)
        n_lines = -(-(len(names) + 2) // columns)  # with the star and chance, rounded up
        self.ax_ = one_axes(ax, (FIGURE, 0.7 + room * n_rows + 0.2 * n_lines))
        self.figure_ = self.ax_.figure
        self.groups_ = drawn.groups
        self.bars_ = draw_groups(self.ax_, drawn, names, look)
        self.average_bars_ = draw_averages(self.ax_, len(drawn.groups), names, averages, look)
        if chance is not None:
            self.ax_.axvline(chance, color="black", linestyle=":", lw=1.4, label="chance")
        write_legend(self.ax_, columns)
        write_axes(self.ax_, drawn, len(tables.groups), bool(averages), confidence)
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
        sample_weight: Any = None,
        min_group_size: int = 1,
        confidence: float = 0.95,
        name: str | None = None,
        most: int = 20,
        chance: float | None = None,
        ax: Any = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> "GroupAccuracyDisplay":
        """Predict with one or several models, and draw the accuracy of every group.

        Parameters
        ----------
        estimator : fitted classifier, or dict of str to these
            A dict names the models.
        X : array-like
            As in the classifiers' ``predict``.
        y : array-like of shape (n,)
            True class labels.
        bias_labels, membership, sample_weight, min_group_size, confidence
            As in `sklearn_debias.metrics.group_report`.
        name : str, default=None
            What to call a single model. None takes its class.
        most, chance, ax, bar_kw
            As in `plot`.

        Returns
        -------
        GroupAccuracyDisplay

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
            sample_weight=sample_weight,
            min_group_size=min_group_size,
            confidence=confidence,
            most=most,
            chance=chance,
            ax=ax,
            bar_kw=bar_kw,
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
        sample_weight: Any = None,
        min_group_size: int = 1,
        confidence: float = 0.95,
        name: str | None = None,
        most: int = 20,
        chance: float | None = None,
        ax: Any = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> "GroupAccuracyDisplay":
        """Draw the accuracy of every group, from predictions.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            True class labels.
        y_pred : array-like of shape (n,), or dict of str to these
            Predicted class labels; a dict names the models.
        bias_labels, membership, sample_weight, min_group_size, confidence
            As in `sklearn_debias.metrics.group_report`.
        name : str, default=None
            What to call a single model. None is "Classifier".
        most, chance, ax, bar_kw
            As in `plot`.

        Returns
        -------
        GroupAccuracyDisplay
        """
        pyplot()
        given = {
            "bias_labels": bias_labels,
            "membership": membership,
            "sample_weight": sample_weight,
            "min_group_size": min_group_size,
            "confidence": confidence,
        }
        reports = reports_of(y_true, y_pred, name, given)
        return cls.from_report(reports, most=most, chance=chance, ax=ax, bar_kw=bar_kw)

    @classmethod
    def from_report(
        cls,
        report: GroupReport | Mapping[str, GroupReport],
        *,
        name: str | None = None,
        most: int = 20,
        chance: float | None = None,
        ax: Any = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> "GroupAccuracyDisplay":
        """Draw group reports that exist; the averages are those over all samples.

        Parameters
        ----------
        report : GroupReport, or dict of str to these
            A dict names the models.
        name : str, default=None
            What to call a single model. None is "Classifier".
        most, chance, ax, bar_kw
            As in `plot`.

        Returns
        -------
        GroupAccuracyDisplay

        Raises
        ------
        ImportError, ValueError
            As `plot` does, and if there is no report, or they have other confidences.
        """
        reports = by_name(report, "report", name, "Classifier")
        confidence = confidence_of(reports)
        frames = {key: found.to_frame() for key, found in reports.items()}
        averages = {key: found.averages["raw"] for key, found in reports.items()}
        display = cls(frames, averages=averages, confidence=confidence)
        return display.plot(ax, most=most, chance=chance, bar_kw=bar_kw)
