"""How the tables of a report are read, which models they hold, and what its words mean."""

from __future__ import annotations

from collections.abc import Callable

from ttt.comparison.conclusions import BenchConclusions, Conclusions
from ttt.comparison.sentences.captions import is_drawn
from ttt.comparison.sentences.sentence import Sentence, always
from ttt.formatting import ERRORS, clean, decimal, first_few, known


def _heading(c: BenchConclusions) -> str:
    rule = "" if c.score_rule == "bench" else f", scored by the {c.score_rule}'s rule"
    best = f", the better of before and after ({c.n_kept_base} models)" if c.policy != "raw" and has_both(c) else ""
    what = f"adjusted by {c.adjustment}" if "adjusted" in c.sides else "base scores alone"
    what += "" if "base" in c.sides else ", without base scores"
    split = c.split
    groups = f"; {split.n_older} {split.older}, {split.n_newer} {split.newer}" if split else ""
    return f"{c.suite}/{c.bench}: {c.n_models} models, {what}{rule}{best}{groups}"


def has_both(c: BenchConclusions) -> bool:
    return len(c.sides) > 1


def _tau(c: BenchConclusions) -> str:
    tau = c.ranking_agreement
    assert tau is not None
    interval = "" if tau.low is None or tau.high is None else f" (95 %: {decimal(tau.low)} to {decimal(tau.high)})"
    return (
        f"Kendall’s τ between the ranking before and after adjusting is {decimal(tau.tau_before_after)}{interval}; "
        "1 would be the same order, 0 no more in common than chance."
    )


def _errors(c: BenchConclusions) -> dict[str, float]:
    """The known standard errors of the scores by which models are ranked, by model."""
    errors = {row.model: known(row.adjusted_stderr if "adjusted" in c.sides else row.base_stderr) for row in c.models}
    return {model: error for model, error in errors.items() if error is not None}


def without_error(c: BenchConclusions) -> list[str]:
    return [clean(row.model) for row in c.models if row.model not in _errors(c)]


def has_tests(c: BenchConclusions) -> bool:
    """Two models at least could be tested by their standard errors."""
    return len(_errors(c)) > 1 and max(_errors(c).values()) > 0


def has_theta(c: BenchConclusions) -> bool:
    return not c.no_theta


def is_fitted(c: BenchConclusions) -> bool:
    return any(fit is not None and fit.alpha is not None for fit in (c.base, c.adjusted))


MEANINGS: dict[str, tuple[str, Callable[[BenchConclusions], bool], str]] = {
    "adjusting": (
        "the models of one bench are compared",
        always,
        "fine-tuning every model on the same, sufficient data of the test task’s kind before it is evaluated.",
    ),
    "compute": (
        "the compute of a model is known",
        is_drawn,
        "C = 6 N D: FLOPs of pretraining, from parameters N and tokens D.",
    ),
    "θ": (
        "theta could be fitted",
        has_theta,
        "what the newer group scores above the older one at equal compute.",
    ),
    "c_e": (
        "theta could be fitted, or a curve was",
        lambda c: has_theta(c) or is_fitted(c),
        "the point of emergence: the compute at which the score leaves its floor.",
    ),
    "floor": (
        "theta could be fitted, or a curve was",
        lambda c: has_theta(c) or is_fitted(c),
        "what the older models score below c_e: chance, unless their scores reject it; then it is fitted.",
    ),
    "R²": (
        "theta could be fitted, or a curve was",
        lambda c: has_theta(c) or is_fitted(c),
        "the share of the score’s variance that the fit explains; about the mean in clustered inference, about 0 in "
        "the paper’s, where it is larger for that reason alone.",
    ),
    "saturated": (
        "models were adjusted",
        lambda c: "adjusted" in c.sides,
        "a larger budget of adjusting would not raise the score by more than the tolerance.",
    ),
}


def word(title: str) -> Sentence[BenchConclusions]:
    """What a word of the report means, where it is used."""
    condition, holds, text = MEANINGS[title]
    return Sentence(f"words.{title}", "words", condition, holds, lambda _: text, title)


SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "title.both",
        "title",
        "there are both halves",
        has_both,
        lambda c: f"{clean(c.bench)}, before and after the same training on the test task",
    ),
    Sentence(
        "title.base",
        "title",
        "there are base scores alone",
        lambda c: c.sides == ["base"],
        lambda c: f"{clean(c.bench)}, before any training on the test task that is known",
    ),
    Sentence(
        "title.adjusted",
        "title",
        "there are adjusted scores alone",
        lambda c: c.sides == ["adjusted"],
        lambda c: f"{clean(c.bench)}, after the same training on the test task",
    ),
    Sentence("heading.models", "heading", "the models of one bench are compared", always, _heading),
    Sentence(
        "ranking.tau",
        "tau",
        "Kendall's tau between before and after is identified",
        lambda c: c.ranking_agreement is not None and c.ranking_agreement.tau_before_after is not None,
        _tau,
    ),
    Sentence(
        "ranking.by-adjusted",
        "ranking",
        "there is the adjusted half",
        lambda c: "adjusted" in c.sides,
        lambda c: (
            "By the score after adjusting. “Saturated” says whether a larger budget of adjusting was shown not to "
            "raise the score."
        ),
    ),
    Sentence(
        "ranking.by-base",
        "ranking",
        "there are base scores alone",
        lambda c: c.sides == ["base"],
        lambda c: "By the base score.",
    ),
    Sentence(
        "ranking.moved",
        "ranking",
        "there are both halves",
        has_both,
        lambda c: "“Moved” counts places won or lost by adjusting.",
    ),
    Sentence(
        "ranking.columns",
        "ranking",
        "the models of one bench are ranked",
        always,
        lambda c: (
            "Models with the same number under “tie” are not distinguished from the first of them, and "
            "their order means little."
        ),
    ),
    Sentence(
        "ranking.paired",
        "ranking",
        "every two models were tested on the items that both answered",
        lambda c: c.tie_test == "paired",
        lambda c: "Ties are tested on the same items, at 5 % false discoveries over all pairs.",
    ),
    Sentence(
        "ranking.unpaired",
        "ranking",
        "models were tested by their standard errors, as some have kept no items",
        lambda c: c.tie_test == "unpaired" and has_tests(c),
        lambda c: (
            "Ties are tested by standard errors alone, as if every model had answered questions of its own: there may "
            "be too many ties, not too few."
        ),
    ),
    Sentence(
        "ranking.partly-tested",
        "ranking",
        "models were tested by their standard errors, and of some none is known",
        lambda c: c.tie_test == "unpaired" and has_tests(c) and without_error(c),
        lambda c: f"Untested, and tied with all: of {first_few(without_error(c))} no standard error is known.",
    ),
    Sentence(
        "ranking.untested",
        "ranking",
        "no two models could be tested",
        lambda c: c.tie_test == "unpaired" and not has_tests(c),
        lambda c: (
            "Ties could not be tested, as neither the same items nor two standard errors are known: that all models "
            "are tied is no finding."
        ),
    ),
    Sentence(
        "ranking.kept-base",
        "ranking",
        "there are both halves, and the policy is keep_best",
        lambda c: has_both(c) and c.policy == "keep_best",
        lambda c: (
            "Policy keep_best: a model that lost by adjusting keeps its base score, which "
            f"{c.n_kept_base} of {c.n_models} did."
        ),
    ),
    Sentence(
        "ranking.errors",
        "errors",
        "the standard error of a score is known",
        lambda c: any(known(row.base_stderr) is not None or known(row.adjusted_stderr) is not None for row in c.models),
        lambda c: f"{ERRORS}.",
    ),
    Sentence(
        "ranking.asterisk",
        "terminal ranking",
        "a model keeps its base score",
        lambda c: any(row.kept_base for row in c.models),
        lambda c: "* its base score, which is better.",
    ),
    Sentence(
        "pairs.what",
        "pairs",
        "the models are few enough for a table of all pairs",
        lambda c: c.pairs,
        lambda c: (
            "The second model minus the first. “p, all pairs” keeps false discoveries among all pairs of a side at "
            "5 % (Benjamini and Hochberg)."
        ),
    ),
    Sentence(
        "pairs.items",
        "pairs",
        "a pair was tested on the items that both models answered",
        lambda c: any(pair.n_items for pair in c.pairs or ()),
        lambda c: (
            "On the items that both answered. “Won, lost” are the items on which the second does better, and worse. "
            "“Detectable” is the smallest difference that so many items would show in four of five tests, “needed” "
            "how many items of this kind would show a difference of the size seen."
        ),
    ),
    Sentence(
        "pairs.by-errors",
        "pairs",
        "a pair was tested by standard errors, as items are not kept",
        lambda c: any(pair.p is not None and not pair.n_items for pair in c.pairs or ()),
        lambda c: (
            "Where items are not kept, pairs are tested by standard errors, as if the models had answered different "
            "questions: a difference may be missed, none is made up."
        ),
    ),
    Sentence(
        "pairs.untested",
        "pairs",
        "a pair could not be tested",
        lambda c: any(pair.p is None for pair in c.pairs or ()),
        lambda c: "A pair without p could not be tested: neither items nor standard errors are known.",
    ),
    *map(word, MEANINGS),
)

STANDING: tuple[Sentence[Conclusions], ...] = (
    Sentence(
        "standing.provisional",
        "standing",
        "the comparison is provisional",
        lambda c: c.provisional,
        lambda c: "Provisional. These conclusions may change:",
        about=Conclusions,
    ),
)
