"""Texts that hold a question: inside a longer text, or in a near-copy. By n-grams of words, so that a pool streams by.

Brown et al. 2020 (appendix C) call a test example contaminated that shares a 13-gram with the training data; short
questions share theirs with nobody, and one changed word in thirteen hides a copy. The rules here, over words and signs:

* inside: all of the question stands in the text, or all of the text's prompt in the question. Below 13 words it must
  be whole sentences there, and the answer must be the question's.
* near: question and answer have 13 words or more, 8 of them content, and three quarters of the content stand in runs
  of three words that the text has too; or the same pieces (a stem and its options) stand in another order or under
  other letters. What the test's own questions share with each other as much is the work of a template.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
import numpy.typing as npt

from ttt.tasks.frames import Frame, n_shared, sentences
from ttt.tasks.words import n_words, words

LONG = 13
"""Words: Brown et al.'s n."""
SHORTEST = 3
"""Words of a question that is looked for inside texts."""
SEED = 5
"""Words in a row that a near-copy has left as they were; one changed word in six leaves such a run in any text."""
RUN = 3
NEAR = 0.75
"""Of the content, in shared runs."""
CONTENT = 8
"""Content words, below which two questions of one template differ by too little to tell a copy from another one."""
RARE = 3
"""Questions that may share a seed; what more of them share does not tell them apart."""
ABOVE_SIBLINGS = 0.15
"""How much nearer a near-copy is than the test's other questions are."""

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """A question as text and words, with its answers' words; `index` tells the test documents apart."""

    index: int
    text: str
    words: list[str]
    answers: tuple[list[str], ...] = ()


@dataclass(frozen=True)
class Text:
    """A prompt and its answer, with their words."""

    prompt: str
    words: list[str]
    answer: list[str]
    whole: str


class Grams:
    """Which entries hold an n-gram: hashes in ascending order, and for each the entry."""

    def __init__(self, hashes: Hashes, entries: Ints):
        order = np.argsort(hashes, kind="stable")
        self.hashes, self.entries = hashes[order], entries[order]
        # A table of one bit each spares most look-ups the search: few n-grams of a text are a question's.
        self.maybe = np.zeros(1 << 22, dtype=bool)
        self.maybe[hashes >> np.uint64(42)] = True

    def hits(self, hashes: Hashes) -> tuple[Ints, Ints]:
        """(places among `hashes`, entries) of all that match."""
        places = np.flatnonzero(self.maybe[hashes >> np.uint64(42)])
        first = np.searchsorted(self.hashes, hashes[places], "left")
        n = np.searchsorted(self.hashes, hashes[places], "right") - first
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        return np.repeat(places, n), self.entries[np.repeat(first, n) + within]


