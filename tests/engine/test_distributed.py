"""Two processes on one cell (torchrun) against one: the same items, scores and weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.killing import environment
from ttt.cell.read import read_items
from ttt.spec import Tracking
from ttt.tracking import Tracker


def arguments(conf: Path, root: Path, *more: str) -> list[str]:
    few = [
        "trainer.eval_tokens=512",
        "trainer.train_tokens=256",
    ]  # tokens a batch: there is something to divide
    cell = [f"--config-dir={conf}", "model=tiny", "adjustment=smoke", f"tracking.root={root}", "trainer=lab"]
    return [*cell, "adjustment.examples=40", "adjustment.evaluate_at=[2]", *few, *more]


def run(
    n: int, arguments: list[str], module: str = "ttt.run", die_at: tuple[str, int] | None = None
) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python", f"--nproc-per-node={n}"]
    start = ["-m", "tests.killing", die_at[0], str(die_at[1]), module] if die_at else ["-m", module]
    command = [*(launcher if n > 1 else []), sys.executable, *start, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


def cell(root: Path, experiment: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Metrics of the adjusted cell, with the last loss of its adjusted model, and the items of both sides."""
    tracker = Tracker(Tracking(root=str(root)))
    (run,) = [r for r in tracker.runs(experiment, "cell") if r.data.tags["ttt.adjustment"] == "smoke"]
    (adjusting,) = tracker.runs("default/adjusting", "adjusting")
    items = {side: read_items(tracker, run.info.run_id, side) for side in ("base", "adjusted")}
    return run.data.metrics | {"train/loss": adjusting.data.metrics["train/loss"]}, items


@pytest.mark.slow
@pytest.mark.parametrize(("bench", "method"), [("sums", "full"), ("sums_generate", "full"), ("sums", "lora")])
def test_two_processes_end_with_the_items_of_one(conf: Path, tmp_path: Path, bench: str, method: str) -> None:
    asked = [f"bench={bench}", f"adjustment.method={method}"]
    ways = {"alone": (1, []), "together": (2, []), "sharded": (2, ["trainer.shard=true"])}
    ends = {}
    for way, (n, more) in ways.items():
        done = run(n, arguments(conf, tmp_path / way, *asked, *more))
        assert done.returncode == 0, done.stderr
        ends[way] = cell(tmp_path / way, f"default/{bench}")
    alone, items = ends.pop("alone")
    for together, items_together in ends.values():
        assert_equal(together, alone)
        assert items_together["base"].equals(items["base"])
        assert items_together["adjusted"]["correct"].equals(items["adjusted"]["correct"])


@pytest.mark.slow
@pytest.mark.parametrize("shards_first", [True, False])
def test_a_checkpoint_is_gone_on_from_with_and_without_shards(conf: Path, tmp_path: Path, shards_first: bool) -> None:
    ways = [(2, ["trainer.shard=true"]), (1, [])]
    (n_first, first), (n_then, then) = ways if shards_first else ways[::-1]
    asked = ["bench=sums", "adjustment.method=full"]
    died = run(n_first, arguments(conf, tmp_path / "a", *asked, *first),
               die_at=("ttt.engine.training.step:TrainingStep.take", 4))  # fmt: skip
    assert died.returncode != 0
    assert list(tmp_path.glob("a/cells/*/checkpoints/step-00000002.*"))
    for root, n, more in (("a", n_then, then), ("b", 1, [])):
        done = run(n, arguments(conf, tmp_path / root, *asked, *more))
        assert done.returncode == 0, done.stderr
    assert_equal(*(cell(tmp_path / root, "default/sums")[0] for root in ("a", "b")))


def assert_equal(some: dict[str, float], others: dict[str, float]) -> None:
    assert some["adjusted/score"] == others["adjusted/score"]
    # Gradients are added up in another order.
    assert some["train/loss"] == pytest.approx(others["train/loss"], rel=1e-5)


def test_what_several_processes_do_not_do_is_refused(conf: Path, tmp_path: Path) -> None:
    for module, more in (("ttt.run", ["bench=sums", "-m"]), ("ttt.saturate", ["bench=sums"])):
        done = run(2, arguments(conf, tmp_path, *more), module)
        assert done.returncode != 0
        assert "torchrun: its processes work on one request of ttt.run together" in done.stderr
    alone = run(1, arguments(conf, tmp_path, "bench=sums", "trainer.shard=true"))
    assert alone.returncode == 2
    assert "trainer.shard=true: there is one process" in alone.stderr
    assert not (tmp_path / "mlflow.db").exists()
