"""`python -m ttt.ingest path=DIR suite=...`: lm-eval's result files, as cells that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ttt.catalogue.definitions import Definitions
from ttt.cli.command import CONF, Command, heavy_imports
from ttt.cli.terminal import Terminal, console
from ttt.formatting import first_few
from ttt.imported.pattern import Pattern
from ttt.spec import Name, Spec, SpecError, Tracking, check, nearest


class _Request(Spec):
    """The whole of `conf/ingest.yaml`."""

    path: str
    suite: Name
    pattern: str | None
    conf: tuple[str, ...]
    tracking: Tracking
    output: str | None
    allow_env: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    path: Path
    suite: str
    patterns: list[Pattern]
    """Those to choose from: the one that fits the most files is taken."""
    definitions: Definitions
    tracking: Tracking


def parse(config: Mapping[str, Any]) -> Request:
    if config.get("path") in (None, "???"):
        raise SpecError("path: is missing: the folder of the result files (path=DIR)")
    asked = check(_Request, config)
    definitions = Definitions([CONF, *map(Path, asked.conf)])
    names = definitions.names("ingest")
    if asked.pattern is not None and asked.pattern not in names:
        raise SpecError(f"pattern: there is no {asked.pattern!r}; the choices are: {nearest(asked.pattern, names)}")
    chosen = [asked.pattern] if asked.pattern else names
    patterns = [definitions.read("ingest", name, Pattern) for name in chosen]
    return Request(Path(asked.path).expanduser(), asked.suite, patterns, definitions, asked.tracking)


def work(request: Request) -> dict[str, Any]:
    with heavy_imports():
        from ttt.imported.ingest import ingest  # mlflow and pandas, seconds to import
        from ttt.tracking import Tracker

    start = perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars: dict[str, Any] = {}

        def tick(what: str, done: int, n: int) -> None:
            bars.setdefault(what, None)
            if bars[what] is None:
                bars[what] = progress.add_task(what, total=n)
            progress.update(bars[what], completed=done)

        report = ingest(
            request.path,
            request.suite,
            request.patterns,
            request.definitions,
            lambda: Tracker(request.tracking),
            tick,
        )
    return {**report, "seconds": round(perf_counter() - start, 1)}


def show(results: list[dict[str, Any]]) -> None:
    out = Terminal()
    for report in results:
        table = Table("files", "used", "skipped", "cells", "new", "superseded", "unchanged", "seconds")
        counts = ("files", "files_used", "files_skipped", "cells", "new", "superseded", "unchanged")
        table.add_row(*(str(report[f"n_{name}"]) for name in counts), f"{report['seconds']:.1f}")
        out.print(f"suite {report['suite']}, pattern {report['pattern']}, run {report['run_id']}")
        out.print(table)
        for reason, named in report["skipped"].items():
            why = next(iter(named.values()))
            out.print(Text(f"left out {len(named):,}, {reason}: {first_few(list(named), 3)}\n  {why}"))
        for about, names in report["notes"].items():
            out.print(Text(f"{about}, taken as they are: {len(names)} ({first_few(names, 1)})"))


COMMAND = Command("ingest", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