class Index:
    """The questions of a test, to look for in texts."""

    def __init__(self, asked: Sequence[Asked], frame: Frame):
        self.frame = frame
        self.asked = asked
        self.content = [one.words[frame.span(one.text, len(one.words))] for one in asked]
        self.words = {word: i for i, word in enumerate(dict.fromkeys(w for one in asked for w in _all_words(one)), 1)}
        self.full = [c + one.answers[0] if one.answers else c for c, one in zip(self.content, asked, strict=True)]
        answers = Counter(" ".join(answer) for one in asked for answer in one.answers)
        self.common_answers = {answer for answer, n in answers.items() if n >= n_shared(len(asked), 0.1)}
        self.sentences: dict[str, list[int]] = {}
        for i, one in enumerate(asked):
            for run in _short_runs(sentences(one.text)):
                self.sentences.setdefault(run, []).append(i)
        self._make_grams()

    def _make_grams(self) -> None:
        inside = _Stream([one.words for one in self.asked], self.words)
        contents, full = _Stream(self.content, self.words), _Stream(self.full, self.words)
        sizes = np.array([len(one) for one in self.content])
        self.inside: dict[int, Grams] = {}
        self.runs = Grams(np.empty(0, np.uint64), np.empty(0, np.int64))
        for n, hashes in contents.grams(LONG):
            long_enough = np.flatnonzero((sizes == n) | ((sizes > n) & (n == LONG)))
            if n >= SHORTEST and len(long_enough):
                self.inside[n] = Grams(hashes[contents.starts[long_enough]], long_enough)
        rare = np.array([word not in self.frame.words for one in self.full for word in one], dtype=np.int64)
        for n, hashes in full.grams(SEED):
            whole_gram = full.within(n)
            if n == RUN:
                self.run_hashes = hashes
                self.runs = Grams(hashes[whole_gram], full.owner[: len(hashes)][whole_gram])
            if n == SEED:
                n_content = np.convolve(rare, np.ones(n, np.int64), "valid") if len(rare) >= n else rare[:0]
                good = whole_gram & (n_content >= 2)
                pairs = np.unique(np.stack([hashes[good].view(np.int64), full.owner[: len(hashes)][good]]), axis=1)
                _, which, count = np.unique(pairs[0], return_inverse=True, return_counts=True)
                pairs = pairs[:, count[which] <= RARE]
                self.seeds = Grams(pairs[0].view(np.uint64), pairs[1])
        for n, hashes in inside.grams(LONG):
            if n == LONG:
                self.around = Grams(hashes[inside.within(n)], inside.owner[: len(hashes)][inside.within(n)])
        self.is_content = np.split(rare.astype(bool), full.starts[1:])
        self.run_starts = full.starts
        self.siblings: dict[int, float] = {}

    def find(self, texts: Sequence[Text]) -> dict[int, tuple[str, int]]:
        """Of each text that holds a question: the kind, and the question's place in `asked`."""
        stream = _Stream([text.words + text.answer for text in texts], self.words)
        spans = [self.frame.span(text.prompt, len(text.words)) for text in texts]
        found: dict[int, tuple[str, int]] = {}
        runs: Hashes = np.empty(0, np.uint64)
        near: set[tuple[int, int]] = set()
        for n, hashes in stream.grams(LONG):
            if n == RUN:
                runs = hashes
            if n in self.inside:
                for place, i in zip(*self.inside[n].hits(hashes), strict=True):
                    text = int(stream.owner[place])
                    if text not in found and self._is_inside(int(i), texts[text], int(place - stream.starts[text])):
                        found[text] = ("inside", int(i))
            if n == SEED:
                places, entries = self.seeds.hits(hashes)
                near |= set(zip(stream.owner[places].tolist(), entries.tolist(), strict=True))
            if n == LONG:
                starts = np.array([s.start for s in spans], np.int64) + stream.starts
                long = np.array([s.stop - s.start >= LONG for s in spans]) & (starts < len(hashes))
                candidates = np.flatnonzero(long)
                for place, i in zip(*self.around.hits(hashes[starts[candidates]]), strict=True):
                    text = int(candidates[place])
                    if text not in found and _holds(self.asked[i].words, texts[text].words[spans[text]]):
                        found[text] = ("inside", int(i))
        for j, text in enumerate(texts):
            if j not in found:
                for i in self.sentences.get(" ".join(text.words[spans[j]]), ()):
                    if self._agrees(i, text, len(text.words[spans[j]])):
                        found[j] = ("inside", i)
                        break
        for j, i in sorted(near):
            if j not in found and self._is_near(i, texts[j], runs[stream.starts[j] : stream.ends[j] - RUN + 1]):
                found[j] = ("near", i)
        return found

    def _is_inside(self, i: int, text: Text, place: int) -> bool:
        content, held = self.content[i], text.words + text.answer
        if held[place : place + len(content)] != content:
            return False
        if len(content) >= LONG:
            return True
        asked = [word for sentence in sentences(self.asked[i].text) for word in sentence]
        asked = asked[self.frame.span(self.asked[i].text, len(asked))]
        return _is_run(asked, sentences(text.whole)) and self._agrees(i, text, len(content))

    def _agrees(self, i: int, text: Text, n: int) -> bool:
        """Whether the answer is the question's too; where an answer says little (a letter, yes), 8 words must do."""
        answers = self.asked[i].answers
        telling = [answer for answer in answers if " ".join(answer) not in self.common_answers]
        if not telling:
            return n >= (CONTENT if answers else SEED)
        return any(_holds(text.answer, answer) or _holds(answer, text.answer) for answer in telling) or any(
            _holds(text.words, answer) and not _holds(self.content[i], answer) for answer in telling
        )

    def _is_near(self, i: int, text: Text, runs: Hashes) -> bool:
        pieces = {p for p in _pieces(self.asked[i].text) if not self.frame.words.issuperset(p.split())}
        if len(pieces) >= 3 and pieces <= set(_pieces(text.whole)):
            return True
        if n_words(self.full[i]) < LONG or self.is_content[i].sum() < CONTENT:
            return False
        share = self._covered(i, runs)
        return share >= NEAR and share >= self._nearest_sibling(i) + ABOVE_SIBLINGS

    def _covered(self, i: int, runs: Hashes) -> float:
        """The share of the question's content that stands in runs of words that are among `runs`."""
        own = self.run_hashes[self.run_starts[i] : self.run_starts[i] + len(self.full[i]) - RUN + 1]
        shared = np.isin(own, runs)
        covered = np.zeros(len(self.full[i]), dtype=bool)
        for k in range(RUN):
            covered[k : k + len(own)] |= shared
        return float(covered[self.is_content[i]].mean())

    def _nearest_sibling(self, i: int) -> float:
        """How much of the question's content the second nearest of the test's other questions has."""
        if i not in self.siblings:
            own = self.run_hashes[self.run_starts[i] : self.run_starts[i] + len(self.full[i]) - RUN + 1]
            _, entries = self.runs.hits(np.unique(own))
            shared = Counter(entries.tolist())
            others = [j for j, _ in shared.most_common(8) if self.asked[j].index != self.asked[i].index]
            near = sorted((self._covered(i, self._runs_of(j)) for j in others), reverse=True)
            self.siblings[i] = near[1] if len(near) > 1 else 0.0
        return self.siblings[i]

    def _runs_of(self, i: int) -> Hashes:
        return self.run_hashes[self.run_starts[i] : self.run_starts[i] + len(self.full[i]) - RUN + 1]


