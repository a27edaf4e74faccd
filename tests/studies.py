"""Studies for tests, asked for as on the command line."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ttt.cell.resolve import resolve
from ttt.cell.study_result import StudyResult
from ttt.cli.command import CONF
from ttt.saturate import Request, parse
from ttt.study.run import saturate
from ttt.study.setup import StudySetup, prepare_study
from ttt.tracking import Tracker


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


def asked(conf: Path, root: Path, *more: str) -> Request:
    config_dir, *overrides = arguments(conf, root, *more)
    overrides.append(f"hydra.searchpath=[file://{config_dir.removeprefix('--config-dir=')}]")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return parse(OmegaConf.to_container(compose("saturate", overrides=overrides), resolve=True))  # type: ignore[arg-type]


def do(request: Request) -> tuple[StudyResult, list[str]]:
    said: list[str] = []
    return saturate(request.cell, request.study, request.trainer, Tracker(request.tracking), said.append), said


def setup_of(made: Request) -> StudySetup:
    """What a study's trials share, without its run."""
    tracker = Tracker(made.tracking)
    resolved = resolve([made.cell], made.trainer, tracker, True, lambda text: None)
    return prepare_study(made.study, resolved, tracker, "study", lambda text: None)
