"""All result files of a folder: what each one measured, and what had to be left out and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ttt.definitions import Definitions
from ttt.harness.pattern import Meaning, Pattern
from ttt.harness.results import Results, UnusableError, check_protocol, n_items, read, side, task_names
from ttt.harness.samples import digest, sample_files
from ttt.spec import Adjustment, Bench, Model, SpecError


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
    results: Results
    side: dict[str, float | None]
    n_items: int
    samples: Mapping[str, Path]
    digest_samples: str | None

    @property
    def label(self) -> str:
        at = "" if self.n_examples is None else f" at {self.n_examples} examples"
        return f"{self.model.name} {self.adjustment.name} on {self.bench.name}{at}"


@dataclass
class Omissions:
    """What is left out (reason, name and why), and what is taken with a doubt (`notes`)."""

    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, reason: str, name: str, why: str) -> None:
        self.skipped.setdefault(reason, {})[name] = why

    def note(self, about: str, name: str) -> None:
        self.notes.setdefault(about, []).append(name)


def result_files(folder: Path) -> list[str]:
    """The .json files under a folder, relative to it, in order. SpecError without folder or files."""
    if not folder.is_dir():
        raise SpecError(f"path: there is no folder {folder}")
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.json") if file.is_file())
    if not names:
        raise SpecError(f"path: there are no .json files under {folder}")
    return names


def best_pattern(names: list[str], patterns: list[Pattern]) -> Pattern:
    """The pattern that fits the most files. SpecError if none fits any."""
    best = max(patterns, key=lambda pattern: sum(pattern.meaning(name) is not None for name in names))
    if not any(best.meaning(name) for name in names):
        tried = "; ".join(f"{pattern.name}: {', '.join(rule.path for rule in pattern.rules)}" for pattern in patterns)
        raise SpecError(f"path: none of its {len(names)} .json files (such as {names[0]}) has a path that fits {tried}")
    return best


def read_folder(
    folder: Path,
    names: list[str],
    pattern: Pattern,
    definitions: Definitions,
    omissions: Omissions,
    tick: Callable[[int, int], None],
) -> list[Reading]:
    """What the files measured. Those that cannot be used, or that a later file replaces, are put into `omissions`."""
    found: dict[tuple[str, str, str, int | None], Reading] = {}
    for i, name in enumerate(names):
        for reading in _read_file(folder, name, pattern, definitions, omissions):
            place = (reading.model.name, reading.bench.name, reading.adjustment.name, reading.n_examples)
            other = found.get(place)
            if other is not None:
                older, reading = sorted((other, reading), key=lambda r: (r.time, r.name))
                why = f"{reading.name} is of the same cell ({reading.label}) and later, by time or name"
                omissions.skip("replaced", _part(older), why)
            found[place] = reading
        tick(i + 1, len(names))
    return list(found.values())


def _part(reading: Reading) -> str:
    return f"{reading.name} [{reading.bench.name}]" if len(reading.results.top) > 1 else reading.name


def _read_file(
    folder: Path, name: str, pattern: Pattern, definitions: Definitions, omissions: Omissions
) -> list[Reading]:
    meaning = pattern.meaning(name)
    if meaning is None:
        omissions.skip("no meaning", name, f"its path fits no rule of the pattern '{pattern.name}'")
        return []
    try:
        model, adjustment = _model(meaning, definitions), _adjustment(meaning, definitions)
        if meaning.bench is not None:
            _bench(meaning.bench, definitions)  # what is cheap to refuse is refused before the file is read
        results = read(folder / name)
        benches = [meaning.bench] if meaning.bench else _benches(results, definitions, name, omissions)
    except UnusableError as error:
        omissions.skip(error.reason, name, str(error))
        return []
    readings = []
    for bench_name in benches:
        try:
            bench = _bench(bench_name, definitions)
            scores = side(results, bench)
            if not check_protocol(results, bench):
                omissions.note("shots not stated", name)
            samples = sample_files(results, bench)
            sizes = n_items(results, bench)
            marks = (results, scores, sizes, samples, digest(samples))
            readings.append(Reading(name, model, bench, adjustment, meaning.n_examples, meaning.time, *marks))
        except UnusableError as error:
            omissions.skip(error.reason, name if len(benches) == 1 else f"{name} [{bench_name}]", str(error))
    return readings


def _model(meaning: Meaning, definitions: Definitions) -> Model:
    name = meaning.model
    if name not in definitions.names("model"):
        name = definitions.models_by_hub.get(name, name)
    try:
        return definitions.model(name)
    except SpecError as error:
        raise UnusableError("model without facts", str(error)) from None


def _adjustment(meaning: Meaning, definitions: Definitions) -> Adjustment:
    try:
        adjustment = definitions.adjustment(meaning.adjustment)
    except SpecError as error:
        raise UnusableError("unknown adjustment", str(error)) from None
    if adjustment.method == "none" and meaning.n_examples is not None:
        raise UnusableError("no meaning", f"a checkpoint of the adjustment '{adjustment.name}', which has none")
    return adjustment


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
    unknown = dict.fromkeys(results.top, "no bench in conf/bench has this task")
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
    bench = _bench(bench_name, definitions)
    leaves = [leaf for task in task_names(bench) for leaf in results.leaves(task)]
    return {results.shots.get(leaf) for leaf in leaves} == {bench.num_fewshot}
