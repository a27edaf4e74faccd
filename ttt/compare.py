"""`python -m ttt.compare suite=... bench=...`: finished cells to conclusions, with figures and a report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, StringConstraints

from ttt.cli.arguments import quoted
from ttt.cli.command import CONF, Command, heavy_imports
from ttt.comparison.options import Options
from ttt.masking import shown_uri
from ttt.spec import NAME, Name, Spec, SpecError, Tracking, check

if TYPE_CHECKING:
    from ttt.comparison.conclusions import Concluded
    from ttt.tracking import Tracker

Kind = Literal["bench", "benches", "reformulation", "items", "versions"]
KINDS = "bench=..., benches=[...], reformulation=[cloze,multiple_choice], items=[a,b] with bench=..., or versions=..."


def _name(value: Any) -> Any:
    """The name in what the command line chose from a config group, of which nothing else counts here."""
    return value.get("name") if isinstance(value, Mapping) else value


Chosen = Annotated[Name | None, BeforeValidator(_name)]


class _Request(Options):
    """The whole of `conf/compare.yaml`."""

    bench: Chosen = None
    adjustment: Chosen = None
    benches: tuple[Name, ...]
    reformulation: tuple[Name, ...]
    items: tuple[Name, ...]
    versions: Annotated[str, StringConstraints(pattern=rf"^((model|bench):)?{NAME.removeprefix('^')}")] | None
    tracking: Tracking
    output: str | None
    allow_env: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    kind: Kind
    names: tuple[str, ...]
    """The bench or benches, or the registered model or bench whose versions are compared."""
    models: tuple[str, ...]
    """Those whose items are compared."""
    options: Options
    tracking: Tracking


def parse(config: Mapping[str, Any]) -> Request:
    asked = check(_Request, config)
    options = Options(**{name: getattr(asked, name) for name in Options.model_fields})
    given: dict[Kind, tuple[str, ...]] = {
        "bench": (asked.bench,) if asked.bench else (),
        "benches": asked.benches,
        "reformulation": asked.reformulation,
        "versions": (asked.versions,) if asked.versions else (),
    }
    kinds = [kind for kind, names in given.items() if names]
    if len(kinds) != 1:
        what = "nothing to compare is named" if not kinds else f"{' and '.join(kinds)} exclude each other"
        raise SpecError(f"{what}: give {KINDS}")
    kind = kinds[0]
    if kind == "benches" and len(asked.benches) < 2:
        raise SpecError("benches: two or more are needed; for one, bench=...")
    if kind == "reformulation" and len(asked.reformulation) != 2:
        raise SpecError("reformulation: two benches are needed, [cloze,multiple_choice] of the same questions")
    if asked.items:
        if kind != "bench" or len(asked.items) < 2:
            raise SpecError("items: two or more models, and the bench=... whose documents they answered")
        return Request("items", given[kind], asked.items, options, asked.tracking)
    return Request(kind, given[kind], (), options, asked.tracking)


def work(request: Request) -> dict[str, Any]:
    with heavy_imports():
        from ttt.comparison.conclusions import as_json  # mlflow and the statistics, seconds to import
        from ttt.tracking import Tracker

    return as_json(compare(Tracker(request.tracking, make=False), request))


def compare(tracker: Tracker, request: Request) -> Concluded:
    """Load, conclude, draw, log; the conclusions as they were kept."""
    from ttt.comparison.conclusions import BenchConclusions
    from ttt.comparison.log import kept, not_kept

    conclusions = conclude(tracker, request)
    asked = {request.kind: list(request.names), **request.options.model_dump(mode="json")}
    if request.models:
        asked["items"] = list(request.models)
    made = replace(conclusions.provenance, options=asked, command=again(request))
    conclusions = replace(conclusions, provenance=made)
    if not tracker.is_writable:
        not_kept(tracker)
        return conclusions
    with kept(tracker, conclusions) as being_kept:
        if isinstance(being_kept.conclusions, BenchConclusions):
            from ttt.report.comparison import render  # matplotlib and jinja2: only once there is something to draw

            render(being_kept.conclusions, being_kept.folder)
    conclusions = being_kept.conclusions
    if isinstance(conclusions, BenchConclusions):
        page = tracker.artifact(str(conclusions.run_id), "report.html")
        conclusions = replace(conclusions, report=str(page) if page else None)
    return conclusions


def conclude(tracker: Tracker, request: Request) -> Concluded:
    """What the cells of the store say. SpecError for what cannot be compared."""
    from ttt.comparison import benches, inputs, items, versions
    from ttt.comparison import conclude as bench

    names, options = request.names, request.options
    match request.kind:
        case "bench":
            return bench.conclude(tracker, inputs.read_inputs(tracker, names[0], options), options)
        case "benches":
            return benches.bench_conclusions(tracker, names, options)
        case "reformulation":
            return benches.format_conclusions(tracker, names, options)
        case "items":
            return items.item_conclusions(tracker, names[0], request.models, options)
        case "versions":
            return versions.version_conclusions(tracker, names[0], options)


def again(request: Request) -> str:
    """The command that makes the same comparison: all that is asked and every option that is not the default.

    Where the result is written is no part of it. A password in the address of the store is shown as ***.
    """
    words = [_name_word(request.kind, request.names)]
    if request.models:
        words = [_chosen("bench", request.names[0]), f"items={_written(request.models)}"]
    for name, field in Options.model_fields.items():
        value, default = getattr(request.options, name), field.default
        if value == default:
            continue
        if name == "adjustment":
            words.append(_chosen(name, value))
        elif isinstance(value, Spec):
            inner = ((key, getattr(value, key)) for key in type(value).model_fields)
            words += [f"{name}.{key}={_written(part)}" for key, part in inner if part != getattr(default, key)]
        else:
            words.append(f"{name}={_written(value)}")
    places = {"root": request.tracking.root, "uri": request.tracking.uri and shown_uri(request.tracking.uri)}
    words += [f"tracking.{k}={_written(v)}" for k, v in places.items() if v != Tracking.model_fields[k].default]
    return shlex.join(["python", "-m", "ttt.compare", *words])


def _name_word(kind: Kind, names: tuple[str, ...]) -> str:
    if kind == "bench":
        return _chosen("bench", names[0])
    return f"{kind}={_written(names[0] if kind == 'versions' else names)}"


def _chosen(group: str, name: str) -> str:
    """A choice by its file, or by its name where the file is the user's own: nothing else of it counts here."""
    return f"{group}={name}" if (CONF / group / f"{name}.yaml").is_file() else f"+{group}.name={_written(name)}"


def _written(value: Any) -> str:
    """A value as Hydra's grammar reads it back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{','.join(map(_written, value))}]"
    if not isinstance(value, str) or re.fullmatch(r"(?!(?i:null|true|false|nan|inf)$)[A-Za-z][\w.-]*", value):
        return str(value)
    return quoted(value.replace("${", "\\${"))  # what is written out is no reference


def show(results: list[dict[str, Any]]) -> None:
    from ttt.comparison.conclusions import from_json
    from ttt.comparison.terminal import show_conclusions

    for result in results:
        show_conclusions(from_json(result))


COMMAND = Command("compare", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
