"""What a fit on inferred groups looks at before it trains and after: luck, use, and cost."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import take_rows
from sklearn_debias.group_inference._check import held_out_scores, stability
from sklearn_debias.group_inference._handing import argument, last_of
from sklearn_debias.group_inference._reference import logistic
from sklearn_debias.training import Streams

PENALTY = 0.05  # of the logistic regression that is trained, by the sets of the evidence page
UNSTABLE = 0.5
SURE = 1.645  # standard errors of a gain that is luck in 5 % of cases
BY_MISTAKES = ("errors", "eiil", "xrm")  # label 0 is of rows that a plain model gets right
LOOKED_AT = (100, 1000)  # fewer rows tell little, more tell nothing new


@dataclass(frozen=True)
class Rows:
    """Rows that a classifier is trained on.

    Parameters
    ----------
    X : array-like of n rows
    y : array-like of shape (n,)
    codes, labels : ndarray of shape (n,)
        Class codes, and inferred bias labels.
    index : ndarray of shape (n,) or None, default=None
        Numbers of these rows among all; None are all.
    """

    X: Any
    y: Any
    codes: np.ndarray
    labels: np.ndarray
    index: np.ndarray | None = None

    def take(self, index: np.ndarray) -> "Rows":
        """Return some of the rows."""
        X = take_rows(self.X, index)
        return Rows(X, self.y[index], self.codes[index], self.labels[index], index)


class ChecksInFit:
    """Sets `stability_`, `held_out_scores_` and `fell_back_`, and warns of what they say."""

    classifier: Any
    fallback: Any
    inferrer_: Any
    classifier_: Any
    n_checks: int | None
    _train: Any

    def _n_checks(self) -> int:
        """Return how often to infer again."""
        if self.n_checks is not None:
            return int(self.n_checks)
        return 2 if self._is_table() else 0

    def _is_table(self) -> bool:
        return len(getattr(self.inferrer_, "input_shape_", (1,))) == 1

    def _check_stability(self, rows: Rows, known: Any, streams: Streams) -> None:
        """Infer again from other rows, and warn where the groups change."""
        self.stability_ = None
        n_checks = self._n_checks()
        if not n_checks:
            return
        seeds = [streams.seed("check", str(i)) % 2**32 for i in range(n_checks)]
        self.stability_ = stability(self.inferrer_, rows.X, rows.y, rows.codes, seeds, known)
        if self._unstable():
            warn(
                f"The inferred groups are a matter of luck: inferred from other rows they agree by "
                f"{self.stability_:.2f} (1 is the same, 0 is chance). Set `fallback` to a plain "
                "classifier, or change `inferrer`."
            )

    def _unstable(self) -> bool:
        return self.stability_ is not None and self.stability_ < UNSTABLE

    def _check_use(self, rows: Rows, streams: Streams, given: dict[str, Any]) -> None:
        """Say whether the fallback is to be fitted; warn where the groups serve nobody.

        ``given`` are further arguments of the classifier's ``fit``.
        """
        self.fell_back_ = False
        self.held_out_scores_ = None
        plain_one = self._without_groups(len(rows.codes))
        if plain_one is None:
            return
        scores = held_out_scores(
            lambda part: self._train(rows.take(part), streams, given),
            lambda part: fit_plain(plain_one, rows.take(part), given),
            rows.X,
            rows.y,
            rows.codes,
            rows.labels,
            streams.seed("held out") % 2**32,
        )
        self.held_out_scores_ = scores
        useless = scores is not None and scores["groups"] - scores["plain"] <= (
            SURE * scores["error"]
        )
        # Without a minority there is nothing that groups could be trained for.
        in_doubt = self._unstable() or useless or scores is None
        self.fell_back_ = self.fallback is not None and in_doubt
        if self.fell_back_ and scores is None:
            warn("`fallback` is fitted: the inferred minority, or a class, has too few rows.")
        elif useless and scores is not None:
            did = "`fallback` is fitted." if self.fell_back_ else "Set `fallback` to it."
            warn(
                "Training on the inferred groups shows no gain: the mean accuracy on majority and "
                f"minority of the classes is {scores['groups']:.3f} on held-out rows, and "
                f"{scores['plain']:.3f} by a plain classifier (standard error of the difference "
                f"{scores['error']:.3f}). The minority may be mislabelled rows, or too few. {did}"
            )

    def _check_outcome(self, rows: Rows, streams: Streams) -> None:
        """Warn where the trained classifier has lost what the plain model knew.

        Where classes overlap the minority is noise, and equal losses on both parts are those of a
        classifier that knows nothing.
        """
        if self.fell_back_ or self.held_out_scores_ is not None or self._unstable():
            return  # told already
        if getattr(self.inferrer_, "method", None) not in BY_MISTAKES:
            return
        if hasattr(last_of(self.classifier_), "stands_in_for"):
            return  # it has learned nothing
        fewest, most = LOOKED_AT
        known = np.flatnonzero(rows.labels == 0)
        if len(known) < fewest:
            return
        rng = np.random.default_rng(streams.seed("outcome"))
        some = np.sort(rng.permutation(known)[:most])
        right = np.mean(self.classifier_.predict(take_rows(rows.X, some)) == rows.y[some])
        halfway = (1 + 1 / len(np.unique(rows.codes))) / 2  # from guessing to all of them
        if right < halfway:
            warn(
                f"Training for the inferred groups has cost what a plain model knows: `classifier` "
                f"is right about {right:.0%} of {len(some)} training rows that the model of "
                "`inferrer` is right about. The minority is noise, most likely: rows that are "
                "mislabelled, or where classes overlap. Compare with a plain classifier, set "
                "`fallback` to it, or train fewer epochs."
            )

    def _without_groups(self, n: int) -> Any:
        """Return the plain classifier to compare with; None where none is at hand."""
        if self.fallback is not None:
            return self.fallback
        default = self.classifier is None and self._is_table()
        # Another fit of any other classifier may take hours.
        return logistic(n, PENALTY) if default and self._n_checks() else None


def fit_plain(model: Any, rows: Rows, given: dict[str, Any]) -> Any:
    """Return a fitted clone of a classifier that is told of no groups; it takes what it can."""
    taken = [(argument(model, name), value) for name, value in given.items()]
    named = {name: value for name, value in taken if name is not None}
    return clone(model).fit(rows.X, rows.y, **named)
