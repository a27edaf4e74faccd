"""What a report may hold and this one does not, and what it would take: silence could be read as a finding."""

from __future__ import annotations

from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.sentences.captions import has_budgets, has_times, is_drawn
from ttt.comparison.sentences.sentence import Sentence

SENTENCES: tuple[Sentence[BenchConclusions], ...] = (
    Sentence(
        "absent.adjusted-half",
        "absent",
        "there are base scores alone",
        lambda c: c.sides == ["base"],
        lambda c: (
            "the ranking, θ, point of emergence and frontier of the same models once all have had the same training on "
            "the test task, and what of the difference above goes with it. python -m ttt.run with an adjustment "
            "makes it, and so does python -m ttt.ingest of results of adjusted models."
        ),
        "The adjusted half",
    ),
    Sentence(
        "absent.base-half",
        "absent",
        "there are adjusted scores alone",
        lambda c: c.sides == ["adjusted"],
        lambda c: (
            "the ranking and θ of the same models as they are, what each gained by adjusting, and the indirect effect. "
            "python -m ttt.run with an adjustment makes both halves, and so does python -m ttt.ingest of base and "
            "adjusted results in one folder."
        ),
        "The base half",
    ),
    Sentence(
        "absent.theta",
        "absent",
        "what theta takes is not there",
        lambda c: c.no_theta,
        lambda c: f"what the newer group scores at equal compute needs {' and '.join(c.no_theta)}.",
        "θ",
    ),
    Sentence(
        "absent.compute",
        "absent",
        "the compute of no model is known",
        lambda c: not is_drawn(c),
        lambda c: "the compute of no model is known: it takes n_params and n_tokens in the files of the models.",
        "Score against compute, and the frontier",
    ),
    Sentence(
        "absent.emergence",
        "absent",
        "models were adjusted, and fewer than two budgets were scored and can be fitted",
        lambda c: "adjusted" in c.sides and not has_budgets(c),
        lambda c: "fewer than two budgets of adjusting were scored on as many models as a fit needs.",
        "Emergence by budget",
    ),
    Sentence(
        "absent.cost",
        "absent",
        "the time of fewer than two models is known",
        lambda c: not has_times(c),
        lambda c: "the time of fewer than two models is known.",
        "Cost against score",
    ),
    Sentence(
        "absent.discriminator",
        "absent",
        "there are both halves, and nothing is concluded of the discriminator",
        lambda c: len(c.sides) > 1 and c.discriminator is None,
        lambda c: "it needs at least five models a group.",
        "Discriminator test",
    ),
    Sentence(
        "absent.confound",
        "absent",
        "there are both halves, the confound was asked for, and too few older models have the adjustments",
        lambda c: len(c.sides) > 1 and c.confound is None and c.provenance.options.get("confound") != "none",
        lambda c: "it needs older models that were adjusted for one epoch and for two, from the base model and on top.",
        "The confound recreated",
    ),
    Sentence(
        "absent.confound-not-asked",
        "absent",
        "there are both halves, and the confound was not asked for",
        lambda c: len(c.sides) > 1 and c.confound is None and c.provenance.options.get("confound") == "none",
        lambda c: "it was not asked for.",
        "The confound recreated",
    ),
)
