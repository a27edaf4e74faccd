"""A command whose jobs take long and can be stopped: everything of ttt.run but the work."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from tests.echo import parse_each
from ttt.cli.command import Command
from ttt.run import Request
from ttt.stopping import deferred, stop_if_asked

STEP = 0.05


def work(requests: list[Request]) -> dict[str, Any]:
    """Seed 0 ends at once, others last for seconds; stopped between two steps, a job writes down how far it came."""
    seed = requests[0].cell.seed
    here = Path(requests[0].tracking.root)
    (here / f"began-{seed}").write_text(str(os.getpid()))
    n_steps = 0
    try:
        with deferred():
            while seed and n_steps * STEP < 60:
                time.sleep(STEP)
                n_steps += 1
                stop_if_asked()
    except SystemExit:
        (here / f"stopping-{seed}").touch()
        time.sleep(1)  # as writing a checkpoint may
        (here / f"kept-{seed}").write_text(str(n_steps))
        raise
    return {"seed": seed, "n_params": requests[0].cell.model.n_params}


def show(results: list[dict[str, Any]]) -> None:
    print([result["seed"] for result in results])


COMMAND = Command("run", parse_each, work, show)

if __name__ == "__main__":
    COMMAND.main()
