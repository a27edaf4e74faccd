"""Texts that hold a question: inside a longer text, or in a near-copy. By n-grams of words, so that a pool streams by.

Brown et al. 2020 (appendix C) call a test example contaminated that shares a 13-gram with the training data; but short
questions share theirs with nobody, a passage shares its own with all questions about it, and one changed word in
thirteen hides a copy. The rules here, over words and signs, without what the template says:

* inside: all of the question stands in the text, or all of the text's prompt in the question. Below 13 words it must
  be whole sentences there, and the answer must be the question's.
* near: a question of 13 words or more (a shorter one together with its answer), 8 of them content, of which three
  quarters stand in runs of three words that the text has too, more than the test's other questions have. Another number
  is another question, and so is a question of few words (below 20 different ones) or with options: there the answer
  must be the question's. Or the same pieces, a stem and its options, in another order or under other letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal

import numpy as np

from ttt.tasks.frames import SHARE, Frame, n_shared, sentences
from ttt.tasks.grams import Grams, Hashes, Ints, Stream, once_each
from ttt.tasks.words import n_words, words

LONG = 13
"""Words: Brown et al.'s n."""
SHORTEST = 3
"""Words of a question that is looked for inside texts."""
SEED, RUN = 5, 3
"""Words in a row. A near-copy has some seeds of the question in it: one changed word in six leaves one in any text."""
SEEDS = 0.12
"""Of the question's seeds."""
RARE = 3
"""Questions that may share a seed; what more of them share does not tell them apart."""
NEAR = 0.75
"""Of the content, in shared runs."""
CONTENT, TELLING = 8, 20
"""Content words without which two questions of one kind are too like; different ones that tell a question apart."""
ABOVE_SIBLINGS = 0.15
"""How much nearer a near-copy is than the test's other questions are to each other."""


Found = Literal["inside", "near"]


@dataclass(frozen=True)
class AskedQuestion:
    """A question with its words, and the words of its right answers; `number` tells the test documents apart."""

    number: int
    text: str
    words: list[str]
    answers: tuple[list[str], ...] = ()


@dataclass
class Text:
    """A prompt and its answer, with their words."""

    prompt: str
    answer: str
    words: list[str]
    answer_words: list[str]

    @cached_property
    def spelt_out(self) -> list[str]:
        return words(spell_out(self.prompt, self.answer))

    @cached_property
    def pieces(self) -> frozenset[str]:
        return frozenset(_pieces(self.prompt + self.answer))


