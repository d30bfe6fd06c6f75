"""Inference and training as one estimator."""

from dataclasses import KW_ONLY, dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
)
from sklearn.utils.validation import has_fit_parameter

from sklearn_debias.arguments import in_our_words
from sklearn_debias.estimators import ERMClassifier, GroupDROClassifier
from sklearn_debias.exceptions import EmptyCellsWarning, once
from sklearn_debias.fitting import (
    OurNames,
    ScoredByRows,
    Searchable,
    all_or_nothing,
    encode_target,
    indexable_rows,
    look_ahead,
    nested_space,
    plain,
    plain_bias,
    plain_params,
)
from sklearn_debias.group_inference._check import minority
from sklearn_debias.group_inference._checks_in_fit import PENALTY, ChecksInFit, Rows, fit_plain
from sklearn_debias.group_inference._delegating import Delegating
from sklearn_debias.group_inference._handing import (
    WAYS,
    argument,
    asks_for_none,
    handed_on,
    way_for,
)
from sklearn_debias.group_inference._inferrer import METHODS, GroupInferrer
from sklearn_debias.group_inference._parameters import check_instances
from sklearn_debias.group_inference._reference import logistic
from sklearn_debias.presets import inferred_groups_preset
from sklearn_debias.rows import check_same_rows
from sklearn_debias.search_spaces import SearchedRows, Space, inferrer_names, logistic_strengths
from sklearn_debias.training import Streams


