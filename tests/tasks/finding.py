"""The leak check over texts, for its tests."""

from __future__ import annotations

from collections.abc import Sequence

from ttt.tasks.leaks import Question, find_leaks
from ttt.tasks.task_data import Example


def leaks(questions: Sequence[Question | str], *texts: tuple[str, str]) -> list[str | None]:
    """Of each (prompt, answer), the kind of leak it is."""
    found = find_leaks([Example(*text) for text in texts], questions)
    return [found[place].kind if place in found else None for place in range(len(texts))]
