"""A study of budgets against a brute-force sweep: every budget of every trial trained anew, with several seeds.

`python tests/performance/warm_rungs.py LAB [MODEL ...]` writes docs/warm_rungs.md. LAB is the folder of one of the
lab's worlds (`python -m ttt.pretrain`), such as mlruns/lab/s0.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ttt.cell.resolve import resolve
from ttt.cell.study_result import verdict_at
from ttt.cli.command import CONF
from ttt.saturate import Request, parse
from ttt.study.run import saturate
from ttt.study.setup import prepare_study
from ttt.study.trial import TrialTraining, score
from ttt.study.verdict import BudgetCurve, best_curve, judge
from ttt.tracking import Tracker

DOC = Path(__file__).parents[2] / "docs" / "warm_rungs.md"
SEEDS = (0, 1, 2)
MODELS = [f"lab-{family}-{rung}-a" for rung in ("16x150", "24x300", "32x450", "48x480") for family in ("old", "new")]
HEADER = """# Studies against brute force

One study a model of the lab: {n_trials} learning rates, {n_rungs} doubling budgets, the rate constant with a cool-down
at each rung, successive halving. Against it the same rates and budgets, each trained anew with the same schedule and
none of them stopped early: with the study's own seed ("anew"), and with {n_seeds} seeds, each item's score averaged
over them ("sweep"). Tokens trained on are what it costs; seconds are of one CPU thread, on a machine that did other
things beside it. Verdicts are on the adjustment's own budget of {n_own:,} examples; in brackets the 95 % interval of
what twice as many gain. The tolerance is {tolerance} here: the lab's validation split has {n_items} questions,
too few for the default of 0.01.

| model | tokens, study | tokens, anew | share, % | seconds, study | seconds, anew | verdict, study | verdict, anew | \
verdict, sweep | smallest, study | smallest, anew | smallest, sweep |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""
FOOTER = """
The last rung alone is half of a doubling ladder, so that going on from a checkpoint without halving costs
{unhalved:.0f} % of training every budget anew, the cool-downs included; the rest is what halving saves. A rung has to
the last bit the weights of the same budget and schedule trained anew (a test holds that), so that a study's verdict
differs from the one beside it only by the trials that halving stopped.

Made by `python tests/performance/warm_rungs.py`.
"""


@dataclass(frozen=True)
class Judged:
    verdict: str
    interval: str
    smallest: str


def request(lab: Path, model: str, root: str) -> Request:
    overrides = [f"model={model}", "bench=lab_facts", "adjustment=lab", "trainer=lab", f"tracking.root={root}",
                 f"lab.folder={lab.absolute()}", "study.n_trials=4", "study.compare_schedules=false",
                 "study.tolerance=0.05"]  # fmt: skip
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return parse(OmegaConf.to_container(compose("saturate", overrides=overrides), resolve=True))  # type: ignore[arg-type]


def anew(asked: Request, trials: list[dict[str, float]], seed: int, root: Path) -> tuple[BudgetCurve, int, float]:
    """The curve of all trials at all budgets, each trained from the start; tokens; seconds."""
    cell = asked.cell.model_copy(update={"seed": seed})
    tracker = Tracker(asked.tracking)
    resolved = resolve([cell], asked.trainer, tracker, True, lambda text: None)
    setup = prepare_study(asked.study, resolved, tracker, f"anew-{seed}", lambda text: None)
    backend = setup.model.backend
    items = [{0: score(backend, setup.validation, root / "base")[0]}]
    n_tokens, start = 0, perf_counter()
    for number, values in enumerate(trials):
        recipe = asked.study.recipe(cell.adjustment, cell.model, values)
        items.append({})
        for place, budget in enumerate(setup.ladder.budgets):
            folder = root / f"{seed}-{number}-{place}"
            n_tokens += TrialTraining(setup, recipe, folder).straight(place).n_tokens
            items[-1][budget] = score(backend, setup.validation, folder / "answers")[0]
    return best_curve([0, *setup.ladder.budgets], items), n_tokens, perf_counter() - start


def judged(asked: Request, curve: BudgetCurve) -> Judged:
    plateau, n_own = judge(curve, asked.study.tolerance), asked.cell.adjustment.examples
    assert n_own
    rung = next(rung for rung in plateau.rungs if rung.budget == n_own)
    smallest = "none" if plateau.smallest is None else f"{plateau.smallest:,.0f}"
    return Judged(verdict_at(plateau, n_own)[0], f"{rung.low:+.3f} to {rung.high:+.3f}", smallest)


def row(lab: Path, model: str) -> tuple[str, dict[str, Any]]:
    """A row of the table, and what the page says of all rows."""
    with tempfile.TemporaryDirectory() as root:
        asked = request(lab, model, root)
        start = perf_counter()
        result = saturate(asked.cell, asked.study, asked.trainer, Tracker(asked.tracking), lambda text: None)
        seconds = perf_counter() - start
        trials = [dict(trial.values) for trial in result.trials]
        swept = [anew(asked, trials, seed, Path(root)) for seed in SEEDS]
    curves, n_anew, seconds_anew = [curve for curve, _, _ in swept], swept[0][1], swept[0][2]
    mean = BudgetCurve(curves[0].budgets, np.mean([curve.items for curve in curves], axis=0), ())
    own = next(rung for rung in result.judged if rung.budget == asked.cell.adjustment.examples)
    smallest = "none" if result.smallest_budget is None else f"{result.smallest_budget:,.0f}"
    three = [Judged(result.verdict, f"{own.low:+.3f} to {own.high:+.3f}", smallest), judged(asked, curves[0]),
             judged(asked, mean)]  # fmt: skip
    n_tokens = int(result.cost_of_study.n_tokens)
    cells = [model, f"{n_tokens:,}", f"{n_anew:,}", f"{100 * n_tokens / n_anew:.1f}", f"{seconds:.0f}",
             f"{seconds_anew:.0f}", *(f"{of.verdict} ({of.interval})" for of in three),
             *(of.smallest for of in three)]  # fmt: skip
    spec = asked.study
    halves = sum(1 / 2**k for k in range(spec.n_rungs))
    facts = {**spec.model_dump(), "n_seeds": len(SEEDS), "n_own": asked.cell.adjustment.examples,
             "n_items": mean.items.shape[1],
             "unhalved": 100 * (1 - spec.cooldown + spec.cooldown * halves) / halves}  # fmt: skip
    return f"| {' | '.join(cells)} |\n", facts


def main() -> None:
    lab, *models = sys.argv[1:]
    rows, facts = "", dict[str, Any]()
    for model in models or MODELS:
        text, facts = row(Path(lab), model)
        print(text, end="", flush=True)
        rows += text
        DOC.write_text(HEADER.format(**facts) + rows + FOOTER.format(**facts), encoding="utf-8")


if __name__ == "__main__":
    main()
