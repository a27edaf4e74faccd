"""The jobs of a multirun and the signals that reach them: real processes, stopped and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def begin(folder: Path, seeds: str, *argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.cli.slow", "-m", "bench=gsm8k", f"seed={seeds}", *argv]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, f"tracking.root={folder}", f"output={folder}/out.json"],
        stdout=pipe, stderr=pipe, text=True, cwd=folder, env=env, start_new_session=True,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a multirun works; what it leaves running is ended."""
    yield tmp_path
    for process in processes(tmp_path):
        if is_alive(process):
            os.kill(process, signal.SIGKILL)


def processes(folder: Path) -> set[int]:
    """Those that have worked on a job."""
    return {int(file.read_text() or 0) for file in folder.glob("began-*")} - {0}


def is_alive(process: int) -> bool:
    """Whether it runs; one that has ended and that nobody asked about yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def records(folder: Path) -> list[dict[str, object]]:
    files = sorted((folder / "hydra").glob("*/*.record.json"))
    return [json.loads(file.read_text()) for file in files]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("launcher", [[], JOBLIB], ids=["basic", "joblib"])
def test_a_stopped_multirun_stops_its_jobs_which_keep_what_they_have(
    launcher: list[str], number: int, code: int, folder: Path
) -> None:
    n_side_by_side = 2 if launcher else 1
    multirun = begin(folder, "1,2,3,4", *launcher)
    wait_for(lambda: len(processes(folder)) == n_side_by_side and len([*folder.glob("began-*")]) == n_side_by_side)
    multirun.send_signal(number)
    _, said = multirun.communicate(timeout=60)
    assert multirun.returncode == code, said
    assert said.count("stopped; the same command goes on with what is left") == 1
    assert "Traceback" not in said
    assert len([*folder.glob("kept-*")]) == n_side_by_side, "each job that had begun was given the time"
    assert len([*folder.glob("began-*")]) == n_side_by_side, "and none began after it"
    assert [record["error"] for record in records(folder)] == [
        *["stopped from outside"] * n_side_by_side,
        *["did not begin"] * (4 - n_side_by_side),
    ]
    wait_for(lambda: not any(map(is_alive, processes(folder))))


def test_a_second_signal_does_not_interrupt_a_job_that_is_stopping(folder: Path) -> None:
    """A scheduler signals every process; from the command, which is one of them, each job gets the signal again."""
    multirun = begin(folder, "1,2", *JOBLIB)
    wait_for(lambda: len(processes(folder)) == 2)
    for process in processes(folder):
        os.kill(process, signal.SIGTERM)
    wait_for(lambda: len([*folder.glob("stopping-*")]) == 2)
    multirun.send_signal(signal.SIGTERM)
    _, said = multirun.communicate(timeout=60)
    assert multirun.returncode == 143, said
    assert len([*folder.glob("kept-*")]) == 2
    assert [record["error"] for record in records(folder)] == ["stopped from outside"] * 2


def test_a_job_does_what_was_asked_whatever_has_become_of_the_files(folder: Path) -> None:
    file = folder / "my" / "model" / "m.yaml"
    facts = {"name": "m", "family": "f", "hub": "a/b", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(facts))
    one_worker = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.pre_dispatch=1"]
    multirun = begin(folder, "1,0", *one_worker, "--config-dir", "my", "model=m")
    wait_for(lambda: processes(folder))
    file.write_text(json.dumps({**facts, "n_params": 2}))
    os.kill(processes(folder).pop(), signal.SIGTERM)
    shown, said = multirun.communicate(timeout=60)
    assert shown == "[0]\n", said
    assert [result["n_params"] for result in json.loads((folder / "out.json").read_text())] == [1]


def test_workers_end_when_the_command_is_killed(folder: Path) -> None:
    multirun = begin(folder, "0,1", *JOBLIB)
    wait_for(lambda: len(processes(folder)) == 2)
    multirun.kill()
    multirun.communicate(timeout=60)
    wait_for(lambda: not any(map(is_alive, processes(folder))))
    assert (folder / "kept-1").exists(), "the one at work was given the time; the other was idle"


def test_a_killed_job_is_reported_and_the_results_of_others_stay(folder: Path) -> None:
    multirun = begin(folder, "0,1", *JOBLIB)
    wait_for(lambda: len(records(folder)) == 2 and records(folder)[0]["code"] == 0 and (folder / "began-1").exists())
    wait_for(lambda: (folder / "began-1").read_text())
    os.kill(int((folder / "began-1").read_text()), signal.SIGKILL)
    shown, said = multirun.communicate(timeout=60)
    assert multirun.returncode == 1, said
    assert "1 of 2 jobs failed" in said
    assert "seed=1" in said
    assert "did not finish" in said
    assert "Traceback" not in said
    assert shown == "[0]\n"
    assert [result["seed"] for result in json.loads((folder / "out.json").read_text())] == [0]


def test_one_job_that_is_stopped_stops_no_other(folder: Path) -> None:
    multirun = begin(folder, "1,0", *JOBLIB)
    wait_for(lambda: (folder / "began-1").exists() and (folder / "began-1").read_text())
    os.kill(int((folder / "began-1").read_text()), signal.SIGTERM)
    shown, said = multirun.communicate(timeout=60)
    assert (multirun.returncode, shown) == (1, "[0]\n"), said
    assert "seed=1" in said
    assert "stopped from outside" in said
    assert (folder / "kept-1").exists()
