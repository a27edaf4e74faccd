"""A command that tells what it was asked: everything of ttt.run but the work."""

from __future__ import annotations

from typing import Any

from ttt.cli.command import Command
from ttt.cli.terminal import results
from ttt.run import Request, parse


def work(request: Request) -> dict[str, Any]:
    return {"cell": request.cell.model_dump(mode="json"), "tracking": request.tracking.model_dump(mode="json")}


def show(told: list[dict[str, Any]]) -> None:
    for one in told:
        results().print(f"{one['cell']['model']['name']} on {one['cell']['bench']['name']}")


COMMAND = Command("run", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
