"""Studies of budgets: the ladder and its rates, the verdict on planted curves, resuming, sharing, tags."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from optuna.trial import TrialState

from tests.cells import request
from tests.conftest import sums, write_jsonl
from tests.killing import environment
from tests.studies import arguments
from ttt.cell.run import run_cell
from ttt.cell.saturation import plateau_of, verdict_at
from ttt.cell.workbench import Workbench
from ttt.cli.command import CONF
from ttt.engine.load import load
from ttt.engine.scoring.answers import KeepingBackend
from ttt.saturate import Request, parse
from ttt.spec import Adjustment, SpecError
from ttt.study.run import saturate
from ttt.study.search import Study
from ttt.study.space import Plan, ladder
from ttt.study.trial import Climber
from ttt.study.validation import Validation, make_validation
from ttt.study.verdict import best_curve, judge
from ttt.tasks.bench import load_tasks
from ttt.tasks.task_data import Example, load_task_data
from ttt.tracking import Tracker

RECIPE = Adjustment(name="a", method="full", examples=640, batch_size=8, warmup=0.1, final_rate=0.1)


def asked(conf: Path, root: Path, *more: str) -> Request:
    config_dir, *overrides = arguments(conf, root, *more)
    overrides.append(f"hydra.searchpath=[file://{config_dir.removeprefix('--config-dir=')}]")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return parse(OmegaConf.to_container(compose("saturate", overrides=overrides), resolve=True))  # type: ignore[arg-type]


def do(request: Request) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    return saturate(request.cell, request.plan, request.trainer, Tracker(request.tracking), said.append), said


@pytest.fixture(scope="module")
def done(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Request]:
    made = asked(conf, tmp_path_factory.mktemp("study"), "study.price_per_hour=2.5")
    cell = request(
        conf, Path(made.tracking.root), "adjustment.examples=64", "adjustment.learning_rate=1e-3", "trainer=lab"
    ).cell
    run_cell(cell, made.trainer, Tracker(made.tracking))
    return do(made)[0], made


def test_budgets_double_up_to_twice_the_adjustments_own() -> None:
    rungs = ladder(Plan(n_rungs=4), RECIPE, 640)
    assert rungs.budgets == (160, 320, 640, 1280)
    assert [rungs.leaves_at(k) for k in range(4)] == [16, 32, 64, 128]
    with pytest.raises(SpecError, match="at least 4 are needed"):
        ladder(Plan(n_rungs=9), RECIPE, 640)


def test_the_rate_rises_stays_and_falls() -> None:
    rungs = ladder(Plan(n_rungs=3), RECIPE, 320)
    rate = rungs.falling(2)
    rates = [rate(step) for step in range(rungs.steps[2])]
    assert rates[0] == pytest.approx(1 / rungs.n_warmup)
    first = rungs.leaves_at(2)
    assert set(rates[rungs.n_warmup : first + 1]) == {1.0}
    assert np.all(np.diff(rates[first:]) < 0)
    assert rates[-1] == pytest.approx(0.1, abs=0.06)
    assert rates[-1] > 0.1


def test_a_warm_rung_is_the_budget_trained_anew(conf: Path, tmp_path: Path) -> None:
    """The second rung, reached by way of the first, has to the last bit the scores and tokens of one straight run."""
    made = asked(conf, tmp_path, "study.cooldown=0.25")
    cell, work = made.cell, Workbench(made.cell.model, made.cell, made.trainer, Tracker(made.tracking))
    validation = make_validation(cell.bench, work.tasks, work.task_data, made.plan)
    recipe = made.plan.recipe(cell.adjustment, cell.model, {"learning_rate": 1.0})
    rungs = ladder(made.plan, cell.adjustment, 64)

    def climber(name: str) -> Climber:
        assert isinstance(work.backend, KeepingBackend)
        return Climber(work.backend, lambda: load(cell.model)[0], cell, recipe, rungs, validation, made.trainer,
                       tmp_path / name, lambda step: None, lambda: None)  # fmt: skip

    warm = climber("warm")
    warm.rung(0)
    first, scores = warm.rung(1)
    weights = {name: value.clone() for name, value in work.backend.model.state_dict().items()}
    straight = climber("straight")
    straight._begin()
    took = straight._fit(rungs.steps[1], tmp_path / "by itself", rungs.falling(1), lambda step: None)
    assert all(bool((weights[name] == value).all()) for name, value in work.backend.model.state_dict().items())
    assert took.n_tokens == first.n_tokens
    assert first.n_tokens_taken < first.n_tokens
    assert len(scores) == len(validation.held_out)


def test_a_study_refuses_and_counts_what_a_cell_does(conf: Path, tmp_path: Path) -> None:
    made = asked(conf, tmp_path)
    work = Workbench(made.cell.model, made.cell, made.trainer, Tracker(made.tracking))
    validation = make_validation(made.cell.bench, work.tasks, work.task_data, made.plan)
    rungs = ladder(made.plan, made.cell.adjustment, 64)

    def climb(examples: list[Example], name: str, max_tokens: int) -> tuple[Climber, list[str]]:
        said: list[str] = []
        cell = made.cell.model_copy(
            update={"adjustment": made.cell.adjustment.model_copy(update={"max_tokens": max_tokens})}
        )
        recipe = made.plan.recipe(cell.adjustment, cell.model, {"learning_rate": 1.0})
        studied = replace(validation, training=replace(validation.training, examples=examples))
        climber = Climber(work.backend, lambda: load(cell.model)[0], cell, recipe, rungs, studied, made.trainer,
                          tmp_path / name, lambda step: None, lambda: None, said.append)  # fmt: skip
        climber.rung(0)
        return climber, said

    longest = 100
    used = rungs.steps[0] * made.cell.adjustment.batch_size
    short = Example("Two?", " B")
    climber, said = climb([*[short] * (used - 1), replace(short, prompt="x" * longest)], "cut", longest)
    assert climber.n_cut == 1
    assert len(said) == 1
    assert f"1 of {used} examples are longer than {longest} tokens (adjustment.max_tokens, " in said[0]
    with pytest.raises(SpecError, match=r"the answers of \d+ examples add no token .* begin answers with a blank"):
        climb([replace(short, answer="")] * used, "empty", longest)


def test_validation_items_are_not_trained_on(conf: Path, tmp_path: Path) -> None:
    made = asked(conf, tmp_path)
    work = Workbench(made.cell.model, made.cell, made.trainer, Tracker(made.tracking))
    validation = make_validation(made.cell.bench, work.tasks, work.task_data, made.plan)
    assert validation.source == "task_data"
    held_out = {example.prompt for example in validation.held_out}
    assert held_out
    assert not held_out & {example.prompt for example in validation.training.examples}
    assert len(validation.training.examples) + len(held_out) == len(work.task_data.examples)
    with pytest.raises(SpecError, match="has no validation split beside its test split"):
        make_validation(made.cell.bench, work.tasks, work.task_data, Plan(validation="split"))


def test_a_validation_split_is_looked_at_as_a_test_is(conf: Path, tmp_path: Path) -> None:
    """Its documents are their own few-shot split here, and lm-eval would draw them into their own prompts."""
    made = asked(conf, tmp_path)
    bench, rows = made.cell.bench, sums(6, seed=9)
    task = {**bench.tasks[0], "validation_split": "validation", "fewshot_split": "validation"}  # type: ignore[dict-item]

    def validation_of(rows: list[dict[str, Any]], n_shots: int = 2) -> Validation:
        files = {**bench.files, "validation": str(write_jsonl(tmp_path / f"{len(rows)}.jsonl", rows))}
        changed = bench.model_copy(update={"tasks": (task,), "files": files, "num_fewshot": n_shots})
        data = load_task_data(changed)
        return make_validation(changed, load_tasks(changed), data, Plan(validation="split"))

    validation = validation_of(rows)
    assert validation.tasks
    (loaded,) = validation.tasks["tasks"].values()
    for doc in loaded.eval_docs:
        assert loaded.fewshot_context(doc, 2).count(doc["question"]) == 1
    with pytest.raises(SpecError, match=r"document 6 .* of task 'sums' .*its label 4 is none of 0 to 3"):
        validation_of([*rows, {**rows[0], "question": "What is 50 plus 50?", "answer": 4}], n_shots=0)
    with pytest.raises(SpecError, match=r"but only 1 of its 2 few-shot documents ask something else than document 0"):
        validation_of(rows[:2])


def planted(curve: list[float], seed: int, n_items: int = 4000) -> list[dict[int, np.ndarray]]:
    """Two trials of items right or wrong, with the same items easy throughout."""
    rng = np.random.default_rng(seed)
    ease = rng.random(n_items)
    budgets = [100 * 2**k for k in range(len(curve))]
    flips = [rng.random(n_items) < 0.02 for _ in range(2)]
    return [
        {
            b: ((ease < p) ^ (flip & (rng.random(n_items) < 0.5))).astype(float)
            for b, p in zip(budgets, curve, strict=True)
        }
        for flip in flips
    ]


def test_planted_curves_are_judged_as_they_are() -> None:
    budgets = [100, 200, 400, 800]
    flat = judge(best_curve(budgets, planted([0.6, 0.6, 0.6, 0.6], 1)), 0.01)
    assert verdict_at(flat, 400)[0] == "yes"
    assert flat.smallest == 100
    rising = judge(best_curve(budgets, planted([0.4, 0.5, 0.6, 0.7], 2)), 0.01)
    assert verdict_at(rising, 400)[0] == "no"
    late = judge(best_curve(budgets, planted([0.5, 0.5, 0.5, 0.6], 3)), 0.01)
    assert verdict_at(late, 200)[0] == "no"
    assert late.smallest is None
    assert verdict_at(flat, 50)[0] == "undecided"


def test_choosing_the_best_of_many_does_not_flatter() -> None:
    """Twenty equal trials at the first budget and one at the second: the gain is nothing, and is seen as nothing."""
    gains = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        many = [{1: (rng.random(200) < 0.5).astype(float)} for _ in range(20)]
        one = [{2: (rng.random(200) < 0.5).astype(float)}]
        curve = best_curve([1, 2], [*many, *one])
        gains.append(curve.means[1] - curve.means[0])
    assert abs(np.mean(gains)) < 4 * np.std(gains) / np.sqrt(len(gains))
    assert np.std(gains) < 0.1


def test_the_result_and_what_is_tagged(done: tuple[dict[str, Any], Request]) -> None:
    result, made = done
    tracker = Tracker(made.tracking)
    run = tracker.client.get_run(result["run_id"])
    assert (run.info.status, run.data.tags["ttt.kind"]) == ("FINISHED", "saturation")
    assert [rung["budget"] for rung in result["rungs"]] == [0, 32, 64, 128]
    assert result["n_trials"] == len(result["trials"]) == 3
    children = tracker.client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}' and tags.`ttt.kind` = 'trial'"
    )
    assert {child.info.run_id for child in children} > {trial["run_id"] for trial in result["trials"]}
    assert {child.info.status for child in children} == {"FINISHED"}
    [tagged] = result["cells"].items()
    word = verdict_at(plateau_of(result), 64)[0]
    assert tagged[1] == word == tracker.client.get_run(tagged[0]).data.tags["ttt.saturated"]
    [version] = tracker.client.search_model_versions(f"name = 'tiny-sums' and run_id = '{tagged[0]}'")
    assert version.tags["ttt.saturated"] == word
    assert ("final" in tracker.client.get_registered_model("tiny-sums").aliases) == (word == "yes")
    study = result["cost_of_study"]
    assert study["n_tokens"] < study["n_tokens_anew"] <= study["n_tokens_full_grid"]
    assert study["money"] == pytest.approx(2.5 * study["seconds"] / 3600)
    assert study["flops"] == pytest.approx(40_000 * (6 * study["n_tokens"] + 2 * study["n_tokens_scored"]))
    for path in ("figures/budgets.png", "figures/optimization_history.png", "result.json"):
        assert tracker.artifact(result["run_id"], path), path


def test_a_later_cell_is_tagged_by_the_study_there_is(done: tuple[dict[str, Any], Request], conf: Path) -> None:
    result, made = done
    overrides = ("adjustment.examples=64", "adjustment.learning_rate=1e-3", "trainer=lab", "seed=1")
    cell = request(conf, Path(made.tracking.root), *overrides).cell
    tracker = Tracker(made.tracking)
    for kind in ("saturation", "cell"):  # somebody has removed all other tags of theirs
        stray = tracker.start(f"{cell.suite}/{cell.bench.name}", "stray", {"ttt.kind": kind})
        stray.metrics({"train/n_examples": 64})
        stray.finish()
    run = tracker.client.get_run(run_cell(cell, made.trainer, tracker).run_id)
    assert run.data.tags["ttt.saturated"] == verdict_at(plateau_of(result), 64)[0]
    assert run.data.tags["ttt.saturated_by"] == result["run_id"]


def test_a_study_goes_on_to_its_total(done: tuple[dict[str, Any], Request]) -> None:
    result, made = done
    again, said = do(made)
    assert again == result
    assert "judged before" in said[0]
    plan = made.plan.model_copy(update={"n_trials": 4})
    more, _ = do(Request(made.cell, plan, made.trainer, made.tracking, False, 0.7))
    assert more["n_trials"] == 4
    assert more["run_id"] == result["run_id"]
    assert [trial["run_id"] for trial in more["trials"]][:3] == [trial["run_id"] for trial in result["trials"]]


def test_a_trial_whose_worker_is_gone_is_put_back(tmp_path: Path) -> None:
    plan = Plan(n_trials=2, search={"learning_rate": {"low": 0.5, "high": 2.0, "relative": True}})  # type: ignore[dict-item]
    first = Study("s", plan, {"learning_rate": 1.0}, 0, tmp_path)
    left = next(first.trials())
    first.close()  # as the end of the process would
    second = Study("s", plan, {"learning_rate": 1.0}, 0, tmp_path)
    values = []
    for ask in second.trials():
        values.append(ask.values["learning_rate"])
        ask.trial.report(0.5, 0)
        second.study.tell(ask.trial, 0.5)
    assert values[0] == left.values["learning_rate"] == 1.0
    assert len(values) == 2
    states = [trial.state for trial in second.study.get_trials()]
    assert states.count(TrialState.FAIL) == 1
    assert states.count(TrialState.COMPLETE) == 2


def test_halving_lets_the_better_half_on(tmp_path: Path) -> None:
    plan = Plan(n_trials=4)
    study = Study("h", plan, {}, 0, tmp_path).study
    stopped = []
    for score in (0.5, 0.4, 0.6, 0.55):
        trial = study.ask()
        trial.report(score, 0)
        stopped.append(trial.should_prune())
        study.tell(trial, state=TrialState.PRUNED) if stopped[-1] else study.tell(trial, score)
    assert stopped == [False, True, False, False]
    assert isinstance(study, optuna.Study)


@pytest.mark.slow
def test_two_processes_share_a_study(conf: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ttt.saturate", *arguments(conf, tmp_path, "study.n_trials=4")]
    both = [subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=280)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    made = asked(conf, tmp_path, "study.n_trials=4")
    result, said = do(made)
    assert "judged before" in said[0]
    assert result["n_trials"] == 4


def test_wrong_requests_are_refused(conf: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'batch_size' is not searched over; the fields are"):
        asked(conf, tmp_path, "+study.search.batch_size={choices: [1, 2]}")
    with pytest.raises(SpecError, match="is not among those searched"):
        asked(conf, tmp_path, "study.search.learning_rate={low: 2.0, high: 4.0, relative: true}")
    made = asked(conf, tmp_path)
    with pytest.raises(SpecError, match="has no budget to judge"):
        saturate(made.cell.base(), made.plan, made.trainer, Tracker(made.tracking))
