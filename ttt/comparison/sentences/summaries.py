"""The conclusion in words: what is there before adjusting, what after, and how sure one can be."""

from __future__ import annotations

from typing import Literal

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import Fit
from ttt.comparison.sentences.best import when
from ttt.comparison.sentences.sentence import Sentence
from ttt.formatting import probability, signed, signed_interval

Finding = Literal["ahead", "behind", "open", "none"]
STATES = {"ahead": "score higher", "behind": "score lower", "open": "show no significant difference"}
OTHER = {"clustered": "intervals that respect families and an unknown c_e", "paper": "the paper's inference"}


def finding(side: Fit | None) -> Finding:
    """`ahead` or `behind` where theta's interval leaves out 0, `open` where it does not, `none`: not identified."""
    if side is None:
        return "none"
    low, high = side.theta_low, side.theta_high
    if side.theta is None or low is None or high is None:
        return "none"
    return "ahead" if low > 0 else "behind" if high < 0 else "open"


def before(c: BenchConclusions) -> Finding:
    return finding(c.base)


def after(c: BenchConclusions) -> Finding:
    return finding(c.adjusted)


def fits_both(c: BenchConclusions) -> bool:
    """Both halves are there, and models of which theta could be fitted."""
    return c.base is not None and c.adjusted is not None and not c.no_theta


def the_one_side(c: BenchConclusions) -> Fit | None:
    """The fit of the only half that there is, where theta could be fitted; None where there are both."""
    return None if len(c.sides) > 1 or c.no_theta else c.base or c.adjusted


def newer(c: BenchConclusions) -> str:
    assert c.split is not None
    return f"the models of the newer group ({c.split.newer})"


def figures(side: Fit | None) -> str:
    """Theta with what is known of its interval and p value."""
    if side is None or side.theta is None:
        return "not identified"
    if side.theta_low is None or side.theta_high is None:
        return f"{signed(side.theta)}, no interval"
    p = "" if side.theta_p is None else f", p {probability(side.theta_p)}"
    return f"{signed(side.theta)}, 95 % interval {signed_interval(side.theta_low, side.theta_high)}{p}"


def _why(side: Fit | None) -> str:
    return f" ({side.note})" if side and side.note else ""


def _unsure(side: Fit | None) -> str:
    """What is said of a theta of which no interval is known."""
    if side is None or side.theta is None:
        return "is not identified"
    return f"is {signed(side.theta)} (no interval)"


def _neither(c: BenchConclusions) -> str:
    what = f"What {newer(c)} score more at equal compute"
    if c.base is not None and c.adjusted is not None and c.base.theta is c.adjusted.theta is None:
        return f"{what} is not identified, before adjusting or after{_why(c.base)}."
    return f"{what} {_unsure(c.base)} before adjusting, and {_unsure(c.adjusted)} after it{_why(c.base)}."


def _lead_before(c: BenchConclusions) -> str:
    return f"At equal compute {newer(c)} {STATES[before(c)]} before adjusting ({figures(c.base)})"


def other_inference_differs(c: BenchConclusions) -> list[str]:
    """Where the inference that was not asked for finds something else: a clause for either side."""
    clauses = []
    for side, own, other in (
        ("before", c.base, c.other_inference.base),
        ("after", c.adjusted, c.other_inference.adjusted),
    ):
        if finding(other) not in ("none", finding(own)):
            what = "is not significant" if finding(other) == "open" else "is significant"
            clauses.append(f"the difference {side} adjusting {what} ({figures(other)}{_other_floor(own, other)})")
    return clauses


def _other_floor(own: Fit | None, other: Fit | None) -> str:
    """Where one curve starts from chance, which the scores reject, and the other's floor is fitted."""
    if own is None or other is None or bool(own.floor_fitted) == bool(other.floor_fitted):
        return ""
    return "; with its floor fitted" if other.floor_fitted else "; with chance as the floor, which the scores reject"


def is_saturated(c: BenchConclusions) -> bool:
    return c.suite_saturation.verdict == "saturated" or all(line.saturated for line in c.models)


