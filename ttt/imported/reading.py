"""All result files of a folder: what each one measured, and what had to be left out and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt.catalogue.definitions import Definitions
from ttt.imported.omissions import Omissions
from ttt.imported.pattern import Meaning, Pattern
from ttt.imported.results import Results, UnusableError, read
from ttt.imported.samples import digest, sample_files
from ttt.imported.scores import check_protocol, n_items, side
from ttt.spec import Adjustment, Bench, Model, SpecError

MAX_EXAMPLES = 2**53
"""MLflow's steps, and floats, hold no larger number exactly."""


@dataclass(frozen=True)
class Reading:
    """One model's scores on one bench, from one file."""

    name: str
    """The file, relative to the folder that was read."""
    model: Model
    bench: Bench
    adjustment: Adjustment
    n_examples: int | None
    """Examples seen at a checkpoint; None for a finished adjustment and for a base model."""
    time: str
    tasks: tuple[str, ...]
    """The entries of the file that make up the bench."""
    results: Results
    side: dict[str, float | None]
    n_items: int
    samples: Mapping[str, Path]
    digest_samples: str | None

    @property
    def label(self) -> str:
        at = "" if self.n_examples is None else f" at {self.n_examples} examples"
        return f"{self.model.name} {self.adjustment.name} on {self.bench.name}{at}"


def read_folder(
    folder: Path,
    names: list[str],
    patterns: list[Pattern],
    definitions: Definitions,
    omissions: Omissions,
    tick: Callable[[int, int], None],
) -> list[Reading]:
    """What the files measured, by the first of the patterns; the others are named for the files that fit them instead.

    Files that cannot be used, or that a later file replaces, are put into `omissions`.
    """
    chosen: dict[tuple[str, str, str, int | None], Reading] = {}
    for i, name in enumerate(names):
        for reading in _read_file(folder, name, patterns, definitions, omissions):
            place = (reading.model.name, reading.bench.name, reading.adjustment.name, reading.n_examples)
            other = chosen.get(place)
            if other is not None:
                older, reading, how = _in_time(other, reading)
                why = f"{reading.name} is of the same cell ({reading.label}) and {how}"
                omissions.skip("replaced", _part(older), why)
            chosen[place] = reading
        tick(i + 1, len(names))
    return list(chosen.values())


def _in_time(one: Reading, other: Reading) -> tuple[Reading, Reading, str]:
    """Two readings of one cell, the one that counts last, and by what it does."""
    dated = None not in (one.results.date, other.results.date) and one.results.date != other.results.date
    older, newer = sorted((one, other), key=lambda r: (r.results.date if dated else 0, r.time, r.name))
    if older.results.digest == newer.results.digest:
        return older, newer, "holds the same to the letter"
    if dated:
        return older, newer, "later, by the dates that both state"
    if older.time != newer.time:
        return older, newer, "later, by the times in their names"
    return older, newer, "its name comes later, by which it counts: no date tells them apart"


def _part(reading: Reading) -> str:
    return f"{reading.name} [{reading.bench.name}]" if len(reading.results.top) > 1 else reading.name


def _read_file(
    folder: Path, name: str, patterns: list[Pattern], definitions: Definitions, omissions: Omissions
) -> list[Reading]:
    if any("\ud800" <= letter <= "\udfff" for letter in name):  # half of a letter: Python's way with other bytes
        omissions.skip("broken", name, "its name is not UTF-8, and could not be kept; rename it")
        return []
    pattern, *others = patterns
    meanings = pattern.meanings(name)
    if not meanings:
        fitting = [other.name for other in others if other.meanings(name)]
        instead = f", but one of '{fitting[0]}': ingest it by pattern={fitting[0]}" if fitting else ""
        omissions.skip("no meaning", name, f"its path fits no rule of the pattern '{pattern.name}'{instead}")
        return []
    meaning = next((m for m in meanings if _is_known(m, definitions)), meanings[0])
    try:
        model, adjustment = _model(meaning, definitions), _adjustment(meaning, definitions)
        if meaning.bench is not None:
            _check_task_data(meaning, _bench(meaning.bench, definitions), adjustment)  # cheap: before the file is read
        results = read(folder / name)
        benches = [meaning.bench] if meaning.bench else _benches(results, definitions, name, omissions)
    except UnusableError as error:
        omissions.skip(error.reason, name, str(error))
        return []
    readings = []
    for bench_name in benches:
        part = name if len(benches) == 1 else f"{name} [{bench_name}]"
        try:
            bench = _bench(bench_name, definitions)
            _check_task_data(meaning, bench, adjustment)
            tasks = tuple(pattern.tasks(bench))
            scores = side(results, bench, tasks)
            if not check_protocol(results, bench, tasks):
                omissions.note("shots not stated", name)
            sizes = n_items(results, bench, tasks)
            if bench.name in pattern.entries:
                omissions.note(f"entries {', '.join(tasks)} as the bench {bench.name}", name)
        except UnusableError as error:
            omissions.skip(error.reason, part, str(error))
            continue
        if meaning.bench is not None:
            reached = {entry for task in tasks for entry in results.within(task)}
            for entry in results.top:
                if not reached & {*results.within(entry)}:
                    why = f"the path says that the file is of the bench '{bench.name}', which this is no part of"
                    omissions.skip("another task", f"{name} [{entry}]", why)
        samples: dict[str, Path] = {}
        digest_samples = None
        try:
            samples = sample_files(results, tasks)
            digest_samples = digest(samples)
        except OSError as error:
            samples = {}
            omissions.skip("broken samples", f"samples of {part}", f"cannot be read: {error.strerror}")
        marks = (results, scores, sizes, samples, digest_samples)
        readings.append(Reading(name, model, bench, adjustment, meaning.n_examples, meaning.time, tasks, *marks))
    return readings


