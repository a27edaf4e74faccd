"""What two processes of a launch do in `tests/engine/test_ranks.py`; each writes what it has seen."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from tests.engine.test_training import LONGER, TRAINER, training
from ttt.engine import distributed
from ttt.engine.at_rank_zero import at_rank_zero
from ttt.engine.load import digest, load, save
from ttt.spec import Model, SpecError

FACTS: dict[str, Any] = {"name": "tiny", "family": "tiny", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}


class Part:
    def __init__(self) -> None:
        self.lock = open(os.devnull)  # noqa: SIM115 - not to be pickled
        self.n = 0

    def add(self, n: int) -> None:
        self.n += n


class Store:
    """What only rank zero has."""

    def __init__(self) -> None:
        assert distributed.rank() == 0
        self.name = "store"
        self.left: list[str] = []

    @property
    def size(self) -> int:
        return 3

    def find(self, key: str) -> str | None:
        if key == "wrong":
            raise SpecError("no such key")
        return {"a": "first"}.get(key)

    @contextmanager
    def run(self, name: str) -> Iterator[Part]:
        part = Part()
        try:
            yield part
        except ValueError:
            self.left.append(f"{name} failed with {part.n}")
            raise
        self.left.append(f"{name} with {part.n}")


def stand_in() -> dict[str, Any]:
    store = at_rank_zero(Store, Store, parts=(Part,))
    with store.run("one") as part:
        part.add(2)
        part.add(part.n)
    seen: dict[str, Any] = {"raised": []}
    try:
        with store.run("two"):
            raise ValueError("in every process")
    except ValueError as error:
        seen["raised"].append(str(error))
    try:
        store.find("wrong")
    except SpecError as error:
        seen["raised"].append(str(error))
    return seen | {"of": [store.name, store.size, store.find("a"), store.find("b")], "left": store.left}


def shards(model: Path, folder: Path) -> dict[str, Any]:
    made, tokenizer = load(Model(**FACTS, path=str(model)), shard=True)
    divided = [p for p in made.parameters() if isinstance(p, DTensor)]
    own = sum(p.to_local().numel() for p in divided)
    seen = {"n_divided": len(divided), "n_all": len(list(made.parameters())), "own": own / made.num_parameters()}
    seen["digest"] = digest(made)
    save(made, tokenizer, folder / "saved")
    trainer = TRAINER.model_copy(update={"shard": True})
    losses: list[float] = []
    steps = training(made, LONGER, folder, trainer=trainer, on_step=lambda step: losses.append(step.loss))
    for _ in steps.run():
        if len(losses) == 4:
            break
    again = load(Model(**FACTS, path=str(model)), shard=True)[0]
    steps = training(again, LONGER, folder, trainer=trainer, on_step=lambda step: losses.append(step.loss))
    seen["stops"] = [checkpoint.step for checkpoint in steps.run()]
    with torch.no_grad():
        seen["logits"] = again(input_ids=torch.arange(1, 9)[None]).logits.sum().item()
    return seen | {"losses": losses}


def main() -> None:
    model, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with distributed.together():
        seen = {"stand-in": stand_in(), "any": distributed.any_rank(distributed.rank() == 1)}
        seen["gathered"] = distributed.gather([distributed.rank()])
        seen["shards"] = shards(model, folder)
        (folder / f"rank-{distributed.rank()}.json").write_text(json.dumps(seen))
    os._exit(0)


if __name__ == "__main__":
    main()
