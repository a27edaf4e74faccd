"""What the fits and effects say beside their numbers."""

from __future__ import annotations

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import EffectSize, Fit
from ttt.comparison.sentences.sentence import Sentence
from ttt.formatting import DASH, UNIDENTIFIED, decimal, first_few, percent, probability
from ttt.stats.floor import FLOOR_LEVEL

INFERENCES = {"clustered": "Clustered inference", "paper": "The paper's inference"}
NO_EFFECT = "the groups follow compute, or there are too few models to tell them from it"


def fits(c: BenchConclusions) -> list[Fit]:
    """As the table of fits has them, of the sides that there are: by the inference asked for, and by the other."""
    return [fit for of in (c, c.other_inference) for fit in (of.base, of.adjusted) if fit is not None]


def remarks(name: str, base: Fit | None, adjusted: Fit | None) -> str:
    """What the fits by one inference remark of themselves; the same remark once. Empty where there is none."""
    where: dict[str, list[str]] = {}
    for fit, when in ((base, "before"), (adjusted, "after")):
        if fit and fit.note:
            where.setdefault(fit.note.rstrip("."), []).append(when)
    return " ".join(f"{INFERENCES[name]}, {' and '.join(when)} adjusting: {note}." for note, when in where.items())


def floor_text(fit: Fit) -> str:
    """The floor of a fit and which it is, as a table has it."""
    return DASH if fit.floor is None else f"{decimal(fit.floor)} ({'fitted' if fit.floor_fitted else 'chance'})"


def chance_stands(c: BenchConclusions) -> list[str]:
    """The p value of chance on the sides where it was tested and not rejected."""
    sides = (("before", c.base), ("after", c.adjusted))
    tested = [(when, fit.floor_p) for when, fit in sides if fit is not None and fit.floor_p is not None]
    return [f"{when} adjusting p {probability(p)}" for when, p in tested if p > FLOOR_LEVEL]


def standard_errors(c: BenchConclusions) -> str:
    """Theta's by both inferences, on the sides where both are known."""
    other = c.other_inference
    text = "; ".join(
        f"{when} adjusting theta's standard error is {own.theta_se:.3f} by {c.inference} inference and "
        f"{also.theta_se:.3f} by {other.name} inference"
        for when, own, also in (("before", c.base, other.base), ("after", c.adjusted, other.adjusted))
        if own and also and own.theta_se is not None and also.theta_se is not None
    )
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def has_table(c: BenchConclusions) -> bool:
    """There is something to show in a table of fits: theta could be fitted, or something else was."""
    return not c.no_theta or any(fit.alpha is not None for fit in fits(c))


def leaves_out_zero(effect: EffectSize | Fit | None) -> int:
    """1 or -1 where the interval lies above or below 0; 0 where it holds 0 or is not known."""
    if effect is None:
        return 0
    low, high = (effect.low, effect.high) if isinstance(effect, EffectSize) else (effect.theta_low, effect.theta_high)
    return 0 if low is None or high is None else 1 if low > 0 else -1 if high < 0 else 0


def holds_zero(effect: EffectSize | Fit | None) -> bool:
    """An interval is known, and 0 is in it."""
    if effect is None:
        return False
    low = effect.low if isinstance(effect, EffectSize) else effect.theta_low
    return low is not None and leaves_out_zero(effect) == 0


def unidentified(c: BenchConclusions) -> EffectSize | None:
    """The first effect that is not identified though theta can be fitted."""
    return next((effect for effect in effects(c) if effect.estimate is None and not c.no_theta), None)


def effects(c: BenchConclusions) -> list[EffectSize]:
    """Those of which the halves are there."""
    return [effect for effect in (c.direct_effect, c.indirect_effect) if effect is not None]


def set_aside(c: BenchConclusions) -> list[str]:
    """Models that are left out of the fits by the inference asked for, as they give no answers."""
    return sorted({name for fit in (c.base, c.adjusted) if fit is not None for name in fit.set_aside})


SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "theta.remarks",
        "remarks",
        "a fit by the inference that was asked for remarks something of itself",
        lambda c: has_table(c) and remarks(c.inference, c.base, c.adjusted),
        lambda c: remarks(c.inference, c.base, c.adjusted),
    ),
    Sentence(
        "theta.other-remarks",
        "remarks",
        "a fit by the other inference remarks something of itself",
        lambda c: has_table(c) and remarks(c.other_inference.name, c.other_inference.base, c.other_inference.adjusted),
        lambda c: remarks(c.other_inference.name, c.other_inference.base, c.other_inference.adjusted),
    ),
    Sentence(
        "theta.floor-at-chance",
        "theta",
        "chance was tested on a side, and stands as the floor of its fit",
        chance_stands,
        lambda c: (
            f"The floor is chance where the older models’ scores do not reject it at {percent(FLOOR_LEVEL)} "
            f"({'; '.join(chance_stands(c))})."
        ),
    ),
    Sentence(
        "theta.standard-errors",
        "inferences",
        "theta's standard error is known by both inferences, on one side at least",
        standard_errors,
        standard_errors,
    ),
    Sentence(
        "theta.lose-and-count",
        "inferences",
        "there are both halves, and the policy is raw",
        lambda c: c.n_lose is not None and c.policy == "raw",
        lambda c: f"{c.n_lose} of {c.n_models} models lose by adjusting and count as they are.",
    ),
    Sentence(
        "theta.lose-and-keep",
        "inferences",
        "there are both halves, and the policy is keep_best",
        lambda c: c.n_lose is not None and c.policy == "keep_best",
        lambda c: f"{c.n_lose} of {c.n_models} models lose by adjusting and keep their base score.",
    ),
    Sentence(
        "theta.holds-zero",
        "theta",
        "an interval of theta holds 0",
        lambda c: any(map(holds_zero, fits(c))),
        lambda c: (
            "An interval that holds 0 does not show that there is no difference: the data are compatible with none."
        ),
    ),
    Sentence(
        "theta.not-identified",
        "theta",
        "theta or c_e of a fit is not identified",
        lambda c: has_table(c) and any(fit.theta is None or fit.c_e is None for fit in fits(c)),
        lambda c: (
            f"“{UNIDENTIFIED.capitalize()}” means that these models cannot settle the quantity; a number would be made "
            "up."
        ),
    ),
    Sentence(
        "effects.direct",
        "effects",
        "there is the adjusted half, and the effect is known or theta can be fitted",
        lambda c: c.direct_effect is not None and (c.direct_effect.estimate is not None or not c.no_theta),
        lambda c: (
            "The direct effect is how far the newer group is ahead when every model has had the same training on the "
            "test task."
        ),
    ),
    Sentence(
        "effects.indirect",
        "effects",
        "there are both halves, and the effect is known or theta can be fitted",
        lambda c: c.indirect_effect is not None and (c.indirect_effect.estimate is not None or not c.no_theta),
        lambda c: "The indirect effect is what that training takes away of its lead.",
    ),
    Sentence(
        "direct.none",
        "effects read",
        "the direct effect's interval holds 0",
        lambda c: holds_zero(c.direct_effect),
        lambda c: "Direct: the data are compatible with no lead at all.",
    ),
    Sentence(
        "direct.ahead",
        "effects read",
        "the direct effect's interval lies above 0",
        lambda c: leaves_out_zero(c.direct_effect) > 0,
        lambda c: "Direct: the newer group is ahead for other reasons too.",
    ),
    Sentence(
        "direct.behind",
        "effects read",
        "the direct effect's interval lies below 0",
        lambda c: leaves_out_zero(c.direct_effect) < 0,
        lambda c: "Direct: given the same training, the newer group scores less.",
    ),
    Sentence(
        "indirect.none",
        "effects read",
        "the indirect effect's interval holds 0",
        lambda c: holds_zero(c.indirect_effect),
        lambda c: "Indirect: that the training takes away nothing is compatible with the data.",
    ),
    Sentence(
        "indirect.takes-away",
        "effects read",
        "the indirect effect's interval lies above 0",
        lambda c: leaves_out_zero(c.indirect_effect) > 0,
        lambda c: "Indirect: so much of the lead goes with the same training.",
    ),
    Sentence(
        "indirect.adds",
        "effects read",
        "the indirect effect's interval lies below 0",
        lambda c: leaves_out_zero(c.indirect_effect) < 0,
        lambda c: "Indirect: the newer group gained more by adjusting than the older one.",
    ),
    Sentence(
        "effects.not-identified",
        "effects read",
        "an effect is not identified",
        unidentified,
        lambda c: f"Not identified: {getattr(unidentified(c), 'note', '') or NO_EFFECT}.",
    ),
    Sentence(
        "effects.set-aside",
        "effects control",
        "an effect is identified, and models that give no answers are left out of a fit of its sides",
        lambda c: set_aside(c) and any(effect.estimate is not None for effect in effects(c)),
        lambda c: f"Models that the fits of the same scores leave out are in no effect: {first_few(set_aside(c))}.",
    ),
    Sentence(
        "effects.control",
        "effects control",
        "an effect is identified",
        lambda c: any(effect.estimate is not None for effect in effects(c)),
        lambda c: (
            "The effects control for compute piecewise linearly, with no assumption on where the score leaves chance."
        ),
    ),
)
