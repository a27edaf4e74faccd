"""The jobs of a multirun: what each is to do, done in whatever process a launcher puts it, and the record it leaves.

The command that began them, which waits for the launcher, passes SIGTERM and Ctrl-C on to them.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

from ttt.cli.terminal import console, prepare
from ttt.files.whole import write_whole
from ttt.masking import given_uris, masked
from ttt.spec import SpecError
from ttt.stopping import SIGNALS, Stopped, stoppable

PATIENCE = 120.0
"""Seconds that a job has to write down what it has, before its process is ended."""
STOP_FILE = "stopped"
"""Once it is in the folder of the requests no job of them begins."""

_working = threading.Lock()
"""Locked by this process while it does a job."""


@dataclass(frozen=True)
class Job:
    """The task that Hydra launches: `config.job` is the number of the request in `folder`.

    Raises nothing but the wish to stop: a failing job must stop no other, whatever the launcher.
    """

    module: str
    """The command's module, which has it as `COMMAND`: workers import it anew."""
    folder: str
    command: int
    """The process of the command that began the multirun."""

    def __call__(self, config: DictConfig) -> None:
        prepare()
        folder, number = Path(self.folder), int(config.job)
        worker = os.getppid() == self.command
        if worker:
            end_without(self.command)
        with _working:
            try:
                with stoppable():
                    self._work(folder, number)
            except Stopped as stopped:
                _write_record(folder, number, code=int(stopped.code), error="stopped from outside")  # type: ignore[arg-type]
                if not worker:  # the command's own process, or that of a scheduler, which asks how it ended
                    raise

    def _work(self, folder: Path, number: int) -> None:
        # In this order: whoever makes the stop file sees which jobs have begun without seeing it.
        here = {"pid": os.getpid(), "host": socket.gethostname()}
        _write_record(folder, number, code=1, error="did not finish", **here)
        if (folder / STOP_FILE).exists():
            _write_record(folder, number, code=1, error="did not begin")
            return
        command = importlib.import_module(self.module).COMMAND
        outcome: dict[str, Any]
        try:
            values = _with(_request(folder, number)["values"], given_uris())
            outcome = {"code": 0, "result": command.work(command.parse(values))}
        except SpecError as error:
            outcome = {"code": 2, "error": masked(str(error))}
        except Exception as error:
            outcome = {"code": 1, "error": masked(f"{type(error).__name__}: {error}")}
        _write_record(folder, number, **outcome)


@contextmanager
def stopping_jobs(folder: Path) -> Iterator[None]:
    """Within the body SIGTERM and Ctrl-C stop the jobs first, in whatever process they are, and then raise Stopped.

    A launcher that saw the exception at once would kill its workers before they had written down what they have. Jobs
    on other machines are their scheduler's to stop.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with stoppable():
        stop = {number: signal.getsignal(number) for number in SIGNALS}
        taken = [number for number in SIGNALS if stop[number] != before[number]]
        stopping = threading.Event()

        def on_signal(number: int, frame: Any) -> None:
            if not stopping.is_set():
                stopping.set()
                _stop_jobs(folder)
            elif number != signal.SIGINT:  # whoever presses Ctrl-C again does not want to wait
                return
            stop[number](number, frame)  # type: ignore[operator, misc]

        for number in taken:
            signal.signal(number, on_signal)
        yield  # `stoppable` puts back what was there


def _stop_jobs(folder: Path) -> None:
    """Ask the jobs in other processes of this machine to stop, and wait for them for a while."""
    (folder / STOP_FILE).touch()
    asked: set[int] = set()
    end = time.monotonic() + PATIENCE
    while (running := _running(folder)) and time.monotonic() < end:
        for process in running - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        if running - asked:
            console.print(f"stopping {len(running)} jobs, which write down what they have")
        asked |= running
        time.sleep(0.05)


def _running(folder: Path) -> set[int]:
    """The other processes of this machine that are at work on a job."""
    records = [json.loads(file.read_text()) for file in folder.glob("*.record.json")]
    processes = {record["pid"] for record in records if record.get("host") == socket.gethostname()}
    return {process for process in processes - {os.getpid()} if _is_alive(process)}


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@cache
def end_without(command: int) -> None:
    """End this worker of a launcher once the command that began it is gone: it would wait for its next job for ever."""

    def watch() -> None:
        while os.getppid() == command:
            time.sleep(0.5)
        if _working.locked():
            os.kill(os.getpid(), signal.SIGTERM)
            _working.acquire(timeout=PATIENCE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="end-without-command", daemon=True).start()


def write_requests(folder: Path, requests: list[tuple[list[str], Mapping[str, Any]]]) -> None:
    """Leave each job's request in the folder: how it is called (its overrides), and its values without passwords."""
    folder.mkdir(parents=True)
    for number, (overrides, values) in enumerate(requests):
        called = [masked(override) for override in overrides]
        request = {"job": called, "values": _with(values, dict.fromkeys(given_uris()))}
        # YAML reads back every value that a config may hold as it was; JSON makes a text of a key that is a number.
        _request_file(folder, number).write_text(yaml.safe_dump(request))
        _write_record(folder, number, code=1, error="did not begin")


def records_in(folder: Path) -> tuple[list[dict[str, Any]], list[str], list[int]]:
    """The results of a multirun's jobs, the failures in words, and every job's exit code."""
    results, failures, codes = [], [], []
    for number in range(len([*folder.glob("*.request.yaml")])):
        record = json.loads(_record_file(folder, number).read_text())
        codes.append(record["code"])
        if record["code"] == 0:
            results += record["result"] if isinstance(record["result"], list) else [record["result"]]
        else:
            called = _request(folder, number)["job"]
            failures.append(f"{' '.join(called)}: {record['error']}")
    return results, failures, codes


def _request(folder: Path, number: int) -> dict[str, Any]:
    request: dict[str, Any] = yaml.safe_load(_request_file(folder, number).read_text())
    return request


def _with(values: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The values, other values in the fields (`tracking.uri`)."""
    changed = deepcopy(dict(values))
    for field, value in fields.items():
        *groups, name = field.split(".")
        place = changed
        for group in groups:
            place = place[group]
        place[name] = value
    return changed


def _write_record(folder: Path, number: int, **outcome: Any) -> None:
    """Whole or not at all: a job may be killed while it writes. `pid` and `host` are in it while the job is at work."""
    write_whole(_record_file(folder, number), json.dumps(outcome, default=str))


def _request_file(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.request.yaml"


def _record_file(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.record.json"
