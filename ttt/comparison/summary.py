"""The conclusion in words: what is there before adjusting, what after, and how sure one can be."""

from __future__ import annotations

from typing import Literal

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import EffectSize, Fit
from ttt.formatting import probability, signed

Finding = Literal["ahead", "behind", "open", "none"]


def finding(side: Fit) -> Finding:
    """`ahead` or `behind` where theta's interval leaves out 0, `open` where it does not, `none`: not identified."""
    low, high = side.theta_low, side.theta_high
    if side.theta is None or low is None or high is None:
        return "none"
    return "ahead" if low > 0 else "behind" if high < 0 else "open"


def summary(conclusions: BenchConclusions) -> str:
    """One sentence, with figures; what is not significant or not identified is called so."""
    base, adjusted, split = conclusions.base, conclusions.adjusted, conclusions.split
    newer = f"the models of the newer group ({split.newer})"
    before, after = finding(base), finding(adjusted)
    there, left = _figures(base), _figures(adjusted)
    match before, after:
        case "none", "none":
            text = f"What {newer} score at equal compute is not identified, before adjusting or after{_why(base)}"
        case "none", _:
            text = (
                f"Before adjusting, what {newer} score at equal compute is not identified{_why(base)}; "
                f"after it they {_state(after)} ({left})"
            )
        case _, "none":
            text = (
                f"At equal compute {newer} {_state(before)} before adjusting ({there}); "
                f"after it theta is not identified{_why(adjusted)}"
            )
        case "ahead" | "behind", "open":
            text = (
                f"At equal compute {newer} {_state(before)} before adjusting ({there}); after every model had the same "
                f"training on the test task, no difference is found ({left})"
            )
        case "open", "open":
            text = (
                f"At equal compute a lead of {newer} is not significant before adjusting ({there}), "
                f"nor after it ({left})"
            )
        case _:
            text = (
                f"At equal compute {newer} {_state(before)} before adjusting ({there}), "
                f"and {_state(after)} after it ({left})"
            )
    rest = (_indirect(conclusions.indirect_effect), _other(conclusions), _provisional(conclusions))
    return text + "".join(rest) + "."


def what_changes(conclusions: BenchConclusions) -> str:
    """What the two inferences and the two policies make of the same scores, in a sentence or two."""
    other = conclusions.other_inference
    parts = [
        f"{when} adjusting theta's standard error is {own.theta_se:.3f} by {conclusions.inference} inference and "
        f"{also.theta_se:.3f} by {other.name} inference"
        for when, own, also in (
            ("before", conclusions.base, other.base),
            ("after", conclusions.adjusted, other.adjusted),
        )
        if own.theta_se is not None and also.theta_se is not None
    ]
    text = "; ".join(parts)
    lose, n = conclusions.n_lose, conclusions.n_models
    kept = "keep their base score" if conclusions.policy == "keep_best" else "count as they are"
    return f"{text[:1].upper()}{text[1:]}{'. ' if text else ''}{lose} of {n} models lose by adjusting and {kept}."


def _state(known: Finding) -> str:
    return {"ahead": "score higher", "behind": "score lower", "open": "show no significant difference"}[known]


def _figures(side: Fit) -> str:
    if side.theta is None:
        return "not identified"
    if side.theta_low is None or side.theta_high is None:
        return f"{signed(side.theta)}, no interval"
    p = "" if side.theta_p is None else f", p {probability(side.theta_p)}"
    return f"{signed(side.theta)}, 95 % interval {signed(side.theta_low)} to {signed(side.theta_high)}{p}"


def _why(side: Fit) -> str:
    return f" ({side.note})" if side.note else ""


def _indirect(effect: EffectSize) -> str:
    """What adjusting takes away, which can be plain where theta itself is not."""
    estimate, p = effect.estimate, effect.p
    if estimate is None or p is None:
        return ""
    sure = "" if p < 0.05 else ", not significant"
    return f"; adjusting changes the difference by {signed(-estimate)} (p {probability(p)}{sure})"


NAMES = {"clustered": "intervals that respect families and an unknown c_e", "paper": "the paper's inference"}


def _other(conclusions: BenchConclusions) -> str:
    """Where the other inference finds something else before or after adjusting."""
    other = conclusions.other_inference
    parts = []
    for when, side in (("before", "base"), ("after", "adjusted")):
        theirs = finding(getattr(other, side))
        if theirs != "none" and theirs != finding(getattr(conclusions, side)):
            what = "is not significant" if theirs == "open" else "is significant"
            parts.append(f"the difference {when} adjusting {what} ({_figures(getattr(other, side))})")
    return f"; by {NAMES[other.name]} {' and '.join(parts)}" if parts else ""


def _provisional(conclusions: BenchConclusions) -> str:
    if not conclusions.provisional:
        return ""
    judged = all(line.saturated for line in conclusions.models)
    return "; provisional" if judged else "; provisional, as not every model is shown to be saturated"