class _Stream:
    """Texts' words in one row, as hashes: uint64 [words]; `owner` is each word's text, `starts` and `ends` its bounds."""

    def __init__(self, texts: Sequence[Sequence[str]], numbers: Mapping[str, int]):
        """`numbers` of the words that count; all others are alike."""
        sizes = np.array([len(text) for text in texts], dtype=np.int64)
        self.ends = np.cumsum(sizes)
        self.starts = self.ends - sizes
        self.owner = np.repeat(np.arange(len(texts)), sizes)
        row = map(numbers.get, chain.from_iterable(texts), repeat(0))
        self.words: Hashes = np.fromiter(row, np.uint64, int(sizes.sum())) * np.uint64(0x9E3779B97F4A7C15)

    def within(self, n: int) -> npt.NDArray[np.bool_]:
        """Which n-grams lie within one text."""
        last = max(0, len(self.owner) - n + 1)
        return self.owner[:last] == self.owner[n - 1 :]

    def grams(self, up_to: int) -> Iterator[tuple[int, Hashes]]:
        """(n, the hash of the n-gram that begins at each word) for n from 1; grams that leave their text too."""
        hashes = self.words.copy()
        for n in range(1, min(up_to, len(self.words)) + 1):
            if n > 1:
                hashes = hashes[:-1] * np.uint64(0x100000001B3) + self.words[n - 1 :]
            mixed = hashes ^ (hashes >> np.uint64(29))
            yield n, mixed * np.uint64(0xBF58476D1CE4E5B9)


def _all_words(asked: Asked) -> Iterator[str]:
    return chain(asked.words, *asked.answers)


def _holds(text: Sequence[str], part: Sequence[str]) -> bool:
    return bool(part) and f" {' '.join(part)} " in f" {' '.join(text)} "


def _is_run(asked: list[str], found: list[list[str]]) -> bool:
    """Whether the words are some sentences of a text in a row."""
    for first in range(len(found)):
        held: list[str] = []
        for sentence in found[first:]:
            held += sentence
            if held == asked:
                return True
            if len(held) >= len(asked):
                break
    return False


def _short_runs(found: list[list[str]]) -> set[str]:
    """Sentences in a row of fewer than 13 words together."""
    runs = set()
    for first in range(len(found)):
        held: list[str] = []
        for sentence in found[first:]:
            held = held + sentence
            if len(held) >= LONG:
                break
            if len(held) >= SHORTEST:
                runs.add(" ".join(held))
    return runs


_PIECES = re.compile(r"\n\s*(?:\(?[A-Ja-j\d]{1,2}[.):]\s)?|:\s|(?:^|\s)\([A-Ja-j]\)\s|^\s*\(?[A-Ja-j\d]{1,2}[.):]\s")
"""Between the stem of a question and its options, with the options' letters."""


def _pieces(text: str) -> list[str]:
    return [" ".join(found) for piece in _PIECES.split(text) if (found := words(piece))]
