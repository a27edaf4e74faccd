"""A model's answers kept as they come, so that scoring goes on after a kill where it was, to the same numbers."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ttt.engine import distributed
from ttt.engine.lm import Backend
from ttt.engine.scoring.decoding import GreedyPrompts
from ttt.engine.scoring.groups import PrefixGroup
from ttt.files import scratch
from ttt.stopping import stop_if_asked

log = logging.getLogger(__name__)

SECONDS_A_SAVE = 5.0
"""What a kill may cost at most, unless one batch takes longer."""
PROMPTS_A_BATCH = 512
"""Prompts that are continued together: the batch is emptied at the end of each such part, and its answers kept."""


class Answers:
    """A file of `owner`'s answers, one batch a line: `[digest of the line, digest of the batch, answers]`.

    A line cut off by a kill is ignored. Lines that are not what was written for this owner (the cell's key and its
    weights' digest) count as absent, with a warning. Of several processes rank zero alone has the file.
    """

    def __init__(self, file: Path, owner: str):
        self.file, self.owner = file, owner
        self.known: dict[str, list[tuple[Any, ...]]] = {}
        if distributed.rank():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            return
        lines = file.read_bytes().split(b"\n")
        if lines[-1]:  # what is written next must not be joined to it
            with file.open("r+b") as opened:
                opened.truncate(file.stat().st_size - len(lines[-1]))
        damaged = [line for line in lines[:-1] if not self._take(line)]
        if damaged:
            log.warning(f"{file}: {len(damaged)} of {len(lines) - 1} lines are damaged, and their batches asked again")

    def _take(self, line: bytes) -> bool:
        """Whether the line is what was written."""
        try:
            written, batch, answers = json.loads(line)
            if written != scratch.digest([batch, answers], self.owner):
                return False
        except (ValueError, TypeError, RecursionError):
            return False
        self.known[batch] = [tuple(answer) for answer in answers]
        return True

    def add(self, batches: dict[str, list[tuple[Any, ...]]]) -> None:
        self.known |= batches
        if distributed.rank():
            return
        lines = [[scratch.digest([batch, answers], self.owner), batch, answers] for batch, answers in batches.items()]
        with self.file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


class KeepingBackend(Backend):
    """A Backend that keeps what it answers in `answers`, where there are any, and asks the model only for the rest.

    Batches are laid out over all requests before the known ones are taken away: an answer may depend on what shares
    its batch in the last bits, and an interrupted evaluation must end with the numbers of an uninterrupted one.
    """

    answers: Answers | None = None
    """Those of the weights that are in memory; whoever changes the weights changes them."""

    def _predict(self, batches: list[Any]) -> list[Any]:
        if self.answers is None:
            return super()._predict(batches)
        named = {_digest(batch): batch for whole in batches for batch in _parts(whole)}
        kept = self.answers
        known = distributed.on_rank_zero(lambda: {batch: kept.known[batch] for batch in named if batch in kept.known})
        kept.known |= known
        missing = [digest for digest in named if digest not in kept.known]
        n = distributed.n_ranks()
        while missing:
            stop_if_asked()
            now, missing = missing[:n], missing[n:]
            start = time.perf_counter()
            answers = {answer[0]: tuple(answer) for answer in super()._predict([named[digest] for digest in now])}
            kept.add({digest: [answers[index] for index in _indices(named[digest])] for digest in now})
            n = max(distributed.n_ranks(), min(2 * n, int(n * SECONDS_A_SAVE / (time.perf_counter() - start))))
            n = distributed.on_rank_zero(lambda n=n: n)  # type: ignore[misc]
        return [answer for digest in named for answer in self.answers.known[digest]]


def _parts(batch: Any) -> list[Any]:
    if not isinstance(batch, GreedyPrompts):
        return [batch]
    n = min(PROMPTS_A_BATCH, 8 * batch.n_rows)
    prompts = sorted(batch.prompts, key=lambda prompt: (-len(prompt[1]), prompt[0]))
    return [replace(batch, prompts=prompts[start : start + n]) for start in range(0, len(prompts), n)]


def _indices(batch: Any) -> list[int]:
    if isinstance(batch, PrefixGroup):
        return [leaf.index for stem in batch.stems for leaf in stem.leaves]
    if isinstance(batch, GreedyPrompts):
        return [index for index, _ in batch.prompts]
    return list(batch.indices)


def _digest(batch: Any) -> str:
    return hashlib.sha256(repr(_content(batch)).encode()).hexdigest()[:20]


def _content(value: Any) -> Any:
    """All that decides the answers to a batch, as plain lists."""
    if isinstance(value, Tensor):
        return value.tolist()
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.name != "progress"]
        return [type(value).__name__, *(_content(getattr(value, name)) for name in names)]
    if isinstance(value, list):
        return [_content(item) for item in value]
    return value
