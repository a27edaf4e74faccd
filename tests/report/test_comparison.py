"""The report of a comparison holds what it was given, and nothing that it was not."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from tests.report import fakes
from ttt.comparison.conclusions import BenchConclusions, as_json, from_json
from ttt.formatting import DASH, UNIDENTIFIED
from ttt.report.comparison import FIGURES, render
from ttt.report.emergence import emergence

SETS = {
    "published": fakes.conclusions,
    "lab": fakes.lab,
    "bare": fakes.bare,
    "provisional": fakes.provisional,
    "nasty": fakes.nasty,
}


class Report:
    """A rendered report: its files, its source, its tags and its text as a reader sees it."""

    def __init__(self, conclusions: BenchConclusions, folder: Path) -> None:
        self.given, self.folder = conclusions, folder
        self.files = render(conclusions, folder)
        self.source = (folder / "report.html").read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        pieces: list[str] = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, attrs: self.tags.append((tag, dict(attrs)))  # type: ignore[method-assign]
        parser.handle_data = pieces.append  # type: ignore[assignment, method-assign]
        parser.feed(self.source)
        self.text = " ".join(" ".join(pieces).split())

    def svg_text(self, name: str) -> str:
        root = ElementTree.parse(self.folder / "figures" / f"{name}.svg").getroot()
        return "\n".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text"))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    return {name: Report(make(), tmp_path_factory.mktemp(name)) for name, make in SETS.items()}


@pytest.mark.parametrize("name", SETS)
def test_every_file_that_is_named_is_there(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    assert report.folder / "report.html" in report.files
    assert {file for file in report.folder.rglob("*") if file.is_file()} == set(report.files)
    figures = {file.stem for file in report.files if file.suffix == ".png"}
    assert figures == {file.stem for file in report.files if file.suffix == ".svg"}
    assert figures <= set(FIGURES)
    for file in report.files:
        if file.suffix == ".png":
            with Image.open(file) as image:
                assert min(image.size) > 300
                assert len(image.convert("L").getcolors(256) or ()) > 10


def test_a_full_comparison_has_every_figure_and_a_bare_one_says_what_is_missing(reports: dict[str, Report]) -> None:
    assert {file.stem for file in reports["published"].files} == {*FIGURES, "report"}
    assert "Not in this report" not in reports["published"].text
    bare = reports["bare"]
    assert {file.stem for file in bare.files} == {"before_after", "frontier", "report"}
    assert "Not in this report Emergence by budget" in bare.text


@pytest.mark.parametrize("name", SETS)
def test_the_page_needs_nothing_from_outside(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    for tag, attributes in report.tags:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base", "form"}
        assert not any(attribute.startswith("on") for attribute in attributes)
        for attribute in ("href", "src", "srcset", "xlink:href", "action", "data"):
            value = attributes.get(attribute)
            assert value is None or value.startswith(("#", "data:")), (tag, attribute, value)
    assert not re.findall(r"url\((?!#)", report.source)
    assert "@import" not in report.source
    if name != "nasty":
        assert not re.findall(r"https?://", report.source)


@pytest.mark.parametrize("name", SETS)
def test_ids_are_unique_and_references_lead_somewhere(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    ids = [attributes["id"] for _, attributes in report.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', report.source)) <= set(ids)


@pytest.mark.parametrize("name", SETS)
def test_the_summary_and_all_models_are_shown(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    assert report.given.summary in report.text
    for row in report.given.models:
        shown = " ".join("".join(c if c.isprintable() else " " for c in row.model).split())
        assert shown in report.text


@pytest.mark.parametrize("name", SETS)
def test_provisional_is_said_only_where_it_is_so(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    is_so = report.given.provisional
    assert ("banner" in {attributes.get("class") for _, attributes in report.tags}) == is_so
    for reason in report.given.provisional_reasons:
        assert reason in report.text
    for file in report.files:
        if file.suffix == ".svg":
            assert ("PROVISIONAL" in report.svg_text(file.stem)) == is_so


def test_what_is_not_identified_is_said_and_no_number_stands_for_it(reports: dict[str, Report]) -> None:
    bare = reports["bare"]
    assert bare.text.count(UNIDENTIFIED) >= 8
    assert bare.svg_text("before_after").count("θ not identified") == 2
    assert DASH in bare.text
    assert not re.search(r"\b(None|nan|inf|undefined)\b", bare.text)
    assert "the split follows compute" in bare.text


def test_figures_draw_the_theta_that_they_are_given(tmp_path: Path) -> None:
    given = fakes.lab()
    changed = replace(given.base, theta=0.1234, theta_low=-0.5678, theta_high=0.9876)
    report = Report(replace(given, base=changed), tmp_path)
    drawn = report.svg_text("before_after")
    assert "θ = +0.123  (95 %: −0.568 to +0.988)" in drawn
    assert "θ = −0.005" in drawn
    assert "+0.123" in report.text


@pytest.mark.parametrize("name", ["published", "lab", "bare", "provisional"])
def test_sentences_stand_apart(reports: dict[str, Report], name: str) -> None:
    assert not re.findall(r"[a-z]\.[A-Z]\w+", reports[name].text)


def test_an_open_bound_is_told_as_open(tmp_path: Path) -> None:
    given = fakes.lab()
    given = replace(given, base=replace(given.base, c_e=1e13, c_e_low=None, c_e_high=3e13))
    assert "up to 3.00 × 10¹³, no lower bound" in Report(given, tmp_path).text


def test_names_are_text_and_nothing_else(reports: dict[str, Report]) -> None:
    report = reports["nasty"]
    assert "<script>alert" not in report.source
    assert "<img" not in report.source
    for name in (fakes.NASTY[0], fakes.NASTY[1], fakes.NASTY[2]):
        assert html.escape(name, quote=False).split("=")[0].split('"')[0] in report.source.replace("&#34;", '"')
    drawn = report.svg_text("frontier")
    assert "<script>alert(1)</script>" in drawn
    assert r"$\alpha_{1}$ & \$ 50%" in drawn  # as it is written, not as mathematics
    assert "{{ 7 * 7 }}" in report.text


def test_emergence_tells_measures_apart(tmp_path: Path) -> None:
    score = fakes.conclusions().emergence
    likely = [replace(row, c_e=None, c_e_low=None, c_e_high=None, measure="gold_logprob") for row in score]
    drawn = Report(fakes.lab(emergence=[*score, *likely]), tmp_path).svg_text("emergence")
    assert "Point of emergence: score" in drawn
    assert "R² on compute: log-probability of the right answer" in drawn
    assert "not identified at any budget" in drawn


def test_a_budget_that_is_not_known_stands_off_the_axis(tmp_path: Path) -> None:
    rows = fakes.conclusions().emergence
    unknown = [*rows[:-1], replace(rows[-1], examples=None)]
    drawn = Report(fakes.lab(emergence=unknown), tmp_path / "unknown").svg_text("emergence").split("\n")
    assert "all" in drawn
    assert "256k" not in drawn
    assert "all" not in Report(fakes.lab(emergence=rows), tmp_path / "known").svg_text("emergence").split("\n")


def test_points_of_different_models_are_not_joined() -> None:
    rows = fakes.conclusions().emergence
    mixed = [replace(row, left_out=["llama-13b"] if i < 2 else []) for i, row in enumerate(rows)]
    mixed[-1] = replace(mixed[-1], examples=None)
    for given, lines in ((rows, [5]), (mixed, [2, 2, 1])):
        figure = emergence(fakes.lab(emergence=given))
        assert figure is not None
        r2 = figure.axes[1]
        assert [len(line.get_xdata()) for line in r2.lines if line.get_marker() == "o"] == lines


def test_the_same_conclusions_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (render(fakes.lab(), tmp_path / name) for name in ("first", "second"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_the_command_that_makes_it_again_is_shown_where_one_made_it(reports: dict[str, Report]) -> None:
    command = reports["published"].given.provenance.command
    assert f"Again {command}" in reports["published"].text
    assert "Again" not in reports["bare"].text


def test_what_a_comparison_concludes_is_read_back_from_its_json() -> None:
    for make in SETS.values():
        given = make()
        assert from_json(json.loads(json.dumps(as_json(given), allow_nan=False))) == given
