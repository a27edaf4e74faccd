"""The paper's release, ingested and compared as its authors did, and as one should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED
from tests.stats.published import EXPECTED, WITHIN
from ttt.catalogue.definitions import Definitions
from ttt.cli.command import CONF
from ttt.comparison.benches import bench_conclusions
from ttt.comparison.conclude import conclude
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.inputs import read_inputs
from ttt.comparison.models import PAPER_CUTOFF
from ttt.comparison.options import Options
from ttt.imported.ingest import ingest
from ttt.imported.pattern import Pattern
from ttt.spec import SpecError, Tracking
from ttt.study.ingested import judge_ingested
from ttt.tracking import Tracker

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (SHARED / "published").is_dir(), reason="the public release is absent: ../shared/published"),
]
RELEASE = {"score_rule": "paper", "policy": "keep_best", "inference": "paper"}
STATES = ("untouched", "half_trained", "all_adjusted")
BATCH = 64


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    tracker = Tracker(Tracking(root=str(tmp_path_factory.mktemp("published"))))
    definitions = Definitions([CONF])
    pattern = definitions.read("ingest", "published", Pattern)
    ingest(SHARED / "published", "published", [pattern], definitions, lambda: tracker, lambda *_: None)
    return tracker


def compared(store: Tracker, bench: str, **asked: Any) -> BenchConclusions:
    options = Options(suite="published", **asked)
    return conclude(store, read_inputs(store, bench, options), options)


@pytest.fixture(scope="module", params=sorted(EXPECTED))
def release(store: Tracker, request: pytest.FixtureRequest) -> tuple[BenchConclusions, dict[str, Any]]:
    """What the release's choices give for a bench, and what the paper has."""
    found = compared(
        store, request.param, confound="paper", discriminator_examples=1000 * BATCH, n_permutations=1, **RELEASE
    )
    return found, EXPECTED[request.param]


def test_the_release_is_reproduced(release: tuple[BenchConclusions, dict[str, Any]]) -> None:
    found, expected = release
    assert found.n_models == 53
    assert (found.n_lose, found.n_kept_base) == (8, 8)
    assert found.excluded == []
    for side in ("base", "adjusted"):
        numbers = [getattr(getattr(found, side), name) for name in ("theta", "theta_se", "r2")]
        assert numbers == pytest.approx(expected[side], abs=WITHIN)
    assert [found.base.c_e, found.adjusted.c_e] == pytest.approx(expected["c_e"], rel=0.02)
    for effect in ("direct_effect", "indirect_effect"):
        assert [getattr(getattr(found, effect), name) for name in ("estimate", "se")] == pytest.approx(
            expected[effect], abs=WITHIN
        )
    assert [found.pareto_area.base, found.pareto_area.adjusted] == pytest.approx(expected["pareto_area"], abs=WITHIN)


def test_emergence_of_the_release(release: tuple[BenchConclusions, dict[str, Any]]) -> None:
    found, expected = release
    r2 = {row.examples: row.r2 for row in found.emergence if row.measure == "score"}
    steps = {step: r2[BATCH * step] for step in expected["steps"]}
    assert steps == pytest.approx(expected["steps"], abs=WITHIN)
    known = [examples for examples in r2 if examples is not None]
    assert max(known) == (299_526 if found.bench == "mmlu" else 1_600_000)
    assert (None in r2) == (found.bench == "gsm8k"), "it does not say how many its mathematical data are"


def test_a_curve_over_budgets_is_of_the_same_models(store: Tracker) -> None:
    found = compared(store, "gsm8k", confound="none", n_permutations=1)
    assert {(row.n, tuple(row.left_out)) for row in found.emergence} == {(29, tuple(found.emergence[0].left_out))}
    assert len(found.emergence[0].left_out) == 5
    assert found.budgets_left_out == [BATCH * step for step in (7500, 12500, 17500, 22500)]


def test_the_discriminator_of_the_release(release: tuple[BenchConclusions, dict[str, Any]]) -> None:
    found, expected = release
    accuracy = [found.discriminator.base.accuracy, found.discriminator.adjusted.accuracy]
    assert accuracy == pytest.approx(expected["discriminator"], abs=0.025)
    assert accuracy[0] > accuracy[1] + 0.1


