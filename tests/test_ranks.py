"""Two processes on one cell (torchrun) against one: the same items, scores and weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.killing import environment
from ttt.record import read_items
from ttt.spec import Tracking
from ttt.track import Tracker


def arguments(conf: Path, root: Path, *more: str) -> list[str]:
    few = ["trainer.eval_tokens=512", "trainer.train_tokens=256"]  # tokens a batch, so that there is something to share
    cell = [f"--config-dir={conf}", "model=tiny", "adjustment=smoke", f"tracking.root={root}", "trainer=lab"]
    return [*cell, "adjustment.examples=40", "adjustment.evaluate_at=[2]", *few, *more]


def run(n: int, arguments: list[str], module: str = "ttt.run") -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"] if n > 1 else []
    command = [sys.executable, *launcher, "-m", module, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


def cell(root: Path, experiment: str) -> tuple[dict[str, float], dict[str, Any]]:
    tracker = Tracker(Tracking(root=str(root)))
    (found,) = [r for r in tracker.runs(experiment, "cell") if r.data.tags["ttt.adjustment"] == "smoke"]
    items = {side: read_items(tracker, found.info.run_id, side) for side in ("base", "adjusted")}
    return found.data.metrics, items


@pytest.mark.slow
@pytest.mark.parametrize(("bench", "method"), [("sums", "full"), ("sums_generate", "full"), ("sums", "lora")])
def test_two_processes_end_with_the_items_of_one(conf: Path, tmp_path: Path, bench: str, method: str) -> None:
    found = {}
    for n in (1, 2):
        root = tmp_path / str(n)
        done = run(n, arguments(conf, root, f"bench={bench}", f"adjustment.method={method}"))
        assert done.returncode == 0, done.stderr
        found[n] = cell(root, f"default/{bench}")
    (alone, items), (together, items_together) = found[1], found[2]
    assert items_together["base"].equals(items["base"])
    assert items_together["adjusted"]["correct"].equals(items["adjusted"]["correct"])
    assert together["adjusted/score"] == alone["adjusted/score"]
    # Gradients are added up in another order.
    assert together["train/loss"] == pytest.approx(alone["train/loss"], rel=1e-5)


def test_what_is_not_shared_is_refused(conf: Path, tmp_path: Path) -> None:
    for module, more in (("ttt.run", ["bench=sums", "-m"]), ("ttt.saturate", ["bench=sums"])):
        done = run(2, arguments(conf, tmp_path, *more), module)
        assert done.returncode != 0
        assert "torchrun: its processes share one cell of ttt.run" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()
