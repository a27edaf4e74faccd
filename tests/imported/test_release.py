"""The paper's release as it is published: every file of its layout is used, or named with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.imported.release import STEPS, TASKS, made, results, write_release
from tests.ingested import cell, ingest, write
from ttt.catalogue.definitions import Definitions
from ttt.cli.search_path import CONF
from ttt.imported.cells import cells_of
from ttt.imported.folder import by_fit, files_of
from ttt.imported.omissions import Omissions
from ttt.imported.pattern import Pattern
from ttt.imported.reading import read_folder
from ttt.spec import SpecError


def bench_of(task: str) -> str:
    return task.removeprefix("leaderboard_")


def test_the_whole_release_goes_in(tmp_path: Path) -> None:
    names = write_release(tmp_path / "release", ["pythia-1b"], ["pythia-1b"])
    report, tracker = ingest(tmp_path / "release")
    assert report["pattern"] == "published"
    assert report["skipped"] == {
        "no meaning": {"experiments/zero3_config/zero3.json": "its path fits no rule of the pattern 'published'"}
    }
    assert (report["n_files"], report["n_files_used"]) == (len(names) + 1, len(names))
    assert report["n_new"] == 2 * len(TASKS) + 3 * len(STEPS)
    for task in TASKS:
        run = cell(tracker, bench_of(task), "pythia-1b full s0")
        assert (run.data.metrics["base/score"], run.data.metrics["adjusted/score"]) == (0.3, 0.5), task
        assert run.data.tags.get("ttt.ingested_entries") == (task if task in OTHER_ENTRIES else None)
    for bench, steps in (("mmlu", [640, 1920, 256_000, 299_526]), ("arc_challenge_mc", [299_526])):
        run = cell(tracker, bench, "pythia-1b full s0")
        history = tracker.client.get_metric_history(run.info.run_id, "adjusted/score")
        assert sorted(point.step for point in history) == steps, "the task data are known by name, whatever the bench"
    assert set(report["notes"]) == {f"entries {entry} as the bench {bench_of(entry)}" for entry in OTHER_ENTRIES}


OTHER_ENTRIES = (
    *("mmlu_cloze", "minerva_math", "leaderboard_mmlu_pro_four"),
    *(f"leaderboard_{bench}" for bench in ("bbh_mmlu", "gpqa_mmlu", "musr_mmlu")),
)
"""Tasks of which the files call the scores otherwise than the bench its tasks."""


def read(folder: Path) -> tuple[list[Any], Omissions]:
    """The cells of a folder, without a store, by the pattern that fits best."""
    definitions, omissions = Definitions([CONF]), Omissions()
    names, _ = files_of(folder)
    patterns = by_fit(
        folder, names, [definitions.read("ingest", name, Pattern) for name in definitions.names("ingest")]
    )
    readings = read_folder(folder, names, patterns, definitions, omissions, lambda i, n: None)
    return list(cells_of(readings, "theirs", omissions)), omissions


def test_every_irregular_file_is_named_with_its_reason(tmp_path: Path) -> None:
    mmlu, gsm8k = results("mmlu", 0.4), results("gsm8k", 0.4)
    ungrouped = {name: value for name, value in mmlu.items() if name != "group_subtasks"}
    old = {"results": {"hellaswag": {"acc": 0.4, "acc_stderr": 0.01}}}
    faults: dict[str, tuple[str, dict[str, Any] | str, str]] = {
        "e3/mmluaux/gpt-neo-2.7b-mmlu.json": ("model without facts", mmlu, "no model/gpt-neo-2.7b.yaml"),
        "e3/mmluaux/pythia-1b-gsm8k.json": ("other task data", gsm8k, "'mmluaux', and the bench 'gsm8k'"),
        "intermediate/gsm8kaux/evals/pythia-1b/step_10/mmlu.json": ("other task data", mmlu, "on 'mmluaux'"),
        "new_evals/base/pythia-1b-leaderboard_ifeval.json": ("unknown task", gsm8k, "there is no bench/ifeval.yaml"),
        "base/pythia-12b-mmlu.json": ("broken", '{"results": {"mmlu": {"acc,no', "not JSON"),
        "base/pythia-12b-mmlu_cloze.json": ("unknown task", mmlu, "has no entry 'mmlu_cloze'"),
        "base/pythia-12b-hellaswag.json": ("other lm-eval", old, "(acc, acc_stderr) name no filter"),
        "base/pythia-2.8b-mmlu.json": ("other lm-eval", ungrouped, "whether 'mmlu_anatomy' is a part of 'mmlu'"),
        "e4/mmluaux/pythia-1b-mmlu.json": ("no meaning", mmlu, "fits no rule of the pattern 'published'"),
    }
    for name, content in made(["pythia-1b"], []):
        write(tmp_path / "evaluations" / name, content)
    n_cells, omissions = len(read(tmp_path)[0]), read(tmp_path)[1]
    assert omissions.skipped == {}
    for name, (_, content, _) in faults.items():
        write(tmp_path / "evaluations" / name, content)
    cells, omissions = read(tmp_path)
    assert len(cells) == n_cells
    for name, (reason, _, why) in faults.items():
        assert why in omissions.skipped[reason].pop(f"evaluations/{name}"), name
    assert not any(omissions.skipped.values())


def test_a_file_that_holds_more_than_its_path_says(tmp_path: Path) -> None:
    both = results("mmlu", 0.4)
    for key, value in results("gsm8k", 0.2).items():
        both[key] = {**value, **both[key]}
    write(tmp_path / "base" / "pythia-1b-mmlu.json", both)
    (measured,), omissions = read(tmp_path)
    assert measured.base.side["score"] == 0.4
    assert list(omissions.skipped["another task"]) == ["base/pythia-1b-mmlu.json [gsm8k]"]


TWICE = {
    "dates": ({"date": 2e9}, {"date": 1e9}, 0, "later, by the dates that both state"),
    "no dates": ({}, {}, 1, "by which it counts: no date tells them apart"),
    "one date": ({"date": 2e9}, {}, 1, "by which it counts: no date tells them apart"),
}


@pytest.mark.parametrize("dated", TWICE)
def test_of_two_files_of_one_cell_the_newest_counts(dated: str, tmp_path: Path) -> None:
    *changes, newest, why = TWICE[dated]
    names = ["a/evaluations/base/pythia-1b-gsm8k.json", "b/evaluations/base/pythia-1b-gsm8k.json"]
    for name, change, score in zip(names, changes, (0.1, 0.2), strict=True):
        write(tmp_path / name, results("gsm8k", score) | change)
    (measured,), omissions = read(tmp_path)
    assert measured.base.side["score"] == (0.1, 0.2)[newest]
    ((older, told),) = omissions.skipped["replaced"].items()
    assert older == names[1 - newest]
    assert why in told
    write(tmp_path / names[0], results("gsm8k", 0.1))
    write(tmp_path / names[1], results("gsm8k", 0.1))
    assert "holds the same to the letter" in str(read(tmp_path)[1].skipped["replaced"])


def test_a_file_that_fits_another_pattern_is_named_with_it(tmp_path: Path) -> None:
    for name, content in made(["pythia-1b"], []):
        write(tmp_path / "evaluations" / name, content)
    write(tmp_path / "mine" / "pythia-1b" / "results_2026.json", results("gsm8k", 0.4))
    _, omissions = read(tmp_path)
    assert omissions.skipped == {
        "no meaning": {
            "mine/pythia-1b/results_2026.json": "its path fits no rule of the pattern 'published', but one of "
            "'harness': ingest it by pattern=harness"
        }
    }


def test_one_file_before_and_after_is_noted(tmp_path: Path) -> None:
    for name in ("base/pythia-1b-gsm8k.json", "e3/gsm8kaux/pythia-1b-gsm8k.json"):
        write(tmp_path / name, results("gsm8k", 0.4))
    cells, omissions = read(tmp_path)
    assert len(cells) == 2
    (about,) = omissions.notes
    assert "the base model's to the letter" in about
    write(tmp_path / name, results("gsm8k", 0.5))
    assert read(tmp_path)[1].notes == {}


@pytest.mark.parametrize("part", ["notebooks/evaluations/e1", "notebooks/evaluations/new_evals"])
def test_for_a_part_of_a_layout_the_folder_is_named_that_it_is_read_from(part: str, tmp_path: Path) -> None:
    names = write_release(tmp_path / "release", ["pythia-1b"], ["pythia-1b"])
    inside = [name for name in names if name.startswith(f"{part}/")]
    with pytest.raises(SpecError) as refused:
        ingest(tmp_path / "release" / part)
    assert f"from path={tmp_path / 'release' / part}".rpartition("/")[0] in str(refused.value)
    assert f"{len(inside)} of them fit 'published'" in str(refused.value)


def test_a_failed_ingest_says_the_commonest_reason_first(tmp_path: Path) -> None:
    write(tmp_path / "base" / "a-mmlu.json", results("mmlu", 0.4))
    for model in ("pythia-1b", "pythia-410m", "pythia-70m"):
        write(tmp_path / "base" / f"{model}-dance.json", results("mmlu", 0.4))
    with pytest.raises(SpecError) as refused:
        ingest(tmp_path)
    _, first, second = str(refused.value).splitlines()
    assert first.startswith("3 left out, unknown task, such as base/pythia-1b-dance.json: there is no bench/dance.yaml")
    assert second.startswith("1 left out, model without facts, such as base/a-mmlu.json: there is no model/a.yaml")
