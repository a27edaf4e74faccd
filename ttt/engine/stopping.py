"""SIGTERM, which a scheduler sends before it takes a machine away: a checkpoint, then out, to be continued."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EXIT_CODE = 128 + signal.SIGTERM
"""What a shell reports of a process that SIGTERM ended, so that schedulers that requeue by it do."""

_state = {"asked": False, "deferred": 0}


class Stopped(SystemExit):  # no error: the work goes on when the command is given again
    """The process was told to end, and all that it had is on the disk."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


@contextmanager
def stoppable() -> Iterator[None]:
    """Take SIGTERM as a wish to stop while the body runs; another's handler (a launcher's) is left in its place."""
    mine = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if not mine:
        yield
        return
    _state["asked"] = False
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def deferred() -> Iterator[None]:
    """Within the body a wish to stop waits for `stop_if_asked`, so that no step is left half done."""
    _state["deferred"] += 1
    try:
        yield
    finally:
        _state["deferred"] -= 1


def asked() -> bool:
    """Whether a wish to stop is waiting."""
    return bool(_state["asked"])


def stop_if_asked() -> None:
    if asked():
        raise Stopped


def _on_sigterm(*_: Any) -> None:
    _state["asked"] = True
    if not _state["deferred"]:
        raise Stopped
