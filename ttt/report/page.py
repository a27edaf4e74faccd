"""The one page of a comparison: a template filled with the conclusions, nothing outside of the file needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ttt import formatting
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.sentences import said, say
from ttt.comparison.sentences.fits import INFERENCES, effects, fits, floor_text, has_table
from ttt.formatting import clean
from ttt.report import strips

WHEN = {"base": "before", "adjusted": "after"}
CONFOUND = (
    ("untouched", "Nobody trained on the test task"),
    ("both_trained", "Both halves trained on the test task"),
    ("half_trained", "One half trained on the test task"),
    ("all_adjusted", "Then all adjusted alike"),
)


class Drawn(NamedTuple):
    """A figure as SVG for the page: for wide screens and paper, and for narrow screens."""

    wide: Markup
    narrow: Markup


def page(conclusions: BenchConclusions, figures: Mapping[str, Drawn]) -> str:
    """HTML of the conclusions; every text is escaped, those in figures by their writer."""
    confound = conclusions.confound
    halves = [(words, getattr(confound, name)) for name, words in CONFOUND] if confound else []
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            c=conclusions,
            figures=figures,
            fits=fits(conclusions),
            inferences=INFERENCES,
            has_table=has_table(conclusions),
            theta_scale=strips.difference_scale(fits(conclusions)),
            effect_scale=strips.difference_scale(effects(conclusions)),
            confound=halves,
            confound_scale=strips.difference_scale([part for _, part in halves]),
            score_scale=strips.score_scale(conclusions),
            say=partial(say, conclusions),
            said=partial(said, conclusions),
        )
    )


@cache
def _environment() -> Environment:
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
        floor_text=floor_text,
        whiskers=strips.whiskers,
        width=strips.WIDTH,
        WHEN=WHEN,
        DASH=formatting.DASH,
        UNIDENTIFIED=formatting.UNIDENTIFIED,
    )
    return environment


def _unbroken(write: Callable[..., str]) -> Callable[..., str]:
    """The same number, its parts on one line; the words for a missing one may break."""
    return lambda value, *missing: (
        write(value, *missing) if formatting.known(value) is None else write(value).replace(" ", "\u00a0")
    )
