"""The paper's release reproduced from its result files; skipped where ../shared/published is absent."""

import numpy as np
import pytest

from tests.stats.published import CHANCE, EXPECTED, WITHIN, adjusted_folder, facts, needs_published, step, table
from ttt.stats.confound import recreate_confound
from ttt.stats.discriminator import discriminate
from ttt.stats.effects import direct_effect, indirect_effect
from ttt.stats.emergence import emergence
from ttt.stats.frontier import frontier_gain
from ttt.stats.plateau import judge_scores
from ttt.stats.ranking import kendall
from ttt.stats.released_confound import never_trained, released_theta, split_as_released
from ttt.stats.scaling import fit_scaling
from ttt.stats.suite_plateau import judge_suite_scores

pytestmark = [needs_published, pytest.mark.real]
BENCHES = ("mmlu", "gsm8k")
BENCHES_AND_SCORES = [(bench, side) for bench in BENCHES for side in ("base", "adjusted")]
PLACE = {"base": 0, "adjusted": 1}


def fit(bench, scores, split="newer", **options):
    """Fit of one bench's base or adjusted scores."""
    models = table(bench)
    return fit_scaling(
        10**models.log_compute,
        getattr(models, scores),
        getattr(models, split),
        chance=CHANCE[bench],
        clusters=models.family,
        **options,
    )


def older(bench, n):
    """Compute, score and family of the older models at a step."""
    known = [(facts()[m], score) for m, score in step(bench, n).items() if not facts()[m].newer]
    return [f.compute for f, _ in known], [score for _, score in known], [f.family for f, _ in known]


@pytest.mark.parametrize(("bench", "scores"), BENCHES_AND_SCORES)
def test_theta_and_emergence_of_the_release(bench, scores):
    models = table(bench)
    assert len(models.names) == 53
    assert (models.base == models.adjusted).sum() == 8  # models that lost by adjusting and were kept at their best
    result = fit(bench, scores, inference="paper")
    assert (result.theta, result.theta_se, result.r2) == pytest.approx(EXPECTED[bench][scores], abs=WITHIN)
    assert result.c_e == pytest.approx(EXPECTED[bench]["c_e"][PLACE[scores]], rel=0.02)


@pytest.mark.parametrize(("bench", "scores"), BENCHES_AND_SCORES)
def test_theta_by_languages_of_the_release(bench, scores):
    theta = EXPECTED[bench]["languages"][PLACE[scores]]
    assert fit(bench, scores, "chinese", inference="paper").theta == pytest.approx(theta, abs=WITHIN)


def test_the_release_stopped_at_a_local_optimum_once_and_the_note_says_so():
    noted = {
        (bench, scores, split): "stopped short" in fit(bench, scores, split, inference="paper").note
        for bench in BENCHES
        for scores in ("base", "adjusted")
        for split in ("newer", "chinese")
    }
    assert [key for key, short in noted.items() if short] == [("gsm8k", "base", "chinese")]


@pytest.mark.parametrize("bench", BENCHES)
def test_direct_and_indirect_effects_of_the_release(bench):
    models = table(bench)
    compute = 10**models.log_compute
    direct = direct_effect(compute, models.adjusted, models.newer, inference="paper")
    indirect = indirect_effect(compute, models.base, models.adjusted, models.newer, inference="paper")
    assert (direct.estimate, direct.se) == pytest.approx(EXPECTED[bench]["direct_effect"], abs=WITHIN)
    assert (indirect.estimate, indirect.se) == pytest.approx(EXPECTED[bench]["indirect_effect"], abs=WITHIN)


@pytest.mark.parametrize("bench", BENCHES)
def test_frontier_areas_of_the_release(bench):
    models = table(bench)
    areas = [frontier_gain(10**models.log_compute, y, models.newer).area for y in (models.base, models.adjusted)]
    assert areas == pytest.approx(EXPECTED[bench]["pareto_area"], abs=WITHIN)


@pytest.mark.parametrize("bench", BENCHES)
def test_compute_predicts_scores_better_as_older_models_adjust(bench):
    steps = EXPECTED[bench]["steps"]
    names = [m for m in facts() if not facts()[m].newer]
    scores = {64 * n: [step(bench, n).get(m, np.nan) for m in names] for n in steps}
    compute, families = [facts()[m].compute for m in names], [facts()[m].family for m in names]
    rows = emergence(compute, scores, chance=CHANCE[bench], clusters=families)
    assert [row.r2 for row in rows] == pytest.approx([*steps.values()], abs=WITHIN)
    assert all(row.identified for row in rows)
    assert [row.c_e for row in rows] == sorted((row.c_e for row in rows), reverse=True)
    assert rows[-1].c_e_high < rows[0].c_e_low


@pytest.mark.parametrize(("n", "place"), [(0, 0), (1000, 1)])
@pytest.mark.parametrize("bench", BENCHES)
def test_discriminator_of_the_release(bench, n, place):
    """The release's trees are another library's: near their figure, and apart from chance before adjusting alone."""
    compute, score, _ = older(bench, n)
    newer = [(facts()[m].compute, s) for m, s in step(bench, 0).items() if facts()[m].newer]
    result = discriminate(compute, score, *zip(*newer, strict=True), n_permutations=39)
    assert result.accuracy == pytest.approx(EXPECTED[bench]["discriminator"][place], abs=0.025)
    assert (result.p <= 0.05) == (n == 0)


