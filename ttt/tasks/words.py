"""A text as words, for comparing texts: case, blanks and punctuation do not count, signs that carry meaning do.

A sign is all that is neither a letter, a digit, a blank nor punctuation by Unicode (+ < = € ° and emoji), and some of
Unicode's punctuation (% / * & and their like). What is punctuation in prose and a sign in arithmetic (hyphen, point,
colon, brackets, exclamation mark, apostrophe) is known by its neighbours; `_SIGNS_IN_CONTEXT` says how.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

_CHARACTERS = [*map(chr, range(0x20000)), *map(chr, range(0xE0000, 0xE0200))]
"""The planes that hold punctuation, marks and compatible forms."""


def _ranges(characters: Iterable[str]) -> str:
    """Characters in ascending order, as the inside of a regular expression's [], which searches long lists slowly."""
    spans: list[list[int]] = []
    for point in map(ord, characters):
        if spans and spans[-1][1] == point - 1:
            spans[-1][1] = point
        else:
            spans.append([point, point])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in spans)


_MARKS = _ranges(c for c in _CHARACTERS if unicodedata.category(c)[0] == "M")
"""Accents and the vowel signs of many scripts: parts of words that `\\w` leaves out."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
_UNSPACED += "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese, which set no blanks between words: a character counts as a word."""

_ALWAYS_SIGNS = "%‰‱٪&@#*/\\§†‡′⌈⌉⌊⌋"
_PUNCTUATION = [
    c
    for c in _CHARACTERS
    if (unicodedata.category(c)[0] == "P" and c not in _ALWAYS_SIGNS) or unicodedata.category(c) == "Cc" or c == "`"
]

# Points and colons between digits (3.14, 12:30) are in words; signs stand alone.
_REST = r"(?:(?<=\d)[.:](?=\d){0}+)*"
_ASCII = "[a-z0-9]"
_ASCII_TOKENS = re.compile(rf"{_ASCII}+{_REST.format(_ASCII)}|[^\w\s{_ranges(c for c in _PUNCTUATION if c.isascii())}]")
_LETTER = rf"(?:[^\W_{_UNSPACED}]|[{_MARKS}])"
_TOKENS = re.compile(
    rf"[{_UNSPACED}][{_MARKS}]*|{_LETTER}+{_REST.format(_LETTER)}|[^\w\s{_MARKS}{_ranges(_PUNCTUATION)}]"
)
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")

_ONE = r"(?<![^\W\d_])[^\W\d_]"
"""A letter that begins a word; with `(?![^\\W\\d_])` behind it, a variable."""
_RIGHT = r"(?=\s?(?:[^\W\d_](?![^\W\d_])|[(\[]))"
_SIGN = r"[+<=>*/^×÷√∞π$€£¥∑∫|~°%]"
_OPERATOR = r"[+−<=>*/^×÷·⋅]"
_NUMBER = r"\s*[+−]?(?:\d[\w.]*|∞|[^\W\d_])\s*"


_MINUS = "|".join(
    [
        # beside a digit or another sign,
        r"(?<=\d-)|(?<=\d\s-)|(?=\s?\.?\d)",
        rf"(?<={_SIGN}-)|(?<={_SIGN}\s-)|(?=\s?{_SIGN})",
        # between variables or brackets,
        rf"(?:(?<={_ONE}-)|(?<={_ONE}\s-)|(?<=[)\]]-)|(?<=[)\]]\s-)){_RIGHT}",
        # before a variable, or behind a letter or two that nothing follows (Cl-, A-).
        r"(?<![^\s(\[{]-)(?=[^\W\d_](?!\w))",
        r"(?:(?<=\b[^\W\d_]-)|(?<=\b[^\W\d_][^\W\d_]-))(?!\w)",
    ]
)
"""Where a hyphen is a minus; between words it is punctuation."""

_BRACKETS = str.maketrans("()[]{}", "⎛⎞⎡⎤⎧⎫")


def _as_signs(match: re.Match[str]) -> str:
    return match[0].translate(_BRACKETS)


_GROUPED = "|".join(rf"(?<=(?<![\d.,])[1-9]{digits},)" for digits in ("", r"\d", r"\d\d")) + r"|(?<=,\d{3},)"

