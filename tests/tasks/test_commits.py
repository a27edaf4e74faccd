"""Data of the hub are part of a cell's key by their commit: a change upstream makes a new cell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sums
from tests.hub import publish, standing_in
from ttt.cell.key import bench_digest, task_data_digest
from ttt.files.hub_commits import cached_commit
from ttt.files.rows import DataFiles
from ttt.spec import Bench, SpecError, TaskDataset
from ttt.tasks.commits import commits_of_tasks
from ttt.tasks.hub_loading import check_commit

TASK = {
    **{"task": "quiz", "dataset_path": "org/quiz", "test_split": "test", "output_type": "multiple_choice"},
    **{"doc_to_text": "{{question}}", "doc_to_choice": "{{choices}}", "doc_to_target": "answer"},
}
FIELDS = {"name": "quiz", "version": 1, "format": "cloze", "chance": 0.25, "metric": "acc,none"}


@pytest.fixture
def bench_file(conf: Path) -> Path:
    """A bench over a data set of the hub, and task data over another."""
    source = {"name": "drill", "hub": "org/drill", "prompt": "{{question}}", "answer": " {{choices[answer]}}"}
    file = conf / "bench" / "quiz_on_hub.yaml"
    file.write_text(json.dumps({**FIELDS, "name": "quiz_on_hub", "tasks": [TASK], "task_data": [source]}))
    return file


def cell(conf: Path, root: Path, endpoint: str, *overrides: str, offline: bool = False) -> tuple[dict[str, Any], str]:
    """The result of a command, and what it said."""
    out = root / "out.json"
    environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(root / "hf"), "HF_HUB_OFFLINE": str(int(offline))}
    command = [sys.executable, "-m", "ttt.run", f"hydra.searchpath=[file://{conf}]", "model=tiny", "bench=quiz_on_hub"]
    options = [f"tracking.root={root / 'mlruns'}", f"output={out}", "trainer.threads=1", *overrides]
    done = subprocess.run(
        [*command, *options], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stderr


def test_a_change_upstream_makes_a_new_cell(conf: Path, bench_file: Path, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    rows = sums(40, seed=3)
    first = publish(hub, "org/quiz", {"default": {"test": rows[:10]}})
    drill = publish(hub, "org/drill", {"default": {"train": rows[20:]}})
    with standing_in(hub) as endpoint:
        before, said = cell(conf, tmp_path, endpoint, "adjustment=smoke")
        assert "done before" not in said
        card = next((tmp_path / "mlruns" / "artifacts").rglob(f"{before['run_id']}/artifacts/card.md")).read_text()
        assert f"`org/quiz` at commit `{first}`; task data `org/drill` at commit `{drill}`" in card
        again, said = cell(conf, tmp_path, endpoint, "adjustment=smoke", offline=True)
        assert f"done before, run {before['run_id']}" in said
        assert again == before

        second = publish(hub, "org/quiz", {"default": {"test": rows[:15]}})
        after, said = cell(conf, tmp_path, endpoint, "adjustment=none")
        assert "done before" not in said
        assert (before["n_items"], after["n_items"]) == (10, 15)
        pinned, said = cell(conf, tmp_path, endpoint, "adjustment=smoke", f"bench.revisions=[org/quiz@{first}]")
        assert pinned == before, "a commit means what the branch meant when it was there"

        forced, _ = cell(
            conf, tmp_path, endpoint, "adjustment=none", f"bench.revisions=[org/quiz@{first}]", "force=true"
        )
        assert forced["n_items"] == 10, "what is loaded is what the key says"
        assert forced["base"] == before["base"]
        assert second != first


def script(endpoint: str, home: Path, code: str, offline: bool = False) -> list[Any]:
    """What a process prints that asks the hub; this one was told at its start that there is none."""
    head = "from tests.tasks.test_commits import *\n"
    environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": str(int(offline))}
    done = subprocess.run(
        [sys.executable, "-c", head + code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def say(content: Any) -> None:
    print(json.dumps(content))


def asked(call: Any) -> None:
    """Print what a call returns, or the message with which it refuses."""
    try:
        say(call())
    except SpecError as error:
        say(str(error))


def quiz(**fields: Any) -> Bench:
    return Bench(**{**FIELDS, "tasks": [TASK], **fields})  # type: ignore[arg-type]


def test_revisions_are_looked_up_and_refused_by_name(tmp_path: Path) -> None:
    hub, home = tmp_path / "hub", tmp_path / "hf"
    tagged = publish(hub, "org/quiz", {"default": {"test": sums(3, seed=1)}}, tag="v1")
    latest = publish(hub, "org/quiz", {"default": {"test": sums(4, seed=2)}})
    assert tagged != latest
    code = """
for revisions in ([], ["org/quiz@v1"], ["org/quiz@TAGGED"], ["org/other@v1"]):
    asked(lambda: commits_of_tasks(quiz(revisions=revisions), DataFiles()))
