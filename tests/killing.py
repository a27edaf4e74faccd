"""Commands that are killed, and what they leave behind: for the tests of crash safety and the scripts of kills.

`python -m tests.killing MODULE:FUNCTION N COMMAND ...` is the command itself, killed as it makes the n-th such call.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import time
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ttt.spec import Tracking
from ttt.tracking import Tracker

TIMED = ("seconds", "per_second", "minutes")
"""Parts of names of what differs between two runs that did the same."""

IMPORTED = ["torch", "transformers", "pytorch_lightning", "mlflow", "ttt.cell.run", "ttt.study.run", "ttt.saturate"]
"""What commands import, which takes longer than what tests have them do."""


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


@cache
def _imported() -> ForkServerContext:
    """A process that has imported what commands do and done nothing, and of which each command is a fork."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    before = dict(os.environ)
    os.environ.update(environment())
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


def begin(module: str, arguments: list[str], output: Path, die_at: tuple[str, int] | None = None) -> BaseProcess:
    """A command in a process of its own, which writes what it says to `output`; nobody waits for it yet.

    With `die_at` (`module:function`, n) it is killed as it makes the n-th such call.
    """
    process = _imported().Process(target=_command, args=(module, arguments, output, die_at))
    process.start()
    return process


def _command(module: str, arguments: list[str], output: Path, die_at: tuple[str, int] | None) -> None:
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    if die_at:
        _die_at(*die_at)
    code: Any = 0
    try:
        _run([module, *arguments])
    except SystemExit as end:
        code = end.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)  # a fork would wait minutes for joblib's idle workers to end


def _run(argv: list[str]) -> None:
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


def _die_at(target: str, n: int) -> None:
    place, _, path = target.partition(":")
    owner: Any = importlib.import_module(place)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    real, calls = getattr(owner, name), itertools.count(1)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner, name, dying)


def call(module: str, arguments: list[str], die_at: tuple[str, int] | None = None) -> int:
    """Run a command to its end; its exit code, which is that of a killed one only where it was to die (`begin`)."""
    with tempfile.NamedTemporaryFile() as output:
        process = begin(module, arguments, Path(output.name), die_at)
        code = ended(process, 240)
        if code not in (0, -signal.SIGKILL if die_at else 0):
            raise AssertionError(f"{module} {arguments}: exit code {code}\n{Path(output.name).read_text()}")
        return code


def call_for(module: str, arguments: list[str], seconds: float, number: int = signal.SIGKILL) -> int:
    """Run a command and send it the signal after so many seconds; its exit code, 0 if it ended before."""
    process = begin(module, arguments, Path(os.devnull))
    process.join(seconds)
    if process.exitcode is None:
        assert process.pid
        os.kill(process.pid, number)
    return ended(process, 120)


def ended(process: BaseProcess, seconds: float) -> int:
    """The exit code of a command that ends within so many seconds; one that does not is killed."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    return process.exitcode


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


if __name__ == "__main__":
    _die_at(sys.argv[1], int(sys.argv[2]))
    _run(sys.argv[3:])
