"""Whether cells may be compared at all: made by one recipe, on one bench, from the same task data, whatever the names.

Cells carry digests of these (`ttt.cell.key`). Where they differ, `config.json` of a cell of each says in which field.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttt.cell.key import CONTENTS, OF_BUDGET, OF_PAPER, OF_TASK_DATA
from ttt.comparison.current import params_now, superseded_scores
from ttt.formatting import first_few
from ttt.spec import SpecError
from ttt.tracking import Tracker

Run = Any
"""An MLflow run."""
LENGTH = 80
"""Characters of a value that a message shows."""
NAMES = ("name", "part_of")
"""What a data set is called, which matters to nothing."""
EARLIER = "cells of an earlier ttt, which recorded no digests: whether their data were the same is not known"
ENTRIES = "ttt.ingested_entries"
"""The tag of an imported cell whose score is of other entries than the bench's tasks (`ttt.imported.pattern`)."""
HINT = "leave cells out with exclude=[model or run id, ...]"


@dataclass(frozen=True)
class Part:
    """What all compared cells have in common, and where it is recorded."""

    name: str
    plural: str
    tag: str
    section: str
    """Of `config.json`."""
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def of(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of this part of a cell's request by their dotted names, without the paths of local files."""
        section = config[self.section]
        names = self.only or [name for name in section if name not in self.without]
        if self.section == "adjustment" and section.get("method") != "lora":
            names = [name for name in names if name != "lora"]
        fields = dict(_leaves(self.section, {name: section.get(name) for name in names}))
        if fields.get("bench.leak") == "fail":  # leaves the same examples
            fields["bench.leak"] = "remove"
        return fields


RECIPE = Part("the recipe", "recipes", "ttt.recipe", "adjustment", without=OF_BUDGET)
BENCH = Part("the bench", "benches", "ttt.bench_digest", "bench", without=(*OF_TASK_DATA, *OF_PAPER))
TASK_DATA = Part("the task data", "task data", "ttt.task_data_digest", "bench", only=OF_TASK_DATA)
PARTS = (RECIPE, BENCH, TASK_DATA)
PARAMS = ("budget", "precision")
"""Params that are the same in all compared cells."""
OF_MODEL = ("source", "family", "kind", "languages", "trained", "n_params", "n_tokens", "facts")
"""Params that are the same in all cells of one model."""
RATE = "learning_rate"
"""The recipe's rule gives it for a model, so that it is the same for all seeds of one model."""


def refuse_mixed(
    tracker: Tracker,
    runs: Sequence[Run],
    parts: Iterable[Part] = PARTS,
    params: Iterable[str] = PARAMS,
    of_model: Iterable[str] = (*OF_MODEL, RATE),
    hint: str = HINT,
) -> None:
    """SpecError that names every field in which cells differ that must not, with its values and the models of each."""
    if faults := mixed(tracker, runs, parts, params, of_model):
        raise SpecError("\n".join([*faults, hint]))


def mixed(
    tracker: Tracker,
    runs: Sequence[Run],
    parts: Iterable[Part] = PARTS,
    params: Iterable[str] = PARAMS,
    of_model: Iterable[str] = (*OF_MODEL, RATE),
) -> list[str]:
    """A line for each field in which the cells differ; none where they may be compared."""
    earlier = [run for run in runs if is_earlier(run)]
    if 0 < len(earlier) < len(runs):
        return [
            f"mixed records: {len(earlier)} cells of an earlier ttt ({models_of(earlier)}) have no digests of their "
            f"recipe and bench, and the others have ({models_of([run for run in runs if not is_earlier(run)])}): "
            "repeat those cells, or compare them among themselves"
        ]
    faults = []
    for part in parts:
        faults += _mixed_definitions(tracker, runs, part) if earlier else _mixed_digests(tracker, runs, part)
    for name in params:
        # What the precision of imported results was is not known: that they are among others is said instead.
        of = [run for run in runs if name != "precision" or not is_imported(run)]
        faults += _differing("mixed cells", name, _by(of, lambda run, name=name: run.data.params.get(name)))  # type: ignore[misc]
    for model, of in sorted(_by(runs, lambda run: run.data.tags["ttt.model"]).items()):
        for name in of_model:
            values = _by(of, lambda run, name=name: params_now(run).get(name))  # type: ignore[misc]
            if len(values) > 1:
                listed = "; ".join(f"{_short(value)} in run {_ids(of_value)}" for value, of_value in values.items())
                faults.append(f"{model} is not one model: {name} is {listed}")
    return faults


def reasons_of(runs: Sequence[Run]) -> list[str]:
    """Why a comparison of these cells, which are not mixed, is provisional whatever the studies say."""
    reasons = [EARLIER] if any(map(is_earlier, runs)) else []
    if superseded := superseded_scores(runs):
        reasons.append(
            f"{len(superseded)} of {len(runs)} cells have scores of a training that a later one has superseded with "
            f"other weights; ask for them again, which trains nothing: {models_of(superseded)}"
        )
    imported = [run for run in runs if is_imported(run)]
    if 0 < len(imported) < len(runs):
        reasons.append(
            f"imported results are compared with cells that were measured here, and their precision, software and "
            f"hardware are not known: {models_of(imported)}"
        )
        by = _by([run for run in imported if ENTRIES in run.data.tags], lambda run: run.data.tags[ENTRIES])
        reasons += [
            f"imported scores are those of lm-eval's {entries} and not of the bench's own tasks, by which the others "
            f"were measured here; they may count answers or weigh parts otherwise: {models_of(of)}"
            for entries, of in sorted(by.items())
        ]
    return reasons


def is_earlier(run: Run) -> bool:
    return RECIPE.tag not in run.data.tags or BENCH.tag not in run.data.tags


def is_imported(run: Run) -> bool:
    return "ttt.ingested" in run.data.tags


def models_of(runs: Iterable[Run]) -> str:
    return first_few(sorted({run.data.tags["ttt.model"] for run in runs}))


def _mixed_digests(tracker: Tracker, runs: Sequence[Run], part: Part) -> list[str]:
    # Of imported results nobody knows what their data held: their digests are of definitions and compare among them.
    by = _by(runs, lambda run: (is_imported(run), run.data.tags.get(part.tag)))
    if len(by) < 2:
        return []
    configs = {digest: _config(tracker, of) for digest, of in by.items()}
    unreadable = [digest for digest, config in configs.items() if config is None]
    if unreadable:
        return _differing(f"mixed {part.plural}", f"the digest of {part.name}", {key[1]: of for key, of in by.items()})
    fields = {digest: part.of(config) for digest, config in configs.items() if config is not None}
    faults = _differing_fields(part, fields, by)
    same: dict[tuple[bool, str], list[Any]] = defaultdict(list)
    for key, of in fields.items():
        same[key[0], json.dumps(of, sort_keys=True)].append(key)
    for digests in same.values():
        if len(digests) > 1:
            config = configs[digests[0]]
            assert config is not None
            if named := _differing_contents(tracker, part, {key: by[key] for key in digests}):
                faults += named
                continue
            values = {f"{str(key[1])[:8]}…": by[key] for key in digests}
            faults += _differing(f"mixed {part.plural}", _content(part, config), values, "differs: its digest is")
    return faults


def _mixed_definitions(tracker: Tracker, runs: Sequence[Run], part: Part) -> list[str]:
    """By the requests themselves, paths of files included, where no digests were recorded."""
    by: dict[Any, list[Run]] = defaultdict(list)
    fields: dict[Any, dict[str, Any]] = {}
    for run, config in zip(runs, tracker.read_jsons(list(runs), "config.json"), strict=True):
        try:
            of = part.of(config) | dict(_paths(part, config))
        except (KeyError, TypeError, AttributeError):
            raise SpecError(
                f"{_where(run)} has no config.json that can be read: repeat its cell, or exclude it"
            ) from None
        text = json.dumps(of, sort_keys=True)
        by[text].append(run)
        fields[text] = of
    return _differing_fields(part, fields, by)


def _differing_fields(
    part: Part, fields: Mapping[Any, Mapping[str, Any]], by: Mapping[Any, Sequence[Run]]
) -> list[str]:
    faults = []
    for field in sorted({field for of in fields.values() for field in of}):
        values: dict[Any, list[Run]] = defaultdict(list)
        for group, of in fields.items():
            values[json.dumps(of[field], sort_keys=True) if field in of else "not set"] += by[group]
        faults += _differing(f"mixed {part.plural}", field, values)
    return faults


def _differing(what: str, field: str, values: Mapping[Any, Sequence[Run]], verb: str = "is") -> list[str]:
    """A line on a field that has several values, the most frequent first."""
    if len(values) < 2:
        return []
    noun = " cells" if max(map(len, values.values())) > 1 else " cell"
    ordered = sorted(values.items(), key=lambda item: (-len(item[1]), str(item[0])))
    listed = [
        f"{_short(value)} in {len(of)}{noun if not i else ''} ({models_of(of)})"
        for i, (value, of) in enumerate(ordered)
    ]
    return [f"{what}: {field} {verb} {'; '.join(listed)}"]


def _differing_contents(tracker: Tracker, part: Part, by: Mapping[Any, Sequence[Run]]) -> list[str]:
    """A line for each file, data set or library whose content differs, where all cells have recorded these."""
    section = {BENCH: "bench", TASK_DATA: "task_data"}.get(part)
    contents = {key: tracker.read_jsons([of[0]], CONTENTS)[0] for key, of in by.items()}
    if section is None or not all(isinstance(of, Mapping) and section in of for of in contents.values()):
        return []
    faults = []
    for name in sorted({name for of in contents.values() for name in of[section]}):
        values: dict[str, list[Run]] = defaultdict(list)
        for key, of in contents.items():
            values[of[section].get(name, "not read")] += by[key]
        shown = {value if len(value) < 16 else f"{value[:8]}…": runs for value, runs in values.items()}
        what = f"the version of {name}" if name == "lm-eval" else f"the content of {name}"
        faults += _differing(f"mixed {part.plural}", what, shown)
    return faults


def _content(part: Part, config: Mapping[str, Any]) -> str:
    """What a digest covers beside the definition."""
    bench = config["bench"]
    if part is TASK_DATA:
        return f"the content of bench.task_data {' or '.join(repr(of['name']) for of in bench['task_data'])}"
    if part is BENCH:
        files = ", ".join(f"bench.files.{split}" for split in bench.get("files") or {}) or "the tasks' data"
        return f"the content of {files}, or the version of lm-eval,"
    return part.name


def _leaves(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Dotted names and values within a nested value; of local files only that they are some."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            is_path = (name == "bench.files") or (name.startswith("bench.task_data.") and key == "files")
            if name.startswith("bench.task_data.") and key in NAMES:
                continue
            yield from [(f"{name}.{key}", "local files")] if is_path and inner else _leaves(f"{name}.{key}", inner)
    elif isinstance(value, list | tuple) and value:
        for i, inner in enumerate(value):
            yield from _leaves(f"{name}.{i}", inner)
    else:
        yield name, value


def _paths(part: Part, config: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    bench = config["bench"]
    if part is BENCH:
        yield from ((f"bench.files.{split}", file) for split, file in (bench.get("files") or {}).items())
    if part is TASK_DATA:
        yield from ((f"bench.task_data.{i}.files", of.get("files")) for i, of in enumerate(bench["task_data"]))


def _config(tracker: Tracker, runs: Sequence[Run]) -> Mapping[str, Any] | None:
    """The request of the first of these runs that still has it whole."""
    for run in runs:
        config = tracker.read_jsons([run], "config.json")[0]
        if isinstance(config, Mapping) and {"bench", "adjustment"} <= set(config):
            return config
    return None


def _by(runs: Sequence[Run], key: Callable[[Run], Any]) -> dict[Any, list[Run]]:
    groups: dict[Any, list[Run]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return dict(groups)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LENGTH else f"{text[: LENGTH - 1]}…"


def _ids(runs: Collection[Run]) -> str:
    return first_few([str(run.info.run_id) for run in runs])


def _where(run: Run) -> str:
    return f"{run.info.run_name} (run {run.info.run_id})"
