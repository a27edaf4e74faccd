"""The terminal: the one place where ttt prints. What it is given is text, whatever stands in it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ttt.masking import masked, visible


class Terminal(Console):
    """A console without markup: names of files, tasks and tags are shown as they are, and nothing in them is obeyed."""

    def __init__(self, **options: Any):
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(masked(part) if isinstance(part, str) else part for part in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def on_broken_pipe(self) -> None:
        """Whoever read the output has left (`| head`): the work goes on, and nothing more is printed."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())


class Warnings(logging.Handler):
    """Warnings that no other handler takes, shown as everything else is."""

    def emit(self, record: logging.LogRecord) -> None:
        console.print(record.getMessage(), soft_wrap=True)


class Record(logging.LogRecord):
    """What any library logs, through whatever handler of its own: text that nothing obeys, and no passwords."""

    def getMessage(self) -> str:  # noqa: N802
        return visible(masked(super().getMessage()))


def prepare() -> None:
    """Warnings go through the console, and a letter that the terminal's encoding lacks stops no output."""
    logging.setLogRecordFactory(Record)
    logging.lastResort = Warnings(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def results() -> Terminal:
    """Where results are printed. Tables in a file or a pipe need not fit a window."""
    out = Terminal()
    if out.width < 100 and not out.is_terminal:
        out.width = 100
    return out


console = Terminal(stderr=True)
"""Where messages go: what happens meanwhile, and faults. Results go to `results()`."""
