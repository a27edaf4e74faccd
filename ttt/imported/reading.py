"""All result files of a folder: what each one measured, and what had to be left out and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ttt.catalogue.definitions import Definitions
from ttt.imported.pattern import Meaning, Pattern
from ttt.imported.results import Results, UnusableError, read
from ttt.imported.samples import digest, sample_files
from ttt.imported.scores import check_protocol, n_items, side, task_names
from ttt.spec import Adjustment, Bench, Model, SpecError

MAX_EXAMPLES = 2**53
"""MLflow's steps, and floats, hold no larger number exactly."""
N_CHARACTERS = 500
"""Of a name or a reason that is left out; files of others hold anything."""


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
        self.skipped.setdefault(reason, {})[legible(name)] = legible(why)

    def note(self, about: str, name: str) -> None:
        self.notes.setdefault(about, []).append(legible(name))


def legible(text: str) -> str:
    """A text that any file and terminal takes: no lone surrogates or control characters, and not endless."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: N_CHARACTERS + 1])
    return plain if len(text) <= N_CHARACTERS else f"{plain[:N_CHARACTERS]}... ({len(text):,} characters)"


def result_files(folder: Path) -> list[str]:
    """The .json files under a folder, relative to it, in order. SpecError without folder or files."""
    if not folder.is_dir():
        raise SpecError(f"path: there is no folder {folder}")
    names = sorted(_result_files(folder))
    if not names:
        raise SpecError(f"path: there are no .json files under {folder}")
    return names


def _result_files(folder: Path) -> Iterator[str]:
    # Unlike rglob, os.walk passes over folders that cannot be listed. What is no file is left out (reading a pipe waits
    # for ever), but for links that lead nowhere, which are named.
    for here, _, files in os.walk(folder):
        for name in files:
            file = Path(here, name)
            if name.endswith(".json") and (file.is_file() or not file.exists()):
                yield file.relative_to(folder).as_posix()


def best_pattern(names: list[str], patterns: list[Pattern]) -> Pattern:
    """The pattern that fits the most files. SpecError if none fits any."""
    best = max(patterns, key=lambda pattern: sum(bool(pattern.meanings(name)) for name in names))
    if not any(best.meanings(name) for name in names):
        tried = "; ".join(f"{pattern.name}: {', '.join(rule.path for rule in pattern.rules)}" for pattern in patterns)
        raise SpecError(
            f"path: none of its {len(names)} .json files (such as {legible(names[0])}) has a path that fits {tried}"
        )
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
    chosen: dict[tuple[str, str, str, int | None], Reading] = {}
    for i, name in enumerate(names):
        for reading in _read_file(folder, name, pattern, definitions, omissions):
            place = (reading.model.name, reading.bench.name, reading.adjustment.name, reading.n_examples)
            other = chosen.get(place)
            if other is not None:
                older, reading = sorted((other, reading), key=lambda r: (r.time, r.name))
                why = f"{reading.name} is of the same cell ({reading.label}) and later, by time or name"
                omissions.skip("replaced", _part(older), why)
            chosen[place] = reading
        tick(i + 1, len(names))
    return list(chosen.values())


def _part(reading: Reading) -> str:
    return f"{reading.name} [{reading.bench.name}]" if len(reading.results.top) > 1 else reading.name


def _read_file(
    folder: Path, name: str, pattern: Pattern, definitions: Definitions, omissions: Omissions
) -> list[Reading]:
    if any("\ud800" <= letter <= "\udfff" for letter in name):  # half of a letter: Python's way with other bytes
        omissions.skip("broken", name, "its name is not UTF-8, and could not be kept; rename it")
        return []
    meanings = pattern.meanings(name)
    if not meanings:
        omissions.skip("no meaning", name, f"its path fits no rule of the pattern '{pattern.name}'")
        return []
    meaning = next((m for m in meanings if _is_known(m, definitions)), meanings[0])
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
        part = name if len(benches) == 1 else f"{name} [{bench_name}]"
        try:
            bench = _bench(bench_name, definitions)
            scores = side(results, bench)
            if not check_protocol(results, bench):
                omissions.note("shots not stated", name)
            sizes = n_items(results, bench)
        except UnusableError as error:
            omissions.skip(error.reason, part, str(error))
            continue
        samples: dict[str, Path] = {}
        digest_samples = None
        try:
            samples = sample_files(results, bench)
            digest_samples = digest(samples)
        except OSError as error:
            samples = {}
            omissions.skip("broken samples", f"samples of {part}", f"cannot be read: {error.strerror}")
        marks = (results, scores, sizes, samples, digest_samples)
        readings.append(Reading(name, model, bench, adjustment, meaning.n_examples, meaning.time, *marks))
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
        leaves = [leaf for task in task_names(bench) for leaf in results.leaves(task)]
    except UnusableError:
        return False
    return {results.shots.get(leaf) for leaf in leaves} == {bench.num_fewshot}
