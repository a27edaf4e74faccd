"""What a store knows of cells beyond their own runs: what their training cost, and whether another has replaced it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ttt.cell.complete import FACTS_NOW
from ttt.cell.superseded import TRAINED_AGAIN
from ttt.tracking import Tracker

TRAINING = "ttt.adjusted_model"
"""The tag of a cell that names the run in which its model was adjusted."""
COST = "train/seconds"


def with_trainings(tracker: Tracker, runs: Sequence[Any]) -> Sequence[Any]:
    """The cells with the seconds of their training, and the tag of superseded scores as the store is now.

    A training that benches share counts its seconds once, on the run that adjusted; here each of its cells has them,
    for the cost of one model on one bench.
    """
    of = {run.info.run_id: run.data.tags[TRAINING] for run in runs if TRAINING in run.data.tags}
    trainings = tracker.runs_of_ids(of.values())
    wanted = {after for run in trainings.values() if (after := run.data.tags.get("ttt.superseded"))}
    while more := wanted - trainings.keys():
        read = tracker.runs_of_ids(more)
        if not read:
            break
        trainings |= read
        wanted |= {after for run in read.values() if (after := run.data.tags.get("ttt.superseded"))}
    for run in runs:
        training = trainings.get(of.get(run.info.run_id, ""))
        if training is None:
            continue
        if COST in training.data.metrics:
            run.data.metrics[COST] = training.data.metrics[COST]
        last = training
        while (after := last.data.tags.get("ttt.superseded")) in trainings:
            last = trainings[after]
        digests = {of.data.tags.get("ttt.digest") for of in (training, last)}
        run.data.tags.pop(TRAINED_AGAIN, None)
        if last is not training and (len(digests) > 1 or None in digests):
            run.data.tags[TRAINED_AGAIN] = last.info.run_id
    return runs


def superseded_scores(runs: Iterable[Any]) -> list[Any]:
    """The cells whose scores are those of weights that a later training has replaced by others."""
    return [run for run in runs if TRAINED_AGAIN in run.data.tags]


def params_now(run: Any) -> Mapping[str, str]:
    """A cell's params, with the facts of its model as they were when the cell was asked for last."""
    return {**run.data.params, **json.loads(run.data.tags.get(FACTS_NOW, "{}"))}


def corrected_facts(runs: Iterable[Any]) -> list[str]:
    """A line for each fact of a model that was another one when its cell was made; comparisons go by the later one."""
    lines = (
        f"{run.data.tags.get('ttt.model')}: {name} is {now}, and was {run.data.params.get(name)} when it was scored"
        for run in runs
        for name, now in sorted(json.loads(run.data.tags.get(FACTS_NOW, "{}")).items())
    )
    return list(dict.fromkeys(lines))
