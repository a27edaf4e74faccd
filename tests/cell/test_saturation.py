"""Which cells a verdict covers, and who bears the alias `final-<bench>`, in a real store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sums, write_jsonl
from ttt.cell.final import RESULT, covers, tag_by_study, tag_cells
from ttt.cell.key import recipe_digest
from ttt.cell.params import cell_params, cell_tags
from ttt.cell.study_result import BudgetScore, JudgedBudget, StudyCost, StudyResult
from ttt.files.rows import DataFiles
from ttt.spec import Adjustment, Bench, Cell, Model, TaskDataset, Tracking
from ttt.tracking import Tracker, Version

MODEL = Model(name="m", family="f", hub="made/m", n_params=10, n_tokens=10, trained="2024-01")


def cell_in(folder: Path, suite: str = "s", model: Model = MODEL, **changes: Any) -> Cell:
    """A cell whose adjustment and bench differ from the usual ones in these fields."""
    file = folder / "train.jsonl"
    if not file.exists():
        write_jsonl(file, sums(3, seed=1))
    adjustment = {"name": "full", "method": "full", "examples": 64, "learning_rate": 1e-3}
    bench = {"name": "b", "version": 1, "format": "multiple_choice", "chance": 0.25, "metric": "acc,none",
             "tasks": ["sums"], "task_data": [TaskDataset(name="sums", files=str(file))]}  # fmt: skip
    for field, value in changes.items():
        (adjustment if field in Adjustment.model_fields and field != "name" else bench)[field] = value
    return Cell(suite=suite, model=model, bench=Bench(**bench), adjustment=Adjustment(**adjustment))  # type: ignore[arg-type]


def result_of(run_id: str, verdict: str = "saturated") -> StudyResult:
    """A study of 32, 64 and 128 examples, whose verdict on 64 is this one."""
    gain = {"saturated": 0.0, "not saturated": 0.2, "undecided": 0.01}[verdict]
    half = 0.005 if verdict != "undecided" else 0.05
    rungs = [
        JudgedBudget(budget=budget, score=0.5, stderr=0.01, values=None, later=2 * budget, gain=gain, low=gain - half,
                     high=gain + half, verdict=verdict, n_items=100, n_items_to_decide=None)  # type: ignore[arg-type]
        for budget in (32, 64)
    ]  # fmt: skip
    cost = StudyCost(flops=1, n_tokens=1, n_tokens_scored=1, seconds=1, money=None, n_tokens_anew=1,
                     n_tokens_full_grid=1)  # fmt: skip
    return StudyResult(
        run_id=run_id, key="k", model="m", bench="b", adjustment="full", seed=0, verdict=verdict, reason="as planted",  # type: ignore[arg-type]
        budget=64, smallest_budget=32 if verdict == "saturated" else None, tolerance=0.01,
        rungs=(*rungs, BudgetScore(budget=128, score=0.5, stderr=0.01, values=None)), cost=None, cost_of_study=cost,
        currency=None, trials=(), n_trials=3, n_validation=100, validation="task_data", measure="planted",
        schedules=None,
    )  # fmt: skip


@dataclass
class Store:
    tracker: Tracker
    n_runs: int = 0

    def _tags(self, cell: Cell, kind: str) -> dict[str, str]:
        self.n_runs += 1
        return {**cell_tags(cell, f"key-{self.n_runs}", DataFiles()), "ttt.kind": kind}

    def study(self, cell: Cell, verdict: str = "saturated", precision: str = "32", source: str = "files:1") -> str:
        """A study that ends with this verdict; its run's id."""
        with self.tracker.run(f"{cell.suite}/{cell.bench.name}", "study", self._tags(cell, "saturation")) as run:
            result = result_of(run.run_id, verdict)
            run.params(cell_params(cell, source, precision))
            run.metrics({"n_trials": 3} | ({"smallest_budget": 32} if result.smallest_budget else {}))
            run.json(result.to_json(), RESULT)
            tag_cells(self.tracker, cell, result)
        return str(run.run_id)

    def cell(self, cell: Cell, precision: str = "32", source: str = "files:1", n_examples: int = 64) -> str:
        """A cell that ends, with a version of its model; the tag that it has then."""
        place = f"{cell.suite}/{cell.bench.name}"
        with self.tracker.run(f"{cell.suite}/adjusting", "adjusting", {"ttt.kind": "adjusting"}) as adjusting:
            adjusting.text("weights", "model/config.json")
        version = self.tracker.registry.register(
            "m", adjusting.run_id, "model", {"ttt.recipe": recipe_digest(cell.adjustment)}
        )
        with self.tracker.run(place, cell.label, self._tags(cell, "cell")) as run:
            run.params(cell_params(cell, source, precision))
            run.metrics({"train/n_examples": n_examples})
            run.tags({"ttt.adjusted_model": adjusting.run_id})
            tag_by_study(self.tracker, cell, run, n_examples, str(version.number))
            self.tracker.registry.set_tags(version, {f"cell/{place}": run.run_id})
        made = self.tracker.read_run(run.run_id)
        assert made is not None
        return str(made.data.tags["ttt.saturated"])

    @property
    def final(self) -> int | None:
        """The number of the version that is final on the bench."""
        versions: list[Version] = self.tracker.registry.with_alias("final-b")
        return versions[0].number if versions else None


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Tracker(Tracking(root=str(tmp_path / "store"))))


