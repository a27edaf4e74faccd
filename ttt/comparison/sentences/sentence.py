"""What a sentence of a report is: its name, its place, when it is true, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ttt.comparison.conclusions import BenchConclusions

C = TypeVar("C")


@dataclass(frozen=True)
class Sentence(Generic[C]):
    """A sentence, or a few that are true together, about conclusions of one kind."""

    name: str
    place: str
    """The part of page, terminal or run where it stands; sentences of one place stand in the order of their list."""
    condition: str
    """When it is true, in words."""
    holds: Callable[[C], Any]
    """The condition, of the conclusions: true or false by its truth value."""
    text: Callable[[C], str]
    """What it says of conclusions for which it holds."""
    title: str = ""
    """What it is about, where the place shows that apart."""
    about: type[Any] = BenchConclusions

    def is_said_of(self, conclusions: Any) -> bool:
        return isinstance(conclusions, self.about) and bool(self.holds(conclusions))


def always(_: Any) -> bool:
    """Of conclusions of its kind a sentence is true whatever they are: a definition, or how a table is read."""
    return True
