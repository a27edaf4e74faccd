"""Cells for tests, composed as the command composes them."""

from __future__ import annotations

from pathlib import Path

from ttt.cli.composition import Composer
from ttt.run import Request, parse


def compose_request(*overrides: str) -> Request:
    """A checked request."""
    composer = Composer("run", list(overrides))
    return parse(composer.values(composer.texts)[0])


def request(conf: Path, root: Path, *overrides: str, bench: str = "sums", adjustment: str = "smoke") -> Request:
    """A checked request for the tiny model, tracked under `root`."""
    return compose_request(
        f"hydra.searchpath=[file://{conf}]",
        "model=tiny",
        f"bench={bench}",
        f"adjustment={adjustment}",
        f"tracking.root={root}",
        "trainer.progress=false",
        "trainer.threads=1",
        "trainer.precision=32",
        *overrides,
    )
