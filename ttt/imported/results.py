"""One results file of the LM Evaluation Harness, and what it says."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = re.compile(r"[^,]+,[^,]+")
"""lm-eval's "metric,filter"."""
MAX_COUNT = 10**9
"""No file of results is about more documents or shots; a larger number is a slip or a trap."""


class UnusableError(ValueError):
    """A file, or a part of it, that is left out; `reason` groups it with others."""

    def __init__(self, reason: str, why: str):
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True)
class Results:
    """What a results file says, by lm-eval's names of its entries (tasks and groups)."""

    path: Path
    digest: str
    """SHA-256 of the file."""
    scores: Mapping[str, Mapping[str, float]]
    """Finite numbers by entry and "metric,filter"."""
    children: Mapping[str, tuple[str, ...]]
    """Groups, and the entries in each."""
    says_groups: bool
    """Whether the file says at all which entries are groups."""
    sizes: Mapping[str, int]
    """Number of documents by task, where the file states it."""
    partial: Mapping[str, int]
    """Number of documents that a task has, where fewer of them were asked."""
    shots: Mapping[str, int]
    date: float | None
    """When the file says that it was measured, in seconds since 1970."""
    limit: float | None
    chat_template: bool

    @property
    def top(self) -> list[str]:
        """The entries that are in no other."""
        inside = {child for children in self.children.values() for child in children}
        return [entry for entry in self.scores if entry not in inside]

    def within(self, entry: str) -> Iterator[str]:
        """An entry and all that it is made of, each once, as far as the file has scores of them."""
        return (leaf for leaf in self._reached(entry) if leaf in self.scores)

    def leaves(self, entry: str) -> list[str]:
        """The tasks that an entry is made of. UnusableError where the file lacks one of them."""
        leaves = [leaf for leaf in self._reached(entry) if not self.children.get(leaf)]
        if missing := [leaf for leaf in leaves if leaf not in self.scores]:
            raise UnusableError("broken", f"has no entry '{missing[0]}', of which '{entry}' is made")
        if not leaves:
            raise UnusableError("broken", f"the group '{entry}' is made of groups alone, in a circle")
        return leaves

    def _reached(self, entry: str) -> Iterator[str]:
        seen, left = set(), [entry]
        while left:
            name = left.pop()
            if name not in seen:
                seen.add(name)
                yield name
                left += reversed(self.children.get(name, ()))

    def n_items(self, task: str, metric: str) -> int | None:
        """Number of documents behind a task's score: stated, or recovered from a mean of zeros and ones.

        There stderr^2 = p (1 - p) / (n - 1) to the last digit, which no other kind of score hits.
        """
        if task in self.sizes:
            return self.sizes[task]
        p, stderr = self.scores[task].get(metric), self.scores[task].get(stderr_of(metric))
        if p is None or not stderr or not 0 < p < 1 or not 1e-9 < stderr < 1:
            return None
        n = p * (1 - p) / stderr**2 + 1
        return round(n) if abs(n - round(n)) < 1e-6 * n and n < 1e6 else None


def stderr_of(metric: str) -> str:
    """lm-eval's key of the standard error of a "metric,filter"."""
    name, extraction = metric.split(",")
    return f"{name}_stderr,{extraction}"


def read(path: Path) -> Results:
    """Read a results file. Raises UnusableError if it is not one, or broken."""
    try:
        content = path.read_bytes()
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnusableError("broken", f"not JSON: {error}") from None
    except OSError as error:
        raise UnusableError("broken", f"cannot be read: {error.strerror}") from None
    entries = data.get("results") if isinstance(data, dict) else None
    if not isinstance(entries, dict) or not entries or not all(isinstance(entry, dict) for entry in entries.values()):
        raise UnusableError("broken", "has no `results` of tasks")
    keys = {key for entry in entries.values() for key, value in entry.items() if _is_number(value)}
    if keys and not any("," in key for key in keys):
        named = ", ".join(sorted(keys)[:3])
        why = f"its metrics ({named}) name no filter (acc,none): lm-eval before 0.4, whose tasks ask otherwise"
        raise UnusableError("other lm-eval", why)
    counts = {task: n for task, n in _mapping(data, "n-samples").items() if isinstance(n, dict)}
    sizes = {task: size for task, n in counts.items() if (size := _count(n.get("effective")))}
    wholes = {task: size for task, n in counts.items() if (size := _count(n.get("original")))}
    return Results(
        path=path,
        digest=hashlib.sha256(content).hexdigest(),
        scores={
            name: {k: float(v) for k, v in entry.items() if KEY.fullmatch(k) and _is_number(v)}
            for name, entry in entries.items()
        },
        children={
            group: tuple(child for child in children if isinstance(child, str))
            for group, children in _mapping(data, "group_subtasks").items()
            if isinstance(children, list) and children
        },
        says_groups=isinstance(data.get("group_subtasks"), dict),
        sizes=sizes,
        partial={task: whole for task, whole in wholes.items() if sizes.get(task, whole) < whole},
        date=float(data["date"]) if _is_number(data.get("date")) else None,
        shots={task: n for task, shots in _mapping(data, "n-shot").items() if (n := _count(shots)) is not None},
        limit=_limit(_mapping(data, "config").get("limit")),
        chat_template=bool(data.get("chat_template")),
    )


def _mapping(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    """Whether it is a number, and one that a float can hold; JSON's integers have no bound."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def _count(value: Any) -> int | None:
    """A count, also where it is written as 5.0; None for anything else."""
    return int(value) if _is_number(value) and value == int(value) and 0 <= value <= MAX_COUNT else None


def _limit(value: Any) -> float | None:
    if value is not None and not _is_number(value):
        raise UnusableError("broken", f"`limit` of its config is {value!r}, which is no number")
    return None if value is None else float(value)