@dataclass(eq=False, repr=False)
class InferredGroupsClassifier(
    ChecksInFit, Delegating, OurNames, Searchable, ScoredByRows, BaseEstimator
):
    """Infer who is in the minority, then train for the groups: no bias labels are needed.

    Parameters
    ----------
    classifier : classifier, Pipeline or None, default=None
        What is trained on the inferred groups, cloned: any that takes ``bias_labels``, and any that
        takes ``sample_weight``, which is then given such weights that all groups weigh alike. None
        is a regularised logistic regression of standardised features for 2-D X, and
        GroupDROClassifier for images.
    inferrer : GroupInferrer, or the name of a method, default="errors"
        Who infers them, cloned. Any estimator will do that takes ``fit(X, y, bias_labels=None)``,
        sets `bias_labels_`, and has ``predict(X, y)``.
    n_checks : int or None, default=None
        How often the groups are inferred again, from two thirds of the rows, to see whether they
        are a matter of luck; a warning tells where they are. None is 2 for 2-D X, and 0 for images,
        whose inference may take hours. Unless it is 0, the default classifier of 2-D X is also
        compared with the same without groups, which takes two more fits to two thirds of the rows.
    groups_as : {"auto", "bias_labels", "sample_weight", "sampling_weight"}, default="auto"
        How the classifier is told of the groups: by its `bias_labels`; by a `sample_weight` under
        which all (class, bias value) groups weigh alike; or by the sampling weights of SPARE, which
        "clusters" infers. "auto" is `bias_labels` where the classifier takes them, unless it trains
        without them and takes weights, as an ERMClassifier does that does not balance groups; else
        `sample_weight`.
    fallback : classifier or None, default=None
        What is fitted in place of ``classifier``, cloned and without groups, where the groups do
        not hold up: where `stability_` is below 0.5, or where on a third of the rows, held out,
        they show no gain (`held_out_scores_`; 1.645 standard errors). None keeps the groups. It
        takes two more fits to two thirds of the rows, whatever ``n_checks`` is.
    random_state : int, RandomState instance or None, default=None
        Of the parts that are made here: the classifier of None, the inferrer of a name. Others have
        their own.

    Attributes
    ----------
    inferrer_ : GroupInferrer
        Fitted.
    classifier_ : classifier
        Fitted.
    bias_labels_ : ndarray of shape (n,)
        Inferred bias label of each row of X.
    minority_share_ : float
        Share of the rows that are not in the largest part of their class.
    stability_ : float or None
        How well the groups agree with those that are inferred from other rows, on rows that these
        do not hold: the adjusted Rand index within the classes, 1 for the same groups and 0 for
        chance. None without checks, or where a class has fewer than 6 rows.
    held_out_scores_ : dict of float, or None
        "groups" and "plain": the mean accuracy on held-out rows of majority and minority of each
        class, by the classifier and by the fallback, and the "error" of their difference. Without a
        fallback only for the default classifier of 2-D X, against the same without groups. None
        where it was not measured.
    fell_back_ : bool
        Whether `classifier_` is the fallback.
    classes_ : ndarray of shape (classes,)
    n_features_in_ : int
        Where the inferrer has it.
    feature_names_in_ : ndarray of str
        Where X was a frame with string column names.

    Notes
    -----
    The default for 2-D X was chosen by the sets of ``docs/reproduction/without_labels.md``: methods
    that draw as many rows of each group as the smallest has (DFRClassifier) depend on the few rows
    that are wrongly taken for a minority, weights in a regularised model less so. A network that
    separates the classes has no use for weights either.

    Wrong labels are told by the checks, mostly: training for them loses on the majority what it
    gains. Rows that are merely hard are not told from a neglected group by any number that does
    without bias labels. Where classes overlap, inferred groups may do harm: a warning tells where
    a classifier of your own ends halfway to guessing on rows that the model of "errors", "eiil" or
    "xrm" is right about.

    Examples
    --------
    >>> from sklearn_debias import ERMClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> from sklearn_debias.group_inference import InferredGroupsClassifier
    >>> from sklearn_debias.metrics import worst_group_accuracy_score
    >>> data = make_spurious_embeddings(random_state=0)
    >>> clf = InferredGroupsClassifier(random_state=0).fit(data.train.data, data.train.target)
    >>> erm = ERMClassifier(random_state=0).fit(data.train.data, data.train.target)
    >>> worst = [
    ...     worst_group_accuracy_score(
    ...         data.test.target, model.predict(data.test.data), bias_labels=data.test.bias_labels
    ...     )
    ...     for model in (erm, clf)
    ... ]
    >>> worst[1] > worst[0]
    True
    """

    classifier: Any = None
    inferrer: Any = "errors"
    _: KW_ONLY
    n_checks: int | None = None
    groups_as: str = "auto"
    fallback: Any = None
    random_state: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "classifier": [HasMethods(["fit", "predict"]), None],
        "inferrer": [StrOptions(set(METHODS)), HasMethods(["fit", "predict"])],
        "n_checks": [Interval(Integral, 0, None, closed="left"), None],
        "groups_as": [StrOptions(set(WAYS))],
        "fallback": [HasMethods(["fit", "predict"]), None],
        "random_state": ["random_state"],
    }
    __metadata_request__fit = {"bias_labels": True, "validation_data": True}
    _predicts_with: ClassVar[tuple[str, ...]] = ("classifier_",)

    def _search_space(self, rows: SearchedRows) -> Space:
        space = nested_space("inferrer", self.inferrer, rows)
        # "ssa" needs bias labels, and is nobody's substitute.
        if self.inferrer in inferrer_names():
            space["inferrer"] = inferrer_names()
        if self.classifier is None and rows.kind != "images":
            models = [LogisticRegression(C=C, max_iter=1000) for C in logistic_strengths()]
            scaled = [make_pipeline(StandardScaler(), model) for model in models]
            space["classifier"] = [None, *scaled]
        return space | nested_space("classifier", self.classifier, rows)

    def _validate_params(self) -> None:
        plain_params(self)  # before scikit-learn compares what is no number
        super()._validate_params()
        check_instances(self, "classifier", "inferrer", "fallback")

    def _needs_groups(self) -> bool:
        """Return whether some bias labels must be known."""
        return getattr(self.inferrer, "method", self.inferrer) == "ssa"

    # False: the parts are the user's, and must check their own parameters.
    @_fit_context(prefer_skip_nested_validation=False)
    @in_our_words
    def fit(self, X: Any, y: Any, *, bias_labels: Any = None, validation_data: Any = None) -> Any:
        """Infer the groups, and fit the classifier.

        Parameters
        ----------
        X : array-like of shape (n, features) or (n, channels, height, width), or n image paths
            As the parts take it.
        y : array-like of shape (n,)
            Class labels of any type.
        bias_labels : array-like of shape (n,), default=None
            For an inferrer that spreads a few known ones ("ssa"); others do not look at them.
        validation_data : (X, y) or (X, y, bias_labels), default=None
            Rows for the classifier's ``monitor``. Without bias labels these are inferred, too.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X, y or ``bias_labels`` do not suit a part, or ``validation_data`` is no such tuple.
        TypeError
            If a part is no estimator, or the classifier can be told neither of groups nor of
            weights, or takes no ``validation_data``.
        """
        # Cells of class and bias value are often empty where values are numbers of clusters.
        without = None if _spreads(self.inferrer) else EmptyCellsWarning
        # The parts are fitted several times, and would say the same each time.
        with once(set(), without), all_or_nothing(self):
            self._run(plain(X, "X"), y, bias_labels, validation_data)
        return self

    def _run(self, X: Any, y: Any, bias_labels: Any, validation_data: Any) -> None:
        """Infer, look at what was inferred, and train."""
        check_same_rows({"X": X, "y": y, "bias_labels": bias_labels})
        look_ahead([self], X)
        if isinstance(validation_data, tuple | list) and len(validation_data) > 1:
            inferred = len(validation_data) == 2 or validation_data[2] is None
            # Rows whose bias labels are known are the classifier's alone.
            judges = [self] if inferred or self.classifier is None else [self.classifier]
            look_ahead(judges, validation_data[0], "validation_data[0]")
        streams = Streams(self.random_state)
        self.inferrer_ = self._make_inferrer(streams)
        self.inferrer_.fit(X, y, bias_labels=bias_labels)
        self.bias_labels_ = np.asarray(self.inferrer_.bias_labels_)
        codes, classes = encode_target(self, y, len(self.bias_labels_))
        self.minority_share_ = float(minority(codes, self.bias_labels_).mean())
        rows = Rows(indexable_rows(X), classes[codes], codes, self.bias_labels_)
        given = {} if validation_data is None else self._validation(validation_data)
        known = None if bias_labels is None else np.asarray(plain_bias(bias_labels), dtype=object)
        self._check_stability(rows, known, streams)
        self._check_use(rows, streams, given)
        given_rows = replace(rows, X=X, y=y)
        if self.fell_back_:
            self.classifier_ = fit_plain(self.fallback, given_rows, given)
        else:
            self.classifier_ = self._train(given_rows, streams, given)
        self._check_outcome(rows, streams)
        self._inherit()

    @classmethod
    def from_preset(cls, name: str, *, random_state: Any = None, **shared: Any) -> Any:
        """Return a published pair of inference and training.

        Parameters
        ----------
        name : {"eiil", "spare", "ssa", "xrm", "george"}
            * "eiil": environments of an ERM of one epoch by 10,000 steps, then GroupDRO.
            * "spare": clusters of the outputs of an ERM of one epoch, then ERM by their sampling
              weights, which weigh losses here: in the paper they draw rows.
            * "ssa": a few bias labels, spread in three parts above .95, then GroupDRO.
            * "xrm": two nets that flip each other's labels, then GroupDRO.
            * "george": up to ten clusters of the features of an ERM, then GroupDRO. Clusters are
              those of k-means; the paper's are mixtures of Gaussians, and split further.
        random_state : int, RandomState instance or None, default=None
        **shared : dict
            Parameters of both nets, such as ``module``, ``lr`` and ``max_epochs``, which the papers
            choose by data set. The early ERM of "eiil" and "spare" has one epoch in any case.
            Groups are not checked (``n_checks=0``).

        Returns
        -------
        InferredGroupsClassifier

        Examples
        --------
        >>> from sklearn_debias.group_inference import InferredGroupsClassifier
        >>> clf = InferredGroupsClassifier.from_preset("eiil", module="resnet18", lr=1e-4)
        >>> clf.inferrer.n_steps, clf.inferrer.estimator.max_epochs, clf.classifier.lr
        (10000, 1, 0.0001)
        """
        found = inferred_groups_preset(name)
        kinds = {"ERMClassifier": ERMClassifier, "GroupDROClassifier": GroupDROClassifier}
        seeded = {"random_state": random_state, **shared}
        inferrer = GroupInferrer(
            **found["inferrer"],
            estimator=ERMClassifier(**{**seeded, **found["reference"]}),
            random_state=random_state,
        )
        classifier = kinds[found["classifier"]](**seeded)
        return cls(
            classifier,
            inferrer,
            groups_as=found["groups_as"],
            n_checks=0,
            random_state=random_state,
        )

    def _make_inferrer(self, streams: Streams) -> Any:
        if isinstance(self.inferrer, str):
            return GroupInferrer(self.inferrer, random_state=streams.seed("inferrer") % 2**32)
        if not has_fit_parameter(self.inferrer, "bias_labels"):
            raise TypeError(
                "`inferrer` must be a GroupInferrer, or an estimator with fit(X, y, bias_labels=), "
                f"`bias_labels_` and predict(X, y), got {type(self.inferrer).__name__}."
            )
        return clone(self.inferrer)

    def _unfitted(self, n: int, streams: Streams) -> Any:
        """Return the classifier that n rows are trained with."""
        if self.classifier is not None:
            return clone(self.classifier)
        if self._is_table():
            return logistic(n, PENALTY)
        return GroupDROClassifier(random_state=streams.seed("classifier") % 2**32)

    def _train(self, rows: Rows, streams: Streams, given: dict[str, Any]) -> Any:
        """Return a classifier that is fitted to these rows and their groups."""
        model = self._unfitted(len(rows.codes), streams)
        weights = getattr(self.inferrer_, "sampling_weights_", None)
        if weights is None and self.groups_as == "sampling_weight":
            raise ValueError(
                "`groups_as`='sampling_weight' needs an inferrer with sampling weights, that is "
                f"GroupInferrer('clusters'), got {self.inferrer_!r}."
            )
        if weights is not None and rows.index is not None:
            weights = weights[rows.index]
        # A pipeline that asks for no metadata gets them by the name of its last step.
        with config_context(**({"enable_metadata_routing": False} if asks_for_none(model) else {})):
            named = {argument(model, name) or name: value for name, value in given.items()}
            way = way_for(model, self.groups_as)
            told = handed_on(model, way, rows.codes, rows.labels, weights)
            return model.fit(rows.X, rows.y, **named, **told)

    def handed_as(self) -> str:
        """Return how the classifier, as it is set, is told of the groups: `groups_as` resolved."""
        return way_for(self.classifier, self.groups_as)

    def _validation(self, given: Any) -> dict[str, Any]:
        """Return rows to score after each epoch, with bias labels."""
        model = self._unfitted(len(self.bias_labels_), Streams(0))
        if argument(model, "validation_data") is None:
            raise TypeError(
                f"`validation_data` is not taken by {type(model).__name__}. Leave it out."
            )
        if isinstance(model, Pipeline) and len(model) > 1:
            raise TypeError(
                "`validation_data` would reach the last step of `classifier` as it is given, and "
                "not as the steps before make it. Put these steps before the "
                "InferredGroupsClassifier, in a Pipeline around it."
            )
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ValueError("`validation_data` must be (X, y) or (X, y, bias_labels).")
        X, y, *labels = given
        if not labels or labels[0] is None:
            labels = [self.inferrer_.predict(X, y)]
        return {"validation_data": (X, y, labels[0])}

    def _inherit(self) -> None:
        """Take over what the parts say of the data."""
        self.classes_ = self.classifier_.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            for part in (self.inferrer_, self.classifier_):
                if hasattr(part, name):
                    setattr(self, name, getattr(part, name))

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what ``fit`` asks for: the classifier is given what is inferred."""
        return MetadataRouter(owner=self).add_self_request(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inside = GroupDROClassifier() if self.classifier is None else self.classifier
        tags.input_tags = get_tags(inside).input_tags
        return tags


def _spreads(inferrer: Any) -> bool:
    """Return whether an inferrer hands on bias labels that the user knows."""
    return inferrer == "ssa" or getattr(inferrer, "method", None) == "ssa"