def test_the_confound_is_recreated_as_released(release: tuple[BenchConclusions, dict[str, Any]]) -> None:
    found, expected = release
    confound = found.confound
    assert (confound.n_models, len(confound.untrained), len(confound.left_out)) == (31, 6, 3)
    assert [getattr(confound, state).mean for state in STATES] == pytest.approx(expected["confound"], abs=0.01)
    own = [getattr(confound.released_split, state) for state in STATES]
    assert own == pytest.approx(expected["confound_of_seed_42"], abs=WITHIN)
    assert 0.03 <= confound.untouched.share_significant <= 0.07
    assert 0.03 <= confound.both_trained.share_significant <= 0.07


@pytest.mark.parametrize("bench", sorted(EXPECTED))
def test_languages_of_the_release(store: Tracker, bench: str) -> None:
    found = compared(store, bench, split="languages", confound="none", n_permutations=1, **RELEASE)
    thetas = [found.base.theta, found.adjusted.theta]
    assert thetas == pytest.approx(EXPECTED[bench]["languages"], abs=WITHIN)


def test_proper_inference_is_less_sure_and_says_so(store: Tracker) -> None:
    found = compared(store, "mmlu", confound="none", n_permutations=1)
    own, paper = found.base, found.other_inference.base
    assert own.theta_se > 1.5 * paper.theta_se
    assert own.theta_low < 0 < own.theta_high
    assert paper.theta_low > 0
    assert "not significant before adjusting" in found.summary
    assert "By the paper's inference the difference before adjusting is significant" in found.summary
    assert "lose by adjusting and count as they are" in found.other_inference.note


def test_the_benches_agree_on_the_models(store: Tracker, tmp_path: Path) -> None:
    found = bench_conclusions(store, ["mmlu", "gsm8k"], Options(suite="published", score_rule="paper"))
    assert found.n_models == 53
    for side in ("base", "adjusted"):
        tau = getattr(found.pairs[0], side)
        assert 0.5 < tau.low < tau.estimate < tau.high < 1
        assert getattr(found.first_component, side).estimate > 0.8


def test_the_suite_of_the_release_by_its_checkpoints(store: Tracker) -> None:
    """MMLU from 3,000 to 4,000 steps is enough for the suite, where 28 of 53 models are open; GSM8K is open still.

    These are scores of the test, by which the rule is shown here and no comparison is final.
    """
    mmlu, to_the_end, gsm8k = (
        judge_ingested(store, "published", bench, 0.7, 0.01, PAPER_CUTOFF, [BATCH * step for step in steps])
        for bench, steps in (("mmlu", (3000, 4000)), ("mmlu", (4000, 3 * 99_842 / BATCH)), ("gsm8k", (20_000, 25_000)))
    )
    assert mmlu.counts == {"saturated": 25, "not saturated": 0, "undecided": 28}
    suite = mmlu.suite_saturation
    assert (suite.verdict, suite.n_models, suite.budget, suite.later) == ("saturated", 53, 3000 * BATCH, 4000 * BATCH)
    assert suite.theta_change is not None
    assert -0.01 < suite.theta_change.low < 0.0017 < suite.theta_change.high < 0.01
    assert (mmlu.without_checkpoints, suite.rising) == ((), [])
    assert to_the_end.suite_saturation.rising == ["pythia-410m"], "it was below its base model after 4,000 steps"
    suite = gsm8k.suite_saturation
    assert (suite.verdict, suite.n_models, suite.budget, suite.later) == (
        "undecided",
        45,
        20_000 * BATCH,
        25_000 * BATCH,
    )
    assert suite.theta_change is not None
    assert suite.theta_change.low < -0.01 < suite.theta_change.estimate < 0.01 < suite.theta_change.high
    assert suite.rising == []
    options = Options(suite="published", final=True, confound="none")
    with pytest.raises(SpecError, match=r"not judged yet"):
        conclude(store, read_inputs(store, "mmlu", options), options)
