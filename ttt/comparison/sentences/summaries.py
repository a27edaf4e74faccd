"""The conclusion in words: what is there before adjusting, what after, and how sure one can be."""

from __future__ import annotations

from typing import Literal

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import Fit
from ttt.comparison.sentences.sentence import Sentence
from ttt.formatting import known, probability, signed, signed_interval

Finding = Literal["ahead", "behind", "open", "none"]
STATES = {"ahead": "score higher", "behind": "score lower", "open": "show no significant difference"}
OTHER = {"clustered": "intervals that respect families and an unknown c_e", "paper": "the paper's inference"}


def finding(side: Fit) -> Finding:
    """`ahead` or `behind` where theta's interval leaves out 0, `open` where it does not, `none`: not identified."""
    low, high = side.theta_low, side.theta_high
    if side.theta is None or low is None or high is None:
        return "none"
    return "ahead" if low > 0 else "behind" if high < 0 else "open"


def before(c: BenchConclusions) -> Finding:
    return finding(c.base)


def after(c: BenchConclusions) -> Finding:
    return finding(c.adjusted)


def newer(c: BenchConclusions) -> str:
    return f"the models of the newer group ({c.split.newer})"


def figures(side: Fit) -> str:
    """Theta with what is known of its interval and p value."""
    if side.theta is None:
        return "not identified"
    if side.theta_low is None or side.theta_high is None:
        return f"{signed(side.theta)}, no interval"
    p = "" if side.theta_p is None else f", p {probability(side.theta_p)}"
    return f"{signed(side.theta)}, 95 % interval {signed_interval(side.theta_low, side.theta_high)}{p}"


def _why(side: Fit) -> str:
    return f" ({side.note})" if side.note else ""


def _lead_before(c: BenchConclusions) -> str:
    return f"At equal compute {newer(c)} {STATES[before(c)]} before adjusting ({figures(c.base)})"


def other_inference_differs(c: BenchConclusions) -> list[str]:
    """Where the inference that was not asked for finds something else: a clause for either side."""
    clauses = []
    for when, own, other in (
        ("before", c.base, c.other_inference.base),
        ("after", c.adjusted, c.other_inference.adjusted),
    ):
        if finding(other) not in ("none", finding(own)):
            what = "is not significant" if finding(other) == "open" else "is significant"
            clauses.append(f"the difference {when} adjusting {what} ({figures(other)})")
    return clauses


def is_saturated(c: BenchConclusions) -> bool:
    return c.suite_saturation.verdict == "saturated" or all(line.saturated for line in c.models)


def _indirect_effect(c: BenchConclusions) -> str:
    """With the change of theta, which is another number for the same thing, where that is known."""
    effect = c.indirect_effect
    sure = "" if (effect.p or 0.0) < 0.05 else ", not significant"
    theta = ""
    if c.base.theta is not None and c.adjusted.theta is not None:
        theta = f"; theta, which assumes a point of emergence, changes by {signed(c.adjusted.theta - c.base.theta)}"
    return (
        "By the indirect effect, a regression of its own, adjusting changes the difference by "
        f"{signed(-(effect.estimate or 0.0))} (p {probability(effect.p)}{sure}){theta}."
    )


SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "summary.neither-identified",
        "summary",
        "neither side's theta is identified with an interval",
        lambda c: before(c) == after(c) == "none",
        lambda c: f"What {newer(c)} score at equal compute is not identified, before adjusting or after{_why(c.base)}.",
    ),
    Sentence(
        "summary.only-after-identified",
        "summary",
        "theta is identified with an interval after adjusting and not before",
        lambda c: before(c) == "none" != after(c),
        lambda c: (
            f"Before adjusting, what {newer(c)} score at equal compute is not identified{_why(c.base)}; "
            f"after it they {STATES[after(c)]} ({figures(c.adjusted)})."
        ),
    ),
    Sentence(
        "summary.only-before-identified",
        "summary",
        "theta is identified with an interval before adjusting and not after",
        lambda c: before(c) != "none" == after(c),
        lambda c: f"{_lead_before(c)}; after it theta is not identified{_why(c.adjusted)}.",
    ),
    Sentence(
        "summary.difference-goes",
        "summary",
        "theta's interval leaves out 0 before adjusting and holds it after",
        lambda c: before(c) in ("ahead", "behind") and after(c) == "open",
        lambda c: (
            f"{_lead_before(c)}; after every model had the same training on the test task, no difference is found "
            f"({figures(c.adjusted)})."
        ),
    ),
    Sentence(
        "summary.no-difference",
        "summary",
        "theta's interval holds 0 before adjusting and after",
        lambda c: before(c) == after(c) == "open",
        lambda c: (
            f"At equal compute a lead of {newer(c)} is not significant before adjusting ({figures(c.base)}), "
            f"nor after it ({figures(c.adjusted)})."
        ),
    ),
    Sentence(
        "summary.difference-after",
        "summary",
        "theta's interval is known before adjusting and leaves out 0 after",
        lambda c: before(c) != "none" and after(c) in ("ahead", "behind"),
        lambda c: f"{_lead_before(c)}, and {STATES[after(c)]} after it ({figures(c.adjusted)}).",
    ),
    Sentence(
        "summary.indirect-effect",
        "summary",
        "the indirect effect and its p value are known",
        lambda c: known(c.indirect_effect.estimate) is not None and known(c.indirect_effect.p) is not None,
        _indirect_effect,
    ),
    Sentence(
        "summary.other-inference",
        "summary",
        "the inference that was not asked for finds significance where the other does not, or the other way round",
        other_inference_differs,
        lambda c: f"By {OTHER[c.other_inference.name]} {' and '.join(other_inference_differs(c))}.",
    ),
    Sentence(
        "summary.provisional-unsaturated",
        "summary",
        "the comparison is provisional, and neither every model nor the suite is shown to be saturated",
        lambda c: c.provisional and not is_saturated(c),
        lambda c: "Provisional, as not every model is shown to be saturated, nor the suite as a whole.",
    ),
    Sentence(
        "summary.provisional",
        "summary",
        "the comparison is provisional though every model is saturated, or the suite is",
        lambda c: c.provisional and is_saturated(c),
        lambda c: "Provisional.",
    ),
    Sentence(
        "summary.final-by-models",
        "summary",
        "the comparison is final, as every model is saturated",
        lambda c: c.final_by == "models",
        lambda c: "Final: every model is shown to be saturated.",
    ),
    Sentence(
        "summary.final-by-suite",
        "summary",
        "the comparison is final by the suite, and not every model is saturated",
        lambda c: c.final_by == "suite",
        lambda c: "Final: the suite as a whole is shown to be saturated, though not every model by itself.",
    ),
)
