"""A command that returns what it was asked: everything of ttt.run but the work."""

from __future__ import annotations

from typing import Any

from ttt.cli.command import Command
from ttt.cli.terminal import results
from ttt.run import Request, parse


def work(request: Request) -> dict[str, Any]:
    return {
        "cell": request.cells[0].model_dump(mode="json"),
        "tracking": request.tracking.model_dump(mode="json"),
        "benches": [cell.bench.model_dump(mode="json") for cell in request.cells],
    }


def show(echoed: list[dict[str, Any]]) -> None:
    for one in echoed:
        results().print(f"{one['cell']['model']['name']} on {', '.join(bench['name'] for bench in one['benches'])}")


COMMAND = Command("run", parse, work, show)

if __name__ == "__main__":
    COMMAND.main()
