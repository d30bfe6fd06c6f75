"""What users set in the place of a preset's own."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sklearn_debias.arguments import is_whole

IN_EPOCHS = ("milestones", "step_size", "T_max")  # of torch's schedules


def overridden(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a preset with a user's in their place.

    A preset's schedule of the learning rate is stretched to another ``max_epochs``: it falls at the
    same shares of the training. Epochs are rounded up, as those of "drops".
    """
    found = {**settings, **overrides}
    schedule = settings.get("lr_schedule")
    epochs: Any = found.get("max_epochs")
    # What is no number of epochs, `fit` refuses.
    if isinstance(schedule, partial) and "lr_schedule" not in overrides and is_whole(epochs):
        found["lr_schedule"] = _stretched(schedule, settings["max_epochs"], int(epochs))
    return found


def _stretched(schedule: partial, published: int, epochs: int) -> partial:
    """Return the schedule of ``published`` epochs for others."""

    def stretch(value: Any) -> Any:
        if isinstance(value, list):
            return [stretch(one) for one in value]
        return max(1, -(-value * epochs // published))

    own = {name: stretch(value) for name, value in schedule.keywords.items() if name in IN_EPOCHS}
    return partial(schedule.func, **{**schedule.keywords, **own})
