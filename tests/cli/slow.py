"""A command whose jobs take long and can be stopped: everything of ttt.run but the work."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ttt.cli.command import Command
from ttt.run import Request, parse
from ttt.stopping import deferred, stop_if_asked

STEP = 0.05


def work(request: Request) -> dict[str, Any]:
    """Seed 0 ends at once, others last for seconds; stopped between two steps, a job writes down how far it came."""
    seed = request.cells[0].seed
    here = Path(request.tracking.root)
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
    return {"seed": seed, "n_params": request.cells[0].model.n_params}


def show(results: list[dict[str, Any]]) -> None:
    print([result["seed"] for result in results])


COMMAND = Command("run", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
