"""What an ingest leaves out, by reason, and what it takes with a doubt."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

N_CHARACTERS = 500
"""Of a name or a reason that is left out; files of others hold anything."""


@dataclass
class Omissions:
    """What is left out (reason, name and why), and what is taken with a doubt (`notes`)."""

    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, reason: str, name: str, why: str) -> None:
        self.skipped.setdefault(reason, {})[legible(name)] = legible(why)

    @property
    def by_number(self) -> dict[str, dict[str, str]]:
        """What is left out, the reason of the most files first; of a reason, the commonest explanation first."""
        ordered = {}
        for reason, named in sorted(self.skipped.items(), key=lambda item: -len(item[1])):
            often = Counter(named.values())
            ordered[reason] = dict(sorted(named.items(), key=lambda item: -often[item[1]]))
        return ordered

    @property
    def summary(self) -> list[str]:
        """A line a reason: how many are left out for it, one of them and why."""
        lines = []
        for reason, named in self.by_number.items():
            name, why = next(iter(named.items()))
            lines.append(f"{len(named):,} left out, {reason}, such as {name}: {why}")
        return lines

    def note(self, about: str, name: str) -> None:
        self.notes.setdefault(about, []).append(legible(name))


def legible(text: str) -> str:
    """A text that any file and terminal takes: no lone surrogates or control characters, and not endless."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: N_CHARACTERS + 1])
    return plain if len(text) <= N_CHARACTERS else f"{plain[:N_CHARACTERS]}... ({len(text):,} characters)"