def _is_known(meaning: Meaning, definitions: Definitions) -> bool:
    known = meaning.model in definitions.names("model") or meaning.model in definitions.models_by_hub
    return known and meaning.adjustment in definitions.names("adjustment")


def _model(meaning: Meaning, definitions: Definitions) -> Model:
    name = meaning.model
    if name not in definitions.names("model"):
        name = definitions.models_by_hub.get(name, name)
    try:
        model = definitions.model(name)
    except SpecError as error:
        raise UnusableError("model without facts", str(error)) from None
    if meaning.own in (None, model.name, (model.hub or "").replace("/", "__")):
        return model
    other = meaning.own if meaning.own in definitions.names("model") else definitions.models_by_hub.get(meaning.own)
    if other:
        raise UnusableError("no meaning", f"it is of {other} by its own folder, and of {model.name} by the one around")
    return model


def _adjustment(meaning: Meaning, definitions: Definitions) -> Adjustment:
    try:
        adjustment = definitions.adjustment(meaning.adjustment)
    except SpecError as error:
        raise UnusableError("unknown adjustment", str(error)) from None
    if adjustment.method == "none" and meaning.n_examples is not None:
        raise UnusableError("no meaning", f"a checkpoint of the adjustment '{adjustment.name}', which has none")
    if (meaning.n_examples or 0) > MAX_EXAMPLES:
        raise UnusableError("no meaning", f"no adjustment sees as many as {meaning.n_examples:.1e} examples")
    return adjustment


def _check_task_data(meaning: Meaning, bench: Bench, adjustment: Adjustment) -> None:
    """A model that was adjusted on other data than the bench's is not what the bench calls adjusted."""
    if adjustment.method != "none" and meaning.task_data not in (None, bench.task_data_name):
        raise UnusableError(
            "other task data",
            f"adjusted on '{meaning.task_data}', and the bench '{bench.name}' on '{bench.task_data_name}'",
        )


def _bench(name: str, definitions: Definitions) -> Bench:
    try:
        return definitions.bench(name)
    except SpecError as error:
        raise UnusableError("unknown task", str(error)) from None


def _benches(results: Results, definitions: Definitions, name: str, omissions: Omissions) -> list[str]:
    """The benches whose tasks a file lists. Entries of none go to `omissions`, or are raised if there are no others."""
    claims: dict[tuple[str, ...], list[str]] = {}
    for bench, tasks in definitions.tasks.items():
        if set(tasks) <= set(results.scores):
            claims.setdefault(tasks, []).append(bench)
    unreadable = "".join(f"; {fault}" for fault in definitions.unreadable("bench"))
    unknown = dict.fromkeys(results.top, f"no bench in conf/bench has this task{unreadable}")
    benches = []
    for tasks, claiming in claims.items():
        if len(claiming) > 1:  # variants of one task: the one with as many shots
            claiming = [bench for bench in claiming if _has_shots(results, definitions, bench)] or claiming
        if len(claiming) > 1:
            unknown[tasks[0]] = f"it is a task of the benches {', '.join(claiming)}: give the bench in the path"
            continue
        benches += claiming
        for entry in results.top:
            if set(tasks) & set(results.within(entry)):
                unknown.pop(entry, None)
    if not benches:
        raise UnusableError("unknown task", "; ".join(f"{entry}: {why}" for entry, why in list(unknown.items())[:5]))
    for entry, why in unknown.items():
        omissions.skip("unknown task", f"{name} [{entry}]", why)
    return benches


def _has_shots(results: Results, definitions: Definitions, bench_name: str) -> bool:
    try:
        bench = _bench(bench_name, definitions)
        leaves = [leaf for task in definitions.tasks[bench_name] for leaf in results.leaves(task)]
    except UnusableError:
        return False
    return {results.shots.get(leaf) for leaf in leaves} == {bench.num_fewshot}
