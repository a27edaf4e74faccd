"""`python -m ttt.compare suite=... bench=...`: finished cells to conclusions, with figures and a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ttt.cli.command import Command
from ttt.cli.imports import uncollected
from ttt.comparison.options import Options
from ttt.spec import Name, SpecError, Tracking, check

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
    versions: Name | None
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
    with uncollected():
        from ttt.comparison import work as comparison  # mlflow and the statistics, seconds to import
        from ttt.tracking import Tracker

    tracker, names = Tracker(request.tracking, make=False), request.names
    match request.kind:
        case "bench":
            return comparison.compare_bench(tracker, names[0], request.options)
        case "benches":
            return comparison.compare_benches(tracker, names, request.options)
        case "reformulation":
            return comparison.compare_formats(tracker, names, request.options)
        case "items":
            return comparison.compare_items(tracker, names[0], request.models, request.options)
        case "versions":
            return comparison.compare_versions(tracker, names[0])


def show(results: list[dict[str, Any]]) -> None:
    from ttt.comparison.terminal import show_result

    for result in results:
        show_result(result)


COMMAND = Command("compare", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
