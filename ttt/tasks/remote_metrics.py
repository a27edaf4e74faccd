"""Metrics that are loaded as code, from the hub or the current folder: `evaluate.load`, which lm-eval's tasks call."""

from __future__ import annotations

from typing import Any

import evaluate

from ttt.spec import SpecError


class _Load:
    """Stands where `evaluate.load` does: loads if that is allowed, or refuses and remembers what was asked for."""

    def __init__(self, load: Any):
        self.load, self.allowed, self.refused = load, False, list[str]()

    def __call__(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        if self.allowed:
            return self.load(path, *args, **kwargs)
        self.refused.append(str(path))
        raise SpecError(_refusal(str(path)))


LOAD = _Load(evaluate.load)


def guard_metrics(allowed: bool) -> None:
    """From now on, have `evaluate.load` run code only if that is allowed, and forget what was refused before.

    Tasks of lm-eval call it when they are imported, made or scored. It runs `./NAME/NAME.py` of the current folder if
    there is one, and otherwise code from the hub.
    """
    evaluate.load, LOAD.allowed, LOAD.refused = LOAD, allowed, []


def check_none_refused(bench: str) -> None:
    """Raise SpecError if a metric was asked for since: lm-eval swallows the refusal, and scores without the metric."""
    if LOAD.refused:
        raise SpecError(f"bench '{bench}': {_refusal(LOAD.refused[0])}")


def _refusal(name: str) -> str:
    return (
        f"a task loads the metric {name!r} by `evaluate`, which runs code from the hub or from the current folder; "
        "bench.trust_remote_code=true allows that"
    )