# Each pattern begins with its mark and looks behind over it, which Python's engine searches several times faster.
_SIGNS_IN_CONTEXT: list[tuple[str, str, str | Callable[[re.Match[str]], str]]] = [
    # Commas that group an English number's digits: 1,000 is 1000.
    (",", rf",(?:{_GROUPED})(?=\d{{3}}(?!\d))", ""),
    # Markdown: emphasis, the marks of lists and headings.
    ("*", r"\*(?<![\w*]\*)(\*{0,2})(?=[^\W\d_])([^*\n]+)(?<=\S)\*\1(?![\w*])", r"\2"),
    ("*", r"(?m)^\s*\*\s(?=\s*[^\W\d_])", ""),
    ("#", r"(?m)^\s*#+\s", ""),
    # Quotation marks in pairs, so that what is left behind a digit or a variable is a prime: 5'10", f'(x).
    ("'", r"'(?<!\w')(?=\S)([^'\n]*)(?<=\S)'(?!\w)", r" \1 "),
    ('"', r'"(?<!\w")(?=\S)([^"\n]*)(?<=\S)"(?!\w)', r" \1 "),
    ("'", r"'(?:(?<=\d')|(?<=\b[^\W\d_]'))'*(?![^\W\d_])", lambda match: "′" * len(match[0])),
    ('"', r'(?<=\d)"(?!\w)', "′′"),
    (".", r"\.(?<![\w.]\.)(?=\d)", "0."),
    ("-", rf"-(?:{_MINUS})", "−"),
    # Factorials (5!, n!, (n+1)!), `!=` and `!flag`.
    ("!", r"(?:(?<=\d)|(?<=\b[^\W\d_])|(?<=\d\))|(?<=\b[^\W\d_]\)))!+|!(?==)|(?<!\w)!(?=[\w(])", "❗"),
    # The unknown in 3 + ? = 5; at the end it asks and is not needed.
    ("?", r"\?(?=\s*[=+*/<>×÷]|\s*−\s*\d)", "❓"),
    (":", r"(?<=\d)\s:\s(?=\d)", ":"),
    # `::`, `:=`, and slices.
    (":", r":(?=[=:\]])|(?<=[:\[]):", "∶"),
    # Brackets that an operator stands beside, intervals and points, and empty ones.
    ("(", rf"(?<={_OPERATOR})\(|(?<={_OPERATOR}\s)\(|\(\)", _as_signs),
    (")", rf"\)(?=\s?{_OPERATOR})", _as_signs),
    (",", rf"[(\[]{_NUMBER},{_NUMBER}[)\]]", _as_signs),
    ("[", r"\[\]", _as_signs),
    ("{", r"\{\}", _as_signs),
    ("·", r"(?<=\d)·|·(?=\s?\d)|(?<=\d\s)·|(?<=\b[^\W\d_])·(?=[^\W\d_]\b)", "⋅"),
]
_CONTEXTS = [(mark, re.compile(pattern), sign) for mark, pattern, sign in _SIGNS_IN_CONTEXT]

_SUPERSCRIPTS = "".join(c for c in _CHARACTERS if unicodedata.decomposition(c).startswith("<super>"))
_RAISED = re.compile(f"[{_SUPERSCRIPTS}]+")


def _expanded(character: str) -> str | None:
    """The compatible form where NFKC's would say something else: 1½ is not 11/2, ①② not 12, ㎡ not m2."""
    kind, *points = unicodedata.decomposition(character).split() or [""]
    if kind in ("<fraction>", "<circle>"):
        return f" {unicodedata.normalize('NFKC', character)} ".replace("\u2044", "/")
    parts = [chr(int(point, 16)) for point in points]
    return "".join(parts) if kind == "<square>" and any(part in _SUPERSCRIPTS for part in parts) else None


_FOLDED: dict[int, str | None] = {ord(c): form for c in _CHARACTERS if (form := _expanded(c)) is not None}
_FOLDED |= {
    ord(c): None for c in _CHARACTERS if unicodedata.category(c) == "Cf"
}  # soft hyphens, joiners, marks of order
_FOLDED |= {ord(c): None for c in _CHARACTERS if unicodedata.name(c, "").startswith("VARIATION SELECTOR")}
for _point in range(0xE0020, 0xE0080):  # letters of flags: they tell England from Scotland
    del _FOLDED[_point]
_FOLDED |= dict.fromkeys(map(ord, "‐‑‒–"), "-")
_FOLDED |= dict.fromkeys(map(ord, "‘’‛´"), "'") | dict.fromkeys(map(ord, "“”„‟"), '"') | {0x2044: "/"}
_LONG_DASH = re.compile(r"(?<=\d)\s?[—―]\s?(?=\d)")


def _plain(text: str) -> str:
    """Compatible characters (NFKC) that mean the same, without the invisible ones; superscripts are marked by ^."""
    text = _RAISED.sub(lambda match: f"^{match[0]}", text.translate(_FOLDED))
    return _LONG_DASH.sub("-", unicodedata.normalize("NFKC", text))


def words(text: str) -> list[str]:
    """The words and signs of a text. Empty only for a text of blanks: one of punctuation alone is that punctuation."""
    ascii_only = text.isascii()
    folded = (text if ascii_only else _plain(text)).casefold()
    text = folded
    for mark, pattern, sign in _CONTEXTS:
        if mark in text:
            text = pattern.sub(sign, text)
    return (_ASCII_TOKENS if ascii_only and text.isascii() else _TOKENS).findall(text) or folded.split()


def normalise(text: str) -> str:
    """The words and signs of a text with single blanks between them."""
    return " ".join(words(text))


def n_words(read: list[str]) -> float:
    """How many words a text has; three characters of a script without blanks count as two."""
    n_characters = sum(len(word) <= 2 and bool(_IS_UNSPACED.match(word)) for word in read)
    return len(read) - n_characters / 3
