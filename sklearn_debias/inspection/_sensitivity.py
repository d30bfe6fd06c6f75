"""How average and worst group depend on a parameter, from what a search has found."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sklearn_debias.arguments import check_option
from sklearn_debias.inspection._cv_results import along, is_numeric, read_results
from sklearn_debias.inspection._drawing import one_axes, pyplot
from sklearn_debias.inspection._labels import plain, short, style
from sklearn_debias.inspection._param_axis import check_curves, check_range, set_axis
from sklearn_debias.metrics.internal import find_fitted

SCALES = ("auto", "linear", "log")
SIZE = (6.4, 4.2)


class SensitivityDisplay:
    """Scores against the values of a parameter: the average and the worst group, by custom.

    Make it by `from_search` or `from_cv_results`. Numbers stand on an axis, a
    logarithmic one where they are spread like that; other values stand side by side. Bands and bars
    are one standard deviation over the folds.

    Parameters
    ----------
    param_name : str
        What the values are of.
    param_range : sequence of length k
        Its values, in the order drawn.
    means : dict of str to array-like of shape (k,)
        Per score its mean over the folds; NaN is not drawn.
    stds : dict of str to array-like of shape (k,), default=None
        Per score its standard deviation over the folds. None, and NaN, draw no band.
    note : str, default=""
        What was done with the other parameters, to write above.

    Attributes
    ----------
    lines_ : dict of str to Line2D
        Per score. Set by `plot`.
    ax_ : Axes
        Set by `plot`.
    figure_ : Figure
        Set by `plot`.

    See Also
    --------
    sklearn.model_selection.ValidationCurveDisplay : varies one parameter, and fits for it.

    Examples
    --------
    >>> from sklearn_debias.inspection import SensitivityDisplay
    >>> found = {
    ...     "params": [{"lam": 0.5}, {"lam": 0.8}, {"lam": 1.0}],
    ...     "mean_test_accuracy": [0.90, 0.91, 0.95],
    ...     "mean_test_worst_group_accuracy": [0.80, 0.85, 0.40],
    ... }
    >>> display = SensitivityDisplay.from_cv_results(found, "lam")
    >>> display.param_range, list(display.lines_)
    ([0.5, 0.8, 1.0], ['accuracy', 'worst_group_accuracy'])
    """

    def __init__(
        self,
        param_name: str,
        param_range: Sequence[Any],
        means: Mapping[str, Any],
        stds: Mapping[str, Any] | None = None,
        *,
        note: str = "",
    ) -> None:
        self.param_name = param_name
        self.param_range = param_range
        self.means = means
        self.stds = stds
        self.note = note

    def plot(
        self, ax: Any = None, *, name: str | None = None, xscale: str = "auto"
    ) -> "SensitivityDisplay":
        """Draw the scores.

        Parameters
        ----------
        ax : Axes, default=None
            None makes a figure.
        name : str, default=None
            What to call the parameter. None takes its name.
        xscale : {"auto", "linear", "log"}, default="auto"
            Of numbers. "auto" takes a logarithmic axis where the values are positive, at least
            tenfold apart, and more even on it. Zero then stands beside the smallest of the others.

        Returns
        -------
        SensitivityDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If an argument, or what the display holds, is invalid.
        """
        pyplot()
        values = check_range(self.param_range)
        curves = check_curves(self.means, self.stds, len(values))
        check_option("xscale", xscale, SCALES)
        for argument in ("param_name", "note"):
            if not isinstance(getattr(self, argument), str):
                raise ValueError(
                    f"`{argument}` must be a text, got {getattr(self, argument)!r:.60}."
                )
        numeric = is_numeric(values)
        if xscale == "log" and not (numeric and min(values) >= 0 < max(values)):
            raise ValueError(
                f'`xscale`="log" needs numbers of at least 0, got {values!s:.100}. Use "linear".'
            )
        self.ax_ = one_axes(ax, SIZE)
        self.figure_ = self.ax_.figure
        places = np.array(values, dtype=float) if numeric else np.arange(len(values), dtype=float)
        self.lines_ = {
            key: self._draw(key, k, places, *curve, numeric)
            for k, (key, curve) in enumerate(curves.items())
        }
        set_axis(self.ax_, values, numeric, xscale)
        several = len(curves) > 1
        told = "test score" if several else plain(_words(next(iter(curves))))
        self.ax_.set(xlabel=short(self.param_name if name is None else name), ylabel=told)
        self.ax_.grid(color="0.92")
        if several:
            self.ax_.legend(fontsize="small", framealpha=0.85)
        if self.note:
            self.ax_.set_title(plain(str(self.note)), fontsize="small")
        return self

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Any,
        param: str,
        *,
        average: str | None = None,
        worst: str | None = None,
        others: str = "best",
        name: str | None = None,
        xscale: str = "auto",
        ax: Any = None,
    ) -> "SensitivityDisplay":
        """Draw what a search found for each value of a parameter.

        Parameters
        ----------
        cv_results : dict or DataFrame
            ``cv_results_`` of any search in scikit-learn's manner.
        param : str
            A parameter searched, "lr" or "param_lr".
        average, worst : str, default=None
            Names of scores, "accuracy" or "mean_test_accuracy". None takes the only score there is,
            or the only two, if one has "worst" or "conflicting" in its name. If one is given, it
            alone is drawn.
        others : {"best", "mean", "fixed"}, default="best"
            What to do with the other parameters. The best is that with the best ``worst``, or
            with the best only score; both scores are of the same candidate.

            "best"
                for each value the best candidate that has it.
            "mean"
                for each value the mean of all candidates that have it.
            "fixed"
                only candidates that are, in all other parameters, like the best of all: one
                parameter is moved away from the optimum.
        name, xscale, ax
            As in `plot`.

        Returns
        -------
        SensitivityDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If there is no such parameter or score, or no finite score: it says what there is.
        """
        pyplot()
        results = read_results(cv_results, average, worst)
        values, means, stds, varied = along(results, param, others)
        note = _note(varied, others, results.judge)
        display = cls(param.removeprefix("param_"), values, means, stds, note=note)
        return display.plot(ax, name=name, xscale=xscale)

    @classmethod
    def from_search(
        cls,
        search: Any,
        param: str,
        *,
        average: str | None = None,
        worst: str | None = None,
        others: str = "best",
        name: str | None = None,
        xscale: str = "auto",
        ax: Any = None,
    ) -> "SensitivityDisplay":
        """Draw what a fitted search found for each value of a parameter.

        Parameters
        ----------
        search : fitted GridSearchCV, BatchedGridSearchCV, RandomizedSearchCV or the like
        param, average, worst, others
            As in `from_cv_results`.
        name, xscale, ax
            As in `plot`.

        Returns
        -------
        SensitivityDisplay

        Raises
        ------
        ImportError, ValueError
            As `from_cv_results` does, and if the search is not fitted.
        """
        results = None if isinstance(search, type) else find_fitted(search, "cv_results_")
        if results is None:
            raise ValueError(
                "`search` must be a fitted search, which has `cv_results_`, got "
                f"{search!r:.100}. Call its fit first."
            )
        given: dict[str, Any] = {"average": average, "worst": worst, "others": others}
        return cls.from_cv_results(results, param, **given, name=name, xscale=xscale, ax=ax)

    def _draw(
        self,
        score: str,
        k: int,
        places: np.ndarray,
        mean: np.ndarray,
        std: np.ndarray,
        numeric: bool,
    ) -> Any:
        """Draw one score: a line in a band over numbers, points with bars over other values."""
        look = style(k)
        line = {"color": look.color, "marker": look.marker, "ms": 6, "mec": "black", "mew": 0.6}
        line |= {"label": plain(_words(score)), "lw": 1.6, "ls": look.line if numeric else ""}
        drawn = np.isfinite(mean)
        if numeric:
            band = {"color": look.color, "alpha": 0.18, "lw": 0}
            self.ax_.fill_between(places, mean - std, mean + std, **band)
            for edge in (mean - std, mean + std):
                self.ax_.plot(places, edge, color=look.color, lw=0.6, ls=look.line, label="_")
        else:
            places = places + 0.12 * (k - (len(self.means) - 1) / 2)
            bar = {"ecolor": look.color, "elinewidth": 1.4, "capsize": 3, "fmt": "none"}
            sound = drawn & np.isfinite(std)
            self.ax_.errorbar(places[sound], mean[sound], yerr=std[sound], **bar)
        return self.ax_.plot(places[drawn], mean[drawn], **line)[0]


def _words(score: str) -> str:
    return score.replace("_", " ")


def _note(varied: tuple[str, ...], others: str, judge: str) -> str:
    """Return what was done with the other parameters, nothing if there are none."""
    if not varied:
        return ""
    names = ", ".join(varied)
    text = {
        "best": f"for each value the best {names}, by {_words(judge)}",
        "mean": f"mean over {names}",
        "fixed": f"{names} as in the best candidate of all, by {_words(judge)}",
    }[others]
    return "\n".join(textwrap.wrap(text, 70))
