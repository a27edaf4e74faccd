"""What stands below the figures, what they show for those who cannot see them, and what a report lacks."""

from __future__ import annotations

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.findings import Fit
from ttt.comparison.sentences.sentence import Sentence
from ttt.formatting import count, decimal, first_few, signed, signed_interval


def is_drawn(c: BenchConclusions) -> bool:
    """Score against compute is drawn: the compute of a model is known."""
    return any(row.compute for row in c.models)


def has_curves(c: BenchConclusions) -> bool:
    return c.curves.base is not None or c.curves.adjusted is not None


def has_emergence(c: BenchConclusions) -> bool:
    return any(fit is not None and fit.c_e is not None for fit in (c.base, c.adjusted))


def areas(c: BenchConclusions) -> list[str]:
    """The area that the newer group adds to the frontier, on the sides of which it is known."""
    sides = {"before": c.pareto_area.base, "after": c.pareto_area.adjusted}
    return [f"{decimal(area)} {when} adjusting" for when, area in sides.items() if area is not None]


def fitted_floors(c: BenchConclusions) -> list[str]:
    """The floors that were fitted in the place of chance, each with its side."""
    return [
        f"{decimal(fit.floor)} {when} adjusting"
        for when, fit in (("before", c.base), ("after", c.adjusted))
        if fit is not None and fit.floor_fitted
    ]


def has_budgets(c: BenchConclusions) -> bool:
    """Two or more budgets of adjusting, which make a curve."""
    return len({row.examples for row in c.emergence}) > 1


def models_left_out(c: BenchConclusions) -> list[list[str]]:
    """The older models that do not count at a budget, each set of them once."""
    return [list(names) for names in {tuple(row.left_out) for row in c.emergence}] if has_budgets(c) else []


def in_no_fit(c: BenchConclusions) -> list[str]:
    """The models that are left out of the fit of a budget, each budget of the score once."""
    return [
        f"at {'all' if row.examples is None else count(row.examples)} examples {first_few(row.set_aside)}"
        for row in c.emergence
        if row.measure == "score" and row.set_aside
    ]


def has_times(c: BenchConclusions) -> bool:
    return sum(bool(row.seconds) for row in c.models) > 1


def theta_text(fit: Fit) -> str:
    """Theta and its interval, as given."""
    if fit.theta is None:
        return "θ not identified"
    interval = signed_interval(fit.theta_low, fit.theta_high, missing="")
    return f"θ = {signed(fit.theta)}" + (f"  (95 %: {interval})" if interval else "  (no interval)")


def sides(c: BenchConclusions) -> str:
    """Theta on the sides that there are."""
    parts = [("Before", c.base), ("After", c.adjusted)]
    return " ".join(f"{when} adjusting: {theta_text(fit)}." for when, fit in parts if fit is not None)


SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "before-after.marks",
        "before_after",
        "the compute of a model is known",
        is_drawn,
        lambda c: (
            "A mark is a model; whiskers reach 1.96 standard errors of its score to either side where they are known."
        ),
    ),
    Sentence(
        "before-after.lines",
        "before_after",
        "a curve is fitted to two groups",
        lambda c: has_curves(c) and c.split is not None,
        lambda c: (
            "The lines are one fit with a shared slope: θ is the distance between them, what the newer group scores "
            "above the older one at equal compute."
        ),
    ),
    Sentence(
        "before-after.one-line",
        "before_after",
        "a curve is fitted to models that make no two groups",
        lambda c: has_curves(c) and c.split is None,
        lambda c: "The line is one fit to all models, which make no two groups.",
    ),
    Sentence(
        "before-after.chance-left",
        "before_after",
        "a point of emergence is identified, and no floor is fitted in the place of chance",
        lambda c: has_emergence(c) and not fitted_floors(c),
        lambda c: f"The dotted line is chance ({decimal(c.chance)}), which the score leaves at the point of emergence.",
    ),
    Sentence(
        "before-after.chance",
        "before_after",
        "the bench has a chance level, and no point of emergence is identified or a floor is fitted in its place",
        lambda c: is_drawn(c) and c.chance is not None and (not has_emergence(c) or fitted_floors(c)),
        lambda c: f"The dotted line is chance ({decimal(c.chance)}).",
    ),
    Sentence(
        "before-after.floor",
        "before_after",
        "a floor is fitted in the place of chance",
        fitted_floors,
        lambda c: (
            "The dash-dotted line is the floor, the score that the older models start from, where it is not chance: "
            f"{' and '.join(fitted_floors(c))}."
        ),
    ),
    Sentence(
        "emergence.older",
        "emergence",
        "two budgets of adjusting or more were scored, of models of two groups",
        lambda c: has_budgets(c) and c.split is not None,
        lambda c: "For the older group alone.",
    ),
    Sentence(
        "emergence.all",
        "emergence",
        "two budgets of adjusting or more were scored, of models that make no two groups",
        lambda c: has_budgets(c) and c.split is None,
        lambda c: "For all models.",
    ),
    Sentence(
        "emergence.panels",
        "emergence",
        "two budgets of adjusting or more were scored",
        has_budgets,
        lambda c: (
            "The point of emergence is the compute at which the score leaves its floor, R² the share of the score’s "
            "variance that compute explains; whiskers are 95 % intervals, and one that runs to the panel’s edge is "
            "open."
        ),
    ),
    Sentence(
        "emergence.same-models",
        "emergence",
        "every budget has the same older models, and some were not scored at all of these budgets",
        lambda c: len(models_left_out(c)) == 1 and models_left_out(c)[0],
        lambda c: (
            f"Every budget has the same {c.emergence[0].n} models; left out are those that were not scored at every "
            f"one: {first_few(models_left_out(c)[0])}."
        ),
    ),
    Sentence(
        "emergence.different-models",
        "emergence",
        "budgets have different older models",
        lambda c: len(models_left_out(c)) > 1,
        lambda c: (
            "Not every budget has the same models, but all that were scored there "
            f"({min(row.n for row in c.emergence)} to {max(row.n for row in c.emergence)}); points of different models "
            "are not joined."
        ),
    ),
    Sentence(
        "emergence.set-aside",
        "emergence",
        "at a budget models are left out of c_e and R2, as they give no answers",
        lambda c: has_budgets(c) and in_no_fit(c),
        lambda c: (
            "Left out of both are models that score below half of chance, as without valid answers: "
            f"{'; '.join(in_no_fit(c))}."
        ),
    ),
    Sentence(
        "emergence.budgets-left-out",
        "emergence",
        "at some budgets too few models were scored",
        lambda c: has_budgets(c) and c.budgets_left_out,
        lambda c: (
            "Left out are budgets at which too few of the models were scored: "
            f"{', '.join(count(budget) for budget in c.budgets_left_out)} examples."
        ),
    ),
    Sentence(
        "emergence.whole",
        "emergence",
        "it is not known how many examples the whole adjustment has",
        lambda c: has_budgets(c) and any(row.examples is None for row in c.emergence),
        lambda c: (
            "“All” is after the whole adjustment: how many examples that is is not known, so it stands off the axis "
            "and is joined to no budget."
        ),
    ),
    Sentence(
        "emergence.crosses",
        "emergence",
        "at one of the budgets c_e is not identified",
        lambda c: has_budgets(c) and any(row.c_e is None for row in c.emergence),
        lambda c: "A cross means that the data do not say where the score leaves its floor.",
    ),
    Sentence(
        "emergence.meaning",
        "emergence",
        "c_e is identified at two budgets or more",
        lambda c: len({row.examples for row in c.emergence if row.c_e is not None}) > 1,
        lambda c: (
            "Where a little practice moves the point of emergence to less compute, what emerged there was knowing the "
            "task."
        ),
    ),
    Sentence(
        "frontier.area",
        "frontier",
        "the area that the newer group adds is known, on one side at least",
        areas,
        lambda c: (
            f"The area that the newer group adds to the frontier is {' and '.join(areas(c))} (score times decades of "
            "compute). Only what is left after adjusting speaks of a better use of compute."
        ),
    ),
    Sentence(
        "frontier.one",
        "frontier",
        "the compute of a model is known, and the area that a newer group adds is not",
        lambda c: is_drawn(c) and not areas(c),
        lambda c: "A step is a model that no other one of less compute beats.",
    ),
    Sentence(
        "cost.time",
        "cost",
        "the time of two models or more is known, and they were adjusted",
        lambda c: has_times(c) and "adjusted" in c.sides,
        lambda c: (
            "The time of a cell (adjusting and evaluating) against the adjusted score, for the models whose time is "
            "known."
        ),
    ),
    Sentence(
        "cost.time-base",
        "cost",
        "the time of two models or more is known, and there are base scores alone",
        lambda c: has_times(c) and "adjusted" not in c.sides,
        lambda c: "The time of evaluating against the base score, for the models whose time is known.",
    ),
    Sentence(
        "description.provisional",
        "figures",
        "the comparison is provisional",
        lambda c: c.provisional,
        lambda c: "Provisional.",
    ),
    Sentence(
        "description.before-after",
        "figures/before_after",
        "the compute of a model is known",
        is_drawn,
        lambda c: f"Score against pretraining compute. {sides(c)}",
    ),
    Sentence(
        "description.emergence",
        "figures/emergence",
        "two budgets of adjusting or more were scored",
        has_budgets,
        lambda c: "Point of emergence, and R² of score on compute, against the examples of task data adjusted on.",
    ),
    Sentence(
        "description.frontier",
        "figures/frontier",
        "the compute of a model is known",
        is_drawn,
        lambda c: "Best score to be had for a compute.",
    ),
    Sentence(
        "description.frontier-area",
        "figures/frontier",
        "the area that the newer group adds is known, on one side at least",
        areas,
        lambda c: f"Area that the newer group adds: {' and '.join(areas(c))}.",
    ),
    Sentence(
        "description.cost",
        "figures/cost",
        "the time of two models or more is known",
        has_times,
        lambda c: "Score against the time of each model's cell.",
    ),
)
