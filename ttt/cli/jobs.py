"""The jobs of a multirun: what each is to do, done in whatever process a launcher puts it, and the record it leaves."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ttt.cli.terminal import prepare
from ttt.files.whole import write_whole
from ttt.masking import given_uris, masked
from ttt.spec import SpecError


@dataclass(frozen=True)
class Job:
    """The task that Hydra launches: `config.job` is the number of the request in `folder`.

    Never raises but when it is stopped: a failing job must stop no other, whatever the launcher.
    """

    module: str
    """The command's module, which has it as `COMMAND`: workers import it anew."""
    folder: str

    def __call__(self, config: DictConfig) -> None:
        prepare()
        command = importlib.import_module(self.module).COMMAND
        folder, number = Path(self.folder), int(config.job)
        _write_record(folder, number, code=1, error="did not finish")
        outcome: dict[str, Any]
        try:
            outcome = {"code": 0, "result": command.work(command.parse(_read_request(folder, number)))}
        except SpecError as error:
            outcome = {"code": 2, "error": masked(str(error))}
        except Exception as error:
            outcome = {"code": 1, "error": masked(f"{type(error).__name__}: {error}")}
        _write_record(folder, number, **outcome)


def write_requests(folder: Path, requests: list[tuple[list[str], Mapping[str, Any]]]) -> None:
    """Leave each job's request in the folder: how it is called (its overrides), and its values without passwords."""
    folder.mkdir(parents=True)
    for number, (overrides, values) in enumerate(requests):
        called = [masked(override) for override in overrides]
        request = {"job": called, "values": _with(values, dict.fromkeys(given_uris()))}
        _request_file(folder, number).write_text(json.dumps(request))
        _write_record(folder, number, code=1, error="did not begin")


def records_in(folder: Path) -> tuple[list[dict[str, Any]], list[str], list[int]]:
    """The results of a multirun's jobs, the failures in words, and every job's exit code."""
    results, failures, codes = [], [], []
    for number in range(len([*folder.glob("*.request.json")])):
        record = json.loads(_record_file(folder, number).read_text())
        codes.append(record["code"])
        if record["code"] == 0:
            results.append(record["result"])
        else:
            called = json.loads(_request_file(folder, number).read_text())["job"]
            failures.append(f"{' '.join(called)}: {record['error']}")
    return results, failures, codes


def _read_request(folder: Path, number: int) -> dict[str, Any]:
    values = json.loads(_request_file(folder, number).read_text())["values"]
    return _with(values, given_uris())


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
    """Whole or not at all: a job may be killed while it writes."""
    write_whole(_record_file(folder, number), json.dumps(outcome, default=str))


def _request_file(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.request.json"


def _record_file(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.record.json"
