"""The paper's eighteen benches in one command against eighteen commands: trainings, tokens, seconds, scores.

`python -m tests.performance.eighteen [BENCH ...]` invents small data in the formats of the hub's, serves them as the
hub does, and adjusts a small random model by `smoke`: once for all benches, then for one bench after the other in one
store, then for each in a store of its own. Prints a table, and fails if a claim does not hold. `minerva_math` and
`math_hard` need the extra `math`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.conftest import make_tiny_model
from tests.hub import standing_in
from tests.performance.hub_data import publish_all
from ttt.cli.search_path import CONF
from ttt.spec import Tracking
from ttt.tracking import Tracker

OTHERS = ("lab_", "bbh_mmlu", "gpqa_mmlu", "musr_mmlu")
"""How the names of the benches begin that are not the paper's."""
BENCHES = sorted(file.stem for file in (CONF / "bench").glob("*.yaml") if not file.stem.startswith(OTHERS))
NEED_MATH = {"minerva_math", "math_hard"}
CONTEXT = 2048
"""Tokens, which are bytes here: `math_hard` continues by up to 1,024."""
LEARNING_RATE = 5e-3
"""Four steps at the paper's rate would change no answer of a model this small, and equal scores would say nothing."""
MOST_TRAINED = 1 / 8


class Here:
    """A folder with the stand-in's data, a model, and the hub's cache, which all commands share."""

    def __init__(self, folder: Path, endpoint: str):
        self.folder, self.endpoint = folder, endpoint
        (folder / "conf" / "model").mkdir(parents=True)
        facts = {"name": "tiny", "family": "tiny", "n_params": 40_000, "n_tokens": 1_000_000, "trained": "2024-01"}
        facts["path"] = str(make_tiny_model(folder / "tiny", context=CONTEXT))
        (folder / "conf" / "model" / "tiny.yaml").write_text(json.dumps(facts))

    def run(self, root: Path, *overrides: str) -> tuple[Any, float]:
        """The result of a command, and its seconds from start to exit."""
        out = root.with_suffix(".json")
        environment = {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(self.folder / "hf"), "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-m", "ttt.run", f"hydra.searchpath=[file://{self.folder / 'conf'}]"]
        options = ["model=tiny", "adjustment=smoke", f"adjustment.learning_rate={LEARNING_RATE}", f"output={out}",
                   f"tracking.root={root}", "trainer.threads=1", "trainer.precision=32",
                   "trainer.progress=false"]  # fmt: skip
        start = perf_counter()
        done = subprocess.run(
            [*command, *options, *overrides], env={**os.environ, **environment}, capture_output=True, text=True
        )
        seconds = perf_counter() - start
        assert done.returncode == 0, f"{overrides}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(out.read_text()), seconds


@dataclass
class Way:
    """One way to score all benches, and what its stores say afterwards."""

    name: str
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By bench."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each command."""
    n_tokens: list[int] = field(default_factory=list)
    """That each training passed through the model."""
    n_cells: int = 0
    n_running: int = 0

    def look_at(self, root: Path) -> None:
        tracker = Tracker(Tracking(root=str(root)))
        trained = tracker.runs("default/adjusting", "adjusting")
        self.n_tokens += [int(run.data.metrics["train/n_tokens"]) for run in trained]
        for experiment in tracker.experiments():
            cells = tracker.runs(experiment, "cell")
            self.n_cells += sum(run.data.tags["ttt.adjustment"] == "smoke" for run in cells)
        self.n_running += len(tracker.still_running("default"))

    @property
    def line(self) -> str:
        cells = [self.name, len(self.seconds), len(self.n_tokens), self.n_cells, f"{sum(self.n_tokens):,}",
                 f"{sum(self.seconds.values()):.0f}"]  # fmt: skip
        return f"| {' | '.join(str(cell) for cell in cells)} |"


def in_one_command(here: Here, benches: Iterable[str]) -> Way:
    way, root = Way("one command"), here.folder / "one"
    results, way.seconds["all"] = here.run(root, f"benches=[{','.join(benches)}]")
    way.results = {result["bench"]: result for result in results}
    way.look_at(root)
    return way


