"""Every sentence that a report says, on its page, in the terminal, in MLflow, and when it is true.

They are listed here and nowhere else: page and terminal show what `said` gives for a place, and
`tests/comparison/test_sentences.py` makes each of them appear, and not appear. A new one is an entry of a list below
and a pair of examples there.
"""

from __future__ import annotations

from typing import Any

from ttt.comparison.conclusions import Conclusions
from ttt.comparison.sentences import absent, benches, best, captions, confound, fits, saturation, summaries, tables
from ttt.comparison.sentences.sentence import Sentence as Sentence

SENTENCES: tuple[Sentence[Any], ...] = (
    *best.SENTENCES,
    *summaries.SENTENCES,
    *captions.SENTENCES,
    *absent.SENTENCES,
    *fits.SENTENCES,
    *confound.SENTENCES,
    *saturation.SENTENCES,
    *tables.SENTENCES,
    *tables.STANDING,
    *benches.SENTENCES,
)


def said(conclusions: Conclusions, place: str) -> list[tuple[str, str]]:
    """Title (empty where it has none) and text of each sentence that is true of the conclusions in a place."""
    return [
        (one.title, one.text(conclusions)) for one in SENTENCES if one.place == place and one.is_said_of(conclusions)
    ]


def say(conclusions: Conclusions, place: str) -> str:
    """The sentences of a place, one after the other; empty where none is true."""
    return " ".join(text for _, text in said(conclusions, place))
