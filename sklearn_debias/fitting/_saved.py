"""Estimators whose fitted state is plain data, so that any tool can save them."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sklearn_debias.exceptions import SavedModelError
from sklearn_debias.fitting._accelerator import without_accelerator
from sklearn_debias.fitting._apart import Dropped, for_skops, without_networks
from sklearn_debias.fitting._blob import opened_seal, sealed
from sklearn_debias.fitting._requests import StoredRequests

SEAL = "saved_state"
REQUESTS = "_metadata_request"  # scikit-learn's; it refers to the estimator
FOR_TRAINING = ("augment", "callbacks", "lr_schedule", "monitor", "optimizer")
DROPPED = "_dropped_by_slim"  # names of attributes, and of networks by their role
# Of every estimator. Scorers ask for the last ones.
ALWAYS_KEPT = (
    *("_fitted", "_left_by_fit", "_sklearn_output_config", REQUESTS),
    *("classes_", "n_features_in_", "feature_names_in_", "input_shape_"),
    *("bias_classes_", "aligned_bias_", "group_shares_"),
)


class PlainState:
    """Base of estimators: what pickle, joblib, cloudpickle and skops store is plain data.

    A fitted estimator is stored as one entry: text, numpy arrays, and what is neither, such as
    other estimators. It holds a version stamp and a checksum, which are looked at when it is
    loaded. One that is not fitted is stored as its parameters.

    Attributes
    ----------
    _predicts_with : tuple of str
        Fitted attributes that predictions need, beside `ALWAYS_KEPT`: a slim model keeps them.
    """

    _predicts_with: ClassVar[tuple[str, ...]] = ()

    def __getstate__(self) -> dict[str, Any]:
        held: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        if "net_params" in held:  # what is loaded is no process of a group
            held["net_params"] = without_accelerator(held["net_params"])
        parameters = self._parameters()
        if held.keys() <= parameters:
            return {name: for_skops(value, name) for name, value in held.items()}
        # Parameters first: what else holds the same object refers to theirs. In one order, so that
        # a model has the same seal after it was loaded.
        order = sorted(parameters & held.keys()) + sorted(held.keys() - parameters)
        return {SEAL: sealed(self._to_store({name: held[name] for name in order}))}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        owner = type(self).__name__
        if SEAL in state:
            values = opened_seal(state[SEAL], owner)
            try:
                self._restore(values)
            except Exception as error:  # of a hook, of the user's own class
                raise SavedModelError(f"This {owner} cannot be put together: {error}") from error
            return
        if state.keys() - self._parameters():
            raise SavedModelError(
                f"This {owner} was saved before sklearn_debias put version stamps into models, and "
                "is not read. Load it by the version that saved it, or fit it again."
            )
        vars(self).update(state)

    def _parameters(self) -> set[str]:
        return set(self._get_param_names())  # type: ignore[attr-defined]

    @property
    def _is_slim(self) -> bool:
        return DROPPED in vars(self)

    def _to_store(self, held: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes that are stored; what is not plain may be replaced by what is."""
        if REQUESTS in held:
            return {**held, REQUESTS: StoredRequests.of(held[REQUESTS])}
        return held

    def _restore(self, values: dict[str, Any]) -> None:
        """Set the attributes, from what `_to_store` returned."""
        vars(self).update(values)
        if REQUESTS in values:
            setattr(self, REQUESTS, values[REQUESTS].of_owner(self))

    # Shallow copies share networks: views of estimators are made of them.
    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin

    def _slim(self, slimmed: Callable[[Any], Any]) -> None:
        """Drop what prediction does not need; ``slimmed`` makes a slim copy of what is inside.

        This is a copy already.
        """
        held = vars(self)
        parameters = self._parameters() & held.keys()
        keep = {*parameters, *ALWAYS_KEPT, *self._predicts_with, DROPPED}
        dropped = held.keys() - keep
        for name in dropped:
            del held[name]
        held[DROPPED] = frozenset(dropped) | held.get(DROPPED, frozenset())
        # The same parts stay the same: the parameters of a fit are those of the estimator.
        made: dict[int, tuple[Any, Any]] = {}

        def slim(value: Any) -> Any:
            if id(value) not in made:
                made[id(value)] = (value, slimmed(value))
            return made[id(value)][1]

        for name in self._predicts_with:
            if name in held:
                held[name] = slim(held[name])
        for name in parameters:
            held[name] = slim(_parameter(name, held[name]))
        if "_fitted" in held:
            params = held["_fitted"].params
            params = {name: slim(_parameter(name, value)) for name, value in params.items()}
            held["_fitted"] = replace(held["_fitted"], params=params)

    if not TYPE_CHECKING:  # or a type checker would believe in any attribute

        def __getattr__(self, name: str) -> Any:
            # Asked last, also where a property raises AttributeError: it has words of its own.
            owners = [vars(cls) for cls in type(self).__mro__]
            found = next((owner[name] for owner in owners if name in owner), None)
            if hasattr(found, "__get__"):
                return found.__get__(self, type(self))
            cls = type(self).__name__
            words = f"{cls!r} object has no attribute {name!r}"
            if name in vars(self).get(DROPPED, ()):
                words = (
                    f"`{name}` was dropped from this {cls}, which is slim: it can predict, and no "
                    "more. Keep the whole model, by slim=False."
                )
            raise AttributeError(words, name=name, obj=self)


def _parameter(name: str, value: Any) -> Any:
    """Return a parameter as a slim model has it: what only training needs may be any code."""
    if name == "checkpoint":
        return None
    if name == "net_params" and isinstance(value, Mapping):
        return {key: _argument(str(key), given) for key, given in value.items()}
    if name in FOR_TRAINING and (callable(value) or isinstance(value, list | tuple)):
        return Dropped(type(value).__name__, network=False)
    return without_networks(value)


def _argument(key: str, value: Any) -> Any:
    """Return an argument of `net_params` as a slim model has it: what builds networks stays."""
    return value if key.partition("__")[0].endswith("module") else without_networks(value)
