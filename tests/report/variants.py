"""Made-up conclusions in which one thing differs: what is said of one of them and not of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.report import fakes, partial
from ttt.cell.suite_result import SuiteChange
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.demonstrations import ReleasedSplit
from ttt.comparison.findings import EffectSize, Fit, OtherInference


def fit(theta: float | None, low: float | None = None, high: float | None = None, **changes: Any) -> Fit:
    return replace(fakes.bare().base, theta=theta, theta_low=low, theta_high=high, **{"note": "", **changes})


AHEAD, BEHIND, OPEN, UNKNOWN = fit(0.1, 0.05, 0.15), fit(-0.1, -0.15, -0.05), fit(0.01, -0.02, 0.03), fit(None)


def sides(base: Fit, adjusted: Fit, **changes: Any) -> BenchConclusions:
    """Conclusions of these fits, with which the other inference agrees."""
    given = {"base": base, "adjusted": adjusted, "other_inference": OtherInference("paper", base, adjusted)}
    return replace(FULL, **{**given, **changes})


def effect(low: float | None, high: float | None, estimate: float | None = None) -> EffectSize:
    middle = (low + high) / 2 if low is not None and high is not None else estimate
    return replace(FULL.direct_effect, estimate=middle, low=low, high=high, p=0.2)


FULL, BARE, PROVISIONAL = fakes.conclusions(12), fakes.bare(), fakes.provisional()
AGREE, FORMATS = partial.agreement(), partial.formats()
KEPT = replace(FULL, policy="keep_best", models=[replace(FULL.models[0], kept_base=True), *FULL.models[1:]])
BY_SUITE = replace(FULL, final_by="suite")
RISING = replace(
    PROVISIONAL, suite_saturation=fakes.suite_saturation(verdict="not saturated", rising=["yi-6b"], lowest_p=0.003)
)
NOTED = SuiteChange(0.0, -0.001, 0.001, "saturated", 12, 12, "models are taken as independent")
SATURATED = replace(PROVISIONAL, models=[replace(row, saturated=True) for row in PROVISIONAL.models])
TIMELESS = replace(FULL, models=[replace(row, seconds=None) for row in FULL.models])
NO_CROSS = replace(FULL, emergence=[replace(row, c_e=row.c_e or 1e22) for row in FULL.emergence])
ONE_POINT = replace(
    FULL, emergence=[replace(row, c_e=row.c_e if i == 1 else None) for i, row in enumerate(FULL.emergence)]
)
FLOORED = replace(FULL, base=replace(FULL.base, floor=0.181, floor_fitted=True, floor_p=0.001))
ALL_KNOWN = sides(*(replace(one, c_e=1e22) for one in (AHEAD, BEHIND)))
assert FULL.discriminator is not None
NULLED = replace(FULL, discriminator=replace(FULL.discriminator, base=replace(FULL.discriminator.base, null_mean=None)))
REMARKS = sides(
    OPEN, replace(OPEN, note="the split follows compute"), other_inference=OtherInference("paper", OPEN, OPEN)
)
OTHER_REMARKS = sides(OPEN, OPEN, other_inference=OtherInference("paper", replace(OPEN, note="as in the paper"), OPEN))
assert FULL.confound is not None


def confound(**changes: Any) -> BenchConclusions:
    """Conclusions with these parts of the confound."""
    assert FULL.confound is not None
    return replace(FULL, confound=replace(FULL.confound, **changes))


def by_budget(*changes: dict[str, Any]) -> BenchConclusions:
    """Conclusions whose first budgets are changed so, the others as the last of these."""
    rows = enumerate(FULL.emergence)
    return replace(FULL, emergence=[replace(row, **changes[min(i, len(changes) - 1)]) for i, row in rows])


UNTESTED = confound(untouched=replace(FULL.confound.untouched, share_significant=None))
PAPER = confound(
    design="paper", policy="keep_best", untrained=["pythia-70m"], released_split=ReleasedSplit(0.019, 0.092, 0.005)
)
NOT_ASKED = replace(BARE, provenance=replace(BARE.provenance, options={"confound": "none"}))
NO_ERRORS = replace(FULL, models=[replace(row, base_stderr=None, adjusted_stderr=None) for row in FULL.models])
ERRORS = sides(replace(OPEN, theta_se=0.02), OPEN)

BASE, ADJUSTED = partial.one_side("base"), partial.one_side("adjusted")
TWO, MATTHEWS = partial.few(), partial.matthews()
APART = partial.few(
    models=[replace(row, tie_group=i, tied_with_best=i == 1) for i, row in enumerate(TWO.models, start=1)]
)
UNTIMED = replace(BASE, models=[replace(row, seconds=None) for row in BASE.models])
ONE_ERA = replace(FULL, split=None, no_theta=["two groups of models"], curves=replace(FULL.curves, adjusted=None))
LEVEL = partial.few(models=[replace(row, adjusted=0.3) for row in TWO.models])
NO_COMPUTE = partial.few(models=[replace(row, compute=None) for row in TWO.models])
assert TWO.pairs is not None
BY_ERRORS = replace(TWO, pairs=[replace(pair, n_items=None) for pair in TWO.pairs])
NO_TEST = replace(TWO, pairs=[replace(pair, n_items=None, p=None) for pair in TWO.pairs])

UNPAIRED = replace(FULL, tie_test="unpaired")
PARTLY = replace(UNPAIRED, models=[replace(FULL.models[0], adjusted_stderr=None), *FULL.models[1:]])