def _indirect_effect(c: BenchConclusions) -> str:
    """With the change of theta, which is another number for the same thing, where that is known."""
    effect = c.indirect_effect
    assert effect is not None
    sure = "" if (effect.p or 0.0) < 0.05 else ", not significant"
    theta = ""
    if c.base and c.adjusted and c.base.theta is not None and c.adjusted.theta is not None:
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
        lambda c: fits_both(c) and before(c) == after(c) == "none",
        _neither,
    ),
    Sentence(
        "summary.only-after-identified",
        "summary",
        "theta is identified with an interval after adjusting and not before",
        lambda c: fits_both(c) and before(c) == "none" != after(c),
        lambda c: (
            f"Before adjusting, what {newer(c)} score more at equal compute {_unsure(c.base)}{_why(c.base)}; "
            f"after it they {STATES[after(c)]} ({figures(c.adjusted)})."
        ),
    ),
    Sentence(
        "summary.only-before-identified",
        "summary",
        "theta is identified with an interval before adjusting and not after",
        lambda c: fits_both(c) and before(c) != "none" == after(c),
        lambda c: f"{_lead_before(c)}; after it theta {_unsure(c.adjusted)}{_why(c.adjusted)}.",
    ),
    Sentence(
        "summary.difference-goes",
        "summary",
        "theta's interval leaves out 0 before adjusting and holds it after",
        lambda c: fits_both(c) and before(c) in ("ahead", "behind") and after(c) == "open",
        lambda c: (
            f"{_lead_before(c)}; after every model had the same training on the test task, no difference is found "
            f"({figures(c.adjusted)})."
        ),
    ),
    Sentence(
        "summary.no-difference",
        "summary",
        "theta's interval holds 0 before adjusting and after",
        lambda c: fits_both(c) and before(c) == after(c) == "open",
        lambda c: (
            f"At equal compute a lead of {newer(c)} is not significant before adjusting ({figures(c.base)}), "
            f"nor after it ({figures(c.adjusted)})."
        ),
    ),
    Sentence(
        "summary.difference-after",
        "summary",
        "theta's interval is known before adjusting and leaves out 0 after",
        lambda c: fits_both(c) and before(c) != "none" and after(c) in ("ahead", "behind"),
        lambda c: f"{_lead_before(c)}, and {STATES[after(c)]} after it ({figures(c.adjusted)}).",
    ),
    Sentence(
        "summary.one-side",
        "summary",
        "one half is missing, and of the other theta is identified with an interval",
        lambda c: finding(the_one_side(c)) != "none",
        lambda c: (
            f"At equal compute {newer(c)} {STATES[finding(the_one_side(c))]} {when(c)} ({figures(the_one_side(c))})."
        ),
    ),
    Sentence(
        "summary.one-side-not-identified",
        "summary",
        "one half is missing, and of the other theta is not identified with an interval",
        lambda c: the_one_side(c) is not None and finding(the_one_side(c)) == "none",
        lambda c: (
            f"What {newer(c)} score more at equal compute {when(c)} {_unsure(the_one_side(c))}{_why(the_one_side(c))}."
        ),
    ),
    Sentence(
        "summary.no-theta",
        "summary",
        "what theta takes is not there: models enough, two groups of them, a chance level",
        lambda c: c.no_theta,
        lambda c: (
            f"What being newer is worth at equal compute (theta) is not fitted: it needs {' and '.join(c.no_theta)}."
        ),
    ),
    Sentence(
        "summary.adjusted-missing",
        "summary",
        "there are base scores alone",
        lambda c: c.sides == ["base"],
        lambda c: (
            "The adjusted half is not compared: how much of a difference is training on the test task, and goes when "
            "every model has had the same, is not known."
        ),
    ),
    Sentence(
        "summary.base-missing",
        "summary",
        "there are adjusted scores alone",
        lambda c: c.sides == ["adjusted"],
        lambda c: "The base half is missing: what adjusting changed is not known.",
    ),
    Sentence(
        "summary.used",
        "summary",
        "models that lack a half which the others have are left out",
        lambda c: c.n_without_half,
        lambda c: (
            f"All of this is of the {c.n_models} models with {' and '.join(c.sides)} scores; models without are left "
            f"out ({c.n_without_half})."
        ),
    ),
    Sentence(
        "summary.indirect-effect",
        "summary",
        "the indirect effect and its p value are known",
        lambda c: c.indirect_effect and c.indirect_effect.estimate is not None and c.indirect_effect.p is not None,
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
        "the comparison is provisional, models were adjusted, and neither every one nor the suite is shown saturated",
        lambda c: c.provisional and "adjusted" in c.sides and not is_saturated(c),
        lambda c: "Provisional, as not every model is shown to be saturated, nor the suite as a whole.",
    ),
    Sentence(
        "summary.provisional",
        "summary",
        "the comparison is provisional though every model is saturated, or the suite is, or none was adjusted",
        lambda c: c.provisional and ("adjusted" not in c.sides or is_saturated(c)),
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
