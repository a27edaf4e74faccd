"""What a study of budgets tries: the ladder of budgets, the search space at each, and when the rate falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ttt.spec import Adjustment, Count, Model, Positive, Spec, SpecError, check

SEARCHED = ("learning_rate", "weight_decay", "clip", "eps", "warmup", "final_rate")
"""Fields of an adjustment that a study may vary. A budget's steps and examples stay what the ladder says."""


class Range(Spec):
    """Values of one field: from `low` to `high`, or one of `choices`; `relative` ones multiply the adjustment's own."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[float, ...] | None = None
    relative: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Range:
        between = self.low is not None and self.high is not None
        if between == (self.choices is not None) or (between and not self.low < self.high):  # type: ignore[operator]
            raise ValueError("needs either `low` and a higher `high`, or `choices`")
        return self

    def holds(self, value: float) -> bool:
        return value in self.choices if self.choices else self.low <= value <= self.high  # type: ignore[operator]


class StudySpec(Spec):
    """What a study tries: the same for every model of a comparison, so that all get the same effort."""

    n_trials: Count = 6
    """In all, however many processes share them and however often they are begun again."""
    n_rungs: Annotated[int, Field(ge=2)] = 5
    largest: Count | None = None
    """The last budget, examples; by default twice the adjustment's own, whose verdict is asked for."""
    cooldown: Annotated[float, Field(gt=0, lt=0.5)] = 0.2
    """Share of a rung's steps over which the rate falls, in a branch off the run that goes on at a constant one."""
    reduction: Annotated[int, Field(ge=2)] = 2
    """Of the trials that reach a rung, one in this many goes on to the next (successive halving)."""
    search: Mapping[str, Range] = {}
    validation: Literal["auto", "split", "task_data"] = "auto"
    n_validation: Count = 1000
    """Held-out examples at most, and at most a fifth of the task data."""
    tolerance: Positive = 0.01
    """Score that a larger budget may still add."""
    compare_schedules: bool = True
    """Train one budget anew with the adjustment's own schedule, to report the difference."""
    price_per_hour: Annotated[float, Field(ge=0)] | None = None
    """Of the machine, in `currency`."""
    currency: str = "USD"
    storage: str | None = None
    """An Optuna storage's URL; by default a journal file under tracking.root."""

    @model_validator(mode="after")
    def _known_fields(self) -> StudySpec:
        for name in self.search:
            if name not in SEARCHED:
                raise ValueError(f"search: {name!r} is not searched over; the fields are: {', '.join(SEARCHED)}")
        return self

    def recipe(self, adjustment: Adjustment, model: Model, values: Mapping[str, float]) -> Adjustment:
        """The adjustment with a trial's values; its learning rate is the same for every size: what was searched."""
        fields: dict[str, Any] = {"learning_rate": adjustment.rate(model)}
        for name, value in values.items():
            own = fields.get(name, getattr(adjustment, name))
            fields[name] = own * value if self.search[name].relative else value
        fields["low_learning_rate"] = fields["learning_rate"]
        return check(Adjustment, {**adjustment.model_dump(), **fields, "evaluate_at": ()}, "search")

    def own_values(self, adjustment: Adjustment, model: Model) -> dict[str, float]:
        """The adjustment's own recipe as values of the search: it is always among the trials."""
        own = {}
        for name, space in self.search.items():
            value = adjustment.rate(model) if name == "learning_rate" else getattr(adjustment, name)
            own[name] = 1.0 if space.relative else value
            if not space.holds(own[name]):
                raise SpecError(
                    f"search.{name}: the adjustment's own value ({own[name]:g}) is not among those searched"
                )
        return own


@dataclass(frozen=True)
class Ladder:
    """Doubling budgets in steps of `batch_size` examples, and the share of the learning rate at each step."""

    steps: tuple[int, ...]
    batch_size: int
    n_warmup: int
    cooldown: float
    final_rate: float

    @property
    def budgets(self) -> tuple[int, ...]:
        """Examples."""
        return tuple(step * self.batch_size for step in self.steps)

    def leaves_at(self, rung: int) -> int:
        """The step after which a rung's cool-down leaves the run at a constant rate."""
        return self.steps[rung] - max(1, round(self.cooldown * self.steps[rung]))

    def constant(self, step: int) -> float:
        """Warm-up, then 1; steps from 0."""
        return min(1.0, (step + 1) / self.n_warmup)

    def falling(self, rung: int) -> Callable[[int], float]:
        """The constant rate until the rung's cool-down, then straight to `final_rate` (arXiv 2405.18392, section 3)."""
        first, last = self.leaves_at(rung), self.steps[rung]

        def rate(step: int) -> float:
            if step < first:
                return self.constant(step)
            return 1.0 - (1.0 - self.final_rate) * (step - first) / (last - first)

        return rate


def ladder(spec: StudySpec, adjustment: Adjustment, n_examples: int) -> Ladder:
    """`spec.n_rungs` budgets up to `spec.largest`, or to twice the `n_examples` of the adjustment itself.

    Raises SpecError if the smallest is less than four steps: there is no room for a rate that rises and falls.
    """
    size = adjustment.batch_size
    last = math.ceil((spec.largest or 2 * n_examples) / size)
    steps = tuple(math.ceil(last / 2**k) for k in reversed(range(spec.n_rungs)))
    if steps[0] < 4:
        raise SpecError(
            f"n_rungs: {spec.n_rungs} rungs up to {last * size:,} examples begin at {steps[0]} steps of {size}; "
            "at least 4 are needed: ask fewer rungs, or a larger budget (largest=)"
        )
    n_warmup = max(1, min(math.ceil(adjustment.warmup * last), steps[0] // 2))
    return Ladder(steps, size, n_warmup, spec.cooldown, adjustment.final_rate)
