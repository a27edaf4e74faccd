"""What a result file's path means: its model, bench, adjustment and step, by the rules of a file in `conf/ingest`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from ttt.spec import Bench, Count, Name, Spec

GROUPS = ("model", "own", "bench", "adjustment", "task_data", "step", "time")


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
    task_data: str | None = None


class Maps(Spec):
    """Names in paths, where they differ from those of the files in `conf`."""

    model: Mapping[str, str] = {}
    bench: Mapping[str, str] = {}
    adjustment: Mapping[str, str] = {}
    task_data: Mapping[str, str] = {}


@dataclass(frozen=True)
class Meaning:
    """What a path says of its file; a bench of None follows from the tasks that the file lists."""

    model: str
    own: str | None
    """The folder that lm-eval itself calls by the model, where there is one; it must not be another model's."""
    bench: str | None
    adjustment: str
    task_data: str | None
    """What the model was adjusted on, where the path says it: a source of task data that the bench must have."""
    n_examples: int | None
    """Examples seen at a checkpoint; None for a finished adjustment and for a base model."""
    time: str
    """Of several files with the same meaning the one of the latest time (by text) counts."""


class Pattern(Spec):
    name: Name
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    """Of the rules that fit a path the first counts whose model and adjustment are known."""
    maps: Maps = Maps()
    entries: Mapping[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """lm-eval's entries with the scores of a bench, where the files call them otherwise than the bench its tasks."""
    n_examples_a_step: Count = 64
    n_task_data: Mapping[str, Count] = {}
    """Number of examples by name of the task data, where it is known."""

    def tasks(self, bench: Bench) -> list[str]:
        """The entries of a results file that make up a bench."""
        named = [task if isinstance(task, str) else str(task["task"]) for task in bench.tasks]
        return list(self.entries.get(bench.name, named))

    def meanings(self, path: str) -> list[Meaning]:
        """What a path can mean, by the rules that fit it and name a model and an adjustment, in their order."""
        parts = []
        for rule in self.rules:
            if match := re.fullmatch(rule.path, path):
                words = {name: getattr(rule, name) for name in ("model", "bench", "adjustment", "task_data")}
                words |= {group: word for group, word in match.groupdict().items() if word is not None}
                named = ("model", "adjustment", "bench", "task_data", "step")
                model, adjustment, bench, task_data, step = (words.get(group) for group in named)
                if model is None or adjustment is None:
                    continue
                parts.append(
                    Meaning(
                        model=self.maps.model.get(model, model),
                        own=words.get("own"),
                        bench=None if bench is None else self.maps.bench.get(bench, bench),
                        adjustment=self.maps.adjustment.get(adjustment, adjustment),
                        task_data=None if task_data is None else self.maps.task_data.get(task_data, task_data),
                        n_examples=None if step is None else int(step) * self.n_examples_a_step,
                        time=words.get("time") or "",
                    )
                )
        return parts