@pytest.mark.parametrize("bench", BENCHES)
def test_the_confound_recreated_over_many_splits(bench):
    stages = [step(bench, 0), *(adjusted_folder(stage, bench) for stage in ("e1", "e2", "e1+2"))]
    names = [m for m in facts() if not facts()[m].newer and all(m in stage for stage in stages)]
    assert len(names) == 30
    columns = [[stage[m] for m in names] for stage in stages]
    families = [facts()[m].family for m in names]
    compute = [facts()[m].compute for m in names]
    result = recreate_confound(compute, *columns, chance=CHANCE[bench], clusters=families, n_splits=200)
    assert (result.level, result.n_units) == ("clusters", 12)
    assert result.half_trained.low > 0
    assert result.half_trained.mean > 0.05
    assert result.half_trained.share_significant > 0.4
    assert result.all_adjusted.low < 0 < result.all_adjusted.high
    assert abs(result.all_adjusted.mean) < 0.02
    for placebo in (result.untouched, result.both_trained):
        assert 0.03 <= placebo.share_significant <= 0.07


@pytest.mark.parametrize("bench", BENCHES)
def test_the_confound_by_the_releases_design(bench):
    """The smallest never train, the other half is adjusted to folder e3, and the better of before and after counts."""
    stages = {of: [step(of, 0), *(adjusted_folder(stage, of) for stage in ("e1", "e2", "e3"))] for of in BENCHES}
    names = [m for m in facts() if not facts()[m].newer and all(m in s for of in BENCHES for s in stages[of])]
    compute = np.array([facts()[m].compute for m in names])
    base, once, twice, thrice = (np.array([stage[m] for m in names]) for stage in stages[bench])
    scores = [base, np.maximum(base, once), np.maximum(base, twice), np.maximum(once, thrice)]
    assert (len(names), never_trained(compute).sum()) == (31, 6)
    result = recreate_confound(
        compute, *scores, chance=CHANCE[bench], untrained=never_trained(compute), n_splits=200, n_permutations=39
    )
    means = [state.mean for state in (result.untouched, result.half_trained, result.all_adjusted)]
    assert means == pytest.approx(EXPECTED[bench]["confound"], abs=0.01)
    half = split_as_released(names, compute)
    pairs = ((scores[0], scores[0]), (scores[1], scores[0]), (scores[3], scores[2]))
    own = [released_theta(compute, np.where(half, a, b), half, chance=CHANCE[bench]) for a, b in pairs]
    assert own == pytest.approx(EXPECTED[bench]["confound_of_seed_42"], abs=WITHIN)


@pytest.mark.parametrize("bench", BENCHES)
def test_proper_inference_is_less_sure_than_the_releases(bench):
    before, after = fit(bench, "base"), fit(bench, "adjusted")
    assert before.n_clusters == 22
    assert before.theta_se > 1.5 * fit(bench, "base", inference="paper").theta_se
    assert after.theta_low < 0 < after.theta_high
    assert before.c_e_low > after.c_e_high
    assert before.c_e_low < before.c_e < before.c_e_high


def test_benches_agree_on_the_ranking():
    first, second = table("mmlu"), table("gsm8k")
    assert first.names == second.names
    for scores in ("base", "adjusted"):
        tau = kendall(getattr(first, scores), getattr(second, scores), clusters=first.family)
        assert 0.5 < tau.low < tau.estimate < tau.high < 1


def test_last_budgets_of_mmlu_are_not_unsaturated():
    names = [m for m in step("mmlu", 3000) if m in step("mmlu", 4000)]
    verdicts = []
    for m in names:
        scores = [step("mmlu", n)[m] for n in (3000, 4000)]
        stderrs = [np.sqrt(score * (1 - score) / 14042) for score in scores]
        verdicts.append(judge_scores([3000, 4000], scores, stderrs, 14042, correlation=0.7).rungs[0].verdict)
    assert verdicts.count("not saturated") == 0
    assert verdicts.count("saturated") > len(names) / 2


@pytest.mark.parametrize(("bench", "before", "after"), [("mmlu", 3000, 4000), ("gsm8k", 20_000, 25_000)])
def test_theta_changes_by_what_the_newer_group_gains_at_equal_compute(bench, before, after):
    """The difference of the two fits, each with its own point of emergence, and the one regression of the gains."""
    names = [m for m in step(bench, before) if m in step(bench, after)]
    first, second = (np.array([step(bench, n)[m] for m in names]) for n in (before, after))
    compute, newer = [facts()[m].compute for m in names], [float(facts()[m].newer) for m in names]
    thetas = [
        fit_scaling(compute, scores, newer, chance=CHANCE[bench], n_replicates=9).theta for scores in (first, second)
    ]
    families = [facts()[m].family for m in names]
    judged = judge_suite_scores(second - first, np.full(len(names), 0.005), families, newer, compute)
    assert judged.theta_change.estimate == pytest.approx(thetas[1] - thetas[0], abs=0.0005)
