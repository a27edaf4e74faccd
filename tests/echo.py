"""A command that returns what it was asked: everything of ttt.run but the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttt.cli.command import Command
from ttt.cli.terminal import results
from ttt.run import Request, parse


def parse_each(config: Mapping[str, Any]) -> list[Request]:
    """A request for each bench."""
    return [parse({**config, "benches": [bench]}) for bench in config["benches"] or [config["bench"]]]


def work(requests: list[Request]) -> dict[str, Any]:
    first = requests[0]
    return {
        "cell": first.cell.model_dump(mode="json"),
        "tracking": first.tracking.model_dump(mode="json"),
        "benches": [request.cell.bench.model_dump(mode="json") for request in requests],
    }


def show(echoed: list[dict[str, Any]]) -> None:
    for one in echoed:
        results().print(f"{one['cell']['model']['name']} on {', '.join(bench['name'] for bench in one['benches'])}")


COMMAND = Command("run", parse_each, work, show)

if __name__ == "__main__":
    COMMAND.main()
