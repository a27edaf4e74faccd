"""Two processes of a launch, without a cell: what only rank zero has, and a model that is divided between them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_training import LONGER, training
from tests.engine.two_ranks import FACTS
from tests.killing import environment
from ttt.engine.load import digest, load
from ttt.engine.training.checkpoints import last_checkpoint
from ttt.spec import Model


@pytest.fixture(scope="module")
def seen(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], Path]:
    folder = tmp_path_factory.mktemp("ranks")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launcher, "-m", "tests.engine.two_ranks", str(tiny_model), str(folder)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)], folder


def test_what_rank_zero_has_is_used_by_all(seen: tuple[list[dict[str, Any]], Path]) -> None:
    for rank in seen[0]:
        assert rank["stand-in"] == {
            "of": ["store", 3, "first", None],
            "left": ["one with 4", "two failed with 0"],
            "raised": ["in every process", "no such key"],
        }
        assert rank["any"] is True
        assert rank["gathered"] == [0, 1]


def test_each_process_has_its_part_of_every_weight(seen: tuple[list[dict[str, Any]], Path], tiny_model: Path) -> None:
    """And what is saved of the parts is the whole model."""
    ranks, folder = seen
    whole = load(Model(**FACTS, path=str(tiny_model)))[0]
    for rank in ranks:
        assert rank["shards"]["n_divided"] == rank["shards"]["n_all"]
        assert rank["shards"]["own"] <= 0.51
        assert rank["shards"]["digest"] == digest(whole)
    assert digest(load(Model(**FACTS, path=str(folder / "saved")))[0]) == digest(whole)


def test_divided_training_learns_and_resumes_as_one_process_does(
    seen: tuple[list[dict[str, Any]], Path], tiny_model: Path
) -> None:
    ranks, _ = seen
    losses: list[float] = []
    model = load(Model(**FACTS, path=str(tiny_model)))[0]
    training(model, LONGER, on_step=lambda step: losses.append(step.loss)).to_the_end()
    for rank in ranks:
        assert rank["shards"]["stops"] == [4], "the last checkpoint is a stop, which may not have been scored"
        assert rank["shards"]["losses"] == pytest.approx(losses, rel=1e-5)
        assert rank["shards"]["logits"] == ranks[0]["shards"]["logits"]


def test_one_process_goes_on_from_what_two_have_left(seen: tuple[list[dict[str, Any]], Path], tiny_model: Path) -> None:
    ranks, folder = seen
    newest = last_checkpoint(folder / "checkpoints")
    assert newest is not None
    assert {file.name for file in newest.glob("*.distcp")} == {"__0_0.distcp", "__1_0.distcp"}
    losses: list[float] = []
    model = load(Model(**FACTS, path=str(tiny_model)))[0]
    training(model, LONGER, folder, on_step=lambda step: losses.append(step.loss)).to_the_end()
    assert losses == pytest.approx(ranks[0]["shards"]["losses"][4:], rel=1e-5)