class Index:
    """The questions of a test, to look for in texts."""

    def __init__(self, asked: Sequence[AskedQuestion], frame: Frame):
        self.asked, self.frame = asked, frame
        all_words = dict.fromkeys(chain.from_iterable(chain(one.words, *one.answers) for one in asked))
        self.numbers = {word: number for number, word in enumerate(all_words, 1)}
        self.content = [one.words[frame.span(one.text, len(one.words))] for one in asked]
        answers = Counter(" ".join(answer) for one in asked for answer in one.answers)
        self.common_answers = {answer for answer, n in answers.items() if n >= n_shared(len(asked), SHARE)}
        self.pieces = [self._own(_pieces(one.text)) for one in asked]
        self.sentences: dict[str, list[int]] = {}
        for i, one in enumerate(asked):
            for run in _short_runs(sentences(one.text)):
                self.sentences.setdefault(run, []).append(i)
        self._index_contents()
        self._index_parts()

    def _own(self, pieces: Iterable[str]) -> frozenset[str]:
        return frozenset(piece for piece in pieces if not self.frame.words.issuperset(piece.split()))

    def _index_contents(self) -> None:
        """Contents by the n-gram of all their words, long ones by their first 13; and all 13-grams of the questions."""
        stream = Stream(self.content, self.numbers)
        sizes = stream.ends - stream.starts
        self.inside: dict[int, Grams] = {}
        for n, hashes in stream.grams(LONG):
            entries = np.flatnonzero((sizes == n) | ((sizes > n) & (n == LONG)))
            if n >= SHORTEST and len(entries):
                self.inside[n] = Grams(hashes[stream.starts[entries]], entries)
        stream = Stream([one.words for one in self.asked], self.numbers)
        hashes, places = stream.of_size(LONG)
        self.around = Grams(hashes, stream.owner[places])

    def _index_parts(self) -> None:
        """What near-copies are known by: contents, short ones with their answers, in seeds and runs."""
        known = [
            content + one.answers[0] if len(content) < LONG and one.answers else content
            for content, one in zip(self.content, self.asked, strict=True)
        ]
        is_content = [np.array([word not in self.frame.words for word in one], dtype=bool) for one in known]
        self.is_content = is_content
        self.can_be_near = [
            n_words(one) >= LONG and kept.sum() >= CONTENT for one, kept in zip(known, is_content, strict=True)
        ]
        self.is_telling = [len({w for w in one if w not in self.frame.words}) >= TELLING for one in known]
        self.numbers_in = [{word for word in content if word[0].isdigit()} for content in self.content]
        self.siblings: dict[int, float] = {}
        stream = Stream(known, self.numbers)
        hashes, places = stream.of_size(RUN)
        owners = stream.owner[places]
        self.runs = Grams(hashes, owners)
        self.own_runs = np.split(hashes, np.searchsorted(owners, np.arange(1, len(known))))
        hashes, places = stream.of_size(SEED)
        before = np.concatenate([[0], np.cumsum(np.concatenate(is_content))]) if known else np.zeros(1, np.int64)
        telling = before[places + SEED] - before[places] >= 2
        hashes, owners = once_each(hashes[telling], stream.owner[places[telling]])
        _, which, n = np.unique(hashes, return_inverse=True, return_counts=True)
        self.seeds = Grams(hashes[n[which] <= RARE], owners[n[which] <= RARE])
        self.n_seeds = np.bincount(self.seeds.entries, minlength=len(known))
        self.has_pieces = np.array([len(pieces) >= 3 for pieces in self.pieces], dtype=bool)

    def find(self, texts: Sequence[Text]) -> dict[int, tuple[Found, int]]:
        """Of each text that holds a question: the kind, and the question's place in `asked`."""
        stream = Stream([text.words + text.answer_words for text in texts], self.numbers)
        spans = [self.frame.span(text.prompt, len(text.words)) for text in texts]
        leaks: dict[int, tuple[Found, int]] = {}
        near: list[tuple[int, int]] = []
        runs = stream.words[:0]
        for n, hashes in stream.grams(LONG):
            if n in self.inside:
                for place, i in zip(*self.inside[n].hits(hashes), strict=True):
                    j = int(stream.owner[place])
                    if j not in leaks and self._is_inside(i, texts[j], int(place - stream.starts[j])):
                        leaks[j] = ("inside", int(i))
            if n == RUN:
                runs = hashes
            if n == SEED:
                near = self._near_candidates(stream.owner, hashes)
            if n == LONG:
                long = np.array([j for j, span in enumerate(spans) if span.stop - span.start >= LONG], dtype=np.int64)
                starts = stream.starts[long] + np.array([spans[j].start for j in long], dtype=np.int64)
                for place, i in zip(*self.around.hits(hashes[starts]), strict=True):
                    j = int(long[place])
                    if j not in leaks and _holds(self.asked[i].words, texts[j].words[spans[j]]):
                        leaks[j] = ("inside", int(i))
        for j, (text, span) in enumerate(zip(texts, spans, strict=True)):
            content = text.words[span]
            for i in self.sentences.get(" ".join(content), ()) if len(content) < LONG else ():
                if j not in leaks and self._agrees(i, text, len(content)):
                    leaks[j] = ("inside", i)
        for j, i in near:
            if j not in leaks and self._is_near(i, texts[j], runs[stream.starts[j] : stream.ends[j] - RUN + 1]):
                leaks[j] = ("near", i)
        return leaks

    def _near_candidates(self, owner: Ints, hashes: Hashes) -> list[tuple[int, int]]:
        """(text, question) where enough of the question's seeds are in the text, or any and it has options."""
        places, entries = self.seeds.hits(hashes)
        pairs, n = np.unique(owner[places] * len(self.asked) + entries, return_counts=True)
        entries = pairs % len(self.asked)
        kept = self.has_pieces[entries] | (n >= SEEDS * self.n_seeds[entries])
        return [divmod(int(pair), len(self.asked)) for pair in pairs[kept]]

    def _is_inside(self, i: int, text: Text, place: int) -> bool:
        content, held = self.content[i], text.words + text.answer_words
        if held[place : place + len(content)] != content:
            return False
        if len(content) >= LONG:
            return True
        asked = list(chain.from_iterable(sentences(self.asked[i].text)))
        asked = asked[self.frame.span(self.asked[i].text, len(asked))]
        is_whole = _is_run(asked, [*sentences(text.prompt), *sentences(text.answer)])
        is_whole = is_whole or _is_run(asked, sentences(text.prompt + text.answer))
        return is_whole and self._agrees(i, text, len(content))

    def _agrees(self, i: int, text: Text, n: int) -> bool:
        """Whether the text gives the question's answer; where answers say little (yes), n words must be many."""
        answers = self.asked[i].answers
        telling = [answer for answer in answers if " ".join(answer) not in self.common_answers]
        if not telling:
            return n >= (CONTENT if answers else SEED)
        held = text.words + text.answer_words
        return any(
            _same_answer(text.spelt_out, answer) or (_holds(held, answer) and not _holds(self.content[i], answer))
            for answer in telling
        )

    def _is_near(self, i: int, text: Text, runs: Hashes) -> bool:
        if self.has_pieces[i] and self.pieces[i] <= text.pieces:
            return True
        if not self.can_be_near[i]:
            return False
        share = self._covered(i, runs)
        if share < NEAR or share < self._second_nearest(i) + ABOVE_SIBLINGS:
            return False
        if any(_same_answer(text.spelt_out, answer) for answer in self.asked[i].answers):
            return True
        asks_the_same = self.numbers_in[i].issubset(text.words)
        return asks_the_same and (not self.asked[i].answers or (self.is_telling[i] and not self.has_pieces[i]))

    def _covered(self, i: int, runs: Hashes) -> float:
        """The share of the question's content that stands in runs of words that are among `runs`."""
        own, is_content = self.own_runs[i], self.is_content[i]
        shared = np.isin(own, runs)
        covered = np.zeros(len(is_content), dtype=bool)
        for k in range(RUN):
            covered[k : k + len(own)] |= shared
        return float(covered[is_content].mean())

    def _second_nearest(self, i: int) -> float:
        """How much of the question's content the second nearest of the test's other questions has."""
        if i not in self.siblings:
            _, entries = self.runs.hits(np.unique(self.own_runs[i]))
            shared = Counter(entries.tolist())
            others = [j for j, _ in shared.most_common(12) if self.asked[j].number != self.asked[i].number]
            near = sorted((self._covered(i, self.own_runs[j]) for j in others), reverse=True)
            self.siblings[i] = near[1] if len(near) > 1 else 0.0
        return self.siblings[i]


