"""The one page of a comparison: a template filled with the conclusions, nothing outside of the file needed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ttt import formatting
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


def page(conclusions: dict[str, Any], figures: Mapping[str, Drawn]) -> str:
    """HTML of the completed conclusions (`given.complete`); every text is escaped, those in figures by their writer."""
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
    other = conclusions["other_inference"]
    fits = [conclusions["base"], conclusions["adjusted"], other["base"], other["adjusted"]]
    return environment.get_template("report.html.j2").render(
        c=conclusions,
        figures=figures,
        fits=fits,
        notes=notes(conclusions),
        inferences=INFERENCES,
        theta_scale=strips.difference_scale(fits),
        effect_scale=strips.difference_scale([conclusions["direct_effect"], conclusions["indirect_effect"]]),
        confound=[(name, told, conclusions["confound"].get(name) or {}) for name, told in CONFOUND],
        confound_scale=strips.difference_scale([conclusions["confound"].get(name) or {} for name, _ in CONFOUND]),
        score_scale=strips.score_scale(conclusions),
        absent=absent(conclusions, figures),
        command=command(conclusions),
    )


def _unbroken(write: Callable[..., str]) -> Callable[..., str]:
    """The same number, its parts on one line; the words for a missing one may break."""
    return lambda value, *missing: (
        write(value, *missing) if formatting.known(value) is None else write(value).replace(" ", "\u00a0")
    )


def notes(conclusions: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the fits remark of themselves, after which fits it is of; the same remark once."""
    other = conclusions["other_inference"]
    where: dict[tuple[str, str], list[str]] = {}
    for of, name in ((conclusions, conclusions.get("inference")), (other, other.get("name"))):
        label = INFERENCES.get(str(name), clean(name or "fit"))
        for side, when in (("base", "before"), ("adjusted", "after")):
            note = str(of[side].get("note") or "").rstrip(".")
            if note:
                where.setdefault((label, note), []).append(when)
    return [(f"{label}, {' and '.join(when)} adjusting", note) for (label, note), when in where.items()]


def absent(conclusions: Mapping[str, Any], figures: Mapping[str, Drawn]) -> list[tuple[str, str]]:
    """What a report may hold and this one does not, and what it would take: silence could be read as a finding."""
    parts = (
        ("Emergence by budget", "emergence" in figures, "fewer than two budgets of adjusting were scored"),
        ("Frontier", "frontier" in figures, "no frontier was given"),
        ("Cost against score", "cost" in figures, "the time of fewer than two models is known"),
        ("Discriminator test", bool(conclusions["discriminator"]["base"]), "it needs at least five models a group"),
        (
            "The confound recreated",
            bool(conclusions["confound"]),
            "it needs older models that were adjusted for one epoch and for two, from the base model and on top",
        ),
        ("A second inference", bool(conclusions["other_inference"].get("name")), "none was given"),
    )
    return [(title, why) for title, there, why in parts if not there]


def command(conclusions: Mapping[str, Any]) -> str:
    """The command that makes this comparison again, as far as the conclusions tell; empty if they do not."""
    split, stated = conclusions["split"], conclusions["provenance"].get("command")
    if stated:
        return clean(stated, 2000)
    if split.get("cutoff") is None and split.get("field") not in ("languages", "kind"):
        return ""  # the values that make the newer group are not among the conclusions
    names = ("suite", "bench", "adjustment", "score_rule", "policy", "inference", "cluster")
    parts = [(name, conclusions.get(name)) for name in names]
    parts += [("split", split.get("field")), ("cutoff", split.get("cutoff"))]
    words = [f"{name}={clean(value, 200)}" for name, value in parts if value is not None]
    return shlex.join(["python", "-m", "ttt.compare", *words])
