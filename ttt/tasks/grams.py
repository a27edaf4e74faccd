"""n-grams of words as hashes, for many texts at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0x100000001B3), np.uint64(0xBF58476D1CE4E5B9))
"""Multipliers that spread the bits (SplitMix64's and FNV's)."""


class Stream:
    """The words of texts in one row, uint64 [words]; `owner` is each word's text, `starts` and `ends` bound the texts.

    `numbers` are those of the words that count, from 1; all other words are alike.
    """

    def __init__(self, texts: Sequence[Sequence[str]], numbers: Mapping[str, int]):
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        self.ends = np.cumsum(sizes)
        self.starts = self.ends - sizes
        self.owner = np.repeat(np.arange(len(texts)), sizes)
        row = map(numbers.get, chain.from_iterable(texts), repeat(0))
        self.words: Hashes = np.fromiter(row, np.uint64, int(sizes.sum())) * _ODD[0]

    def grams(self, up_to: int) -> Iterator[tuple[int, Hashes]]:
        """(n, the hash of the n words from each word on) for n from 1, those that reach into the next text included."""
        hashes = self.words
        for n in range(1, min(up_to, len(self.words)) + 1):
            if n > 1:
                hashes = hashes[:-1] * _ODD[1] + self.words[n - 1 :]
            yield n, (hashes ^ (hashes >> np.uint64(29))) * _ODD[2]

    def of_size(self, n: int) -> tuple[Hashes, Ints]:
        """(hash, first place) of every n-gram within a text."""
        hashes = next((hashes for size, hashes in self.grams(n) if size == n), self.words[:0])
        places = np.flatnonzero(self.owner[: len(hashes)] == self.owner[n - 1 :][: len(hashes)])
        return hashes[places], places


class Grams:
    """Which entries hold an n-gram."""

    def __init__(self, hashes: Hashes, entries: Ints):
        order = np.argsort(hashes, kind="stable")
        self.hashes, self.entries = hashes[order], entries[order]
        # Few n-grams of a text are a question's: a table over the first bits spares the others the search.
        self.maybe = np.zeros(1 << 24, dtype=bool)
        self.maybe[hashes >> np.uint64(40)] = True

    def hits(self, hashes: Hashes) -> tuple[Ints, Ints]:
        """(places among `hashes`, entries) of all that match."""
        places = np.flatnonzero(self.maybe[hashes >> np.uint64(40)])
        first = np.searchsorted(self.hashes, hashes[places], "left")
        n = np.searchsorted(self.hashes, hashes[places], "right") - first
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        return np.repeat(places, n), self.entries[np.repeat(first, n) + within]


def once_each(hashes: Hashes, owners: Ints) -> tuple[Hashes, Ints]:
    """Each (hash, owner) once, in ascending order."""
    order = np.lexsort((owners, hashes))
    hashes, owners = hashes[order], owners[order]
    first = np.ones(len(hashes), dtype=bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    return hashes[first], owners[first]