def lora(**fields: Any) -> dict[str, Any]:
    return {"method": "lora", "lora": fields}


UNLIKE: list[dict[str, Any]] = [
    {"learning_rate": 1e-9},
    {"schedule": "constant"},
    {"weight_decay": 0.2},
    {"batch_size": 8},
    lora(r=16),
    {"version": 2},
    {"limit": 7},
    {"num_fewshot": 3},
    {"chat_template": True},
    {"task_data_seed": 1},
    {"model": MODEL.model_copy(update={"low_learning_rate": True})},
]


@pytest.mark.parametrize("changes", UNLIKE, ids=str)
def test_a_verdict_does_not_cover_what_is_made_or_asked_otherwise(
    store: Store, tmp_path: Path, changes: dict[str, Any]
) -> None:
    first = cell_in(tmp_path)
    store.study(first)
    assert (store.cell(first), store.final) == ("yes", 1)
    changed = cell_in(tmp_path, **changes)
    assert store.cell(changed) == "unknown"
    is_changed_bench = bool({"version", "num_fewshot", "chat_template", "task_data_seed"} & changes.keys())
    assert store.final == (None if is_changed_bench else 1), "another recipe, or a part of the bench, decides nothing"
    runs = store.tracker.runs("s/b", "cell")
    assert [run.data.tags["ttt.saturated"] for run in runs] == ["unknown", "yes"], (
        "the verdict on the first cell stands"
    )


def test_the_rank_and_the_modules_of_lora_are_the_recipes(store: Store, tmp_path: Path) -> None:
    store.study(cell_in(tmp_path, **lora(r=16)))
    assert store.cell(cell_in(tmp_path, **lora(r=16))) == "yes"
    assert store.cell(cell_in(tmp_path, **lora(r=8))) == "unknown"
    other = MODEL.model_copy(update={"lora_targets": ("q_proj",)})
    assert store.cell(cell_in(tmp_path, model=other, **lora(r=16))) == "unknown"


def test_task_data_that_were_edited_other_weights_and_another_precision_are_not_covered(
    store: Store, tmp_path: Path
) -> None:
    store.study(cell_in(tmp_path))
    assert store.cell(cell_in(tmp_path), source="files:2") == "unknown"
    assert store.cell(cell_in(tmp_path), precision="bf16") == "unknown"
    write_jsonl(tmp_path / "train.jsonl", sums(4, seed=2))
    assert store.cell(cell_in(tmp_path)) == "unknown"


def test_names_budgets_and_seeds_are_the_cells_own(store: Store, tmp_path: Path) -> None:
    asked = cell_in(tmp_path)
    store.study(asked)
    renamed = asked.adjustment.model_copy(update={"name": "mine", "examples": None, "epochs": 2.0, "evaluate_at": (3,)})
    assert store.cell(asked.model_copy(update={"adjustment": renamed, "seed": 5})) == "yes"
    assert store.cell(asked, n_examples=16) == "undecided"
    assert store.final == 1, "a smaller budget changes nothing of the larger one"


@pytest.mark.parametrize("verdict", ["not saturated", "undecided"])
def test_a_later_verdict_takes_the_alias_away(store: Store, tmp_path: Path, verdict: str) -> None:
    asked = cell_in(tmp_path)
    store.cell(asked)
    assert store.final is None
    store.study(asked)
    assert store.final == 1
    store.cell(asked)
    assert store.final == 2, "the newest that is saturated"
    later = store.study(asked, verdict)
    assert store.final is None
    runs = store.tracker.runs("s/b", "cell")
    assert {run.data.tags["ttt.saturated_by"] for run in runs} == {later}
    assert {run.data.tags["ttt.saturated"] for run in runs} == {"no" if verdict == "not saturated" else verdict}


def test_a_study_of_another_recipe_leaves_what_it_does_not_cover(store: Store, tmp_path: Path) -> None:
    store.study(cell_in(tmp_path))
    store.cell(cell_in(tmp_path))
    store.study(cell_in(tmp_path, schedule="constant"), "not saturated")
    assert store.final == 1


def test_the_alias_stays_where_another_suite_has_shown_it(store: Store, tmp_path: Path) -> None:
    store.study(cell_in(tmp_path))
    store.cell(cell_in(tmp_path))
    [version] = store.tracker.registry.versions("m")
    store.tracker.registry.set_tags(version, {"saturated/other/b": "yes", "saturated/other/another": "yes"})
    store.cell(cell_in(tmp_path, limit=3))
    assert store.final == 1
    store.tracker.registry.set_tags(store.tracker.registry.find("m", 1), {"saturated/other/b": "no"})
    store.study(cell_in(tmp_path), "not saturated")
    assert store.final is None


def test_runs_of_an_earlier_ttt_cover_nothing_and_are_not_covered(store: Store, tmp_path: Path) -> None:
    asked = cell_in(tmp_path)
    study = store.tracker.read_run(store.study(asked))
    store.cell(asked)
    [cell] = store.tracker.runs("s/b", "cell")
    assert covers(study, cell)
    for name in ("ttt.recipe", "ttt.bench_digest", "ttt.task_data_digest"):
        without = store.tracker.read_run(cell.info.run_id)
        assert without is not None
        del without.data.tags[name]
        assert not covers(study, without)
        assert not covers(without, without)