def apart(here: Here, benches: Iterable[str], shared: bool) -> Way:
    """A command a bench, in a store of its own or in the same one."""
    way = Way("a command a bench, one store" if shared else "a command a bench, a store each")
    for bench in benches:
        root = here.folder / ("shared" if shared else f"of-{bench}")
        way.results[bench], way.seconds[bench] = here.run(root, f"bench={bench}")
        print(f"{way.name}: {bench}, {way.seconds[bench]:.1f} s", file=sys.stderr, flush=True)
        if not shared:
            way.look_at(root)
    if shared:
        way.look_at(here.folder / "shared")
    return way


def differing(one: Way, other: Way) -> list[str]:
    """The benches whose results are not the same to the last digit, or whose weights are not."""
    same = ("n_items", "base", "adjusted", "gain", "digest_base", "digest_adjusted", "key")
    return [
        bench
        for bench, result in one.results.items()
        if any(result[name] != other.results[bench][name] for name in same)
    ]


def faults(one: Way, separate: Way, later: Way, benches: list[str]) -> list[str]:
    """The claims that do not hold, each in a sentence."""
    n = len(benches)
    wrong = []
    for way, n_trainings in ((one, 2), (later, 2), (separate, n)):
        if len(way.n_tokens) != n_trainings:
            wrong.append(f"{way.name}: {len(way.n_tokens)} trainings, not {n_trainings}")
        if way.n_cells != n:
            wrong.append(f"{way.name}: {way.n_cells} cells, not {n}")
        if way.n_running:
            wrong.append(f"{way.name}: {way.n_running} runs are marked RUNNING")
    for way in (one, later):
        if sum(way.n_tokens) > MOST_TRAINED * sum(separate.n_tokens):
            wrong.append(f"{way.name}: more than {MOST_TRAINED} of the tokens of the commands apart")
        if benches_apart := differing(way, separate):
            wrong.append(f"{way.name}: other results than apart: {', '.join(benches_apart)}")
    return wrong


def tables(one: Way, separate: Way, later: Way) -> str:
    lines = ["| | commands | trainings | cells | tokens trained | seconds |", "|---|---|---|---|---|---|"]
    lines += [one.line, later.line, separate.line, ""]
    lines.append(f"Tokens of one command: {sum(one.n_tokens) / sum(separate.n_tokens):.4f} of those apart.")
    lines.append(f"Tokens of each training of one command: {', '.join(f'{n:,}' for n in one.n_tokens)}.")
    lines += ["", "| bench | items | base | adjusted | equal | seconds apart | seconds in one store |"]
    lines.append("|---|---|---|---|---|---|---|")
    different = {*differing(one, separate), *differing(later, separate)}
    for bench, result in one.results.items():
        scores = " | ".join(f"{result[side]['score']:.4f}" for side in ("base", "adjusted"))
        equal = "no" if bench in different else "yes"
        seconds = f"{separate.seconds[bench]:.1f} | {later.seconds[bench]:.1f}"
        lines.append(f"| {bench} | {result['n_items']} | {scores} | {equal} | {seconds} |")
    return "\n".join(lines)


def runnable() -> list[str]:
    """The benches that this environment can score."""
    return [bench for bench in BENCHES if bench not in NEED_MATH or find_spec("math_verify")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benches", nargs="*", help="all that can be scored here")
    parser.add_argument("--at-once", action="store_true", help="the last two ways side by side, on two cores")
    asked = parser.parse_args()
    benches = asked.benches or runnable()
    for bench in sorted({*BENCHES} - {*benches}):
        print(f"left out: {bench}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        publish_all(folder / "hub")
        with standing_in(folder / "hub") as endpoint:
            here = Here(folder, endpoint)
            one = in_one_command(here, benches)
            print(one.line, file=sys.stderr, flush=True)
            with ThreadPoolExecutor(2 if asked.at_once else 1) as pool:
                later, separate = pool.map(partial(apart, here, benches), (True, False))
    print(tables(one, separate, later))
    wrong = faults(one, separate, later, benches)
    print("\n".join(wrong) or "All claims hold.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
