"""The scores that a results file holds for a bench, and whether they were taken as the bench says."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttt.imported.results import Results, UnusableError, stderr_of
from ttt.spec import Bench
from ttt.tasks.metrics import is_proportion, metric_name


def check_protocol(results: Results, bench: Bench, tasks: Sequence[str]) -> bool:
    """Refuse scores taken otherwise than the bench says (UnusableError); False if the shots are not stated.

    `tasks` are, here and below, the entries of the file that make up the bench (`Pattern.tasks`).
    """
    for task in tasks:
        parts = [entry for entry in results.scores if entry.startswith(f"{task}_")]
        if parts and not results.says_groups:
            why = f"does not say whether '{parts[0]}' is a part of '{task}' (group_subtasks): lm-eval before 0.4.2"
            raise UnusableError("other lm-eval", why)
    if results.limit != bench.limit:
        raise UnusableError("other protocol", f"limit {results.limit}, and the bench '{bench.name}' has {bench.limit}")
    if results.chat_template != bench.chat_template:
        used = "with a chat template" if results.chat_template else "without a chat template"
        raise UnusableError("other protocol", f"asked {used}, unlike the bench '{bench.name}'")
    leaves = [leaf for task in tasks for leaf in results.leaves(task)]
    if bench.limit is None and (partly := [leaf for leaf in leaves if leaf in results.partial]):
        asked, there = results.sizes[partly[0]], results.partial[partly[0]]
        raise UnusableError("other protocol", f"'{partly[0]}' was asked {asked} of its {there} documents")
    other = {results.shots[leaf] for leaf in leaves if leaf in results.shots} - {bench.num_fewshot}
    if other:
        shots = ", ".join(str(n) for n in sorted(other))
        raise UnusableError("other protocol", f"{shots} shots, and the bench '{bench.name}' has {bench.num_fewshot}")
    return all(leaf in results.shots for leaf in leaves)


def side(results: Results, bench: Bench, tasks: Sequence[str]) -> dict[str, float | None]:
    """The bench's scores in a file: `score`, `stderr`, and every metric; some have another score by the paper's rule.

    `score` is that of the bench's task, size-weighted where it has several. Benches whose `paper_score` says so have
    `score_paper` and `score_paper_stderr` of the plain mean over all entries that make up the bench, groups and the
    whole included, as the release of arXiv 2407.07890 takes it.
    Raises UnusableError if the file lacks a task or the metric, an error is below 0, or a score or its error is beyond
    1 or below 0 by a metric whose scores are a part of 1.
    """
    if missing := [task for task in tasks if task not in results.scores]:
        listed = ", ".join(results.top[:5])
        raise UnusableError("unknown task", f"has no entry '{missing[0]}' of the bench '{bench.name}', but: {listed}")
    for entry in dict.fromkeys(entry for task in tasks for entry in (task, *results.leaves(task))):
        if bench.metric not in results.scores[entry]:
            there = ", ".join(key for key in results.scores[entry] if "_stderr," not in key) or "no numbers"
            raise UnusableError("broken", f"entry '{entry}' has no '{bench.metric}', but: {there}")
    metrics = dict(results.scores[tasks[0]]) if len(tasks) == 1 else _pooled(results, bench, tasks)
    entries = list(dict.fromkeys(entry for task in tasks for entry in results.within(task)))
    listed_scores = {e: results.scores[e][bench.metric] for e in entries if bench.metric in results.scores[e]}
    low, high = (0.0, 1.0) if is_proportion(bench.metric) else (-math.inf, math.inf)
    for key, least in ((bench.metric, low), (stderr_of(bench.metric), 0.0)):
        of_entries = {e: results.scores[e][key] for e in entries if key in results.scores[e]}
        for entry, value in {**({"the bench": metrics[key]} if key in metrics else {}), **of_entries}.items():
            if not least <= value <= high:
                where = "not between 0 and 1" if high == 1 else "below 0"
                raise UnusableError("broken", f"'{key}' of {entry} is {value}, which is {where}")
    by_paper: dict[str, float | None] = {}
    if bench.paper_score == "mean_of_entries":
        by_paper["score_paper"] = sum(listed_scores.values()) / len(listed_scores)
        by_paper["score_paper_stderr"] = _stderr_of_mean(results, bench.metric, list(listed_scores))
    return {
        "score": metrics[bench.metric],
        "stderr": metrics.get(stderr_of(bench.metric)),
        **by_paper,
        **{metric_name(key): value for key, value in metrics.items()},
    }


def n_items(results: Results, bench: Bench, tasks: Sequence[str]) -> int:
    """Number of documents behind a bench's score; 0 if the file does not say."""
    leaves = [leaf for task in tasks for leaf in results.leaves(task)]
    sizes = [results.n_items(leaf, bench.metric) for leaf in leaves]
    return 0 if None in sizes else sum(n for n in sizes if n)


def _pooled(results: Results, bench: Bench, tasks: Sequence[str]) -> dict[str, float]:
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
        pooled[key] = math.hypot(*values.values()) if "_stderr," in key else sum(values.values())
    return {key: value for key, value in pooled.items() if math.isfinite(value)}


def _stderr_of_mean(results: Results, metric: str, entries: list[str]) -> float | None:
    """Standard error of the plain mean over entries, of which some contain others; None if the file says too little.

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
