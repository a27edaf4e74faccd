"""Every sentence of a report appears where its condition holds, and does not where it does not."""

from __future__ import annotations

import html
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from rich.console import Console

import ttt.report
from tests.comparison.sentence_examples import EXAMPLES
from tests.report.variants import AHEAD, BASE, FORMATS, OPEN, fit, sides
from ttt.comparison.conclusions import BenchConclusions, Conclusions
from ttt.comparison.findings import OtherInference
from ttt.comparison.sentences import SENTENCES, Sentence, say
from ttt.comparison.terminal import show_conclusions
from ttt.report.comparison import FIGURES, describe
from ttt.report.page import Drawn, page

SHOWN: dict[int, str] = {}


def shown(conclusions: Conclusions) -> str:
    """`rendered`, once for conclusions that several examples share."""
    if id(conclusions) not in SHOWN:
        SHOWN[id(conclusions)] = rendered(with_summary(conclusions))
    return SHOWN[id(conclusions)]


def rendered(conclusions: Conclusions) -> str:
    """All text of the page, the terminal and the figures' descriptions, with single blanks."""
    out = Console(width=400, record=True, file=io.StringIO())
    show_conclusions(conclusions, out)  # type: ignore[arg-type]
    texts = [out.export_text()]
    if isinstance(conclusions, BenchConclusions):
        nothing = Drawn(Markup(), Markup())
        source = page(conclusions, dict.fromkeys(FIGURES, nothing))
        texts.append(html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<style>.*?</style>", "", source))))
        texts += [describe(name, conclusions) for name in FIGURES]
    return re.sub(r"\s+", " ", " ".join(texts))


def with_summary(conclusions: Conclusions) -> Conclusions:
    """As a comparison leaves them: with the sentences that are also in the JSON."""
    if isinstance(conclusions, BenchConclusions):
        other = replace(conclusions.other_inference, note=say(conclusions, "inferences"))
        conclusions = replace(conclusions, other_inference=other)
    return replace(conclusions, summary=say(conclusions, "summary"))


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.name)
def test_a_sentence_appears_where_it_is_true_and_nowhere_else(sentence: Sentence[Any]) -> None:
    assert sentence.name in EXAMPLES, (
        "a sentence needs a pair of examples: one of which it is said and one of which not"
    )
    words, yes, no = EXAMPLES[sentence.name]
    assert sentence.is_said_of(yes)
    assert not sentence.is_said_of(no)
    assert words in shown(yes)
    assert words not in shown(no)


def test_sentences_have_names_of_their_own_and_examples_are_of_sentences() -> None:
    names = [sentence.name for sentence in SENTENCES]
    assert len(names) == len(set(names))
    assert set(EXAMPLES) <= set(names)
    assert all(sentence.condition and not sentence.condition.endswith(".") for sentence in SENTENCES)


@pytest.mark.parametrize("file", sorted(Path(ttt.report.__file__).parent.glob("*.j2")), ids=lambda file: file.name)
def test_the_page_has_no_sentence_of_its_own(file: Path) -> None:
    """What a template says itself are headings and labels: nothing with a full stop, nothing of ten words."""
    source = file.read_text(encoding="utf-8")
    text = re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "|", source)
    strings = re.findall(r'(?s)"([^"]*)"', "".join(re.findall(r"(?s)\{%.*?%\}|\{\{.*?\}\}", source)))
    pieces = [" ".join(html.unescape(piece).split()) for piece in [*re.split(r"<[^>]*>|\|", text), *strings]]
    assert not [piece for piece in pieces if re.search(r"[a-z)]\.(\s|$)", piece) or len(piece.split()) > 9]


def test_a_theta_without_an_interval_is_not_called_unidentified() -> None:
    """A group of a single model: the table beside the sentence has the number."""
    alone = fit(0.067, note="theta has no interval: one side of the split is a single model")
    why = "(theta has no interval: one side of the split is a single model)"
    both = say(sides(alone, fit(0.004)), "summary")
    assert (
        f"more at equal compute is +0.067 (no interval) before adjusting, and is +0.004 (no interval) after it {why}."
        in both
    )
    assert f"is +0.067 (no interval) {why}; after it they score higher" in " ".join(
        say(sides(alone, AHEAD), "summary").split()
    )
    assert f"after it theta is +0.067 (no interval) {why}." in say(sides(AHEAD, alone), "summary")
    assert f"more at equal compute before adjusting is +0.067 (no interval) {why}." in say(
        replace(BASE, base=alone), "summary"
    )
    assert "not identified" not in both


def test_where_one_inference_alone_keeps_chance_as_the_floor_its_disagreement_says_so() -> None:
    fitted, kept = replace(AHEAD, floor_fitted=True), replace(OPEN, floor_fitted=False)
    differs = sides(fitted, OPEN, other_inference=OtherInference("paper", kept, AHEAD))
    said = say(differs, "summary")
    assert (
        "the difference before adjusting is not significant (+0.010, 95 % interval −0.020 to +0.030; with chance"
        in said
    )
    assert said.count("with chance as the floor, which the scores reject") == 1, "after adjusting both have one floor"
    other = replace(differs, base=kept, other_inference=OtherInference("clustered", fitted, OPEN), inference="paper")
    assert "+0.050 to +0.150; with its floor fitted)" in say(other, "summary")


def test_two_benches_of_one_format_are_called_by_their_names() -> None:
    alike = replace(FORMATS, fits=[replace(one, format="multiple_choice") for one in FORMATS.fits])
    names = {one.bench for one in FORMATS.fits}
    assert len(names) > 1
    assert all(f"{name} " in say(alike, "summary") for name in names)
    assert "multiple_choice" not in say(alike, "summary")
    assert "multiple_choice" in say(replace(FORMATS, fits=alike.fits[-1:]), "summary")
