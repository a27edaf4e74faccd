"""Studies for tests, asked for as on the command line."""

from __future__ import annotations

from pathlib import Path


def arguments(conf: Path, root: Path, *more: str) -> list[str]:
    """A study of three rungs for the tiny model, tracked under `root`."""
    return [
        f"--config-dir={conf}",
        "model=tiny",
        "bench=sums",
        "adjustment=smoke",
        f"tracking.root={root}",
        "trainer=lab",
        "adjustment.examples=64",
        "adjustment.learning_rate=1e-3",
        "study.n_rungs=3",
        "study.n_trials=3",
        *more,
    ]
