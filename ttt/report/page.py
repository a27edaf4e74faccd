"""The one page of a comparison: a template filled with the conclusions, nothing outside of the file needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ttt import formatting
from ttt.comparison.conclusions import BenchConclusions
from ttt.formatting import clean
from ttt.report import strips

CONFOUND = (
    ("untouched", "Nobody trained on the test task"),
    ("half_trained", "One half trained on the test task"),
    ("all_adjusted", "Then all adjusted alike"),
)
INFERENCES = {"clustered": "Clustered inference", "paper": "The paper's inference"}


class Drawn(NamedTuple):
    """A figure as SVG for the page: for wide screens and paper, and for narrow screens."""

    wide: Markup
    narrow: Markup


def page(conclusions: BenchConclusions, figures: Mapping[str, Drawn]) -> str:
    """HTML of the conclusions; every text is escaped, those in figures by their writer."""
    # Autoescape is on for every template: the names of models are written by strangers.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    for write in (
        formatting.count,
        formatting.decimal,
        formatting.duration,
        formatting.probability,
        formatting.signed,
        clean,
    ):
        environment.filters[write.__name__] = write
    environment.filters.update(flops=_unbroken(formatting.flops), percent=_unbroken(formatting.percent))
    environment.globals.update(
        known=lambda value: formatting.known(value) is not None,
        signed_interval=formatting.signed_interval,
        flops_interval=lambda *bounds: formatting.flops_interval(*bounds).replace(" × ", "\u00a0×\u00a0"),
        whiskers=strips.whiskers,
        width=strips.WIDTH,
        DASH=formatting.DASH,
        UNIDENTIFIED=formatting.UNIDENTIFIED,
    )
    other, confound = conclusions.other_inference, conclusions.confound
    fits = [conclusions.base, conclusions.adjusted, other.base, other.adjusted]
    halves = [(words, getattr(confound, name)) for name, words in CONFOUND] if confound else []
    return environment.get_template("report.html.j2").render(
        c=conclusions,
        figures=figures,
        fits=fits,
        notes=notes(conclusions),
        inferences=INFERENCES,
        theta_scale=strips.difference_scale(fits),
        effect_scale=strips.difference_scale([conclusions.direct_effect, conclusions.indirect_effect]),
        confound=halves,
        confound_scale=strips.difference_scale([part for _, part in halves]),
        score_scale=strips.score_scale(conclusions),
        absent=absent(conclusions, figures),
    )


def _unbroken(write: Callable[..., str]) -> Callable[..., str]:
    """The same number, its parts on one line; the words for a missing one may break."""
    return lambda value, *missing: (
        write(value, *missing) if formatting.known(value) is None else write(value).replace(" ", "\u00a0")
    )


def notes(conclusions: BenchConclusions) -> list[tuple[str, str]]:
    """What the fits remark of themselves, after which fits it is of; the same remark once."""
    other = conclusions.other_inference
    where: dict[tuple[str, str], list[str]] = {}
    for of, name in ((conclusions, conclusions.inference), (other, other.name)):
        for fit, when in ((of.base, "before"), (of.adjusted, "after")):
            if note := fit.note.rstrip("."):
                where.setdefault((INFERENCES[name], note), []).append(when)
    return [(f"{label}, {' and '.join(when)} adjusting", note) for (label, note), when in where.items()]


def absent(conclusions: BenchConclusions, figures: Mapping[str, Drawn]) -> list[tuple[str, str]]:
    """What a report may hold and this one does not, and what it would take: silence could be read as a finding."""
    parts = (
        ("Emergence by budget", "emergence" in figures, "fewer than two budgets of adjusting were scored"),
        ("Cost against score", "cost" in figures, "the time of fewer than two models is known"),
        ("Discriminator test", conclusions.discriminator is not None, "it needs at least five models a group"),
        (
            "The confound recreated",
            conclusions.confound is not None,
            "it needs older models that were adjusted for one epoch and for two, from the base model and on top",
        ),
    )
    return [(title, why) for title, there, why in parts if not there]
