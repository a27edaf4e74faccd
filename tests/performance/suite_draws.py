"""How often is a suite called saturated that is not, and how often one that is? Planted suites.

Writes docs/suite_draws.md. Run: python tests/performance/suite_draws.py [n_draws] (1,000 draws take some ten minutes).
"""

import sys
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from ttt.catalogue.definitions import Definitions
from ttt.cli.command import CONF
from ttt.comparison.sentences.saturation import on_suite
from ttt.imported.ingest import ingest
from ttt.imported.pattern import Pattern
from ttt.spec import Tracking
from ttt.stats.checks import Array
from ttt.stats.plateau import TOLERANCE
from ttt.stats.suite_plateau import SuiteJudgement, judge_suite_items
from ttt.study.ingested import judge_ingested
from ttt.tracking import Tracker

ROOT = Path(__file__).resolve().parents[2]
CUTOFF = "2023-11"
TURNED = 0.2
"""Share of the items that a model answers rightly at one of the two budgets only: what a correlation of an item's
latent ease of 0.8 makes of middling scores (docs/saturation_draws.md)."""
LEANING = 0.5
"""Items lean, for all models alike, to be gained or lost: of those that turn, from a quarter to three quarters."""


@dataclass(frozen=True)
class Suite:
    """Models to judge: family, newer (0 or 1; None: no groups), compute (FLOPs; None: no theta); shapes (n_models,)."""

    name: str
    families: np.ndarray
    newer: Array | None
    compute: Array | None
    n_items: tuple[int, ...]
    """Of the rows of the table."""


@dataclass(frozen=True)
class World:
    """What twice the budget truly adds to a score: to the newer group, to one model, and by luck.

    `luck` is the spread of what a training run gains by itself, `of_family` that of what families gain alike.
    """

    name: str
    is_flat: bool
    newer: float = 0.0
    single: float = 0.0
    luck: float = 0.0
    of_family: float = 0.0


WORLDS = (
    World("one group still rises by 0.02", False, newer=0.02),
    World("one group still rises by the tolerance", False, newer=TOLERANCE),
    World("one model still rises by 0.1", False, single=0.1),
    World("all flat", True),
    World("all flat, noisy", True, luck=0.005, of_family=0.005),
)
COLUMNS = (
    *("models", "world", "items", "falsely final", "rightly final", "called not saturated"),
    *("intervals that hold the truth", "width of theta's"),
)
PAGE = """# Can a suite be shown to be saturated, and how often is one that is not?

Planted suites: what every model answers to the same items at a budget and at twice the budget, {n_draws} draws a row,
tolerance {tolerance}. A model answers a fifth of the items otherwise at the second budget (as where an item's latent
ease correlates 0.8 between budgets), and items lean, for all models alike, to be gained or lost. Families, dates and
compute of the {n_public} are those of `conf/model`. "Noisy": the luck of every
training run has a standard deviation of 0.005 of the score, and so has what the models of a family gain alike.

`final=true` passes by the suite where the 95 % interval of each group's mean gain ends below the tolerance, that of
theta's change lies within plus and minus the tolerance, and no single model gains significantly more (Holm, 5 %,
one-sided). All numbers but the last are per cent of the draws; a share of 5 % is measured within {error:.1f} points
(one standard error). The last is the median width of the interval of theta's change, in score; of the mean gain's where
there is no theta.

{head}
{table}

What to take from it:

- A suite that still rises is called final in at most {worst:.1f} % of the draws.
- A flat suite of the public models is called final in {flat_2000:.0f} % of the draws with 2,000 validation items and in
  {flat_4000:.0f} % with 4,000. A single flat model is called saturated in 17 % of the draws
  with 2,000 items, and in 77 % with 14,000 ([saturation_draws.md](saturation_draws.md)).
- What decides is the interval of theta's change, which narrows with the root of the items and with more families. A few
  models in two groups need more items than many do; without groups there is no theta, and fewer items will do.
- Where training runs differ by luck more items help less, as every gain is of one run: the spread over models is in the
  intervals, and a model whose second run was lucky may be called still rising. More models help then.

## The release's own checkpoints

What the rule says of the paper's release, for MMLU after 3,000 and 4,000 steps and at the end of its three epochs, and
for GSM8K after 20,000 and 25,000 steps, of the models that have these checkpoints (`python -m ttt.saturate
ingested=true suite=published bench=mmlu budgets=[192000,256000]`). They are scores of the test, and totals without
their items: they show what the rule does, and no comparison is final by them.

{release}

Made by `python tests/performance/suite_draws.py`.
"""
CHECKPOINTS = (  # steps of 64 examples; MMLU's last is the end of three epochs
    ("mmlu", (3000 * 64, 4000 * 64)),
    ("mmlu", (4000 * 64, 3 * 99_842)),
    ("gsm8k", (20_000 * 64, 25_000 * 64)),
)
SHARED = ROOT.parent / "shared" / "published"


def public_models() -> Suite:
    """The public base models of conf/model."""
    files = (yaml.safe_load(path.read_text()) for path in sorted((ROOT / "conf" / "model").glob("*.yaml")))
    models = [model for model in files if model.get("kind") == "base" and model.get("hub")]
    newer = np.array([float(str(model["trained"]) >= CUTOFF) for model in models])
    compute = np.array([6.0 * model["n_params"] * model["n_tokens"] for model in models])
    families = np.array([model["family"] for model in models])
    return Suite(
        f"{len(models)} public models in {len(set(families))} families", families, newer, compute, (1000, 2000, 4000)
    )


