"""Selective last-layer finetuning."""

import numbers
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_debias.arguments import is_whole
from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.estimators._two_stages import split_of
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import POSITIVE_INT, TrainingSet
from sklearn_debias.objectives import ERMOnPart, FinetuneHead
from sklearn_debias.objectives.internal import DISAGREEMENTS
from sklearn_debias.search_spaces import SearchedRows, Space, self_space

AGREED = 1e-6  # a divergence below which two networks differ by rounding only


@dataclass(kw_only=True, eq=False, repr=False)
class SELFClassifier(BaseDebiasClassifier):
    """SELF: finetune the last layer on the held-out rows that two networks dispute most [1]_.

    The first stage trains the network by ERM on most rows of each class. Of the others, the second
    takes the ``k`` that a regularised network (stopped early, or with dropout) and the final one
    classify most differently, or that are fitted worst. It trains the head alone on them, their
    classes weighted alike. Rows against the shortcut are frequent among them. No bias labels are
    needed; `rows_to_label` says for which rows they are worth buying.

    Parameters
    ----------
    {shared_parameters}
    k : int, default=20
        Held-out rows to finetune on, at least 1. Where fewer are held out, all are taken, with a
        warning.
    disagreement : {"early_stop", "dropout", "misclassification", \
"early_stop_misclassification"}, default="early_stop"
        How the rows are scored. The first two take the Kullback-Leibler divergence to the final
        probabilities: from those after a part of the training, or from those with dropout on the
        features. The last two take the cross entropy: of the final network, or of the network after
        a part of the training.
    early_stop : float, default=0.1
        Share of ``max_epochs`` after which the early network is kept, in (0, 1); at least one
        epoch. For the two choices that stop early.
    dropout : float, default=0.5
        Probability that a feature is dropped, in (0, 1). For "dropout".
    held_out_share : float, default=0.2
        Share of each class's rows that is held out of the first stage, in (0, 1). Each stage gets
        at least one row of a class; a single row serves both.
    finetuning_epochs : int, default=250
        Steps of the second stage, each on all of its rows.

    Attributes
    ----------
    {shared_attributes}
    held_out_rows_ : ndarray of int
        Rows of X that were held out, sorted.
    dispute_scores_ : ndarray of float
        How much each of them is disputed, at least 0, in nats: the divergence, for "early_stop" and
        "dropout"; the cross entropy of the network named, for the two others.
    finetuned_rows_ : ndarray of int
        Rows of X that the second stage trained on, sorted.

    Notes
    -----
    The second stage computes the features of its rows once, in eval mode and without augmentation,
    and takes one full-batch step per epoch; the released code draws class-balanced batches.
    ``optimizer``, ``lr`` and ``lr_schedule`` are those of the first stage, restarted; the paper
    tunes a rate for each. Its grid is k of 20, 100 and 500, an early stop at 10, 20 and 50 % of the
    epochs, dropout of .5, .7 and .9, selected by the worst group on validation rows. Validation
    rows are scored, and the best epoch is kept, in the second stage. The early network is dropped
    at the end of the fit.

    References
    ----------
    .. [1] LaBonte, Muthukumar and Kumar, "Towards Last-layer Retraining for Group Robustness with
       Fewer Annotations", NeurIPS 2023; code: https://github.com/tmlabonte/last-layer-retraining.

    Examples
    --------
    >>> from sklearn_debias import SELFClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = SELFClassifier(max_epochs=10, finetuning_epochs=5, random_state=0)
    >>> clf = clf.fit(train.data, train.target)
    >>> clf.held_out_rows_.shape, clf.finetuned_rows_.shape
    ((200,), (20,))
    >>> set(clf.rows_to_label(20)) == set(clf.finetuned_rows_)
    True
    """

    k: int = 20
    disagreement: str = "early_stop"
    early_stop: float = 0.1
    dropout: float = 0.5
    held_out_share: float = 0.2
    finetuning_epochs: int = 250

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "k": POSITIVE_INT,
        "disagreement": [StrOptions(set(DISAGREEMENTS))],
        "early_stop": [Interval(numbers.Real, 0, 1, closed="neither")],
        "dropout": [Interval(numbers.Real, 0, 1, closed="neither")],
        "held_out_share": [Interval(numbers.Real, 0, 1, closed="neither")],
        "finetuning_epochs": POSITIVE_INT,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        own = self_space(rows, self.disagreement, self.held_out_share)
        return super()._search_space(rows) | own

    def rows_to_label(self, k: int) -> np.ndarray:
        """Return which rows of X are worth annotating, the most disputed first.

        Check their labels, or buy bias labels for them. `GroupDROClassifier`, `DFRClassifier` and
        the reports by group need those.

        Parameters
        ----------
        k : int
            How many, from 1 to the number of held-out rows.

        Returns
        -------
        ndarray of shape (k,), int
            Positions in the X of ``fit``, of held-out rows.

        Raises
        ------
        ValueError
            If ``k`` is not in that range.
        """
        check_is_fitted(self)
        most = len(self.held_out_rows_)
        if not is_whole(k) or not 1 <= k <= most:
            raise ValueError(
                f"`k` must be an int from 1 to {most}, the number of held-out rows, got {k!r}. "
                "More rows are held out by a larger `held_out_share`."
            )
        ranked = np.argsort(-self.dispute_scores_, kind="stable")
        return self.held_out_rows_[ranked[: int(k)]]

    def _phases(self) -> tuple[Phase, ...]:
        split = split_of(self, self.held_out_share)
        finetune = FinetuneHead(
            self.k,
            self.disagreement,
            float(self.dropout),
            **split,
            dropout_seed=self._streams.seed("disagreement dropout"),
        )
        return self._stages(ERMOnPart(**split), finetune)

    def _stages(self, erm: ERMOnPart, finetune: FinetuneHead) -> tuple[Phase, ...]:
        """Return all phases; plain training is split in two where the early network is kept."""
        last = Phase("finetuning", (finetune,), self.finetuning_epochs)
        if "early" not in finetune.roles:
            return (Phase("train", (erm,), self.max_epochs), last)
        before = min(max(1, round(self.early_stop * self.max_epochs)), self.max_epochs - 1)
        if before == 0:
            # One epoch has no earlier network: `_inspect` warns that nothing is disputed.
            return (Phase("train", (erm,), 1), replace(last, snapshots=("early",)))
        rest = Phase(
            "train", (erm,), self.max_epochs - before, continues=True, snapshots=("early",)
        )
        return (Phase("early", (erm,), before), rest, last)

    def _inspect(self, phase: Phase, state: dict, training: TrainingSet) -> None:
        # Of the phases only the last begins with scores.
        if "score" not in state:
            return
        held_out = len(state["score"])
        if held_out < self.k:
            warn(
                f"`k`={self.k} is more than the {held_out} held-out rows: all of them are taken. "
                "Lower it, or raise `held_out_share`."
            )
        compares = self.disagreement in ("early_stop", "dropout")
        if compares and float(state["score"].max()) < AGREED:
            cause = {
                "early_stop": "Lower `early_stop`, or raise `max_epochs` or `lr`.",
                "dropout": "Raise `dropout`, or train longer.",
            }
            warn(
                f"The two networks agree on all {held_out} held-out rows, and which of them are "
                f"taken says nothing. {cause[self.disagreement]}"
            )
        found = state["y"].unique().tolist()
        if len(found) == 1:
            warn(
                f"All rows that were taken ({len(state['y'])}) are of class "
                f"{training.classes[found].tolist()[0]!r}: the last layer will favour it. Raise "
                "`k`."
            )

    def _finish(self, states: dict, training: TrainingSet) -> None:
        if "early" in self.net_.module_:
            # It has given its scores; a model of its size would go with every pickle.
            self.net_.drop_role("early")
        state = states["finetuning"]
        held_out = state["held_out"].cpu().numpy()
        chosen = state["chosen"].cpu().numpy()
        self.held_out_rows_: np.ndarray = training.index[held_out]
        self.dispute_scores_: np.ndarray = state["score"].cpu().numpy()
        self.finetuned_rows_: np.ndarray = self.held_out_rows_[chosen]
