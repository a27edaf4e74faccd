"""What warm-started rungs and successive halving save, against training every budget of every trial anew.

`python tests/performance/warm_rungs.py LAB [MODEL ...]` writes docs/warm_rungs.md. LAB is the folder of one of the
lab's worlds (`python -m ttt.pretrain`), such as mlruns/lab/s0.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ttt.command import CONF
from ttt.engine.load import load
from ttt.pipeline import Workbench
from ttt.saturate import Request, parse
from ttt.saturation.climb import Climber, score
from ttt.saturation.conduct import saturate
from ttt.saturation.plan import ladder
from ttt.saturation.validation import make_validation
from ttt.saturation.verdict import best_curve, judge, verdict_at
from ttt.tasks.bench import load_tasks
from ttt.track import Tracker

DOC = Path(__file__).parents[2] / "docs" / "warm_rungs.md"
HEADER = """# What warm-started rungs save

One study a model of the lab: {n_trials} learning rates, {n_rungs} doubling budgets, the rate constant with a cool-down
at each rung, successive halving. Against it the same rates and budgets, each trained anew with the same schedule and
none of them stopped early. Tokens trained on are what it costs; seconds are of one CPU thread, on a machine that did
other things beside it. The verdict is on the adjustment's own budget.

| model | tokens, study | tokens, anew | share, % | without halving, % | seconds, study | seconds, anew | \
verdict, study | verdict, anew | smallest, study | smallest, anew |
|---|---|---|---|---|---|---|---|---|---|---|
"""
FOOTER = """
The last rung alone is half of a doubling ladder, so that going on from a checkpoint without halving cannot cost less
than half of it, and costs the cool-downs besides ("without halving"); the rest is what halving saves. A rung has to the
last bit the weights of the same budget and schedule trained anew (a test holds that), so that the two verdicts can
differ only by the trials that halving stopped.

Made by `python tests/performance/warm_rungs.py`.
"""


def request(lab: Path, model: str, root: str) -> Request:
    overrides = [f"model={model}", "bench=lab_facts", "adjustment=lab", "trainer=lab", f"tracking.root={root}",
                 f"lab.folder={lab.absolute()}", "study.n_trials=4", "study.compare_schedules=false"]  # fmt: skip
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return parse(OmegaConf.to_container(compose("saturate", overrides=overrides), resolve=True))  # type: ignore[arg-type]


def anew(asked: Request, trials: list[dict[str, float]], root: Path) -> tuple[Any, int, float, int]:
    """The plateau of all trials at all budgets, each trained from the start; tokens, seconds, the own budget."""
    cell, plan = asked.cell, asked.plan
    work = Workbench(cell.model, cell, asked.trainer, Tracker(asked.tracking))
    n_own = cell.adjustment.n_examples(len(work.task_data.examples))
    tasks = load_tasks(cell.bench, root / "tasks")
    validation = make_validation(cell.bench, tasks, work.task_data, plan)
    rungs = ladder(plan, cell.adjustment, n_own)
    found = [{0: score(work.backend, validation, root / "base")[0]}]
    n_tokens, start = 0, perf_counter()
    for number, values in enumerate(trials):
        recipe = plan.recipe(cell.adjustment, cell.model, values)
        found.append({})
        for place, budget in enumerate(rungs.budgets):
            folder = root / f"{number}-{place}"
            climber = Climber(work.backend, lambda: load(work.model)[0], cell, recipe, rungs, validation, asked.trainer,
                              folder, lambda step: None, lambda: None)  # fmt: skip
            climber._begin()
            took = climber._fit(rungs.steps[place], folder, rungs.falling(place), lambda step: None)
            found[-1][budget] = score(work.backend, validation, folder / "answers")[0]
            n_tokens += took.n_tokens
    return judge(best_curve([0, *rungs.budgets], found), plan.tolerance), n_tokens, perf_counter() - start, n_own


def row(lab: Path, model: str) -> tuple[str, Request, bool]:
    with tempfile.TemporaryDirectory() as root:
        asked = request(lab, model, root)
        start = perf_counter()
        result = saturate(asked.cell, asked.plan, asked.trainer, Tracker(asked.tracking), lambda text: None)
        seconds = perf_counter() - start
        trials = [trial["values"] for trial in result["trials"]]
        plateau, n_anew, seconds_anew, n_own = anew(asked, trials, Path(root))
    verdict = verdict_at(plateau, n_own)[0]
    verdict = {"yes": "saturated", "no": "not saturated"}.get(verdict, verdict)
    n_tokens, rungs = result["cost_of_study"]["n_tokens"], len(result["rungs"]) - 1
    share = sum(1 / 2**k for k in range(rungs))
    unhalved = (1 - asked.plan.cooldown + asked.plan.cooldown * share) / share
    smallest = [value if value is None else f"{value:,.0f}" for value in (result["smallest_budget"], plateau.smallest)]
    cells = [model, f"{n_tokens:,}", f"{n_anew:,}", f"{100 * n_tokens / n_anew:.1f}", f"{100 * unhalved:.0f}",
             f"{seconds:.0f}", f"{seconds_anew:.0f}", result["verdict"], verdict,
             *(value or "none" for value in smallest)]  # fmt: skip
    return f"| {' | '.join(cells)} |\n", asked, verdict == result["verdict"]


def main() -> None:
    lab, *models = sys.argv[1:]
    rows, asked = "", None
    for model in models or ["lab-old-16x150-a", "lab-new-24x300-a", "lab-old-32x450-a"]:
        text, asked, _ = row(Path(lab), model)
        print(text, end="", flush=True)
        rows += text
    assert asked is not None
    DOC.write_text(HEADER.format(**asked.plan.model_dump()) + rows + FOOTER, encoding="utf-8")


if __name__ == "__main__":
    main()
