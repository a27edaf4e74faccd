"""Commands that are killed, and what they leave behind: for the tests of crash safety and the scripts of kills."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ttt.spec import Tracking
from ttt.tracking import Tracker

TIMED = ("seconds", "per_second", "minutes")
"""Parts of names of what differs between two runs that did the same."""

AT_POINT = """
import os, runpy, sys
target, n, sys.argv = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
place, name = target.split(":")
import importlib
owner = importlib.import_module(place)
*path, name = name.split(".")
for part in path:
    owner = getattr(owner, part)
real, calls = getattr(owner, name), []
def dying(*args, **kwargs):
    calls.append(1)
    if len(calls) == n:
        os.kill(os.getpid(), 9)
    return real(*args, **kwargs)
setattr(owner, name, dying)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


def call(module: str, arguments: list[str], die_at: tuple[str, int] | None = None) -> int:
    """Run a command to its end; with `die_at` (`module:function`, n) it is killed as it makes the n-th such call."""
    start = (
        [sys.executable, "-c", AT_POINT, die_at[0], str(die_at[1]), module]
        if die_at
        else [sys.executable, "-m", module]
    )
    done = subprocess.run([*start, *arguments], env=environment(), capture_output=True, text=True, timeout=240)
    if done.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(f"{module} {arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.returncode


def call_for(module: str, arguments: list[str], seconds: float, number: int = signal.SIGKILL) -> int:
    """Run a command and send it the signal after so many seconds; its exit code, 0 if it ended before."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        return process.wait(120)


def left(root: Path, *experiments: str) -> dict[str, Any]:
    """All that must not depend on kills: runs with their scores, curves and items, and the registered versions."""
    tracker = Tracker(Tracking(root=str(root)))
    runs: dict[str, Any] = {}
    numbers = {number: name for name in experiments if (number := tracker.experiment_id(name))}
    for run in tracker.client.search_runs(list(numbers)):
        # The scores of a version are with the run that registered it first, whichever of the benches' that is.
        left_out = (*TIMED, "score/default/")
        metrics = {k: v for k, v in run.data.metrics.items() if not any(part in k for part in left_out)}
        histories = {
            name: [(point.step, point.value) for point in tracker.client.get_metric_history(run.info.run_id, name)]
            for name in ("train/loss", "adjusted/score", "validation/score")
            if name in metrics
        }
        items = {}
        for side in ("base", "adjusted", "validation"):
            file = tracker.artifact(run.info.run_id, f"items/{side}.parquet")
            if file:
                items[side] = hashlib.sha256(file.read_bytes()).hexdigest()
        tags = run.data.tags
        name = f"{numbers[run.info.experiment_id]}: {tags['ttt.kind']} {run.info.run_name} {tags.get('ttt.key')}"
        assert name not in runs, f"two runs of {name}"
        runs[name] = (run.info.status, metrics, histories, items, run.data.tags.get("ttt.saturated"))
    versions: dict[str, Any] = {}  # by their weights: of two that are made at once either may be the first
    for model in tracker.registry.models():
        for version in tracker.registry.versions(model):
            tags = {k: v for k, v in version.tags.items() if not (k.startswith("cell/") or k == "ttt.files")}
            assert f"{model} {tags['ttt.digest']}" not in versions, f"two versions of the same weights of {model}"
            versions[f"{model} {tags['ttt.digest']}"] = tags
        versions[model] = sorted(alias for version in tracker.registry.versions(model) for alias in version.aliases)
    folders = [entry.name for key in tracker.root.joinpath("cells").iterdir() for entry in key.iterdir()]
    waste = [name for name in folders if name in ("weights", "weights.part", "checkpoints", "answers", "adjusted.json")]
    return {"runs": runs, "versions": versions, "waste": waste}


def seconds_of(module: str, arguments: list[str]) -> float:
    start = time.monotonic()
    assert call(module, arguments) == 0
    return time.monotonic() - start