for path in ("org/none", "quiz"):
    asked(lambda: commits_of_tasks(quiz(tasks=[{**TASK, "dataset_path": path}]), DataFiles()))
pinned = ([], ["org/quiz@v1"], ["org/quiz@TAGGED"])
say([bench_digest(quiz(revisions=revisions), DataFiles()) for revisions in pinned])
""".replace("TAGGED", tagged)
    with standing_in(hub) as endpoint:
        main, by_tag, by_commit, other, none, _, digests = script(endpoint, home, code)
        assert main == {"quiz": ["org/quiz", latest]}
        assert by_tag == by_commit == {"quiz": ["org/quiz", tagged]}
        assert other == "bench.revisions: no task of 'quiz' reads the hub's data set 'org/other'; they read: org/quiz"
        assert none == "bench 'quiz', task 'quiz': the hub has no data set 'org/none' that you may read"
        assert digests[0] != digests[1] == digests[2]
    offline = script("http://127.0.0.1:9", home, code, offline=True)
    assert offline[:2] == [main, by_tag]
    assert offline[-1] == digests
    assert "does not answer, and the local cache has nothing of its data set 'org/none' (revision 'main')" in offline[4]


def test_task_data_count_by_their_commit(tmp_path: Path) -> None:
    hub, home = tmp_path / "hub", tmp_path / "hf"
    source = {"name": "drill", "hub": "org/drill", "prompt": "{{question}}", "answer": " {{choices[answer]}}"}
    first = publish(hub, "org/drill", {"default": {"train": sums(3, seed=1)}})
    code = f"""
from ttt.tasks.task_data import load_task_data
def bench(revision):
    return quiz(task_data=[dict({source!r}, revision=revision)])
for revision in ("main", {first!r}):
    say(task_data_digest(bench(revision), DataFiles()))
    say(len(load_task_data(bench(revision)).examples))
"""
    with standing_in(hub) as endpoint:
        main, n_rows, pinned, _ = script(endpoint, home, code)
        assert (main, n_rows) == (pinned, 3)
        publish(hub, "org/drill", {"default": {"train": sums(5, seed=1)}})
        assert script(endpoint, home, code)[1:] == [5, pinned, 3]


def test_local_files_are_asked_of_no_hub(tmp_path: Path, data: Path) -> None:
    local = quiz(
        files={"test": str(data / "sums_test.jsonl")},
        task_data=[TaskDataset(name="drill", hub="org/drill", files=str(data / "sums_train.jsonl"))],
    )
    assert commits_of_tasks(local, DataFiles()) == {}
    other = local.model_copy(update={"revisions": ("org/quiz@v2",)})
    assert bench_digest(local, DataFiles()) == bench_digest(other, DataFiles())
    assert task_data_digest(local, DataFiles())


def test_groups_and_tags_lead_to_the_data_of_their_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: dict[tuple[str, str], str] = {}

    def commit(hub: str, revision: str, field: str) -> str:
        return looked_up.setdefault((hub, revision), f"{len(looked_up):040d}")

    monkeypatch.setattr("ttt.files.rows.dataset_commit", commit)
    of_mmlu = commits_of_tasks(quiz(tasks=["mmlu"]), DataFiles())
    assert len(of_mmlu) == 57
    assert set(of_mmlu.values()) == {("cais/mmlu", f"{0:040d}")}
    assert commits_of_tasks(quiz(tasks=["ai2_arc"]), DataFiles()).keys() == {"arc_easy", "arc_challenge"}
    commits_of_tasks(quiz(tasks=["indicxnli_gu"]), DataFiles())
    assert ("Divyanshu/indicxnli", "refs/convert/parquet") in looked_up, "lm-eval's own revision"


def test_what_the_cache_has_of_another_commit_is_refused(tmp_path: Path) -> None:
    """`datasets` loads, off line, what it cached last, and says so in a log that nobody sees."""
    asked_for, cached = "a" * 40, "b" * 40

    class Split:
        cache_files = ({"filename": str(tmp_path / cached / "quiz-test.arrow")},)

    check_commit({"test": Split()}, cached, "quiz")
    with pytest.raises(SpecError, match=f"quiz: commit {asked_for} is asked for, but .* gives commit {cached}"):
        check_commit({"test": Split()}, asked_for, "quiz")


def test_the_cache_is_read_by_its_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository, commit = tmp_path / "datasets--org--quiz", "c" * 40
    assert cached_commit("dataset", "org/quiz", "main") is None
    (repository / "refs" / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    assert cached_commit("dataset", "org/quiz", "main") == commit
    assert cached_commit("dataset", "org/quiz", commit) is None
    (repository / "snapshots" / commit).mkdir(parents=True)
    assert cached_commit("dataset", "org/quiz", commit) == commit
