"""One results file of the LM Evaluation Harness, and the scores it holds for a bench."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttt.items import metric_name
from ttt.spec import Bench


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
    sizes: Mapping[str, int]
    """Number of documents by task, where the file states it."""
    shots: Mapping[str, int]
    limit: float | None
    chat_template: bool

    @property
    def top(self) -> list[str]:
        """The entries that are in no other."""
        inside = {child for children in self.children.values() for child in children}
        return [entry for entry in self.scores if entry not in inside]

    def within(self, entry: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """An entry and all that it is made of, as far as the file lists them."""
        if entry in self.scores:
            yield entry
        for child in self.children.get(entry, ()):
            if child not in seen and child != entry:
                yield from self.within(child, seen | {entry})

    def leaves(self, entry: str) -> list[str]:
        return list(dict.fromkeys(e for e in self.within(entry) if not self.children.get(e)))

    def n_items(self, task: str, metric: str) -> int | None:
        """Number of documents behind a task's score: stated, or recovered from a mean of zeros and ones.

        There stderr^2 = p (1 - p) / (n - 1) to the last digit, which no other kind of score hits.
        """
        if task in self.sizes:
            return self.sizes[task]
        p, stderr = self.scores[task].get(metric), self.scores[task].get(stderr_of(metric))
        if p is None or not stderr or not 0 < p < 1:
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
    config = _mapping(data, "config")
    return Results(
        path=path,
        digest=hashlib.sha256(content).hexdigest(),
        scores={
            name: {k: float(v) for k, v in entry.items() if "," in k and _is_number(v)}
            for name, entry in entries.items()
        },
        children={
            group: tuple(child for child in children if isinstance(child, str))
            for group, children in _mapping(data, "group_subtasks").items()
            if isinstance(children, list) and children
        },
        sizes={
            task: n["effective"]
            for task, n in _mapping(data, "n-samples").items()
            if isinstance(n, dict) and isinstance(n.get("effective"), int) and n["effective"] > 0
        },
        shots={task: n for task, n in _mapping(data, "n-shot").items() if isinstance(n, int)},
        limit=config.get("limit") if _is_number(config.get("limit")) else None,
        chat_template=bool(data.get("chat_template")),
    )


def _mapping(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def task_names(bench: Bench) -> list[str]:
    return [task if isinstance(task, str) else str(task["task"]) for task in bench.tasks]


def check_protocol(results: Results, bench: Bench) -> bool:
    """Refuse scores taken otherwise than the bench says (UnusableError); False if the shots are not stated."""
    if results.limit != bench.limit:
        raise UnusableError("other protocol", f"limit {results.limit}, and the bench '{bench.name}' has {bench.limit}")
    if results.chat_template != bench.chat_template:
        used = "with a chat template" if results.chat_template else "without a chat template"
        raise UnusableError("other protocol", f"asked {used}, unlike the bench '{bench.name}'")
    tasks = [leaf for task in task_names(bench) for leaf in results.leaves(task)]
    other = {results.shots[task] for task in tasks if task in results.shots} - {bench.num_fewshot}
    if other:
        shots = ", ".join(str(n) for n in sorted(other))
        raise UnusableError("other protocol", f"{shots} shots, and the bench '{bench.name}' has {bench.num_fewshot}")
    return all(task in results.shots for task in tasks)


def side(results: Results, bench: Bench) -> dict[str, float | None]:
    """The bench's scores in a file: `score`, `stderr`, `score_paper`, `score_paper_stderr`, and every metric.

    `score` is that of the bench's task, size-weighted where it has several; `score_paper` the plain mean over all
    entries that make up the bench, groups and the whole included, as the release of arXiv 2407.07890 takes it.
    Raises UnusableError if the file lacks a task or the metric, or the score is outside 0 to 1.
    """
    tasks = task_names(bench)
    if missing := [task for task in tasks if task not in results.scores]:
        listed = ", ".join(results.top[:5])
        raise UnusableError("unknown task", f"has no entry '{missing[0]}' of the bench '{bench.name}', but: {listed}")
    for task in tasks:
        if bench.metric not in results.scores[task]:
            there = ", ".join(key for key in results.scores[task] if "_stderr," not in key) or "no numbers"
            raise UnusableError("broken", f"entry '{task}' has no '{bench.metric}', but: {there}")
    metrics = dict(results.scores[tasks[0]]) if len(tasks) == 1 else _pooled(results, bench, tasks)
    entries = list(dict.fromkeys(entry for task in tasks for entry in results.within(task)))
    listed_scores = {e: results.scores[e][bench.metric] for e in entries if bench.metric in results.scores[e]}
    for entry, value in {"the bench": metrics[bench.metric], **listed_scores}.items():
        if not 0 <= value <= 1:
            raise UnusableError("broken", f"'{bench.metric}' of {entry} is {value}, which is not between 0 and 1")
    return {
        "score": metrics[bench.metric],
        "stderr": metrics.get(stderr_of(bench.metric)),
        "score_paper": sum(listed_scores.values()) / len(listed_scores),
        "score_paper_stderr": _stderr_of_mean(results, bench.metric, list(listed_scores)),
        **{metric_name(key): value for key, value in metrics.items()},
    }


def n_items(results: Results, bench: Bench) -> int:
    """Number of documents behind a bench's score; 0 if the file does not tell."""
    leaves = [leaf for task in task_names(bench) for leaf in results.leaves(task)]
    sizes = [results.n_items(leaf, bench.metric) for leaf in leaves]
    return 0 if None in sizes else sum(n for n in sizes if n)


def _pooled(results: Results, bench: Bench, tasks: list[str]) -> dict[str, float]:
    """Means over several tasks, weighted by their number of documents, with the standard errors of such means."""
    sizes: dict[str, int] = {}
    for task in tasks:
        of_task = [results.n_items(leaf, bench.metric) for leaf in results.leaves(task)]
        if None in of_task:
            raise UnusableError("broken", f"does not say how many documents '{task}' has, to weigh it by")
        sizes[task] = sum(n for n in of_task if n)
    total = sum(sizes.values())
    pooled = {}
    for key in set.intersection(*(set(results.scores[task]) for task in tasks)):
        values = {task: results.scores[task][key] * sizes[task] / total for task in tasks}
        is_error = "_stderr," in key
        pooled[key] = math.sqrt(sum(v**2 for v in values.values())) if is_error else sum(values.values())
    return pooled


def _stderr_of_mean(results: Results, metric: str, entries: list[str]) -> float | None:
    """Standard error of the plain mean over entries, of which some contain others; None if the file tells too little.

    The mean is a weighted sum of the tasks' independent scores: a task counts for itself and, by its share of the
    documents, in every group that it is part of.
    """
    weights: dict[str, float] = {}
    for entry in entries:
        sizes = {leaf: results.n_items(leaf, metric) for leaf in results.leaves(entry)}
        total = sum(n for n in sizes.values() if n)
        for leaf, n in sizes.items():
            if n is None and len(sizes) > 1:
                return None
            share = 1.0 if n is None or len(sizes) == 1 else n / total
            weights[leaf] = weights.get(leaf, 0.0) + share / len(entries)
    errors = {leaf: results.scores[leaf].get(stderr_of(metric)) for leaf in weights}
    if not errors or None in errors.values():
        return None
    return math.sqrt(sum((weights[leaf] * error) ** 2 for leaf, error in errors.items() if error is not None))
