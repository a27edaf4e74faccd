"""`python -m ttt.pretrain`: make what is missing of the lab: its models, its test and its task data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

from pydantic import Field
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ttt.cli.command import Command
from ttt.cli.terminal import Terminal, console
from ttt.lab.ladder import LabModel, chosen
from ttt.lab.store import LabStore
from ttt.spec import Count, Name, Spec, Tracking, check


class _Lab(Spec):
    seed: Annotated[int, Field(ge=0)]
    folder: str


class _Request(Spec):
    """The whole of `conf/pretrain.yaml`."""

    suite: Name
    models: tuple[str, ...]
    lab: _Lab
    n_jobs: Count
    tracking: Tracking
    output: str | None
    allow_env: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    suite: str
    models: list[LabModel]
    store: LabStore
    n_jobs: int
    tracking: Tracking


def parse(config: Mapping[str, Any]) -> Request:
    asked = check(_Request, config)
    store = LabStore(Path(asked.lab.folder).expanduser().absolute(), asked.lab.seed)
    return Request(asked.suite, chosen(asked.models), store, asked.n_jobs, asked.tracking)


def work(request: Request) -> dict[str, Any]:
    from filelock import FileLock

    start, store = perf_counter(), request.store
    store.write_questions()
    made: dict[str, float] = {}
    with FileLock(store.folder / "lock"):  # of two commands at once the second finds what the first has made
        missing = [model for model in request.models if store.facts(model) is None]
        if missing:
            made = _make(request, missing)
    known = [(model, store.facts(model) or {}) for model in request.models]
    return {
        "suite": request.suite,
        "seed": store.seed,
        "folder": str(store.folder),
        "n_made": len(made),
        "seconds": round(perf_counter() - start, 1),
        "models": [
            {"model": model.name, "family": model.family, **facts, "seconds": made.get(model.name)}
            for model, facts in known
        ],
    }


def _make(request: Request, missing: list[LabModel]) -> dict[str, float]:
    """Seconds by name of model."""
    from ttt.lab.workers import pretrain_all

    store, made = request.store, {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        label = f"pretraining {len(missing)} models"
        bar = progress.add_task(label, total=sum(model.size.n_steps for model in missing))
        tracker = None
        for model, done in pretrain_all(missing, store, request.n_jobs, lambda n: progress.advance(bar, n)):
            from ttt.lab.record import record  # mlflow, seconds to import, while the workers are busy
            from ttt.tracking import Tracker

            tracker = tracker or Tracker(request.tracking)
            record(tracker, request.suite, store, model, done)
            store.finish(model, done.folder)
            made[model.name] = done.seconds
            progress.update(bar, description=f"{label}, {len(made)} done")
    return made


def show(results: list[dict[str, Any]]) -> None:
    out = Terminal()
    for result in results:
        table = Table("model", "N", "D", "C", "dose", "loss", "seconds")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in result["models"]:
            numbers = (f"{row['n_params']:,}", f"{row['n_tokens']:,}", f"{row['compute']:.3g}", f"{row['dose']:g}")
            took = "—" if row["seconds"] is None else f"{row['seconds']:.0f}"
            table.add_row(row["model"], *numbers, f"{row['loss']:.3f}", took)
        out.print(table)
        there = len(result["models"]) - result["n_made"]
        out.print(f"{result['n_made']} made, {there} were there, in {result['folder']} ({result['seconds']} s)")


COMMAND = Command("pretrain", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
