"""What each process of `tests/performance/processes.py` does: load, score, train, score again, save; and what it took.

Memory is the process's resident memory beyond what Python and its libraries take once a tiny model was loaded, scored
and trained; `state` counts the bytes of weights, gradients and AdamW's moments alone.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from torch.distributed.tensor import DTensor

from ttt.engine import distributed
from ttt.engine.batches import Tokens
from ttt.engine.lm import Backend
from ttt.engine.load import digest, load, save
from ttt.engine.training.data import ExampleSampler
from ttt.engine.training.loop import Keeping, Training
from ttt.engine.training.schedule import schedule
from ttt.engine.training.step import TrainingStep
from ttt.spec import Adjustment, Model, Trainer

MIB = 2**20
N_ITEMS, N_EXAMPLES, LENGTH = 12, 12, 24
FACTS: dict[str, Any] = {"name": "random", "family": "random", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
RECIPE = Adjustment(name="few", method="full", examples=N_EXAMPLES, batch_size=4, evaluate_at=(1,))


def memory() -> dict[str, float]:
    """MiB: resident now, and the most since `forget_peak`."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[key].split()[0]) / 1024 for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def texts(n: int, seed: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    prompts = ["".join(draw.choices("abcdefgh ", k=draw.randint(8, 3 * LENGTH))) for _ in range(n)]
    return [(prompt, f" {draw.choice('ABCD')}") for prompt in prompts]


def state_bytes(step: TrainingStep) -> int:
    tensors: list[Any] = []
    for parameter in step.model.parameters():
        tensors += [parameter.detach(), parameter.grad]
        tensors += [step.optimizer.state[parameter][name] for name in ("exp_avg", "exp_avg_sq")]
    own = [t.to_local() if isinstance(t, DTensor) else t for t in tensors if t is not None]
    return sum(t.numel() * t.element_size() for t in own)


def work(asked: argparse.Namespace) -> dict[str, Any]:
    trainer = Trainer(accelerator="cpu", threads=1, precision="32", progress=False, shard=asked.shard,
                      eval_tokens=256, train_tokens=128, checkpoint_minutes=1000)  # fmt: skip
    took: dict[str, Any] = {"rank": distributed.rank()}
    tiny, tokenizer = load(Model(**FACTS, path=f"{asked.model}/tiny"), shard=asked.shard)
    small = Backend(tiny, tokenizer, trainer)
    small.loglikelihood([Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(texts(4, 0))])
    few = {i: Tokens(i, (1, 2, 3, 4), 2) for i in range(RECIPE.batch_size)}
    one = ExampleSampler(len(few), len(few), len(few), seed=0)
    Training(tiny, few, one, RECIPE, schedule(RECIPE, 1e-4, 1), trainer).to_the_end()
    del tiny, small
    gc.collect()
    base = memory()["now"]

    def phase(name: str, start: float) -> None:
        took[name] = {"seconds": time.perf_counter() - start, "peak": memory()["peak"] - base}
        forget_peak()

    forget_peak()
    start = time.perf_counter()
    model, tokenizer = load(Model(**FACTS, path=asked.model), shard=asked.shard)
    phase("load", start)
    backend = Backend(model, tokenizer, trainer)
    requests = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(texts(N_ITEMS, 1))]
    start = time.perf_counter()
    took["base"] = backend.loglikelihood(requests)
    phase("score", start)
    pairs = backend.encode_pairs(texts(N_EXAMPLES, 2))
    rows = {i: Tokens(i, tuple(a + b)[-LENGTH:], len(b)) for i, (a, b) in enumerate(pairs)}
    sampler = ExampleSampler(N_EXAMPLES, N_EXAMPLES, RECIPE.batch_size, seed=0)
    losses: list[float] = []

    def on_step(step: Any) -> None:
        losses.append(step.loss)
        took["state"] = state_bytes(training.step) / MIB
        if step.step == asked.die_after and distributed.rank() == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    keeping = Keeping(Path(asked.folder))
    rate = schedule(RECIPE, 1e-4, sampler.n_steps)
    training = Training(model, rows, sampler, RECIPE, rate, trainer, keeping, on_step)
    start = time.perf_counter()
    for _ in training.run():
        phase("step and checkpoint", start)
        start = time.perf_counter()
        took["halfway"] = backend.loglikelihood(requests)
        phase("score on the way", start)
        start = time.perf_counter()
    phase("train", start)
    took |= {"n_steps": len(losses), "losses": losses}
    start = time.perf_counter()
    took["adjusted"] = backend.loglikelihood(requests)
    phase("score again", start)
    start = time.perf_counter()
    save(model, tokenizer, Path(asked.folder) / "model")
    phase("save", start)
    took["digest"] = digest(model)
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--folder")
    parser.add_argument("--shard", action="store_true")
    parser.add_argument("--die-after", type=int, default=0)
    asked = parser.parse_args()
    with distributed.together():
        took = work(asked)
        (Path(asked.folder) / f"rank-{distributed.rank()}.json").write_text(json.dumps(took))
    os._exit(0)


if __name__ == "__main__":
    main()
