"""MLflow stores with made-up cells, written as `ttt.run` and `ttt.ingest` write theirs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttt.cell.final import RESULT, tag_cells
from ttt.cell.key import CONTENTS, content_digests
from ttt.cell.params import cell_params, cell_tags
from ttt.cell.read import items_tag
from ttt.cell.study_result import CURVE, StudyResult, verdict_at
from ttt.compare import Kind, Request, compare
from ttt.comparison.options import Options
from ttt.files.hashing import file_digest
from ttt.files.rows import DataFiles
from ttt.spec import Adjustment, Bench, Cell, Model, Tracking
from ttt.study.verdict import BudgetCurve, judge
from ttt.tracking import Tracker

CHANCE = 0.25
N_ITEMS = 1000
TASK_DATA = Path(__file__).with_name("sums.jsonl")


def bench(name: str = "sums", **fields: Any) -> Bench:
    source = {"name": "sums", "files": str(TASK_DATA)}
    fixed = {"format": "multiple_choice", "chance": CHANCE, "metric": "acc,none", "tasks": ["sums"], "version": 1}
    return Bench(**{"name": name, "task_data": [source], **fixed, **fields})


def adjustment(name: str = "full", **fields: Any) -> Adjustment:
    return Adjustment(name=name, **({"method": "full", "examples": 1000} | fields)) if name != "none" else NONE


NONE = Adjustment(name="none", method="none")


@dataclass
class Made:
    """One cell to write: scores of both sides, checkpoints as (examples, score), tags and params to change."""

    model: Model
    base: float
    adjusted: float
    bench: Bench = field(default_factory=bench)
    adjustment: Adjustment = field(default_factory=adjustment)
    seed: int = 0
    suite: str = "made"
    checkpoints: Sequence[tuple[int, float]] = ()
    logged: Sequence[tuple[int, float]] = ()
    """Scores on the way as metrics only, as (examples, score)."""
    tags: Mapping[str, str | None] = field(default_factory=dict)
    """Added to the run's; None takes one away."""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Added to the run's; None takes one away."""
    items: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def made_models(n: int = 24, n_families: int = 8, seed: int = 0) -> list[Model]:
    """Models over four decades of compute, half of the families newer and half of other languages too."""
    rng = np.random.default_rng(seed)
    return [
        Model(
            name=f"model-{i:03d}",
            family=f"family-{i % n_families}",
            hub=f"made/model-{i}",
            n_params=int(10 ** rng.uniform(8.3, 10.8)),
            n_tokens=int(10 ** rng.uniform(11.3, 12.6)),
            trained="2024-03" if i % n_families >= n_families / 2 else "2023-02",
            languages=("en", "zh") if i % 2 else ("en",),
            facts={"dose": 0.5 * (i % 3), "open": i % n_families < 3},
        )
        for i in range(n)
    ]


def planted(models: Sequence[Model], theta: float, seed: int = 0, noise: float = 0.01) -> Iterator[Made]:
    """Cells in which newer models are ahead by theta before adjusting and by nothing after."""
    rng = np.random.default_rng(seed)
    for model in models:
        decades = np.log10(model.compute)
        before = CHANCE + 0.1 * max(0.0, decades - 22.0) + theta * (model.trained >= "2023-11")
        after = CHANCE + 0.1 * max(0.0, decades - 21.2)
        base, adjusted, halfway = (
            float(np.clip(score + rng.normal(0, noise), 0, 1)) for score in (before, after, (before + after) / 2)
        )
        yield Made(model, base, adjusted, checkpoints=[(500, halfway)])


def write(root: Path, cells: Sequence[Made]) -> Tracker:
    """A store under `root` with these cells, finished."""
    tracker = Tracker(Tracking(root=str(root)))
    for i, made in enumerate(cells):
        _write(tracker, made, f"{i:020d}")
    return tracker


def _write(tracker: Tracker, made: Made, key: str) -> None:
    cell = Cell(suite=made.suite, model=made.model, bench=made.bench, adjustment=made.adjustment, seed=made.seed)
    tags = {**cell_tags(cell, key, DataFiles()), **made.tags}
    stderr = {side: abs(score * (1 - score) / N_ITEMS) ** 0.5 for side, score in _scores(made).items()}
    values: dict[str, float | None] = {}
    for side, score in _scores(made).items():
        values |= {f"{side}/score": score, f"{side}/score_stderr": stderr[side]}
    tags = {name: tag for name, tag in tags.items() if tag is not None}
    with tracker.run(f"{cell.suite}/{cell.bench.name}", cell.label, tags) as run:
        for n_examples, score in made.logged:
            run.metrics({"adjusted/score": score}, step=n_examples)
        values |= {"gain/score": made.adjusted - made.base, "train/seconds": 10.0, **made.metrics}
        run.metrics({name: value for name, value in values.items() if value is not None}, step=1000)
        run.flush({**cell_params(cell, "made", "32"), **made.params})
        result = {
            "base": {"score": made.base, "brier": 1 - made.base},
            "adjusted": {"score": made.adjusted, "brier": 1 - made.adjusted},
            "checkpoints": [{"n_examples": n, "score": score} for n, score in made.checkpoints],
        }
        with tempfile.TemporaryDirectory() as scratch:
            contents = content_digests(cell.bench, DataFiles())
            files = {"result.json": result, "config.json": cell.model_dump(mode="json"), CONTENTS: contents}
            for name, content in files.items():
                (Path(scratch) / name).write_text(json.dumps(content))
            for side, table in made.items.items():
                (Path(scratch) / "items").mkdir(exist_ok=True)
                table.to_parquet(Path(scratch) / "items" / f"{side}.parquet", index=False)
            run.folder(Path(scratch))


def _scores(made: Made) -> dict[str, float]:
    return {"base": made.base, "adjusted": made.adjusted}


def item_table(correct: Sequence[float], task: str = "sums") -> pd.DataFrame:
    """Items of a side with these scores."""
    n = len(correct)
    return pd.DataFrame(
        {
            "task": task,
            "doc_id": range(n),
            "doc_hash": [f"hash-{i}" for i in range(n)],
            "correct": [float(score) for score in correct],
        }
    )


def ask(tracker: Tracker, kind: Kind, names: Sequence[str], options: Options, models: Sequence[str] = ()) -> Any:
    """What `ttt.compare` concludes of a store and keeps there."""
    return compare(tracker, Request(kind, tuple(names), tuple(models), options, tracker.tracking))


def write_study(
    tracker: Tracker,
    made: Made,
    scores: Mapping[int, np.ndarray],
    tolerance: float = 0.01,
    digest: str | None = "items",
) -> str:
    """A finished study of a cell's model with these validation scores by budget, which tags what it covers; its id."""
    cell = Cell(suite=made.suite, model=made.model, bench=made.bench, adjustment=made.adjustment, seed=made.seed)
    curve = BudgetCurve(tuple(scores), np.stack(list(scores.values())), tuple(0 for _ in scores))
    plateau = judge(curve, tolerance)
    verdict, reason = verdict_at(plateau, cell.adjustment.n_examples(1))
    judged = {rung.budget: vars(rung) for rung in plateau.rungs}
    rungs = [
        {**judged.get(budget, {}), "budget": budget, "score": score, "stderr": stderr, "values": None}
        for budget, score, stderr in zip(curve.budgets, curve.means, curve.stderrs, strict=True)
    ]
    cost = dict.fromkeys(("flops", "n_tokens", "n_tokens_scored", "seconds", "n_tokens_anew", "n_tokens_full_grid"), 1)
    tags = {**cell_tags(cell, f"study of {made.model.name}", DataFiles()), "ttt.kind": "saturation"}
    with tracker.run(f"{cell.suite}/{cell.bench.name}", f"{cell.label} saturation", tags) as run:
        result = StudyResult(
            run_id=run.run_id, key="study", model=made.model.name, bench=made.bench.name, adjustment="full", seed=0,
            verdict=verdict, reason=reason, budget=1000, smallest_budget=plateau.smallest, tolerance=tolerance,  # type: ignore[arg-type]
            rungs=rungs, cost=None, cost_of_study={**cost, "money": None}, currency=None, trials=(), n_trials=3,  # type: ignore[arg-type]
            n_validation=curve.items.shape[1], validation="task_data", measure="made up", validation_digest=digest,
            schedules=None,
        )  # fmt: skip
        smallest = {} if plateau.smallest is None else {"smallest_budget": plateau.smallest}
        run.metrics({"n_trials": 3, **smallest})
        run.params(cell_params(cell, "made", "32"))
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / f"{CURVE}.parquet"
            pd.DataFrame({str(budget): items for budget, items in scores.items()}).to_parquet(file, index=False)
            run.file(file, "items")
            run.tags({items_tag(CURVE): file_digest(file)})
        run.json(result.to_json(), RESULT)
        tag_cells(tracker, cell, result)
    return str(run.run_id)
