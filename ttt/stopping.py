"""SIGTERM (a scheduler takes the machine away) and Ctrl-C: a checkpoint, then out, to be continued."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS: dict[int, Any] = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
"""The signals that are taken as a wish to stop, with what Python does about them by itself."""

_state = {"asked": 0, "deferred": 0, "raised": 0}
"""The signal that came, how many bodies it waits for, and whether Stopped has been raised for it."""


class Stopped(SystemExit):  # no error: the work goes on when the command is given again
    """The process was told to end, and all that it had is on the disk.

    Its exit code is what a shell reports of a process that the signal ended, so that schedulers that requeue by it do.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(128 + number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Take SIGTERM and Ctrl-C as a wish to stop while the body runs; another's handler (a launcher's) is left alone."""
    main = threading.current_thread() is threading.main_thread()
    mine = [number for number, usual in SIGNALS.items() if main and signal.getsignal(number) == usual]
    if not mine:
        yield
        return
    _state["asked"] = _state["raised"] = 0
    for number in mine:
        signal.signal(number, _on_signal)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, SIGNALS[number])


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
        _state["raised"] = 1
        raise Stopped(_state["asked"])


def _on_signal(number: int, _: Any) -> None:
    again = _state["asked"] == number == signal.SIGINT  # whoever presses Ctrl-C again does not want to wait
    _state["asked"] = number
    # What is already stopping is not interrupted again: a scheduler signals every process, and so does a multirun.
    if again or not (_state["deferred"] or _state["raised"]):
        _state["raised"] = 1
        raise Stopped(number)
