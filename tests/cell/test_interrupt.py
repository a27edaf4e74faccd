"""Ctrl-C: exit code 130, one line on how to go on, and no run that seems to be at work still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.killing import environment
from ttt.spec import Tracking
from ttt.tracking import Tracker

JOBS = ["-m", "seed=1,2"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [[], JOBS, [*JOBS, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_ctrl_c(mode: list[str], conf: Path, tmp_path: Path) -> None:
    argv = ["--config-dir", str(conf), "model=tiny", "bench=sums", "adjustment=smoke", "adjustment.examples=80000"]
    quiet = ["trainer.progress=false", "trainer.threads=1", "trainer.precision=32", f"tracking.root={tmp_path}"]
    command = [sys.executable, "-m", "ttt.run", *argv, *quiet, *mode]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment())
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if "adjusting" in line:
            break
    os.kill(process.pid, signal.SIGINT)
    said += process.stdout.read()
    assert process.wait() == 130, said
    assert "stopped; the same command goes on with what is left" in said
    assert "Traceback" not in said
    tracker = Tracker(Tracking(root=str(tmp_path)))
    runs = tracker.client.search_runs([tracker.experiment("default/sums"), tracker.experiment("default/adjusting")])
    status = {run.info.run_name: run.info.status for run in runs}
    assert status.pop("tiny none s0") == "FINISHED"
    assert status.pop("multirun", "KILLED") == "KILLED"
    assert set(status.values()) == {"KILLED"}