def small_suites() -> list[Suite]:
    """Ten models in two groups, and eight of one time; each a family of its own."""
    compute = np.logspace(21, 23.5, 5)
    newer = np.repeat([0.0, 1.0], 5)
    ten = Suite(
        "10 models in 2 groups", np.arange(10), newer, np.concatenate([compute, 1.3 * compute]), (4000, 8000, 16000)
    )
    return [ten, Suite("8 models, no groups", np.arange(8), None, None, (1000, 2000, 4000))]


def draw(suite: Suite, world: World, n_items: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Gains of every model on every item, shape (n_models, n_items), and the models' true gains."""
    n = len(suite.families)
    codes = np.unique(suite.families, return_inverse=True)[1]
    truth = world.newer * (np.ones(n) if suite.newer is None else suite.newer)
    truth[rng.integers(n)] += world.single
    run = truth + world.luck * rng.standard_normal(n) + world.of_family * rng.standard_normal(codes.max() + 1)[codes]
    lean = LEANING * rng.uniform(-1, 1, n_items).astype(np.float32)
    gained = TURNED / 2 * (1 + lean) + run[:, None].astype(np.float32) / 2
    lost = TURNED / 2 * (1 - lean) - run[:, None].astype(np.float32) / 2
    luck = rng.random((n, n_items), dtype=np.float32)
    return (luck < gained).astype(float) - (luck > 1 - lost), truth


def hits(judged: SuiteJudgement, suite: Suite, truth: Array) -> list[bool]:
    """Whether each interval holds the truth."""
    groups = [np.ones(len(truth), bool)] if suite.newer is None else [suite.newer == side for side in (0.0, 1.0)]
    held = [gain.low <= truth[of].mean() <= gain.high for gain, of in zip(judged.gains, groups, strict=True)]
    if judged.theta_change is not None and suite.newer is not None and suite.compute is not None:
        x = np.log10(suite.compute)
        design = np.column_stack([suite.newer, np.ones(len(x)), x - x.mean()])
        held.append(judged.theta_change.low <= float(np.linalg.pinv(design)[0] @ truth) <= judged.theta_change.high)
    return held


def measure(
    suite: Suite, world: World, n_items: int, n_draws: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Shares of draws called final and not saturated, of intervals that hold the truth (%); the width of theta's."""
    final, risen, held, widths = 0, 0, [], []
    for _ in range(n_draws):
        gains, truth = draw(suite, world, n_items, rng)
        judged = judge_suite_items(gains, suite.families, suite.newer, suite.compute)
        final += judged.verdict == "saturated"
        risen += judged.verdict == "not saturated"
        held += hits(judged, suite, truth)
        change = judged.theta_change or judged.gains[0]
        widths.append(change.high - change.low)
    return 100 * final / n_draws, 100 * risen / n_draws, 100 * float(np.mean(held)), float(np.median(widths))


def release(page: Path) -> str:
    """The verdicts on the paper's release; what the page has already where the release is not at hand."""
    if not SHARED.is_dir():
        print(f"{SHARED} is absent: its verdicts are left as they are")
        return page.read_text().split("by them.\n\n")[1].split("\n\nMade by")[0]
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        tracker, definitions = Tracker(Tracking(root=folder)), Definitions([CONF])
        pattern = definitions.read("ingest", "published", Pattern)
        ingest(SHARED, "published", [pattern], definitions, lambda: tracker, lambda *_: None)
        for bench, budgets in CHECKPOINTS:
            found = judge_ingested(tracker, "published", bench, 0.7, TOLERANCE, CUTOFF, budgets)
            single = ", ".join(f"{n} {verdict}" for verdict, n in found.counts.items())
            lines.append(f"- {bench}: {on_suite(found.suite_saturation)}. Of "
                         f"single models: {single}.")  # fmt: skip
    return "\n".join(textwrap.fill(line, 120, subsequent_indent="  ") for line in lines)


def measured(n_draws: int) -> list[tuple[str, ...]]:
    """The rows of the table, for all suites and worlds."""
    rows = []
    for suite in (public_models(), *small_suites()):
        for number, planted in enumerate(WORLDS):
            name = planted.name if suite.newer is not None else planted.name.replace("one group", "all")
            for n_items in suite.n_items:
                rng = np.random.default_rng([17, n_items, number])
                final, risen, held, width = measure(suite, planted, n_items, n_draws, rng)
                shares = ("", f"{final:.1f}") if planted.is_flat else (f"{final:.1f}", "")
                rows.append((suite.name, name, f"{n_items}", *shares, f"{risen:.1f}", f"{held:.1f}", f"{width:.3f}"))
                print(*rows[-1], sep=" | ", flush=True)
    return rows


def write(rows: Sequence[tuple[str, ...]], n_draws: int) -> None:
    """The page."""
    page, public = ROOT / "docs" / "suite_draws.md", public_models()
    flat = {f"flat_{row[2]}": float(row[4]) for row in rows if row[:2] == (public.name, "all flat")}
    page.write_text(
        PAGE.format(
            n_draws=n_draws,
            tolerance=TOLERANCE,
            n_public=public.name,
            error=100 * np.sqrt(0.05 * 0.95 / n_draws),
            head="| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|",
            table="\n".join("| " + " | ".join(row) + " |" for row in rows),
            worst=max(float(row[3]) for row in rows if row[3]),
            release=release(page),
            **flat,
        )
    )


if __name__ == "__main__":
    n_draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    write(measured(n_draws), n_draws)
