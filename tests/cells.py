"""Cells for tests, composed as the command composes them."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ttt.command import CONF
from ttt.run import Request, parse


def compose_request(*overrides: str) -> Request:
    """A checked request."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return parse(OmegaConf.to_container(compose("run", overrides=list(overrides)), resolve=True))  # type: ignore[arg-type]


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
