"""For every sentence of a report, conclusions of which it is said and conclusions of which it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from tests.report import fakes, partial
from tests.report.variants import (
    ADJUSTED,
    AGREE,
    AHEAD,
    ALL_KNOWN,
    APART,
    BARE,
    BASE,
    BEHIND,
    BY_ERRORS,
    BY_SUITE,
    ERRORS,
    FLOORED,
    FORMATS,
    FULL,
    KEPT,
    LEVEL,
    NO_COMPUTE,
    NO_CROSS,
    NO_ERRORS,
    NO_TEST,
    NOT_ASKED,
    NOTED,
    NULLED,
    ONE_ERA,
    ONE_POINT,
    OPEN,
    OTHER_REMARKS,
    PAPER,
    PARTLY,
    PROVISIONAL,
    REMARKS,
    RISING,
    SATURATED,
    TIMELESS,
    TWO,
    UNKNOWN,
    UNPAIRED,
    UNTESTED,
    UNTIMED,
    by_budget,
    confound,
    effect,
    fit,
    sides,
)
from ttt.comparison.conclusions import Conclusions
from ttt.comparison.findings import OtherInference


class Example(NamedTuple):
    """Words of a sentence, conclusions of which it is said, and such of which it is not."""

    words: str
    yes: Conclusions
    no: Conclusions


EXAMPLES: dict[str, Example] = {
    "summary.neither-identified": Example(
        "score more at equal compute is not identified, before adjusting or after.",
        sides(UNKNOWN, UNKNOWN),
        sides(UNKNOWN, OPEN),
    ),
    "summary.only-after-identified": Example(
        "score more at equal compute is not identified; after it they score higher (+0.100, 95 % interval +0.050",
        sides(UNKNOWN, AHEAD),
        sides(AHEAD, AHEAD),
    ),
    "summary.only-before-identified": Example(
        "score higher before adjusting (+0.100, 95 % interval +0.050 to +0.150); after it theta is not identified.",
        sides(AHEAD, UNKNOWN),
        sides(UNKNOWN, UNKNOWN),
    ),
    "summary.difference-goes": Example(
        "score lower before adjusting (−0.100, 95 % interval −0.150 to −0.050); after every model had the same "
        "training on the test task, no difference is found (+0.010, 95 % interval −0.020 to +0.030).",
        sides(BEHIND, OPEN),
        sides(BEHIND, BEHIND),
    ),
    "summary.no-difference": Example(
        "is not significant before adjusting (+0.010, 95 % interval −0.020 to +0.030), nor after it",
        sides(OPEN, OPEN),
        sides(AHEAD, OPEN),
    ),
    "summary.difference-after": Example(
        "show no significant difference before adjusting (+0.010, 95 % interval −0.020 to +0.030), and score lower "
        "after it (−0.100, 95 % interval −0.150 to −0.050).",
        sides(OPEN, BEHIND),
        sides(OPEN, OPEN),
    ),
    "summary.one-side": Example(
        "score higher before adjusting (+0.068, 95 % interval +0.029 to +0.108, p < 0.001).",
        BASE,
        replace(BASE, base=UNKNOWN),
    ),
    "summary.one-side-not-identified": Example(
        "score more at equal compute before adjusting is not identified.", replace(BASE, base=UNKNOWN), BASE
    ),
    "summary.best-apart": Example("and is distinguished from every other of the 2 models.", APART, TWO),
    "summary.best-level": Example("have the same score after adjusting (0.300), the highest of 2 models.", LEVEL, TWO),
    "summary.best-tied": Example("scores highest after adjusting", TWO, FULL),
    "summary.no-theta": Example("(theta) is not fitted: it needs at least 4 models (there are 2).", TWO, FULL),
    "summary.adjusted-missing": Example("The adjusted half is not compared: how much of a difference", BASE, ADJUSTED),
    "summary.base-missing": Example("The base half is missing: what adjusting changed", ADJUSTED, BASE),
    "summary.used": Example("models without are left out (3).", replace(FULL, n_without_half=3), FULL),
    "summary.indirect-effect": Example(
        "By the indirect effect, a regression of its own, adjusting changes the difference by −0.071 (p < 0.001); "
        "theta, which assumes a point of emergence, changes by −0.073.",
        FULL,
        BARE,
    ),
    "summary.other-inference": Example(
        "By the paper's inference the difference before adjusting is significant (+0.100,",
        sides(OPEN, OPEN, other_inference=OtherInference("paper", AHEAD, OPEN)),
        sides(OPEN, OPEN),
    ),
    "summary.provisional-unsaturated": Example(
        "Provisional, as not every model is shown to be saturated, nor the suite as a whole.", PROVISIONAL, SATURATED
    ),
    "summary.provisional": Example("changes by −0.073. Provisional. run", SATURATED, PROVISIONAL),
    "summary.final-by-models": Example("Final: every model is shown to be saturated.", FULL, BY_SUITE),
    "summary.final-by-suite": Example("Final: the suite as a whole is shown to be saturated, though", BY_SUITE, FULL),
    "saturation.of-suite": Example(
        "The suite is saturated: from 6,400 to 12,800 examples mean gain of the older group +0.001 (−0.003 to +0.005), "
        "mean gain of the newer group +0.002 (−0.002 to +0.006), change of theta +0.001 (−0.003 to +0.005) (95 %; "
        "tolerance 0.01; 12 models, 2,000 validation items); no model is shown to gain more than the tolerance (lowest "
        "p 0.440 by Holm over 12 models).",
        BY_SUITE,
        RISING,
    ),
    "saturation.of-single-models": Example(
        "The suite is not saturated: yi-6b gains more than the tolerance of 0.01 (lowest p 0.003 by Holm", RISING, FULL
    ),
    "saturation.beyond": Example(
        "The suite is not saturated, by the intervals of the mean gain of the newer group and "
        "the change of theta outside the tolerance; from",
        replace(PROVISIONAL, suite_saturation=fakes.suite_saturation(newer=0.02, theta=0.02)),
        RISING,
    ),
    "saturation.open": Example(
        "The suite is not shown to be saturated, by the interval of the mean gain of the "
        "models, which is not inside the tolerance; from 6,400",
        replace(PROVISIONAL, suite_saturation=fakes.suite_saturation(older=0.008, theta=None)),
        BY_SUITE,
    ),
    "saturation.not-judged": Example(
        "The suite as a whole is not judged: no study covers falcon-7b-3.", PROVISIONAL, FULL
    ),
    "saturation.not-alone": Example(
        f"By its own study alone {FULL.models[0].model} would be called not saturated; among 12 models that is not",
        replace(BY_SUITE, models=[replace(FULL.models[0], saturation="no", saturated=False), *FULL.models[1:]]),
        BY_SUITE,
    ),
    "saturation.remarks": Example(
        "Of these intervals: models are taken as independent.",
        replace(FULL, suite_saturation=fakes.suite_saturation(theta_change=NOTED)),
        FULL,
    ),
    "saturation.how": Example("by the validation items of its models' studies, never by the test", FULL, PROVISIONAL),
    "before-after.marks": Example("A mark is a model; whiskers reach 1.96 standard errors", FULL, NO_COMPUTE),
    "before-after.lines": Example("The lines are one fit with a shared slope", FULL, BARE),
    "before-after.one-line": Example("The line is one fit to all models,", ONE_ERA, FULL),
    "before-after.chance-left": Example("(0.250), which the score leaves at the point of emergence.", FULL, BARE),
    "before-after.chance": Example("The dotted line is chance (0.250).", FLOORED, FULL),
    "before-after.floor": Example("where it is not chance: 0.181 before adjusting.", FLOORED, FULL),
    "emergence.older": Example("For the older group alone.", FULL, BARE),
    "emergence.all": Example("For all models. The point of emergence", ONE_ERA, FULL),
    "emergence.panels": Example("whiskers are 95 % intervals, and one that runs", FULL, BARE),
    "emergence.same-models": Example(
        "Every budget has the same 36 models; left out are those that were not scored at every one: llama-13b.",
        by_budget({"left_out": ["llama-13b"]}),
        by_budget({"left_out": ["llama-13b"]}, {"left_out": []}),
    ),
    "emergence.different-models": Example(
        "Not every budget has the same models, but all that were scored there (35 to 36)",
        by_budget({"left_out": ["llama-13b"], "n": 35}, {"left_out": []}),
        by_budget({"left_out": ["llama-13b"], "n": 35}),
    ),
    "emergence.set-aside": Example(
        "Left out of both are models that score below half of chance, as without valid answers: at 0 examples llama-7b",
        by_budget({"examples": 0.0, "set_aside": ["llama-7b"]}, {}),
        FULL,
    ),
    "emergence.budgets-left-out": Example(
        "at which too few of the models were scored: 480,000 examples.",
        replace(FULL, budgets_left_out=[480_000.0]),
        FULL,
    ),
    "emergence.whole": Example(
        "“All” is after the whole adjustment:", by_budget({}, {}, {}, {}, {"examples": None}), FULL
    ),
    "emergence.crosses": Example("A cross means that the data do not say", FULL, NO_CROSS),
    "emergence.meaning": Example("what emerged there was knowing the task.", FULL, ONE_POINT),
    "frontier.area": Example("adds to the frontier is 0.181 before adjusting and 0.033 after", FULL, TWO),
    "frontier.one": Example("A step is a model that no other one", TWO, FULL),
    "cost.time": Example("The time of a cell (adjusting and evaluating)", FULL, TIMELESS),
    "cost.time-base": Example("The time of evaluating against the base score,", BASE, UNTIMED),
    "description.provisional": Example("Provisional. Score against pretraining compute", PROVISIONAL, FULL),
    "description.before-after": Example("Before adjusting: θ = +0.068 (95 %: +0.029 to +0.108).", FULL, AGREE),
    "description.emergence": Example("Point of emergence, and R² of score on compute, against the", FULL, BARE),
    "description.frontier": Example("Best score to be had for a compute. Area", FULL, NO_COMPUTE),
    "description.frontier-area": Example("Area that the newer group adds: 0.181 before adjusting", FULL, TWO),
    "description.cost": Example("Score against the time of each model's cell.", FULL, TIMELESS),
    "absent.adjusted-half": Example("once all have had the same training on the test task, and", BASE, ADJUSTED),
    "absent.base-half": Example("what each gained by adjusting, and the indirect effect.", ADJUSTED, BASE),
    "absent.theta": Example("at equal compute needs at least 4 models (there are 2).", TWO, FULL),
    "absent.compute": Example("the compute of no model is known: it takes", NO_COMPUTE, TWO),
    "absent.emergence": Example("fewer than two budgets of adjusting were scored on as many", BARE, FULL),
    "absent.cost": Example("the time of fewer than two models is known.", TIMELESS, FULL),
    "absent.discriminator": Example("it needs at least five models a group.", BARE, FULL),
    "absent.confound": Example("it needs older models that were adjusted for one epoch", BARE, NOT_ASKED),
    "absent.confound-not-asked": Example("it was not asked for.", NOT_ASKED, BARE),
    "theta.remarks": Example("Clustered inference, after adjusting: the split follows compute.", REMARKS, FULL),
    "theta.other-remarks": Example("The paper's inference, before adjusting: as in the paper.", OTHER_REMARKS, FULL),
    "theta.floor-at-chance": Example("reject it at 2.0 % (after adjusting p 0.410).", FLOORED, BARE),
    "theta.standard-errors": Example(
        "Before adjusting theta's standard error is 0.020 by clustered inference and 0.020 by paper inference.",
        ERRORS,
        sides(OPEN, OPEN),
    ),
    "theta.lose-and-count": Example("0 of 12 models lose by adjusting and count as they are.", FULL, KEPT),
    "theta.lose-and-keep": Example("0 of 12 models lose by adjusting and keep their base score.", KEPT, FULL),
    "theta.holds-zero": Example("An interval that holds 0 does not show", sides(AHEAD, OPEN), sides(AHEAD, BEHIND)),
    "theta.not-identified": Example("“Not identified” means that these models cannot settle", BARE, ALL_KNOWN),
    "effects.direct": Example("The direct effect is how far the newer group is ahead", FULL, BASE),
    "effects.indirect": Example("The indirect effect is what that training takes away", FULL, ADJUSTED),
    "direct.none": Example(
        "the data are compatible with no lead at all.", FULL, replace(FULL, direct_effect=effect(0.1, 0.2))
    ),
    "direct.ahead": Example(
        "Direct: the newer group is ahead for other reasons", replace(FULL, direct_effect=effect(0.1, 0.2)), FULL
    ),
    "direct.behind": Example("Direct: given the same training,", replace(FULL, direct_effect=effect(-0.2, -0.1)), FULL),
    "indirect.none": Example(
        "that the training takes away nothing", replace(FULL, indirect_effect=effect(-0.1, 0.1)), FULL
    ),
    "indirect.takes-away": Example(
        "Indirect: so much of the lead goes", FULL, replace(FULL, indirect_effect=effect(-0.1, 0.1))
    ),
    "indirect.adds": Example(
        "gained more by adjusting than the older", replace(FULL, indirect_effect=effect(-0.2, -0.1)), FULL
    ),
    "effects.not-identified": Example("Not identified: the split follows compute.", BARE, FULL),
    "effects.set-aside": Example(
        "Models that the fits of the same scores leave out are in no effect: pythia-70m.",
        replace(FULL, adjusted=replace(FULL.adjusted, set_aside=["pythia-70m"])),
        FULL,
    ),
    "effects.control": Example("The effects control for compute piecewise linearly", FULL, BARE),
    "discriminator.before": Example("in 64.0 % of cases (in five folds, balanced over the groups", FULL, BARE),
    "discriminator.null": Example("With the groups’ names shuffled it gets 50.3 %", FULL, NULLED),
    "discriminator.after": Example("Against the older models after adjusting it gets 52.0 % (p 0.410)", FULL, BARE),
    "discriminator.leave-one-out": Example("as the paper does, it is 64.6 % before and 52.2 % after", FULL, BARE),
    "discriminator.set-aside": Example(
        "and not in this, are pythia-70m.",
        replace(FULL, discriminator=replace(FULL.discriminator, set_aside=["pythia-70m"])),
        FULL,
    ),
    "confound.set-aside": Example("without valid answers, are pythia-70m.", confound(set_aside=["pythia-70m"]), FULL),
    "confound.what": Example("two at random, 500 times (30 models in 12 families, each of which", FULL, BARE),
    "confound.paper": Example("1 of up to 6.48 × 10²¹ FLOPs are never in the half that trains;", PAPER, FULL),
    "confound.keep-best": Example("(policy keep_best).", confound(policy="keep_best"), PAPER),
    "confound.few-families": Example("There are fewer than 8 families: models", confound(level="models"), FULL),
    "confound.left-out": Example("Left out are 2 older models that lack", FULL, confound(left_out=[])),
    "confound.null": Example("5.2 % (nobody trained) and 4.6 % (both trained) of the splits", FULL, UNTESTED),
    "confound.no-test": Example("With fewer than 8 models to divide no split could be significant", UNTESTED, FULL),
    "confound.released": Example("θ +0.019 with nobody trained, +0.092 with one half trained", PAPER, FULL),
    "title.both": Example("mmlu, before and after the same training on the test task", FULL, BASE),
    "title.base": Example("mmlu, before any training on the test task that is known", BASE, FULL),
    "title.adjusted": Example(" mmlu, after the same training on the test task", ADJUSTED, BASE),
    "heading.models": Example("published/mmlu: 12 models, adjusted by full; ", FULL, AGREE),
    "ranking.tau": Example("ranking before and after adjusting is 0.742 (95 %: 0.611 to 0.834)", FULL, BARE),
    "ranking.by-adjusted": Example("By the score after adjusting. “Saturated”", ADJUSTED, BASE),
    "ranking.by-base": Example("By the base score. Models", BASE, FULL),
    "ranking.moved": Example("“Moved” counts places won or lost by adjusting.", FULL, BASE),
    "ranking.columns": Example("Models with the same number under “tie”", FULL, AGREE),
    "ranking.paired": Example("Ties are tested on the same items,", FULL, replace(FULL, tie_test="unpaired")),
    "ranking.unpaired": Example(
        "Ties are tested by standard errors alone,", UNPAIRED, replace(BARE, tie_test="unpaired")
    ),
    "ranking.untested": Example("Ties could not be tested", replace(BARE, tie_test="unpaired"), UNPAIRED),
    "ranking.partly-tested": Example(f"of {FULL.models[0].model} no standard error is known", PARTLY, UNPAIRED),
    "ranking.kept-base": Example("a model that lost by adjusting keeps its base score,", KEPT, FULL),
    "ranking.errors": Example("± is one standard error.", FULL, NO_ERRORS),
    "ranking.asterisk": Example("* its base score, which is better", KEPT, FULL),
    "pairs.what": Example("keeps false discoveries among all pairs", TWO, FULL),
    "pairs.items": Example("On the items that both answered.", TWO, BY_ERRORS),
    "pairs.by-errors": Example("as if the models had answered different questions:", BY_ERRORS, TWO),
    "pairs.untested": Example("A pair without p could not be tested:", NO_TEST, TWO),
    "words.adjusting": Example("fine-tuning every model on the same, sufficient data", FULL, AGREE),
    "words.compute": Example("C = 6 N D: FLOPs of pretraining", FULL, NO_COMPUTE),
    "words.θ": Example("what the newer group scores above the older one at equal compute.", FULL, TWO),
    "words.c_e": Example("the point of emergence: the compute at which", FULL, TWO),
    "words.floor": Example("what the older models score below c_e: chance, unless", FULL, TWO),
    "words.R²": Example("the share of the score’s variance that the fit explains", FULL, TWO),
    "words.saturated": Example("a larger budget of adjusting would not raise the score by more", FULL, BASE),
    "standing.provisional": Example("Provisional. These conclusions may change:", PROVISIONAL, FULL),
    "agreement.tau": Example(
        "Kendall's tau over 12 models: mmlu and gsm8k 0.50 before and 0.80 after adjusting.",
        AGREE,
        partial.agreement(None, None),
    ),
    "agreement.not-identified": Example(
        "Kendall's tau over 12 models: not identified.", partial.agreement(None, None), AGREE
    ),
    "formats.theta": Example("equal compute: cloze base +0.068 (+0.029 to +0.108);", FORMATS, partial.formats(UNKNOWN)),
    "formats.not-identified": Example(
        "is not identified in any format: a fit needs at least 4 models (there are 2).",
        partial.formats(fit(None, note="a fit needs at least 4 models (there are 2)")),
        FORMATS,
    ),
}
