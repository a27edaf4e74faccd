"""What a result file's path means: its model, bench, adjustment and step, by the rules of a file in `conf/ingest`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from ttt.spec import Count, Name, Spec

GROUPS = ("model", "own", "bench", "adjustment", "step", "time")


def _expression(value: str) -> str:
    try:
        names = re.compile(value).groupindex
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from None
    if unknown := set(names) - set(GROUPS):
        raise ValueError(f"{value!r} has a group {sorted(unknown)[0]!r}; the groups are: {', '.join(GROUPS)}")
    return value


class Rule(Spec):
    """A regular expression over a file's whole path (`/` between folders), and what its groups leave out."""

    path: Annotated[str, AfterValidator(_expression)]
    model: str | None = None
    bench: str | None = None
    adjustment: str | None = None


class Maps(Spec):
    """Names in paths, where they differ from those of the files in `conf`."""

    model: Mapping[str, str] = {}
    bench: Mapping[str, str] = {}
    adjustment: Mapping[str, str] = {}


@dataclass(frozen=True)
class Meaning:
    """What a path says of its file; a bench of None follows from the tasks that the file lists."""

    model: str
    own: str | None
    """The folder that lm-eval itself calls by the model, where there is one; it must not be another model's."""
    bench: str | None
    adjustment: str
    n_examples: int | None
    """Examples seen at a checkpoint; None for a finished adjustment and for a base model."""
    time: str
    """Of several files with the same meaning the one of the latest time (by text) counts."""


class Pattern(Spec):
    name: Name
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    """Of the rules that fit a path the first counts whose model and adjustment are known."""
    maps: Maps = Maps()
    n_examples_a_step: Count = 64
    n_task_data: Mapping[str, Count] = {}
    """Examples of task data by bench, where they are known."""

    def meanings(self, path: str) -> list[Meaning]:
        """What a path can mean, by the rules that fit it and name a model and an adjustment, in their order."""
        parts = []
        for rule in self.rules:
            if match := re.fullmatch(rule.path, path):
                words = {"model": rule.model, "bench": rule.bench, "adjustment": rule.adjustment}
                words |= {group: word for group, word in match.groupdict().items() if word is not None}
                model, adjustment, bench, step = (words.get(g) for g in ("model", "adjustment", "bench", "step"))
                if model is None or adjustment is None:
                    continue
                parts.append(
                    Meaning(
                        model=self.maps.model.get(model, model),
                        own=words.get("own"),
                        bench=None if bench is None else self.maps.bench.get(bench, bench),
                        adjustment=self.maps.adjustment.get(adjustment, adjustment),
                        n_examples=None if step is None else int(step) * self.n_examples_a_step,
                        time=words.get("time") or "",
                    )
                )
        return parts
