"""What prompts share with each other: the text of a template, which must not count as the content of a question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ttt.tasks.words import words

SHARE = 0.1
"""Of the prompts that begin or end with the same sentences or labels, from which on these are the template's."""

MOST = 0.5
"""Of the prompts that hold a word, from which on the word is the template's."""

LEAST = 3
"""Prompts, where there are few."""

_ENDS = re.compile(r"[.:?!。：？！]+[\"'”’)\]]*(?:\s+|(?<=[。：？！])|$)|\n\s*")
"""Of a sentence, a label or a line."""


def sentences(text: str) -> list[list[str]]:
    """The words of each sentence, label or line of a text."""
    return [sentence for part in _ENDS.split(text) if (sentence := words(part))]


def n_shared(n: int, share: float) -> float:
    """How many of n prompts must share something for it to be the template's."""
    return max(LEAST, share * n)


class Frame:
    """The template's text of some prompts: their common first and last sentences or labels, and their common words."""

    def __init__(self, texts: Sequence[str], words_of: Sequence[Sequence[str]]):
        """`words_of` are the words of each text."""
        least, most = n_shared(len(texts), SHARE), n_shared(len(texts), MOST)
        self.heads = _frequent((head for text in texts for head in _heads(text)), least)
        self.tails = _frequent((tail for text in texts for tail in _tails(text)), least)
        self.words = {word for word, n in Counter(word for one in words_of for word in set(one)).items() if n >= most}

    def __or__(self, other: Frame) -> Frame:
        both = Frame([], [])
        both.heads = _longest_first(self.heads | other.heads)
        both.tails = _longest_first(self.tails | other.tails)
        both.words = self.words | other.words
        return both

    def span(self, text: str, n: int) -> slice:
        """Which of the text's n words are its content."""
        first = next((n_head for head, n_head in self.heads.items() if text.startswith(head)), 0)
        last = next((n_tail for tail, n_tail in self.tails.items() if text.endswith(tail)), 0)
        return slice(first, n - last) if first + last < n else slice(0, n)


def _frequent(ends: Iterable[str], least: float) -> dict[str, int]:
    return _longest_first({end: len(words(end)) for end, n in Counter(ends).items() if n >= least})


def _longest_first(ends: dict[str, int]) -> dict[str, int]:
    return dict(sorted(ends.items(), key=lambda item: -len(item[0])))


def _heads(text: str, at_most: int = 12) -> list[str]:
    """What comes before each of the first boundaries, the shortest first."""
    beginnings: list[str] = []
    for boundary in _ENDS.finditer(text, 0, 2000):
        if len(beginnings) == at_most or boundary.end() == len(text):
            break
        beginnings.append(text[: boundary.end()])
    return beginnings


def _tails(text: str, reach: int = 600) -> list[str]:
    """What comes after each of the last boundaries, the shortest first."""
    start = max(0, len(text) - reach)
    return [text[end:] for b in reversed(list(_ENDS.finditer(text, start))) if (end := b.end()) < len(text)]
