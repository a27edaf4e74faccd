"""How the tables of a report are read, which models they hold, and what its words mean."""

from __future__ import annotations

from ttt.comparison.conclusions import BenchConclusions, Conclusions
from ttt.comparison.sentences.sentence import Sentence, always
from ttt.formatting import ERRORS, clean, decimal, known


def _heading(c: BenchConclusions) -> str:
    split = c.split
    rule = "" if c.score_rule == "bench" else f", scored by the {c.score_rule}'s rule"
    best = f", the better of before and after ({c.n_kept_base} models)" if c.policy != "raw" else ""
    return (
        f"{c.suite}/{c.bench}: {c.n_models} models, adjusted by {c.adjustment}{rule}{best}; "
        f"{split.n_older} {split.older}, {split.n_newer} {split.newer}"
    )


def _tau(c: BenchConclusions) -> str:
    tau = c.ranking_agreement
    interval = "" if tau.low is None or tau.high is None else f" (95 %: {decimal(tau.low)} to {decimal(tau.high)})"
    return (
        f"Kendall’s τ between the ranking before and after adjusting is {decimal(tau.tau_before_after)}{interval}; "
        "1 would be the same order, 0 no more in common than chance."
    )


MEANINGS = {
    "adjusting": "fine-tuning every model on the same, sufficient data of the test task’s kind before it is evaluated.",
    "compute": "C = 6 N D: FLOPs of pretraining, from parameters N and tokens D.",
    "θ": "what the newer group scores above the older one at equal compute.",
    "c_e": "the point of emergence: the compute at which the score leaves its floor.",
    "floor": "what the older models score below c_e: chance, unless their scores reject it; then it is fitted.",
    "R²": "the share of the score’s variance that the fit explains; about the mean in clustered inference, about 0 in "
    "the paper’s, where it is larger for that reason alone.",
    "saturated": "a larger budget of adjusting would not raise the score by more than the tolerance.",
}


def word(title: str) -> Sentence[BenchConclusions]:
    """What a word of the report means."""
    return Sentence(
        f"words.{title}", "words", "the models of one bench are compared", always, lambda _: MEANINGS[title], title
    )


SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "title.both",
        "title",
        "the models of one bench are compared",
        always,
        lambda c: f"{clean(c.bench)}, before and after the same training on the test task",
    ),
    Sentence("heading.models", "heading", "the models of one bench are compared", always, _heading),
    Sentence(
        "ranking.tau",
        "tau",
        "Kendall's tau between before and after is identified",
        lambda c: known(c.ranking_agreement.tau_before_after) is not None,
        _tau,
    ),
    Sentence(
        "ranking.columns",
        "ranking",
        "the models of one bench are ranked",
        always,
        lambda c: (
            f"By the score after adjusting; {ERRORS}. “Moved” counts places won or lost by adjusting. "
            "Models with the same number under “tie” are not distinguished from the first of them, and their order "
            "means little. “Saturated” says whether a larger budget of adjusting was shown not to raise the score."
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
        lambda c: c.tie_test == "unpaired",
        lambda c: (
            "Ties are tested by standard errors alone, as if every model had answered questions of its own: there may "
            "be too many ties, not too few."
        ),
    ),
    Sentence(
        "ranking.kept-base",
        "ranking",
        "the policy is keep_best",
        lambda c: c.policy == "keep_best",
        lambda c: (
            "Policy keep_best: a model that lost by adjusting keeps its base score, which "
            f"{c.n_kept_base} of {c.n_models} did."
        ),
    ),
    Sentence(
        "ranking.errors",
        "terminal ranking",
        "the standard error of a score is known",
        lambda c: any(known(row.base_stderr) is not None or known(row.adjusted_stderr) is not None for row in c.models),
        lambda c: f"{ERRORS};",
    ),
    Sentence(
        "ranking.asterisk",
        "terminal ranking",
        "a model keeps its base score",
        lambda c: any(row.kept_base for row in c.models),
        lambda c: "* its base score, which is better",
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