def _holds(text: Sequence[str], part: Sequence[str]) -> bool:
    return bool(part) and f" {' '.join(part)} " in f" {' '.join(text)} "


def _same_answer(given: Sequence[str], right: Sequence[str]) -> bool:
    """Whether two answers say the same: one holds the other, they end in the same number, or share half their words."""
    numbers = [next((word for word in reversed(one) if word[0].isdigit()), None) for one in (given, right)]
    if None not in numbers:
        return numbers[0] == numbers[1]
    shared = (Counter(given) & Counter(right)).total()
    return _holds(given, right) or _holds(right, given) or 2 * shared >= max(len(given), len(right), 1)


def _is_run(asked: list[str], sentences: list[list[str]]) -> bool:
    """Whether the words are some sentences of a text in a row."""
    for first in range(len(sentences)):
        held: list[str] = []
        for sentence in sentences[first:]:
            held += sentence
            if held == asked:
                return True
            if len(held) >= len(asked):
                break
    return False


def _short_runs(sentences: list[list[str]]) -> set[str]:
    """Sentences in a row that are shorter than 13 words together."""
    runs = set()
    for first in range(len(sentences)):
        held: list[str] = []
        for sentence in sentences[first:]:
            held = held + sentence
            if len(held) >= LONG:
                break
            if len(held) >= SHORTEST:
                runs.add(" ".join(held))
    return runs


_LABEL = r"\(?[A-Ja-j\d]{1,2}[.):]\s"
_PIECES = re.compile(rf":?\s*\n\s*(?:{_LABEL})?|^\s*{_LABEL}|:\s|(?:^|\s)\([A-Ja-j]\)\s")
"""Between the stem of a question and its options, with the options' letters."""


def _pieces(text: str) -> list[str]:
    return [" ".join(sentence) for piece in _PIECES.split(text) if (sentence := words(piece))]


def spell_out(prompt: str, answer: str) -> str:
    """The text of the option that a letter names, any other answer as it is."""
    letter = answer.strip(" \n.:()")
    if len(letter) != 1 or not letter.isalpha():
        return answer
    option = re.search(rf"^\s*\(?{letter}[.):]\s*(.+)$|\({letter}\)\s*([^()\n]+)", prompt, re.MULTILINE)
    return (option[1] or option[2]) if option else answer
