"""Whether the budget is enough: what a comparison is final by, and the verdict on its suite with the figures."""

from __future__ import annotations

from ttt.cell.suite_result import SuiteChange, SuiteSaturation
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.sentences.sentence import Sentence
from ttt.formatting import UNIDENTIFIED, count, first_few, probability, signed, signed_interval

WHOSE = {"older": "the older group", "newer": "the newer group", "all": "the models"}


def on_suite(suite: SuiteSaturation) -> str:
    """The verdict on the suite and what it rests on, without a full stop."""
    if suite.verdict == "not judged":
        return f"the suite as a whole is not judged: {suite.reason}"
    figures = _figures(suite)
    if suite.verdict == "saturated":
        return f"the suite is saturated: {figures}; no model is shown to gain more than the tolerance ({_holm(suite)})"
    if suite.rising:
        verb = "gains" if len(suite.rising) == 1 else "gain"
        return (
            f"the suite is not saturated: {first_few(suite.rising)} {verb} more than the tolerance of "
            f"{suite.tolerance:g} ({_holm(suite)}); {figures}"
        )
    names = _of_verdict(suite)
    which = f"the interval{'s' * (len(names) > 1)} of {' and '.join(names)}"
    if suite.verdict == "not saturated":
        return f"the suite is not saturated, by {which} outside the tolerance; {figures}"
    verb = "are" if len(names) > 1 else "is"
    return f"the suite is not shown to be saturated, by {which}, which {verb} not inside the tolerance; {figures}"


def _figures(suite: SuiteSaturation) -> str:
    """The mean gains and the change of theta with their intervals."""
    changes = [f"mean gain of {WHOSE[name]} {_change(gain)}" for name, gain in suite.gains.items()]
    if suite.theta_change is not None:
        changes.append(f"change of theta {_change(suite.theta_change)}")
    return (
        f"from {count(suite.budget)} to {count(suite.later)} examples {', '.join(changes)} "
        f"(95 %; tolerance {suite.tolerance:g}; {count(suite.n_models)} models, {count(suite.n_items)} {suite.items})"
    )


def _change(change: SuiteChange) -> str:
    if change.estimate is None:
        return f"{UNIDENTIFIED} ({change.note})"
    return f"{signed(change.estimate)} ({signed_interval(change.low, change.high)})"


def _of_verdict(suite: SuiteSaturation) -> list[str]:
    """The quantities on which the verdict hangs."""
    of = {f"the mean gain of {WHOSE[name]}": gain for name, gain in suite.gains.items()}
    if suite.theta_change is not None:
        of["the change of theta"] = suite.theta_change
    return [name for name, change in of.items() if change.verdict == suite.verdict]


def _holm(suite: SuiteSaturation) -> str:
    return f"lowest p {probability(suite.lowest_p)} by Holm over {count(suite.n_models)} models"


def _sentence(suite: SuiteSaturation) -> str:
    text = on_suite(suite)
    return f"{text[:1].upper()}{text[1:]}."


def not_saturated_alone(c: BenchConclusions) -> list[str]:
    return sorted(row.model for row in c.models if row.saturation == "no")


def _remarks(suite: SuiteSaturation) -> list[str]:
    """What the quantities remark of what was taken as independent; each once."""
    changes = [*suite.gains.values(), *([suite.theta_change] if suite.theta_change else [])]
    return list(dict.fromkeys(change.note for change in changes if change.note and change.estimate is not None))


SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "saturation.of-suite",
        "saturation",
        "the suite is saturated",
        lambda c: c.suite_saturation.verdict == "saturated",
        lambda c: _sentence(c.suite_saturation),
    ),
    Sentence(
        "saturation.of-single-models",
        "saturation",
        "a model is shown to gain more than the tolerance",
        lambda c: c.suite_saturation.rising,
        lambda c: _sentence(c.suite_saturation),
    ),
    Sentence(
        "saturation.beyond",
        "saturation",
        "a mean gain or theta's change is shown to be beyond the tolerance, and no single model is",
        lambda c: c.suite_saturation.verdict == "not saturated" and not c.suite_saturation.rising,
        lambda c: _sentence(c.suite_saturation),
    ),
    Sentence(
        "saturation.open",
        "saturation",
        "a mean gain or theta's change may be beyond the tolerance, and none is shown to be",
        lambda c: c.suite_saturation.verdict == "undecided",
        lambda c: _sentence(c.suite_saturation),
    ),
    Sentence(
        "saturation.not-judged",
        "saturation",
        "models were adjusted, and their studies do not carry a verdict on the suite",
        lambda c: "adjusted" in c.sides and c.suite_saturation.verdict == "not judged",
        lambda c: _sentence(c.suite_saturation),
    ),
    Sentence(
        "saturation.not-alone",
        "saturation",
        "the comparison is final by the suite, and a model's own study calls it not saturated",
        lambda c: c.final_by == "suite" and not_saturated_alone(c),
        lambda c: (
            f"By its own study alone {first_few(not_saturated_alone(c))} would be called not saturated; among "
            f"{count(c.suite_saturation.n_models)} models that is not significant."
        ),
    ),
    Sentence(
        "saturation.remarks",
        "saturation",
        "the intervals take something else than the clusters that were asked for as independent",
        lambda c: _remarks(c.suite_saturation),
        lambda c: f"Of these intervals: {'; '.join(_remarks(c.suite_saturation))}.",
    ),
    Sentence(
        "saturation.how",
        "saturation",
        "the suite is judged",
        lambda c: c.suite_saturation.verdict != "not judged",
        lambda c: (
            "The suite is judged by the validation items of its models' studies, never by the test: the intervals are "
            "over models and items, and the change of theta is what the newer group gains more at equal compute."
        ),
    ),
)
