"""One job of a multirun, in whatever process a launcher puts it, and the records that the jobs leave."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ttt.catalogue.consent import check_remote_code, check_secrets
from ttt.cli.composition import resolved, said
from ttt.cli.terminal import prepare
from ttt.masking import given_uris, masked
from ttt.spec import SpecError


@dataclass(frozen=True)
class Job:
    """One job of a multirun, in whatever process the launcher puts it; it leaves its record in the folder `records`.

    Never raises but when it is stopped: a failing job must stop no other, whatever the launcher.
    """

    module: str
    """The command's module, which has it as `COMMAND`: workers import it anew."""
    records: str

    def __call__(self, config: DictConfig) -> None:
        prepare()
        command = importlib.import_module(self.module).COMMAND
        asked = [override for override in HydraConfig.get().overrides.task if "${ttt.given:" not in override]
        file = Path(self.records) / f"{HydraConfig.get().job.num:05d}.json"
        file.write_text(json.dumps({"job": asked, "code": 1, "error": "did not finish"}))
        outcome: dict[str, Any]
        try:
            values = resolved(config)  # with values together that were checked one by one
            check_remote_code(values, said(asked))
            check_secrets(config, given_uris())
            outcome = {"code": 0, "result": command.work(command.parse(values))}
        except SpecError as error:
            outcome = {"code": 2, "error": masked(str(error))}
        except Exception as error:
            outcome = {"code": 1, "error": masked(f"{type(error).__name__}: {error}")}
        file.write_text(json.dumps({"job": asked, **outcome}, default=str))


def records_in(jobs: Path) -> tuple[list[dict[str, Any]], list[str], list[int]]:
    """The results of a multirun's jobs, the failures in words, and every job's exit code."""
    records = [json.loads(file.read_text()) for file in sorted(jobs.glob("*.json"))]
    results = [record["result"] for record in records if record["code"] == 0]
    failures = [f"{' '.join(record['job'])}: {record['error']}" for record in records if record["code"]]
    return results, failures, [record["code"] for record in records]
